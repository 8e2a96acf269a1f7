/*
 * index_table.h - all clauses that are found by one kind of condition on the same sources.
 *
 * Inside of shape_index.c. Entries stand in a hash table by key (open addressing), or, those of
 * PATH_RANGE, in a tree. With a hundred thousand shapes it is cache misses that cost: a number is
 * kept in its slot, any other key in a small block behind it; and a member that is found by one
 * entry and has nothing left to ask is given without being looked at itself (its entry is "plain").
 *
 * Threading: as the index.
 */
#ifndef CORE_INDEX_TABLE_H
#define CORE_INDEX_TABLE_H

#include "common/buf.h"
#include "common/core/index_path.h"
#include "common/core/shape_index.h"
#include "common/hash.h"

struct where_pool;

/* Entries with one key: 0 for none, a plain entry's address with PLAIN, or the first entry of those
 * that follow along peer_next. */
typedef uintptr_t index_head;
#define INDEX_HEAD_PLAIN ((index_head)1)

struct index_block {
    index_head head;
    uint32_t size;
    uint8_t key[];
};

struct index_slot {
    uint64_t word; /* the key itself (is_word), or its hash */
    union {
        index_head head; /* is_word */
        struct index_block *block;
    }; /* all bits zero: free */
};

struct index_table {
    struct list node;
    enum path_kind kind;
    bool is_folded;
    bool is_word; /* every key is a number of eight bytes */
    size_t size;  /* bytes of a key: PREFIX and PART have a table for each */
    size_t source_count;
    const struct expr *sources[PATH_SOURCES_MAX]; /* of the pool */
    struct view name;                             /* what makes it this table, owned */
    size_t entry_count;
    struct index_slot *slots; /* NULL before the first entry */
    size_t mask;              /* number of slots - 1 */
    size_t used;              /* slots */
    uint64_t *seen_parts;     /* PART: a bit for each key's hash, so that most bytes of a text are
                                 passed over at once */
    struct range_tree ranges;
};

/* `size` as above. The table knows the path's sources as the pool has them. */
struct index_table *index_table_new(const struct index_path *path, size_t size, struct view name,
                                    struct where_pool *pool);
void index_table_free(struct index_table *table, struct where_pool *pool);

/* An entry with a key (copied) or a range comes and goes. */
void index_table_add(struct index_table *table, struct index_entry *entry, struct view key,
                     bool is_plain, const struct hash_key *hash_key);
void index_table_add_range(struct index_table *table, struct index_entry *entry, uint64_t low,
                           uint64_t high, bool is_plain);
void index_table_remove(struct index_table *table, struct index_entry *entry,
                        const struct hash_key *hash_key);

index_head index_table_find(const struct index_table *table, struct view key,
                            const struct hash_key *hash_key);

static inline struct index_entry *
index_head_entry(index_head head)
{
    return (struct index_entry *)(head & ~INDEX_HEAD_PLAIN);
}

/* PART: where a key of the table may stand in the text, from *pos on; false: nowhere any more. */
bool index_table_next_part(const struct index_table *table, struct view text, size_t *pos);

/* PART: how many entries have this key; the fewer, the better it tells texts apart. */
size_t index_table_peers(const struct index_table *table, struct view key,
                         const struct hash_key *hash_key);

void index_table_each(const struct index_table *table,
                      void (*fn)(void *ctx, struct index_entry *entry), void *ctx);

#endif
