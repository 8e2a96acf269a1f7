/*
 * apply.h - messages of the stream, one by one, applied to the feeds they concern.
 *
 * Inside of ingest.c: the open transaction, the relations that the stream has described, and how a
 * change becomes items. Never waits: a relation that must be inspected first is named to the
 * caller, who calls again with the same message.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_APPLY_H
#define COLLECTOR_APPLY_H

#include "services/shape_log_collector/ingest.h"

struct apply;

struct apply *apply_new(const struct ingest_options *options);
void apply_free(struct apply *apply);

/* The open transaction is cut and forgotten, and every relation. */
void apply_start_stream(struct apply *apply);

bool apply_is_inside(const struct apply *apply);

/* The id of the transaction that is under way; 0: none is. */
uint32_t apply_xid(const struct apply *apply);

/*
 * *inspect_out: nothing was done, this relation must be known first (apply_set_ancestors()); else
 * 0. *end_lsn_out: a transaction ended, and ends there; else 0. Errors: ERR_PROTOCOL, ERR_LIMIT.
 */
NODISCARD bool apply_message(struct apply *apply, struct view message, uint32_t *inspect_out,
                             uint64_t *end_lsn_out, struct err *err);

/* A change of this relation was too large to be passed on: its shapes end. */
NODISCARD bool apply_too_large(struct apply *apply, uint32_t oid, struct err *err);

void apply_set_ancestors(struct apply *apply, uint32_t oid, const uint32_t *ancestors,
                         size_t count);

void apply_join(struct apply *apply, struct shape_feed *feed);
void apply_open(struct apply *apply, struct shape_feed *feed, const struct marks *marks,
                uint64_t lsn);

struct unseen *apply_unseen(struct apply *apply);

/* How often a transaction came to a log that it had not been in, since the last forgetting. */
size_t apply_touches(const struct apply *apply);
void apply_forget_touches(struct apply *apply);

#endif
