/*
 * Entries stand in a dense array in the order they came (the last one moves into
 * the place of one that is removed); a table with linear probing finds them. So
 * walking is fast, and removing the entry just given disturbs only those given
 * before it.
 */
#include "common/map.h"

#include <string.h>

#include "common/hash.h"
#include "common/mem.h"

#define SLOTS_MIN 16

struct entry {
    uint64_t hash;
    void *value;
    size_t key_size;
    uint8_t key[];
};

/* An entry by number, and the part of its hash that spares most comparisons. */
struct slot {
    uint32_t hash_high;
    uint32_t entry_plus_1; /* 0: free */
};

struct map {
    struct hash_key hash_key;
    struct slot *slots; /* NULL before the first entry */
    size_t mask;        /* number of slots - 1 */
    struct entry **entries;
    size_t count;
    size_t capacity;
};

/* ---- the table */

struct map *
map_new(void)
{
    struct map *map = mem_alloc_zero(sizeof *map);
    map->hash_key = hash_key_new();
    return map;
}

static bool
entry_is(const struct entry *entry, struct view key)
{
    return view_equal(view_of(entry->key, entry->key_size), key);
}

/* The slot of `key`, or the free one where it would go. The table has a free slot always. */
static size_t
find_slot(const struct map *map, struct view key, uint64_t hash)
{
    for (size_t i = (size_t)hash & map->mask;; i = (i + 1) & map->mask) {
        const struct slot *slot = &map->slots[i];
        if (slot->entry_plus_1 == 0 || (slot->hash_high == (uint32_t)(hash >> 32) &&
                                        entry_is(map->entries[slot->entry_plus_1 - 1], key))) {
            return i;
        }
    }
}

static void
place(struct map *map, uint64_t hash, size_t entry_idx)
{
    size_t i = (size_t)hash & map->mask;
    while (map->slots[i].entry_plus_1 != 0) {
        i = (i + 1) & map->mask;
    }
    map->slots[i] = (struct slot){(uint32_t)(hash >> 32), (uint32_t)entry_idx + 1};
}

/* Makes room for one entry more: three quarters of the slots are used at most. */
static void
grow(struct map *map)
{
    if (map->slots != NULL && (map->count + 1) * 4 <= (map->mask + 1) * 3) {
        return;
    }
    size_t slot_count = map->slots == NULL ? SLOTS_MIN : (map->mask + 1) * 2;
    ASSERT(slot_count <= UINT32_MAX);
    mem_free(map->slots);
    map->slots = mem_alloc_zero(slot_count * sizeof *map->slots);
    map->mask = slot_count - 1;
    map->capacity = slot_count / 4 * 3;
    map->entries = mem_realloc(map->entries, map->capacity * sizeof(struct entry *));
    for (size_t i = 0; i < map->count; i++) {
        place(map, map->entries[i]->hash, i);
    }
}

void *
map_get(const struct map *map, struct view key)
{
    if (map->count == 0) {
        return NULL;
    }
    const struct slot *slot = &map->slots[find_slot(map, key, hash_bytes(&map->hash_key, key))];
    return slot->entry_plus_1 == 0 ? NULL : map->entries[slot->entry_plus_1 - 1]->value;
}

void *
map_put(struct map *map, struct view key, void *value)
{
    ASSERT(value != NULL);
    grow(map);
    uint64_t hash = hash_bytes(&map->hash_key, key);
    struct slot *slot = &map->slots[find_slot(map, key, hash)];
    if (slot->entry_plus_1 != 0) {
        struct entry *entry = map->entries[slot->entry_plus_1 - 1];
        void *before = entry->value;
        entry->value = value;
        return before;
    }
    struct entry *entry = mem_alloc(sizeof *entry + key.size);
    entry->hash = hash;
    entry->value = value;
    entry->key_size = key.size;
    if (key.size > 0) {
        memcpy(entry->key, key.bytes, key.size);
    }
    map->entries[map->count] = entry;
    *slot = (struct slot){(uint32_t)(hash >> 32), (uint32_t)++map->count};
    return NULL;
}

/* Frees the slot and closes the gap, so that no mark of a removed entry stays behind. */
static void
clear_slot(struct map *map, size_t hole)
{
    for (size_t i = (hole + 1) & map->mask; map->slots[i].entry_plus_1 != 0;
         i = (i + 1) & map->mask) {
        size_t home = (size_t)map->entries[map->slots[i].entry_plus_1 - 1]->hash & map->mask;
        /* It may move back into the hole unless its home lies behind the hole. */
        if (((i - home) & map->mask) >= ((i - hole) & map->mask)) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct slot){0, 0};
}

void *
map_remove(struct map *map, struct view key)
{
    if (map->count == 0) {
        return NULL;
    }
    size_t at = find_slot(map, key, hash_bytes(&map->hash_key, key));
    if (map->slots[at].entry_plus_1 == 0) {
        return NULL;
    }
    size_t entry_idx = map->slots[at].entry_plus_1 - 1;
    struct entry *entry = map->entries[entry_idx];
    struct entry *last = map->entries[map->count - 1];
    clear_slot(map, at);
    if (last != entry) {
        size_t moved = find_slot(map, view_of(last->key, last->key_size), last->hash);
        map->slots[moved].entry_plus_1 = (uint32_t)entry_idx + 1;
        map->entries[entry_idx] = last;
    }
    map->count--;
    void *value = entry->value;
    mem_free(entry);
    return value;
}

size_t
map_count(const struct map *map)
{
    return map->count;
}

/* From the last to the first; *pos is the number of the entry just given, plus 1. */
void *
map_next(const struct map *map, size_t *pos, struct view *key_out)
{
    size_t left = *pos == 0 ? map->count : *pos - 1;
    ASSERT(left <= map->count);
    if (left == 0) {
        *pos = 1;
        return NULL;
    }
    *pos = left;
    const struct entry *entry = map->entries[left - 1];
    if (key_out != NULL) {
        *key_out = view_of(entry->key, entry->key_size);
    }
    return entry->value;
}

void
map_free(struct map *map)
{
    if (map == NULL) {
        return;
    }
    for (size_t i = 0; i < map->count; i++) {
        mem_free(map->entries[i]);
    }
    mem_free(map->entries);
    mem_free(map->slots);
    mem_free(map);
}

struct view
map_key_u64(const uint64_t *key)
{
    return view_of(key, sizeof *key);
}
