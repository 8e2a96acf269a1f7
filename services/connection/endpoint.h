/*
 * endpoint.h - a database as a setting names it, and sessions with it.
 *
 * Resolves the host's name off the loop, for each session anew. With IPv6 on,
 * a host that has no usable IPv6 address is reached over IPv4 from then on.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_ENDPOINT_H
#define CONNECTION_ENDPOINT_H

#include "common/pg_conn.h"

#define ENDPOINT_CONNECT_MS 30000u

struct config;
struct endpoint;
struct endpoint_opening;

struct endpoint_env {
    struct loop *loop;
    struct worker_pool *workers;
    const struct config *config;
};

/*
 * `variable` is the setting that `url` comes from: errors begin with it.
 * Errors: ERR_INVALID, ERR_LIMIT.
 */
NODISCARD bool endpoint_new(const struct endpoint_env *env, const char *variable, const char *url,
                            struct endpoint **endpoint_out, struct err *err);

/* Nothing is being opened any more. NULL is accepted. */
void endpoint_free(struct endpoint *endpoint);

/* "db.example:5432/app", for logs. */
const char *endpoint_name(const struct endpoint *endpoint);

enum endpoint_kind {
    ENDPOINT_PLAIN,
    ENDPOINT_LOCK,   /* with TCP keepalives that notice a dead peer within 30 s */
    ENDPOINT_SENDER, /* speaks the replication protocol too */
};

/* The caller owns `conn`; it is NULL when `failed` says why there is none. */
typedef void (*endpoint_fn)(void *ctx, struct pg_conn *conn, const struct pg_failure *failed);

/* `name` is for pg_stat_activity; a literal. */
struct endpoint_opening *endpoint_open(struct endpoint *endpoint, enum endpoint_kind kind,
                                       const char *name, endpoint_fn fn, void *ctx);

/* `fn` will not be called. NULL is accepted. */
void endpoint_cancel(struct endpoint_opening *opening);

#endif
