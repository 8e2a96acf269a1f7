#include "services/connection/snapshots.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/limits.h"
#include "common/core/sql_text.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "services/connection/blocks.h"
#include "services/connection/describe.h"
#include "services/connection/session_settings.h"

#define LOCK_TIMEOUT  "5s"
#define BEGIN_MS      30000u
#define FIRST_ROW_MS  30000u
#define PULL_MS       30000u
#define FLUSH_POLL_MS 10u
#define FLUSH_PUSH    5 /* polls before the flush is pushed */
#define SNAPSHOTS_MAX 4096
#define MARKS_MAX     ((size_t)16 << 20)

struct snapshot {
    struct list node;
    struct snapshots *owner;
    uint64_t id;
    struct incarnation collector;
    struct pool_wait *wait;
    struct pg_conn *conn;
    struct buf begin_sql;
    struct buf copy_sql;
    uint64_t lsn; /* L */
    unsigned flush_polls;
    bool is_empty;
    bool is_querying; /* the session owes an answer */
    bool is_ended;    /* freed when that comes */
    bool has_row;
    bool is_over; /* the last block was given */
    bool has_failed;
    struct pg_failure failure;
    struct arena *mem; /* of `marks` */
    struct db_marks marks;
    struct db_request *begin; /* not answered yet */
    struct db_request *next;
    uint64_t next_block;

    struct blocks blocks;
    struct loop_timer timer; /* flush polls, then the first row */
    struct loop_timer pull;  /* nobody asks any more */
};

struct snapshots {
    struct db_env env;
    struct list list;
    size_t count;
};

static void pump(struct snapshot *snapshot);

struct snapshots *
snapshots_new(const struct db_env *env)
{
    struct snapshots *snapshots = mem_alloc_zero(sizeof *snapshots);
    snapshots->env = *env;
    list_init(&snapshots->list);
    return snapshots;
}

/* ---- answers */

static void
answer_block(struct db_request *request, const char *result, const struct pg_failure *failed)
{
    struct db_block block = {.result = view_str(result),
                             .error = view_str(failed ? failed->message : ""),
                             .sqlstate = view_str(failed ? failed->sqlstate : "")};
    db_request_answer(request, PROTO_db_block, &block);
}

static void
answer_marks(struct db_request *request, const struct pg_failure *failed)
{
    struct db_marks marks = {.result = view_str(db_request_result(failed)),
                             .error = view_str(failed->message),
                             .sqlstate = view_str(failed->sqlstate)};
    db_request_answer(request, PROTO_db_marks, &marks);
}

static void
answer_failed(struct snapshot *snapshot, const struct pg_failure *failed)
{
    if (snapshot->begin)
        answer_marks(snapshot->begin, failed);
    snapshot->begin = NULL;
    if (snapshot->next)
        answer_block(snapshot->next, "failed", failed);
    snapshot->next = NULL;
}

/* ---- the end */

static void
release(struct snapshot *snapshot)
{
    if (snapshot->conn)
        pool_put(snapshot->owner->env.snapshot, snapshot->conn);
    snapshot->conn = NULL;
}

static void
free_snapshot(struct snapshot *snapshot)
{
    release(snapshot);
    blocks_fini(&snapshot->blocks);
    buf_free(&snapshot->begin_sql);
    buf_free(&snapshot->copy_sql);
    arena_free(snapshot->mem);
    mem_free(snapshot);
}

/* Nobody finds it any more. */
static void
end(struct snapshot *snapshot, const char *why)
{
    struct pg_failure failed = {0};
    (void)snprintf(failed.message, sizeof failed.message, "the snapshot was ended: %s", why);
    answer_failed(snapshot, &failed);
    loop_timer_clear(&snapshot->timer);
    loop_timer_clear(&snapshot->pull);
    list_remove(&snapshot->node);
    metrics_set(METRIC_SNAPSHOTS_OPEN, --snapshot->owner->count);
    pool_cancel(snapshot->wait);
    snapshot->wait = NULL;
    snapshot->is_ended = true;
    if (snapshot->is_querying)
        pg_cancel(snapshot->conn);
    else
        free_snapshot(snapshot);
}

void
snapshots_free(struct snapshots *snapshots)
{
    if (!snapshots)
        return;
    LIST_FOREACH (node, &snapshots->list) {
        struct snapshot *snapshot = LIST_ITEM(node, struct snapshot, node);
        bool is_querying = snapshot->is_querying;
        struct pg_conn *conn = snapshot->conn;
        end(snapshot, "the service ends");
        if (is_querying)
            pg_conn_abort(conn);
    }
    mem_free(snapshots);
}

void
snapshots_keep_only(struct snapshots *snapshots, struct incarnation collector)
{
    LIST_FOREACH (node, &snapshots->list) {
        struct snapshot *snapshot = LIST_ITEM(node, struct snapshot, node);
        if (incarnation_compare(snapshot->collector, collector) != 0)
            end(snapshot, "its collector is gone");
    }
}

/* True when the answer is nobody's any more. */
static bool
has_ended(struct snapshot *snapshot)
{
    snapshot->is_querying = false;
    if (!snapshot->is_ended)
        return false;
    free_snapshot(snapshot);
    return true;
}

static void
fail(struct snapshot *snapshot, const struct pg_failure *failed)
{
    snapshot->failure = *failed;
    if (strcmp(failed->sqlstate, "55P03") == 0)
        (void)snprintf(snapshot->failure.message, sizeof snapshot->failure.message,
                       "Snapshot timed out while waiting for a table lock");
    log_warn("event=snapshot_failed snapshot=%" PRIu64 " sqlstate=%s error=\"%s\"", snapshot->id,
             failed->sqlstate, failed->message);
    snapshot->has_failed = true;
    loop_timer_clear(&snapshot->timer);
    loop_timer_set(&snapshot->pull, PULL_MS);
    answer_failed(snapshot, &snapshot->failure);
    release(snapshot);
}

static void
on_pull_timeout(void *ctx)
{
    struct snapshot *snapshot = ctx;
    if (!snapshot->is_over)
        log_warn("event=snapshot_abandoned snapshot=%" PRIu64, snapshot->id);
    end(snapshot, "nobody asked for it for 30 s");
}

/* ---- rows */

static void
on_row(void *ctx, struct view row)
{
    struct snapshot *snapshot = ctx;
    if (snapshot->is_ended)
        return;
    snapshot->has_row = true;
    if (row.size > LIMIT_FRAME) {
        struct pg_failure failed = {.sqlstate = "54000"};
        (void)snprintf(failed.message, sizeof failed.message,
                       "a row of %zu bytes is larger than the limit of %u bytes", row.size,
                       LIMIT_FRAME);
        if (!snapshot->has_failed) {
            snapshot->failure = failed;
            snapshot->has_failed = true;
        }
        pg_cancel(snapshot->conn);
        return;
    }
    blocks_add(&snapshot->blocks, row);
    if (!blocks_have_room(&snapshot->blocks))
        pg_copy_pause(snapshot->conn);
}

static void
on_drained(void *ctx)
{
    struct snapshot *snapshot = ctx;
    if (!snapshot->is_ended)
        pump(snapshot);
}

static void
on_copied(void *ctx, const struct pg_failure *failed)
{
    struct snapshot *snapshot = ctx;
    if (has_ended(snapshot))
        return;
    if (snapshot->has_failed) {
        struct pg_failure copy = snapshot->failure;
        fail(snapshot, &copy);
        return;
    }
    if (failed) {
        fail(snapshot, failed);
        return;
    }
    loop_timer_clear(&snapshot->timer);
    blocks_complete(&snapshot->blocks);
    release(snapshot);
    pump(snapshot);
}

static void
on_copy_begun(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct snapshot *snapshot = ctx;
    (void)results;
    if (failed || snapshot->is_empty) {
        on_copied(snapshot, failed);
        return;
    }
    pg_copy_start(snapshot->conn,
                  &(struct pg_copy){
                      .row = on_row, .drained = on_drained, .ended = on_copied, .ctx = snapshot});
}

/* Engine §11.2: no row and no end for 30 s. */
static void
on_slow(struct snapshot *snapshot)
{
    if (snapshot->has_row)
        return;
    memset(&snapshot->failure, 0, sizeof snapshot->failure);
    (void)memcpy(snapshot->failure.sqlstate, "57014", 6);
    (void)snprintf(snapshot->failure.message, sizeof snapshot->failure.message,
                   "Snapshot query took too long to return data (cancelled after %ums). Please "
                   "ensure the table is indexed for the shape's where clause",
                   FIRST_ROW_MS);
    snapshot->has_failed = true;
    pg_cancel(snapshot->conn);
}

static void
start_copy(struct snapshot *snapshot)
{
    snapshot->marks.result = view_str("ok");
    db_request_answer(snapshot->begin, PROTO_db_marks, &snapshot->marks);
    snapshot->begin = NULL;
    loop_timer_set(&snapshot->pull, PULL_MS);
    if (snapshot->is_empty) {
        snapshot->is_querying = true;
        pg_query(snapshot->conn, "COMMIT", BEGIN_MS, on_copy_begun, snapshot);
        return;
    }
    loop_timer_set(&snapshot->timer, FIRST_ROW_MS);
    snapshot->is_querying = true;
    pg_query(snapshot->conn, buf_str(&snapshot->copy_sql), 0, on_copy_begun, snapshot);
}

/* ---- until Postgres' flush position reaches L */

static void
on_pushed(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    (void)ctx;
    (void)results;
    (void)failed; /* the WAL writer flushes too, some time */
}

/* The last commits may be asynchronous, and an idle server flushes no half page by itself. */
static void
push_flush(struct snapshot *snapshot)
{
    lock_run(snapshot->owner->env.lock,
             "BEGIN; SET LOCAL synchronous_commit = local; "
             "SELECT pg_logical_emit_message(true, 'shapewire', ''); COMMIT",
             0, on_pushed, NULL);
}

static void
on_flush(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct snapshot *snapshot = ctx;
    if (has_ended(snapshot))
        return;
    if (failed) {
        fail(snapshot, failed);
        return;
    }
    if (pg_lsn(pg_text(results, 0, 0, 0)) >= snapshot->lsn) {
        start_copy(snapshot);
        return;
    }
    if (snapshot->flush_polls++ % FLUSH_PUSH == 0)
        push_flush(snapshot);
    loop_timer_set(&snapshot->timer, FLUSH_POLL_MS);
}

static void
on_timer(void *ctx)
{
    struct snapshot *snapshot = ctx;
    if (!snapshot->begin) {
        on_slow(snapshot);
        return;
    }
    snapshot->is_querying = true;
    pg_query(snapshot->conn, "SELECT pg_current_wal_flush_lsn()", BEGIN_MS, on_flush, snapshot);
}

/* ---- begin */

/* Of the last three statements: marks, oid, columns. */
static bool
read_marks(struct snapshot *snapshot, const struct pg_results *results)
{
    size_t count = pg_statements(results);
    size_t marks = count - 2, columns = count - 1;
    if (count < 2 || pg_rows(results, marks) != 1 ||
        !describe_read_snapshot(pg_text(results, marks, 0, 0), snapshot->mem, &snapshot->marks))
        return false;
    snapshot->lsn = pg_lsn(pg_text(results, marks, 0, 1));
    snapshot->marks.lsn = snapshot->lsn;
    snapshot->marks.oid = pg_u64(results, marks, 0, 3);
    describe_read_columns(results, columns, snapshot->mem, &snapshot->marks.columns,
                          &snapshot->marks.columns_count);
    return true;
}

static void
on_begun(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    static const struct pg_failure garbled = {.message = "pg_current_snapshot() gave no snapshot"};
    struct snapshot *snapshot = ctx;
    if (has_ended(snapshot))
        return;
    if (failed) {
        fail(snapshot, failed);
        return;
    }
    if (!read_marks(snapshot, results)) {
        fail(snapshot, &garbled);
        return;
    }
    if (pg_lsn(pg_text(results, pg_statements(results) - 2, 0, 2)) >= snapshot->lsn)
        start_copy(snapshot);
    else
        loop_timer_set(&snapshot->timer, 0);
}

static void
on_session(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    struct snapshot *snapshot = ctx;
    snapshot->wait = NULL;
    if (failed) {
        fail(snapshot, failed);
        return;
    }
    snapshot->conn = conn;
    snapshot->is_querying = true;
    pg_query(conn, buf_str(&snapshot->begin_sql), BEGIN_MS, on_begun, snapshot);
}

/* COPY takes no parameters: values stand in the clauses, quoted by ourselves. */
static void
write_copy(struct buf *sql, const struct db_snapshot_begin *wanted)
{
    buf_append_str(sql, "COPY (SELECT ");
    for (size_t i = 0; i < wanted->columns_count; i++) {
        buf_append_str(sql, i > 0 ? ", " : "");
        sql_text_ident(sql, wanted->columns[i].name);
    }
    buf_append_str(sql, " FROM ");
    sql_text_table(sql, wanted->schema, wanted->name);
    if (wanted->where.size > 0) {
        buf_append_str(sql, " WHERE ");
        buf_append_view(sql, wanted->where);
    }
    if (wanted->order_by.size > 0) {
        buf_append_str(sql, " ORDER BY ");
        buf_append_view(sql, wanted->order_by);
    }
    if (wanted->limit > 0)
        buf_printf(sql, " LIMIT %" PRIu64, wanted->limit);
    if (wanted->offset > 0)
        buf_printf(sql, " OFFSET %" PRIu64, wanted->offset);
    buf_append_str(sql, ") TO STDOUT; COMMIT");
}

static void
write_sql(struct snapshot *snapshot, const struct db_snapshot_begin *wanted)
{
    struct buf *sql = &snapshot->begin_sql;
    struct buf oid = {0};
    /* Nothing before the lock takes a snapshot: a rewriting ALTER before it would give no rows. */
    buf_append_str(sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ");
    session_settings_local(sql);
    buf_append_str(sql, "SET LOCAL lock_timeout = '" LOCK_TIMEOUT "'; LOCK TABLE ");
    sql_text_table(sql, wanted->schema, wanted->name);
    buf_append_str(sql, " IN ACCESS SHARE MODE; SET LOCAL lock_timeout = 0; "
                        "SET LOCAL idle_in_transaction_session_timeout = 0; ");
    describe_oid_by_name(&oid, wanted->schema, wanted->name);
    buf_printf(sql,
               "SELECT pg_current_snapshot(), pg_current_wal_insert_lsn(), "
               "pg_current_wal_flush_lsn(), %s; ",
               buf_str(&oid));
    describe_columns(sql, buf_str(&oid));
    buf_free(&oid);

    write_copy(&snapshot->copy_sql, wanted);
}

static struct snapshot *
find(struct snapshots *snapshots, struct incarnation collector, uint64_t id)
{
    LIST_FOREACH (node, &snapshots->list) {
        struct snapshot *snapshot = LIST_ITEM(node, struct snapshot, node);
        if (snapshot->id == id && incarnation_compare(snapshot->collector, collector) == 0)
            return snapshot;
    }
    return NULL;
}

void
snapshots_begin(struct snapshots *snapshots, struct db_request *request,
                const struct db_snapshot_begin *wanted)
{
    struct pg_failure failed = {.sqlstate = "53000"};
    struct snapshot *before = find(snapshots, request->from, wanted->snapshot);
    if (before)
        end(before, "it was begun anew");
    if (snapshots->count >= SNAPSHOTS_MAX) {
        (void)snprintf(failed.message, sizeof failed.message, "too many snapshots at a time");
        answer_marks(request, &failed);
        return;
    }
    struct snapshot *snapshot = mem_alloc_zero(sizeof *snapshot);
    snapshot->owner = snapshots;
    snapshot->id = wanted->snapshot;
    snapshot->collector = request->from;
    snapshot->begin = request;
    snapshot->is_empty = wanted->is_empty;
    snapshot->mem = arena_new(MARKS_MAX);
    loop_timer_init(&snapshot->timer, snapshots->env.loop, on_timer, snapshot);
    loop_timer_init(&snapshot->pull, snapshots->env.loop, on_pull_timeout, snapshot);
    list_push_back(&snapshots->list, &snapshot->node);
    metrics_set(METRIC_SNAPSHOTS_OPEN, ++snapshots->count);
    write_sql(snapshot, wanted);
    snapshot->wait = pool_get(snapshots->env.snapshot, on_session, snapshot);
}

/* ---- next */

/* Gives the block that is asked for, if it is there; reads on if there is room. */
static void
pump(struct snapshot *snapshot)
{
    struct db_block block = {.result = view_str("ok"), .block = snapshot->next_block};
    if (snapshot->next &&
        blocks_give(&snapshot->blocks, snapshot->next_block, &block.rows, &block.is_last)) {
        db_request_answer(snapshot->next, PROTO_db_block, &block);
        snapshot->next = NULL;
        snapshot->is_over = block.is_last;
        loop_timer_set(&snapshot->pull, PULL_MS);
    }
    if (snapshot->conn && blocks_have_room(&snapshot->blocks))
        pg_copy_resume(snapshot->conn);
}

void
snapshots_next(struct snapshots *snapshots, struct db_request *request,
               const struct db_snapshot_next *wanted)
{
    struct snapshot *snapshot = find(snapshots, request->from, wanted->snapshot);
    if (!snapshot) {
        answer_block(request, "gone", NULL);
        return;
    }
    loop_timer_set(&snapshot->pull, PULL_MS);
    if (snapshot->next) { /* asked again: the first question is nobody's any more */
        answer_block(snapshot->next, "gone", NULL);
        snapshot->next = NULL;
    }
    if (snapshot->has_failed && !snapshot->is_querying) {
        answer_block(request, "failed", &snapshot->failure);
        return;
    }
    if (snapshot->begin || !blocks_can_give(&snapshot->blocks, wanted->block)) {
        answer_block(request, "gone", NULL);
        return;
    }
    snapshot->next = request;
    snapshot->next_block = wanted->block;
    pump(snapshot);
}

void
snapshots_cancel(struct snapshots *snapshots, struct db_request *request,
                 const struct db_snapshot_cancel *wanted)
{
    struct snapshot *snapshot = find(snapshots, request->from, wanted->snapshot);
    if (snapshot)
        end(snapshot, "it was cancelled");
    struct db_published answer = {.result = view_str("done")};
    db_request_answer(request, PROTO_db_published, &answer);
}
