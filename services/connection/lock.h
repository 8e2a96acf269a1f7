/*
 * lock.h - the session that holds the advisory lock, and the statements that
 * must not outlive it.
 *
 * Whoever holds the lock is the one engine that changes slot and publication.
 * Statements run one after another. While there is none, a heartbeat each two
 * seconds shows others that the engine lives (see lock_break()) and us that
 * Postgres does: no answer for 30 s ends the session. It also asks for the
 * publication: from version 18 on a stream goes on, empty, without it.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_LOCK_H
#define CONNECTION_LOCK_H

#include "services/connection/pool.h"

struct lock;

struct lock_def {
    struct loop *loop;
    struct endpoint *endpoint;
    const char *slot;        /* the lock is its hash; borrowed */
    const char *publication; /* borrowed */
    void (*opened)(void *ctx);
    void (*locked)(void *ctx);
    void (*failed)(void *ctx, const struct pg_failure *failed); /* also: lost */
    void (*publication_gone)(void *ctx); /* dropped, or another one by that name */
    void *ctx;
};

struct lock *lock_new(const struct lock_def *def);

/* NULL is accepted. */
void lock_free(struct lock *lock);

void lock_open(struct lock *lock);

/* Asks for the lock, and waits for it as long as it takes. */
void lock_take(struct lock *lock);

/* Statements that were not answered fail with is_lost. */
void lock_close(struct lock *lock);

/* Open, and the lock is ours. */
bool lock_is_held(const struct lock *lock);

/* No statement waits or runs; the heartbeat does not count. */
bool lock_is_unused(const struct lock *lock);

/* As pg_conn_version(); 0 without a session. */
int lock_server_version(const struct lock *lock);

/*
 * Runs statements on the session, after those before. Without a session `fn` is called from the
 * loop with is_lost. Never called by lock_run() itself.
 */
void lock_run(struct lock *lock, const char *sql, uint32_t timeout_ms, pg_result_fn fn, void *ctx);

/*
 * Ends, by way of `pool`, sessions that hold the lock though their engine is dead: they sent
 * nothing for 8 s, and nobody streams from the slot.
 */
void lock_break(struct lock *lock, struct pool *pool);

#endif
