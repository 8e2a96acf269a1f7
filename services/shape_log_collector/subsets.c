#include "services/shape_log_collector/subsets.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/core/subset.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "common/sql_parse.h"
#include "common/worker.h"
#include "services/shape_log_collector/db_client.h"
#include "services/shape_log_collector/ingest.h"
#include "services/shape_log_collector/registry.h"
#include "services/shape_log_collector/rows.h"
#include "services/shape_log_collector/shape_log.h"

/* Of one answer: it is one message of the bus, and whole in memory. */
#define BYTES_MAX ((size_t)32 << 20)

/* Of all that are being collected. */
#define ALL_BYTES_MAX ((size_t)256 << 20)

/* Asked for at a time; they wait for sessions of the pool. */
#define COUNT_MAX 1000

#define DEADLINE_MAX_MS  60000
#define BEGIN_TIMEOUT_MS 45000
#define BLOCK_TIMEOUT_MS 45000
#define RETRY_MS         200

/* So long a database that cannot be asked is waited for (http-api [34]). */
#define PATIENCE_MS 5000

/* The parsed clauses. */
#define PARSE_ARENA_MAX (64u << 20)

struct subset {
    struct list node;
    struct subsets *owner;
    struct bus_request *request; /* NULL: answered; what is left waits for its worker */
    struct incarnation from;
    uint64_t id;
    struct shape *shape;
    struct buf where;
    struct buf order_by;
    uint64_t limit;
    uint64_t offset;
    struct log_offset go_on; /* where the client's stream goes on, of before the snapshot */
    struct buf before;       /* ids (u32) that the snapshot must see */
    uint64_t begun_ms;
    struct loop_timer deadline;
    struct loop_timer retry;
    struct db_call *call;
    uint64_t snapshot; /* 0: none is open */
    uint64_t next_block;
    struct marks marks;
    uint64_t lsn;
    uint32_t mark;

    /* the worker's while it runs */
    struct worker_lane *lane;
    struct worker_task task;
    struct rows rows;
    struct buf block;
    struct buf items;
    bool is_converted;
    struct err err;

    bool is_converting;
    bool is_last;
    size_t counted; /* bytes of `items` in owner->bytes */
};

struct subsets {
    struct collector *collector;
    struct list list;
    size_t count;
    size_t bytes;
};

static void begin(struct subset *subset);
static void ask_block(struct subset *subset);

struct subsets *
subsets_new(struct collector *collector)
{
    struct subsets *subsets = mem_alloc_zero(sizeof *subsets);
    subsets->collector = collector;
    list_init(&subsets->list);
    return subsets;
}

/* ---- the end */

static void
free_now(struct subset *subset)
{
    worker_lane_free(subset->lane);
    rows_fini(&subset->rows);
    marks_free(&subset->marks);
    buf_free(&subset->where);
    buf_free(&subset->order_by);
    buf_free(&subset->before);
    buf_free(&subset->block);
    buf_free(&subset->items);
    shape_unref(subset->shape);
    mem_free(subset);
}

/* Nobody finds it any more. */
static void
end(struct subset *subset)
{
    struct subsets *owner = subset->owner;
    list_remove(&subset->node);
    owner->count--;
    owner->bytes -= subset->counted;
    loop_timer_clear(&subset->deadline);
    loop_timer_clear(&subset->retry);
    if (subset->call != NULL) {
        db_cancel(subset->call);
    }
    if (subset->snapshot != 0) {
        db_cancel_snapshot(owner->collector->db, subset->snapshot);
    }
    subset->request = NULL;
    if (!subset->is_converting) {
        free_now(subset);
    }
}

static void
reply(struct collector *collector, struct bus_request *request,
      const struct shape_subset_rows *message)
{
    struct envelope envelope = service_envelope(collector->service, PROTO_shape_subset_rows);
    struct buf bytes = {0};
    envelope.epoch = collector->epoch;
    proto_encode(&envelope, message, &bytes);
    bus_reply(request, &bytes);
    buf_free(&bytes);
}

static void
answer(struct subset *subset, const char *result, const char *field, const char *error)
{
    struct shape_subset_rows message = {
        .result = view_str(result), .field = view_str(field), .error = view_str(error)};
    reply(subset->owner->collector, subset->request, &message);
    end(subset);
}

static void
answer_lost(struct subset *subset)
{
    struct shape_subset_rows message = {.result = view_str("unavailable"), .is_lost = true};
    reply(subset->owner->collector, subset->request, &message);
    end(subset);
}

/* What Postgres says against the query: a value that cannot be, or what passes (engine §9.9 S). */
static void
answer_sqlstate(struct subset *subset, struct view sqlstate, struct view error)
{
    char text[1024];
    snprintf(text, sizeof text, "%.*s", (int)(error.size < 1000 ? error.size : 1000),
             error.size > 0 ? (const char *)error.bytes : "");
    bool is_of_value = sqlstate.size == 5 && sqlstate.bytes[0] == '2' && sqlstate.bytes[1] == '2';
    if (is_of_value) {
        answer(subset, "invalid", "where", text);
        return;
    }
    log_warn("event=subset_failed handle=%s sqlstate=%.*s error=\"%s\"", subset->shape->handle,
             (int)sqlstate.size, sqlstate.size > 0 ? (const char *)sqlstate.bytes : "", text);
    answer(subset, "unavailable", "", text);
}

static void
answer_rows(struct subset *subset)
{
    size_t count = subset->marks.xip_count;
    struct db_xid *xip = mem_alloc_zero((count + 1) * sizeof *xip);
    for (size_t i = 0; i < count; i++) {
        xip[i].xid = subset->marks.xip[i];
    }
    struct shape_subset_rows message = {
        .result = view_str("ok"),
        .mark = subset->mark,
        .xmin = subset->marks.xmin,
        .xmax = subset->marks.xmax,
        .xip = xip,
        .xip_count = count,
        .database_lsn = subset->lsn,
        .lsn = subset->go_on.lsn,
        .op = subset->go_on.op,
        .items = buf_view(&subset->items),
    };
    reply(subset->owner->collector, subset->request, &message);
    mem_free(xip);
    end(subset);
}

/* The session is at fault, or the way to it. */
static bool
is_of_session(struct view sqlstate)
{
    return sqlstate.size != 5 || memcmp(sqlstate.bytes, "57P", 3) == 0 ||
           memcmp(sqlstate.bytes, "08", 2) == 0;
}

static void
on_deadline(void *ctx)
{
    struct subset *subset = ctx;
    answer(subset, "unavailable", "", "Subset query took too long and was cancelled");
}

/* ---- rows */

static void
convert(struct worker_task *task)
{
    struct subset *subset = LIST_ITEM(task, struct subset, task);
    subset->err.kind = ERR_NONE;
    subset->is_converted =
        rows_append(&subset->rows, &subset->block, subset->mark, &subset->items, &subset->err);
}

/* False: it is answered, for what it holds. */
static bool
count_bytes(struct subset *subset)
{
    struct subsets *owner = subset->owner;
    owner->bytes += subset->items.size - subset->counted;
    subset->counted = subset->items.size;
    if (subset->items.size > BYTES_MAX) {
        answer(subset, "too_large", "",
               "The subset has more than 32 MiB: ask for fewer rows with limit and offset");
        return false;
    }
    if (owner->bytes > ALL_BYTES_MAX) {
        answer(subset, "unavailable", "", "Too many subsets are being read, please retry");
        return false;
    }
    return true;
}

static void
on_converted(struct worker_task *task)
{
    struct subset *subset = LIST_ITEM(task, struct subset, task);
    subset->is_converting = false;
    if (subset->request == NULL) {
        free_now(subset);
    } else if (!subset->is_converted) {
        log_error("event=subset_failed handle=%s error=\"%s\"", subset->shape->handle,
                  subset->err.msg);
        answer(subset, "failed", "", "");
    } else if (subset->shape->state == SHAPE_ENDED) {
        answer(subset, "gone", "", "");
    } else if (!count_bytes(subset)) {
        return;
    } else if (subset->is_last) {
        answer_rows(subset);
    } else {
        ask_block(subset);
    }
}

static void
on_block(void *ctx, const void *reply_message, const struct err *failed)
{
    struct subset *subset = ctx;
    const struct db_block *block = reply_message;
    subset->call = NULL;
    if (failed != NULL || view_is(block->result, "gone")) {
        answer_lost(subset);
        return;
    }
    if (!view_is(block->result, "ok")) {
        if (is_of_session(block->sqlstate)) {
            answer_lost(subset);
        } else {
            answer_sqlstate(subset, block->sqlstate, block->error);
        }
        return;
    }
    subset->next_block = block->block + 1;
    subset->is_last = block->is_last;
    buf_clear(&subset->block);
    buf_append_view(&subset->block, block->rows);
    subset->is_converting = true;
    subset->task.run = convert;
    subset->task.done = on_converted;
    worker_submit(subset->lane, &subset->task);
}

static void
ask_block(struct subset *subset)
{
    struct db_snapshot_next message = {.snapshot = subset->snapshot, .block = subset->next_block};
    subset->call = db_ask(subset->owner->collector->db, PROTO_db_snapshot_next, &message,
                          PROTO_db_block, BLOCK_TIMEOUT_MS, on_block, subset);
}

/* ---- marks */

static void
try_again(struct subset *subset)
{
    if (subset->snapshot != 0) {
        db_cancel_snapshot(subset->owner->collector->db, subset->snapshot);
        subset->snapshot = 0;
    }
    loop_timer_set(&subset->retry, RETRY_MS);
}

static void
on_unreachable(struct subset *subset)
{
    uint64_t waited_ms = loop_now_ms(subset->owner->collector->loop) - subset->begun_ms;
    if (waited_ms < PATIENCE_MS) {
        try_again(subset);
    } else {
        answer_lost(subset);
    }
}

/* Is what the items are made of still what the shape was made with? */
static bool
has_same_columns(const struct shape_def *def, const struct db_marks *marks)
{
    struct arena *mem = arena_new(4u << 20);
    struct column *columns = arena_alloc(mem, marks->columns_count + 1, sizeof *columns);
    relation_columns(marks->columns, marks->columns_count, mem, columns);
    bool is_same = marks->oid == def->table.oid;
    for (size_t i = 0; i < def->fetched_count && is_same; i++) {
        const struct column *was = &def->table.columns[def->fetched[i]];
        int place = relation_find_column(columns, marks->columns_count, was->name);
        is_same = place >= 0 && columns[place].type_oid == was->type_oid &&
                  columns[place].type_mod == was->type_mod &&
                  columns[place].key_position == was->key_position;
    }
    arena_free(mem);
    return is_same;
}

static void
take_marks(struct subset *subset, const struct db_marks *marks)
{
    if (subset->shape->state == SHAPE_ENDED) {
        answer(subset, "gone", "", "");
        return;
    }
    if (!has_same_columns(subset->shape->def, marks)) {
        registry_end(subset->shape, "its table changed", NULL);
        answer(subset, "gone", "", "");
        return;
    }
    marks_free(&subset->marks);
    subset->marks = db_marks_of(marks);
    subset->lsn = marks->lsn;
    if (!marks_see_all(&subset->marks, buf_view(&subset->before))) {
        log_info("event=subset_taken_again handle=%s", subset->shape->handle);
        try_again(subset);
        return;
    }
    ask_block(subset);
}

static void
on_marks(void *ctx, const void *reply_message, const struct err *failed)
{
    struct subset *subset = ctx;
    const struct db_marks *marks = reply_message;
    subset->call = NULL;
    if (failed != NULL || (!view_is(marks->result, "ok") && is_of_session(marks->sqlstate))) {
        on_unreachable(subset);
    } else if (view_is(marks->result, "ok")) {
        take_marks(subset, marks);
    } else if (view_is(marks->sqlstate, "42P01")) {
        registry_end(subset->shape, "the table was dropped", NULL);
        answer(subset, "gone", "", "");
    } else {
        answer_sqlstate(subset, marks->sqlstate, marks->error);
    }
}

static void
begin(struct subset *subset)
{
    struct collector *collector = subset->owner->collector;
    const struct shape_def *def = subset->shape->def;
    /* Also before a hello was agreed on: it is refused, and wakes a connection that sleeps. */
    struct db_name *columns = mem_alloc_zero((def->fetched_count + 1) * sizeof *columns);
    for (size_t i = 0; i < def->fetched_count; i++) {
        columns[i].name = def->table.columns[def->fetched[i]].name;
    }
    subset->snapshot = db_next_snapshot(collector->db);
    subset->next_block = 0;
    struct db_snapshot_begin message = {
        .snapshot = subset->snapshot,
        .oid = def->table.oid,
        .schema = def->table.schema,
        .name = def->table.name,
        .columns = columns,
        .columns_count = def->fetched_count,
        .where = buf_view(&subset->where),
        .order_by = buf_view(&subset->order_by),
        .limit = subset->limit,
        .offset = subset->offset,
    };
    subset->call = db_ask(collector->db, PROTO_db_snapshot_begin, &message, PROTO_db_marks,
                          BEGIN_TIMEOUT_MS, on_marks, subset);
    mem_free(columns);
}

static void
on_retry(void *ctx)
{
    begin(ctx);
}

/* ---- the request */

static bool
write_where(struct subset *subset, const struct shape_subset *wish, struct where_scope *scope,
            struct arena *mem, struct err *err)
{
    struct sql_node *tree = NULL;
    size_t count = wish->params_count;
    struct where_param *params = arena_alloc(mem, count + 1, sizeof *params);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = wish->params[i].number;
        if (number >= 1 && number <= count) {
            params[number - 1] = (struct where_param){true, wish->params[i].value};
        }
    }
    scope->params = params;
    scope->param_count = count;
    return (wish->where.size == 0 || sql_parse_where(wish->where, mem, &tree, err)) &&
           subset_where(subset->shape->def, scope, tree, &subset->where, err);
}

static bool
write_clauses(struct subset *subset, const struct shape_subset *wish, const char **field_out,
              struct err *err)
{
    struct arena *mem = arena_new(PARSE_ARENA_MAX);
    struct sql_sort *sorts = NULL;
    size_t sort_count = 0;
    struct view *queryable = arena_alloc(mem, wish->queryable_count + 1, sizeof *queryable);
    for (size_t i = 0; i < wish->queryable_count; i++) {
        queryable[i] = wish->queryable[i].name;
    }
    struct where_scope scope = subset_scope(subset->shape->def, wish->has_queryable, queryable,
                                            wish->queryable_count, mem);
    *field_out = "where";
    bool ok = write_where(subset, wish, &scope, mem, err);
    if (ok && wish->order_by.size > 0) {
        *field_out = "order_by";
        ok = sql_parse_order_by(wish->order_by, mem, &sorts, &sort_count, err) &&
             subset_order(&scope, sorts, sort_count, &subset->order_by, err);
    }
    arena_free(mem);
    return ok;
}

/* Behind the snapshot's rows for who begins at -1, at the log's end for who begins now. */
static bool
find_go_on(struct subset *subset, const struct shape_subset *wish, struct err *err)
{
    if (wish->is_now) {
        if (!shape_log_open(subset->shape->log, err)) {
            return false;
        }
        subset->go_on = shape_log_end(subset->shape->log);
    }
    return true; /* 0_0 */
}

static struct subset *
new_subset(struct subsets *subsets, struct shape *shape, const struct shape_subset *wish)
{
    struct collector *collector = subsets->collector;
    struct subset *subset = mem_alloc_zero(sizeof *subset);
    subset->owner = subsets;
    subset->id = wish->id;
    subset->shape = shape;
    shape_ref(shape);
    subset->limit = wish->limit;
    subset->offset = wish->offset;
    subset->begun_ms = loop_now_ms(collector->loop);
    subset->mark = 1 + (uint32_t)(clock_random_u64() % 0x7fffffff);
    subset->lane = worker_lane_new(collector->pool);
    rows_init(&subset->rows, shape->def, shape->feed.plan);
    unseen_of_table(ingest_unseen(collector->ingest), shape->def->table.oid, &subset->before);
    loop_timer_init(&subset->deadline, collector->loop, on_deadline, subset);
    loop_timer_init(&subset->retry, collector->loop, on_retry, subset);
    loop_timer_set(&subset->deadline,
                   wish->deadline_ms < DEADLINE_MAX_MS ? wish->deadline_ms : DEADLINE_MAX_MS);
    list_push_back(&subsets->list, &subset->node);
    subsets->count++;
    return subset;
}

static void
refuse(struct subsets *subsets, struct bus_request *request, const char *result, const char *error)
{
    struct shape_subset_rows message = {.result = view_str(result), .error = view_str(error)};
    reply(subsets->collector, request, &message);
}

void
subsets_start(struct subsets *subsets, struct bus_request *request, struct incarnation from,
              const struct shape_subset *wish)
{
    struct err err;
    const char *field;
    struct shape *shape = registry_by_handle(subsets->collector->registry, wish->handle);
    if (shape == NULL || shape->state == SHAPE_CREATING) {
        refuse(subsets, request, "gone", "");
        return;
    }
    if (subsets->count >= COUNT_MAX) {
        refuse(subsets, request, "unavailable", "Too many subsets are being read, please retry");
        return;
    }
    shape->last_read_ms = loop_now_ms(subsets->collector->loop);
    struct subset *subset = new_subset(subsets, shape, wish);
    subset->request = request;
    subset->from = from;
    if (!write_clauses(subset, wish, &field, &err)) {
        answer(subset, "invalid", field, err.msg);
    } else if (subsets->collector->is_read_only) {
        answer(subset, "unavailable", "", "Timeout waiting for Postgres lock acquisition");
    } else if (!find_go_on(subset, wish, &err)) {
        answer(subset, "unavailable", "", err.msg);
    } else {
        begin(subset);
    }
}

void
subsets_cancel(struct subsets *subsets, struct incarnation from, uint64_t id)
{
    LIST_FOREACH (node, &subsets->list) {
        struct subset *subset = LIST_ITEM(node, struct subset, node);
        if (subset->id == id && incarnation_compare(subset->from, from) == 0) {
            answer(subset, "unavailable", "", "cancelled");
            return;
        }
    }
}

void
subsets_free(struct subsets *subsets)
{
    if (subsets == NULL) {
        return;
    }
    LIST_FOREACH (node, &subsets->list) {
        answer(LIST_ITEM(node, struct subset, node), "unavailable", "",
               "Timeout waiting for shape data to be loaded");
    }
    mem_free(subsets);
}
