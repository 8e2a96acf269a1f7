#include "services/connection/repl.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/bus.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"

#define HELLO_TIMEOUT_MS 10000u
#define BATCH_TIMEOUT_MS 60000u
#define AGAIN_MS         100u

struct repl {
    struct repl_def def;
    struct bus_client *client;
    struct bus_call *call;
    struct loop_timer again;
    bool is_agreed;
    bool is_sending; /* `frames` is the batch of `seq`, not answered yet */
    bool is_told;    /* that it is held */
    uint64_t stream;
    uint64_t seq;
    struct buf frames;
    struct incarnation collector;
    uint64_t epoch;
};

static void send_batch(void *ctx);

bool
repl_open(const struct repl_def *def, struct repl **repl_out, struct err *err)
{
    struct repl *repl = mem_alloc_zero(sizeof *repl);
    repl->def = *def;
    loop_timer_init(&repl->again, service_loop(def->service), send_batch, repl);
    if (!bus_client_open(service_loop(def->service), def->url, &repl->client, err)) {
        mem_free(repl);
        return err_wrap(err, "repl channel");
    }
    *repl_out = repl;
    return true;
}

void
repl_forget(struct repl *repl)
{
    if (repl->call)
        bus_call_cancel(repl->call);
    repl->call = NULL;
    repl->is_agreed = repl->is_sending = repl->is_told = false;
    loop_timer_clear(&repl->again);
    buf_clear(&repl->frames);
}

void
repl_close(struct repl *repl)
{
    if (!repl)
        return;
    repl_forget(repl);
    bus_client_close(repl->client);
    buf_free(&repl->frames);
    mem_free(repl);
}

bool
repl_is_idle(const struct repl *repl)
{
    return repl->is_agreed && !repl->is_sending;
}

/* ---- hello */

struct answer {
    struct envelope envelope;
    struct repl_reply reply;
};

/* Errors: the peer's, as text in `err`. */
static bool
read_answer(struct view bytes, const struct err *failed, struct arena *mem,
            struct answer *answer_out, struct err *err)
{
    if (failed) {
        *err = *failed;
        return false;
    }
    return proto_peek(bytes, &answer_out->envelope, err) &&
           proto_decode(bytes, PROTO_repl_reply, mem, &answer_out->reply, err);
}

static void
on_hello_answer(void *ctx, struct view bytes, const struct err *failed)
{
    struct repl *repl = ctx;
    struct err err;
    struct answer answer;
    struct arena *mem = arena_new(PROTO_DECODE_MAX);
    char why[600];
    repl->call = NULL;
    bool is_read = read_answer(bytes, failed, mem, &answer, &err);
    if (is_read && view_is(answer.reply.result, "ok")) {
        repl->is_agreed = true;
        repl->seq = 0;
        repl->collector = answer.envelope.sender_incarnation;
        repl->epoch = answer.envelope.epoch;
        repl->def.agreed(repl->def.ctx, repl->collector, answer.reply.durable_lsn);
    } else if (is_read) {
        (void)snprintf(why, sizeof why, "%.*s%s%.*s", (int)answer.reply.result.size,
                       (const char *)answer.reply.result.bytes,
                       answer.reply.reason.size > 0 ? ": " : "", (int)answer.reply.reason.size,
                       (const char *)answer.reply.reason.bytes);
        repl->def.again(repl->def.ctx, why);
    } else {
        repl->def.again(repl->def.ctx, err.msg);
    }
    arena_free(mem);
}

void
repl_say_hello(struct repl *repl, struct repl_hello hello)
{
    repl_forget(repl);
    struct buf message = {0};
    struct envelope envelope = service_envelope(repl->def.service, PROTO_repl_hello);
    hello.stream = ++repl->stream;
    proto_encode(&envelope, &hello, &message);
    repl->call = bus_ask(repl->client, &message, HELLO_TIMEOUT_MS, on_hello_answer, repl);
}

/* ---- batches */

static void
on_batch_answer(void *ctx, struct view bytes, const struct err *failed)
{
    struct repl *repl = ctx;
    struct err err;
    struct answer answer;
    struct arena *mem = arena_new(PROTO_DECODE_MAX);
    repl->call = NULL;
    if (!read_answer(bytes, failed, mem, &answer, &err)) {
        log_debug("event=batch_lost seq=%" PRIu64 " error=\"%s\"", repl->seq, err.msg);
        loop_timer_set(&repl->again, AGAIN_MS);
    } else if (view_is(answer.reply.result, "hold")) {
        if (!repl->is_told)
            log_info("event=batch_held reason=\"%.*s\"", (int)answer.reply.reason.size,
                     (const char *)answer.reply.reason.bytes);
        repl->is_told = true;
        loop_timer_set(&repl->again, AGAIN_MS);
    } else if (view_is(answer.reply.result, "ok") &&
               incarnation_compare(answer.envelope.sender_incarnation, repl->collector) == 0) {
        repl->is_sending = repl->is_told = false;
        buf_clear(&repl->frames);
        repl->def.answered(repl->def.ctx, answer.reply.received_lsn, answer.reply.durable_lsn);
    } else {
        char why[32];
        (void)snprintf(why, sizeof why, "%.*s", (int)answer.reply.result.size,
                       (const char *)answer.reply.result.bytes);
        repl->def.stale(repl->def.ctx, why);
    }
    arena_free(mem);
}

static void
send_batch(void *ctx)
{
    struct repl *repl = ctx;
    struct buf message = {0};
    struct envelope envelope = service_envelope(repl->def.service, PROTO_repl_batch);
    envelope.receiver_incarnation = repl->collector;
    envelope.epoch = repl->epoch;
    struct repl_batch batch = {
        .stream = repl->stream, .seq = repl->seq, .frames = buf_view(&repl->frames)};
    proto_encode(&envelope, &batch, &message);
    repl->call = bus_ask(repl->client, &message, BATCH_TIMEOUT_MS, on_batch_answer, repl);
}

void
repl_send(struct repl *repl, struct buf *frames)
{
    ASSERT(repl_is_idle(repl));
    struct buf before = repl->frames;
    repl->frames = *frames;
    *frames = before;
    buf_clear(frames);
    repl->is_sending = true;
    repl->seq++;
    send_batch(repl);
}
