#include "services/shape_log_collector/ingest.h"

#include <string.h>

#include "common/core/repl_frame.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/mem.h"
#include "services/shape_log_collector/apply.h"
#include "services/shape_log_collector/log_store.h"

#define RETRY_INSPECT_MS 50
#define RETRY_WRITE_MS   1000

/* Frames between two looks at how much is buffered. */
#define FRAMES_A_LOOK 64

/*
 * Logs that a turn of the loop may touch. The first touch of a log opens and recovers its files and
 * makes new ones: a tenth of a millisecond that a batch over a hundred thousand shapes would take a
 * hundred thousand times, while nobody is answered.
 */
#define TOUCHES_A_TURN 256

enum batch_state {
    BATCH_NONE,
    BATCH_RUNNING,
    BATCH_PAUSED,     /* goes on in the next turn */
    BATCH_INSPECTING, /* waits for ingest_inspected() */
    BATCH_BLOCKED,    /* the disk is full: tried again by the timer */
};

struct ingest {
    struct ingest_options options;
    struct apply *apply;
    enum batch_state state;
    struct buf frames;
    size_t position;
    uint32_t inspecting_oid;
    struct loop_timer timer;
    uint64_t received_lsn; /* of what was applied */
    uint64_t written_lsn;  /* of what was also written out */
    bool wants_checkpoint; /* Postgres asked in this batch */
};

static void run(struct ingest *ingest);

static void
on_timer(void *ctx)
{
    struct ingest *ingest = ctx;
    if (ingest->state == BATCH_INSPECTING) {
        ingest->options.inspect(ingest->options.ctx, ingest->inspecting_oid);
    } else if (ingest->state == BATCH_BLOCKED || ingest->state == BATCH_PAUSED) {
        run(ingest);
    }
}

struct ingest *
ingest_new(const struct ingest_options *options)
{
    struct ingest *ingest = mem_alloc_zero(sizeof *ingest);
    ingest->options = *options;
    ingest->apply = apply_new(options);
    loop_timer_init(&ingest->timer, options->loop, on_timer, ingest);
    return ingest;
}

void
ingest_free(struct ingest *ingest)
{
    if (ingest == NULL) {
        return;
    }
    ingest_abandon(ingest);
    apply_free(ingest->apply);
    buf_free(&ingest->frames);
    mem_free(ingest);
}

void
ingest_start_stream(struct ingest *ingest, uint64_t lsn)
{
    ASSERT(ingest->state == BATCH_NONE);
    apply_start_stream(ingest->apply);
    ingest->received_lsn = ingest->written_lsn = lsn;
}

bool
ingest_is_busy(const struct ingest *ingest)
{
    return ingest->state != BATCH_NONE;
}

void
ingest_abandon(struct ingest *ingest)
{
    loop_timer_clear(&ingest->timer);
    ingest->state = BATCH_NONE;
    buf_clear(&ingest->frames);
    ingest->position = 0;
}

uint64_t
ingest_received_lsn(const struct ingest *ingest)
{
    return ingest->written_lsn;
}

uint32_t
ingest_xid(const struct ingest *ingest)
{
    return apply_xid(ingest->apply);
}

struct unseen *
ingest_unseen(struct ingest *ingest)
{
    return apply_unseen(ingest->apply);
}

/* ---- one batch */

static void
finish(struct ingest *ingest, const struct err *failed)
{
    ingest->state = BATCH_NONE;
    ingest->position = 0;
    buf_free(&ingest->frames);
    if (failed == NULL) {
        ingest->written_lsn = ingest->received_lsn;
    }
    if (ingest->wants_checkpoint) {
        ingest->wants_checkpoint = false;
        ingest->options.checkpoint_wanted(ingest->options.ctx);
    }
    ingest->options.done(ingest->options.ctx, failed);
}

/* False: the disk takes no more; the timer tries again. */
static bool
write_out(struct ingest *ingest)
{
    struct err err;
    if (log_store_write_out(ingest->options.logs, &err)) {
        return true;
    }
    if (ingest->state != BATCH_BLOCKED) {
        log_error("event=storage_blocked error=\"%s\"", err.msg);
    }
    ingest->state = BATCH_BLOCKED;
    loop_timer_set(&ingest->timer, RETRY_WRITE_MS);
    return false;
}

static void
take_keepalive(struct ingest *ingest, const struct repl_frame *frame)
{
    if (!apply_is_inside(ingest->apply) && frame->wal_end > ingest->received_lsn) {
        ingest->received_lsn = frame->wal_end;
    }
    ingest->wants_checkpoint = ingest->wants_checkpoint || frame->wants_reply;
}

/* Pauses the batch in front of this frame until the relation is known. */
static void
wait_for_relation(struct ingest *ingest, size_t position, uint32_t oid)
{
    ingest->position = position;
    ingest->inspecting_oid = oid;
    ingest->state = BATCH_INSPECTING;
    ingest->options.inspect(ingest->options.ctx, oid);
}

static bool
take_frame(struct ingest *ingest, const struct repl_frame *frame, uint32_t *inspect_out,
           struct err *err)
{
    uint64_t end_lsn = 0;
    *inspect_out = 0;
    switch (frame->kind) {
    case REPL_FRAME_KEEPALIVE:
        take_keepalive(ingest, frame);
        return true;
    case REPL_FRAME_TOO_LARGE:
        return apply_too_large(ingest->apply, frame->relation_oid, err);
    case REPL_FRAME_DATA:
        break;
    }
    if (!apply_message(ingest->apply, frame->message, inspect_out, &end_lsn, err)) {
        return false;
    }
    if (end_lsn > ingest->received_lsn) {
        ingest->received_lsn = end_lsn;
    }
    return true;
}

/* Writes out when there is much to write; false: not now, the timer goes on. */
static bool
look(struct ingest *ingest, size_t frames)
{
    bool is_turn_over = apply_touches(ingest->apply) >= TOUCHES_A_TURN;
    bool is_full = frames % FRAMES_A_LOOK == 0 &&
                   log_store_buffered(ingest->options.logs) > LOG_STORE_BUFFERED_MAX;
    if ((is_turn_over || is_full) && !write_out(ingest)) {
        return false;
    }
    if (is_turn_over) {
        apply_forget_touches(ingest->apply);
        ingest->state = BATCH_PAUSED;
        loop_timer_set(&ingest->timer, 0);
        return false;
    }
    return true;
}

/* True when all frames are taken in; false when it has to wait, or has failed and said so. */
static bool
take_frames(struct ingest *ingest)
{
    size_t frames = 0;
    while (ingest->position < ingest->frames.size) {
        struct err err;
        struct repl_frame frame;
        uint32_t inspect;
        struct view left = {ingest->frames.bytes + ingest->position,
                            ingest->frames.size - ingest->position};
        if (!repl_frame_next(&left, &frame, &err) || !take_frame(ingest, &frame, &inspect, &err)) {
            apply_start_stream(ingest->apply);
            finish(ingest, &err);
            return false;
        }
        if (inspect != 0) {
            wait_for_relation(ingest, ingest->position, inspect);
            return false;
        }
        ingest->position = ingest->frames.size - left.size;
        if (!look(ingest, ++frames)) {
            return false;
        }
    }
    return true;
}

static void
run(struct ingest *ingest)
{
    if (ingest->state == BATCH_BLOCKED && !write_out(ingest)) {
        return;
    }
    ingest->state = BATCH_RUNNING;
    if (take_frames(ingest) && write_out(ingest)) {
        finish(ingest, NULL);
    }
}

void
ingest_batch(struct ingest *ingest, struct buf *frames)
{
    ASSERT(ingest->state == BATCH_NONE);
    buf_free(&ingest->frames);
    ingest->frames = *frames;
    *frames = (struct buf){0};
    ingest->position = 0;
    run(ingest);
}

void
ingest_inspected(struct ingest *ingest, uint32_t oid, bool is_known, const uint32_t *ancestors,
                 size_t ancestor_count)
{
    if (ingest->state != BATCH_INSPECTING || oid != ingest->inspecting_oid) {
        return;
    }
    if (!is_known) {
        loop_timer_set(&ingest->timer, RETRY_INSPECT_MS);
        return;
    }
    apply_set_ancestors(ingest->apply, oid, ancestors, ancestor_count);
    run(ingest);
}

/* ---- shapes */

void
ingest_join(struct ingest *ingest, struct shape_feed *feed)
{
    apply_join(ingest->apply, feed);
}

void
ingest_leave(struct ingest *ingest, struct shape_feed *feed)
{
    routing_remove(ingest->options.routing, feed);
}

void
ingest_open(struct ingest *ingest, struct shape_feed *feed, const struct marks *marks, uint64_t lsn)
{
    apply_open(ingest->apply, feed, marks, lsn);
    struct err err;
    /* Between two batches nobody else would write out what was held. */
    if (ingest->state == BATCH_NONE && !log_store_write_out(ingest->options.logs, &err)) {
        log_error("event=storage_blocked error=\"%s\"", err.msg); /* the next batch waits for it */
    }
}

void
ingest_restore(struct ingest *ingest, struct shape_feed *feed)
{
    routing_add(ingest->options.routing, feed);
}
