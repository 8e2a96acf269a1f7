/*
 * map.h - a hash map from bytes to a pointer.
 *
 * Keys are copied; values are the caller's and never touched. Seeded, so that
 * keys chosen by a client cannot be made to collide.
 *
 * Threading: as any object, a map belongs to one thread at a time.
 */
#ifndef COMMON_MAP_H
#define COMMON_MAP_H

#include "common/wire.h"

struct map;

struct map *map_new(void);

/* NULL when absent. */
void *map_get(const struct map *map, struct view key);

/* Adds or replaces; gives the value that was there, or NULL. `value` must not be NULL. */
void *map_put(struct map *map, struct view key, void *value);

/* Gives the value that was there, or NULL. */
void *map_remove(struct map *map, struct view key);

size_t map_count(const struct map *map);

/*
 * Walks over all entries in no particular order: start with *pos = 0; NULL at
 * the end. The entry just given may be removed meanwhile; nothing may be added.
 */
void *map_next(const struct map *map, size_t *pos, struct view *key_out);

/* Frees the map and its keys. NULL is accepted. */
void map_free(struct map *map);

/* Keys that are numbers. */
struct view map_key_u64(const uint64_t *key);

#endif
