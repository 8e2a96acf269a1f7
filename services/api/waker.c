#include "services/api/waker.h"

#include "common/bus.h"
#include "common/mem.h"

#define ASK_TIMEOUT_MS 2000u

struct waker {
    struct api *api;
    struct bus_call *call; /* one at a time */
};

struct waker *
waker_new(struct api *api)
{
    struct waker *waker = mem_alloc_zero(sizeof *waker);
    waker->api = api;
    return waker;
}

void
waker_free(struct waker *waker)
{
    if (waker == NULL) {
        return;
    }
    if (waker->call != NULL) {
        bus_call_cancel(waker->call);
    }
    mem_free(waker);
}

/* Whatever the answer: who waits next asks again if it still sleeps. */
static void
on_reply(void *ctx, struct view message, const struct err *failed)
{
    struct waker *waker = ctx;
    (void)message;
    (void)failed;
    waker->call = NULL;
}

void
waker_ask(struct waker *waker)
{
    struct service *service = waker->api->service;
    const struct status_board *board = service_board(service);
    if (waker->call != NULL || board == NULL || !view_is(board->connection, "sleeping")) {
        return;
    }
    struct envelope envelope = service_envelope(service, PROTO_shape_wake);
    struct shape_wake message = {0};
    struct buf bytes = {0};
    proto_encode(&envelope, &message, &bytes);
    waker->call = bus_ask(waker->api->bus, &bytes, ASK_TIMEOUT_MS, on_reply, waker);
    buf_free(&bytes);
}
