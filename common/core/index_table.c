#include "common/core/index_table.h"

#include <string.h>

#include "common/core/where_pool.h"
#include "common/mem.h"

#define SLOTS_MIN 16

/* Bits of seen_parts for each slot: at three quarters full, one in sixteen is set. */
#define PART_BITS 16

struct index_table *
index_table_new(const struct index_path *path, size_t size, struct view name,
                struct where_pool *pool)
{
    struct index_table *table = mem_alloc_zero(sizeof *table);
    table->kind = path->kind;
    table->is_folded = path->is_folded;
    table->size = size;
    table->source_count = path->source_count;
    for (size_t i = 0; i < path->source_count; i++) {
        table->sources[i] = where_pool_take(pool, path->sources[i]);
    }
    table->name = view_of(mem_dup_bytes(name.bytes, name.size), name.size);
    return table;
}

void
index_table_free(struct index_table *table, struct where_pool *pool)
{
    ASSERT(table->entry_count == 0);
    for (size_t i = 0; i < table->source_count; i++) {
        where_pool_give_back(pool, table->sources[i]);
    }
    mem_free((void *)(uintptr_t)table->name.bytes);
    mem_free(table->slots);
    mem_free(table->seen_parts);
    mem_free(table);
}

/* ---- keys */

static struct view
key_of(const struct index_entry *entry)
{
    bool is_inline = entry->key_size <= sizeof entry->inline_key;
    return view_of(is_inline ? entry->inline_key : entry->key, entry->key_size);
}

static void
set_key(struct index_entry *entry, struct view key)
{
    ASSERT(key.size <= UINT32_MAX);
    entry->key_size = (uint32_t)key.size;
    if (key.size > sizeof entry->inline_key) {
        entry->key = (uint8_t *)mem_dup_bytes(key.bytes, key.size);
    } else if (key.size > 0) {
        memcpy(entry->inline_key, key.bytes, key.size);
    }
}

static uint64_t
hash_of(const struct hash_key *hash_key, struct view key)
{
    return key.size == 8 ? hash_u64(hash_key, wire_get_u64(key.bytes)) : hash_bytes(hash_key, key);
}

/* ---- parts of texts */

/* Only to pass over what is in no key; what stays is looked up with the keyed hash. */
static size_t
part_bit(const struct index_table *table, const uint8_t *bytes)
{
    uint64_t word = 0;
    switch (table->size) {
    case 8:
        word = wire_get_u64(bytes);
        break;
    case 4:
        word = wire_get_u32(bytes);
        break;
    case 2:
        word = (uint64_t)bytes[0] << 8 | bytes[1];
        break;
    default:
        word = bytes[0];
        break;
    }
    word *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(word >> 20) & ((table->mask + 1) * PART_BITS - 1);
}

static void
mark_part(struct index_table *table, struct view key)
{
    size_t bit = part_bit(table, key.bytes);
    table->seen_parts[bit / 64] |= UINT64_C(1) << bit % 64;
}

bool
index_table_next_part(const struct index_table *table, struct view text, size_t *pos)
{
    for (; *pos + table->size <= text.size; (*pos)++) {
        size_t bit = part_bit(table, text.bytes + *pos);
        if ((table->seen_parts[bit / 64] >> bit % 64 & 1) != 0) {
            return true;
        }
    }
    return false;
}

/* ---- slots */

static size_t
find_slot(const struct index_table *table, struct view key, uint64_t hash)
{
    size_t i = (size_t)hash & table->mask;
    while (table->slots[i].head != NULL &&
           (table->slots[i].hash != hash || !view_equal(key_of(table->slots[i].head), key))) {
        i = (i + 1) & table->mask;
    }
    return i;
}

static void
resize(struct index_table *table, size_t slot_count)
{
    struct index_slot *old = table->slots;
    size_t old_count = old == NULL ? 0 : table->mask + 1;
    table->slots = mem_alloc_zero(slot_count * sizeof *table->slots);
    table->mask = slot_count - 1;
    if (table->kind == PATH_PART) {
        mem_free(table->seen_parts);
        table->seen_parts = mem_alloc_zero(slot_count * PART_BITS / 8);
    }
    for (size_t i = 0; i < old_count; i++) {
        if (old[i].head == NULL) {
            continue;
        }
        size_t place = (size_t)old[i].hash & table->mask;
        while (table->slots[place].head != NULL) {
            place = (place + 1) & table->mask;
        }
        table->slots[place] = old[i];
        if (table->kind == PATH_PART) {
            mark_part(table, key_of(old[i].head));
        }
    }
    mem_free(old);
}

/* Three quarters of the slots are used at most, and an eighth at least. */
static void
make_room(struct index_table *table)
{
    if (table->slots == NULL) {
        resize(table, SLOTS_MIN);
    } else if ((table->used + 1) * 4 > (table->mask + 1) * 3) {
        resize(table, (table->mask + 1) * 2);
    }
}

static void
clear_slot(struct index_table *table, size_t hole)
{
    struct index_slot *slots = table->slots;
    for (size_t i = (hole + 1) & table->mask; slots[i].head != NULL; i = (i + 1) & table->mask) {
        size_t home = (size_t)slots[i].hash & table->mask;
        /* It may move back into the hole unless its home lies behind the hole. */
        if (((i - home) & table->mask) >= ((i - hole) & table->mask)) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole] = (struct index_slot){0, NULL};
    table->used--;
    if (table->mask + 1 > SLOTS_MIN && table->used * 8 < table->mask + 1) {
        resize(table, (table->mask + 1) / 2);
    }
}

/* ---- coming, going, asking */

void
index_table_add(struct index_table *table, struct index_entry *entry, struct view key,
                const struct hash_key *hash_key)
{
    uint64_t hash = hash_of(hash_key, key);
    set_key(entry, key);
    make_room(table);
    struct index_slot *slot = &table->slots[find_slot(table, key, hash)];
    entry->peer_prev = NULL;
    entry->peer_next = slot->head;
    if (slot->head != NULL) {
        slot->head->peer_prev = entry;
    } else {
        table->used++;
        if (table->kind == PATH_PART) {
            mark_part(table, key);
        }
    }
    *slot = (struct index_slot){hash, entry};
    table->entry_count++;
}

void
index_table_add_range(struct index_table *table, struct index_entry *entry, uint64_t low,
                      uint64_t high)
{
    entry->range = (struct range_item){low, high};
    range_tree_add(&table->ranges, &entry->range);
    table->entry_count++;
}

static void
remove_hashed(struct index_table *table, struct index_entry *entry, const struct hash_key *hash_key)
{
    struct view key = key_of(entry);
    if (entry->peer_next != NULL) {
        entry->peer_next->peer_prev = entry->peer_prev;
    }
    if (entry->peer_prev != NULL) {
        entry->peer_prev->peer_next = entry->peer_next;
    } else {
        size_t slot = find_slot(table, key, hash_of(hash_key, key));
        table->slots[slot].head = entry->peer_next;
        if (entry->peer_next == NULL) {
            clear_slot(table, slot);
        }
    }
    if (entry->key_size > sizeof entry->inline_key) {
        mem_free(entry->key);
    }
}

void
index_table_remove(struct index_table *table, struct index_entry *entry,
                   const struct hash_key *hash_key)
{
    if (table->kind == PATH_RANGE) {
        range_tree_remove(&table->ranges, &entry->range);
    } else {
        remove_hashed(table, entry, hash_key);
    }
    table->entry_count--;
}

struct index_entry *
index_table_find(const struct index_table *table, struct view key, const struct hash_key *hash_key)
{
    return table->used == 0 ? NULL
                            : table->slots[find_slot(table, key, hash_of(hash_key, key))].head;
}

size_t
index_table_peers(const struct index_table *table, struct view key, const struct hash_key *hash_key)
{
    size_t count = 0;
    const struct index_entry *entry = index_table_find(table, key, hash_key);
    for (; entry != NULL && count < 64; entry = entry->peer_next) {
        count++; /* counting more would tell no more */
    }
    return count;
}

struct each {
    void (*fn)(void *ctx, struct index_entry *entry);
    void *ctx;
};

static void
give_range(void *ctx, struct range_item *item)
{
    const struct each *each = ctx;
    each->fn(each->ctx, LIST_ITEM(item, struct index_entry, range));
}

void
index_table_each(const struct index_table *table, void (*fn)(void *ctx, struct index_entry *entry),
                 void *ctx)
{
    struct each each = {fn, ctx};
    range_tree_each(&table->ranges, give_range, &each);
    for (size_t i = 0; table->slots != NULL && i <= table->mask; i++) {
        for (struct index_entry *entry = table->slots[i].head; entry != NULL;
             entry = entry->peer_next) {
            fn(ctx, entry);
        }
    }
}
