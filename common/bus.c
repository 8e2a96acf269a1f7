#include "common/bus.h"

#include <limits.h>
#include <nng/nng.h>
#include <nng/protocol/reqrep0/rep.h>
#include <nng/protocol/reqrep0/req.h>

#include "common/bus_dial.h"
#include "common/bus_nng.h"
#include "common/clock.h"
#include "common/list.h"
#include "common/mem.h"

/* Requests taken off the sockets ahead of the loop, and those open at once: then peers wait. */
#define RECEIVING_COUNT 8
#define REQUEST_COUNT   8192

/* Contexts kept for the next use. */
#define SPARE_COUNT 64

/* ---- serving */

enum request_state {
    REQUEST_RECEIVING, /* NNG has it */
    REQUEST_OPEN,      /* whoever serves has it */
    REQUEST_REPLYING,  /* NNG has it */
};

struct bus_request {
    struct loop_job job; /* posted by NNG's thread when the operation under way has ended */

    /* loop thread */
    struct bus_server *server;
    enum request_state state;
    struct list node; /* in server->spare, else in server->used */

    /* set once */
    nng_ctx ctx;
    nng_aio *aio;
};

struct bus_server {
    struct loop *loop;
    nng_socket socket;
    bus_request_fn fn;
    void *ctx;
    struct list used;
    struct list spare;
    size_t spare_count;
    size_t receiving_count;
    size_t request_count; /* in any state, spare ones too */
    bool is_closed;
};

static void
request_on_nng(void *arg)
{
    struct bus_request *request = arg;
    loop_post(request->server->loop, &request->job);
}

static void request_on_loop(struct loop_job *job);

static struct bus_request *
request_new(struct bus_server *server)
{
    nng_ctx ctx;
    if (nng_ctx_open(&ctx, server->socket) != 0) {
        return NULL;
    }
    struct bus_request *request = mem_alloc_zero(sizeof *request);
    request->job.run = request_on_loop;
    request->server = server;
    request->ctx = ctx;
    request->aio = bus_aio_new(request_on_nng, request);
    list_init(&request->node);
    server->request_count++;
    return request;
}

/* The last one frees a closed server as well. */
static void
request_free(struct bus_request *request)
{
    struct bus_server *server = request->server;
    list_remove(&request->node);
    nng_ctx_close(request->ctx);
    nng_aio_free(request->aio); /* waits until the callback that posted us has returned */
    mem_free(request);
    server->request_count--;
    if (server->is_closed && server->request_count == 0) {
        mem_free(server);
    }
}

static void
receive(struct bus_request *request)
{
    request->state = REQUEST_RECEIVING;
    request->server->receiving_count++;
    list_push_back(&request->server->used, &request->node);
    nng_ctx_recv(request->ctx, request->aio);
}

static struct bus_request *
take_spare(struct bus_server *server)
{
    if (list_is_empty(&server->spare)) {
        return server->request_count < REQUEST_COUNT ? request_new(server) : NULL;
    }
    struct bus_request *request = LIST_ITEM(server->spare.next, struct bus_request, node);
    list_remove(&request->node);
    server->spare_count--;
    return request;
}

static void
fill_receiving(struct bus_server *server)
{
    while (server->receiving_count < RECEIVING_COUNT) {
        struct bus_request *request = take_spare(server);
        if (request == NULL) {
            return;
        }
        receive(request);
    }
}

static void
request_received(struct bus_request *request)
{
    struct bus_server *server = request->server;
    server->receiving_count--;
    if (nng_aio_result(request->aio) != 0) {
        request_free(request); /* closed */
        return;
    }
    nng_msg *msg = nng_aio_get_msg(request->aio);
    if (server->is_closed) {
        nng_msg_free(msg);
        request_free(request);
        return;
    }
    request->state = REQUEST_OPEN;
    fill_receiving(server);
    server->fn(server->ctx, request, bus_message_view(msg));
    nng_msg_free(msg);
}

static void
request_replied(struct bus_request *request)
{
    struct bus_server *server = request->server;
    if (nng_aio_result(request->aio) != 0) {
        nng_msg_free(nng_aio_get_msg(request->aio)); /* a peer that is gone */
    }
    if (!server->is_closed && server->receiving_count < RECEIVING_COUNT) {
        list_remove(&request->node);
        receive(request);
    } else if (!server->is_closed && server->spare_count < SPARE_COUNT) {
        server->spare_count++;
        list_remove(&request->node);
        list_push_back(&server->spare, &request->node);
    } else {
        request_free(request);
    }
}

static void
request_on_loop(struct loop_job *job)
{
    struct bus_request *request = (struct bus_request *)(void *)job;
    switch (request->state) {
    case REQUEST_RECEIVING:
        request_received(request);
        return;
    case REQUEST_OPEN:
        break;
    case REQUEST_REPLYING:
        request_replied(request);
        return;
    }
    ASSERT(request->state != REQUEST_OPEN); /* NNG has no operation of an open one */
}

bool
bus_serve(struct loop *loop, const char *url, bus_request_fn fn, void *ctx,
          struct bus_server **server_out, struct err *err)
{
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    if (!bus_listen(socket, nng_rep0_open(&socket), url, err)) {
        return false;
    }
    struct bus_server *server = mem_alloc_zero(sizeof *server);
    server->loop = loop;
    server->socket = socket;
    server->fn = fn;
    server->ctx = ctx;
    list_init(&server->used);
    list_init(&server->spare);
    fill_receiving(server);
    *server_out = server;
    return true;
}

void
bus_reply(struct bus_request *request, struct buf *message)
{
    ASSERT(request->state == REQUEST_OPEN);
    if (request->server->is_closed) {
        buf_free(message);
        request_free(request);
        return;
    }
    if (message->size > BUS_MESSAGE_MAX) {
        buf_clear(message); /* an empty one tells the asker */
    }
    request->state = REQUEST_REPLYING;
    nng_aio_set_msg(request->aio, bus_message_new(message));
    nng_ctx_send(request->ctx, request->aio);
}

void
bus_server_close(struct bus_server *server)
{
    if (server == NULL) {
        return;
    }
    server->is_closed = true;
    (void)bus_socket_close(server->socket); /* ends every operation: their jobs free the requests */
    server->request_count++;                /* so that the server outlives the spare ones */
    LIST_FOREACH (node, &server->spare) {
        request_free(LIST_ITEM(node, struct bus_request, node));
    }
    LIST_FOREACH (node, &server->used) {
        nng_aio_wait(LIST_ITEM(node, struct bus_request, node)->aio); /* then its job is posted */
    }
    server->request_count--;
    if (server->request_count == 0) {
        mem_free(server);
    }
}

/* ---- asking */

struct bus_call {
    struct loop_job job; /* posted by NNG's thread when there is a reply or none will come */

    /* loop thread */
    struct bus_client *client;
    bus_reply_fn fn; /* NULL: cancelled */
    void *fn_ctx;
    struct list node; /* in client->open or client->spare */
    bool is_too_long; /* never sent */

    /* loop thread, and NNG's between the sending and the job */
    uint64_t deadline_ms;
    bool is_sent;

    /* set once */
    struct loop *loop;
    nng_ctx ctx;
    nng_aio *aio;
};

struct bus_client {
    struct loop *loop;
    nng_socket socket;
    struct bus_dialer *dialer;
    struct list open;
    struct list spare;
    size_t spare_count;
    size_t call_count;
    bool is_closed;
};

static nng_duration
time_left(const struct bus_call *call)
{
    uint64_t now_ms = clock_mono_ms();
    uint64_t left_ms = call->deadline_ms > now_ms ? call->deadline_ms - now_ms : 0;
    return left_ms < INT_MAX ? (nng_duration)left_ms : INT_MAX;
}

/*
 * A request that is on its way is waited for from here: nothing of the loop's is touched. A cancel
 * meanwhile has closed the context, which ends the wait at once.
 */
static void
call_on_nng(void *arg)
{
    struct bus_call *call = arg;
    if (!call->is_sent && nng_aio_result(call->aio) == 0) {
        call->is_sent = true;
        nng_aio_set_timeout(call->aio, time_left(call));
        nng_ctx_recv(call->ctx, call->aio);
        return;
    }
    loop_post(call->loop, &call->job);
}

static void call_on_loop(struct loop_job *job);

static struct bus_call *
call_new(struct bus_client *client)
{
    if (!list_is_empty(&client->spare)) {
        struct bus_call *call = LIST_ITEM(client->spare.next, struct bus_call, node);
        list_remove(&call->node);
        client->spare_count--;
        return call;
    }
    struct bus_call *call = mem_alloc_zero(sizeof *call);
    call->job.run = call_on_loop;
    call->client = client;
    call->loop = client->loop;
    call->aio = bus_aio_new(call_on_nng, call);
    list_init(&call->node);
    int rv = nng_ctx_open(&call->ctx, client->socket);
    ASSERT(rv == 0); /* the socket is open; else out of memory */
    client->call_count++;
    return call;
}

/* The last one frees a closed client as well. */
static void
call_free(struct bus_call *call)
{
    struct bus_client *client = call->client;
    list_remove(&call->node);
    nng_ctx_close(call->ctx);
    nng_aio_free(call->aio); /* waits until the callback that posted us has returned */
    mem_free(call);
    client->call_count--;
    if (client->is_closed && client->call_count == 0) {
        mem_free(client);
    }
}

static void
set_failure(struct err *failed, int rv)
{
    if (rv == NNG_ETIMEDOUT) {
        err_set(failed, ERR_TIMEOUT, "no answer in time");
    } else {
        err_set(failed, ERR_IO, "%s", nng_strerror(rv));
    }
}

/* Gives the reply, NULL when `failed` says why there is none. */
static nng_msg *
take_reply(struct bus_call *call, struct err *failed)
{
    if (call->is_too_long) {
        err_set(failed, ERR_LIMIT, "a request of more than %u bytes", BUS_MESSAGE_MAX);
        return NULL;
    }
    int rv = nng_aio_result(call->aio);
    if (rv != 0) {
        if (!call->is_sent) {
            nng_msg_free(nng_aio_get_msg(call->aio));
        }
        set_failure(failed, rv);
        return NULL;
    }
    nng_msg *reply = nng_aio_get_msg(call->aio);
    if (nng_msg_len(reply) == 0) {
        nng_msg_free(reply);
        err_set(failed, ERR_LIMIT, "a reply of more than %u bytes", BUS_MESSAGE_MAX);
        return NULL;
    }
    return reply;
}

static void
call_on_loop(struct loop_job *job)
{
    struct bus_call *call = (struct bus_call *)(void *)job;
    struct bus_client *client = call->client;
    struct err failed = {0};
    nng_msg *reply = take_reply(call, &failed);
    bus_reply_fn fn = call->fn;
    void *fn_ctx = call->fn_ctx;

    list_remove(&call->node);
    if (fn != NULL && reply != NULL && client->spare_count < SPARE_COUNT) {
        client->spare_count++;
        list_push_back(&client->spare, &call->node);
    } else {
        call_free(call); /* a context that failed or was closed is not used again */
    }
    if (fn != NULL) {
        fn(fn_ctx, reply != NULL ? bus_message_view(reply) : (struct view){0},
           reply != NULL ? NULL : &failed);
    }
    if (reply != NULL) {
        nng_msg_free(reply);
    }
}

bool
bus_client_open(struct loop *loop, const char *url, struct bus_client **client_out, struct err *err)
{
    nng_socket socket = NNG_SOCKET_INITIALIZER;
    int rv = nng_req0_open(&socket);
    if (rv == 0) {
        rv = nng_socket_set_ms(socket, NNG_OPT_REQ_RESENDTIME, NNG_DURATION_INFINITE);
    }
    struct bus_dialer *dialer;
    if (!bus_dial(loop, socket, rv, url, NULL, NULL, &dialer, err)) {
        return false;
    }
    struct bus_client *client = mem_alloc_zero(sizeof *client);
    client->dialer = dialer;
    client->loop = loop;
    client->socket = socket;
    list_init(&client->open);
    list_init(&client->spare);
    *client_out = client;
    return true;
}

struct bus_call *
bus_ask(struct bus_client *client, struct buf *message, uint32_t timeout_ms, bus_reply_fn fn,
        void *ctx)
{
    ASSERT(!client->is_closed);
    struct bus_call *call = call_new(client);
    list_push_back(&client->open, &call->node);
    call->fn = fn;
    call->fn_ctx = ctx;
    call->is_sent = false;
    call->is_too_long = message->size > BUS_MESSAGE_MAX;
    if (call->is_too_long) {
        buf_free(message);
        loop_post(call->loop, &call->job);
        return call;
    }
    call->deadline_ms = clock_mono_ms() + timeout_ms;
    nng_aio_set_timeout(call->aio, time_left(call));
    nng_aio_set_msg(call->aio, bus_message_new(message));
    nng_ctx_send(call->ctx, call->aio);
    return call;
}

void
bus_call_cancel(struct bus_call *call)
{
    ASSERT(call->fn != NULL);
    call->fn = NULL;
    nng_ctx_close(call->ctx); /* ends what is under way; the job frees the call */
}

void
bus_client_close(struct bus_client *client)
{
    if (client == NULL) {
        return;
    }
    client->is_closed = true;
    client->call_count++; /* so that the client outlives the spare ones */
    LIST_FOREACH (node, &client->open) {
        struct bus_call *call = LIST_ITEM(node, struct bus_call, node);
        if (call->fn != NULL) {
            bus_call_cancel(call);
        }
    }
    LIST_FOREACH (node, &client->spare) {
        call_free(LIST_ITEM(node, struct bus_call, node));
    }
    (void)bus_dial_close(client->dialer);
    LIST_FOREACH (node, &client->open) {
        nng_aio_wait(LIST_ITEM(node, struct bus_call, node)->aio); /* then its job is posted */
    }
    client->call_count--;
    if (client->call_count == 0) {
        mem_free(client);
    }
}
