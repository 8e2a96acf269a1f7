/*
 * sql_text.h - names and values as SQL text.
 *
 * For Postgres with client_encoding UTF8; right whatever
 * standard_conforming_strings is.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_SQL_TEXT_H
#define CORE_SQL_TEXT_H

#include "common/buf.h"

/* "name", with quotes in it doubled. */
void sql_text_ident(struct buf *out, struct view name);

/* "schema"."name" */
void sql_text_table(struct buf *out, struct view schema, struct view name);

/* 'value', or E'value' when there is a backslash in it. */
void sql_text_literal(struct buf *out, struct view value);

#endif
