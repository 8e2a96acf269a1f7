#include <nng/nng.h>
#include <nng/protocol/pubsub0/pub.h>
#include <nng/protocol/pubsub0/sub.h>
#include <stdatomic.h>

#include "common/bus.h"
#include "common/bus_dial.h"
#include "common/bus_nng.h"
#include "common/list.h"
#include "common/mem.h"

/* Hints that a slow subscriber may be behind before it loses some. */
#define HINT_COUNT 256

struct bus_publisher {
    nng_socket socket;
};

bool
bus_publisher_open(struct loop *loop, const char *url, struct bus_publisher **publisher_out,
                   struct err *err)
{
    (void)loop; /* publishing never waits */
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    int rv = nng_pub0_open(&socket);
    if (rv == 0) {
        rv = nng_socket_set_int(socket, NNG_OPT_SENDBUF, HINT_COUNT);
    }
    if (!bus_listen(socket, rv, url, err)) {
        return false;
    }
    *publisher_out = mem_alloc_zero(sizeof **publisher_out);
    (*publisher_out)->socket = socket;
    return true;
}

void
bus_publish(struct bus_publisher *publisher, struct buf *message)
{
    if (message->size > BUS_MESSAGE_MAX) {
        buf_free(message); /* lost: subscribers see the gap */
        return;
    }
    nng_msg *msg = bus_message_new(message);
    if (nng_sendmsg(publisher->socket, msg, NNG_FLAG_NONBLOCK) != 0) {
        nng_msg_free(msg);
    }
}

void
bus_publisher_close(struct bus_publisher *publisher)
{
    if (publisher == NULL) {
        return;
    }
    (void)bus_socket_close(publisher->socket);
    mem_free(publisher);
}

struct bus_subscriber {
    struct loop_job received; /* posted when a message is there or none will come */
    struct loop_job piped;    /* posted when a pipe came or went */

    /* loop thread */
    bus_hint_fn fn;
    void *ctx;
    unsigned refs; /* jobs that are yet to run, or an operation that will post one */
    bool is_closed;

    /* any thread */
    atomic_bool is_piped; /* `piped` is posted */

    /* set once */
    struct loop *loop;
    nng_socket socket;
    nng_aio *aio;
    struct bus_dialer *dialer;
};

static void
hint_on_nng(void *arg)
{
    struct bus_subscriber *subscriber = arg;
    loop_post(subscriber->loop, &subscriber->received);
}

static void
pipe_on_nng(void *ctx)
{
    struct bus_subscriber *subscriber = ctx;
    if (!atomic_exchange(&subscriber->is_piped, true)) {
        loop_post(subscriber->loop, &subscriber->piped);
    }
}

static void
subscriber_unref(struct bus_subscriber *subscriber)
{
    subscriber->refs--;
    if (subscriber->refs == 0) {
        nng_aio_free(subscriber->aio);
        mem_free(subscriber);
    }
}

static void
hint_on_loop(struct loop_job *job)
{
    struct bus_subscriber *subscriber = LIST_ITEM(job, struct bus_subscriber, received);
    if (nng_aio_result(subscriber->aio) == 0) {
        nng_msg *msg = nng_aio_get_msg(subscriber->aio);
        if (!subscriber->is_closed) {
            bus_dial_heard(subscriber->dialer);
        }
        if (!subscriber->is_closed && nng_msg_len(msg) > 0) {
            subscriber->fn(subscriber->ctx, bus_message_view(msg));
        }
        nng_msg_free(msg);
    }
    if (subscriber->is_closed) {
        subscriber_unref(subscriber);
    } else {
        nng_recv_aio(subscriber->socket, subscriber->aio);
    }
}

static void
pipe_on_loop(struct loop_job *job)
{
    struct bus_subscriber *subscriber = LIST_ITEM(job, struct bus_subscriber, piped);
    atomic_store(&subscriber->is_piped, false);
    if (subscriber->is_closed) {
        subscriber_unref(subscriber);
    } else {
        subscriber->fn(subscriber->ctx, (struct view){0});
    }
}

bool
bus_subscribe(struct loop *loop, const char *url, bus_hint_fn fn, void *ctx,
              struct bus_subscriber **subscriber_out, struct err *err)
{
    struct bus_subscriber *subscriber = mem_alloc_zero(sizeof *subscriber);
    subscriber->received.run = hint_on_loop;
    subscriber->piped.run = pipe_on_loop;
    subscriber->loop = loop;
    subscriber->fn = fn;
    subscriber->ctx = ctx;
    subscriber->refs = 1;
    nng_socket *socket = &subscriber->socket;
    int rv = nng_sub0_open(socket);
    if (rv == 0) {
        rv = nng_socket_set(*socket, NNG_OPT_SUB_SUBSCRIBE, "", 0);
    }
    if (rv == 0) {
        rv = nng_socket_set_int(*socket, NNG_OPT_RECVBUF, HINT_COUNT);
    }
    if (!bus_dial(loop, *socket, rv, url, pipe_on_nng, subscriber, &subscriber->dialer, err)) {
        mem_free(subscriber);
        return false;
    }
    subscriber->aio = bus_aio_new(hint_on_nng, subscriber);
    nng_recv_aio(*socket, subscriber->aio);
    *subscriber_out = subscriber;
    return true;
}

void
bus_subscriber_close(struct bus_subscriber *subscriber)
{
    if (subscriber == NULL) {
        return;
    }
    subscriber->is_closed = true;
    nng_aio_cancel(subscriber->aio);
    if (!bus_dial_close(subscriber->dialer)) {
        subscriber->refs++; /* stays, for NNG's sake */
    }
    nng_aio_wait(subscriber->aio);                          /* then its job is posted */
    subscriber->refs += atomic_load(&subscriber->is_piped); /* no pipe is told of from here on */
}
