/*
 * publication.h - that our publication exists; who may change it.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_PUBLICATION_H
#define CONNECTION_PUBLICATION_H

#include "services/connection/lock.h"

/* `failed` is NULL when it is there and publishes all that is needed; `is_new`: made now. */
typedef void (*publication_fn)(void *ctx, bool is_new, const struct pg_failure *failed);

/* Makes the publication unless it is there. `name` is borrowed until the callback. */
void publication_ensure(struct lock *lock, const char *name, publication_fn fn, void *ctx);

#endif
