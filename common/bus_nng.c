#include "common/bus_nng.h"

#include <string.h>

#include "common/bus.h"

/* A peer that comes back is found within this time. */
#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 500

nng_msg *
bus_message_new(struct buf *bytes)
{
    nng_msg *msg;
    int rv = nng_msg_alloc(&msg, bytes->size);
    ASSERT(rv == 0); /* out of memory is fatal, as in mem.h */
    if (bytes->size > 0) {
        memcpy(nng_msg_body(msg), bytes->bytes, bytes->size);
    }
    buf_free(bytes);
    return msg;
}

struct view
bus_message_view(nng_msg *msg)
{
    return view_of(nng_msg_body(msg), nng_msg_len(msg));
}

static int
set_up(nng_socket socket)
{
    int rv = nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, BUS_MESSAGE_MAX);
    if (rv == 0) {
        rv = nng_socket_set_ms(socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    }
    return rv != 0 ? rv : nng_socket_set_ms(socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
}

static int
start_listening(nng_socket socket, const char *url)
{
    nng_listener listener;
    int rv = nng_listener_create(&listener, socket, url);
    if (rv == 0 && strncmp(url, "ipc://", 6) == 0) {
        rv = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    }
    return rv != 0 ? rv : nng_listener_start(listener, 0);
}

bool
bus_attach(nng_socket socket, int open_rv, const char *url, bool is_listening, struct err *err)
{
    int rv = open_rv != 0 ? open_rv : set_up(socket);
    if (rv == 0) {
        rv = is_listening ? start_listening(socket, url)
                          : nng_dial(socket, url, NULL, NNG_FLAG_NONBLOCK);
    }
    if (rv != 0) {
        nng_close(socket); /* nothing happens to one that was never opened */
        return err_set(err, ERR_IO, "%s %s: %s", is_listening ? "listen on" : "connect to", url,
                       nng_strerror(rv));
    }
    return true;
}

nng_aio *
bus_aio_new(void (*on_nng)(void *arg), void *arg)
{
    nng_aio *aio;
    int rv = nng_aio_alloc(&aio, on_nng, arg);
    ASSERT(rv == 0);
    return aio;
}

void
bus_fini(void)
{
    nng_fini();
}
