#include "common/core/index_table.h"

#include <string.h>

#include "common/core/index_key.h"
#include "common/core/where_pool.h"
#include "common/mem.h"

#define SLOTS_MIN 16

/* Bits of seen_parts for each slot: at three quarters full, one in sixteen is set. */
#define PART_BITS 16

static bool
has_words(const struct index_path *path)
{
    struct where_type type = path->sources[0]->type;
    if (path->kind == PATH_ELEMENT) {
        type.is_array = false;
    } else if (path->kind != PATH_EQUAL || path->source_count > 1) {
        return false;
    }
    return index_word_is_exact(type);
}

struct index_table *
index_table_new(const struct index_path *path, size_t size, struct view name,
                struct where_pool *pool)
{
    struct index_table *table = mem_alloc_zero(sizeof *table);
    table->kind = path->kind;
    table->is_folded = path->is_folded;
    table->size = size;
    table->source_count = path->source_count;
    table->is_word = has_words(path);
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
block_key(const struct index_block *block)
{
    return view_of(block->key, block->size);
}

static struct index_block *
new_block(struct view key)
{
    ASSERT(key.size <= UINT32_MAX);
    struct index_block *block = mem_alloc(sizeof *block + key.size);
    block->size = (uint32_t)key.size;
    if (key.size > 0) {
        memcpy(block->key, key.bytes, key.size);
    }
    return block;
}

/* What stands in the slot for this key. */
static uint64_t
word_of(const struct index_table *table, struct view key, const struct hash_key *hash_key)
{
    return table->is_word ? wire_get_u64(key.bytes) : hash_bytes(hash_key, key);
}

/* Where the search for it begins. */
static size_t
home_of(const struct index_table *table, uint64_t word, const struct hash_key *hash_key)
{
    return (size_t)(table->is_word ? hash_u64(hash_key, word) : word) & table->mask;
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

static bool
is_free(const struct index_slot *slot)
{
    return slot->block == NULL;
}

static size_t
find_slot(const struct index_table *table, struct view key, uint64_t word,
          const struct hash_key *hash_key)
{
    for (size_t i = home_of(table, word, hash_key);; i = (i + 1) & table->mask) {
        const struct index_slot *slot = &table->slots[i];
        if (is_free(slot) ||
            (slot->word == word && (table->is_word || view_equal(block_key(slot->block), key)))) {
            return i;
        }
    }
}

static void
resize(struct index_table *table, size_t slot_count, const struct hash_key *hash_key)
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
        if (is_free(&old[i])) {
            continue;
        }
        size_t place = home_of(table, old[i].word, hash_key);
        while (!is_free(&table->slots[place])) {
            place = (place + 1) & table->mask;
        }
        table->slots[place] = old[i];
        if (table->kind == PATH_PART) {
            mark_part(table, block_key(old[i].block));
        }
    }
    mem_free(old);
}

/* Four fifths of the slots are used at most, and an eighth at least. */
static void
make_room(struct index_table *table, const struct hash_key *hash_key)
{
    if (table->slots == NULL) {
        resize(table, SLOTS_MIN, hash_key);
    } else if ((table->used + 1) * 5 > (table->mask + 1) * 4) {
        resize(table, (table->mask + 1) * 2, hash_key);
    }
}

static void
clear_slot(struct index_table *table, size_t hole, const struct hash_key *hash_key)
{
    struct index_slot *slots = table->slots;
    for (size_t i = (hole + 1) & table->mask; !is_free(&slots[i]); i = (i + 1) & table->mask) {
        size_t home = home_of(table, slots[i].word, hash_key);
        /* It may move back into the hole unless its home lies behind the hole. */
        if (((i - home) & table->mask) >= ((i - hole) & table->mask)) {
            slots[hole] = slots[i];
            hole = i;
        }
    }
    slots[hole] = (struct index_slot){0};
    table->used--;
    if (table->mask + 1 > SLOTS_MIN && table->used * 8 < table->mask + 1) {
        resize(table, (table->mask + 1) / 2, hash_key);
    }
}

/* ---- coming, going, asking */

static index_head *
head_of(struct index_table *table, size_t slot)
{
    return table->is_word ? &table->slots[slot].head : &table->slots[slot].block->head;
}

void
index_table_add(struct index_table *table, struct index_entry *entry, struct view key,
                bool is_plain, const struct hash_key *hash_key)
{
    make_room(table, hash_key);
    uint64_t word = word_of(table, key, hash_key);
    size_t place = find_slot(table, key, word, hash_key);
    struct index_slot *slot = &table->slots[place];
    struct index_entry *before = NULL;
    if (is_free(slot)) {
        table->used++;
        slot->word = word;
        if (!table->is_word) {
            slot->block = new_block(key);
        }
        if (table->kind == PATH_PART) {
            mark_part(table, key);
        }
    } else {
        before = index_head_entry(*head_of(table, place));
        before->peer_prev = entry;
    }
    if (table->is_word) {
        entry->word = word;
    } else {
        entry->block = slot->block;
    }
    entry->peer_prev = NULL;
    entry->peer_next = before;
    *head_of(table, place) =
        (index_head)entry | (is_plain && before == NULL ? INDEX_HEAD_PLAIN : 0);
    table->entry_count++;
}

void
index_table_add_range(struct index_table *table, struct index_entry *entry, uint64_t low,
                      uint64_t high, bool is_plain)
{
    entry->range = (struct range_item){low, high};
    range_tree_add(&table->ranges, &entry->range, is_plain);
    table->entry_count++;
}

/* The first of its key: the next one takes its place, or the slot is free. */
static void
remove_first(struct index_table *table, struct index_entry *entry, const struct hash_key *hash_key)
{
    struct index_block *block = table->is_word ? NULL : entry->block;
    uint8_t word_key[8];
    struct view key = view_of(word_key, sizeof word_key);
    if (block != NULL) {
        key = block_key(block);
    } else {
        wire_put_u64(word_key, entry->word);
    }
    size_t place = find_slot(table, key, word_of(table, key, hash_key), hash_key);
    if (entry->peer_next != NULL) {
        *head_of(table, place) = (index_head)entry->peer_next;
        return;
    }
    clear_slot(table, place, hash_key);
    mem_free(block);
}

static void
remove_hashed(struct index_table *table, struct index_entry *entry, const struct hash_key *hash_key)
{
    if (entry->peer_next != NULL) {
        entry->peer_next->peer_prev = entry->peer_prev;
    }
    if (entry->peer_prev != NULL) {
        entry->peer_prev->peer_next = entry->peer_next;
    } else {
        remove_first(table, entry, hash_key);
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

index_head
index_table_find(const struct index_table *table, struct view key, const struct hash_key *hash_key)
{
    uint64_t word = word_of(table, key, hash_key);
    const struct index_slot *slot = &table->slots[find_slot(table, key, word, hash_key)];
    if (table->is_word || is_free(slot)) {
        return slot->head;
    }
    return slot->block->head;
}

size_t
index_table_peers(const struct index_table *table, struct view key, const struct hash_key *hash_key)
{
    size_t count = 0;
    if (table->used == 0) {
        return 0;
    }
    const struct index_entry *entry = index_head_entry(index_table_find(table, key, hash_key));
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
give_range(void *ctx, struct range_item *item, bool is_plain)
{
    const struct each *each = ctx;
    (void)is_plain;
    each->fn(each->ctx, LIST_ITEM(item, struct index_entry, range));
}

void
index_table_each(const struct index_table *table, void (*fn)(void *ctx, struct index_entry *entry),
                 void *ctx)
{
    struct each each = {fn, ctx};
    range_tree_each(&table->ranges, give_range, &each);
    for (size_t i = 0; table->slots != NULL && i <= table->mask; i++) {
        const struct index_slot *slot = &table->slots[i];
        index_head head = table->is_word || is_free(slot) ? slot->head : slot->block->head;
        for (struct index_entry *entry = index_head_entry(head); entry != NULL;
             entry = entry->peer_next) {
            fn(ctx, entry);
        }
    }
}
