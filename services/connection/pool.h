/*
 * pool.h - sessions with one database, lent to one user at a time.
 *
 * A few are kept open; more are opened when somebody waits, up to the pool's
 * size, and closed again when idle for a minute. Who waits is served in order.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_POOL_H
#define CONNECTION_POOL_H

#include "services/connection/endpoint.h"

struct pool;
struct pool_wait;

/* failed: NULL when the pool can be used; else why not, each time that a session cannot be had. */
typedef void (*pool_change_fn)(void *ctx, const struct pg_failure *failed);

struct pool_def {
    struct loop *loop;
    struct endpoint *endpoint;
    const char *name; /* literal, for pg_stat_activity and logs */
    size_t size_max;
    size_t size_kept;
    uint32_t wait_ms; /* who waits longer gets a failure */
    pool_change_fn changed;
    void *ctx;
};

struct pool *pool_new(const struct pool_def *def);

/* Who waits is told; the queries of lent sessions fail, and who lent them gives them back. NULL is
 * accepted. */
void pool_free(struct pool *pool);

/* Opens the kept sessions; `changed` tells the first success or failure, and later changes. */
void pool_start(struct pool *pool);

/* Nothing is lent, waited for or being opened. */
bool pool_is_unused(const struct pool *pool);

/* Closes all sessions of an unused pool, until the next pool_start(). `changed` is not told. */
void pool_stop(struct pool *pool);

/* The caller gives `conn` back with pool_put(), also when it is lost. Never called by pool_get().
 */
typedef void (*pool_fn)(void *ctx, struct pg_conn *conn, const struct pg_failure *failed);
struct pool_wait *pool_get(struct pool *pool, pool_fn fn, void *ctx);

/* `fn` will not be called. NULL is accepted. */
void pool_cancel(struct pool_wait *wait);

/* What is not clean any more is closed. */
void pool_put(struct pool *pool, struct pg_conn *conn);

#endif
