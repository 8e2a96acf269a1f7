#include "common/core/where_sql.h"

#include <string.h>

#include "common/core/where_fn.h"

void
sql_quote_name(struct view name, struct buf *out)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < name.size; i++) {
        if (name.bytes[i] == '"') {
            buf_append_byte(out, '"');
        }
        buf_append_byte(out, name.bytes[i]);
    }
    buf_append_byte(out, '"');
}

void
sql_quote_literal(struct view text, struct buf *out)
{
    bool has_backslash = text.size > 0 && memchr(text.bytes, '\\', text.size) != NULL;
    buf_append_str(out, has_backslash ? "E'" : "'");
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '\'' || text.bytes[i] == '\\') {
            buf_append_byte(out, text.bytes[i]);
        }
        buf_append_byte(out, text.bytes[i]);
    }
    buf_append_byte(out, '\'');
}

static bool
is_collatable(struct where_type type)
{
    return type.base == WT_TEXT || type.base == WT_VARCHAR || type.base == WT_BPCHAR ||
           type.base == WT_NAME;
}

struct collation_search {
    const struct where_scope *scope;
    bool found;
};

static void
look_at_column(void *ctx, uint32_t column)
{
    struct collation_search *search = ctx;
    search->found = search->found || search->scope->columns[column].is_c_collated;
}

/* Does an equality here depend on a collation that may call different texts equal? */
static bool
has_odd_collation(const struct expr *expr, const struct where_scope *scope)
{
    struct collation_search search = {.scope = scope};
    expr_each_column(expr, look_at_column, &search);
    return search.found;
}

static bool
needs_c(const struct expr *expr, const struct where_scope *scope)
{
    if (!is_collatable(expr->args[0]->type)) {
        return false;
    }
    bool by_function = expr->fn != NULL && (expr->fn->flags & FN_C_COLLATION) != 0;
    bool by_kind = expr->kind == EXPR_GREATEST || expr->kind == EXPR_LEAST;
    return by_function || by_kind || has_odd_collation(expr, scope);
}

static void
append_arg(const struct expr *arg, const struct where_scope *scope, bool under_c, struct buf *out)
{
    where_sql(arg, scope, out);
    buf_append_str(out, under_c ? " COLLATE \"C\"" : "");
}

static void
append_type(struct where_type type, struct buf *out)
{
    if (type.base == WT_ENUM || type.base == WT_OPAQUE || type.base == WT_UNKNOWN) {
        return; /* the other operand says what it is */
    }
    buf_append_str(out, "::");
    buf_append_str(out, where_type_name(type));
}

static void
append_const(const struct expr *expr, struct buf *out)
{
    if (expr->value.is_null) {
        buf_append_str(out, "NULL");
        append_type(expr->type, out);
        return;
    }
    struct buf text = {0};
    where_value_print(expr->type, &expr->value, &text);
    sql_quote_literal(buf_view(&text), out);
    append_type(expr->type, out);
    buf_free(&text);
}

static void
append_list(const struct expr *expr, const struct where_scope *scope, const char *between,
            bool under_c, struct buf *out)
{
    for (size_t i = 0; i < expr->arg_count; i++) {
        buf_append_str(out, i > 0 ? between : "");
        append_arg(expr->args[i], scope, under_c, out);
    }
}

static void
append_call(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    bool under_c = needs_c(expr, scope);
    if (expr->fn->kind != FN_OPERATOR && expr->fn->kind != FN_ARRAY) {
        /* By its schema: a keyword as a name (position, left) and no function of anybody else. */
        buf_append_str(out, "pg_catalog.");
        buf_append_str(out, expr->fn->name);
        buf_append_byte(out, '(');
        for (size_t i = 0; i < expr->arg_count; i++) {
            buf_append_str(out, i > 0 ? ", " : "");
            append_arg(expr->args[i], scope, under_c && i == 0, out);
        }
        buf_append_byte(out, ')');
        return;
    }
    buf_append_byte(out, '(');
    if (expr->arg_count > 1) {
        append_arg(expr->args[0], scope, under_c, out);
        buf_append_byte(out, ' ');
    }
    buf_append_str(out, expr->fn->name);
    buf_append_byte(out, ' ');
    append_arg(expr->args[expr->arg_count > 1 ? 1 : 0], scope, under_c && expr->arg_count == 1,
               out);
    buf_append_byte(out, ')');
}

static void
append_any(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    buf_append_byte(out, '(');
    append_arg(expr->args[0], scope, needs_c(expr, scope), out);
    buf_append_byte(out, ' ');
    buf_append_str(out, expr->fn->name);
    buf_append_str(out, expr->kind == EXPR_ANY ? " ANY (" : " ALL (");
    where_sql(expr->args[1], scope, out);
    buf_append_str(out, "))");
}

static void
append_named(const char *name, const struct expr *expr, const struct where_scope *scope,
             struct buf *out)
{
    bool is_array = expr->kind == EXPR_ARRAY;
    buf_append_str(out, name);
    buf_append_str(out, is_array ? "[" : "(");
    append_list(expr, scope, ", ", expr->kind != EXPR_ARRAY && needs_c(expr, scope), out);
    buf_append_str(out, is_array ? "]" : ")");
    if (is_array) {
        append_type(expr->type, out);
    }
}

static void
append_test(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    static const char *const names[] = {
        [EXPR_IS_NULL] = "NULL",
        [EXPR_IS_TRUE] = "TRUE",
        [EXPR_IS_FALSE] = "FALSE",
        [EXPR_IS_UNKNOWN] = "UNKNOWN",
    };
    buf_append_byte(out, '(');
    where_sql(expr->args[0], scope, out);
    buf_append_str(out, expr->is_negated ? " IS NOT " : " IS ");
    buf_append_str(out, names[expr->kind]);
    buf_append_byte(out, ')');
}

static void
append_distinct(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    buf_append_byte(out, '(');
    append_arg(expr->args[0], scope, needs_c(expr, scope), out);
    buf_append_str(out, expr->is_negated ? " IS NOT DISTINCT FROM " : " IS DISTINCT FROM ");
    where_sql(expr->args[1], scope, out);
    buf_append_byte(out, ')');
}

static void
append_index(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    buf_append_byte(out, '(');
    where_sql(expr->args[0], scope, out);
    buf_append_byte(out, ')');
    for (size_t i = 1; i < expr->arg_count; i++) {
        buf_append_byte(out, '[');
        where_sql(expr->args[i], scope, out);
        buf_append_byte(out, ']');
    }
}

static void
append_slice(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    buf_append_byte(out, '(');
    where_sql(expr->args[0], scope, out);
    buf_append_byte(out, ')');
    for (size_t i = 1; i + 1 < expr->arg_count; i += 2) {
        buf_append_byte(out, '[');
        where_sql(expr->args[i], scope, out);
        buf_append_byte(out, ':');
        where_sql(expr->args[i + 1], scope, out);
        buf_append_byte(out, ']');
    }
}

static void
append_case(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    buf_append_str(out, "(CASE");
    for (size_t i = 1; i + 1 < expr->arg_count; i += 2) {
        buf_append_str(out, " WHEN ");
        where_sql(expr->args[i], scope, out);
        buf_append_str(out, " THEN ");
        where_sql(expr->args[i + 1], scope, out);
    }
    buf_append_str(out, " ELSE ");
    where_sql(expr->args[0], scope, out);
    buf_append_str(out, " END)");
}

/* Casts that Postgres adds by itself are left to it: a column's own index stays usable. */
static void
append_cast(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    if (expr->is_implicit) {
        where_sql(expr->args[0], scope, out);
        return;
    }
    buf_append_byte(out, '(');
    where_sql(expr->args[0], scope, out);
    buf_append_byte(out, ')');
    append_type(expr->type, out);
}

void
where_sql(const struct expr *expr, const struct where_scope *scope, struct buf *out)
{
    switch (expr->kind) {
    case EXPR_CONST:
        append_const(expr, out);
        return;
    case EXPR_COLUMN:
        sql_quote_name(scope->columns[expr->column].name, out);
        return;
    case EXPR_CALL:
        append_call(expr, scope, out);
        return;
    case EXPR_AND:
    case EXPR_OR:
        buf_append_byte(out, '(');
        append_list(expr, scope, expr->kind == EXPR_AND ? " AND " : " OR ", false, out);
        buf_append_byte(out, ')');
        return;
    case EXPR_NOT:
        buf_append_str(out, "(NOT ");
        where_sql(expr->args[0], scope, out);
        buf_append_byte(out, ')');
        return;
    case EXPR_IS_NULL:
    case EXPR_IS_TRUE:
    case EXPR_IS_FALSE:
    case EXPR_IS_UNKNOWN:
        append_test(expr, scope, out);
        return;
    case EXPR_DISTINCT:
        append_distinct(expr, scope, out);
        return;
    case EXPR_ANY:
    case EXPR_ALL:
        append_any(expr, scope, out);
        return;
    case EXPR_COALESCE:
        append_named("COALESCE", expr, scope, out);
        return;
    case EXPR_GREATEST:
        append_named("GREATEST", expr, scope, out);
        return;
    case EXPR_LEAST:
        append_named("LEAST", expr, scope, out);
        return;
    case EXPR_CONCAT:
        append_named("concat", expr, scope, out);
        return;
    case EXPR_ARRAY:
        append_named("ARRAY", expr, scope, out);
        return;
    case EXPR_INDEX:
        append_index(expr, scope, out);
        return;
    case EXPR_TO_TEXT:
    case EXPR_FROM_TEXT:
    case EXPR_CONVERT:
        append_cast(expr, scope, out);
        return;
    case EXPR_CASE:
        append_case(expr, scope, out);
        return;
    case EXPR_SLICE:
        append_slice(expr, scope, out);
        return;
    }
}
