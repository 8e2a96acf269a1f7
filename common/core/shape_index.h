/*
 * shape_index.h - which clauses of a table are true for a row, without asking each of them.
 *
 * A clause enters by one condition that must hold for it (of an AND the best one, of an OR one of
 * each side): equality of one or several expressions over the row, IN, IS NULL, booleans, ranges,
 * BETWEEN, a LIKE prefix or a part of the text, an element of an array, a key or a value in a
 * jsonb. What has none is asked for every row. The index is a filter: what it finds is evaluated,
 * unless the condition is the whole clause.
 *
 * Evaluated is a graph of all clauses (where_pool.h): a column is read once, and what two clauses
 * have in common is computed once for a row.
 *
 * Cost of a row: one look-up for each kind of condition on the table, whatever the number of
 * clauses. A clause joins and leaves in the time of its own size.
 *
 * Threading: an index belongs to one thread.
 */
#ifndef CORE_SHAPE_INDEX_H
#define CORE_SHAPE_INDEX_H

#include "common/core/range_tree.h"
#include "common/core/where_eval.h"
#include "common/list.h"

struct shape_index;
struct index_block;
struct index_entry;
struct index_member;
struct index_table;

/* One way to find a member. shape_index.c's. */
struct index_entry {
    struct index_entry *next; /* of the member */
    struct index_member *member;
    struct index_table *table;
    union {
        struct {
            struct index_entry *peer_next; /* with the same key */
            struct index_entry *peer_prev;
            union {
                uint64_t word;             /* a key of eight bytes, as a number */
                struct index_block *block; /* any other key */
            };
        };
        struct range_item range;
    };
};

/* A clause in an index; lives in its owner's struct, zeroed before. */
struct index_member {
    struct list node;
    bool is_rest;            /* asked for every row */
    const struct expr *expr; /* what is evaluated; NULL: nothing needs to be */
    uint64_t seen;           /* the last row that it was given for */
    struct index_entry *entries;
    struct index_entry first; /* most have one */
};

struct shape_index_options {
    void *ctx;
    /*
     * The member's clause, in `mem` or longer-lived; NULL: every row. It is asked for when a member
     * is added, and again for the rare row that has a value which cannot be read.
     */
    const struct expr *(*clause)(void *ctx, struct index_member *member, struct arena *mem);
};

struct shape_index *shape_index_new(const struct shape_index_options *options);

/* Without members. NULL is accepted. */
void shape_index_free(struct shape_index *index);

void shape_index_add(struct shape_index *index, struct index_member *member);
void shape_index_remove(struct shape_index *index, struct index_member *member);

/*
 * Calls `fn` once for each member whose clause is true for `row` (WHERE_TRUE), or cannot be
 * evaluated (WHERE_ERROR; `err` says why). `fn` must not change the index.
 */
typedef void (*shape_index_fn)(void *ctx, struct index_member *member, enum where_truth truth,
                               const struct err *err);
void shape_index_match(struct shape_index *index, struct where_row *row, shape_index_fn fn,
                       void *ctx);

/* Calls `fn` for each member; the index must not change meanwhile. */
void shape_index_each(struct shape_index *index, void (*fn)(void *ctx, struct index_member *member),
                      void *ctx);

size_t shape_index_count(const struct shape_index *index);

/* Members that are asked for every row, for metrics. */
size_t shape_index_unindexed_count(const struct shape_index *index);

/* Members that were evaluated or found since the index was made. */
uint64_t shape_index_found_count(const struct shape_index *index);

#endif
