/*
 * pg_error.h - what an error of Postgres, or of the way to it, means for us.
 *
 * One table says which errors pass by themselves, which need a person, and
 * which mean that the replication slot is lost.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_PG_ERROR_H
#define CORE_PG_ERROR_H

#include "common/base.h"

enum pg_error_action {
    PG_ERROR_RETRY,
    PG_ERROR_FATAL,     /* trying again does not help until somebody repairs it */
    PG_ERROR_DROP_SLOT, /* the slot can never be used again: a new one, and a reset */
};

struct pg_error_class {
    const char *type; /* stable name for logs: "invalid_username_or_password" */
    enum pg_error_action action;
};

/*
 * `sqlstate` is "" when Postgres did not say it: then `message` is libpq's or the resolver's.
 * Texts may be "", never NULL; what nobody knows is "unknown" and retried.
 */
struct pg_error_class pg_error_classify(const char *sqlstate, const char *message,
                                        const char *detail);

/*
 * Whether the session or the server is at fault and not the request: insufficient resources,
 * operator intervention, a lost connection. "" is one that Postgres did not say.
 */
bool pg_error_passes(const char *sqlstate);

#endif
