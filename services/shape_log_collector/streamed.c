#include "services/shape_log_collector/streamed.h"

#include <string.h>

#include "common/map.h"
#include "common/mem.h"

/* Names of 1,600 columns and 65,536 ancestors fit. */
#define RELATION_ARENA_MAX (4u << 20)

struct streamed {
    struct map *relations; /* oid -> struct streamed_relation */
    uint64_t last_version;
};

struct streamed *
streamed_new(void)
{
    struct streamed *streamed = mem_alloc_zero(sizeof *streamed);
    streamed->relations = map_new();
    return streamed;
}

void
streamed_forget(struct streamed *streamed)
{
    size_t pos = 0;
    struct view key;
    for (struct streamed_relation *relation;
         (relation = map_next(streamed->relations, &pos, &key)) != NULL;) {
        (void)map_remove(streamed->relations, key);
        arena_free(relation->mem);
        mem_free(relation);
    }
}

void
streamed_free(struct streamed *streamed)
{
    streamed_forget(streamed);
    map_free(streamed->relations);
    mem_free(streamed);
}

static struct streamed_relation *
find(const struct streamed *streamed, uint32_t oid)
{
    uint64_t key = oid;
    return map_get(streamed->relations, map_key_u64(&key));
}

const struct streamed_relation *
streamed_find(const struct streamed *streamed, uint32_t oid)
{
    return find(streamed, oid);
}

static void
keep(struct streamed_relation *streamed, const struct pgoutput_relation *from)
{
    struct pgoutput_relation *to = &streamed->relation;
    arena_reset(streamed->mem);
    *to = *from;
    to->schema =
        arena_copy(streamed->mem, from->schema.size == 0 ? view_str("pg_catalog") : from->schema);
    to->name = arena_copy(streamed->mem, from->name);
    to->columns = arena_alloc(streamed->mem, from->column_count + 1, sizeof *to->columns);
    for (size_t i = 0; i < from->column_count; i++) {
        to->columns[i] = from->columns[i];
        to->columns[i].name = arena_copy(streamed->mem, from->columns[i].name);
    }
    streamed->has_ancestors = false;
    streamed->ancestor_count = 0;
    streamed->version = 0;
}

bool
streamed_take(struct streamed *streamed, const struct pgoutput_relation *relation,
              const struct streamed_relation **relation_out)
{
    struct streamed_relation *found = find(streamed, relation->oid);
    if (found == NULL) {
        uint64_t key = relation->oid;
        found = mem_alloc_zero(sizeof *found);
        found->mem = arena_new(RELATION_ARENA_MAX);
        (void)map_put(streamed->relations, map_key_u64(&key), found);
    }
    *relation_out = found;
    if (found->has_ancestors && found->version == 0) {
        found->version = ++streamed->last_version;
        return true;
    }
    keep(found, relation);
    return false;
}

void
streamed_set_ancestors(struct streamed *streamed, uint32_t oid, const uint32_t *ancestors,
                       size_t count)
{
    struct streamed_relation *relation = find(streamed, oid);
    if (relation == NULL) {
        return;
    }
    relation->has_ancestors = true;
    relation->ancestor_count = count;
    relation->ancestors = arena_alloc(relation->mem, count + 1, sizeof *relation->ancestors);
    if (count > 0) {
        memcpy(relation->ancestors, ancestors, count * sizeof *ancestors);
    }
}
