/*
 * fake_pg.h - a Postgres that says what a test has told it to, on the test's own loop.
 *
 * It speaks the simple protocol over a socket in a folder of its own, with any number of sessions.
 * A query is answered by the last rule whose text stands in it:
 *
 *     "a|b\nc|\\N"   rows, their columns by |        "x;y"   two statements, each with its rows
 *     ""             no row                          ">r1\nr2"   rows of a COPY
 *     "!42501 why"   an error                        "?"   nothing, until fake_pg_release()
 *     "#"            the session is dropped
 *
 * A query without a rule has no rows. BEGIN and COMMIT are kept account of.
 */
#ifndef TESTS_FAKE_PG_H
#define TESTS_FAKE_PG_H

#include "common/loop.h"

struct fake_pg;

struct fake_pg *fake_pg_new(struct loop *loop, const char *name);
void fake_pg_free(struct fake_pg *pg);

/* What DATABASE_URL would be. */
const char *fake_pg_url(const struct fake_pg *pg);

/* Of sessions from now on: "15.12". Both texts of a rule are borrowed. */
void fake_pg_version(struct fake_pg *pg, const char *version);
void fake_pg_rule(struct fake_pg *pg, const char *in_query, const char *reply);

/* How many queries had the text in them; how many sessions are open. */
size_t fake_pg_count(const struct fake_pg *pg, const char *in_query);
size_t fake_pg_sessions(const struct fake_pg *pg);

/* Queries that got nothing are answered by the rules of now. */
void fake_pg_release(struct fake_pg *pg);

/* Every session breaks; with `refuses` there are no new ones. */
void fake_pg_break(struct fake_pg *pg, bool refuses);

#endif
