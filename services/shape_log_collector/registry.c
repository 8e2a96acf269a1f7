#include "services/shape_log_collector/registry.h"

#include <stdio.h>
#include <string.h>

#include "common/clock.h"
#include "common/hash.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/creation.h"
#include "services/shape_log_collector/hints.h"
#include "services/shape_log_collector/ingest.h"
#include "services/shape_log_collector/publishing.h"
#include "services/shape_log_collector/reclaim.h"
#include "services/shape_log_collector/relation_cache.h"
#include "services/shape_log_collector/shape_server.h"

struct registry {
    struct collector *collector;
    struct map *by_handle;
    struct map *by_identity; /* by sixteen bytes of keyed hash: nobody can make two meet */
    struct hash_key identity_keys[2];
    struct shape_frames *frames;
    unsigned load_number;
    struct list ended; /* left to be taken apart at the end of the turn */
};

static void take_ended_apart(void *ctx);

struct registry *
registry_new(struct collector *collector)
{
    struct registry *registry = mem_alloc_zero(sizeof *registry);
    registry->collector = collector;
    registry->by_handle = map_new();
    registry->by_identity = map_new();
    registry->identity_keys[0] = hash_key_new();
    registry->identity_keys[1] = hash_key_new();
    registry->frames = shape_frames_new();
    list_init(&registry->ended);
    loop_on_turn_end(collector->loop, take_ended_apart, registry);
    return registry;
}

/* ---- finding */

struct identity {
    uint64_t words[2];
};

static struct identity
identity_of(const struct registry *registry, const struct shape_def *def)
{
    struct buf bytes = {0};
    shape_def_identity(def, &bytes);
    struct identity identity = {{hash_bytes(&registry->identity_keys[0], buf_view(&bytes)),
                                 hash_bytes(&registry->identity_keys[1], buf_view(&bytes))}};
    buf_free(&bytes);
    return identity;
}

struct shape *
registry_by_handle(const struct registry *registry, struct view handle)
{
    return map_get(registry->by_handle, handle);
}

struct shape *
registry_by_definition(const struct registry *registry, const struct shape_def *def)
{
    struct identity identity = identity_of(registry, def);
    return map_get(registry->by_identity, view_of(&identity, sizeof identity));
}

size_t
registry_count(const struct registry *registry)
{
    return map_count(registry->by_handle);
}

void
registry_each(struct registry *registry, void (*fn)(void *ctx, struct shape *shape), void *ctx)
{
    size_t pos = 0;
    struct view key;
    for (struct shape *shape; (shape = map_next(registry->by_handle, &pos, &key)) != NULL;) {
        fn(ctx, shape);
    }
}

/* ---- coming */

static void
put(struct registry *registry, struct shape *shape)
{
    struct identity identity = identity_of(registry, shape->def);
    (void)map_put(registry->by_handle, view_str(shape->handle), shape);
    (void)map_put(registry->by_identity, view_of(&identity, sizeof identity), shape);
}

static struct shape *
new_shape(struct registry *registry, struct shape_def *def)
{
    struct shape *shape = mem_alloc_zero(sizeof *shape);
    shape->collector = registry->collector;
    shape->def = def;
    shape->refs = 1;
    shape->last_read_ms = loop_now_ms(registry->collector->loop);
    list_init(&shape->parked);
    list_init(&shape->waiting);
    list_init(&shape->ended_node);
    return shape;
}

static void
give_log(struct shape *shape, bool is_new)
{
    shape->log = shape_log_new(shape->collector->logs, shape->handle, shape, is_new);
    shape->feed.def = shape->def;
    shape->feed.plan = shape_def_plan(shape->def);
    shape->feed.log = shape->log;
    shape->feed.owner = shape;
}

/* A reader leaves the publication to the writer. */
static void
retain(const struct shape *shape)
{
    const struct relation *table = &shape->def->table;
    if (!shape->collector->is_read_only) {
        publishing_retain(shape->collector->publishing, table->oid, table->schema, table->name);
    }
}

static void
release(const struct shape *shape)
{
    if (!shape->collector->is_read_only) {
        publishing_release(shape->collector->publishing, shape->def->table.oid);
    }
}

struct shape *
registry_add(struct registry *registry, struct shape_def *def)
{
    struct collector *collector = registry->collector;
    shape_def_share(def, registry->frames);
    struct shape *shape = new_shape(registry, def);
    struct buf identity = {0};
    shape_def_identity(def, &identity);
    shape->created_us = catalogue_next_created_us(collector->catalogue, clock_wall_us());
    snprintf(shape->handle, sizeof shape->handle, "%u-%llu",
             wire_crc32c(identity.bytes, identity.size), (unsigned long long)shape->created_us);
    buf_free(&identity);
    shape->state = SHAPE_CREATING;
    give_log(shape, true);
    put(registry, shape);
    retain(shape);
    return shape;
}

/* ---- loading */

static void
drop_record(struct collector *collector, struct view handle, const char *reason)
{
    log_error("event=shape_dropped handle=\"%.*s\" reason=\"%s\"", (int)handle.size,
              (const char *)handle.bytes, reason);
    if (!collector->is_read_only) {
        catalogue_remove_shape(collector->catalogue, handle);
    }
}

static void
load_shape(void *ctx, const struct catalogue_shape *record)
{
    struct registry *registry = ctx;
    struct collector *collector = registry->collector;
    struct err err;
    struct shape_def *def;
    struct marks marks;
    struct shape *known = registry_by_handle(registry, record->handle);
    if (known != NULL) {
        known->load_number = registry->load_number;
        return;
    }
    if (record->handle.size > STORAGE_HANDLE_MAX || record->chunk_count == 0 ||
        !shape_def_decode(record->definition, registry->frames, &def, &err)) {
        drop_record(collector, record->handle, "its definition is damaged");
        return;
    }
    if (!marks_decode(record->marks, &marks, &err)) {
        drop_record(collector, record->handle, err.msg);
        shape_def_free(def);
        return;
    }
    struct shape *shape = new_shape(registry, def);
    memcpy(shape->handle, record->handle.bytes, record->handle.size);
    shape->created_us = record->created_us;
    shape->state = SHAPE_COMPLETE;
    shape->load_number = registry->load_number;
    snapshot_init(&shape->snapshot, record->chunk_ends, record->chunk_count);
    give_log(shape, false);
    gate_restore(&shape->feed.gate, marks, record->lsn);
    ingest_restore(collector->ingest, &shape->feed);
    put(registry, shape);
    relation_cache_seed(collector->relations, &def->table);
    retain(shape);
}

static void
load_quiesced(void *ctx, const struct catalogue_quiesced *table)
{
    struct registry *registry = ctx;
    publishing_set_quiesced(registry->collector->publishing, table->oid, table->name);
}

static void
ignore_quiesced(void *ctx, const struct catalogue_quiesced *table)
{
    (void)ctx;
    (void)table;
}

bool
registry_load(struct registry *registry, struct err *err)
{
    uint64_t start_ms = clock_mono_ms();
    if (!catalogue_load(registry->collector->catalogue, registry, load_shape, load_quiesced, err)) {
        return false;
    }
    log_info("event=shapes_loaded count=%zu ms=%llu", registry_count(registry),
             (unsigned long long)(clock_mono_ms() - start_ms));
    return true;
}

static void
end_unseen(void *ctx, struct shape *shape)
{
    struct registry *registry = ctx;
    if (shape->load_number != registry->load_number) {
        registry_end(shape, "the engine that writes has ended it", NULL);
    }
}

bool
registry_refresh(struct registry *registry, struct err *err)
{
    ASSERT(registry->collector->is_read_only);
    registry->load_number++;
    if (!catalogue_load(registry->collector->catalogue, registry, load_shape, ignore_quiesced,
                        err)) {
        return false;
    }
    registry_each(registry, end_unseen, registry);
    return true;
}

/* ---- going */

void
registry_announce(struct shape *shape)
{
    ASSERT(shape->state == SHAPE_CREATING);
    shape->state = SHAPE_ANNOUNCED;
    shape_server_announced(shape->collector->shapes, shape);
}

void
registry_end(struct shape *shape, const char *reason, const struct open_failure *failed)
{
    struct collector *collector = shape->collector;
    struct registry *registry = collector->registry;
    if (shape->state == SHAPE_ENDED) {
        return;
    }
    bool was_readable = shape->state != SHAPE_CREATING;
    log_info("event=shape_ended handle=%s table=\"%.*s.%.*s\" reason=\"%s\"", shape->handle,
             (int)shape->def->table.schema.size, (const char *)shape->def->table.schema.bytes,
             (int)shape->def->table.name.size, (const char *)shape->def->table.name.bytes, reason);
    shape->state = SHAPE_ENDED;
    shape->feed.has_ended = true;
    if (!collector->is_read_only) {
        catalogue_remove_shape(collector->catalogue, view_str(shape->handle));
    }
    struct identity identity = identity_of(registry, shape->def);
    struct view key = view_of(&identity, sizeof identity);
    if (map_get(registry->by_identity, key) == shape) {
        (void)map_remove(registry->by_identity, key); /* else a reader has a newer */
    }
    (void)map_remove(registry->by_handle, view_str(shape->handle));
    if (was_readable) {
        hints_gone(collector->hints, view_str(shape->handle));
    }
    list_push_back(&registry->ended, &shape->ended_node);
    shape_server_ended(collector->shapes, shape, failed);
}

void
shape_ref(struct shape *shape)
{
    shape->refs++;
}

void
shape_unref(struct shape *shape)
{
    if (--shape->refs > 0) {
        return;
    }
    shape_feed_fini(&shape->feed);
    snapshot_fini(&shape->snapshot);
    shape_def_free(shape->def);
    mem_free(shape);
}

struct reclaiming {
    struct collector *collector;
    char handle[STORAGE_HANDLE_MAX + 1];
};

static void
on_forgotten(void *ctx)
{
    struct reclaiming *reclaiming = ctx;
    reclaim_shape(reclaiming->collector->reclaim, reclaiming->handle);
    mem_free(reclaiming);
}

static void
forget_files(struct collector *collector, const struct shape *shape)
{
    if (collector->is_read_only) {
        return;
    }
    struct reclaiming *reclaiming = mem_alloc_zero(sizeof *reclaiming);
    reclaiming->collector = collector;
    memcpy(reclaiming->handle, shape->handle, sizeof reclaiming->handle);
    catalogue_commit(collector->catalogue, on_forgotten, reclaiming);
}

static void
take_apart(struct collector *collector, struct shape *shape)
{
    if (shape->creation != NULL) {
        creation_cancel(shape->creation);
    }
    if (shape->feed.layout != NULL) {
        ingest_leave(collector->ingest, &shape->feed);
    }
    shape_log_free(shape->log);
    release(shape);
    forget_files(collector, shape);
    shape_unref(shape);
}

static void
take_ended_apart(void *ctx)
{
    struct registry *registry = ctx;
    while (!list_is_empty(&registry->ended)) {
        struct shape *shape = LIST_ITEM(registry->ended.next, struct shape, ended_node);
        list_remove(&shape->ended_node);
        take_apart(registry->collector, shape);
    }
    hints_flush(registry->collector->hints);
}

static void
free_one(void *ctx, struct shape *shape)
{
    struct registry *registry = ctx;
    if (shape->creation != NULL) {
        creation_cancel(shape->creation);
    }
    if (shape->feed.layout != NULL) {
        ingest_leave(registry->collector->ingest, &shape->feed);
    }
    shape_log_free(shape->log);
    release(shape);
    shape_unref(shape);
}

void
registry_free(struct registry *registry)
{
    if (registry == NULL) {
        return;
    }
    take_ended_apart(registry);
    registry_each(registry, free_one, registry);
    map_free(registry->by_handle);
    map_free(registry->by_identity);
    shape_frames_free(registry->frames);
    mem_free(registry);
}
