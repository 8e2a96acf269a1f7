/*
 * bus_dial.h - the connecting end of a socket. For bus.c and bus_hints.c alone.
 *
 * NNG 1.5.2 dials again by itself when a pipe is lost, but not always (seen: one time in a hundred
 * its timer never fires, and the peer is not found any more); and a peer that accepts and says
 * nothing holds it up for ten seconds. So we look each second, and replace a dialer that has had
 * no pipe for that long. Requests that wait for one stay with the socket.
 *
 * Threading: the loop's thread.
 */
#ifndef COMMON_BUS_DIAL_H
#define COMMON_BUS_DIAL_H

#include <nng/nng.h>

#include "common/loop.h"

struct bus_dialer;

/* On NNG's thread: a pipe was made or lost. */
typedef void (*bus_piped_fn)(void *ctx);

/*
 * Sets up `socket`, as far as `open_rv` says that it was opened, and connects in the background,
 * again and again. `piped` may be NULL. Errors: ERR_IO; the socket is closed then.
 */
NODISCARD bool bus_dial(struct loop *loop, nng_socket socket, int open_rv, const char *url,
                        bus_piped_fn piped, void *ctx, struct bus_dialer **dialer_out,
                        struct err *err);

/*
 * Closes the socket and frees the dialer. False as bus_socket_close(): then a pipe's end may still
 * be told to `piped`.
 */
bool bus_dial_close(struct bus_dialer *dialer);

#endif
