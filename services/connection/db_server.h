/*
 * db_server.h - serves the db channel: what the collector asks of Postgres.
 *
 * Nothing is served before the collector has agreed that this Postgres is that
 * of its store (hello); until then, and for a collector that is not the one
 * that agreed, the answer is `unavailable`.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_DB_SERVER_H
#define CONNECTION_DB_SERVER_H

#include "common/bus.h"
#include "proto/codec.h"
#include "services/connection/lock.h"
#include "services/connection/pool.h"

struct db_server;
struct service;

struct db_server_def {
    struct service *service;
    const char *url;
    struct pool *admin;
    struct pool *snapshot;
    struct lock *lock;
    const char *publication; /* borrowed */
    bool is_manual;          /* ELECTRIC_MANUAL_TABLE_PUBLISHING */
    void (*used)(void *ctx); /* somebody needs the database, though it may not be served yet */
    void *ctx;
};

NODISCARD bool db_server_open(const struct db_server_def *def, struct db_server **server_out,
                              struct err *err);

/* NULL is accepted. */
void db_server_close(struct db_server *server);

/* From now on this collector is served; snapshots of earlier ones are cancelled. */
void db_server_admit(struct db_server *server, struct incarnation collector);

/* Nobody is served until the next db_server_admit(); what is under way goes on. `why` is copied. */
void db_server_refuse(struct db_server *server, const char *why);

/* The lock's session ended: what was published with it is looked at anew. */
void db_server_reset(struct db_server *server);

#endif
