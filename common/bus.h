/*
 * bus.h - our messages over NNG: requests with replies, and hints to subscribers.
 *
 * Callbacks run on the loop's thread; NNG's threads only post to it. Nothing is
 * ever sent again by the bus: a lost pipe or a deadline gives the caller an
 * error, and the caller decides (design §3.3). A message is at most
 * BUS_MESSAGE_MAX bytes; what is longer never arrives and gives an error.
 *
 * What was closed may have jobs in the loop's queue that free it: loop_free() runs them. Close
 * everything before it, and call bus_fini() behind it.
 *
 * Threading: the loop's thread.
 */
#ifndef COMMON_BUS_H
#define COMMON_BUS_H

#include "common/buf.h"
#include "common/loop.h"

/* One row of Postgres in a batch, and some more. */
#define BUS_MESSAGE_MAX (96u << 20)

/* ---- serving requests */

struct bus_server;
struct bus_request;

/* `message` is borrowed until the callback returns. Each request is answered once, now or later. */
typedef void (*bus_request_fn)(void *ctx, struct bus_request *request, struct view message);

/* Errors: ERR_IO (address in use, cannot listen). `ipc://` sockets are made for the user alone. */
NODISCARD bool bus_serve(struct loop *loop, const char *url, bus_request_fn fn, void *ctx,
                         struct bus_server **server_out, struct err *err);

/* Takes the buffer's bytes and leaves it empty. An answer for a peer that is gone is dropped. */
void bus_reply(struct bus_request *request, struct buf *message);

/* Open requests may still be answered, into the void. NULL is accepted. */
void bus_server_close(struct bus_server *server);

/* ---- asking */

struct bus_client;
struct bus_call;

/* Connects in the background, again and again. */
NODISCARD bool bus_client_open(struct loop *loop, const char *url, struct bus_client **client_out,
                               struct err *err);

/* `failed` is NULL and `reply` good until the callback returns, or `failed` says why there is none.
 */
typedef void (*bus_reply_fn)(void *ctx, struct view reply, const struct err *failed);

/*
 * Sends a request; takes the buffer's bytes. `fn` is called exactly once, unless the call is
 * cancelled. A peer that is not there is waited for until the deadline. Failures: ERR_IO (pipe
 * lost), ERR_TIMEOUT.
 */
struct bus_call *bus_ask(struct bus_client *client, struct buf *message, uint32_t timeout_ms,
                         bus_reply_fn fn, void *ctx);

/* `fn` will not be called. */
void bus_call_cancel(struct bus_call *call);

/* Cancels what is open. NULL is accepted. */
void bus_client_close(struct bus_client *client);

/* ---- hints */

struct bus_publisher;
NODISCARD bool bus_publisher_open(struct loop *loop, const char *url,
                                  struct bus_publisher **publisher_out, struct err *err);

/* Takes the buffer's bytes. Slow subscribers lose messages. */
void bus_publish(struct bus_publisher *publisher, struct buf *message);
void bus_publisher_close(struct bus_publisher *publisher);

struct bus_subscriber;

/* `message` with size 0: the pipe was lost or made, so messages may be missing. */
typedef void (*bus_hint_fn)(void *ctx, struct view message);
NODISCARD bool bus_subscribe(struct loop *loop, const char *url, bus_hint_fn fn, void *ctx,
                             struct bus_subscriber **subscriber_out, struct err *err);
void bus_subscriber_close(struct bus_subscriber *subscriber);

/* Ends NNG's threads; after every socket is closed. */
void bus_fini(void);

#endif
