/* What takes several values of one type: lists, IN, ANY and ALL. */
#include <string.h>

#include "common/core/where_build.h"
#include "common/core/where_cast.h"
#include "common/core/where_fn.h"
#include "common/core/where_resolve.h"

/* Postgres' select_common_type: the first type that is known, unless it can only become a later
 * one. */
static bool
find_common_type(struct expr *const *args, size_t count, struct where_type *type,
                 struct where_type *other)
{
    *type = (struct where_type){.base = WT_UNKNOWN};
    for (size_t i = 0; i < count; i++) {
        *other = args[i]->type;
        if (other->base == WT_UNKNOWN || where_type_equal(*other, *type)) {
            continue;
        }
        if (type->base != WT_UNKNOWN && !where_is_one_category(type->base, other->base)) {
            return false; /* time becomes interval, but not as one of several */
        }
        bool is_wider = type->base != WT_UNKNOWN && where_cast_is_implicit(*other, *type);
        if (type->base == WT_UNKNOWN || (where_cast_is_implicit(*type, *other) && !is_wider)) {
            *type = *other;
        } else if (!is_wider) {
            return false;
        }
    }
    if (type->base == WT_UNKNOWN) {
        type->base = WT_TEXT;
    }
    return true;
}

bool
where_common_type(struct where_builder *b, const char *what, struct expr **args, size_t count,
                  struct where_type *type_out, int32_t location)
{
    struct where_type other;
    if (!find_common_type(args, count, type_out, &other)) {
        where_fail(b, location, "%s types %s and %s cannot be matched", what,
                   where_type_name(*type_out), where_type_name(other));
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        args[i] = where_coerce(b, args[i], *type_out);
        if (args[i] == NULL) {
            return false;
        }
    }
    return true;
}

/* The constants of an IN list get one type with the left side, where there is one. */
static bool
unify_constants(struct where_builder *b, struct expr *left, struct expr **items, size_t count)
{
    struct expr **known = arena_alloc(b->mem, count + 1, sizeof(struct expr *));
    size_t known_count = 1;
    struct where_type type;
    struct where_type other;
    known[0] = left;
    for (size_t i = 0; i < count; i++) {
        if (items[i]->kind == EXPR_CONST) {
            known[known_count++] = items[i];
        }
    }
    if (known_count < 3 || !find_common_type(known, known_count, &type, &other)) {
        return true; /* one constant, or none in common: each compares for itself */
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = items[i]->kind == EXPR_CONST ? where_coerce(b, items[i], type) : items[i];
        if (items[i] == NULL) {
            return false;
        }
    }
    return true;
}

static struct expr *
array_of(struct where_builder *b, struct expr *const *items, size_t count, int32_t location)
{
    struct expr *array = where_make(b, EXPR_ARRAY, location, count);
    memcpy(array->args, items, count * sizeof *items);
    array->type = items[0]->type;
    array->type.is_array = true;
    return where_fold(b, array);
}

/* The comparisons of an IN list all mean one function on one left side, or it stays an OR of them.
 */
struct expr *
where_make_in(struct where_builder *b, struct expr *left, struct expr **items, size_t count,
              int32_t location)
{
    struct expr **equals = arena_alloc(b->mem, count + 1, sizeof(struct expr *));
    bool is_one_function = true;
    if (!unify_constants(b, left, items, count)) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        equals[i] = where_make_operator(b, view_str("="), left, items[i], location);
        if (equals[i] == NULL) {
            return NULL;
        }
        is_one_function = is_one_function && equals[i]->kind == EXPR_CALL &&
                          equals[i]->args[0] == left && equals[i]->args[1]->kind == EXPR_CONST &&
                          equals[i]->fn == equals[0]->fn && !left->type.is_array;
    }
    if (count == 1) {
        return equals[0];
    }
    if (!is_one_function) {
        struct expr *either = where_make(b, EXPR_OR, location, count);
        either->type.base = WT_BOOL;
        memcpy(either->args, equals, count * sizeof *equals);
        return where_fold(b, either);
    }
    for (size_t i = 0; i < count; i++) {
        items[i] = equals[i]->args[1];
    }
    struct expr *array = array_of(b, items, count, location);
    struct expr *expr = array == NULL ? NULL : where_make(b, EXPR_ANY, location, 2);
    if (expr != NULL) {
        expr->fn = equals[0]->fn;
        expr->type.base = WT_BOOL;
        expr->args[0] = left;
        expr->args[1] = array;
    }
    return expr;
}

/* What an array literal without a type is: of what the operator takes beside the left side. */
static struct where_type
array_for(struct view name, struct where_type left)
{
    const struct where_type types[2] = {left, {.base = WT_UNKNOWN}};
    const struct where_fn *fn;
    struct where_type type = left.base == WT_UNKNOWN ? (struct where_type){.base = WT_TEXT} : left;
    if (left.base != WT_ENUM && !left.is_array &&
        where_resolve(name, FN_OPERATOR, types, 2, &fn) == RESOLVED) {
        type = (struct where_type){.base = fn->args[1]};
    }
    type.is_array = true;
    return type;
}

static bool
check_patterns(struct where_builder *b, const struct where_fn *fn, const struct expr *array)
{
    if (array->kind != EXPR_CONST || array->value.is_null || array->type.base != WT_TEXT) {
        return true;
    }
    for (size_t i = 0; i < array->value.array.count; i++) {
        const struct where_value *item = &array->value.array.items[i];
        if (!item->is_null && !where_check_ilike(b, fn, item->text, array->location)) {
            return false;
        }
    }
    return true;
}

/* Elements of a constant array as another type; an array that is computed stays what it is. */
static struct expr *
coerce_array(struct where_builder *b, struct expr *array, struct where_type type)
{
    struct where_type from = {.base = array->type.base, .oid = array->type.oid};
    struct where_type to = {.base = type.base, .oid = type.oid};
    if (array->kind != EXPR_CONST || array->value.is_null || !where_cast_is_implicit(from, to)) {
        return where_fail(b, array->location, "Could not select an operator overload");
    }
    struct expr *converted = where_make(b, EXPR_CONST, array->location, 0);
    struct where_value *items = arena_alloc(b->mem, array->value.array.count + 1, sizeof *items);
    struct where_scratch scratch = {.mem = b->mem, .err = b->err, .arg_type = from};
    for (size_t i = 0; i < array->value.array.count; i++) {
        items[i] = array->value.array.items[i];
        if (!items[i].is_null &&
            !where_cast_convert(&scratch, from, to, &array->value.array.items[i], &items[i])) {
            return where_fail_err(b, array->location);
        }
    }
    converted->type = type;
    converted->value = array->value;
    converted->value.array.items = items;
    return converted;
}

struct expr *
where_make_any(struct where_builder *b, enum expr_kind kind, struct view name, struct expr *left,
               struct expr *right, int32_t location)
{
    if (right->type.base == WT_UNKNOWN && !right->type.is_array) {
        right = where_coerce(b, right, array_for(name, left->type));
        if (right == NULL) {
            return NULL;
        }
    }
    if (!right->type.is_array) {
        return where_fail(b, location, "argument of %s must be an array",
                          kind == EXPR_ANY ? "ANY" : "ALL");
    }
    /* A stand-in for an element: it has the type, and no value that could be folded. */
    struct expr *element = where_make(b, EXPR_COLUMN, location, 0);
    element->type = right->type;
    element->type.is_array = false;
    struct expr *one = where_make_operator(b, name, left, element, location);
    if (one == NULL) {
        return NULL;
    }
    if (one->kind != EXPR_CALL || one->type.base != WT_BOOL || one->arg_count != 2) {
        return where_fail(b, location, "Could not select an operator overload");
    }
    struct where_type wanted = one->args[1]->type;
    wanted.is_array = true;
    if (one->args[1] != element) {
        right = coerce_array(b, right, wanted);
    }
    if (right == NULL) {
        return NULL;
    }
    if (!check_patterns(b, one->fn, right)) {
        return NULL;
    }
    struct expr *expr = where_make(b, kind, location, 2);
    expr->fn = one->fn;
    expr->type.base = WT_BOOL;
    expr->args[0] = one->args[0];
    expr->args[1] = right;
    return where_fold(b, expr);
}
