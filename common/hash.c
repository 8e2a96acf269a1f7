#include "common/hash.h"

#include "common/clock.h"

struct hash_key
hash_key_new(void)
{
    return (struct hash_key){{clock_random_u64(), clock_random_u64()}};
}

static inline uint64_t
rotate(uint64_t v, unsigned bits)
{
    return v << bits | v >> (64 - bits);
}

static inline void
sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static inline void
sip_start(const struct hash_key *key, uint64_t v[4])
{
    v[0] = key->words[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = key->words[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = key->words[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = key->words[1] ^ UINT64_C(0x7465646279746573);
}

static inline void
sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
}

static inline uint64_t
sip_end(uint64_t v[4])
{
    v[2] ^= 0xff;
    for (unsigned i = 0; i < 3; i++) {
        sip_round(v);
    }
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t
hash_bytes(const struct hash_key *key, struct view bytes)
{
    uint64_t v[4];
    sip_start(key, v);
    size_t whole = bytes.size & ~(size_t)7;
    for (size_t i = 0; i < whole; i += 8) {
        sip_word(v, wire_get_u64(bytes.bytes + i));
    }
    uint64_t last = (uint64_t)bytes.size << 56;
    for (size_t i = whole; i < bytes.size; i++) {
        last |= (uint64_t)bytes.bytes[i] << (8 * (i - whole));
    }
    sip_word(v, last);
    return sip_end(v);
}

uint64_t
hash_u64(const struct hash_key *key, uint64_t word)
{
    uint64_t v[4];
    sip_start(key, v);
    sip_word(v, word);
    sip_word(v, (uint64_t)8 << 56);
    return sip_end(v);
}
