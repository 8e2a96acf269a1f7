/*
 * shape_server.h - the shape channel: what the APIs ask for.
 *
 * A definition that is known is opened without Postgres; a range of a chunk that is still being
 * written is waited for, up to the asker's deadline. Everything else is answered at once.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_SHAPE_SERVER_H
#define COLLECTOR_SHAPE_SERVER_H

#include "services/shape_log_collector/creation.h"

struct shape_server;

NODISCARD bool shape_server_open(struct collector *collector, const char *url,
                                 struct shape_server **server_out, struct err *err);
void shape_server_close(struct shape_server *server);

/* The shape can be read now. */
void shape_server_announced(struct shape_server *server, struct shape *shape);

/* More of its snapshot can be read. */
void shape_server_progressed(struct shape_server *server, struct shape *shape);

/* It has ended; `failed` as in registry_end(). */
void shape_server_ended(struct shape_server *server, struct shape *shape,
                        const struct open_failure *failed);

#endif
