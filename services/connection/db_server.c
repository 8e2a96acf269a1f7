#include "services/connection/db_server.h"

#include <stdio.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "services/connection/db_request.h"
#include "services/connection/inspect.h"
#include "services/connection/publisher.h"
#include "services/connection/snapshots.h"

struct db_server {
    struct db_env env;
    struct bus_server *bus;
    void (*used)(void *ctx);
    void *used_ctx;
    struct publisher *publisher;
    struct snapshots *snapshots;
    struct arena *mem; /* of the message that is being decoded */
    bool is_admitting;
    struct incarnation collector;
    char refusal[256];
};

/* ---- refusing */

static void
refuse(struct db_request *request, enum proto_kind kind, struct view why)
{
    const struct view unavailable = view_str("unavailable");
    switch (kind) {
    case PROTO_db_inspect: {
        struct db_relation answer = {.result = unavailable, .error = why};
        db_request_answer(request, PROTO_db_relation, &answer);
        return;
    }
    case PROTO_db_snapshot_begin:
    case PROTO_db_visible: {
        struct db_marks answer = {.result = unavailable, .error = why};
        db_request_answer(request, PROTO_db_marks, &answer);
        return;
    }
    case PROTO_db_snapshot_next: {
        struct db_block answer = {.result = view_str("gone"), .error = why};
        db_request_answer(request, PROTO_db_block, &answer);
        return;
    }
    default: { /* of the many kinds of the bus, the rest has this answer */
        struct db_published answer = {.result = unavailable, .error = why};
        db_request_answer(request, PROTO_db_published, &answer);
        return;
    }
    }
}

/* ---- serving */

/* The collector looks after its tables by oid, and at what is visible: nobody waits for that. */
static bool
is_needed(enum proto_kind kind, const struct db_inspect *inspect)
{
    return kind != PROTO_db_visible && (kind != PROTO_db_inspect || inspect->oid == 0);
}

static void
wake(struct db_request *request)
{
    struct db_published answer = {.result = view_str("done")};
    db_request_answer(request, PROTO_db_published, &answer);
}

union message {
    struct db_inspect inspect;
    struct db_publish publish;
    struct db_unpublish unpublish;
    struct db_snapshot_begin begin;
    struct db_snapshot_next next;
    struct db_snapshot_cancel cancel;
    struct db_visible visible;
    struct db_wake wake;
};

static void
dispatch(struct db_server *server, struct db_request *request, enum proto_kind kind,
         const union message *message)
{
    switch (kind) {
    case PROTO_db_inspect:
        inspect_relation(&server->env, request, &message->inspect);
        return;
    case PROTO_db_visible:
        inspect_visible(&server->env, request);
        return;
    case PROTO_db_publish:
        publisher_publish(server->publisher, request, &message->publish);
        return;
    case PROTO_db_unpublish:
        publisher_unpublish(server->publisher, request, &message->unpublish);
        return;
    case PROTO_db_snapshot_begin:
        snapshots_begin(server->snapshots, request, &message->begin);
        return;
    case PROTO_db_snapshot_next:
        snapshots_next(server->snapshots, request, &message->next);
        return;
    case PROTO_db_snapshot_cancel:
        snapshots_cancel(server->snapshots, request, &message->cancel);
        return;
    default:
        refuse(request, kind, view_str("not a request of this channel"));
        return;
    }
}

static bool
is_of_this_channel(enum proto_kind kind)
{
    return kind == PROTO_db_wake || kind == PROTO_db_inspect || kind == PROTO_db_visible ||
           kind == PROTO_db_publish || kind == PROTO_db_unpublish ||
           kind == PROTO_db_snapshot_begin || kind == PROTO_db_snapshot_next ||
           kind == PROTO_db_snapshot_cancel;
}

static bool
is_for_us(const struct db_server *server, const struct envelope *envelope)
{
    struct incarnation to = envelope->receiver_incarnation;
    return (to.started_us == 0 && to.salt == 0) ||
           incarnation_compare(to, service_incarnation(server->env.service)) == 0;
}

static void
serve(struct db_server *server, struct db_request *request, enum proto_kind kind,
      const union message *message)
{
    if (is_needed(kind, &message->inspect))
        server->used(server->used_ctx);
    if (kind == PROTO_db_wake)
        wake(request);
    else if (!server->is_admitting)
        refuse(request, kind, view_str(server->refusal));
    else if (incarnation_compare(request->from, server->collector) != 0)
        refuse(request, kind, view_str("another collector is being served"));
    else
        dispatch(server, request, kind, message);
}

static void
on_request(void *ctx, struct bus_request *bus, struct view bytes)
{
    struct db_server *server = ctx;
    struct err err;
    struct envelope envelope = {0};
    union message message = {0};
    struct db_request *request = mem_alloc_zero(sizeof *request);
    *request = (struct db_request){.service = server->env.service, .bus = bus};
    arena_reset(server->mem);
    bool is_read = proto_peek(bytes, &envelope, &err);
    request->from = envelope.sender_incarnation;
    if (is_read && !is_of_this_channel(envelope.kind))
        is_read = err_set(&err, ERR_PROTOCOL, "not a request of this channel");
    if (!is_read || !proto_decode(bytes, envelope.kind, server->mem, &message, &err)) {
        log_warn("event=db_request_refused error=\"%s\"", err.msg);
        refuse(request, envelope.kind, view_str(err.msg));
    } else if (!is_for_us(server, &envelope)) {
        refuse(request, envelope.kind, view_str("meant for another life of this service"));
    } else {
        serve(server, request, envelope.kind, &message);
    }
}

/* ---- who is served */

void
db_server_admit(struct db_server *server, struct incarnation collector)
{
    if (incarnation_compare(server->collector, collector) != 0)
        publisher_reset(server->publisher);
    server->is_admitting = true;
    server->collector = collector;
    snapshots_keep_only(server->snapshots, collector);
}

void
db_server_refuse(struct db_server *server, const char *why)
{
    server->is_admitting = false;
    (void)snprintf(server->refusal, sizeof server->refusal, "%s", why);
}

void
db_server_reset(struct db_server *server)
{
    publisher_reset(server->publisher);
}

/* ---- life */

bool
db_server_open(const struct db_server_def *def, struct db_server **server_out, struct err *err)
{
    struct db_server *server = mem_alloc_zero(sizeof *server);
    server->env = (struct db_env){
        .service = def->service,
        .loop = service_loop(def->service),
        .admin = def->admin,
        .snapshot = def->snapshot,
        .lock = def->lock,
        .publication = def->publication,
        .is_manual = def->is_manual,
    };
    server->used = def->used;
    server->used_ctx = def->ctx;
    db_server_refuse(server, "the database is not connected yet");
    if (!bus_serve(server->env.loop, def->url, on_request, server, &server->bus, err)) {
        mem_free(server);
        return err_wrap(err, "db channel");
    }
    server->mem = arena_new(PROTO_DECODE_MAX);
    server->publisher = publisher_new(&server->env);
    server->snapshots = snapshots_new(&server->env);
    *server_out = server;
    return true;
}

void
db_server_close(struct db_server *server)
{
    if (!server)
        return;
    snapshots_free(server->snapshots);
    publisher_free(server->publisher);
    bus_server_close(server->bus);
    arena_free(server->mem);
    mem_free(server);
}
