/*
 * bus_dial.h - the connecting end of a socket. For bus.c and bus_hints.c alone.
 *
 * NNG 1.5.2 dials again by itself when a pipe is lost, but not always: a peer that accepts and says
 * nothing holds it up for ten seconds, and an error that it takes for its own end stops it for good
 * (bus_nng.c mends the one that we know). So we look each second, and replace a dialer that has had
 * no pipe for that long. Requests that wait for one stay with the socket.
 *
 * A pipe that NNG cannot get done with (bus_nng.h) would be worse: of no pipe of this process are
 * we told the end from then on, and none of its dialers dials again. So a socket whose pipe gives
 * no sign of life for a few seconds gets a new dialer too, whatever NNG says.
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
 * again and again. `piped` is NULL for a socket that asks: its sign of life is that it can send.
 * Errors: ERR_IO; the socket is closed then.
 */
NODISCARD bool bus_dial(struct loop *loop, nng_socket socket, int open_rv, const char *url,
                        bus_piped_fn piped, void *ctx, struct bus_dialer **dialer_out,
                        struct err *err);

/* The sign of life of a socket that only hears: a message. Every publisher beats each second. */
void bus_dial_heard(struct bus_dialer *dialer);

/*
 * Closes the socket and frees the dialer. False as bus_socket_close(): then a pipe's end may still
 * be told to `piped`.
 */
bool bus_dial_close(struct bus_dialer *dialer);

#endif
