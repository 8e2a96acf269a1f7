#include "services/connection/sender.h"

#include <inttypes.h>
#include <string.h>

#include "common/clock.h"
#include "common/core/limits.h"
#include "common/core/repl_frame.h"
#include "common/core/sql_text.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "services/connection/session_settings.h"

#define QUERY_TIMEOUT_MS 30000u

/* How often the collector is asked how far durable is, while it lags; and when Postgres asks. */
#define ASK_MS      200u
#define ASK_SOON_MS 20u

/* Of the standby status, however long wal_sender_timeout is. */
#define STATUS_MS_MAX 15000u

/* 2000-01-01 in µs since 1970: Postgres' clock. */
#define PG_EPOCH_US UINT64_C(946684800000000)

/* CopyData 'w': start, end, clock, then pgoutput's message. */
#define DATA_HEADER 25u
/* CopyData 'k': wal_end, clock, reply requested. */
#define KEEPALIVE_SIZE 18u

/*
 * After a batch the socket rests: what comes meanwhile waits in the kernel and is read in one go,
 * where every message would wake us. A small batch rests until it is answered, so a lone change
 * waits for nothing; one of this size says that Postgres has more to say than one message at a
 * time, and then five hundred batches a second are as good as five thousand.
 */
#define REST_MS        2u
#define REST_BYTES_MIN 4096u

/* A buffer that one large row has made larger is given back. */
#define KEPT_BYTES (4u << 20)

struct sender {
    struct sender_def def;
    struct endpoint_opening *opening;
    struct pg_conn *conn;
    uint64_t start_lsn;
    bool is_streaming;
    bool is_feeding; /* what is read goes to the collector */
    bool is_in_transaction;
    bool is_paused;
    bool is_urgent; /* Postgres asked how far we are, and durable has not got there */
    struct buf fill;
    uint64_t passed_lsn; /* of the last keepalive that was passed on */
    uint64_t received_lsn;
    uint64_t durable_lsn;
    uint64_t active_ms;
    uint32_t status_ms;
    struct loop_timer status; /* standby status */
    struct loop_timer ask;    /* an empty batch */
    struct loop_timer rest;   /* set: the socket is not read */
    size_t last_batch_size;
};

static void on_status(void *ctx);
static void on_ask(void *ctx);
static void on_rested(void *ctx);

struct sender *
sender_new(const struct sender_def *def)
{
    struct sender *sender = mem_alloc_zero(sizeof *sender);
    sender->def = *def;
    loop_timer_init(&sender->status, def->loop, on_status, sender);
    loop_timer_init(&sender->ask, def->loop, on_ask, sender);
    loop_timer_init(&sender->rest, def->loop, on_rested, sender);
    return sender;
}

void
sender_free(struct sender *sender)
{
    if (!sender)
        return;
    sender_close(sender);
    mem_free(sender);
}

void
sender_close(struct sender *sender)
{
    endpoint_cancel(sender->opening);
    sender->opening = NULL;
    pg_conn_close(sender->conn);
    sender->conn = NULL;
    loop_timer_clear(&sender->status);
    loop_timer_clear(&sender->ask);
    loop_timer_clear(&sender->rest);
    buf_free(&sender->fill);
    sender->is_streaming = sender->is_feeding = sender->is_in_transaction = false;
    sender->is_paused = sender->is_urgent = false;
    sender->passed_lsn = sender->received_lsn = sender->durable_lsn = 0;
}

static void
fail(struct sender *sender, const struct pg_failure *failed)
{
    struct pg_failure copy = *failed;
    sender_close(sender);
    sender->def.failed(sender->def.ctx, &copy);
}

static void
on_lost(void *ctx, const struct pg_failure *failed)
{
    fail(ctx, failed);
}

uint64_t
sender_durable_lsn(const struct sender *sender)
{
    return sender->durable_lsn;
}

bool
sender_is_even(const struct sender *sender)
{
    return sender->fill.size == 0 && !sender->is_in_transaction && repl_is_idle(sender->def.repl) &&
           sender->received_lsn == sender->durable_lsn;
}

uint64_t
sender_active_ms(const struct sender *sender)
{
    return sender->active_ms;
}

uint64_t
sender_received_lsn(const struct sender *sender)
{
    return sender->received_lsn;
}

/* ---- open */

static void
on_identified(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct sender *sender = ctx;
    if (failed) {
        fail(sender, failed);
        return;
    }
    if (pg_rows(results, 0) != 1) {
        static const struct pg_failure silent = {.message = "IDENTIFY_SYSTEM gave no row"};
        fail(sender, &silent);
        return;
    }
    sender->def.identified(sender->def.ctx, pg_text(results, 0, 0, 0), pg_u64(results, 0, 0, 1));
}

static void
on_prepared(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct sender *sender = ctx;
    if (failed) {
        fail(sender, failed);
        return;
    }
    uint64_t timeout_ms = pg_u64(results, 0, 0, 0);
    sender->status_ms = timeout_ms > 0 && timeout_ms / 3 < STATUS_MS_MAX
                            ? (uint32_t)(timeout_ms / 3)
                            : STATUS_MS_MAX;
    if (sender->status_ms == 0)
        sender->status_ms = 1;
    pg_query(sender->conn, "IDENTIFY_SYSTEM", QUERY_TIMEOUT_MS, on_identified, sender);
}

static void
on_opened(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    struct sender *sender = ctx;
    sender->opening = NULL;
    if (failed) {
        sender->def.failed(sender->def.ctx, failed);
        return;
    }
    sender->conn = conn;
    pg_conn_on_lost(conn, on_lost, sender);
    struct buf sql = {0};
    buf_append_str(&sql, "SELECT (SELECT setting FROM pg_settings "
                         "WHERE name = 'wal_sender_timeout'), "
                         "set_config('idle_session_timeout', '0', false), ");
    session_settings_columns(&sql);
    pg_query(conn, buf_str(&sql), QUERY_TIMEOUT_MS, on_prepared, sender);
    buf_free(&sql);
}

void
sender_open(struct sender *sender)
{
    ASSERT(!sender->conn && !sender->opening);
    sender->opening =
        endpoint_open(sender->def.endpoint, ENDPOINT_SENDER, "shapewire stream", on_opened, sender);
}

/* ---- what we tell Postgres */

static void
put_u64_be(uint8_t *p, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        p[i] = (uint8_t)v;
}

/* All three positions are the durable one: exact, or a fast shutdown of Postgres waits for us. */
static void
send_status(struct sender *sender)
{
    uint8_t message[34] = {'r'};
    put_u64_be(message + 1, sender->durable_lsn);
    put_u64_be(message + 9, sender->durable_lsn);
    put_u64_be(message + 17, sender->durable_lsn);
    put_u64_be(message + 25, clock_wall_us() - PG_EPOCH_US);
    pg_copy_send(sender->conn, view_of(message, sizeof message));
    loop_timer_set(&sender->status, sender->status_ms);
}

static void
on_status(void *ctx)
{
    struct sender *sender = ctx;
    if (sender->is_streaming)
        send_status(sender);
}

/* ---- what the collector gets */

static void
send_batch(struct sender *sender)
{
    loop_timer_clear(&sender->ask);
    metrics_add(METRIC_STREAM_BATCHES, 1);
    metrics_add(METRIC_STREAM_BYTES, sender->fill.size);
    loop_timer_set(&sender->rest, REST_MS);
    sender->last_batch_size = sender->fill.size;
    repl_send(sender->def.repl, &sender->fill);
    if (sender->fill.capacity > KEPT_BYTES)
        buf_free(&sender->fill);
}

/* Sends what there is when nothing is under way; reads on as long as there is room. */
static void
pump(struct sender *sender)
{
    if (!sender->is_feeding)
        return;
    if (sender->fill.size > 0 && repl_is_idle(sender->def.repl))
        send_batch(sender);
    bool must_pause = sender->fill.size >= LIMIT_BATCH_SOFT || loop_timer_is_set(&sender->rest);
    if (must_pause && !sender->is_paused)
        pg_copy_pause(sender->conn);
    if (!must_pause && sender->is_paused)
        pg_copy_resume(sender->conn);
    sender->is_paused = must_pause;
}

static void
on_rested(void *ctx)
{
    pump(ctx);
}

static void
on_ask(void *ctx)
{
    struct sender *sender = ctx;
    if (sender->is_feeding && repl_is_idle(sender->def.repl)) {
        send_batch(sender);
        pump(sender);
    }
}

static void
ask_soon(struct sender *sender)
{
    uint32_t ms = sender->is_urgent ? ASK_SOON_MS : ASK_MS;
    uint64_t at_ms = loop_now_ms(sender->def.loop) + ms;
    if (!loop_timer_is_set(&sender->ask) || sender->ask.deadline_ms > at_ms)
        loop_timer_set(&sender->ask, ms);
}

void
sender_take_answer(struct sender *sender, uint64_t received_lsn, uint64_t durable_lsn)
{
    if (!sender->is_feeding)
        return;
    sender->received_lsn = received_lsn;
    metrics_set(METRIC_STREAM_RECEIVED_LSN, received_lsn);
    metrics_set(METRIC_STREAM_DURABLE_LSN, durable_lsn);
    if (durable_lsn > sender->durable_lsn) {
        sender->durable_lsn = durable_lsn;
        send_status(sender);
    }
    if (sender->last_batch_size < REST_BYTES_MIN)
        loop_timer_clear(&sender->rest);
    pump(sender);
    sender->is_urgent &= sender->received_lsn > sender->durable_lsn;
    if (sender->received_lsn > sender->durable_lsn)
        ask_soon(sender);
}

void
sender_stop_feeding(struct sender *sender)
{
    if (!sender->is_feeding)
        return;
    sender->is_feeding = false;
    loop_timer_clear(&sender->ask);
    loop_timer_clear(&sender->rest);
    buf_clear(&sender->fill);
    pg_copy_pause(sender->conn);
}

static void
append_frame(struct sender *sender, struct view bytes)
{
    wire_put_u32(buf_grow(&sender->fill, 4), (uint32_t)bytes.size);
    buf_append_view(&sender->fill, bytes);
}

static void
take_keepalive(struct sender *sender, struct view message)
{
    if (message.size < KEEPALIVE_SIZE)
        return;
    struct wire_reader r = wire_reader(message);
    (void)wire_read_u8(&r);
    uint64_t wal_end = wire_read_u64_be(&r);
    bool wants_reply = message.bytes[KEEPALIVE_SIZE - 1] != 0;
    if (wants_reply)
        send_status(sender);
    if (sender->is_in_transaction || (wal_end <= sender->passed_lsn && !wants_reply))
        return;
    sender->passed_lsn = wal_end;
    append_frame(sender, message);
    sender->is_urgent |= wants_reply;
}

/* A change that no bus message can hold: only its table's oid is passed on. */
static void
take_too_large(struct sender *sender, struct view message)
{
    uint8_t frame[5] = {REPL_FRAME_TOO_LARGE};
    memcpy(frame + 1, message.bytes + DATA_HEADER + 1, 4);
    log_warn("event=row_too_large bytes=%zu limit=%u", message.size, LIMIT_FRAME);
    append_frame(sender, view_of(frame, sizeof frame));
}

static void
on_message(void *ctx, struct view message)
{
    struct sender *sender = ctx;
    if (!sender->is_feeding || message.size == 0)
        return;
    if (message.bytes[0] == REPL_FRAME_KEEPALIVE) {
        take_keepalive(sender, message);
    } else if (message.bytes[0] == REPL_FRAME_DATA && message.size > DATA_HEADER) {
        uint8_t kind = message.bytes[DATA_HEADER];
        if (kind == 'B')
            sender->is_in_transaction = true;
        else if (kind == 'C') {
            sender->is_in_transaction = false;
            sender->active_ms = loop_now_ms(sender->def.loop);
        }
        if (message.size > LIMIT_FRAME)
            take_too_large(sender, message);
        else
            append_frame(sender, message);
    }
    /* One socket read may hold thousands of messages. */
    if (sender->fill.size >= LIMIT_BATCH_SOFT)
        pump(sender);
}

static void
on_drained(void *ctx)
{
    pump(ctx);
}

static void
on_ended(void *ctx, const struct pg_failure *failed)
{
    static const struct pg_failure ended = {.is_lost = true,
                                            .message = "the stream was closed by Postgres"};
    fail(ctx, failed ? failed : &ended);
}

/* ---- start */

static void
on_started(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct sender *sender = ctx;
    (void)results;
    if (failed) {
        fail(sender, failed);
        return;
    }
    pg_copy_start(sender->conn,
                  &(struct pg_copy){
                      .row = on_message, .drained = on_drained, .ended = on_ended, .ctx = sender});
    sender->is_streaming = sender->is_feeding = true;
    metrics_add(METRIC_STREAM_STARTS, 1);
    sender->received_lsn = sender->durable_lsn = sender->start_lsn;
    sender->active_ms = loop_now_ms(sender->def.loop);
    send_status(sender);
    sender->def.started(sender->def.ctx);
}

void
sender_start(struct sender *sender, uint64_t lsn)
{
    struct buf sql = {0};
    sender->start_lsn = lsn;
    buf_append_str(&sql, "START_REPLICATION SLOT ");
    sql_text_ident(&sql, view_str(sender->def.slot));
    buf_printf(&sql, " LOGICAL %" PRIX64 "/%" PRIX64 " (proto_version '1', publication_names '",
               lsn >> 32, lsn & 0xFFFFFFFFu);
    sql_text_ident(&sql, view_str(sender->def.publication));
    buf_append_str(&sql, "')");
    pg_query(sender->conn, buf_str(&sql), QUERY_TIMEOUT_MS, on_started, sender);
    buf_free(&sql);
}
