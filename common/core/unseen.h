/*
 * unseen.h - transactions that were streamed and that new snapshots may not see yet.
 *
 * Postgres streams a commit as soon as its WAL is flushed, and lets snapshots see it later (long,
 * with synchronous replication). A shape whose snapshot does not see one that touched its table,
 * and that was streamed before the shape joined, would have it nowhere: it takes the snapshot
 * again.
 *
 * Threading: as any object, a set belongs to one thread at a time.
 */
#ifndef CORE_UNSEEN_H
#define CORE_UNSEEN_H

#include "common/core/visibility.h"

/* Beyond that the stream waits until some are seen: a snapshot is asked for each second. */
#define UNSEEN_MAX 1000000

struct unseen;

struct unseen *unseen_new(void);
void unseen_free(struct unseen *unseen);

/* A transaction was streamed that touched these tables. */
void unseen_add(struct unseen *unseen, uint32_t xid, const uint32_t *tables, size_t table_count);

/* Forgets what the snapshot sees. */
void unseen_prune(struct unseen *unseen, const struct marks *marks);

size_t unseen_count(const struct unseen *unseen);

/* Appends the ids that touched `table` (u32 each, as they stand in memory). */
void unseen_of_table(const struct unseen *unseen, uint32_t table, struct buf *ids_out);

/* Bytes for the catalogue. */
void unseen_encode(const struct unseen *unseen, struct buf *out);

/* Replaces what is there. Errors: ERR_CORRUPT; nothing has changed then. */
NODISCARD bool unseen_decode(struct unseen *unseen, struct view bytes, struct err *err);

void unseen_clear(struct unseen *unseen);

#endif
