#include "common/core/index_path.h"

#include <string.h>

#include "common/core/where_cast.h"
#include "common/core/where_fn.h"

bool
index_path_is_same_kind(const struct index_path *a, const struct index_path *b)
{
    if (a->kind != b->kind || a->column_count != b->column_count) {
        return false;
    }
    for (size_t i = 0; i < a->column_count; i++) {
        if (a->columns[i] != b->columns[i] || !where_type_equal(a->types[i], b->types[i])) {
            return false;
        }
    }
    return true;
}

bool
index_path_value(const struct index_path *path, size_t i, struct where_row *row,
                 struct where_value *value_out, struct err *err)
{
    struct expr column = {
        .kind = EXPR_COLUMN, .column = path->columns[i], .type = path->column_types[i]};
    struct where_value value;
    if (!where_eval_value(&column, row, &value, err)) {
        return false;
    }
    struct where_scratch scratch = {.mem = row->mem, .err = err};
    if (value.is_null || path->kind == PATH_ELEMENT ||
        where_type_equal(path->types[i], column.type)) {
        *value_out = value;
        return true;
    }
    return where_cast_convert(&scratch, column.type, path->types[i], &value, value_out);
}

void
index_key_append(struct where_type type, const struct where_value *value, struct buf *key)
{
    size_t place = key->size;
    (void)buf_grow(key, 4);
    where_value_key(type, value, key);
    wire_put_u32(key->bytes + place, (uint32_t)(key->size - place - 4));
}

/* ---- taking paths from a clause */

static struct index_path *
add_path(struct index_paths *paths, enum path_kind kind)
{
    if (paths->count == paths->capacity) {
        size_t capacity = paths->capacity == 0 ? 4 : 2 * paths->capacity;
        struct index_path *items = arena_alloc(paths->mem, capacity, sizeof *items);
        if (paths->count > 0) {
            memcpy(items, paths->items, paths->count * sizeof *items);
        }
        paths->items = items;
        paths->capacity = capacity;
    }
    struct index_path *path = &paths->items[paths->count++];
    *path = (struct index_path){.kind = kind};
    return path;
}

/* A column, or one behind a cast that Postgres adds by itself. */
static const struct expr *
column_of(const struct expr *expr)
{
    if (expr->kind == EXPR_CONVERT && expr->is_implicit) {
        expr = expr->args[0];
    }
    return expr->kind == EXPR_COLUMN ? expr : NULL;
}

static void
set_column(struct index_path *path, const struct expr *column, struct where_type compared_as)
{
    path->column_count = 1;
    path->columns[0] = column->column;
    path->column_types[0] = column->type;
    path->types[0] = compared_as;
}

static void
set_key(struct index_paths *paths, struct index_path *path, struct where_type type,
        const struct where_value *value)
{
    struct buf key = {0};
    index_key_append(type, value, &key);
    uint8_t *copy = arena_alloc(paths->mem, key.size, 1);
    memcpy(copy, key.bytes, key.size);
    path->key = (struct view){copy, key.size};
    buf_free(&key);
}

static bool
add_equal(struct index_paths *paths, const struct expr *column, struct where_type type,
          const struct where_value *value)
{
    if (paths->count >= PATHS_MAX) {
        return false;
    }
    struct index_path *path = add_path(paths, PATH_EQUAL);
    set_column(path, column, type);
    set_key(paths, path, type, value);
    return true;
}

static bool
add_element(struct index_paths *paths, const struct expr *column, const struct where_value *value)
{
    struct where_type element = {.base = column->type.base, .oid = column->type.oid};
    if (paths->count >= PATHS_MAX) {
        return false;
    }
    struct index_path *path = add_path(paths, PATH_ELEMENT);
    set_column(path, column, element);
    set_key(paths, path, element, value);
    return true;
}

static bool
is_fn(const struct expr *expr, const char *name)
{
    return strcmp(expr->fn->name, name) == 0;
}

/* The comparison seen from the column's side: `5 < n` is `n > 5`. */
static const char *
mirrored(const char *name)
{
    static const char *const pairs[][2] = {{"<", ">"}, {"<=", ">="}, {">", "<"}, {">=", "<="}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (strcmp(name, pairs[i][0]) == 0) {
            return pairs[i][1];
        }
    }
    return name;
}

static bool
add_range(struct index_paths *paths, const struct expr *column, const struct expr *constant,
          const char *operator)
{
    struct index_path *path = add_path(paths, PATH_RANGE);
    struct range_bound bound = {.is_exclusive = operator[1] == '\0', .value = constant->value};
    struct range_bound open = {.is_open = true};
    set_column(path, column, constant->type);
    path->low = operator[0] == '>' ? bound : open;
    path->high = operator[0] == '<' ? bound : open;
    return true;
}

/* 'abc%' and 'abc_x' begin with abc: from abc to the text behind all that begin with it. */
static bool
add_prefix(struct index_paths *paths, const struct expr *column, const struct expr *pattern)
{
    struct view text = pattern->value.text;
    size_t size = 0;
    while (size < text.size && memchr("%_\\", text.bytes[size], 3) == NULL) {
        size++;
    }
    if (size == 0 || column->type.base == WT_BPCHAR) {
        return false;
    }
    uint8_t *behind = arena_alloc(paths->mem, size, 1);
    memcpy(behind, text.bytes, size);
    size_t kept = size;
    while (kept > 0 && behind[kept - 1] == 0xff) {
        kept--;
    }
    struct index_path *path = add_path(paths, PATH_RANGE);
    set_column(path, column, (struct where_type){.base = WT_TEXT});
    path->low = (struct range_bound){.value = {.text = {text.bytes, size}}};
    path->high = (struct range_bound){.is_open = kept == 0, .is_exclusive = true};
    if (kept > 0) {
        behind[kept - 1]++;
        path->key = path->high.value.text = (struct view){behind, kept};
    }
    return true;
}

/* array @> const: it has each element, so it has the first; const <@ array likewise. */
static bool
add_containment(struct index_paths *paths, const struct expr *column, const struct expr *constant,
                bool is_any)
{
    const struct where_array *array = &constant->value.array;
    for (size_t i = 0; i < array->count; i++) {
        if (array->items[i].is_null) {
            continue;
        }
        if (!add_element(paths, column, &array->items[i])) {
            return false;
        }
        if (!is_any) {
            return true;
        }
    }
    return is_any; /* @> of nothing holds for every array; && with nothing holds for none */
}

static bool
call_paths(const struct expr *expr, struct index_paths *paths)
{
    if (expr->arg_count != 2) {
        return false;
    }
    bool column_left = column_of(expr->args[0]) != NULL;
    const struct expr *column = column_of(expr->args[column_left ? 0 : 1]);
    const struct expr *constant = expr->args[column_left ? 1 : 0];
    if (column == NULL || constant->kind != EXPR_CONST) {
        return false;
    }
    if (constant->value.is_null) {
        return (expr->fn->flags & FN_TAKES_NULL) == 0; /* never true: no alternative at all */
    }
    const char *name = column_left ? expr->fn->name : mirrored(expr->fn->name);
    if (expr->fn->kind == FN_ARRAY) {
        bool contains = strcmp(name, column_left ? "@>" : "<@") == 0;
        bool overlaps = strcmp(name, "&&") == 0;
        return (contains || overlaps) && add_containment(paths, column, constant, overlaps);
    }
    if (strcmp(name, "=") == 0) {
        return add_equal(paths, column, constant->type, &constant->value);
    }
    if (strcmp(name, "~~") == 0 && column_left) {
        return add_prefix(paths, column, constant);
    }
    bool is_order =
        (name[0] == '<' || name[0] == '>') && (name[1] == '\0' || strcmp(name + 1, "=") == 0);
    return is_order && !constant->type.is_array && add_range(paths, column, constant, name);
}

/* col = ANY(const): one of its elements. const = ANY(col): the column's array has it. */
static bool
any_paths(const struct expr *expr, struct index_paths *paths)
{
    const struct expr *left = expr->args[0];
    const struct expr *array = expr->args[1];
    if (!is_fn(expr, "=")) {
        return false;
    }
    if (left->kind == EXPR_CONST && array->kind == EXPR_COLUMN) {
        struct where_type element = {.base = array->type.base, .oid = array->type.oid};
        if (left->value.is_null) {
            return true;
        }
        return where_type_equal(left->type, element) && add_element(paths, array, &left->value);
    }
    const struct expr *column = column_of(left);
    if (column == NULL || array->kind != EXPR_CONST) {
        return false;
    }
    struct where_type type = {.base = array->type.base, .oid = array->type.oid};
    for (size_t i = 0; !array->value.is_null && i < array->value.array.count; i++) {
        const struct where_value *item = &array->value.array.items[i];
        if (!item->is_null && !add_equal(paths, column, type, item)) {
            return false;
        }
    }
    return true;
}

static bool
bool_path(const struct expr *column, bool boolean, struct index_paths *paths)
{
    struct where_value value = {.boolean = boolean};
    bool is_bool =
        column->kind == EXPR_COLUMN && column->type.base == WT_BOOL && !column->type.is_array;
    return is_bool && add_equal(paths, column, column->type, &value);
}

static bool
null_path(const struct expr *expr, struct index_paths *paths)
{
    const struct expr *column = expr->args[0];
    if (expr->is_negated || column->kind != EXPR_COLUMN) {
        return false;
    }
    set_column(add_path(paths, PATH_NULL), column, column->type);
    return true;
}

static bool
or_paths(const struct expr *expr, struct index_paths *paths)
{
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!index_paths_of(expr->args[i], paths)) {
            return false;
        }
    }
    return true;
}

/* ---- AND: the best of its parts, equalities joined, ranges on one column met */

static int
rank(const struct index_paths *paths)
{
    if (paths->count == 0) {
        return 100; /* never true: nothing is better */
    }
    enum path_kind kind = paths->items[0].kind;
    int one = kind == PATH_EQUAL ? 60 : kind == PATH_ELEMENT ? 50 : kind == PATH_RANGE ? 30 : 20;
    return paths->count == 1 ? one : one - 5;
}

static void
join_equal(struct index_paths *paths, struct index_path *all, const struct index_path *one)
{
    size_t place = all->column_count;
    for (size_t i = 0; i < all->column_count; i++) {
        if (all->columns[i] == one->columns[0]) {
            return; /* n = 1 AND n = 2: either will do */
        }
        if (place == all->column_count && all->columns[i] > one->columns[0]) {
            place = i;
        }
    }
    if (all->column_count == PATH_COLUMNS_MAX) {
        return;
    }
    size_t before = 0; /* bytes of the key in front of the new part */
    for (size_t i = 0; i < place; i++) {
        before += 4 + wire_get_u32(all->key.bytes + before);
    }
    uint8_t *key = arena_alloc(paths->mem, all->key.size + one->key.size, 1);
    memcpy(key, all->key.bytes, before);
    memcpy(key + before, one->key.bytes, one->key.size);
    memcpy(key + before + one->key.size, all->key.bytes + before, all->key.size - before);
    for (size_t i = all->column_count; i > place; i--) {
        all->columns[i] = all->columns[i - 1];
        all->column_types[i] = all->column_types[i - 1];
        all->types[i] = all->types[i - 1];
    }
    all->columns[place] = one->columns[0];
    all->column_types[place] = one->column_types[0];
    all->types[place] = one->types[0];
    all->column_count++;
    all->key = (struct view){key, all->key.size + one->key.size};
}

static void
meet_ranges(struct index_path *all, const struct index_path *one)
{
    if (!index_path_is_same_kind(all, one)) {
        return;
    }
    all->low = all->low.is_open ? one->low : all->low;
    all->high = all->high.is_open ? one->high : all->high;
}

static bool
and_paths(const struct expr *expr, struct index_paths *paths)
{
    struct index_paths best = {.mem = paths->mem};
    bool found = false;
    for (size_t i = 0; i < expr->arg_count; i++) {
        struct index_paths part = {.mem = paths->mem};
        if (!index_paths_of(expr->args[i], &part)) {
            continue;
        }
        bool both_one = found && best.count == 1 && part.count == 1;
        if (both_one && best.items[0].kind == PATH_EQUAL && part.items[0].kind == PATH_EQUAL) {
            join_equal(paths, &best.items[0], &part.items[0]);
        } else if (both_one && best.items[0].kind == PATH_RANGE &&
                   part.items[0].kind == PATH_RANGE) {
            meet_ranges(&best.items[0], &part.items[0]);
        } else if (!found || rank(&part) > rank(&best)) {
            best = part;
        }
        found = true;
    }
    for (size_t i = 0; i < best.count; i++) {
        *add_path(paths, best.items[i].kind) = best.items[i];
    }
    return found && paths->count <= PATHS_MAX;
}

bool
index_paths_of(const struct expr *expr, struct index_paths *paths)
{
    switch ((int)expr->kind) {
    case EXPR_CONST: /* NULL and FALSE are true for no row */
        return expr->value.is_null || !expr->value.boolean;
    case EXPR_COLUMN:
        return bool_path(expr, true, paths);
    case EXPR_NOT:
        return bool_path(expr->args[0], false, paths);
    case EXPR_IS_TRUE:
        return !expr->is_negated && index_paths_of(expr->args[0], paths);
    case EXPR_IS_FALSE:
        return !expr->is_negated && bool_path(expr->args[0], false, paths);
    case EXPR_IS_NULL:
        return null_path(expr, paths);
    case EXPR_CALL:
        return call_paths(expr, paths);
    case EXPR_ANY:
        return any_paths(expr, paths);
    case EXPR_OR:
        return or_paths(expr, paths);
    case EXPR_AND:
        return and_paths(expr, paths);
    default:
        return false;
    }
}
