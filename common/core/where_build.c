#include "common/core/where_build.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/core/where_cast.h"
#include "common/core/where_datetime.h"
#include "common/core/where_eval.h"
#include "common/core/where_ops.h"
#include "common/core/where_resolve.h"
#include "common/core/where_utf8.h"

struct expr *
where_fail(struct where_builder *b, int32_t location, const char *fmt, ...)
{
    char text[ERR_MSG_SIZE];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    int32_t shown = location - b->prefix;
    err_set(b->err, ERR_INVALID, "At location %d: %s", shown > 0 ? shown : 0, text);
    return NULL;
}

struct expr *
where_fail_err(struct where_builder *b, int32_t location)
{
    struct err inner = *b->err;
    return where_fail(b, location, "%s", inner.msg);
}

struct expr *
where_make(struct where_builder *b, enum expr_kind kind, int32_t location, size_t arg_count)
{
    struct expr *expr = arena_alloc(b->mem, 1, sizeof *expr);
    expr->kind = kind;
    expr->location = location;
    expr->arg_count = arg_count;
    expr->args = arena_alloc(b->mem, arg_count + 1, sizeof(struct expr *));
    return expr;
}

struct expr *
where_make_bool(struct where_builder *b, int32_t location, bool boolean)
{
    struct expr *expr = where_make(b, EXPR_CONST, location, 0);
    expr->type.base = WT_BOOL;
    expr->value.boolean = boolean;
    return expr;
}

struct expr *
where_make_not(struct where_builder *b, struct expr *arg)
{
    struct expr *expr = where_make(b, EXPR_NOT, arg->location, 1);
    expr->type.base = WT_BOOL;
    expr->args[0] = arg;
    return where_fold(b, expr);
}

/* Postgres never evaluates the other arguments of such a call, whatever errors they would raise. */
static bool
is_null_call(const struct expr *expr)
{
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (expr->kind == EXPR_CALL && (expr->fn->flags & FN_TAKES_NULL) == 0 &&
            expr->args[i]->kind == EXPR_CONST && expr->args[i]->value.is_null) {
            return true;
        }
    }
    return false;
}

struct expr *
where_fold(struct where_builder *b, struct expr *expr)
{
    if (is_null_call(expr)) {
        struct expr *null = where_make(b, EXPR_CONST, expr->location, 0);
        null->type = expr->type;
        null->value.is_null = true;
        return null;
    }
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (expr->args[i]->kind != EXPR_CONST) {
            return expr;
        }
    }
    struct where_row nothing = {.mem = b->mem};
    struct expr *folded = where_make(b, EXPR_CONST, expr->location, 0);
    folded->type = expr->type;
    if (!where_eval_value(expr, &nothing, &folded->value, b->err)) {
        return where_fail_err(b, expr->location);
    }
    return folded;
}

/* ---- coercion */

/* A parameter that is used as two types has no one text that both could read. */
static bool
remember_param_type(struct where_builder *b, const struct expr *expr, struct where_type type)
{
    if (expr->column == 0) {
        return true;
    }
    struct where_type *first = &b->param_types[expr->column - 1];
    if (first->base == WT_UNKNOWN) {
        *first = type;
    }
    if (!where_type_equal(*first, type)) {
        where_fail(b, expr->location, "type conflict for $%u: %s and %s", expr->column,
                   where_type_name(*first), where_type_name(type));
        return false;
    }
    return true;
}

static struct expr *
read_literal(struct where_builder *b, struct expr *expr, struct where_type type)
{
    if (!remember_param_type(b, expr, type)) {
        return NULL;
    }
    struct expr *typed = where_make(b, EXPR_CONST, expr->location, 0);
    typed->type = type;
    typed->value.is_null = expr->value.is_null;
    bool is_moment = type.base == WT_TIMESTAMPTZ && !type.is_array && !expr->value.is_null;
    if (is_moment && !datetime_has_offset(expr->value.text)) { /* a session would have to say it */
        return where_fail(b, expr->location, "invalid syntax for type timestamptz: %.*s",
                          (int)(expr->value.text.size < 128 ? expr->value.text.size : 128),
                          (const char *)expr->value.text.bytes);
    }
    if (!expr->value.is_null &&
        !where_value_parse(type, expr->value.text, b->mem, &typed->value, b->err)) {
        return where_fail_err(b, expr->location);
    }
    bool is_label = type.base == WT_ENUM && !typed->value.is_null;
    return is_label && !where_check_label(b, type, &typed->value, expr->location) ? NULL : typed;
}

static struct expr *
convert(struct where_builder *b, struct expr *expr, struct where_type type, bool is_implicit)
{
    struct expr *converted = where_make(b, EXPR_CONVERT, expr->location, 1);
    converted->type = type;
    converted->is_implicit = is_implicit;
    converted->args[0] = expr;
    return where_fold(b, converted);
}

struct expr *
where_coerce(struct where_builder *b, struct expr *expr, struct where_type type)
{
    if (where_type_equal(expr->type, type)) {
        return expr;
    }
    if (expr->type.base == WT_UNKNOWN && !expr->type.is_array) {
        return read_literal(b, expr, type);
    }
    if (where_cast_is_implicit(expr->type, type)) {
        return convert(b, expr, type, true);
    }
    return where_fail(b, expr->location, "unknown cast from type %s to type %s",
                      where_type_name(expr->type), where_type_name(type));
}

static bool
is_text_like(struct where_type type)
{
    return !type.is_array && (type.base == WT_TEXT || type.base == WT_VARCHAR ||
                              type.base == WT_BPCHAR || type.base == WT_NAME);
}

struct expr *
where_make_cast(struct where_builder *b, struct expr *arg, struct where_type type, int32_t location)
{
    if (where_type_equal(arg->type, type)) {
        return arg;
    }
    if (arg->type.base == WT_UNKNOWN && !arg->type.is_array) {
        return read_literal(b, arg, type);
    }
    if (where_cast_exists(arg->type, type)) {
        return convert(b, arg, type, false);
    }
    enum expr_kind kind;
    if (is_text_like(type)) {
        kind = EXPR_TO_TEXT;
    } else if (is_text_like(arg->type)) {
        kind = EXPR_FROM_TEXT;
    } else {
        return where_fail(b, location, "unknown cast from type %s to type %s",
                          where_type_name(arg->type), where_type_name(type));
    }
    struct expr *expr = where_make(b, kind, location, 1);
    expr->type = type;
    expr->args[0] = arg;
    return where_fold(b, expr);
}

/* ---- operators */

bool
where_check_ilike(struct where_builder *b, const struct where_fn *fn, struct view pattern,
                  int32_t location)
{
    bool is_ilike = fn->impl == text_ilike || fn->impl == text_not_ilike;
    if (is_ilike && utf8_any_case(pattern)) {
        where_fail(b, location,
                   "ILIKE is not supported for letters beyond ASCII: how they fold depends on the "
                   "database's collation");
        return false;
    }
    return true;
}

/* What a pattern that is known must be: a regular expression of our kind, and for ILIKE one whose
 * characters fold without a database's collation. */
static bool
check_pattern(struct where_builder *b, struct expr *call)
{
    if ((call->fn->flags & FN_REGEX) != 0) {
        return where_fn_compile(call, b->mem, b->err) ||
               where_fail_err(b, call->args[1]->location) != NULL;
    }
    const struct expr *pattern = call->args[call->arg_count - 1];
    return pattern->kind != EXPR_CONST || pattern->value.is_null ||
           where_check_ilike(b, call->fn, pattern->value.text, pattern->location);
}

static struct expr *
make_call(struct where_builder *b, const struct where_fn *fn, struct expr *const *args,
          size_t arg_count, int32_t location)
{
    if (fn->impl == NULL) {
        return where_fail(b, location, "this form of %s is not supported", fn->name);
    }
    struct expr *expr = where_make(b, EXPR_CALL, location, arg_count);
    expr->fn = fn;
    expr->type.base = fn->result;
    for (size_t i = 0; i < arg_count; i++) {
        struct where_type wanted = where_fn_arg(fn, i);
        wanted.oid = wanted.base == WT_ENUM ? args[0]->type.oid : 0;
        expr->args[i] = where_coerce(b, args[i], wanted);
        if (expr->args[i] == NULL) {
            return NULL;
        }
    }
    return check_pattern(b, expr) ? where_fold(b, expr) : NULL;
}

static bool
is_unary_fn(struct view name)
{
    return view_is(name, "+") || view_is(name, "-") || view_is(name, "@") || view_is(name, "~") ||
           view_is(name, "|/");
}

static struct expr *
unknown_operator(struct where_builder *b, struct view name, bool is_binary, int32_t location)
{
    return where_fail(b, location, "unknown %s operator \"%.*s\"", is_binary ? "binary" : "unary",
                      (int)name.size, (const char *)name.bytes);
}

/* Arrays of one element type compare, contain and overlap; an unknown literal takes the other's
 * type. */
static struct expr *
make_array_operator(struct where_builder *b, struct view name, struct expr *left,
                    struct expr *right, int32_t location)
{
    struct where_type type = left->type.is_array ? left->type : right->type;
    const struct where_fn *fn = where_fn_array(name);
    bool is_one_element = (left->type.is_array || left->type.base != WT_UNKNOWN) &&
                          (right->type.is_array || right->type.base != WT_UNKNOWN) &&
                          left->type.is_array != right->type.is_array;
    if (is_one_element && view_is(name, "||")) {
        return where_make_element_concat(b, left, right, location);
    }
    if (fn == NULL) {
        fn = where_fn_comparison(name, type.base);
    }
    bool has_equality = where_fn_comparison(view_str("="), type.base) != NULL;
    if (fn == NULL || (fn->result == WT_BOOL && !has_equality)) {
        return where_fail(b, location, "Could not select an operator overload");
    }
    struct expr *expr = where_make(b, EXPR_CALL, location, 2);
    expr->fn = fn;
    expr->type.base = fn->result;
    if (fn->result == WT_UNKNOWN) { /* concatenation */
        expr->type = type;
    }
    expr->args[0] = left;
    expr->args[1] = right;
    for (size_t i = 0; i < 2; i++) {
        struct expr *arg = expr->args[i];
        if (!arg->type.is_array && arg->type.base != WT_UNKNOWN) {
            return where_fail(b, location, "Could not select an operator overload");
        }
        if (arg->type.is_array && !where_type_equal(arg->type, type)) {
            return where_fail(b, location, "Could not select an operator overload");
        }
        expr->args[i] = where_coerce(b, arg, type);
        if (expr->args[i] == NULL) {
            return NULL;
        }
    }
    return where_fold(b, expr);
}

/* Some of whose operators take an array on the right. */
static bool
is_json(struct where_type type)
{
    return !type.is_array && (type.base == WT_JSON || type.base == WT_JSONB);
}

struct expr *
where_make_operator(struct where_builder *b, struct view name, struct expr *left,
                    struct expr *right, int32_t location)
{
    struct expr *const args[2] = {left != NULL ? left : right, right};
    size_t arg_count = left != NULL ? 2 : 1;
    if (left == NULL && !is_unary_fn(name)) {
        return unknown_operator(b, name, false, location);
    }
    if (left != NULL && (left->type.is_array || right->type.is_array) && !is_json(left->type)) {
        return make_array_operator(b, name, left, right, location);
    }
    if (left != NULL && (left->type.base == WT_ENUM || right->type.base == WT_ENUM)) {
        return where_make_enum_comparison(b, name, left, right, location);
    }
    const struct where_type types[2] = {args[0]->type, right->type};
    const struct where_fn *fn;
    switch (where_resolve(name, FN_OPERATOR, types, arg_count, &fn)) {
    case RESOLVED:
        return make_call(b, fn, args, arg_count, location);
    case RESOLVE_NO_NAME:
        return unknown_operator(b, name, left != NULL, location);
    case RESOLVE_NO_FIT:
        break;
    }
    return where_fail(b, location, "Could not select an operator overload");
}

struct expr *
where_make_function(struct where_builder *b, struct view name, struct expr **args, size_t arg_count,
                    int32_t location)
{
    struct where_type types[WHERE_FN_ARGS] = {0};
    const struct where_fn *fn = NULL;
    enum where_resolution found = RESOLVE_NO_NAME;
    if (arg_count <= WHERE_FN_ARGS) {
        for (size_t i = 0; i < arg_count; i++) {
            types[i] = args[i]->type;
        }
        found = where_resolve(name, FN_FUNCTION, types, arg_count, &fn);
    }
    if (found == RESOLVED) {
        bool is_sound = (fn->flags & FN_UNIT) == 0 || where_check_unit(b, fn, args[0], location);
        return is_sound ? make_call(b, fn, args, arg_count, location) : NULL;
    }
    if (found == RESOLVE_NO_NAME) {
        return where_fail(b, location, "unknown or unsupported function %.*s/%zu", (int)name.size,
                          (const char *)name.bytes, arg_count);
    }
    return where_fail(b, location, "Could not select a function overload for %.*s(%s%s%s%s%s)",
                      (int)name.size, (const char *)name.bytes, where_type_name(types[0]),
                      arg_count > 1 ? ", " : "", arg_count > 1 ? where_type_name(types[1]) : "",
                      arg_count > 2 ? ", " : "", arg_count > 2 ? where_type_name(types[2]) : "");
}

static struct where_type
param_type(const struct where_builder *b, const struct expr *expr)
{
    bool is_param = expr->kind == EXPR_CONST && expr->column > 0;
    return is_param ? b->param_types[expr->column - 1] : (struct where_type){.base = WT_UNKNOWN};
}

static void
set_param_type(struct where_builder *b, const struct expr *expr, struct where_type type)
{
    if (expr->kind == EXPR_CONST && expr->column > 0) {
        b->param_types[expr->column - 1] = type;
    }
}

bool
where_same_type(struct where_builder *b, struct expr **left, struct expr **right, int32_t location)
{
    struct where_type seen[2] = {param_type(b, *left), param_type(b, *right)};
    struct expr *equal = where_make_operator(b, view_str("="), *left, *right, location);
    if (equal == NULL) {
        return false;
    }
    if (equal->kind == EXPR_CALL && where_type_equal(equal->args[0]->type, equal->args[1]->type)) {
        *left = equal->args[0];
        *right = equal->args[1];
        return true;
    }
    /* float4 with float8, or both constants and folded */
    bool is_call = equal->kind == EXPR_CALL;
    struct expr *args[2] = {is_call ? equal->args[0] : *left, is_call ? equal->args[1] : *right};
    struct where_type type;
    set_param_type(b, *left, seen[0]); /* what a parameter became for `=` was a try */
    set_param_type(b, *right, seen[1]);
    if (!where_common_type(b, "ARRAY", args, 2, &type, location)) {
        return false;
    }
    *left = args[0];
    *right = args[1];
    return true;
}
