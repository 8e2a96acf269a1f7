#include "services/shape_log_collector/repl_server.h"

#include <stdio.h>
#include <string.h>

#include "common/bus.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/checkpoint.h"
#include "services/shape_log_collector/creation.h"
#include "services/shape_log_collector/ingest.h"
#include "services/shape_log_collector/registry.h"

#define MESSAGE_ARENA_MAX (1u << 20)

struct repl_server {
    struct collector *collector;
    struct bus_server *bus;
    struct incarnation sender; /* of the agreed stream; {0, 0}: none */
    struct incarnation newest_sender;
    uint64_t stream;
    uint64_t seq;
    uint64_t hello_flush_lsn;
    struct bus_request *batch; /* being taken in */
    bool is_resetting;
};

/* A hello whose answer waits for the catalogue. */
struct pending_hello {
    struct repl_server *server;
    struct bus_request *request;
    struct incarnation sender;
    uint64_t stream;
    uint64_t flush_lsn;
    uint64_t checkpoint_lsn;
    bool is_reset;
};

uint64_t
repl_server_durable_lsn(const struct repl_server *server)
{
    return checkpoint_durable_lsn(server->collector->checkpoint);
}

bool
repl_server_has_agreed(const struct repl_server *server)
{
    return server->sender.started_us != 0;
}

bool
repl_server_is_behind(const struct repl_server *server)
{
    return !repl_server_has_agreed(server) ||
           ingest_received_lsn(server->collector->ingest) < server->hello_flush_lsn;
}

/* ---- answers */

static void
answer(struct repl_server *server, struct bus_request *request, const char *result,
       const char *reason)
{
    struct envelope envelope = service_envelope(server->collector->service, PROTO_repl_reply);
    struct repl_reply reply = {
        .result = view_str(result),
        .received_lsn = ingest_received_lsn(server->collector->ingest),
        .durable_lsn = repl_server_durable_lsn(server),
        .reason = view_str(reason),
    };
    struct buf bytes = {0};
    envelope.epoch = server->collector->epoch;
    proto_encode(&envelope, &reply, &bytes);
    bus_reply(request, &bytes);
    buf_free(&bytes);
}

void
repl_server_batch_done(struct repl_server *server, const struct err *failed)
{
    struct bus_request *request = server->batch;
    server->batch = NULL;
    if (failed != NULL) {
        log_error("event=stream_refused error=\"%s\"", failed->msg);
        server->sender = (struct incarnation){0};
        answer(server, request, "stale", failed->msg);
    } else if (request != NULL) {
        answer(server, request, "ok", "");
    }
}

/* ---- hello */

static const char *
mismatch(const struct repl_server *server, const struct repl_hello *hello)
{
    const struct catalogue_meta *meta = catalogue_meta(server->collector->catalogue);
    if (!view_is(hello->system_id, meta->identity.system_id)) {
        return "it is another database system";
    }
    if (hello->timeline != meta->identity.timeline) {
        return "the database is on another timeline";
    }
    if (!view_is(hello->slot, meta->identity.slot)) {
        return "it is another replication slot";
    }
    if (hello->confirmed_lsn > meta->checkpoint_lsn) {
        return "the slot is ahead of the store";
    }
    if (meta->checkpoint_lsn > hello->flush_lsn) {
        return "the store is ahead of the database";
    }
    return NULL;
}

static void
agree(struct repl_server *server, struct bus_request *request, const struct pending_hello *hello)
{
    struct collector *collector = server->collector;
    server->sender = hello->sender;
    server->stream = hello->stream;
    server->seq = 0;
    server->hello_flush_lsn = hello->flush_lsn;
    ingest_start_stream(collector->ingest, repl_server_durable_lsn(server));
    creation_on_hello(collector);
    log_info("event=stream_agreed stream=%llu checkpoint=%llu", (unsigned long long)hello->stream,
             (unsigned long long)repl_server_durable_lsn(server));
    answer(server, request, "ok", "");
}

static void
on_identity_stored(void *ctx)
{
    struct pending_hello *hello = ctx;
    struct repl_server *server = hello->server;
    if (hello->is_reset) {
        answer(server, hello->request, "reset", "the store starts anew");
        service_exit(server->collector->service, SERVICE_EXIT_CLEAN);
    } else {
        checkpoint_agreed(server->collector->checkpoint, hello->checkpoint_lsn);
        agree(server, hello->request, hello);
    }
    mem_free(hello);
}

static void
store_identity(struct repl_server *server, const struct repl_hello *facts,
               const struct pending_hello *from)
{
    struct catalogue *catalogue = server->collector->catalogue;
    struct pending_hello *hello = mem_alloc_zero(sizeof *hello);
    struct catalogue_identity identity = {.timeline = facts->timeline};
    *hello = *from;
    snprintf(identity.system_id, sizeof identity.system_id, "%.*s", (int)facts->system_id.size,
             (const char *)facts->system_id.bytes);
    snprintf(identity.slot, sizeof identity.slot, "%.*s", (int)facts->slot.size,
             (const char *)facts->slot.bytes);
    if (hello->is_reset) {
        server->is_resetting = true;
        catalogue_reset(catalogue, &identity, facts->confirmed_lsn, clock_wall_us());
    } else {
        catalogue_set_identity(catalogue, &identity, facts->confirmed_lsn);
    }
    catalogue_commit(catalogue, on_identity_stored, hello);
}

static void
on_hello(struct repl_server *server, struct bus_request *request, const struct envelope *envelope,
         const struct repl_hello *facts)
{
    const struct catalogue_meta *meta = catalogue_meta(server->collector->catalogue);
    if (incarnation_compare(envelope->sender_incarnation, server->newest_sender) < 0) {
        answer(server, request, "stale", "a newer connection has spoken");
        return;
    }
    server->newest_sender = envelope->sender_incarnation;
    server->sender = (struct incarnation){0};
    ingest_abandon(server->collector->ingest);
    if (server->batch != NULL) {
        answer(server, server->batch, "stale", "a hello came");
        server->batch = NULL;
    }
    struct pending_hello hello = {
        .server = server,
        .request = request,
        .sender = envelope->sender_incarnation,
        .stream = facts->stream,
        .flush_lsn = facts->flush_lsn,
        .checkpoint_lsn = facts->confirmed_lsn,
    };
    if (meta->identity.system_id[0] == '\0') {
        log_info("event=first_start slot=%.*s", (int)facts->slot.size,
                 (const char *)facts->slot.bytes);
        store_identity(server, facts, &hello);
        return;
    }
    const char *reason = mismatch(server, facts);
    if (reason != NULL) {
        log_warn("event=store_reset reason=\"%s\" timeline=%llu confirmed=%llu checkpoint=%llu "
                 "flush=%llu",
                 reason, (unsigned long long)facts->timeline,
                 (unsigned long long)facts->confirmed_lsn, (unsigned long long)meta->checkpoint_lsn,
                 (unsigned long long)facts->flush_lsn);
        hello.is_reset = true;
        store_identity(server, facts, &hello);
        return;
    }
    agree(server, request, &hello);
}

/* ---- batches */

static void
on_batch(struct repl_server *server, struct bus_request *request, const struct envelope *envelope,
         const struct repl_batch *batch)
{
    struct ingest *ingest = server->collector->ingest;
    bool is_ours = incarnation_compare(envelope->sender_incarnation, server->sender) == 0 &&
                   batch->stream == server->stream;
    if (!is_ours) {
        answer(server, request, "stale", "another stream was agreed on");
        return;
    }
    if (server->batch != NULL || ingest_is_busy(ingest)) {
        answer(server, request, "hold", "the batch before is being taken in");
        return;
    }
    if (unseen_count(ingest_unseen(ingest)) >= UNSEEN_MAX) {
        answer(server, request, "hold",
               "too many transactions are not visible to new snapshots yet");
        return;
    }
    if (batch->seq <= server->seq) {
        answer(server, request, "ok", "");
        return;
    }
    if (batch->seq != server->seq + 1) {
        answer(server, request, "stale", "a batch is missing");
        return;
    }
    server->seq = batch->seq;
    server->batch = request;
    struct buf frames = {0};
    buf_append_view(&frames, batch->frames);
    ingest_batch(ingest, &frames);
}

static void
on_message(struct repl_server *server, struct bus_request *request, struct view message,
           struct arena *mem)
{
    struct err err;
    struct envelope envelope;
    union {
        struct repl_hello hello;
        struct repl_batch batch;
    } body;
    struct incarnation me = service_incarnation(server->collector->service);
    if (!proto_peek(message, &envelope, &err) ||
        (envelope.kind != PROTO_repl_hello && envelope.kind != PROTO_repl_batch) ||
        !proto_decode(message, envelope.kind, mem, &body, &err)) {
        log_warn("event=message_refused channel=repl error=\"%s\"", err.msg);
        answer(server, request, "stale", "not a message of this channel");
        return;
    }
    bool is_for_us = envelope.receiver_incarnation.started_us == 0 ||
                     incarnation_compare(envelope.receiver_incarnation, me) == 0;
    if (!is_for_us) {
        answer(server, request, "stale", "meant for another life");
    } else if (server->collector->is_read_only || server->is_resetting) {
        answer(server, request, "hold", "another engine writes this storage");
    } else if (envelope.kind == PROTO_repl_hello) {
        on_hello(server, request, &envelope, &body.hello);
    } else {
        on_batch(server, request, &envelope, &body.batch);
    }
}

static void
on_request(void *ctx, struct bus_request *request, struct view message)
{
    struct arena *mem = arena_new(MESSAGE_ARENA_MAX);
    on_message(ctx, request, message, mem);
    arena_free(mem);
}

bool
repl_server_open(struct collector *collector, const char *url, struct repl_server **server_out,
                 struct err *err)
{
    struct repl_server *server = mem_alloc_zero(sizeof *server);
    server->collector = collector;
    if (!bus_serve(collector->loop, url, on_request, server, &server->bus, err)) {
        mem_free(server);
        return err_wrap(err, "repl channel");
    }
    *server_out = server;
    return true;
}

void
repl_server_close(struct repl_server *server)
{
    if (server == NULL) {
        return;
    }
    if (server->batch != NULL) {
        answer(server, server->batch, "stale", "the collector leaves");
    }
    bus_server_close(server->bus);
    mem_free(server);
}
