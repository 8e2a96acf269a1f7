/*
 * hash.h - SipHash-1-3, keyed: who does not know the key cannot choose bytes that collide.
 *
 * Threading: no state, any thread.
 */
#ifndef COMMON_HASH_H
#define COMMON_HASH_H

#include "common/wire.h"

struct hash_key {
    uint64_t words[2];
};

/* A random one, for the life of a table. */
struct hash_key hash_key_new(void);

uint64_t hash_bytes(const struct hash_key *key, struct view bytes);

/* The hash of eight bytes, little-endian. */
uint64_t hash_u64(const struct hash_key *key, uint64_t word);

#endif
