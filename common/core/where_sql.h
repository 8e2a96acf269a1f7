/*
 * where_sql.h - a typed clause as SQL: what Postgres evaluates, and what two clauses are compared
 * by.
 *
 * Everything that could depend on a session or a database is said: literals carry their type, text
 * is ordered, folded and matched under "C" as our own evaluation does it. Nothing of the client's
 * text is copied: names and literals are written anew by the two quoting functions below.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_SQL_H
#define CORE_WHERE_SQL_H

#include "common/buf.h"
#include "common/core/where_expr.h"

/* Longer clauses are refused: what the bus carries (db.snapshot_begin). */
#define WHERE_SQL_MAX (4u << 20)

void where_sql(const struct expr *expr, const struct where_scope *scope, struct buf *out);

/* "name", with quotes inside doubled. */
void sql_quote_name(struct view name, struct buf *out);

/* 'text', safe under either setting of standard_conforming_strings. */
void sql_quote_literal(struct view text, struct buf *out);

#endif
