/* CASE, NULLIF, subscripts and rows: typed, and spelled out where simpler nodes say the same. */
#include <string.h>

#include "common/core/where_array.h"
#include "common/core/where_build.h"

/* ---- CASE and NULLIF */

/* `CASE x WHEN v` asks x = v. The grammar's operand is built once and shared. */
static struct expr *
build_condition(struct where_builder *b, struct expr *operand, const struct sql_node *when)
{
    struct expr *expr = where_build(b, when);
    if (expr == NULL || operand == NULL) {
        return where_as_bool(b, expr);
    }
    return where_make_operator(b, view_str("="), operand, expr, when->location);
}

/* What is known to be false goes, and what is known to be true ends the list, as Postgres plans it.
 */
static struct expr *
simplify_case(struct where_builder *b, struct expr *expr)
{
    size_t kept = 1;
    for (size_t i = 1; i < expr->arg_count; i += 2) {
        const struct expr *condition = expr->args[i];
        bool is_known = condition->kind == EXPR_CONST;
        if (is_known && !condition->value.is_null && condition->value.boolean) {
            expr->args[0] = expr->args[i + 1];
            break;
        }
        if (!is_known) {
            expr->args[kept++] = expr->args[i];
            expr->args[kept++] = expr->args[i + 1];
        }
    }
    expr->arg_count = kept;
    return kept == 1 ? expr->args[0] : where_fold(b, expr);
}

static struct expr *
null_of(struct where_builder *b, struct where_type type, int32_t location)
{
    struct expr *expr = where_make(b, EXPR_CONST, location, 0);
    expr->type = type;
    expr->value.is_null = true;
    return expr;
}

struct expr *
where_build_case(struct where_builder *b, const struct sql_node *node)
{
    const struct where_type unknown = {.base = WT_UNKNOWN};
    size_t when_count = (node->arg_count - 2) / 2;
    struct expr *operand = NULL;
    if (node->args[0] != NULL) {
        operand = where_build(b, node->args[0]);
        if (operand != NULL && where_type_equal(operand->type, unknown)) {
            operand = where_coerce(b, operand, (struct where_type){.base = WT_TEXT});
        }
        if (operand == NULL) {
            return NULL;
        }
    }
    struct expr *expr = where_make(b, EXPR_CASE, node->location, 1 + 2 * when_count);
    struct expr **results = arena_alloc(b->mem, 1 + when_count, sizeof(struct expr *));
    for (size_t i = 0; i < when_count; i++) {
        expr->args[1 + 2 * i] = build_condition(b, operand, node->args[2 + 2 * i]);
        results[1 + i] =
            expr->args[1 + 2 * i] == NULL ? NULL : where_build(b, node->args[3 + 2 * i]);
        if (results[1 + i] == NULL) {
            return NULL;
        }
    }
    /* The default comes first when the common type is looked for, as in Postgres. */
    results[0] =
        node->args[1] != NULL ? where_build(b, node->args[1]) : null_of(b, unknown, node->location);
    if (results[0] == NULL ||
        !where_common_type(b, "CASE", results, 1 + when_count, &expr->type, node->location)) {
        return NULL;
    }
    for (size_t i = 0; i <= when_count; i++) {
        expr->args[2 * i] = results[i];
    }
    return simplify_case(b, expr);
}

static bool
is_integer(struct where_type type)
{
    return !type.is_array && (type.base == WT_INT2 || type.base == WT_INT4 || type.base == WT_INT8);
}

static bool
is_real(struct where_type type)
{
    return !type.is_array && (type.base == WT_FLOAT4 || type.base == WT_FLOAT8);
}

/*
 * NULLIF(a, b) is a, as `=` takes it, unless a = b. Postgres compares integers of two sizes, and
 * reals, without a cast, so there a keeps its type.
 */
struct expr *
where_build_nullif(struct where_builder *b, const struct sql_node *node)
{
    struct expr *left = where_build(b, node->args[0]);
    struct expr *right = left == NULL ? NULL : where_build(b, node->args[1]);
    if (right == NULL) {
        return NULL;
    }
    struct expr *first = left;
    if (!where_same_type(b, &left, &right, node->location)) {
        return NULL;
    }
    struct expr *equal = where_make_operator(b, view_str("="), left, right, node->location);
    if (equal == NULL) {
        return NULL;
    }
    bool keeps_type = (is_integer(first->type) && is_integer(left->type)) ||
                      (is_real(first->type) && is_real(left->type));
    struct expr *expr = where_make(b, EXPR_CASE, node->location, 3);
    expr->args[0] = keeps_type ? first : left;
    expr->type = expr->args[0]->type;
    expr->args[1] = equal;
    expr->args[2] = null_of(b, expr->type, node->location);
    return simplify_case(b, expr);
}

/* ---- subscripts */

/* A bound that is left out is one that no array reaches. */
static struct expr *
build_bound(struct where_builder *b, const struct sql_node *node, int32_t missing, int32_t location)
{
    const struct where_type int4 = {.base = WT_INT4};
    if (node == NULL) {
        struct expr *expr = where_make(b, EXPR_CONST, location, 0);
        expr->type = int4;
        expr->value.integer = missing;
        return expr;
    }
    struct expr *expr = where_build(b, node);
    return expr == NULL ? NULL : where_coerce(b, expr, int4);
}

struct expr *
where_build_subscript(struct where_builder *b, const struct sql_node *node)
{
    bool is_slice = node->kind == SQL_SLICE;
    struct expr *array = where_build(b, node->args[0]);
    if (array == NULL) {
        return NULL;
    }
    if (!array->type.is_array) {
        return where_fail(b, node->location, "cannot subscript type %s because it is not an array",
                          where_type_name(array->type));
    }
    if ((node->arg_count - 1) / (is_slice ? 2 : 1) > WHERE_ARRAY_DIMENSIONS) {
        return where_fail(b, node->location,
                          "number of array dimensions exceeds the maximum allowed (%d)",
                          WHERE_ARRAY_DIMENSIONS);
    }
    struct expr *expr =
        where_make(b, is_slice ? EXPR_SLICE : EXPR_INDEX, node->location, node->arg_count);
    expr->args[0] = array;
    expr->type = array->type;
    expr->type.is_array = is_slice;
    for (size_t i = 1; i < node->arg_count; i++) {
        expr->args[i] =
            build_bound(b, node->args[i], i % 2 == 1 ? INT32_MIN : INT32_MAX, node->location);
        if (expr->args[i] == NULL) {
            return NULL;
        }
    }
    return where_fold(b, expr);
}

/* ---- rows: compared column by column */

static bool
is_row(const struct sql_node *node)
{
    return node != NULL && node->kind == SQL_ROW;
}

bool
where_has_rows(const struct sql_node *node)
{
    switch ((int)node->kind) {
    case SQL_OP:
    case SQL_DISTINCT:
    case SQL_NOT_DISTINCT:
    case SQL_IN:
    case SQL_NOT_IN:
    case SQL_BETWEEN:
    case SQL_IS_NULL:
        return is_row(node->args[0]);
    default:
        return false;
    }
}

struct row_exprs {
    size_t count;
    struct expr *items[WHERE_ROW_MAX];
};

static bool
build_row(struct where_builder *b, const struct sql_node *node, struct row_exprs *row)
{
    if (!is_row(node)) {
        where_fail(b, node->location, "a row can be compared with a row only");
        return false;
    }
    if (node->arg_count == 0 || node->arg_count > WHERE_ROW_MAX) {
        where_fail(b, node->location, "a row that is compared has from 1 to %u columns",
                   WHERE_ROW_MAX);
        return false;
    }
    row->count = node->arg_count;
    for (size_t i = 0; i < row->count; i++) {
        row->items[i] = where_build(b, node->args[i]);
        if (row->items[i] == NULL) {
            return false;
        }
    }
    return true;
}

static bool
have_one_size(struct where_builder *b, const struct row_exprs *left, const struct row_exprs *right,
              int32_t location)
{
    if (left->count != right->count) {
        where_fail(b, location, "unequal number of entries in row expressions");
    }
    return left->count == right->count;
}

/* (a, b) = (c, d): a = c AND b = d. With <>: a <> c OR b <> d. */
static struct expr *
compare_each(struct where_builder *b, struct view name, const struct row_exprs *left,
             const struct row_exprs *right, int32_t location)
{
    struct expr *parts[WHERE_ROW_MAX];
    for (size_t i = 0; i < left->count; i++) {
        parts[i] = where_make_operator(b, name, left->items[i], right->items[i], location);
        if (parts[i] == NULL) {
            return NULL;
        }
    }
    return where_make_junction(b, view_is(name, "<>"), parts, left->count, location);
}

/*
 * (a, b) < (c, d): a < c OR (a = c AND b < d), from the last column to the first. With <= the last
 * one is compared by <=. A NULL before the first difference makes it unknown, in this form as in
 * Postgres.
 */
static struct expr *
compare_in_order(struct where_builder *b, struct view name, const struct row_exprs *left,
                 const struct row_exprs *right, int32_t location)
{
    struct view strict = {name.bytes, 1};
    struct expr *rest = NULL;
    for (size_t i = left->count; i-- > 0;) {
        struct view here = rest == NULL ? name : strict;
        struct expr *less = where_make_operator(b, here, left->items[i], right->items[i], location);
        if (less == NULL || rest == NULL) {
            rest = less;
        } else {
            struct expr *equal =
                where_make_operator(b, view_str("="), left->items[i], right->items[i], location);
            struct expr *both[2] = {equal, rest};
            struct expr *either[2] = {less, NULL};
            if (equal == NULL) {
                return NULL;
            }
            either[1] = where_make_junction(b, false, both, 2, location);
            rest = where_make_junction(b, true, either, 2, location);
        }
        if (rest == NULL) {
            return NULL;
        }
    }
    return rest;
}

static struct expr *
compare_rows(struct where_builder *b, struct view name, const struct row_exprs *left,
             const struct row_exprs *right, int32_t location)
{
    if (!have_one_size(b, left, right, location)) {
        return NULL;
    }
    if (view_is(name, "=") || view_is(name, "<>")) {
        return compare_each(b, name, left, right, location);
    }
    if (view_is(name, "<") || view_is(name, "<=") || view_is(name, ">") || view_is(name, ">=")) {
        return compare_in_order(b, name, left, right, location);
    }
    return where_fail(b, location, "rows are not compared by %.*s", (int)name.size,
                      (const char *)name.bytes);
}

static struct expr *
build_row_distinct(struct where_builder *b, const struct sql_node *node,
                   const struct row_exprs *left)
{
    struct row_exprs right;
    struct expr *parts[WHERE_ROW_MAX];
    bool is_not = node->kind == SQL_NOT_DISTINCT;
    if (!build_row(b, node->args[1], &right) || !have_one_size(b, left, &right, node->location)) {
        return NULL;
    }
    for (size_t i = 0; i < left->count; i++) {
        struct expr *part = where_make(b, EXPR_DISTINCT, node->location, 2);
        part->args[0] = left->items[i];
        part->args[1] = right.items[i];
        part->type.base = WT_BOOL;
        part->is_negated = is_not;
        if (!where_same_type(b, &part->args[0], &part->args[1], node->location)) {
            return NULL;
        }
        parts[i] = where_fold(b, part);
        if (parts[i] == NULL) {
            return NULL;
        }
    }
    return where_make_junction(b, !is_not, parts, left->count, node->location);
}

/* A row is NULL when each column is, and not NULL when none is. */
static struct expr *
build_row_null(struct where_builder *b, const struct sql_node *node, const struct row_exprs *row)
{
    struct expr *parts[WHERE_ROW_MAX];
    for (size_t i = 0; i < row->count; i++) {
        parts[i] =
            where_make_is_null(b, row->items[i], (node->flags & SQL_NEGATED) != 0, node->location);
        if (parts[i] == NULL) {
            return NULL;
        }
    }
    return where_make_junction(b, false, parts, row->count, node->location);
}

static struct expr *
build_row_in(struct where_builder *b, const struct sql_node *node, const struct row_exprs *left)
{
    size_t count = node->arg_count - 1;
    bool is_not = node->kind == SQL_NOT_IN;
    if (count > WHERE_LIST_MAX) {
        return where_fail(b, node->location, "a list may have at most %u elements", WHERE_LIST_MAX);
    }
    struct expr **parts = arena_alloc(b->mem, count + 1, sizeof(struct expr *));
    for (size_t i = 0; i < count; i++) {
        struct row_exprs right;
        if (!build_row(b, node->args[i + 1], &right)) {
            return NULL;
        }
        parts[i] = compare_rows(b, view_str(is_not ? "<>" : "="), left, &right, node->location);
        if (parts[i] == NULL) {
            return NULL;
        }
    }
    return where_make_junction(b, !is_not, parts, count, node->location);
}

static struct expr *
build_row_between(struct where_builder *b, const struct sql_node *node,
                  const struct row_exprs *value)
{
    struct row_exprs bounds[2];
    bool negated = (node->flags & SQL_NEGATED) != 0;
    bool symmetric = (node->flags & SQL_SYMMETRIC) != 0;
    struct expr *halves[2] = {NULL, NULL};
    if (!build_row(b, node->args[1], &bounds[0]) || !build_row(b, node->args[2], &bounds[1])) {
        return NULL;
    }
    for (size_t i = 0; i < (symmetric ? 2 : 1); i++) {
        struct expr *parts[2];
        parts[0] =
            compare_rows(b, view_str(negated ? "<" : ">="), value, &bounds[i], node->location);
        parts[1] = parts[0] == NULL ? NULL
                                    : compare_rows(b, view_str(negated ? ">" : "<="), value,
                                                   &bounds[1 - i], node->location);
        if (parts[1] == NULL) {
            return NULL;
        }
        halves[i] = where_make_junction(b, negated, parts, 2, node->location);
    }
    return symmetric ? where_make_junction(b, !negated, halves, 2, node->location) : halves[0];
}

struct expr *
where_build_rows(struct where_builder *b, const struct sql_node *node)
{
    struct row_exprs left;
    struct row_exprs right;
    if (!build_row(b, node->args[0], &left)) {
        return NULL;
    }
    switch ((int)node->kind) {
    case SQL_DISTINCT:
    case SQL_NOT_DISTINCT:
        return build_row_distinct(b, node, &left);
    case SQL_IN:
    case SQL_NOT_IN:
        return build_row_in(b, node, &left);
    case SQL_BETWEEN:
        return build_row_between(b, node, &left);
    case SQL_IS_NULL:
        return build_row_null(b, node, &left);
    default: /* an operator */
        return build_row(b, node->args[1], &right)
                   ? compare_rows(b, node->text, &left, &right, node->location)
                   : NULL;
    }
}
