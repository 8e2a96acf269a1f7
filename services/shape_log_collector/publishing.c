#include "services/shape_log_collector/publishing.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "common/service.h"
#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/db_client.h"

#define ASK_TIMEOUT_MS   5000 /* connection answers within a second, also with "waiting" */
#define ASK_AGAIN_MS     200
#define ASK_LATER_MS     500  /* connection or Postgres is away */
#define LOG_WAITING_MS   5000 /* how often a wait for writers is logged */
#define WAITING_FOR_SIZE 256

enum table_state {
    TABLE_IDLE,
    TABLE_ASKING,  /* db.publish is under way */
    TABLE_PAUSING, /* the timer asks again */
    TABLE_LEAVING, /* the catalogue forgets, then db.unpublish */
};

struct table {
    struct publishing *publishing;
    uint32_t oid;
    char *schema;
    char *name;
    enum table_state state;
    bool is_quiesced;
    size_t shape_count;
    struct list waiters;
    struct loop_timer timer;
    struct db_call *call;
    uint64_t logged_ms;
    char waiting_for[WAITING_FOR_SIZE];
};

struct publishing {
    struct service *service;
    struct db_client *db;
    struct catalogue *catalogue;
    struct map *tables; /* oid -> struct table */
};

static void ask(struct table *table);

struct publishing *
publishing_new(struct service *service, struct db_client *db, struct catalogue *catalogue)
{
    struct publishing *publishing = mem_alloc_zero(sizeof *publishing);
    publishing->service = service;
    publishing->db = db;
    publishing->catalogue = catalogue;
    publishing->tables = map_new();
    return publishing;
}

static struct table *
find(const struct publishing *publishing, uint32_t oid)
{
    uint64_t key = oid;
    return map_get(publishing->tables, map_key_u64(&key));
}

static void
table_free(struct table *table)
{
    uint64_t key = table->oid;
    (void)map_remove(table->publishing->tables, map_key_u64(&key));
    loop_timer_clear(&table->timer);
    if (table->call != NULL) {
        db_cancel(table->call);
    }
    mem_free(table->schema);
    mem_free(table->name);
    mem_free(table);
}

void
publishing_free(struct publishing *publishing)
{
    if (publishing == NULL) {
        return;
    }
    size_t pos = 0;
    struct view key;
    for (struct table *table; (table = map_next(publishing->tables, &pos, &key)) != NULL;) {
        table_free(table);
    }
    map_free(publishing->tables);
    mem_free(publishing);
}

/* ---- leaving */

static void
on_unpublished(void *ctx, const void *reply, const struct err *failed)
{
    struct table *table = ctx;
    const struct db_published *published = reply;
    table->call = NULL;
    table->state = TABLE_IDLE;
    if (failed == NULL && !view_is(published->result, "done")) {
        log_warn("event=unpublish_failed table=\"%s.%s\" error=\"%.*s\"", table->schema,
                 table->name, (int)published->error.size, (const char *)published->error.bytes);
    }
    if (!list_is_empty(&table->waiters)) {
        ask(table);
    } else if (table->shape_count == 0) {
        table_free(table);
    }
}

static void
on_forgotten(void *ctx)
{
    struct table *table = ctx;
    if (table->shape_count >
        0) { /* somebody came: it stays, and its writers are waited for again */
        table->state = TABLE_IDLE;
        if (!list_is_empty(&table->waiters)) {
            ask(table);
        }
        return;
    }
    struct db_unpublish message = {
        .oid = table->oid, .schema = view_str(table->schema), .name = view_str(table->name)};
    log_info("event=table_unpublished table=\"%s.%s\"", table->schema, table->name);
    table->call = db_ask(table->publishing->db, PROTO_db_unpublish, &message, PROTO_db_published,
                         ASK_TIMEOUT_MS, on_unpublished, table);
}

static void
leave(struct table *table)
{
    table->state = TABLE_LEAVING;
    table->is_quiesced = false;
    catalogue_remove_quiesced(table->publishing->catalogue, table->oid);
    catalogue_commit(table->publishing->catalogue, on_forgotten, table);
}

/* ---- asking */

static void
on_timer(void *ctx)
{
    struct table *table = ctx;
    if (table->state == TABLE_PAUSING) {
        ask(table);
    } else if (table->state == TABLE_IDLE && table->shape_count == 0) {
        leave(table);
    }
}

static struct table *
get(struct publishing *publishing, uint32_t oid)
{
    struct table *table = find(publishing, oid);
    if (table == NULL) {
        uint64_t key = oid;
        table = mem_alloc_zero(sizeof *table);
        table->publishing = publishing;
        table->oid = oid;
        list_init(&table->waiters);
        loop_timer_init(&table->timer, service_loop(publishing->service), on_timer, table);
        (void)map_put(publishing->tables, map_key_u64(&key), table);
    }
    return table;
}

static void
answer(struct table *table, const struct err *failed, struct view sqlstate)
{
    table->waiting_for[0] = '\0';
    while (!list_is_empty(&table->waiters)) {
        struct publishing_waiter *waiter =
            LIST_ITEM(table->waiters.next, struct publishing_waiter, node);
        list_remove(&waiter->node);
        waiter->fn(waiter->ctx, failed, sqlstate);
    }
}

static void
pause_asking(struct table *table, uint64_t delay_ms)
{
    table->state = TABLE_PAUSING;
    loop_timer_set(&table->timer, delay_ms);
}

/* Nothing to ask for now; without shapes its time in the publication runs. */
static void
rest(struct table *table)
{
    if (table->state == TABLE_IDLE && table->shape_count == 0) {
        loop_timer_set(&table->timer, PUBLISHING_KEEP_MS);
    }
}

static void
log_waiting(struct table *table, struct view writers)
{
    uint64_t now_ms = loop_now_ms(service_loop(table->publishing->service));
    snprintf(table->waiting_for, sizeof table->waiting_for, "%.*s", (int)writers.size,
             (const char *)writers.bytes);
    if (now_ms - table->logged_ms >= LOG_WAITING_MS) {
        table->logged_ms = now_ms;
        log_info("event=waiting_for_writers table=\"%s.%s\" writers=\"%s\"", table->schema,
                 table->name, table->waiting_for);
    }
}

static void
on_published(void *ctx, const void *reply, const struct err *failed)
{
    struct table *table = ctx;
    const struct db_published *published = reply;
    struct err err;
    table->call = NULL;
    table->state = TABLE_IDLE;
    if (failed != NULL || view_is(published->result, "unavailable")) {
        snprintf(table->waiting_for, sizeof table->waiting_for, "the database connection");
        pause_asking(table, ASK_LATER_MS);
    } else if (view_is(published->result, "waiting")) {
        log_waiting(table, published->waiting_for);
        pause_asking(table, ASK_AGAIN_MS);
    } else if (view_is(published->result, "done")) {
        if (!table->is_quiesced) {
            struct catalogue_quiesced record = {table->oid, view_str(table->name)};
            catalogue_put_quiesced(table->publishing->catalogue, &record);
            catalogue_commit(table->publishing->catalogue, NULL, NULL);
            table->is_quiesced = true;
        }
        answer(table, NULL, (struct view){0});
        rest(table);
    } else {
        err_set(&err, ERR_INVALID, "%.*s", (int)published->error.size,
                (const char *)published->error.bytes);
        answer(table, &err, published->sqlstate);
        rest(table);
    }
}

static void
ask(struct table *table)
{
    struct db_publish message = {
        .oid = table->oid,
        .schema = view_str(table->schema),
        .name = view_str(table->name),
        .is_quiesced = table->is_quiesced,
    };
    loop_timer_clear(&table->timer);
    table->state = TABLE_ASKING;
    table->call = db_ask(table->publishing->db, PROTO_db_publish, &message, PROTO_db_published,
                         ASK_TIMEOUT_MS, on_published, table);
}

void
publishing_want(struct publishing *publishing, uint32_t oid, struct publishing_waiter *waiter)
{
    struct table *table = find(publishing, oid);
    ASSERT(table != NULL && table->shape_count > 0);
    list_push_back(&table->waiters, &waiter->node);
    if (table->state == TABLE_IDLE) {
        ask(table);
    }
}

void
publishing_refresh(struct publishing *publishing, uint32_t oid)
{
    struct table *table = find(publishing, oid);
    if (table != NULL && table->shape_count > 0 && table->state == TABLE_IDLE) {
        ask(table);
    }
}

void
publishing_forget(struct publishing_waiter *waiter)
{
    if (waiter->node.next != NULL) {
        list_remove(&waiter->node);
    }
}

/* ---- counting shapes */

void
publishing_set_quiesced(struct publishing *publishing, uint32_t oid, struct view name)
{
    struct table *table = get(publishing, oid);
    table->is_quiesced = true;
    if (table->name == NULL) {
        table->schema = mem_dup_str("");
        table->name = mem_dup_bytes(name.bytes, name.size);
        loop_timer_set(&table->timer, PUBLISHING_KEEP_MS); /* cleared by the first shape of it */
    }
}

void
publishing_retain(struct publishing *publishing, uint32_t oid, struct view schema, struct view name)
{
    struct table *table = get(publishing, oid);
    mem_free(table->schema);
    mem_free(table->name);
    table->schema = mem_dup_bytes(schema.bytes, schema.size);
    table->name = mem_dup_bytes(name.bytes, name.size);
    table->shape_count++;
    if (table->state == TABLE_IDLE) {
        loop_timer_clear(&table->timer);
    }
}

void
publishing_release(struct publishing *publishing, uint32_t oid)
{
    struct table *table = find(publishing, oid);
    ASSERT(table != NULL && table->shape_count > 0);
    table->shape_count--;
    rest(table);
}

const char *
publishing_waiting_for(const struct publishing *publishing, uint32_t oid)
{
    const struct table *table = find(publishing, oid);
    return table == NULL ? "" : table->waiting_for;
}
