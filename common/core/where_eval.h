/*
 * where_eval.h - is this row in the shape?
 *
 * A row is what the stream sent: text for each of the table's columns. A column is parsed when the
 * first clause asks for it, and once, however many clauses look at it. Temporary values live in the
 * row's arena; nothing else is allocated.
 *
 * Threading: a row belongs to one thread; trees are shared.
 */
#ifndef CORE_WHERE_EVAL_H
#define CORE_WHERE_EVAL_H

#include "common/core/where_expr.h"

struct where_field {
    struct view text;
    bool is_null;
    bool is_parsed; /* where_eval.c's */
    struct where_value value;
};

struct where_row {
    struct where_field *fields; /* one for each of the table's columns, in the scope's order */
    size_t field_count;
    struct arena *mem; /* reset by the owner after the row */
    struct arena *tmp; /* for one where_eval_truth(), which empties it; NULL: all is in `mem` */
};

/* SQL's three truths, and the error that Postgres would raise. */
enum where_truth {
    WHERE_FALSE,
    WHERE_TRUE,
    WHERE_UNKNOWN,
    WHERE_ERROR,
};

/* `expr` is of type bool. WHERE_ERROR: *err says why, and whether the row belongs is not known. */
enum where_truth where_eval_truth(const struct expr *expr, struct where_row *row, struct err *err);

/* The value of any expression. Errors: ERR_INVALID, in Postgres' words where it has some. */
NODISCARD bool where_eval_value(const struct expr *expr, struct where_row *row,
                                struct where_value *value_out, struct err *err);

#endif
