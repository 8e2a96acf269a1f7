#include "services/shape_log_collector/opening.h"

#include <stdio.h>
#include <string.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "common/sql_parse.h"
#include "services/shape_log_collector/relation_cache.h"

/* The decoded message and the parsed clause. */
#define OPENING_ARENA_MAX (64u << 20)

/* A shape that ends while it is waited for is opened anew so often. */
#define TRIES_MAX 3

#define DEADLINE_MAX_MS 60000

struct opening {
    struct list all_node;
    struct list wait_node; /* in shape->waiting */
    struct collector *collector;
    struct bus_request *request;
    struct arena *mem;
    struct shape_open wish;
    struct relation_waiter relation;
    struct loop_timer deadline;
    struct loop_timer retry; /* asks again for a table that nobody could look up */
    struct shape *shape;     /* that it waits for */
    unsigned tries;
    bool has_refusal; /* what the known table says against it */
    const char *refused_field;
    struct err refusal;
};

static void look_up(struct opening *opening);

/* ---- answers */

static void
answer(struct opening *opening, const struct shape_opened *reply)
{
    struct envelope envelope = service_envelope(opening->collector->service, PROTO_shape_opened);
    struct buf bytes = {0};
    envelope.epoch = opening->collector->epoch;
    proto_encode(&envelope, reply, &bytes);
    bus_reply(opening->request, &bytes);
    buf_free(&bytes);
    loop_timer_clear(&opening->deadline);
    loop_timer_clear(&opening->retry);
    relation_cache_cancel(&opening->relation);
    list_remove(&opening->all_node);
    list_remove(&opening->wait_node);
    arena_free(opening->mem);
    mem_free(opening);
}

static void
answer_failure(struct opening *opening, const struct open_failure *failure)
{
    struct shape_opened reply = {
        .result = view_str(failure->result),
        .field = view_str(failure->field == NULL ? "" : failure->field),
        .error = view_str(failure->message),
        .condition = view_str(failure->condition == NULL ? "" : failure->condition),
        .is_known = failure->is_known,
        .retry_after_s = failure->retry_after_s,
    };
    answer(opening, &reply);
}

static void
answer_invalid(struct opening *opening, const char *field, const char *text)
{
    struct open_failure failure = {.result = "invalid", .field = field, .message = text};
    answer_failure(opening, &failure);
}

static void
answer_shape(struct opening *opening, struct shape *shape)
{
    struct buf schema = {0};
    shape_def_schema(shape->def, &schema);
    struct shape_opened reply = {
        .result = view_str("ok"),
        .handle = view_str(shape->handle),
        .schema_json = buf_view(&schema),
    };
    shape->last_read_ms = loop_now_ms(opening->collector->loop);
    answer(opening, &reply);
    buf_free(&schema);
}

/* ---- the definition */

static struct where_param *
params_of(const struct shape_open *wish, struct arena *mem, size_t *count_out)
{
    size_t count = wish->params_count;
    struct where_param *params = arena_alloc(mem, count + 1, sizeof *params);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = wish->params[i].number;
        if (number >= 1 && number <= count) {
            params[number - 1] = (struct where_param){true, wish->params[i].value};
        }
    }
    *count_out = count;
    return params;
}

static struct view *
names_of(const struct db_name *names, size_t count, struct arena *mem)
{
    struct view *views = arena_alloc(mem, count + 1, sizeof *views);
    for (size_t i = 0; i < count; i++) {
        views[i] = names[i].name;
    }
    return views;
}

static bool
build(const struct shape_open *from, const struct relation *relation, struct arena *mem,
      struct shape_def **def_out, const char **field_out, struct err *err)
{
    struct sql_node *where = NULL;
    struct shape_wish wish = {
        .has_columns = from->has_columns,
        .columns = names_of(from->columns, from->columns_count, mem),
        .column_count = from->columns_count,
        .has_queryable = from->has_queryable,
        .queryable = names_of(from->queryable, from->queryable_count, mem),
        .queryable_count = from->queryable_count,
        .is_replica_full = view_is(from->replica, "full"),
        .is_changes_only = view_is(from->log, "changes_only"),
    };
    wish.params = params_of(from, mem, &wish.param_count);
    *field_out = "where";
    if (from->where.size > 0 && !sql_parse_where(from->where, mem, &where, err)) {
        /* What is wrong with the columns is said first (http-api [7]). */
        struct err columns_err;
        const char *columns_field;
        if (!shape_def_build(relation, &wish, def_out, &columns_field, &columns_err)) {
            *field_out = columns_field;
            *err = columns_err;
        } else {
            shape_def_free(*def_out);
        }
        return false;
    }
    wish.where = where;
    return shape_def_build(relation, &wish, def_out, field_out, err);
}

struct shape *
opening_find(struct collector *collector, struct view message)
{
    struct err err;
    const char *field;
    struct shape_open wish;
    struct shape_def *def;
    struct shape *shape = NULL;
    struct arena *mem = arena_new(OPENING_ARENA_MAX);
    const struct relation *relation = NULL;
    if (proto_decode(message, PROTO_shape_open, mem, &wish, &err)) {
        relation = relation_cache_find(collector->relations, wish.schema, wish.table);
    }
    if (relation != NULL && build(&wish, relation, mem, &def, &field, &err)) {
        shape = registry_by_definition(collector->registry, def);
        shape_def_free(def);
    }
    arena_free(mem);
    return shape;
}

/* ---- waiting */

static const char *
first_unmet(const struct service *service, enum status_condition *condition_out)
{
    static const struct {
        enum status_condition condition;
        const char *text;
    } texts[] = {
        {STATUS_PG_LOCK_ACQUIRED, "Timeout waiting for Postgres lock acquisition"},
        {STATUS_REPLICATION_CLIENT_READY, "Timeout waiting for replication client to be ready"},
        {STATUS_ADMIN_CONNECTION_POOL_READY,
         "Timeout waiting for database connection pool (metadata) to be ready"},
        {STATUS_SNAPSHOT_CONNECTION_POOL_READY,
         "Timeout waiting for database connection pool (snapshot) to be ready"},
        {STATUS_INTEGRITY_CHECKS_PASSED, "Timeout waiting for integrity checks"},
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (!service_is_met(service, texts[i].condition, NULL)) {
            *condition_out = texts[i].condition;
            return texts[i].text;
        }
    }
    return NULL;
}

static void
on_deadline(void *ctx)
{
    struct opening *opening = ctx;
    enum status_condition condition;
    const char *text = first_unmet(opening->collector->service, &condition);
    struct open_failure failure = {.result = "unavailable", .retry_after_s = 5};
    if (text != NULL) {
        failure.message = text;
        failure.condition = status_condition_name(condition);
    } else if (opening->shape == NULL) {
        failure.message =
            "Cannot connect to the database to verify the table. Please try again later.";
        failure.retry_after_s = 1;
    } else {
        failure.message = "Snapshot timed out while waiting for a table lock";
        failure.is_known = true;
        failure.retry_after_s = 10;
        if (opening->shape->creation != NULL) {
            log_info("event=creation_still_waiting handle=%s for=\"%s\"", opening->shape->handle,
                     creation_waiting_for(opening->shape->creation));
        }
    }
    answer_failure(opening, &failure);
}

static void
wait_for(struct opening *opening, struct shape *shape)
{
    if (shape->state != SHAPE_CREATING) {
        answer_shape(opening, shape);
        return;
    }
    opening->shape = shape;
    list_push_back(&shape->waiting, &opening->wait_node);
}

void
opening_on_announced(struct shape *shape)
{
    LIST_FOREACH (node, &shape->waiting) {
        answer_shape(LIST_ITEM(node, struct opening, wait_node), shape);
    }
}

void
opening_on_ended(struct shape *shape, const struct open_failure *failed)
{
    static const struct open_failure again = {
        .result = "unavailable",
        .message = "Failed to create shape, please retry",
        .is_known = true,
        .retry_after_s = 1,
    };
    LIST_FOREACH (node, &shape->waiting) {
        struct opening *opening = LIST_ITEM(node, struct opening, wait_node);
        list_remove(&opening->wait_node);
        opening->shape = NULL;
        if (failed != NULL) {
            answer_failure(opening, failed);
        } else if (++opening->tries >= TRIES_MAX) {
            answer_failure(opening, &again);
        } else {
            look_up(opening);
        }
    }
}

/* ---- finding and making */

static void
create(struct opening *opening, struct shape_def *def)
{
    struct shape *shape = registry_add(opening->collector->registry, def);
    log_info("event=shape_created handle=%s table=\"%.*s.%.*s\" where=\"%.*s\"", shape->handle,
             (int)def->table.schema.size, (const char *)def->table.schema.bytes,
             (int)def->table.name.size, (const char *)def->table.name.bytes,
             (int)(def->where_sql.size < 200 ? def->where_sql.size : 200),
             (const char *)def->where_sql.bytes);
    wait_for(opening, shape);
    creation_start(shape);
}

static void
refuse_creation(struct opening *opening)
{
    struct open_failure failure = {.result = "unavailable",
                                   .message = "Timeout waiting for Postgres lock acquisition",
                                   .condition = "pg_lock_acquired",
                                   .retry_after_s = 5};
    answer_failure(opening, &failure);
}

/* True when it is answered or waits; false: the table has to be asked for first. */
static bool
try_with(struct opening *opening, const struct relation *relation, bool is_fresh)
{
    struct shape_def *def;
    struct collector *collector = opening->collector;
    opening->has_refusal = !build(&opening->wish, relation, opening->mem, &def,
                                  &opening->refused_field, &opening->refusal);
    if (opening->has_refusal) {
        if (is_fresh) {
            answer_invalid(opening, opening->refused_field, opening->refusal.msg);
        }
        return is_fresh;
    }
    struct shape *shape = registry_by_definition(collector->registry, def);
    if (shape != NULL) {
        shape_def_free(def);
        wait_for(opening, shape);
        return true;
    }
    if (opening->wish.only_existing || collector->is_read_only || !is_fresh) {
        shape_def_free(def);
        if (opening->wish.only_existing) {
            struct open_failure failure = {.result = "absent", .message = ""};
            answer_failure(opening, &failure);
        } else if (collector->is_read_only) {
            refuse_creation(opening);
        } else {
            return false;
        }
        return true;
    }
    create(opening, def);
    return true;
}

static void
answer_absent_table(struct opening *opening)
{
    char text[512];
    snprintf(
        text, sizeof text,
        "Table \"%.*s\".\"%.*s\" does not exist. If the table name contains capitals or special "
        "characters you must quote it.",
        (int)opening->wish.schema.size, (const char *)opening->wish.schema.bytes,
        (int)opening->wish.table.size, (const char *)opening->wish.table.bytes);
    answer_invalid(opening, "table", text);
}

static void
on_relation(void *ctx, enum relation_answer result, const struct relation *relation,
            struct view error)
{
    struct opening *opening = ctx;
    char text[1200];
    struct open_failure failure = {.result = "unavailable", .retry_after_s = 1};
    switch (result) {
    case RELATION_OK:
        (void)try_with(opening, relation, true);
        return;
    case RELATION_ABSENT:
        answer_absent_table(opening);
        return;
    case RELATION_UNAVAILABLE:
        if (opening->has_refusal) {
            answer_invalid(opening, opening->refused_field, opening->refusal.msg);
            return;
        }
        /* The database may be back before the deadline. */
        if (loop_timer_is_set(&opening->deadline) && opening->tries++ < 100) {
            loop_timer_set(&opening->retry, 200);
            return;
        }
        failure.message =
            "Cannot connect to the database to verify the table. Please try again later.";
        answer_failure(opening, &failure);
        return;
    case RELATION_FAILED:
        snprintf(text, sizeof text, "Unable to look the table up: %.*s", (int)error.size,
                 (const char *)error.bytes);
        failure.message = text;
        failure.is_known = true;
        answer_failure(opening, &failure);
        return;
    }
}

static void
ask(void *ctx)
{
    struct opening *opening = ctx;
    relation_cache_ask(opening->collector->relations, opening->wish.schema, opening->wish.table,
                       &opening->relation);
}

static void
look_up(struct opening *opening)
{
    const struct relation *known = relation_cache_find(opening->collector->relations,
                                                       opening->wish.schema, opening->wish.table);
    if (known == NULL || !try_with(opening, known, false)) {
        ask(opening);
    }
}

void
opening_start(struct collector *collector, struct list *all, struct bus_request *request,
              struct view message)
{
    struct err err;
    struct opening *opening = mem_alloc_zero(sizeof *opening);
    opening->collector = collector;
    opening->request = request;
    opening->mem = arena_new(OPENING_ARENA_MAX);
    opening->relation.fn = on_relation;
    opening->relation.ctx = opening;
    list_push_back(all, &opening->all_node);
    list_init(&opening->wait_node);
    loop_timer_init(&opening->deadline, collector->loop, on_deadline, opening);
    loop_timer_init(&opening->retry, collector->loop, ask, opening);
    uint8_t *copy = arena_alloc(opening->mem, message.size + 1, 1);
    memcpy(copy, message.bytes, message.size);
    if (!proto_decode((struct view){copy, message.size}, PROTO_shape_open, opening->mem,
                      &opening->wish, &err)) {
        struct open_failure failure = {.result = "failed", .message = err.msg};
        answer_failure(opening, &failure);
        return;
    }
    uint64_t deadline_ms = opening->wish.deadline_ms;
    loop_timer_set(&opening->deadline,
                   deadline_ms < DEADLINE_MAX_MS ? deadline_ms : DEADLINE_MAX_MS);
    look_up(opening);
}

void
opening_stop_all(struct list *all)
{
    static const struct open_failure leaving = {.result = "unavailable",
                                                .message =
                                                    "Timeout waiting for shape data to be loaded",
                                                .retry_after_s = 1};
    LIST_FOREACH (node, all) {
        answer_failure(LIST_ITEM(node, struct opening, all_node), &leaving);
    }
}
