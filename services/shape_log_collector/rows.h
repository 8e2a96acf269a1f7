/*
 * rows.h - rows of COPY as items of one shape.
 *
 * Threading: one thread at a time, a worker's too.
 */
#ifndef COLLECTOR_ROWS_H
#define COLLECTOR_ROWS_H

#include "common/core/log_item.h"

struct copy_field;

/* Room for one row. */
struct rows {
    const struct shape_def *def;
    const struct item_plan *plan;
    struct where_field *fields;
    struct copy_field *copied;
};

/* `def` and `plan` must outlive it. */
void rows_init(struct rows *rows, const struct shape_def *def, const struct item_plan *plan);

/* A zeroed one is accepted. */
void rows_fini(struct rows *rows);

/*
 * Appends the rows of `copied`, whole ones with the shape's fetched columns, which are taken apart
 * in place. `mark` 0: rows of the shape's snapshot; else of the subset with this mark.
 *
 * Errors: ERR_PROTOCOL.
 */
NODISCARD bool rows_append(struct rows *rows, struct buf *copied, uint32_t mark, struct buf *items,
                           struct err *err);

#endif
