/*
 * subset.h - which of a shape's rows a client asks for, as SQL (http-api §9, engine §9.10).
 *
 * Nothing of the client's text is copied: the clauses are written anew from trees that the grammar
 * made and that were checked against the shape's table. They only ever narrow the shape: its own
 * clause stands in parentheses beside the subset's.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_SUBSET_H
#define CORE_SUBSET_H

#include "common/core/shape_def.h"
#include "common/sql_tree.h"

/*
 * What a subset may name: the shape's scope, less what is not queryable, if that was said. Its
 * columns are in `mem`; it borrows from `def`.
 */
struct where_scope subset_scope(const struct shape_def *def, bool has_queryable,
                                const struct view *queryable, size_t queryable_count,
                                struct arena *mem);

/*
 * The WHERE of the whole: the shape's and the subset's, each in parentheses. `tree` NULL: the
 * shape's alone; nothing is appended when it has none. The parameters are the scope's.
 *
 * Errors: ERR_INVALID, the text that the client gets under subset.where.
 */
NODISCARD bool subset_where(const struct shape_def *def, const struct where_scope *scope,
                            const struct sql_node *tree, struct buf *sql_out, struct err *err);

/*
 * ORDER BY's list: columns, ASC or DESC, NULLS FIRST or LAST.
 *
 * Errors: ERR_INVALID, the text that the client gets under subset.order_by.
 */
NODISCARD bool subset_order(const struct where_scope *scope, const struct sql_sort *sorts,
                            size_t count, struct buf *sql_out, struct err *err);

#endif
