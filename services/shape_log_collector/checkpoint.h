/*
 * checkpoint.h - how far Postgres may forget.
 *
 * Every second, sooner when much was written or somebody asks: takes the
 * received LSN and the dirty logs of that moment, makes the logs and new
 * folder entries durable on a worker, then records the LSN, the ids not yet
 * seen visible and the shapes ended meanwhile in one catalogue transaction, and
 * only then says that this LSN is durable. Whatever holds a sync or the
 * transaction back holds the LSN back.
 *
 * Threading: the loop's; syncing on a worker.
 */
#ifndef COLLECTOR_CHECKPOINT_H
#define COLLECTOR_CHECKPOINT_H

#include "common/buf.h"

struct catalogue;
struct checkpoint;
struct log_store;
struct loop;
struct worker_pool;

#define CHECKPOINT_PERIOD_MS 1000

/* So much unsynced begins one before its time: a crash of the machine costs no more to stream
 * again. */
#define CHECKPOINT_BYTES (64u << 20)

struct checkpoint_options {
    struct loop *loop;
    struct worker_pool *pool;
    struct log_store *logs;
    struct catalogue *catalogue;

    void *ctx;
    /*
     * The end of what was taken in and written out whole (log_store_write_out() said true for it),
     * and the ids not yet seen visible, appended to `unseen_out`. Called when a checkpoint begins.
     */
    uint64_t (*take)(void *ctx, struct buf *unseen_out);
    /* Durable up to here; an empty batch may now be answered with it. */
    void (*durable)(void *ctx, uint64_t lsn);
};

/* Nothing happens before checkpoint_start(). `durable_lsn`: the catalogue's. */
struct checkpoint *checkpoint_new(const struct checkpoint_options *options, uint64_t durable_lsn);

/* From now on there is a checkpoint each second, if there is anything to say. */
void checkpoint_start(struct checkpoint *checkpoint);

/* One as soon as can be: now, or when the one that is under way ends. */
void checkpoint_request(struct checkpoint *checkpoint);

/* To be called after a write-out: begins one if enough is unsynced. */
void checkpoint_on_write(struct checkpoint *checkpoint);

/* First start: the catalogue has the identity durably, and with it this LSN. */
void checkpoint_agreed(struct checkpoint *checkpoint, uint64_t lsn);

uint64_t checkpoint_durable_lsn(const struct checkpoint *checkpoint);

/* Why it does not advance, for the status board; NULL while it does. */
const char *checkpoint_error(const struct checkpoint *checkpoint);

/*
 * Calls `done` when all that is written out by now is durable and its checkpoint recorded: before a
 * new shape enters the catalogue (its log must be as durable as its snapshot), before the lock is
 * given up, at the end. Begins one as soon as can be; many callers share it.
 */
void checkpoint_wait(struct checkpoint *checkpoint, void (*done)(void *ctx), void *ctx);

/* After the pool has ended; one under way is given up. NULL is accepted. */
void checkpoint_free(struct checkpoint *checkpoint);

#endif
