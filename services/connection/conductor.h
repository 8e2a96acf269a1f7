/*
 * conductor.h - the connection service as a whole: carries out what
 * stream_state says, and tells it and the status board what came of it.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_CONDUCTOR_H
#define CONNECTION_CONDUCTOR_H

#include "services/connection/lock.h"
#include "services/connection/pool.h"

struct conductor;
struct service;

/* Errors: ERR_INVALID (a setting), ERR_IO (a bus address). */
NODISCARD bool conductor_new(struct service *service, struct conductor **conductor_out,
                             struct err *err);

/* Every session is closed. NULL is accepted. */
void conductor_free(struct conductor *conductor);

/* Sends what is durable, closes the stream, then the rest: Postgres sees us go. */
void conductor_stop(struct conductor *conductor);

#endif
