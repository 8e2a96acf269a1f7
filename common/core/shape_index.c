#include "common/core/shape_index.h"

#include <string.h>

#include "common/buf.h"
#include "common/core/index_path.h"
#include "common/core/range_tree.h"
#include "common/list.h"
#include "common/map.h"
#include "common/mem.h"

/* Entries with one key (or without keys): members that are candidates together. */
struct bucket {
    struct list entries;
    size_t count;
};

/* One kind of condition on the table: the same columns, the same types. */
struct index_table {
    struct list node;
    struct index_path path;
    struct map *buckets; /* PATH_EQUAL, PATH_ELEMENT: key bytes -> struct bucket */
    struct bucket
        all; /* every entry of the table, for a value that cannot be read; PATH_NULL's only list */
    struct range_tree ranges; /* PATH_RANGE */
};

struct index_entry {
    struct index_entry *next; /* of the member */
    struct index_member *member;
    struct index_table *table; /* NULL: in `rest` or `never` */
    struct list in_all;
    struct list in_bucket;
    struct bucket *bucket;
    struct view key; /* owned: in the bucket map, or a prefix's upper bound */
    struct range_node range;
};

struct shape_index {
    struct list tables;
    struct bucket rest;  /* asked for every row */
    struct bucket never; /* true for no row: found by shape_index_each() alone */
    size_t count;
    uint64_t row_number;
    struct arena *tmp;
    struct buf key;
};

/* Keys and paths of one clause: IN lists make one of each element. */
#define TMP_MAX (64u << 20)

struct shape_index *
shape_index_new(void)
{
    struct shape_index *index = mem_alloc_zero(sizeof *index);
    list_init(&index->tables);
    list_init(&index->rest.entries);
    list_init(&index->never.entries);
    index->tmp = arena_new(TMP_MAX);
    return index;
}

void
shape_index_free(struct shape_index *index)
{
    if (index == NULL) {
        return;
    }
    ASSERT(index->count == 0);
    arena_free(index->tmp);
    buf_free(&index->key);
    mem_free(index);
}

/* ---- tables */

static struct index_table *
table_of(struct shape_index *index, const struct index_path *path)
{
    LIST_FOREACH (node, &index->tables) {
        struct index_table *table = LIST_ITEM(node, struct index_table, node);
        if (index_path_is_same_kind(&table->path, path)) {
            return table;
        }
    }
    struct index_table *table = mem_alloc_zero(sizeof *table);
    table->path = *path;
    list_init(&table->all.entries);
    table->buckets = map_new();
    table->ranges.type = path->types[0];
    list_push_back(&index->tables, &table->node);
    return table;
}

static void
drop_empty_table(struct index_table *table)
{
    if (table->all.count > 0) {
        return;
    }
    list_remove(&table->node);
    map_free(table->buckets);
    mem_free(table);
}

static struct bucket *
bucket_of(struct index_table *table, struct view key)
{
    struct bucket *bucket = map_get(table->buckets, key);
    if (bucket == NULL) {
        bucket = mem_alloc_zero(sizeof *bucket);
        list_init(&bucket->entries);
        (void)map_put(table->buckets, key, bucket);
    }
    return bucket;
}

/* ---- joining and leaving */

static struct index_entry *
new_entry(struct index_member *member)
{
    struct index_entry *entry = mem_alloc_zero(sizeof *entry);
    entry->member = member;
    entry->next = member->entries;
    member->entries = entry;
    list_init(&entry->in_all);
    list_init(&entry->in_bucket);
    return entry;
}

static void
add_entry(struct shape_index *index, struct index_member *member, const struct index_path *path)
{
    struct index_entry *entry = new_entry(member);
    struct index_table *table = table_of(index, path);
    entry->table = table;
    list_push_back(&table->all.entries, &entry->in_all);
    table->all.count++;
    if (path->key.size > 0) {
        entry->key.bytes = (const uint8_t *)mem_dup_bytes(path->key.bytes, path->key.size);
        entry->key.size = path->key.size;
    }
    if (path->kind == PATH_EQUAL || path->kind == PATH_ELEMENT) {
        entry->bucket = bucket_of(table, entry->key);
        list_push_back(&entry->bucket->entries, &entry->in_bucket);
        entry->bucket->count++;
    } else if (path->kind == PATH_RANGE) {
        entry->range.low = path->low;
        entry->range.high = path->high;
        if (entry->key.size > 0) {
            entry->range.high.value.text = entry->key;
        }
        range_tree_add(&table->ranges, &entry->range);
    }
}

static void
add_to_list(struct bucket *list, struct index_member *member)
{
    struct index_entry *entry = new_entry(member);
    entry->bucket = list;
    list_push_back(&list->entries, &entry->in_all);
    list->count++;
}

void
shape_index_add(struct shape_index *index, struct index_member *member)
{
    struct index_paths paths = {.mem = index->tmp};
    index->count++;
    member->seen = 0; /* of an index that it was in before */
    if (member->expr != NULL && index_paths_of(member->expr, &paths)) {
        for (size_t i = 0; i < paths.count; i++) {
            add_entry(index, member, &paths.items[i]);
        }
        if (paths.count == 0) {
            add_to_list(&index->never, member);
        }
    } else {
        add_to_list(&index->rest, member);
    }
    arena_reset(index->tmp);
}

static void
remove_entry(struct index_entry *entry)
{
    struct index_table *table = entry->table;
    list_remove(&entry->in_all);
    if (table == NULL) {
        entry->bucket->count--;
        mem_free(entry);
        return;
    }
    table->all.count--;
    if (entry->bucket != NULL) {
        list_remove(&entry->in_bucket);
        if (--entry->bucket->count == 0) {
            (void)map_remove(table->buckets, entry->key);
            mem_free(entry->bucket);
        }
    } else if (table->path.kind == PATH_RANGE) {
        range_tree_remove(&table->ranges, &entry->range);
    }
    mem_free((void *)(uintptr_t)entry->key.bytes);
    mem_free(entry);
    drop_empty_table(table);
}

void
shape_index_remove(struct shape_index *index, struct index_member *member)
{
    index->count--;
    while (member->entries != NULL) {
        struct index_entry *entry = member->entries;
        member->entries = entry->next;
        remove_entry(entry);
    }
}

/* ---- asking */

struct search {
    uint64_t row_number;
    void (*fn)(void *ctx, struct index_member *member);
    void *ctx;
};

static void
give(struct search *search, struct index_entry *entry)
{
    if (entry->member->seen != search->row_number) {
        entry->member->seen = search->row_number;
        search->fn(search->ctx, entry->member);
    }
}

static void
give_all(struct search *search, const struct bucket *bucket)
{
    LIST_FOREACH (node, &bucket->entries) {
        give(search, LIST_ITEM(node, struct index_entry, in_all));
    }
}

static void
give_bucket(struct search *search, const struct bucket *bucket)
{
    if (bucket == NULL) {
        return;
    }
    LIST_FOREACH (node, &bucket->entries) {
        give(search, LIST_ITEM(node, struct index_entry, in_bucket));
    }
}

static void
give_range(void *ctx, struct range_node *node)
{
    give(ctx, LIST_ITEM(node, struct index_entry, range));
}

static void
find_equal(struct shape_index *index, struct index_table *table, struct where_row *row,
           struct search *search)
{
    struct err ignored;
    buf_clear(&index->key);
    for (size_t i = 0; i < table->path.column_count; i++) {
        struct where_value value;
        if (!index_path_value(&table->path, i, row, &value, &ignored)) {
            give_all(search, &table->all);
            return;
        }
        if (value.is_null) {
            return; /* nothing equals NULL */
        }
        index_key_append(table->path.types[i], &value, &index->key);
    }
    give_bucket(search, map_get(table->buckets, buf_view(&index->key)));
}

static void
find_elements(struct shape_index *index, struct index_table *table, struct where_row *row,
              struct search *search)
{
    struct err ignored;
    struct where_value array;
    if (!index_path_value(&table->path, 0, row, &array, &ignored)) {
        give_all(search, &table->all);
        return;
    }
    struct where_type element = table->path.types[0];
    for (size_t i = 0; !array.is_null && i < array.array.count; i++) {
        if (!array.array.items[i].is_null) {
            buf_clear(&index->key);
            index_key_append(element, &array.array.items[i], &index->key);
            give_bucket(search, map_get(table->buckets, buf_view(&index->key)));
        }
    }
}

static void
find_in(struct shape_index *index, struct index_table *table, struct where_row *row,
        struct search *search)
{
    struct err ignored;
    struct where_value value;
    switch (table->path.kind) {
    case PATH_EQUAL:
        find_equal(index, table, row, search);
        return;
    case PATH_ELEMENT:
        find_elements(index, table, row, search);
        return;
    case PATH_NULL:
        if (row->fields[table->path.columns[0]].is_null) {
            give_all(search, &table->all);
        }
        return;
    case PATH_RANGE:
        if (!index_path_value(&table->path, 0, row, &value, &ignored)) {
            give_all(search, &table->all);
        } else if (!value.is_null) {
            range_tree_find(&table->ranges, &value, give_range, search);
        }
        return;
    }
}

void
shape_index_find(struct shape_index *index, struct where_row *row,
                 void (*fn)(void *ctx, struct index_member *member), void *ctx)
{
    struct search search = {.row_number = ++index->row_number, .fn = fn, .ctx = ctx};
    LIST_FOREACH (node, &index->tables) {
        find_in(index, LIST_ITEM(node, struct index_table, node), row, &search);
    }
    give_all(&search, &index->rest);
}

void
shape_index_each(struct shape_index *index, void (*fn)(void *ctx, struct index_member *member),
                 void *ctx)
{
    struct search search = {.row_number = ++index->row_number, .fn = fn, .ctx = ctx};
    LIST_FOREACH (node, &index->tables) {
        give_all(&search, &LIST_ITEM(node, struct index_table, node)->all);
    }
    give_all(&search, &index->rest);
    give_all(&search, &index->never);
}

size_t
shape_index_count(const struct shape_index *index)
{
    return index->count;
}

size_t
shape_index_unindexed_count(const struct shape_index *index)
{
    return index->rest.count;
}
