#include "services/api/definitions.h"

#include <string.h>

#include "common/blob.h"
#include "common/bus.h"
#include "common/config.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"

/* What is kept: some 50 MB for definitions of usual length. */
#define KNOWN_MAX 100000

/* Beyond the deadline the collector's answer may still be under way. */
#define GRACE_MS 1000u

#define REPLY_ARENA_MAX (4u << 20)

struct definitions {
    struct api *api;
    struct map *known;    /* definition -> struct known */
    struct map *handles;  /* handle -> struct owner */
    struct list recent;   /* of struct known, the last one used first */
    struct map *openings; /* definition -> struct opening */
    struct arena *mem;
};

/* All definitions, as written, of one shape. */
struct owner {
    struct list known;
    char handle[HANDLE_SIZE_MAX];
};

struct known {
    struct list node; /* in owner->known */
    struct list recent_node;
    struct owner *owner;
    struct blob *definition;
    struct blob *schema;
};

/* One shape.open under way. */
struct opening {
    struct definitions *definitions;
    struct list waits;
    struct blob *definition;
    struct bus_call *call;
};

struct definitions *
definitions_new(struct api *api)
{
    struct definitions *self = mem_alloc_zero(sizeof *self);
    self->api = api;
    self->known = map_new();
    self->handles = map_new();
    self->openings = map_new();
    self->mem = arena_new(REPLY_ARENA_MAX + PROTO_DECODE_MAX);
    list_init(&self->recent);
    return self;
}

/* ---- what is known */

static void
remove_known(struct definitions *self, struct known *known)
{
    struct owner *owner = known->owner;
    (void)map_remove(self->known, blob_view(known->definition));
    list_remove(&known->node);
    list_remove(&known->recent_node);
    blob_unref(known->definition);
    blob_unref(known->schema);
    mem_free(known);
    if (list_is_empty(&owner->known)) {
        (void)map_remove(self->handles, view_str(owner->handle));
        mem_free(owner);
    }
}

static struct owner *
owner_of(struct definitions *self, struct view handle)
{
    struct owner *owner = map_get(self->handles, handle);
    if (owner == NULL) {
        owner = mem_alloc_zero(sizeof *owner);
        list_init(&owner->known);
        memcpy(owner->handle, handle.bytes, handle.size);
        (void)map_put(self->handles, handle, owner);
    }
    return owner;
}

static struct known *
remember(struct definitions *self, struct blob *definition, struct view handle, struct view schema)
{
    struct known *before = map_get(self->known, blob_view(definition));
    if (before != NULL) {
        remove_known(self, before);
    }
    if (map_count(self->known) >= KNOWN_MAX) {
        remove_known(self, LIST_ITEM(self->recent.prev, struct known, recent_node));
    }
    struct known *known = mem_alloc_zero(sizeof *known);
    known->owner = owner_of(self, handle);
    known->definition = blob_ref(definition);
    known->schema = blob_new(schema);
    list_push_back(&known->owner->known, &known->node);
    list_push_front(&self->recent, &known->recent_node);
    (void)map_put(self->known, blob_view(definition), known);
    return known;
}

bool
definitions_find(struct definitions *self, const struct shape_query *query,
                 struct definition_known *known_out)
{
    struct known *known = map_get(self->known, query->definition);
    if (known == NULL) {
        return false;
    }
    list_remove(&known->recent_node);
    list_push_front(&self->recent, &known->recent_node);
    *known_out = (struct definition_known){view_str(known->owner->handle), known->schema};
    return true;
}

void
definitions_forget(struct definitions *self, struct view handle)
{
    struct owner *owner = map_get(self->handles, handle);
    size_t left = 0;
    if (owner == NULL) {
        return;
    }
    LIST_FOREACH (node, &owner->known) {
        left++;
    }
    while (left-- > 0) { /* the owner goes with the last one */
        remove_known(self, LIST_ITEM(owner->known.next, struct known, node));
    }
}

void
definitions_forget_all(struct definitions *self)
{
    while (!list_is_empty(&self->recent)) {
        remove_known(self, LIST_ITEM(self->recent.next, struct known, recent_node));
    }
}

/* ---- asking */

static void
opening_end(struct opening *opening, const struct definition_answer *answer)
{
    struct definitions *self = opening->definitions;
    (void)map_remove(self->openings, blob_view(opening->definition));
    while (!list_is_empty(&opening->waits)) {
        struct definition_wait *wait = LIST_ITEM(opening->waits.next, struct definition_wait, node);
        definition_fn fn = wait->fn;
        ASSERT(fn != NULL); /* who is not waiting is in no list */
        list_remove(&wait->node);
        wait->fn = NULL;
        fn(wait->ctx, answer);
    }
    blob_unref(opening->definition);
    mem_free(opening);
}

static void
end_with_error(struct opening *opening, enum definition_result result, const char *text)
{
    struct definition_answer answer = {
        .result = result, .error = view_str(text), .retry_after_s = 5};
    opening_end(opening, &answer);
}

static void
take_opened(struct opening *opening, const struct shape_opened *opened)
{
    struct definition_answer answer = {.field = opened->field,
                                       .error = opened->error,
                                       .is_known_error = opened->is_known,
                                       .retry_after_s = opened->retry_after_s};
    if (view_is(opened->result, "ok") && opened->handle.size > 0) {
        struct known *known = remember(opening->definitions, opening->definition, opened->handle,
                                       opened->schema_json);
        /* Whoever is told may forget the definition again: the others still get this one. */
        struct blob *schema = blob_ref(known->schema);
        answer.known = (struct definition_known){opened->handle, schema};
        opening_end(opening, &answer);
        blob_unref(schema);
        return;
    }
    bool is_invalid = view_is(opened->result, "invalid");
    bool is_failed = view_is(opened->result, "failed");
    bool is_absent = view_is(opened->result, "absent");
    answer.result = is_invalid  ? DEFINITION_INVALID
                    : is_failed ? DEFINITION_FAILED
                    : is_absent ? DEFINITION_REFUSED
                                : DEFINITION_UNAVAILABLE;
    opening_end(opening, &answer);
}

static void
on_reply(void *ctx, struct view message, const struct err *failed)
{
    struct opening *opening = ctx;
    struct definitions *self = opening->definitions;
    struct shape_opened opened;
    struct err err;
    if (failed != NULL) {
        end_with_error(opening, DEFINITION_UNAVAILABLE,
                       "Timeout waiting for shape data to be loaded");
        return;
    }
    /* Of its own: those who are told may ask anew, and an answer to that comes later. */
    arena_reset(self->mem);
    if (!proto_decode(message, PROTO_shape_opened, self->mem, &opened, &err)) {
        log_error("event=shape_open_reply_refused error=\"%s\"", err.msg);
        end_with_error(opening, DEFINITION_FAILED, "Internal server error");
        return;
    }
    take_opened(opening, &opened);
}

static struct db_name *
names_of(const struct view *names, size_t count, struct arena *mem)
{
    struct db_name *items = arena_alloc(mem, count + 1, sizeof *items);
    for (size_t i = 0; i < count; i++) {
        items[i].name = names[i];
    }
    return items;
}

struct shape_open
definitions_message(const struct shape_query *query, struct arena *mem)
{
    struct shape_param *params = arena_alloc(mem, query->param_count + 1, sizeof *params);
    for (size_t i = 0; i < query->param_count; i++) {
        params[i] = (struct shape_param){.number = i + 1, .value = query->params[i]};
    }
    return (struct shape_open){
        .schema = query->table.schema,
        .table = query->table.name,
        .has_columns = query->has_columns,
        .columns = names_of(query->columns, query->column_count, mem),
        .columns_count = query->column_count,
        .has_queryable = query->has_queryable,
        .queryable = names_of(query->queryable, query->queryable_count, mem),
        .queryable_count = query->queryable_count,
        .where = query->where,
        .params = params,
        .params_count = query->param_count,
        .replica = view_str(query->is_replica_full ? "full" : "default"),
        .log = view_str(query->is_changes_only ? "changes_only" : "full"),
    };
}

/* The query is in the caller's scratch arena; what is encoded here joins it there. */
static struct opening *
begin_opening(struct definitions *self, const struct shape_query *query, uint32_t deadline_ms)
{
    struct opening *opening = mem_alloc_zero(sizeof *opening);
    struct envelope envelope = service_envelope(self->api->service, PROTO_shape_open);
    struct shape_open message = definitions_message(query, self->api->scratch);
    struct buf bytes = {0};
    opening->definitions = self;
    opening->definition = blob_new(query->definition);
    list_init(&opening->waits);
    (void)map_put(self->openings, query->definition, opening);
    message.deadline_ms = deadline_ms;
    message.only_existing =
        map_count(self->openings) > self->api->config->max_concurrent_requests.initial;
    proto_encode(&envelope, &message, &bytes);
    opening->call = bus_ask(self->api->bus, &bytes, deadline_ms + GRACE_MS, on_reply, opening);
    buf_free(&bytes);
    return opening;
}

void
definitions_ask(struct definitions *self, const struct shape_query *query, uint32_t deadline_ms,
                struct definition_wait *wait, definition_fn fn, void *ctx)
{
    struct opening *opening = map_get(self->openings, query->definition);
    if (opening == NULL) {
        opening = begin_opening(self, query, deadline_ms);
    }
    *wait = (struct definition_wait){.fn = fn, .ctx = ctx};
    list_push_back(&opening->waits, &wait->node);
}

void
definitions_cancel(struct definition_wait *wait)
{
    /* The question goes on: its answer is kept for the next who asks. */
    if (wait->fn != NULL) {
        list_remove(&wait->node);
        wait->fn = NULL;
    }
}

void
definitions_free(struct definitions *self)
{
    size_t pos = 0;
    struct opening *opening;
    if (self == NULL) {
        return;
    }
    while ((opening = map_next(self->openings, &pos, NULL)) != NULL) {
        bus_call_cancel(opening->call);
        blob_unref(opening->definition);
        mem_free(opening);
    }
    definitions_forget_all(self);
    map_free(self->openings);
    map_free(self->known);
    map_free(self->handles);
    arena_free(self->mem);
    mem_free(self);
}
