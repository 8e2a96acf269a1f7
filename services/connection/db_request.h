/*
 * db_request.h - one request of the db channel while it is being served, and
 * what all who serve one need.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_DB_REQUEST_H
#define CONNECTION_DB_REQUEST_H

#include "common/bus.h"
#include "common/core/pg_error.h"
#include "proto/codec.h"
#include "services/connection/lock.h"
#include "services/connection/pool.h"

struct service;

struct db_env {
    struct service *service;
    struct loop *loop;
    struct pool *admin;
    struct pool *snapshot;
    struct lock *lock;
    const char *publication; /* borrowed */
    bool is_manual;          /* ELECTRIC_MANUAL_TABLE_PUBLISHING */
};

struct db_request {
    struct service *service;
    struct bus_request *bus;
    struct incarnation from;
};

/* Answers and forgets the request; `message` is the struct of `kind`. */
void db_request_answer(struct db_request *request, enum proto_kind kind, const void *message);

/* "failed", or "unavailable" when the session is at fault and not the request. */
static inline const char *
db_request_result(const struct pg_failure *failed)
{
    return failed->is_lost || pg_error_passes(failed->sqlstate) ? "unavailable" : "failed";
}

#endif
