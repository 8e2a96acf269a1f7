#include "services/shape_log_collector/janitor.h"

#include <string.h>

#include "common/config.h"
#include "common/mem.h"
#include "services/shape_log_collector/db_client.h"
#include "services/shape_log_collector/ingest.h"
#include "services/shape_log_collector/publishing.h"
#include "services/shape_log_collector/registry.h"
#include "services/shape_log_collector/relation_cache.h"

#define UNSEEN_PERIOD_MS 1000
/* How long a relation may wait for its transaction to become visible. */
#define INSPECT_PATIENCE_MS 2000

#define ASK_TIMEOUT_MS 5000

struct janitor {
    struct collector *collector;
    struct loop_timer unseen_timer;
    struct db_call *unseen_call;
    struct loop_timer schema_timer;
    struct db_call *schema_call;
    struct buf tables; /* oids (u32) that this round still has to look at */
    uint32_t table;    /* being asked for */
    struct db_call *inspect_call;
    uint32_t inspect_oid;
    uint64_t inspect_until_ms; /* loop time */
};

/* ---- ids not yet seen */

static void
on_visible(void *ctx, const void *reply, const struct err *failed)
{
    struct janitor *janitor = ctx;
    const struct db_marks *message = reply;
    janitor->unseen_call = NULL;
    if (failed != NULL || !view_is(message->result, "ok")) {
        return;
    }
    struct marks marks = db_marks_of(message);
    unseen_prune(ingest_unseen(janitor->collector->ingest), &marks);
    marks_free(&marks);
}

static void
on_unseen_timer(void *ctx)
{
    struct janitor *janitor = ctx;
    loop_timer_set(&janitor->unseen_timer, UNSEEN_PERIOD_MS);
    if (janitor->unseen_call == NULL &&
        unseen_count(ingest_unseen(janitor->collector->ingest)) > 0) {
        struct db_visible message = {0};
        janitor->unseen_call = db_ask(janitor->collector->db, PROTO_db_visible, &message,
                                      PROTO_db_marks, ASK_TIMEOUT_MS, on_visible, janitor);
    }
}

/* ---- changes of the schema that nobody wrote about */

struct comparison {
    uint32_t table;
    const struct db_relation *relation; /* NULL: the table is gone */
    const struct relation *current;
};

static struct pgoutput_relation
as_streamed(const struct relation *relation, struct arena *mem)
{
    struct pgoutput_relation streamed = {
        .oid = relation->oid, .schema = relation->schema, .name = relation->name};
    streamed.columns = arena_alloc(mem, relation->column_count + 1, sizeof *streamed.columns);
    for (size_t i = 0; i < relation->column_count; i++) {
        const struct column *column = &relation->columns[i];
        if (!column->is_generated) {
            streamed.columns[streamed.column_count++] = (struct pgoutput_column){
                .name = column->name, .type_oid = column->type_oid, .type_mod = column->type_mod};
        }
    }
    return streamed;
}

/* The primary key, and the modifiers and nullability of what the schema header says. */
static bool
has_other_key_or_types(const struct shape_def *def, const struct relation *current)
{
    for (size_t i = 0; i < current->column_count; i++) {
        int place = relation_find_column(def->table.columns, def->table.column_count,
                                         current->columns[i].name);
        uint32_t key_position = place < 0 ? 0 : def->table.columns[place].key_position;
        if (key_position != current->columns[i].key_position) {
            return true;
        }
    }
    for (size_t i = 0; i < def->selected_count; i++) {
        const struct column *column = &def->table.columns[def->selected[i]];
        int place = relation_find_column(current->columns, current->column_count, column->name);
        if (place < 0 || current->columns[place].type_mod != column->type_mod ||
            current->columns[place].is_not_null != column->is_not_null) {
            return true;
        }
    }
    return false;
}

static void
compare_shape(void *ctx, struct shape *shape)
{
    const struct comparison *comparison = ctx;
    const char *reason = NULL;
    if (shape->def->table.oid != comparison->table || shape->state == SHAPE_CREATING) {
        return;
    }
    if (comparison->relation == NULL) {
        registry_end(shape, "the table was dropped", NULL);
        return;
    }
    struct arena *mem = arena_new(1u << 20);
    struct pgoutput_relation streamed = as_streamed(comparison->current, mem);
    if (shape_def_is_outdated(shape->def, &streamed, true, &reason)) {
        registry_end(shape, reason, NULL);
    } else if (has_other_key_or_types(shape->def, comparison->current)) {
        registry_end(shape, "the table's key or a column's type changed", NULL);
    }
    arena_free(mem);
}

static void next_table(struct janitor *janitor);

static void
on_table(void *ctx, const void *reply, const struct err *failed)
{
    struct janitor *janitor = ctx;
    const struct db_relation *relation = reply;
    struct comparison comparison = {.table = janitor->table};
    janitor->schema_call = NULL;
    if (failed != NULL || view_is(relation->result, "unavailable") ||
        view_is(relation->result, "failed")) {
        buf_clear(&janitor->tables); /* the next round */
        return;
    }
    struct arena *mem = arena_new(4u << 20);
    struct relation current = {0};
    if (view_is(relation->result, "ok")) {
        current = relation_from_bus(relation, mem);
        comparison.relation = relation;
        comparison.current = &current;
    }
    registry_each(janitor->collector->registry, compare_shape, &comparison);
    arena_free(mem);
    next_table(janitor);
}

static void
next_table(struct janitor *janitor)
{
    if (janitor->tables.size == 0) {
        return;
    }
    janitor->tables.size -= sizeof janitor->table;
    memcpy(&janitor->table, janitor->tables.bytes + janitor->tables.size, sizeof janitor->table);
    struct db_inspect message = {.oid = janitor->table};
    janitor->schema_call = db_ask(janitor->collector->db, PROTO_db_inspect, &message,
                                  PROTO_db_relation, ASK_TIMEOUT_MS, on_table, janitor);
}

static void
collect_table(void *ctx, struct shape *shape)
{
    struct buf *tables = ctx;
    uint32_t oid = shape->def->table.oid;
    for (size_t i = 0; i < tables->size; i += sizeof oid) {
        if (memcmp(tables->bytes + i, &oid, sizeof oid) == 0) {
            return;
        }
    }
    buf_append(tables, &oid, sizeof oid);
}

static void
on_schema_timer(void *ctx)
{
    struct janitor *janitor = ctx;
    loop_timer_set(&janitor->schema_timer, janitor->collector->config->schema_reconciler_ms);
    if (janitor->schema_call == NULL) {
        buf_clear(&janitor->tables);
        registry_each(janitor->collector->registry, collect_table, &janitor->tables);
        next_table(janitor);
    }
}

/* ---- for ingest */

static void
on_inspected(void *ctx, const void *reply, const struct err *failed)
{
    struct janitor *janitor = ctx;
    const struct db_relation *relation = reply;
    uint32_t ancestors[64];
    size_t count = 0;
    janitor->inspect_call = NULL;
    bool is_known =
        failed == NULL && (view_is(relation->result, "ok") || view_is(relation->result, "absent"));
    for (size_t i = 0; is_known && i < relation->ancestors_count && count < COUNT_OF(ancestors);
         i++) {
        ancestors[count++] = (uint32_t)relation->ancestors[i].oid;
    }
    if (is_known) {
        janitor->inspect_until_ms = 0;
    }
    ingest_inspected(janitor->collector->ingest, janitor->inspect_oid, is_known, ancestors, count);
    for (size_t i = 0; i < count; i++) {
        publishing_refresh(janitor->collector->publishing, ancestors[i]);
    }
}

/*
 * Whether a question that is asked now sees what the transaction made that is being taken in: it
 * may have created the relation, or attached it, and a commit is streamed before it is visible.
 * With synchronous replication that can last: the others must not wait for ever.
 */
static bool
sees_transaction(const struct janitor *janitor, const struct db_marks *marks)
{
    uint64_t *xip = mem_alloc((marks->xip_count + 1) * sizeof *xip);
    for (size_t i = 0; i < marks->xip_count; i++) {
        xip[i] = marks->xip[i].xid;
    }
    struct marks seen = {marks->xmin, marks->xmax, marks->xip_count, xip};
    uint32_t xid = ingest_xid(janitor->collector->ingest);
    bool sees = xid == 0 || marks_see(&seen, xid);
    marks_free(&seen);
    return sees || loop_now_ms(janitor->collector->loop) >= janitor->inspect_until_ms;
}

static void
on_inspect_visible(void *ctx, const void *reply, const struct err *failed)
{
    struct janitor *janitor = ctx;
    const struct db_marks *marks = reply;
    struct db_inspect message = {.oid = janitor->inspect_oid};
    janitor->inspect_call = NULL;
    if (failed != NULL || !view_is(marks->result, "ok") || !sees_transaction(janitor, marks)) {
        ingest_inspected(janitor->collector->ingest, janitor->inspect_oid, false, NULL, 0);
        return;
    }
    janitor->inspect_call = db_ask(janitor->collector->db, PROTO_db_inspect, &message,
                                   PROTO_db_relation, ASK_TIMEOUT_MS, on_inspected, janitor);
}

void
janitor_inspect(struct janitor *janitor, uint32_t oid)
{
    struct db_visible message = {0};
    if (janitor->inspect_call != NULL) {
        db_cancel(janitor->inspect_call); /* of a stream that is gone */
    }
    if (janitor->inspect_oid != oid || janitor->inspect_until_ms == 0) {
        janitor->inspect_until_ms = loop_now_ms(janitor->collector->loop) + INSPECT_PATIENCE_MS;
    }
    janitor->inspect_oid = oid;
    janitor->inspect_call = db_ask(janitor->collector->db, PROTO_db_visible, &message,
                                   PROTO_db_marks, ASK_TIMEOUT_MS, on_inspect_visible, janitor);
}

struct janitor *
janitor_new(struct collector *collector)
{
    struct janitor *janitor = mem_alloc_zero(sizeof *janitor);
    janitor->collector = collector;
    loop_timer_init(&janitor->unseen_timer, collector->loop, on_unseen_timer, janitor);
    loop_timer_init(&janitor->schema_timer, collector->loop, on_schema_timer, janitor);
    loop_timer_set(&janitor->unseen_timer, UNSEEN_PERIOD_MS);
    loop_timer_set(&janitor->schema_timer, collector->config->schema_reconciler_ms);
    return janitor;
}

void
janitor_free(struct janitor *janitor)
{
    if (janitor == NULL) {
        return;
    }
    loop_timer_clear(&janitor->unseen_timer);
    loop_timer_clear(&janitor->schema_timer);
    struct db_call *calls[] = {janitor->unseen_call, janitor->schema_call, janitor->inspect_call};
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        if (calls[i] != NULL) {
            db_cancel(calls[i]);
        }
    }
    buf_free(&janitor->tables);
    mem_free(janitor);
}
