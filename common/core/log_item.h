/*
 * log_item.h - rows and changes as the items that clients get (engine §8.2, http-api §5).
 *
 * An item is JSON text and a comma, appended to the log's own buffer and never touched again. What
 * does not depend on the row is made once a shape, in the plan.
 *
 * A row is an array with a field for each of the table's columns, by their places in the
 * definition; only those of `def->fetched` and of the where clause count.
 *
 * Threading: a plan does not change; any thread may use it.
 */
#ifndef CORE_LOG_ITEM_H
#define CORE_LOG_ITEM_H

#include "common/core/shape_def.h"
#include "common/core/where_eval.h"
#include "proto/offset.h"

struct item_plan;

/* `def` must outlive the plan. */
struct item_plan *item_plan_new(const struct shape_def *def);
void item_plan_free(struct item_plan *plan);

/* A change's place: its transaction and its offset there. */
struct item_place {
    struct log_offset offset;
    uint32_t xid;
};

/* What a change of a row is for this shape. */
enum item_change {
    ITEM_NONE,   /* nothing that the shape shows has changed */
    ITEM_INSERT, /* a new row, or one that moved in */
    ITEM_UPDATE,
    ITEM_DELETE, /* a deleted row, or one that moved out */
    ITEM_REKEY,  /* delete under the old key, insert under the new one: two items, op and op + 1 */
};

/*
 * `old_row` is NULL where there is none or it is outside the shape, `new_row` likewise.
 */
enum item_change item_classify(const struct item_plan *plan, const struct where_field *old_row,
                               const struct where_field *new_row);

/* A row of the snapshot. */
void item_append_snapshot(const struct item_plan *plan, const struct where_field *row,
                          struct buf *out);

/* A row of a subset (http-api [38]); `mark` links it with its snapshot. */
void item_append_subset(const struct item_plan *plan, const struct where_field *row, uint32_t mark,
                        struct buf *out);

/* `old_row`: the row under its old key (ITEM_REKEY), else NULL. */
void item_append_insert(const struct item_plan *plan, const struct where_field *row,
                        const struct where_field *old_row, struct item_place place,
                        struct buf *out);

void item_append_update(const struct item_plan *plan, const struct where_field *old_row,
                        const struct where_field *new_row, struct item_place place,
                        struct buf *out);

/* `new_row`: the row under its new key (ITEM_REKEY), else NULL. */
void item_append_delete(const struct item_plan *plan, const struct where_field *row,
                        const struct where_field *new_row, struct item_place place,
                        struct buf *out);

/* How many rows a change item of ours makes a shape larger: 1, 0 or -1. */
int item_row_delta(struct view item);

/* Makes the change item at the end of `out` the last one of its transaction. */
void item_mark_last(struct buf *out);

#endif
