/*
 * sql_parse.h - Postgres' own grammar (libpg_query) in front of our tree.
 *
 * Locations in the tree and in errors are byte offsets in `text`. Trees are
 * bounded: text that could nest too deeply is refused before the grammar,
 * which recurses, sees it.
 *
 * Threading: any thread.
 */
#ifndef COMMON_SQL_PARSE_H
#define COMMON_SQL_PARSE_H

#include "common/arena.h"
#include "common/err.h"
#include "common/sql_tree.h"

#define SQL_TEXT_MAX  (1u << 20)
#define SQL_DEPTH_MAX 200 /* levels of our tree: whoever walks it may recurse */

/*
 * Parses `SELECT 1 WHERE <where>` and gives the condition; nothing but a WHERE may stand there.
 *
 * Errors, with the texts of http-golden: ERR_INVALID "At location 18: syntax error at end of
 * input", "unescaped \";\" causing statement split", "malformed query ending with SQL clauses";
 * ERR_LIMIT.
 */
NODISCARD bool sql_parse_where(struct view where, struct arena *mem, struct sql_node **node_out,
                               struct err *err);

/* Parses `SELECT 1 ORDER BY <order>` likewise. */
NODISCARD bool sql_parse_order_by(struct view order, struct arena *mem, struct sql_sort **sorts_out,
                                  size_t *count_out, struct err *err);

#define SQL_ORDER_PREFIX "SELECT 1 ORDER BY "

#endif
