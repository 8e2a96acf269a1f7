/* Names, types and literals: the grammar's tree becomes a typed one. */
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/where_build.h"
#include "common/core/where_fn.h"
#include "common/sql_tree.h"

static struct expr *
build_literal(struct where_builder *b, const struct sql_node *node)
{
    struct expr *expr = where_make(b, EXPR_CONST, node->location, 0);
    switch ((int)node->kind) {
    case SQL_BOOL:
        expr->type.base = WT_BOOL;
        expr->value.boolean = node->number != 0;
        return expr;
    case SQL_INT:
        expr->type.base = WT_INT4;
        expr->value.integer = node->number;
        return expr;
    case SQL_FLOAT:
        /* As Postgres: the narrowest integer that holds it (-2147483648 comes as text), else
         * numeric. */
        for (enum where_base base = WT_INT4; base <= WT_INT8; base++) {
            struct err ignored;
            expr->type.base = base;
            if (where_value_parse(expr->type, node->text, b->mem, &expr->value, &ignored)) {
                return expr;
            }
        }
        expr->type.base = WT_NUMERIC;
        return where_value_parse(expr->type, node->text, b->mem, &expr->value, b->err)
                   ? expr
                   : where_fail_err(b, node->location);
    case SQL_STRING:
        expr->type.base = WT_UNKNOWN;
        expr->value.text = node->text;
        return expr;
    default: /* NULL */
        expr->type.base = WT_UNKNOWN;
        expr->value.is_null = true;
        return expr;
    }
}

static struct expr *
build_param(struct where_builder *b, const struct sql_node *node)
{
    uint64_t number = (uint64_t)node->number;
    if (number == 0 || number > b->scope->param_count || !b->scope->params[number - 1].is_given) {
        return where_fail(b, node->location, "parameter $%lld was not provided",
                          (long long)node->number);
    }
    struct expr *expr = where_make(b, EXPR_CONST, node->location, 0);
    expr->type.base = WT_UNKNOWN;
    expr->value.text = b->scope->params[number - 1].value;
    expr->column = (uint32_t)number; /* whose type is remembered when it gets one */
    return expr;
}

static struct expr *
unknown_reference(struct where_builder *b, const struct sql_node *node)
{
    struct buf name = {0};
    for (size_t i = 0; i < node->name_count; i++) {
        buf_append_str(&name, i > 0 ? "." : "");
        buf_append_view(&name, node->names[i]);
    }
    where_fail(b, node->location, "unknown reference %s", buf_str(&name));
    buf_free(&name);
    return NULL;
}

static struct expr *
build_column(struct where_builder *b, const struct sql_node *node)
{
    for (size_t i = 0; node->name_count == 1 && i < b->scope->column_count; i++) {
        if (view_equal(b->scope->columns[i].name, node->names[0])) {
            struct expr *expr = where_make(b, EXPR_COLUMN, node->location, 0);
            expr->column = (uint32_t)i;
            expr->type = b->scope->columns[i].type;
            return expr;
        }
    }
    return unknown_reference(b, node);
}

/* ---- junctions and tests */

struct expr *
where_as_bool(struct where_builder *b, struct expr *expr)
{
    struct where_type boolean = {.base = WT_BOOL};
    if (expr == NULL || where_type_equal(expr->type, boolean)) {
        return expr;
    }
    if (expr->type.base == WT_UNKNOWN) {
        return where_coerce(b, expr, boolean);
    }
    return where_fail(b, expr->location, "%s is not castable to bool", where_type_name(expr->type));
}

struct expr *
where_make_junction(struct where_builder *b, bool deciding, struct expr **args, size_t count,
                    int32_t location)
{
    struct expr *expr = where_make(b, deciding ? EXPR_OR : EXPR_AND, location, count);
    expr->type.base = WT_BOOL;
    expr->arg_count = 0;
    bool decided = false;
    for (size_t i = 0; i < count; i++) {
        bool is_known = args[i]->kind == EXPR_CONST && !args[i]->value.is_null;
        decided = decided || (is_known && args[i]->value.boolean == deciding);
        if (!is_known) {
            expr->args[expr->arg_count++] = args[i];
        }
    }
    if (decided || expr->arg_count == 0) {
        return where_make_bool(b, location, decided ? deciding : !deciding);
    }
    return expr->arg_count == 1 ? expr->args[0] : expr;
}

static struct expr *
build_junction(struct where_builder *b, const struct sql_node *node)
{
    struct expr **args = arena_alloc(b->mem, node->arg_count + 1, sizeof(struct expr *));
    for (size_t i = 0; i < node->arg_count; i++) {
        args[i] = where_as_bool(b, where_build(b, node->args[i]));
        if (args[i] == NULL) {
            return NULL;
        }
    }
    return where_make_junction(b, node->kind == SQL_OR, args, node->arg_count, node->location);
}

static struct expr *
build_not(struct where_builder *b, const struct sql_node *node)
{
    struct expr *arg = where_as_bool(b, where_build(b, node->args[0]));
    return arg == NULL ? NULL : where_make_not(b, arg);
}

static const char *
test_name(const struct sql_node *node)
{
    bool negated = (node->flags & SQL_NEGATED) != 0;
    if (node->kind == SQL_IS_TRUE) {
        return negated ? "IS NOT TRUE" : "IS TRUE";
    }
    if (node->kind == SQL_IS_FALSE) {
        return negated ? "IS NOT FALSE" : "IS FALSE";
    }
    return negated ? "IS NOT UNKNOWN" : "IS UNKNOWN";
}

struct expr *
where_make_is_null(struct where_builder *b, struct expr *arg, bool is_negated, int32_t location)
{
    if (arg->type.base == WT_UNKNOWN && !arg->type.is_array) {
        arg = where_coerce(b, arg, (struct where_type){.base = WT_TEXT});
    }
    if (arg == NULL) {
        return NULL;
    }
    struct expr *expr = where_make(b, EXPR_IS_NULL, location, 1);
    expr->type.base = WT_BOOL;
    expr->is_negated = is_negated;
    expr->args[0] = arg;
    return where_fold(b, expr);
}

static struct expr *
build_test(struct where_builder *b, const struct sql_node *node)
{
    bool is_negated = (node->flags & SQL_NEGATED) != 0;
    struct expr *arg = where_build(b, node->args[0]);
    if (arg == NULL) {
        return NULL;
    }
    if (node->kind == SQL_IS_NULL) {
        return where_make_is_null(b, arg, is_negated, node->location);
    }
    if (arg->type.base == WT_UNKNOWN) {
        arg = where_as_bool(b, arg);
    } else if (arg->type.base != WT_BOOL || arg->type.is_array) {
        return where_fail(b, node->location, "argument of %s must be bool, not %s", test_name(node),
                          where_type_name(arg->type));
    }
    if (arg == NULL) {
        return NULL;
    }
    enum expr_kind kind = node->kind == SQL_IS_TRUE    ? EXPR_IS_TRUE
                          : node->kind == SQL_IS_FALSE ? EXPR_IS_FALSE
                                                       : EXPR_IS_UNKNOWN;
    struct expr *expr = where_make(b, kind, node->location, 1);
    expr->type.base = WT_BOOL;
    expr->is_negated = is_negated;
    expr->args[0] = arg;
    return where_fold(b, expr);
}

/* ---- operators over several values */

static struct expr *
build_operator(struct where_builder *b, const struct sql_node *node)
{
    struct expr *left = node->args[0] == NULL ? NULL : where_build(b, node->args[0]);
    struct expr *right = where_build(b, node->args[1]);
    if (right == NULL || (left == NULL && node->args[0] != NULL)) {
        return NULL;
    }
    return where_make_operator(b, node->text, left, right, node->location);
}

static struct expr *
build_distinct(struct where_builder *b, const struct sql_node *node)
{
    struct expr *left = where_build(b, node->args[0]);
    struct expr *right = left == NULL ? NULL : where_build(b, node->args[1]);
    if (right == NULL || !where_same_type(b, &left, &right, node->location)) {
        return NULL;
    }
    struct expr *expr = where_make(b, EXPR_DISTINCT, node->location, 2);
    expr->type.base = WT_BOOL;
    expr->is_negated = node->kind == SQL_NOT_DISTINCT;
    expr->args[0] = left;
    expr->args[1] = right;
    return where_fold(b, expr);
}

static struct expr *
join(struct where_builder *b, enum expr_kind kind, struct expr *left, struct expr *right)
{
    if (left == NULL || right == NULL) {
        return NULL;
    }
    struct expr *expr = where_make(b, kind, left->location, 2);
    expr->type.base = WT_BOOL;
    expr->args[0] = left;
    expr->args[1] = right;
    return where_fold(b, expr);
}

/* v BETWEEN a AND b is v >= a AND v <= b; NOT BETWEEN its opposite under three truths. */
static struct expr *
make_between(struct where_builder *b, struct expr *const args[3], bool negated, int32_t location)
{
    struct view low = view_str(negated ? "<" : ">=");
    struct view high = view_str(negated ? ">" : "<=");
    struct expr *first = where_make_operator(b, low, args[0], args[1], location);
    struct expr *second =
        first == NULL ? NULL : where_make_operator(b, high, args[0], args[2], location);
    return join(b, negated ? EXPR_OR : EXPR_AND, first, second);
}

static struct expr *
build_between(struct where_builder *b, const struct sql_node *node)
{
    struct expr *args[3];
    bool negated = (node->flags & SQL_NEGATED) != 0;
    for (size_t i = 0; i < 3; i++) {
        args[i] = where_build(b, node->args[i]);
        if (args[i] == NULL) {
            return NULL;
        }
    }
    struct expr *expr = make_between(b, args, negated, node->location);
    if (expr == NULL || (node->flags & SQL_SYMMETRIC) == 0) {
        return expr;
    }
    struct expr *const swapped[3] = {args[0], args[2], args[1]};
    return join(b, negated ? EXPR_AND : EXPR_OR, expr,
                make_between(b, swapped, negated, node->location));
}

static struct expr *
build_any(struct where_builder *b, const struct sql_node *node)
{
    struct expr *left = where_build(b, node->args[0]);
    struct expr *right = left == NULL ? NULL : where_build(b, node->args[1]);
    if (right == NULL) {
        return NULL;
    }
    return where_make_any(b, node->kind == SQL_OP_ANY ? EXPR_ANY : EXPR_ALL, node->text, left,
                          right, node->location);
}

static struct expr *
build_in(struct where_builder *b, const struct sql_node *node)
{
    struct expr *left = where_build(b, node->args[0]);
    if (left == NULL) {
        return NULL;
    }
    size_t count = node->arg_count - 1;
    if (count > WHERE_LIST_MAX) {
        return where_fail(b, node->location, "a list may have at most %u elements", WHERE_LIST_MAX);
    }
    struct expr **items = arena_alloc(b->mem, count + 1, sizeof(struct expr *));
    for (size_t i = 0; i < count; i++) {
        items[i] = where_build(b, node->args[i + 1]);
        if (items[i] == NULL) {
            return NULL;
        }
    }
    struct expr *expr = where_make_in(b, left, items, count, node->location);
    return expr != NULL && node->kind == SQL_NOT_IN ? where_make_not(b, expr) : expr;
}

/* ---- lists of one type */

/* As Postgres does before it evaluates: NULLs say nothing, and nothing counts behind a constant. */
static struct expr *
fold_coalesce(struct where_builder *b, struct expr *expr)
{
    size_t kept = 0;
    bool is_decided = false;
    for (size_t i = 0; i < expr->arg_count && !is_decided; i++) {
        bool is_known = expr->args[i]->kind == EXPR_CONST;
        if (!is_known || !expr->args[i]->value.is_null) {
            expr->args[kept++] = expr->args[i];
            is_decided = is_known;
        }
    }
    expr->arg_count = kept > 0 ? kept : 1;
    return expr->arg_count == 1 ? expr->args[0] : where_fold(b, expr);
}

static struct expr *
build_list(struct where_builder *b, const struct sql_node *node, enum expr_kind kind)
{
    struct expr *expr = where_make(b, kind, node->location, node->arg_count);
    if (node->arg_count > WHERE_LIST_MAX) {
        return where_fail(b, node->location, "a list may have at most %u elements", WHERE_LIST_MAX);
    }
    for (size_t i = 0; i < node->arg_count; i++) {
        expr->args[i] = where_build(b, node->args[i]);
        if (expr->args[i] == NULL) {
            return NULL;
        }
    }
    const char *what = kind == EXPR_ARRAY      ? "ARRAY"
                       : kind == EXPR_COALESCE ? "COALESCE"
                       : kind == EXPR_GREATEST ? "GREATEST"
                                               : "LEAST";
    if (!where_common_type(b, what, expr->args, expr->arg_count, &expr->type, node->location)) {
        return NULL;
    }
    if ((kind == EXPR_GREATEST || kind == EXPR_LEAST) &&
        where_fn_comparison(view_str("<"), expr->type.base) == NULL) {
        return where_fail(b, node->location, "type %s has no order here",
                          where_type_name(expr->type));
    }
    if (kind == EXPR_ARRAY) {
        if (expr->type.is_array) {
            return where_fail(b, node->location,
                              "arrays of arrays are written as a literal: '{{…}}'");
        }
        expr->type.is_array = true;
    }
    return kind == EXPR_COALESCE ? fold_coalesce(b, expr) : where_fold(b, expr);
}

/* ---- casts */

static struct expr *
build_cast(struct where_builder *b, const struct sql_node *node)
{
    struct view name = node->names[node->name_count - 1];
    struct where_type type = {.is_array = node->number > 0};
    struct expr *arg = where_build(b, node->args[0]);
    if (arg == NULL) {
        return NULL;
    }
    if (!where_type_by_name(name, &type.base) ||
        (node->name_count > 1 && !view_is(node->names[0], "pg_catalog"))) {
        return where_fail(b, node->location, "unsupported type %.*s", (int)name.size,
                          (const char *)name.bytes);
    }
    if (node->arg_count > 1 && type.base != WT_BPCHAR) {
        return where_fail(b, node->location, "type modifiers are not supported in casts");
    }
    return where_make_cast(b, arg, type, node->location);
}

/* ---- everything else */

static struct expr *
refuse(struct where_builder *b, const struct sql_node *node)
{
    switch ((int)node->kind) {
    case SQL_BITSTRING:
        return where_fail(b, node->location, "BitString values are not supported");
    case SQL_SUBQUERY:
        return where_fail(b, node->location, "subqueries are not supported yet");
    case SQL_CLOCK:
        return where_fail(b, node->location,
                          "%.*s is not supported in this context: its value depends on the clock "
                          "or on the session",
                          (int)node->text.size, (const char *)node->text.bytes);
    case SQL_ROW:
        return where_fail(b, node->location, "RowExpr is not supported in this context");
    case SQL_COLLATE:
        return where_fail(b, node->location, "CollateClause is not supported in this context");
    default:
        return where_fail(b, node->location, "expression %.*s is not currently supported",
                          (int)node->text.size, (const char *)node->text.bytes);
    }
}

struct expr *
where_build(struct where_builder *b, const struct sql_node *node)
{
    if (where_has_rows(node)) {
        return where_build_rows(b, node);
    }
    switch (node->kind) {
    case SQL_NULL:
    case SQL_BOOL:
    case SQL_INT:
    case SQL_FLOAT:
    case SQL_STRING:
        return build_literal(b, node);
    case SQL_COLUMN:
        return build_column(b, node);
    case SQL_PARAM:
        return build_param(b, node);
    case SQL_OP:
        return build_operator(b, node);
    case SQL_OP_ANY:
    case SQL_OP_ALL:
        return build_any(b, node);
    case SQL_DISTINCT:
    case SQL_NOT_DISTINCT:
        return build_distinct(b, node);
    case SQL_IN:
    case SQL_NOT_IN:
        return build_in(b, node);
    case SQL_BETWEEN:
        return build_between(b, node);
    case SQL_AND:
    case SQL_OR:
        return build_junction(b, node);
    case SQL_NOT:
        return build_not(b, node);
    case SQL_IS_NULL:
    case SQL_IS_TRUE:
    case SQL_IS_FALSE:
    case SQL_IS_UNKNOWN:
        return build_test(b, node);
    case SQL_CAST:
        return build_cast(b, node);
    case SQL_FUNC:
        return where_build_function(b, node);
    case SQL_ARRAY:
        return build_list(b, node, EXPR_ARRAY);
    case SQL_INDEX:
    case SQL_SLICE:
        return where_build_subscript(b, node);
    case SQL_CASE:
        return where_build_case(b, node);
    case SQL_NULLIF:
        return where_build_nullif(b, node);
    case SQL_COALESCE:
        return build_list(b, node, EXPR_COALESCE);
    case SQL_GREATEST:
        return build_list(b, node, EXPR_GREATEST);
    case SQL_LEAST:
        return build_list(b, node, EXPR_LEAST);
    case SQL_BITSTRING:
    case SQL_ROW:
    case SQL_COLLATE:
    case SQL_SUBQUERY:
    case SQL_CLOCK:
    case SQL_OTHER:
        return refuse(b, node);
    }
    return refuse(b, node);
}

/* Trees share parts (BETWEEN SYMMETRIC, rows); spelled out, as SQL and as bytes, they do not. */
static bool
is_within_limits(const struct expr *expr, size_t depth, size_t *nodes)
{
    if (depth >= WHERE_DEPTH_MAX || ++*nodes > WHERE_NODES_MAX) {
        return false;
    }
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!is_within_limits(expr->args[i], depth + 1, nodes)) {
            return false;
        }
    }
    return true;
}

bool
where_check_tree(const struct sql_node *tree, const struct where_scope *scope, struct arena *mem,
                 struct expr **expr_out, struct err *err)
{
    if (scope->param_count > WHERE_PARAM_MAX) {
        return err_set(err, ERR_LIMIT, "a clause may have at most %u parameters", WHERE_PARAM_MAX);
    }
    struct where_builder b = {
        .scope = scope,
        .mem = mem,
        .err = err,
        .prefix = (int32_t)strlen(SQL_WHERE_PREFIX),
        .param_types = arena_alloc(mem, scope->param_count + 1, sizeof(struct where_type)),
    };
    struct expr *expr = where_build(&b, tree);
    if (expr == NULL) {
        return false;
    }
    if (expr->type.base == WT_UNKNOWN && !expr->type.is_array) {
        expr = where_coerce(&b, expr, (struct where_type){.base = WT_BOOL});
        if (expr == NULL) {
            return false;
        }
    }
    if (expr->type.base != WT_BOOL || expr->type.is_array) {
        return err_set(err, ERR_INVALID, "WHERE clause must return a boolean");
    }
    size_t nodes = 0;
    if (!is_within_limits(expr, 0, &nodes)) {
        return err_set(err, ERR_LIMIT, "the clause is too large: more than %u nodes or %u levels",
                       WHERE_NODES_MAX, WHERE_DEPTH_MAX);
    }
    *expr_out = expr;
    return true;
}

void
expr_each_column(const struct expr *expr, void (*fn)(void *ctx, uint32_t column), void *ctx)
{
    if (expr->kind == EXPR_COLUMN) {
        fn(ctx, expr->column);
    }
    for (size_t i = 0; i < expr->arg_count; i++) {
        expr_each_column(expr->args[i], fn, ctx);
    }
}
