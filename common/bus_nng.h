/*
 * bus_nng.h - what bus.c, bus_hints.c and bus_dial.c share of NNG. For these alone.
 *
 * Threading: the loop's thread.
 */
#ifndef COMMON_BUS_NNG_H
#define COMMON_BUS_NNG_H

#include <nng/nng.h>

#include "common/buf.h"

/* Takes the buffer's bytes. */
nng_msg *bus_message_new(struct buf *bytes);

/* Borrowed from `msg`. */
struct view bus_message_view(nng_msg *msg);

nng_aio *bus_aio_new(void (*on_nng)(void *arg), void *arg);

/* The limit of messages. Gives NNG's error, or 0. */
int bus_limit(nng_socket socket);

/*
 * Sets up `socket`, as far as `open_rv` says that it was opened, and listens.
 * Errors: ERR_IO; the socket is closed then.
 */
NODISCARD bool bus_listen(nng_socket socket, int open_rv, const char *url, struct err *err);

/*
 * Closes it as nng_close() does, but waits for half a second at most: NNG 1.5.2 waits forever for a
 * pipe that is closed when the head of a message has been read and its body has not (the read of
 * the body is refused without a callback: ipc_pipe_recv_cb() and nni_aio_begin(), tcp alike).
 * False: that happened. No message comes or goes any more, but a pipe's end may still be told.
 */
bool bus_socket_close(nng_socket socket);

#endif
