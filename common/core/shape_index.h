/*
 * shape_index.h - which clauses of a table can be true for a row, without asking each of them.
 *
 * A clause enters by one condition that must hold for it (of an AND the best one, of an OR one of
 * each side): equality on one or several columns, IN, IS NULL, booleans, ranges, BETWEEN, a LIKE
 * prefix, an element of an array. What has none is asked for every row. The index is only a filter:
 * it gives every clause that is true and some that are not; whoever asks evaluates them.
 *
 * Cost of a row: one look-up for each kind of condition on the table, whatever the number of
 * clauses. A clause joins and leaves in the time of its own size.
 *
 * Threading: an index belongs to one thread.
 */
#ifndef CORE_SHAPE_INDEX_H
#define CORE_SHAPE_INDEX_H

#include "common/core/where_eval.h"

struct shape_index;
struct index_entry;

/* A clause in an index; lives in its owner's struct, zeroed before. */
struct index_member {
    const struct expr *expr; /* NULL: every row */
    struct index_entry *entries;
    uint64_t seen; /* the last row that it was given for */
};

struct shape_index *shape_index_new(void);

/* Without members. NULL is accepted. */
void shape_index_free(struct shape_index *index);

/* `member->expr` is set before and stays as it is until the member is removed. */
void shape_index_add(struct shape_index *index, struct index_member *member);
void shape_index_remove(struct shape_index *index, struct index_member *member);

/*
 * Calls `fn` once for each member that may be true for `row`. A value that cannot be read makes all
 * members candidates that ask for its column: evaluation tells what is wrong with it.
 */
void shape_index_find(struct shape_index *index, struct where_row *row,
                      void (*fn)(void *ctx, struct index_member *member), void *ctx);

/* Calls `fn` for each member; the index must not change meanwhile. */
void shape_index_each(struct shape_index *index, void (*fn)(void *ctx, struct index_member *member),
                      void *ctx);

size_t shape_index_count(const struct shape_index *index);

/* Members that are asked for every row, for metrics. */
size_t shape_index_unindexed_count(const struct shape_index *index);

#endif
