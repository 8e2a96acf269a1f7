/*
 * describe.h - tables as Postgres' catalogue has them, and snapshots as text:
 * the SQL that asks and the messages that its rows become.
 *
 * Threading: no state, any thread.
 */
#ifndef CONNECTION_DESCRIBE_H
#define CONNECTION_DESCRIBE_H

#include "common/arena.h"
#include "common/pg_conn.h"
#include "proto/messages.h"

/* An expression for the oid of a table by name; NULL when there is none. */
void describe_oid_by_name(struct buf *sql, struct view schema, struct view name);

/* One statement: the table or partitioned table whose oid `oid_sql` gives, or no row. */
void describe_relation(struct buf *sql, const char *oid_sql);

/* One statement: its columns, in order. */
void describe_columns(struct buf *sql, const char *oid_sql);

/* Texts are in `mem`. */
void describe_read_relation(const struct pg_results *results, size_t statement, struct arena *mem,
                            struct db_relation *relation_out);
void describe_read_columns(const struct pg_results *results, size_t statement, struct arena *mem,
                           struct db_column **columns_out, size_t *count_out);

/* "10:20:10,14" of pg_current_snapshot(). False when it is none. */
NODISCARD bool describe_read_snapshot(const char *text, struct arena *mem,
                                      struct db_marks *marks_out);

#endif
