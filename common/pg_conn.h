/*
 * pg_conn.h - one session with Postgres, driven by the loop. Never blocks.
 *
 *     connecting -> idle <-> query -> copy -> (rest of the query) -> idle
 *                     any of them -> lost
 *
 * One query at a time; it may hold several statements, and the callback gets
 * all their results at once, at the end. A COPY statement ends this early: the
 * callback gets what came before and says with pg_copy_start() who takes the
 * rows. Whatever happens is told once: a session that is lost in the middle of
 * something fails that; only a session that is lost when idle calls `lost`.
 *
 * Callbacks may close the session that calls them. None is called by
 * pg_conn_open(), pg_query() and pg_conn_close() themselves, nor after the latter.
 *
 * Threading: the loop's thread. Cancelling connects once more, on a worker.
 */
#ifndef COMMON_PG_CONN_H
#define COMMON_PG_CONN_H

#include "common/buf.h"
#include "common/loop.h"
#include "common/pg_failure.h"
#include "common/pg_results.h"
#include "common/worker.h"

struct pg_conn;

typedef void (*pg_failed_fn)(void *ctx, const struct pg_failure *failed);

struct pg_conn_def {
    struct loop *loop;
    struct worker_lane *lane; /* for cancelling */
    const char *const *names; /* libpq's keywords, ended by NULL; good during the call */
    const char *const *values;
    uint32_t timeout_ms;
    pg_failed_fn opened; /* failed: NULL when it is open */
    void *ctx;
};

struct pg_conn *pg_conn_open(const struct pg_conn_def *def);

/* Who is told when the session is lost while it is idle; may change hands. NULL: nobody. */
void pg_conn_on_lost(struct pg_conn *conn, pg_failed_fn lost, void *ctx);

/* A query under way is left to the server; see pg_cancel(). NULL is accepted. */
void pg_conn_close(struct pg_conn *conn);

/* The session is over: what is under way fails, and this is told before it returns. */
void pg_conn_abort(struct pg_conn *conn);

/* ---- questions */

int pg_conn_version(const struct pg_conn *conn); /* 150012 */
int pg_conn_pid(const struct pg_conn *conn);
bool pg_conn_is_tls(const struct pg_conn *conn);

/* Idle, outside a transaction, and nothing was cancelled: fit for the next user. */
bool pg_conn_is_clean(const struct pg_conn *conn);

/* ---- queries */

/* `failed` is NULL, or says what stopped the query after `results`. */
typedef void (*pg_result_fn)(void *ctx, const struct pg_results *results,
                             const struct pg_failure *failed);

/*
 * Sends `sql`, by the simple protocol; the session is idle. After `timeout_ms` (0: never) it is
 * cancelled and fails with what Postgres says to that, or is lost when that says nothing.
 */
void pg_query(struct pg_conn *conn, const char *sql, uint32_t timeout_ms, pg_result_fn fn,
              void *ctx);

/* Asks Postgres to stop what runs: the callback is still called. */
void pg_cancel(struct pg_conn *conn);

/* ---- COPY */

struct pg_copy {
    void (*row)(void *ctx, struct view bytes); /* borrowed until it returns */

    /* What was read from the socket has been given: a good moment to pass on a batch. */
    void (*drained)(void *ctx);

    /* The query has ended. */
    void (*ended)(void *ctx, const struct pg_failure *failed);
    void *ctx;
};

/* Inside the callback of a query whose last statement is a COPY TO STDOUT or START_REPLICATION. */
void pg_copy_start(struct pg_conn *conn, const struct pg_copy *copy);

/* A paused copy calls nothing but `ended` when the session is lost, and reads no socket. */
void pg_copy_pause(struct pg_conn *conn);
void pg_copy_resume(struct pg_conn *conn);

/* One message to the server, in a replication stream. */
void pg_copy_send(struct pg_conn *conn, struct view bytes);

#endif
