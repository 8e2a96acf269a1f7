#include "services/shape_log_collector/db_client.h"

#include "common/bus.h"
#include "common/list.h"
#include "common/mem.h"
#include "common/service.h"

/* A reply's lists: 1,600 columns, 65,536 partitions or transaction ids. */
#define REPLY_ARENA_MAX (16u << 20)

#define CANCEL_TIMEOUT_MS 60000

/* Room for any reply struct of messages.def. */
union any_reply {
    struct db_relation relation;
    struct db_published published;
    struct db_marks marks;
    struct db_block block;
};

struct db_client {
    struct service *service;
    struct bus_client *bus;
    struct list calls;
    uint64_t last_snapshot;
};

struct db_call {
    struct list node;
    struct bus_call *bus_call;
    enum proto_kind reply_kind;
    db_reply_fn fn;
    void *ctx;
};

bool
db_client_open(struct service *service, const char *url, struct db_client **client_out,
               struct err *err)
{
    struct db_client *client = mem_alloc_zero(sizeof *client);
    client->service = service;
    list_init(&client->calls);
    if (!bus_client_open(service_loop(service), url, &client->bus, err)) {
        mem_free(client);
        return false;
    }
    *client_out = client;
    return true;
}

void
db_client_close(struct db_client *client)
{
    if (client == NULL) {
        return;
    }
    LIST_FOREACH (node, &client->calls) {
        db_cancel(LIST_ITEM(node, struct db_call, node));
    }
    bus_client_close(client->bus);
    mem_free(client);
}

static void
call_free(struct db_call *call)
{
    list_remove(&call->node);
    mem_free(call);
}

static void
on_reply(void *ctx, struct view message, const struct err *failed)
{
    struct db_call *call = ctx;
    struct err err;
    union any_reply reply;
    struct arena *mem = arena_new(REPLY_ARENA_MAX);
    db_reply_fn fn = call->fn;
    void *fn_ctx = call->ctx;
    enum proto_kind kind = call->reply_kind;
    call_free(call);
    if (failed != NULL) {
        fn(fn_ctx, NULL, failed);
    } else if (!proto_decode(message, kind, mem, &reply, &err)) {
        fn(fn_ctx, NULL, &err);
    } else {
        fn(fn_ctx, &reply, NULL);
    }
    arena_free(mem);
}

struct db_call *
db_ask(struct db_client *client, enum proto_kind kind, const void *message,
       enum proto_kind reply_kind, uint32_t timeout_ms, db_reply_fn fn, void *ctx)
{
    struct db_call *call = mem_alloc_zero(sizeof *call);
    struct envelope envelope = service_envelope(client->service, kind);
    struct buf bytes = {0};
    call->reply_kind = reply_kind;
    call->fn = fn;
    call->ctx = ctx;
    list_push_back(&client->calls, &call->node);
    proto_encode(&envelope, message, &bytes);
    call->bus_call = bus_ask(client->bus, &bytes, timeout_ms, on_reply, call);
    buf_free(&bytes);
    return call;
}

void
db_cancel(struct db_call *call)
{
    bus_call_cancel(call->bus_call);
    call_free(call);
}

/* ---- snapshots */

uint64_t
db_next_snapshot(struct db_client *client)
{
    return ++client->last_snapshot;
}

static void
ignore_reply(void *ctx, const void *reply, const struct err *failed)
{
    (void)ctx;
    (void)reply;
    (void)failed;
}

void
db_cancel_snapshot(struct db_client *client, uint64_t snapshot)
{
    struct db_snapshot_cancel message = {.snapshot = snapshot};
    (void)db_ask(client, PROTO_db_snapshot_cancel, &message, PROTO_db_published, CANCEL_TIMEOUT_MS,
                 ignore_reply, NULL);
}

struct marks
db_marks_of(const struct db_marks *reply)
{
    uint64_t *xip = mem_alloc((reply->xip_count + 1) * sizeof *xip);
    for (size_t i = 0; i < reply->xip_count; i++) {
        xip[i] = reply->xip[i].xid;
    }
    return (struct marks){reply->xmin, reply->xmax, reply->xip_count, xip};
}
