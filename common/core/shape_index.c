#include "common/core/shape_index.h"

#include <string.h>

#include "common/core/index_key.h"
#include "common/core/index_table.h"
#include "common/core/where_json.h"
#include "common/core/where_pool.h"
#include "common/map.h"
#include "common/mem.h"

struct shape_index {
    struct shape_index_options options;
    struct list tables;
    struct map *by_name; /* of the same tables */
    struct where_pool *pool;
    struct hash_key hash_key;
    struct list rest;    /* members asked for every row */
    struct list indexed; /* all others */
    size_t rest_count;
    size_t count;
    uint64_t row_number;
    uint64_t found;
    struct arena *tmp;
    struct buf key;
};

/* The clause, keys and paths of one member: IN lists make one of each element. */
#define TMP_MAX (256u << 20)

struct shape_index *
shape_index_new(const struct shape_index_options *options)
{
    struct shape_index *index = mem_alloc_zero(sizeof *index);
    index->options = *options;
    list_init(&index->tables);
    list_init(&index->rest);
    list_init(&index->indexed);
    index->by_name = map_new();
    index->pool = where_pool_new();
    index->hash_key = hash_key_new();
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
    where_pool_free(index->pool);
    map_free(index->by_name);
    arena_free(index->tmp);
    buf_free(&index->key);
    mem_free(index);
}

/* ---- tables */

/* A row is looked up once for each size of prefix that there is. */
#define PREFIX_MAX 64

/* Parts are looked for by eight, four, two or one of their bytes. */
static size_t
size_of_part(size_t key_size)
{
    return key_size >= 8 ? 8 : key_size >= 4 ? 4 : key_size >= 2 ? 2 : 1;
}

static size_t
table_key_size(const struct index_path *path)
{
    if (path->kind == PATH_PART) {
        return size_of_part(path->keys[0].size);
    }
    size_t size = path->keys[0].size;
    return path->kind == PATH_PREFIX ? (size < PREFIX_MAX ? size : PREFIX_MAX) : 0;
}

static struct index_table *
table_of(struct shape_index *index, const struct index_path *path)
{
    struct buf name = {0};
    size_t size = table_key_size(path);
    buf_append_byte(&name, (uint8_t)path->kind);
    buf_append_byte(&name, path->is_folded);
    buf_append_byte(&name, (uint8_t)size);
    for (size_t i = 0; i < path->source_count; i++) {
        wire_put_u32(buf_grow(&name, 4), (uint32_t)path->codes[i].size);
        buf_append_view(&name, path->codes[i]);
    }
    struct index_table *table = map_get(index->by_name, buf_view(&name));
    if (table == NULL) {
        table = index_table_new(path, size, buf_view(&name), index->pool);
        list_push_back(&index->tables, &table->node);
        (void)map_put(index->by_name, table->name, table);
    }
    buf_free(&name);
    return table;
}

static void
drop_if_empty(struct shape_index *index, struct index_table *table)
{
    if (table->entry_count == 0) {
        list_remove(&table->node);
        (void)map_remove(index->by_name, table->name);
        index_table_free(table, index->pool);
    }
}

/* ---- joining and leaving */

/* With several sources each one's bytes have their length in front, so that none runs into another.
 */
static void
append_part(struct buf *key, size_t source_count, size_t start)
{
    if (source_count > 1) {
        wire_put_u32(key->bytes + start, (uint32_t)(key->size - start - 4));
    }
}

static size_t
begin_part(struct buf *key, size_t source_count)
{
    size_t start = key->size;
    if (source_count > 1) {
        (void)buf_grow(key, 4);
    }
    return start;
}

/* Of the places in a text's part, the one that the fewest others are found by. */
static struct view
best_part(const struct shape_index *index, const struct index_table *table, struct view part)
{
    struct view best = view_of(part.bytes, table->size);
    size_t fewest = SIZE_MAX;
    for (size_t i = 0; i + table->size <= part.size && i < 64 && fewest > 0; i++) {
        struct view key = view_of(part.bytes + i, table->size);
        size_t peers = index_table_peers(table, key, &index->hash_key);
        if (peers < fewest) {
            fewest = peers;
            best = key;
        }
    }
    return best;
}

static struct view
path_key(struct shape_index *index, const struct index_table *table, const struct index_path *path)
{
    struct view first = path->keys[0];
    if (path->kind == PATH_PART) {
        return best_part(index, table, first);
    }
    if (path->kind == PATH_PREFIX) {
        return view_of(first.bytes, table->size);
    }
    if (path->kind != PATH_EQUAL) {
        return first;
    }
    buf_clear(&index->key);
    for (size_t i = 0; i < path->source_count; i++) {
        size_t start = begin_part(&index->key, path->source_count);
        buf_append_view(&index->key, path->keys[i]);
        append_part(&index->key, path->source_count, start);
    }
    return buf_view(&index->key);
}

static struct index_entry *
new_entry(struct index_member *member)
{
    struct index_entry *entry = &member->first;
    if (member->entries != NULL) {
        entry = mem_alloc_zero(sizeof *entry);
    }
    entry->member = member;
    entry->next = member->entries;
    member->entries = entry;
    return entry;
}

/* A long prefix is shortened: finding it proves less than the clause asks. */
static bool
is_whole(const struct index_path *path)
{
    return path->kind != PATH_PREFIX || path->keys[0].size <= PREFIX_MAX;
}

/* Can finding one entry be the whole answer? Of an array or a text several places are looked up. */
static bool
is_plain(const struct index_paths *paths)
{
    enum path_kind kind = paths->count == 1 ? paths->items[0].kind : PATH_PART;
    return paths->is_exact &&
           (kind == PATH_EQUAL || kind == PATH_PREFIX || kind == PATH_NULL || kind == PATH_RANGE);
}

static void
add_path(struct shape_index *index, struct index_member *member, const struct index_path *path,
         bool plain)
{
    struct index_entry *entry = new_entry(member);
    struct index_table *table = table_of(index, path);
    entry->table = table;
    if (path->kind == PATH_RANGE) {
        index_table_add_range(table, entry, path->low, path->high, plain);
    } else {
        index_table_add(table, entry, path_key(index, table, path), plain, &index->hash_key);
    }
}

void
shape_index_add(struct shape_index *index, struct index_member *member)
{
    struct index_paths paths = {.mem = index->tmp};
    const struct expr *expr = index->options.clause(index->options.ctx, member, index->tmp);
    member->seen = 0; /* of an index that it was in before */
    member->entries = NULL;
    member->expr = NULL;
    index->count++;
    bool is_indexed = expr != NULL && index_paths_of(expr, &paths);
    bool are_whole = true;
    for (size_t i = 0; is_indexed && i < paths.count; i++) {
        are_whole = are_whole && is_whole(&paths.items[i]);
    }
    paths.is_exact = paths.is_exact && are_whole;
    for (size_t i = 0; is_indexed && i < paths.count; i++) {
        add_path(index, member, &paths.items[i], is_plain(&paths));
    }
    if (expr != NULL && (!is_indexed || !paths.is_exact)) {
        bool is_rest_enough = is_indexed && are_whole && paths.rest != NULL;
        member->expr = where_pool_take(index->pool, is_rest_enough ? paths.rest : expr);
    }
    list_push_back(is_indexed ? &index->indexed : &index->rest, &member->node);
    index->rest_count += !is_indexed;
    member->is_rest = !is_indexed;
    arena_reset(index->tmp);
}

void
shape_index_remove(struct shape_index *index, struct index_member *member)
{
    while (member->entries != NULL) {
        struct index_entry *entry = member->entries;
        struct index_table *table = entry->table;
        member->entries = entry->next;
        index_table_remove(table, entry, &index->hash_key);
        if (entry != &member->first) {
            mem_free(entry);
        }
        drop_if_empty(index, table);
    }
    where_pool_give_back(index->pool, member->expr);
    member->expr = NULL;
    list_remove(&member->node);
    index->count--;
    index->rest_count -= member->is_rest;
}

/* ---- asking */

struct search {
    struct shape_index *index;
    struct where_row *row;
    shape_index_fn fn;
    void *ctx;
};

static void
tell(const struct search *search, struct index_member *member, const struct expr *expr)
{
    struct err err; /* filled in by an error alone */
    enum where_truth truth = WHERE_TRUE;
    if (expr != NULL) {
        truth = where_eval_truth(expr, search->row, &err);
    }
    if (truth == WHERE_TRUE || truth == WHERE_ERROR) {
        search->fn(search->ctx, member, truth, &err);
    }
}

static bool
is_new(const struct search *search, struct index_member *member)
{
    if (member->seen == search->index->row_number) {
        return false;
    }
    member->seen = search->index->row_number;
    search->index->found++;
    return true;
}

static void
give(const struct search *search, struct index_entry *entry)
{
    if (is_new(search, entry->member)) {
        tell(search, entry->member, entry->member->expr);
    }
}

/* It cannot have been found before, and has nothing to ask: its memory is left alone. */
static void
give_plain(const struct search *search, struct index_entry *entry)
{
    struct err err; /* filled in by an error alone */
    search->index->found++;
    search->fn(search->ctx, LIST_ITEM(entry, struct index_member, first), WHERE_TRUE, &err);
}

static void
give_peers(const struct search *search, const struct index_table *table, struct view key)
{
    index_head head = index_table_find(table, key, &search->index->hash_key);
    struct index_entry *entry = index_head_entry(head);
    if ((head & INDEX_HEAD_PLAIN) != 0) {
        give_plain(search, entry);
        return;
    }
    for (; entry != NULL; entry = entry->peer_next) {
        give(search, entry);
    }
}

static void
give_range(void *ctx, struct range_item *item, bool plain)
{
    struct index_entry *entry = LIST_ITEM(item, struct index_entry, range);
    if (plain) {
        give_plain(ctx, entry);
    } else {
        give(ctx, entry);
    }
}

/* Its source has no value that could be looked up: only the clause itself tells what follows. */
static void
give_unreadable(void *ctx, struct index_entry *entry)
{
    const struct search *search = ctx;
    struct index_member *member = entry->member;
    if (is_new(search, member)) {
        const struct shape_index_options *options = &search->index->options;
        tell(search, member, options->clause(options->ctx, member, search->row->mem));
    }
}

static void
find_equal(const struct search *search, const struct index_table *table)
{
    struct err ignored;
    struct buf *key = &search->index->key;
    buf_clear(key);
    for (size_t i = 0; i < table->source_count; i++) {
        struct where_value value;
        const struct expr *source = table->sources[i];
        if (!where_eval_value(source, search->row, &value, &ignored)) {
            index_table_each(table, give_unreadable, (void *)(uintptr_t)search);
            return;
        }
        if (value.is_null) {
            return; /* nothing equals NULL */
        }
        size_t start = begin_part(key, table->source_count);
        index_key_append(source->type, &value, key);
        append_part(key, table->source_count, start);
    }
    give_peers(search, table, buf_view(key));
}

static void
find_elements(const struct search *search, const struct index_table *table,
              const struct where_value *value)
{
    struct buf *key = &search->index->key;
    struct where_type type = table->sources[0]->type;
    struct where_type element = {.base = type.base, .oid = type.oid};
    for (size_t i = 0; i < value->array.count; i++) {
        if (!value->array.items[i].is_null) {
            buf_clear(key);
            index_key_append(element, &value->array.items[i], key);
            give_peers(search, table, buf_view(key));
        }
    }
}

static void
find_names(const struct search *search, const struct index_table *table,
           const struct json_node *root)
{
    if (root->kind == JSON_STRING) {
        give_peers(search, table, root->text);
    }
    if (root->kind != JSON_ARRAY && root->kind != JSON_OBJECT) {
        return;
    }
    for (const struct json_node *node = root->first; node != NULL; node = node->next) {
        if (root->kind == JSON_OBJECT || node->kind == JSON_STRING) {
            give_peers(search, table, root->kind == JSON_OBJECT ? node->key : node->text);
        }
    }
}

static void
find_parts(const struct search *search, const struct index_table *table, struct view text)
{
    if (table->is_folded) {
        uint8_t *folded = arena_alloc(search->row->mem, text.size + 1, 1);
        for (size_t i = 0; i < text.size; i++) {
            uint8_t byte = text.bytes[i];
            folded[i] = byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte;
        }
        text.bytes = folded;
    }
    for (size_t pos = 0; index_table_next_part(table, text, &pos); pos++) {
        give_peers(search, table, view_of(text.bytes + pos, table->size));
    }
}

static void
find_value(const struct search *search, const struct index_table *table,
           const struct where_value *value)
{
    switch (table->kind) {
    case PATH_ELEMENT:
        find_elements(search, table, value);
        return;
    case PATH_NAME:
        find_names(search, table, value->json.root);
        return;
    case PATH_PREFIX:
        if (value->text.size >= table->size) {
            give_peers(search, table, view_of(value->text.bytes, table->size));
        }
        return;
    case PATH_PART:
        find_parts(search, table, value->text);
        return;
    case PATH_RANGE:
        range_tree_find(&table->ranges, index_word(table->sources[0]->type, value), give_range,
                        (void *)(uintptr_t)search);
        return;
    case PATH_EQUAL: /* of several values */
    case PATH_NULL:  /* of none */
        return;
    }
}

static void
find_in(const struct search *search, const struct index_table *table)
{
    struct err ignored;
    struct where_value value;
    if (table->kind == PATH_EQUAL) {
        find_equal(search, table);
    } else if (table->kind == PATH_NULL) {
        if (search->row->fields[table->sources[0]->column].is_null) {
            give_peers(search, table, view_of(NULL, 0));
        }
    } else if (!where_eval_value(table->sources[0], search->row, &value, &ignored)) {
        index_table_each(table, give_unreadable, (void *)(uintptr_t)search);
    } else if (!value.is_null) {
        find_value(search, table, &value);
    }
}

void
shape_index_match(struct shape_index *index, struct where_row *row, shape_index_fn fn, void *ctx)
{
    struct search search = {.index = index, .row = row, .fn = fn, .ctx = ctx};
    index->row_number++;
    where_pool_next_row(index->pool);
    LIST_FOREACH (node, &index->tables) {
        find_in(&search, LIST_ITEM(node, struct index_table, node));
    }
    LIST_FOREACH (node, &index->rest) {
        struct index_member *member = LIST_ITEM(node, struct index_member, node);
        index->found++;
        tell(&search, member, member->expr);
    }
}

void
shape_index_each(struct shape_index *index, void (*fn)(void *ctx, struct index_member *member),
                 void *ctx)
{
    LIST_FOREACH (node, &index->indexed) {
        fn(ctx, LIST_ITEM(node, struct index_member, node));
    }
    LIST_FOREACH (node, &index->rest) {
        fn(ctx, LIST_ITEM(node, struct index_member, node));
    }
}

size_t
shape_index_count(const struct shape_index *index)
{
    return index->count;
}

size_t
shape_index_unindexed_count(const struct shape_index *index)
{
    return index->rest_count;
}

uint64_t
shape_index_found_count(const struct shape_index *index)
{
    return index->found;
}
