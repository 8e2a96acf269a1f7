#include "common/core/index_condition.h"

#include <string.h>

#include "common/core/index_key.h"
#include "common/core/where_code.h"
#include "common/core/where_fn.h"
#include "common/core/where_json.h"

struct index_path *
index_paths_add(struct index_paths *paths, enum path_kind kind)
{
    if (paths->count == paths->capacity) {
        size_t capacity = paths->capacity == 0 ? 1 : 2 * paths->capacity;
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

/* ---- parts of a path */

static struct view
keep(struct index_paths *paths, struct buf *bytes)
{
    uint8_t *copy = arena_alloc(paths->mem, bytes->size + 1, 1);
    if (bytes->size > 0) {
        memcpy(copy, bytes->bytes, bytes->size);
    }
    struct view kept = {copy, bytes->size};
    buf_free(bytes);
    return kept;
}

static struct index_path *
add_path(struct index_paths *paths, enum path_kind kind, const struct expr *source)
{
    struct buf code = {0};
    struct index_path *path = index_paths_add(paths, kind);
    where_encode(source, &code);
    path->source_count = 1;
    path->sources[0] = source;
    path->codes[0] = keep(paths, &code);
    return path;
}

static struct view
key_of(struct index_paths *paths, struct where_type type, const struct where_value *value)
{
    struct buf key = {0};
    index_key_append(type, value, &key);
    return keep(paths, &key);
}

static bool
has_room(const struct index_paths *paths)
{
    return paths->count < PATHS_MAX;
}

static bool
add_equal(struct index_paths *paths, const struct expr *source, struct where_type type,
          const struct where_value *value)
{
    if (!has_room(paths) || !index_key_is_faithful(source->type) ||
        !index_key_same_kind(source->type, type)) {
        return false;
    }
    struct index_path *path = add_path(paths, PATH_EQUAL, source);
    path->keys[0] = key_of(paths, source->type, value);
    return true;
}

static struct where_type
element_type(struct where_type array)
{
    return (struct where_type){.base = array.base, .oid = array.oid};
}

static bool
add_element(struct index_paths *paths, const struct expr *source, struct where_type type,
            const struct where_value *value)
{
    struct where_type element = element_type(source->type);
    if (!has_room(paths) || !index_key_is_faithful(element) ||
        !index_key_same_kind(element, type)) {
        return false;
    }
    struct index_path *path = add_path(paths, PATH_ELEMENT, source);
    path->keys[0] = key_of(paths, element, value);
    return true;
}

/* ---- comparison with a constant */

static bool
is_fn(const struct expr *expr, const char *name)
{
    return strcmp(expr->fn->name, name) == 0;
}

/* The comparison seen from the other side: `5 < n` is `n > 5`. */
static const char *
mirrored(const char *name)
{
    static const char *const pairs[][2] = {{"<", ">"},   {"<=", ">="}, {">", "<"},
                                           {">=", "<="}, {"@>", "<@"}, {"<@", "@>"}};
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        if (strcmp(name, pairs[i][0]) == 0) {
            return pairs[i][1];
        }
    }
    return name;
}

static bool
add_range(struct index_paths *paths, const struct expr *source, const struct expr *constant,
          const char *operator)
{
    if (!index_word_exists(source->type) || !index_key_same_kind(source->type, constant->type)) {
        return false;
    }
    bool is_exact = index_word_is_exact(source->type);
    bool is_exclusive = operator[1] == '\0';
    bool is_above = operator[0] == '>';
    uint64_t word = index_word(source->type, &constant->value);
    if (is_exact && is_exclusive) {
        if (word == (is_above ? UINT64_MAX : 0)) {
            return true; /* nothing is beyond: true for no row */
        }
        word = is_above ? word + 1 : word - 1;
    }
    struct index_path *path = add_path(paths, PATH_RANGE, source);
    path->low = is_above ? word : 0;
    path->high = is_above ? UINT64_MAX : word;
    paths->is_exact = is_exact;
    return true;
}

/* array @> const has each of its elements, so it has the first; && has one of them. */
static bool
add_containment(struct index_paths *paths, const struct expr *source, const struct expr *constant,
                bool is_any)
{
    const struct where_array *array = &constant->value.array;
    paths->is_exact = is_any || array->count == 1;
    for (size_t i = 0; i < array->count; i++) {
        if (array->items[i].is_null) {
            if (!is_any) {
                paths->count = 0;
                return true; /* NULL is in no array */
            }
            continue;
        }
        if ((is_any || paths->count == 0) &&
            !add_element(paths, source, element_type(constant->type), &array->items[i])) {
            return false;
        }
    }
    return is_any || array->count > 0; /* @> of nothing holds for every array */
}

/* ---- LIKE: the longest run of bytes that the text must have as they are */

struct run {
    struct buf bytes;
    bool is_start; /* nothing stands before it */
    bool is_rest;  /* one % stands behind it, and nothing else */
};

static void
take_run(struct view pattern, size_t *pos, struct run *run)
{
    buf_clear(&run->bytes);
    run->is_start = *pos == 0;
    while (*pos < pattern.size && pattern.bytes[*pos] != '%' && pattern.bytes[*pos] != '_') {
        *pos += pattern.bytes[*pos] == '\\' && *pos + 1 < pattern.size;
        buf_append_byte(&run->bytes, pattern.bytes[(*pos)++]);
    }
    run->is_rest = *pos + 1 == pattern.size && pattern.bytes[*pos] == '%';
}

static void
fold(struct buf *bytes)
{
    for (size_t i = 0; i < bytes->size; i++) {
        bool is_capital = bytes->bytes[i] >= 'A' && bytes->bytes[i] <= 'Z';
        bytes->bytes[i] = is_capital ? bytes->bytes[i] | 0x20 : bytes->bytes[i];
    }
}

static bool
add_like(struct index_paths *paths, const struct expr *source, struct view pattern, bool is_folded)
{
    struct run best = {0};
    struct run run = {0};
    size_t pos = 0;
    size_t escapes = 0;
    while (escapes < pattern.size && pattern.bytes[pattern.size - 1 - escapes] == '\\') {
        escapes++;
    }
    if (escapes % 2 == 1) {
        return false; /* raises an error for every row */
    }
    while (pos < pattern.size) {
        take_run(pattern, &pos, &run);
        bool is_better = run.bytes.size > best.bytes.size &&
                         !(best.is_start && best.bytes.size > 0 && !is_folded);
        if (is_better) {
            struct run swapped = best;
            best = run;
            run = swapped;
        }
        pos++; /* the % or _ behind it */
    }
    buf_free(&run.bytes);
    bool is_prefix = best.is_start && !is_folded;
    paths->is_exact = is_prefix && best.is_rest;
    bool ok = best.bytes.size > 0 && has_room(paths) && source->type.base != WT_BPCHAR;
    if (ok) {
        struct index_path *path = add_path(paths, is_prefix ? PATH_PREFIX : PATH_PART, source);
        path->is_folded = is_folded;
        if (is_folded) {
            fold(&best.bytes);
        }
        path->keys[0] = keep(paths, &best.bytes);
    }
    buf_free(&best.bytes);
    return ok;
}

/* ---- jsonb */

static bool
add_name(struct index_paths *paths, const struct expr *source, struct view name)
{
    if (!has_room(paths)) {
        return false;
    }
    struct index_path *path = add_path(paths, PATH_NAME, source);
    path->keys[0] = name;
    return true;
}

/* ? 'a', ?| array: one of them; ?& array: all, so the first. */
static bool
add_names(struct index_paths *paths, const struct expr *source, const struct where_array *names,
          bool is_any)
{
    size_t taken = 0;
    for (size_t i = 0; i < names->count; i++) {
        if (!names->items[i].is_null && (is_any || taken++ == 0) &&
            !add_name(paths, source, names->items[i].text)) {
            return false;
        }
    }
    paths->is_exact = is_any || taken == 1;
    return is_any || taken > 0;
}

/* The expression `source #> '{a,b}'`: what stands in the document where `path` leads. */
static const struct expr *
document_at(struct index_paths *paths, const struct expr *source, const struct where_value *path,
            size_t depth)
{
    static const char name[] = "#>";
    if (depth == 0) {
        return source;
    }
    const struct where_fn *fn = NULL;
    for (uint32_t i = 0; i < where_fn_count && fn == NULL; i++) {
        bool fits = strcmp(where_fns[i].name, name) == 0 && where_fns[i].args[0] == WT_JSONB;
        fn = fits ? &where_fns[i] : NULL;
    }
    ASSERT(fn != NULL);
    struct expr *constant = arena_alloc(paths->mem, 1, sizeof *constant);
    struct expr *call = arena_alloc(paths->mem, 1, sizeof *call);
    struct where_value *items = arena_alloc(paths->mem, depth, sizeof *items);
    memcpy(items, path, depth * sizeof *items);
    constant->type = (struct where_type){.base = WT_TEXT, .is_array = true};
    constant->value.array = (struct where_array){
        .count = depth, .dimension_count = 1, .dimensions = {depth}, .items = items};
    call->kind = EXPR_CALL;
    call->type = (struct where_type){.base = WT_JSONB};
    call->fn = fn;
    call->arg_count = 2;
    call->args = arena_alloc(paths->mem, 2, sizeof *call->args);
    call->args[0] = (struct expr *)(uintptr_t)source;
    call->args[1] = constant;
    return call;
}

/* Deeper than that a document is found by a key further up. */
#define JSON_PATH_MAX 16

/*
 * data @> '{"a": {"b": 1}}' has 1 where {a,b} leads, and data @> '{"tags": ["x"]}' the string x in
 * the array there. Along the first keys only: what else is asked is evaluated.
 */
static bool
add_document(struct index_paths *paths, const struct expr *source, const struct json_node *node)
{
    struct where_value path[JSON_PATH_MAX];
    size_t depth = 0;
    while (node->kind == JSON_OBJECT && node->first != NULL && depth < JSON_PATH_MAX) {
        const struct json_node *member = node->first;
        path[depth++] = (struct where_value){.text = member->key};
        node = member;
    }
    paths->is_exact = false; /* a path also leads into arrays, by numbers */
    if (node->kind == JSON_ARRAY) {
        const struct json_node *element = node->first;
        while (element != NULL && element->kind != JSON_STRING) {
            element = element->next;
        }
        if (element != NULL) {
            return add_name(paths, document_at(paths, source, path, depth), element->text);
        }
    }
    if (node->kind == JSON_ARRAY || node->kind == JSON_OBJECT) {
        return depth > 0 &&
               add_name(paths, document_at(paths, source, path, depth - 1), path[depth - 1].text);
    }
    if (depth == 0) {
        return false; /* a scalar is in itself and in arrays */
    }
    struct where_value value = {.json = {.root = node, .text = node->raw}};
    return add_equal(paths, document_at(paths, source, path, depth), source->type, &value);
}

static bool
json_condition(struct index_paths *paths, const struct expr *source, const struct expr *constant,
               const char *name)
{
    if (strcmp(name, "@>") == 0) {
        return add_document(paths, source, constant->value.json.root);
    }
    if (strcmp(name, "?") == 0) {
        return add_name(paths, source, constant->value.text);
    }
    if (strcmp(name, "?|") == 0 || strcmp(name, "?&") == 0) {
        return add_names(paths, source, &constant->value.array, name[1] == '|');
    }
    return false;
}

/* ---- calls */

static bool
is_order(const char *name)
{
    return (name[0] == '<' || name[0] == '>') && (name[1] == '\0' || strcmp(name + 1, "=") == 0);
}

static bool
call_condition(const struct expr *expr, struct index_paths *paths)
{
    if (expr->arg_count != 2) {
        return false;
    }
    bool is_left = expr->args[1]->kind == EXPR_CONST;
    const struct expr *source = expr->args[is_left ? 0 : 1];
    const struct expr *constant = expr->args[is_left ? 1 : 0];
    if (constant->kind != EXPR_CONST || source->kind == EXPR_CONST) {
        return false;
    }
    if (constant->value.is_null) {
        return (expr->fn->flags & FN_TAKES_NULL) == 0; /* never true: no alternative at all */
    }
    const char *name = is_left ? expr->fn->name : mirrored(expr->fn->name);
    if (expr->fn->kind == FN_ARRAY) {
        bool overlaps = strcmp(name, "&&") == 0;
        return (overlaps || strcmp(name, "@>") == 0) &&
               add_containment(paths, source, constant, overlaps);
    }
    if (strcmp(name, "=") == 0) {
        return add_equal(paths, source, constant->type, &constant->value);
    }
    if (is_order(name)) {
        return add_range(paths, source, constant, name);
    }
    bool is_like = strcmp(name, "~~") == 0 || strcmp(name, "like") == 0;
    bool is_ilike = strcmp(name, "~~*") == 0 || strcmp(name, "ilike") == 0;
    if (is_left && (is_like || is_ilike)) {
        return add_like(paths, source, constant->value.text, is_ilike);
    }
    if (strcmp(name, "starts_with") == 0 && is_left && constant->value.text.size > 0) {
        add_path(paths, PATH_PREFIX, source)->keys[0] = constant->value.text;
        return source->type.base != WT_BPCHAR;
    }
    bool is_jsonb = !source->type.is_array && source->type.base == WT_JSONB;
    return is_jsonb && (is_left || strcmp(name, "@>") == 0) &&
           json_condition(paths, source, constant, name);
}

/* source = ANY(const): one of its elements. const = ANY(source): the array has it. */
static bool
any_condition(const struct expr *expr, struct index_paths *paths)
{
    const struct expr *left = expr->args[0];
    const struct expr *array = expr->args[1];
    if (!is_fn(expr, "=")) {
        return false;
    }
    if (left->kind == EXPR_CONST && array->kind != EXPR_CONST) {
        return left->value.is_null || add_element(paths, array, left->type, &left->value);
    }
    if (left->kind == EXPR_CONST || array->kind != EXPR_CONST) {
        return false;
    }
    for (size_t i = 0; !array->value.is_null && i < array->value.array.count; i++) {
        const struct where_value *item = &array->value.array.items[i];
        if (!item->is_null && !add_equal(paths, left, element_type(array->type), item)) {
            return false;
        }
    }
    return true;
}

static bool
bool_condition(const struct expr *column, bool boolean, struct index_paths *paths)
{
    struct where_value value = {.boolean = boolean};
    return column->kind == EXPR_COLUMN && add_equal(paths, column, column->type, &value);
}

static bool
null_condition(const struct expr *column, struct index_paths *paths)
{
    return column->kind == EXPR_COLUMN && has_room(paths) &&
           add_path(paths, PATH_NULL, column) != NULL;
}

/* IS NOT DISTINCT FROM a constant is an equality, or IS NULL. */
static bool
distinct_condition(const struct expr *expr, struct index_paths *paths)
{
    bool is_left = expr->args[1]->kind == EXPR_CONST;
    const struct expr *source = expr->args[is_left ? 0 : 1];
    const struct expr *constant = expr->args[is_left ? 1 : 0];
    if (!expr->is_negated || constant->kind != EXPR_CONST || source->kind == EXPR_CONST) {
        return false;
    }
    return constant->value.is_null ? null_condition(source, paths)
                                   : add_equal(paths, source, constant->type, &constant->value);
}

bool
index_condition(const struct expr *expr, struct index_paths *paths)
{
    switch ((int)expr->kind) {
    case EXPR_CONST: /* NULL and FALSE are true for no row */
        return expr->value.is_null || !expr->value.boolean;
    case EXPR_COLUMN:
        return bool_condition(expr, true, paths);
    case EXPR_NOT:
        return bool_condition(expr->args[0], false, paths);
    case EXPR_IS_FALSE:
        return !expr->is_negated && bool_condition(expr->args[0], false, paths);
    case EXPR_IS_NULL:
        return !expr->is_negated && null_condition(expr->args[0], paths);
    case EXPR_DISTINCT:
        return distinct_condition(expr, paths);
    case EXPR_CALL:
        return call_condition(expr, paths);
    case EXPR_ANY:
        return any_condition(expr, paths);
    default:
        return false;
    }
}
