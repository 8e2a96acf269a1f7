/*
 * ingest.h - takes the stream in: frames become items in the logs of the shapes they concern.
 *
 * One batch at a time. It may have to wait in the middle, for a relation to be inspected (is it a
 * partition of a shape's table?) or for a full disk; then it goes on by itself, and `done` is
 * called when all of it is written out and visible. What a batch leaves open goes on in the next.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_INGEST_H
#define COLLECTOR_INGEST_H

#include "common/core/unseen.h"
#include "common/err.h"
#include "services/shape_log_collector/routing.h"

struct ingest;
struct log_store;
struct loop;

struct ingest_options {
    struct loop *loop;
    struct log_store *logs;
    struct routing *routing;
    void *ctx;

    /* The shape must end. It leaves the routing later, not before this message is done with. */
    void (*end_shape)(void *ctx, struct shape_feed *feed, const char *reason);
    /* More was held than may be: leave, at once, and join anew. */
    void (*held_too_much)(void *ctx, struct shape_feed *feed);
    /* Asks what `oid` is a partition of; ingest_inspected() answers, also later and for another
     * ask. */
    void (*inspect)(void *ctx, uint32_t oid);
    /* A relation was described anew: what is cached about it may be old. */
    void (*relation_changed)(void *ctx, uint32_t oid, struct view schema, struct view name);
    /* The batch is taken in; `err` set: the stream is not what it should be, nothing of the open
     * transaction stays. */
    void (*done)(void *ctx, const struct err *failed);
    /* Postgres asks how far we are. */
    void (*checkpoint_wanted)(void *ctx);
    /* The durable checkpoint, that transactions are compared with. */
    uint64_t (*checkpoint_lsn)(void *ctx);
};

struct ingest *ingest_new(const struct ingest_options *options);
void ingest_free(struct ingest *ingest);

/* A hello was agreed on: the open transaction is cut, relations are forgotten, received is `lsn`.
 */
void ingest_start_stream(struct ingest *ingest, uint64_t lsn);

/* Whether a batch is under way. */
bool ingest_is_busy(const struct ingest *ingest);

/* Gives up what is under way, without `done`: a hello comes. */
void ingest_abandon(struct ingest *ingest);

/* Takes the frames' bytes (leaving `frames` empty) and begins. */
void ingest_batch(struct ingest *ingest, struct buf *frames);

/* `is_known` false: it could not be asked; it is asked again. Ancestors: what the relation is a
 * partition of. */
void ingest_inspected(struct ingest *ingest, uint32_t oid, bool is_known, const uint32_t *ancestors,
                      size_t ancestor_count);

/* End of what was taken in and written out. */
uint64_t ingest_received_lsn(const struct ingest *ingest);

/* A shape joins the routing, or leaves it. Its feed's fields are set. */
void ingest_join(struct ingest *ingest, struct shape_feed *feed);
void ingest_leave(struct ingest *ingest, struct shape_feed *feed);

/* The marks of a joined shape are accepted: what was held is sorted. The shape may end in it. */
void ingest_open(struct ingest *ingest, struct shape_feed *feed, const struct marks *marks,
                 uint64_t lsn);

/* A restored shape: in the routing, its gate is open. */
void ingest_restore(struct ingest *ingest, struct shape_feed *feed);

struct unseen *ingest_unseen(struct ingest *ingest);

/* The id of the transaction that is being taken in; 0: none is. */
uint32_t ingest_xid(const struct ingest *ingest);

#endif
