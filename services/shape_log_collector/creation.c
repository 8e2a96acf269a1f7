#include "services/shape_log_collector/creation.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/checkpoint.h"
#include "services/shape_log_collector/convert.h"
#include "services/shape_log_collector/db_client.h"
#include "services/shape_log_collector/ingest.h"
#include "services/shape_log_collector/log_store.h"
#include "services/shape_log_collector/publishing.h"
#include "services/shape_log_collector/relation_cache.h"
#include "services/shape_log_collector/repl_server.h"
#include "services/shape_log_collector/shape_server.h"

#define BEGIN_TIMEOUT_MS 45000 /* the time to the first row, and a wait for a pool session */
#define BLOCK_TIMEOUT_MS 60000
#define HOLD_MS          5000 /* longer than that, and the snapshot is taken again (design §5.3) */
#define RETRY_MS         500
#define FULL_RETRY_MS    1000
#define RETAKES_MAX      20 /* with growing pauses: about a minute */
#define BLOCK_TRIES_MAX  5

enum creation_state {
    CREATION_PUBLISHING,
    CREATION_PAUSED, /* the timer joins again */
    CREATION_JOINED,
    CREATION_COPYING,
    CREATION_SYNCING,
    CREATION_CANCELLED, /* frees itself when the worker is done */
};

struct creation {
    struct list node; /* in collector->creations */
    struct shape *shape;
    struct collector *collector;
    enum creation_state state;
    struct publishing_waiter publishing;
    struct loop_timer timer;
    struct db_call *call;
    uint64_t snapshot; /* number of the snapshot asked for */
    unsigned retakes;
    struct marks marks;
    uint64_t lsn;

    /* COPYING: one block is asked for while the one before is converted */
    struct worker_lane *lane;
    struct convert convert;
    bool is_converting;
    bool is_blocked; /* the disk is full: the timer submits the step again */
    uint64_t next_block;
    unsigned block_tries;
    struct buf block; /* arrived, and not yet converted */
    bool has_block;
    bool is_last_asked; /* the last block has arrived */

    bool is_waiting;     /* SYNCING: what was held is written out, */
    uint64_t wait_begun; /* and a checkpoint that began later than this one must have ended */
};

static void join(struct creation *creation);
static void ask_block(struct creation *creation);
static void copy_on(struct creation *creation);
static void on_converted(void *ctx);
static void on_timer(void *ctx);

/* ---- failing */

static void
fail(struct creation *creation, const struct open_failure *failure)
{
    log_warn("event=shape_creation_failed handle=%s error=\"%s\"", creation->shape->handle,
             failure->message);
    registry_end(creation->shape, "it could not be made", failure);
}

static void
fail_known(struct creation *creation, const char *message)
{
    struct open_failure failure = {
        .result = "unavailable", .message = message, .is_known = true, .retry_after_s = 10};
    fail(creation, &failure);
}

/* What Postgres says about a snapshot or the publication, as http-api [33] wants it told. */
static void
fail_by_sqlstate(struct creation *creation, struct view sqlstate, struct view error)
{
    char message[1200];
    bool is_ours = sqlstate.size == 5 && (sqlstate.bytes[0] == '5' || sqlstate.bytes[0] == '0');
    if (view_is(sqlstate, "55P03")) {
        fail_known(creation, "Snapshot timed out while waiting for a table lock");
        return;
    }
    if (view_is(sqlstate, "42501") || view_is(sqlstate, "")) {
        snprintf(message, sizeof message, "Unable to create initial snapshot: %.*s",
                 (int)error.size, (const char *)error.bytes);
        fail_known(creation, message);
        return;
    }
    if (is_ours || view_is(sqlstate, "57014")) {
        snprintf(message, sizeof message, "%.*s", (int)error.size, (const char *)error.bytes);
        fail_known(creation, message);
        return;
    }
    snprintf(message, sizeof message, "Unexpected error while creating snapshot: %.*s",
             (int)error.size, (const char *)error.bytes);
    struct open_failure failure = {.result = "failed", .message = message};
    fail(creation, &failure);
}

/* ---- publishing */

static void
on_published(void *ctx, const struct err *failed, struct view sqlstate)
{
    struct creation *creation = ctx;
    if (failed != NULL) {
        fail_by_sqlstate(creation, sqlstate, view_str(failed->msg));
        return;
    }
    join(creation);
}

void
creation_start(struct shape *shape)
{
    struct creation *creation = mem_alloc_zero(sizeof *creation);
    creation->shape = shape;
    creation->collector = shape->collector;
    shape->creation = creation;
    shape->counts_rows = !shape->def->is_changes_only;
    list_push_back(&shape->collector->creations, &creation->node);
    creation->publishing.fn = on_published;
    creation->publishing.ctx = creation;
    creation->state = CREATION_PUBLISHING;
    creation->lane = worker_lane_new(shape->collector->pool);
    convert_init(&creation->convert, shape, on_converted, creation);
    loop_timer_init(&creation->timer, shape->collector->loop, on_timer, creation);
    publishing_want(shape->collector->publishing, shape->def->table.oid, &creation->publishing);
}

const char *
creation_waiting_for(const struct creation *creation)
{
    if (creation->state == CREATION_PUBLISHING) {
        return publishing_waiting_for(creation->collector->publishing,
                                      creation->shape->def->table.oid);
    }
    return "the snapshot's first rows";
}

/* ---- joining, and the marks */

static void
cancel_call(struct creation *creation)
{
    if (creation->call != NULL) {
        db_cancel(creation->call);
        creation->call = NULL;
    }
}

static void
cancel_snapshot(struct creation *creation)
{
    cancel_call(creation);
    if (creation->snapshot != 0) {
        db_cancel_snapshot(creation->collector->db, creation->snapshot);
        creation->snapshot = 0;
    }
}

/* Out of the routing, back to the point before joining. */
static void
leave(struct creation *creation, uint64_t pause_ms)
{
    struct shape_feed *feed = &creation->shape->feed;
    cancel_snapshot(creation);
    if (feed->layout != NULL) {
        ingest_leave(creation->collector->ingest, feed);
    }
    gate_leave(&feed->gate);
    held_clear(&feed->held);
    creation->state = CREATION_PAUSED;
    loop_timer_set(&creation->timer, pause_ms);
}

static void
take_again(struct creation *creation, const char *why)
{
    if (++creation->retakes > RETAKES_MAX) {
        fail_known(
            creation,
            "Snapshot could not be taken: transactions that were streamed are not visible yet");
        return;
    }
    log_info("event=snapshot_taken_again handle=%s reason=\"%s\" times=%u", creation->shape->handle,
             why, creation->retakes);
    leave(creation, 50 + 250u * (creation->retakes - 1));
}

static bool
is_same_table(const struct shape *shape, const struct db_marks *marks)
{
    struct arena *mem = arena_new(4u << 20);
    struct column *columns = arena_alloc(mem, marks->columns_count + 1, sizeof *columns);
    relation_columns(marks->columns, marks->columns_count, mem, columns);
    bool is_same = marks->oid == shape->def->table.oid &&
                   relation_same_columns(columns, marks->columns_count, shape->def->table.columns,
                                         shape->def->table.column_count);
    arena_free(mem);
    return is_same;
}

static void
take_marks(struct creation *creation, const struct db_marks *reply)
{
    struct shape *shape = creation->shape;
    if (!is_same_table(shape, reply)) {
        relation_cache_forget(creation->collector->relations, shape->def->table.schema,
                              shape->def->table.name);
        registry_end(shape, "the table changed while it was made", NULL);
        return;
    }
    struct marks marks = db_marks_of(reply);
    if (!gate_accepts(&shape->feed.gate, &marks)) {
        marks_free(&marks);
        take_again(creation, "it does not see what was streamed");
        return;
    }
    creation->marks = marks;
    creation->lsn = reply->lsn;
    marks_append_item(&marks, &creation->convert.end_item);
    creation->state = CREATION_COPYING;
    ingest_open(creation->collector->ingest, &shape->feed, &marks, reply->lsn);
    if (shape->state == SHAPE_ENDED) {
        return;
    }
    loop_timer_clear(&creation->timer);
    creation->is_converting = true;
    convert_submit(&creation->convert, creation->lane, CONVERT_OPEN);
    ask_block(creation);
    registry_announce(shape);
}

static void
on_marks(void *ctx, const void *reply, const struct err *failed)
{
    struct creation *creation = ctx;
    const struct db_marks *marks = reply;
    creation->call = NULL;
    if (failed != NULL || view_is(marks->result, "unavailable")) {
        leave(creation, RETRY_MS);
    } else if (view_is(marks->result, "ok")) {
        take_marks(creation, marks);
    } else if (view_is(marks->sqlstate, "42P01") || view_is(marks->sqlstate, "42703")) {
        relation_cache_forget(creation->collector->relations, creation->shape->def->table.schema,
                              creation->shape->def->table.name);
        registry_end(creation->shape, "the table changed while it was made", NULL);
    } else {
        fail_by_sqlstate(creation, marks->sqlstate, marks->error);
    }
}

static void
join(struct creation *creation)
{
    struct shape *shape = creation->shape;
    const struct shape_def *def = shape->def;
    if (!repl_server_has_agreed(creation->collector->repl)) {
        creation->state = CREATION_PAUSED;
        loop_timer_set(&creation->timer, RETRY_MS);
        return;
    }
    struct db_name *columns = mem_alloc_zero((def->fetched_count + 1) * sizeof *columns);
    for (size_t i = 0; i < def->fetched_count; i++) {
        columns[i].name = def->table.columns[def->fetched[i]].name;
    }
    creation->state = CREATION_JOINED;
    ingest_join(creation->collector->ingest, &shape->feed);
    creation->snapshot = db_next_snapshot(creation->collector->db);
    struct db_snapshot_begin message = {
        .snapshot = creation->snapshot,
        .oid = def->table.oid,
        .schema = def->table.schema,
        .name = def->table.name,
        .columns = columns,
        .columns_count = def->fetched_count,
        .where = def->where_sql,
        .is_empty = def->is_changes_only,
    };
    creation->call = db_ask(creation->collector->db, PROTO_db_snapshot_begin, &message,
                            PROTO_db_marks, BEGIN_TIMEOUT_MS, on_marks, creation);
    mem_free(columns);
    loop_timer_set(&creation->timer, HOLD_MS);
}

void
creation_on_hello(struct collector *collector)
{
    LIST_FOREACH (node, &collector->creations) {
        struct creation *creation = LIST_ITEM(node, struct creation, node);
        if (creation->state == CREATION_JOINED) {
            leave(creation, 0);
        }
    }
}

void
creation_rejoin(struct creation *creation)
{
    if (creation->state == CREATION_JOINED) {
        take_again(creation, "too much was held");
    }
}

/* ---- copying */

static void
lose(struct creation *creation, const char *why)
{
    registry_end(creation->shape, why, NULL);
}

static void
on_block(void *ctx, const void *reply, const struct err *failed)
{
    struct creation *creation = ctx;
    const struct db_block *block = reply;
    creation->call = NULL;
    if (failed != NULL) {
        if (++creation->block_tries >= BLOCK_TRIES_MAX) {
            lose(creation, "the session of its snapshot was lost");
        } else {
            loop_timer_set(&creation->timer, RETRY_MS);
        }
        return;
    }
    if (view_is(block->result, "failed")) {
        fail_by_sqlstate(creation, block->sqlstate, block->error);
        return;
    }
    if (!view_is(block->result, "ok") || block->block != creation->next_block) {
        lose(creation, "the session of its snapshot was lost");
        return;
    }
    creation->block_tries = 0;
    creation->next_block++;
    creation->is_last_asked = block->is_last;
    buf_append_view(&creation->block, block->rows);
    creation->has_block = true;
    copy_on(creation);
}

static void
ask_block(struct creation *creation)
{
    struct db_snapshot_next message = {.snapshot = creation->snapshot,
                                       .block = creation->next_block};
    creation->call = db_ask(creation->collector->db, PROTO_db_snapshot_next, &message,
                            PROTO_db_block, BLOCK_TIMEOUT_MS, on_block, creation);
}

static void
convert_block(struct creation *creation)
{
    buf_clear(&creation->convert.rows);
    buf_free(&creation->convert.rows);
    creation->convert.rows = creation->block;
    creation->block = (struct buf){0};
    creation->has_block = false;
    creation->is_converting = true;
    convert_submit(&creation->convert, creation->lane, CONVERT_ROWS);
    if (!creation->is_last_asked) {
        ask_block(creation);
    }
}

/* A step of the worker is done. False: it is tried again, or the shape has ended. */
static bool
take_result(struct creation *creation)
{
    struct convert *convert = &creation->convert;
    if (!convert->ok && convert->err.kind == ERR_FULL) {
        log_error("event=storage_blocked handle=%s error=\"%s\"", creation->shape->handle,
                  convert->err.msg);
        creation->is_blocked = true;
        loop_timer_set(&creation->timer, FULL_RETRY_MS);
        return false;
    }
    creation->is_converting = false;
    if (!convert->ok) {
        log_error("event=snapshot_failed handle=%s error=\"%s\"", creation->shape->handle,
                  convert->err.msg);
        fail_known(creation, "Snapshot could not be stored");
        return false;
    }
    creation->shape->snapshot_rows = convert->row_count;
    snapshot_publish(&creation->shape->snapshot, convert->writer);
    shape_server_progressed(creation->collector->shapes, creation->shape);
    return true;
}

static void
copy_on(struct creation *creation)
{
    if (creation->is_converting) {
        return;
    }
    if (creation->has_block) {
        convert_block(creation);
    } else if (creation->is_last_asked) {
        db_cancel_snapshot(creation->collector->db,
                           creation->snapshot); /* nothing is asked again */
        creation->snapshot = 0;
        creation->state = CREATION_SYNCING;
        creation->is_converting = true;
        convert_submit(&creation->convert, creation->lane, CONVERT_FINISH);
    } else if (creation->call == NULL && !loop_timer_is_set(&creation->timer)) {
        ask_block(creation);
    }
}

/* ---- the end */

static void
free_now(struct creation *creation)
{
    if (creation->shape->creation == creation) {
        creation->shape->creation = NULL;
    }
    list_remove(&creation->node);
    convert_fini(&creation->convert);
    worker_lane_free(creation->lane);
    marks_free(&creation->marks);
    buf_free(&creation->block);
    shape_unref(creation->shape);
    mem_free(creation);
}

void
creation_cancel(struct creation *creation)
{
    publishing_forget(&creation->publishing);
    loop_timer_clear(&creation->timer);
    cancel_snapshot(creation);
    bool is_worker_busy = creation->is_converting && !creation->is_blocked;
    shape_ref(creation->shape); /* given back by free_now() */
    creation->shape->creation = NULL;
    list_remove(&creation->node);
    creation->state = CREATION_CANCELLED;
    if (!is_worker_busy && !creation->is_waiting) {
        free_now(creation);
    }
}

static void
on_recorded(void *ctx)
{
    struct creation *creation = ctx;
    struct shape *shape = creation->shape;
    creation->is_waiting = false;
    if (creation->state == CREATION_CANCELLED) {
        free_now(creation);
        return;
    }
    log_info("event=shape_complete handle=%s bytes=%llu", shape->handle,
             (unsigned long long)snapshot_size(&shape->snapshot));
    shape->state = SHAPE_COMPLETE;
    snapshot_complete(&shape->snapshot);
    shape_ref(shape); /* given back by free_now() */
    loop_timer_clear(&creation->timer);
    shape_ref(shape);
    free_now(creation);
    shape_server_progressed(shape->collector->shapes, shape);
    shape_unref(shape);
}

static void
record(struct creation *creation)
{
    struct shape *shape = creation->shape;
    struct buf definition = {0};
    struct buf marks = {0};
    shape_def_encode(shape->def, &definition);
    marks_encode(&creation->marks, &marks);
    struct catalogue_shape row = {
        .handle = view_str(shape->handle),
        .definition = buf_view(&definition),
        .marks = buf_view(&marks),
        .lsn = creation->lsn,
        .created_us = shape->created_us,
        .chunk_ends = snapshot_chunk_ends(&shape->snapshot),
        .chunk_count = shape->snapshot.chunk_count,
    };
    catalogue_put_shape(creation->collector->catalogue, &row);
    creation->is_waiting = true;
    catalogue_commit(creation->collector->catalogue, on_recorded, creation);
    buf_free(&definition);
    buf_free(&marks);
}

static void
on_synced(void *ctx)
{
    struct creation *creation = ctx;
    creation->is_waiting = false;
    if (creation->state == CREATION_CANCELLED) {
        free_now(creation);
    } else {
        record(creation);
    }
}

/*
 * The log has to be as durable as the snapshot before the catalogue may name the shape: what it
 * held while joining can lie below a checkpoint that is recorded already.
 */
static void
sync_on(struct creation *creation)
{
    struct collector *collector = creation->collector;
    if (creation->is_converting) {
        return;
    }
    if (creation->is_waiting || log_store_buffered(collector->logs) > 0) {
        return; /* what is buffered is written out when its batch is done */
    }
    creation->is_waiting = true;
    checkpoint_wait(collector->checkpoint, on_synced, creation);
}

void
creation_on_progress(struct collector *collector)
{
    LIST_FOREACH (node, &collector->creations) {
        struct creation *creation = LIST_ITEM(node, struct creation, node);
        if (creation->state == CREATION_SYNCING) {
            sync_on(creation);
        }
    }
}

/* A step of the worker has ended. */
static void
on_converted(void *ctx)
{
    struct creation *creation = ctx;
    if (creation->state == CREATION_CANCELLED) {
        free_now(creation);
    } else if (take_result(creation) && creation->state == CREATION_COPYING) {
        copy_on(creation);
    } else if (creation->state == CREATION_SYNCING && !creation->is_converting) {
        sync_on(creation);
    }
}

static void
on_timer(void *ctx)
{
    struct creation *creation = ctx;
    switch (creation->state) {
    case CREATION_PUBLISHING:
    case CREATION_CANCELLED:
        return;
    case CREATION_PAUSED:
        join(creation);
        return;
    case CREATION_JOINED:
        take_again(creation, "its marks took too long");
        return;
    case CREATION_COPYING:
    case CREATION_SYNCING:
        if (creation->is_blocked) {
            creation->is_blocked = false;
            convert_submit(&creation->convert, creation->lane, creation->convert.step);
        } else if (creation->state == CREATION_COPYING) {
            copy_on(creation);
        }
        return;
    }
}
