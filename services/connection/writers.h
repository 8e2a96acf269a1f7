/*
 * writers.h - the set of transactions that hold a write lock on a table, taken
 * once, and how far it has ended.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_WRITERS_H
#define CONNECTION_WRITERS_H

#include "common/arena.h"
#include "common/pg_conn.h"

#define WRITERS_TEXT 512

struct writers {
    struct map *set;         /* virtual transaction ids */
    char text[WRITERS_TEXT]; /* who is left: "pid 12, gid abc" */
};

/*
 * One statement: every transaction with any lock, and whether it holds RowExclusiveLock or what
 * excludes writers on the table `oid` or one of its partitions. Locks of VACUUM and CREATE INDEX
 * are no writers'.
 */
void writers_sql(struct buf *sql, uint64_t oid);

/* The set is what the rows of that statement say. */
void writers_take(struct writers *writers, const struct pg_results *results, size_t statement);

/* Who has ended by now leaves the set. True when it is empty. */
bool writers_have_ended(struct writers *writers, const struct pg_results *results,
                        size_t statement);

/* A zeroed one is accepted. */
void writers_fini(struct writers *writers);

#endif
