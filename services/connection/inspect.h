/*
 * inspect.h - db.inspect and db.visible: one round trip on the admin pool.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_INSPECT_H
#define CONNECTION_INSPECT_H

#include "services/connection/db_request.h"

/* Each answers the request, now or later. */
void inspect_relation(const struct db_env *env, struct db_request *request,
                      const struct db_inspect *wanted);
void inspect_visible(const struct db_env *env, struct db_request *request);

#endif
