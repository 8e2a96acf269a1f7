#include "services/shape_log_collector/routing.h"

#include <string.h>

#include "common/map.h"
#include "common/mem.h"

/* A layout: copied names and types, rows and a map. */
#define LAYOUT_ARENA_MAX (8u << 20)

struct routing {
    struct map *tables; /* oid -> struct routed_table */
    size_t count;
};

struct routing *
routing_new(void)
{
    struct routing *routing = mem_alloc_zero(sizeof *routing);
    routing->tables = map_new();
    return routing;
}

void
routing_free(struct routing *routing)
{
    if (routing == NULL) {
        return;
    }
    ASSERT(routing->count == 0);
    map_free(routing->tables);
    mem_free(routing);
}

struct routed_table *
routing_table(const struct routing *routing, uint32_t oid)
{
    uint64_t key = oid;
    return map_get(routing->tables, map_key_u64(&key));
}

size_t
routing_count(const struct routing *routing)
{
    return routing->count;
}

static struct routed_table *
get_table(struct routing *routing, uint32_t oid)
{
    struct routed_table *table = routing_table(routing, oid);
    if (table == NULL) {
        uint64_t key = oid;
        table = mem_alloc_zero(sizeof *table);
        table->oid = oid;
        list_init(&table->layouts);
        (void)map_put(routing->tables, map_key_u64(&key), table);
    }
    return table;
}

static const struct expr *
clause_of(void *ctx, struct index_member *member, struct arena *mem)
{
    (void)ctx;
    return shape_def_where(LIST_ITEM(member, struct shape_feed, member)->def, mem);
}

static struct routed_layout *
new_layout(struct routed_table *table, const struct relation *from)
{
    struct routed_layout *layout = mem_alloc_zero(sizeof *layout);
    layout->table = table;
    layout->mem = arena_new(LAYOUT_ARENA_MAX);
    struct relation *copy = arena_alloc(layout->mem, 1, sizeof *copy);
    size_t count = from->column_count;
    *copy = *from;
    copy->columns = arena_alloc(layout->mem, count + 1, sizeof *copy->columns);
    for (size_t i = 0; i < count; i++) {
        copy->columns[i] = from->columns[i];
        copy->columns[i].name = arena_copy(layout->mem, from->columns[i].name);
    }
    layout->columns = copy;
    layout->old_row = arena_alloc(layout->mem, count + 1, sizeof *layout->old_row);
    layout->new_row = arena_alloc(layout->mem, count + 1, sizeof *layout->new_row);
    layout->map = arena_alloc(layout->mem, count + 1, sizeof *layout->map);
    layout->index = shape_index_new(&(struct shape_index_options){.clause = clause_of});
    list_push_back(&table->layouts, &layout->node);
    return layout;
}

static struct routed_layout *
get_layout(struct routed_table *table, const struct relation *columns)
{
    LIST_FOREACH (node, &table->layouts) {
        struct routed_layout *layout = LIST_ITEM(node, struct routed_layout, node);
        if (relation_same_columns(layout->columns->columns, layout->columns->column_count,
                                  columns->columns, columns->column_count)) {
            return layout;
        }
    }
    return new_layout(table, columns);
}

void
routing_add(struct routing *routing, struct shape_feed *feed)
{
    struct routed_table *table = get_table(routing, feed->def->table.oid);
    feed->layout = get_layout(table, &feed->def->table);
    feed->layout->feed_count++;
    list_init(&feed->txn_node);
    shape_index_add(feed->layout->index, &feed->member);
    routing->count++;
}

static void
drop_if_empty(struct routing *routing, struct routed_layout *layout)
{
    struct routed_table *table = layout->table;
    if (layout->feed_count > 0) {
        return;
    }
    list_remove(&layout->node);
    shape_index_free(layout->index);
    arena_free(layout->mem);
    mem_free(layout);
    if (list_is_empty(&table->layouts)) {
        uint64_t key = table->oid;
        (void)map_remove(routing->tables, map_key_u64(&key));
        mem_free(table);
    }
}

void
routing_remove(struct routing *routing, struct shape_feed *feed)
{
    struct routed_layout *layout = feed->layout;
    shape_index_remove(layout->index, &feed->member);
    list_remove(&feed->txn_node);
    feed->layout = NULL;
    layout->feed_count--;
    routing->count--;
    drop_if_empty(routing, layout);
}

struct each {
    void (*fn)(void *ctx, struct shape_feed *feed);
    void *ctx;
    struct buf feeds; /* struct shape_feed * each */
};

static void
collect(void *ctx, struct index_member *member)
{
    struct each *each = ctx;
    struct shape_feed *feed = LIST_ITEM(member, struct shape_feed, member);
    buf_append(&each->feeds, &feed, sizeof feed);
}

static void
call_each(struct each *each)
{
    for (size_t i = 0; i < each->feeds.size; i += sizeof(struct shape_feed *)) {
        struct shape_feed *feed;
        memcpy(&feed, each->feeds.bytes + i, sizeof(struct shape_feed *));
        each->fn(each->ctx, feed);
    }
    buf_free(&each->feeds);
}

static void
collect_table(struct routed_table *table, struct each *each)
{
    LIST_FOREACH (node, &table->layouts) {
        shape_index_each(LIST_ITEM(node, struct routed_layout, node)->index, collect, each);
    }
}

void
routing_each_of_table(struct routed_table *table, void (*fn)(void *ctx, struct shape_feed *feed),
                      void *ctx)
{
    struct each each = {.fn = fn, .ctx = ctx};
    collect_table(table, &each);
    call_each(&each);
}

void
routing_each(struct routing *routing, void (*fn)(void *ctx, struct shape_feed *feed), void *ctx)
{
    struct each each = {.fn = fn, .ctx = ctx};
    size_t pos = 0;
    for (struct routed_table *table; (table = map_next(routing->tables, &pos, NULL)) != NULL;) {
        collect_table(table, &each);
    }
    call_each(&each);
}

void
routed_layout_each(struct routed_layout *layout, void (*fn)(void *ctx, struct shape_feed *feed),
                   void *ctx)
{
    struct each each = {.fn = fn, .ctx = ctx};
    shape_index_each(layout->index, collect, &each);
    call_each(&each);
}

/* Position of a column in the stream's rows, or -1. */
static int16_t
position_of(const struct column *column, const struct pgoutput_relation *relation, bool *fits)
{
    for (size_t i = 0; i < relation->column_count; i++) {
        if (view_equal(relation->columns[i].name, column->name)) {
            *fits = *fits && relation->columns[i].type_oid == column->type_oid;
            return (int16_t)i;
        }
    }
    *fits = *fits && column->is_generated; /* those need not be in the stream */
    return -1;
}

void
routed_layout_map(struct routed_layout *layout, const struct pgoutput_relation *relation,
                  uint64_t version)
{
    if (layout->mapped_version == version) {
        return;
    }
    bool fits = true;
    layout->mapped_version = version;
    for (size_t i = 0; i < layout->columns->column_count; i++) {
        layout->map[i] = position_of(&layout->columns->columns[i], relation, &fits);
    }
    layout->is_unfit = !fits;
}

void
routed_layout_fill(const struct routed_layout *layout, const struct pgoutput_tuple *tuple,
                   const struct where_field *old_row, struct where_field *row)
{
    for (size_t i = 0; i < layout->columns->column_count; i++) {
        int position = layout->map[i];
        row[i] = (struct where_field){.is_null = true};
        if (position < 0 || (size_t)position >= tuple->count) {
            continue;
        }
        const struct pgoutput_value *value = &tuple->values[position];
        if (value->kind == PGOUTPUT_TEXT) {
            row[i].is_null = false;
            row[i].text = value->text;
        } else if (value->kind == PGOUTPUT_UNCHANGED && old_row != NULL) {
            row[i].is_null = old_row[i].is_null;
            row[i].text = old_row[i].text;
        }
    }
}

void
shape_feed_fini(struct shape_feed *feed)
{
    gate_fini(&feed->gate);
    held_clear(&feed->held);
}
