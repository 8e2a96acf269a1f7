#include "services/shape_log_collector/relation_cache.h"

#include <string.h>

#include "common/map.h"
#include "common/mem.h"
#include "services/shape_log_collector/db_client.h"

#define ASK_TIMEOUT_MS     5000
#define RELATION_ARENA_MAX (4u << 20)

struct entry {
    struct relation_cache *cache;
    struct list node; /* oldest first */
    struct list waiters;
    struct db_call *call;
    struct arena *mem; /* of `relation`; NULL: not known */
    struct relation relation;
    size_t key_size;
    uint8_t key[]; /* schema, NUL, name */
};

struct relation_cache {
    struct db_client *db;
    struct map *entries;
    struct list order;
};

struct relation_cache *
relation_cache_new(struct db_client *db)
{
    struct relation_cache *cache = mem_alloc_zero(sizeof *cache);
    cache->db = db;
    cache->entries = map_new();
    list_init(&cache->order);
    return cache;
}

static void
entry_free(struct entry *entry)
{
    (void)map_remove(entry->cache->entries, (struct view){entry->key, entry->key_size});
    list_remove(&entry->node);
    if (entry->call != NULL) {
        db_cancel(entry->call);
    }
    arena_free(entry->mem);
    mem_free(entry);
}

void
relation_cache_free(struct relation_cache *cache)
{
    if (cache == NULL) {
        return;
    }
    LIST_FOREACH (node, &cache->order) {
        entry_free(LIST_ITEM(node, struct entry, node));
    }
    map_free(cache->entries);
    mem_free(cache);
}

static struct view
make_key(struct buf *buf, struct view schema, struct view name)
{
    buf_append_view(buf, schema);
    buf_append_byte(buf, 0);
    buf_append_view(buf, name);
    return buf_view(buf);
}

static struct entry *
find(const struct relation_cache *cache, struct view schema, struct view name)
{
    struct buf buf = {0};
    struct entry *entry = map_get(cache->entries, make_key(&buf, schema, name));
    buf_free(&buf);
    return entry;
}

static void
make_room(struct relation_cache *cache)
{
    LIST_FOREACH (node, &cache->order) {
        struct entry *entry = LIST_ITEM(node, struct entry, node);
        if (map_count(cache->entries) < RELATION_CACHE_MAX) {
            return;
        }
        if (list_is_empty(&entry->waiters)) {
            entry_free(entry);
        }
    }
}

static struct entry *
get(struct relation_cache *cache, struct view schema, struct view name)
{
    struct entry *entry = find(cache, schema, name);
    if (entry != NULL) {
        return entry;
    }
    make_room(cache);
    struct buf buf = {0};
    struct view key = make_key(&buf, schema, name);
    entry = mem_alloc_zero(sizeof *entry + key.size);
    entry->cache = cache;
    entry->key_size = key.size;
    memcpy(entry->key, key.bytes, key.size);
    list_init(&entry->waiters);
    list_push_back(&cache->order, &entry->node);
    (void)map_put(cache->entries, key, entry);
    buf_free(&buf);
    return entry;
}

void
relation_cache_seed(struct relation_cache *cache, const struct relation *relation)
{
    struct entry *entry = get(cache, relation->schema, relation->name);
    if (entry->mem != NULL) {
        return;
    }
    entry->mem = arena_new(RELATION_ARENA_MAX);
    entry->relation = *relation;
    entry->relation.schema = arena_copy(entry->mem, relation->schema);
    entry->relation.name = arena_copy(entry->mem, relation->name);
    entry->relation.columns =
        arena_alloc(entry->mem, relation->column_count + 1, sizeof(struct column));
    for (size_t i = 0; i < relation->column_count; i++) {
        struct column *column = &entry->relation.columns[i];
        *column = relation->columns[i];
        column->name = arena_copy(entry->mem, column->name);
        column->type_name = arena_copy(entry->mem, column->type_name);
        column->enum_labels = arena_copy(entry->mem, column->enum_labels);
    }
}

const struct relation *
relation_cache_find(const struct relation_cache *cache, struct view schema, struct view name)
{
    const struct entry *entry = find(cache, schema, name);
    return entry == NULL || entry->mem == NULL ? NULL : &entry->relation;
}

static void
forget(struct entry *entry)
{
    arena_free(entry->mem);
    entry->mem = NULL;
    if (list_is_empty(&entry->waiters)) {
        entry_free(entry);
    }
}

void
relation_cache_forget(struct relation_cache *cache, struct view schema, struct view name)
{
    struct entry *entry = find(cache, schema, name);
    if (entry != NULL) {
        forget(entry);
    }
}

/* ---- asking */

static enum relation_answer
take_answer(struct entry *entry, const struct db_relation *reply)
{
    if (view_is(reply->result, "ok")) {
        arena_free(entry->mem);
        entry->mem = arena_new(RELATION_ARENA_MAX);
        entry->relation = relation_from_bus(reply, entry->mem);
        return RELATION_OK;
    }
    if (view_is(reply->result, "absent")) {
        return RELATION_ABSENT;
    }
    return view_is(reply->result, "unavailable") ? RELATION_UNAVAILABLE : RELATION_FAILED;
}

static void
on_relation(void *ctx, const void *reply, const struct err *failed)
{
    struct entry *entry = ctx;
    const struct db_relation *relation = reply;
    struct list waiters;
    entry->call = NULL;
    enum relation_answer answer =
        failed != NULL ? RELATION_UNAVAILABLE : take_answer(entry, relation);
    struct view error = failed != NULL ? view_str(failed->msg) : relation->error;

    /* Who asks again from inside a callback waits for the next answer. */
    list_init(&waiters);
    while (!list_is_empty(&entry->waiters)) {
        struct list *node = entry->waiters.next;
        list_remove(node);
        list_push_back(&waiters, node);
    }
    while (!list_is_empty(&waiters)) {
        struct relation_waiter *waiter = LIST_ITEM(waiters.next, struct relation_waiter, node);
        list_remove(&waiter->node);
        waiter->fn(waiter->ctx, answer, answer == RELATION_OK ? &entry->relation : NULL, error);
    }
    if (answer == RELATION_ABSENT) {
        forget(entry);
    }
}

void
relation_cache_ask(struct relation_cache *cache, struct view schema, struct view name,
                   struct relation_waiter *waiter)
{
    struct entry *entry = get(cache, schema, name);
    list_push_back(&entry->waiters, &waiter->node);
    if (entry->call == NULL) {
        struct db_inspect message = {.schema = schema, .name = name};
        entry->call = db_ask(cache->db, PROTO_db_inspect, &message, PROTO_db_relation,
                             ASK_TIMEOUT_MS, on_relation, entry);
    }
}

void
relation_cache_cancel(struct relation_waiter *waiter)
{
    if (waiter->node.next != NULL) {
        list_remove(&waiter->node);
    }
}
