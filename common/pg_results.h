/*
 * pg_results.h - what a query gave: for each of its statements rows of text.
 *
 * Threading: as any object, one thread at a time.
 */
#ifndef COMMON_PG_RESULTS_H
#define COMMON_PG_RESULTS_H

#include "common/base.h"

/* Our longest batch of statements has fewer; one that has more is a bug. */
#define PG_RESULTS_MAX 32

/* What the statements gave, in order; filled in by pg_conn.c alone. */
struct pg_result; /* libpq's */
struct pg_results {
    size_t count;
    struct pg_result *list[PG_RESULTS_MAX];
};

size_t pg_statements(const struct pg_results *results);
size_t pg_rows(const struct pg_results *results, size_t statement);

/* NULL for SQL's NULL. */
const char *pg_text(const struct pg_results *results, size_t statement, size_t row, size_t column);

/* As number; 0 for NULL. */
uint64_t pg_u64(const struct pg_results *results, size_t statement, size_t row, size_t column);

/* A position like 16/B374D848; 0 for NULL and for anything else. */
uint64_t pg_lsn(const char *text);

void pg_results_clear(struct pg_results *results);

#endif
