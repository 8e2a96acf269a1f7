#include "common/core/subset.h"

#include <string.h>

#include "common/core/where_sql.h"

/* The typed clause. */
#define SUBSET_ARENA_MAX (64u << 20)

/* ---- what may be named */

static bool
is_listed(struct view name, const struct view *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (view_equal(name, names[i])) {
            return true;
        }
    }
    return false;
}

struct where_scope
subset_scope(const struct shape_def *def, bool has_queryable, const struct view *queryable,
             size_t queryable_count, struct arena *mem)
{
    struct where_scope scope = def->scope;
    if (!has_queryable) {
        return scope;
    }
    size_t count = def->scope.column_count;
    struct where_column *columns = arena_alloc(mem, count + 1, sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        columns[i] = def->scope.columns[i];
        if (!is_listed(columns[i].name, queryable, queryable_count)) {
            columns[i].name = (struct view){0}; /* no identifier is empty: nothing finds it */
        }
    }
    scope.columns = columns;
    return scope;
}

/* ---- WHERE */

static bool
has_subquery(const struct sql_node *node)
{
    if (node == NULL) {
        return false;
    }
    bool found = node->kind == SQL_SUBQUERY;
    for (size_t i = 0; i < node->arg_count && !found; i++) {
        found = has_subquery(node->args[i]);
    }
    return found;
}

bool
subset_where(const struct shape_def *def, const struct where_scope *scope,
             const struct sql_node *tree, struct buf *sql_out, struct err *err)
{
    struct expr *expr;
    if (tree == NULL) {
        buf_append_view(sql_out, def->where_sql);
        return true;
    }
    if (has_subquery(tree)) {
        return err_set(err, ERR_INVALID, "Subqueries are not allowed in subsets");
    }
    struct arena *mem = arena_new(SUBSET_ARENA_MAX);
    bool ok = where_check_tree(tree, scope, mem, &expr, err);
    if (ok) {
        if (def->where_sql.size > 0) {
            buf_append_byte(sql_out, '(');
            buf_append_view(sql_out, def->where_sql);
            buf_append_str(sql_out, ") AND ");
        }
        buf_append_byte(sql_out, '(');
        where_sql(expr, scope, sql_out);
        buf_append_byte(sql_out, ')');
    }
    arena_free(mem);
    if (ok && sql_out->size > WHERE_SQL_MAX) {
        ok = err_set(err, ERR_INVALID, "the clause has more than %u bytes", WHERE_SQL_MAX);
    }
    return ok;
}

/* ---- ORDER BY */

static bool
refuse_expression(const struct sql_node *node, struct err *err)
{
    static const char *const names[] = {
        [SQL_NULL] = "A_Const",        [SQL_BOOL] = "A_Const",
        [SQL_INT] = "A_Const",         [SQL_FLOAT] = "A_Const",
        [SQL_STRING] = "A_Const",      [SQL_BITSTRING] = "A_Const",
        [SQL_OP] = "A_Expr",           [SQL_OP_ANY] = "A_Expr",
        [SQL_OP_ALL] = "A_Expr",       [SQL_DISTINCT] = "A_Expr",
        [SQL_IN] = "A_Expr",           [SQL_NOT_IN] = "A_Expr",
        [SQL_NOT_DISTINCT] = "A_Expr", [SQL_NULLIF] = "A_Expr",
        [SQL_BETWEEN] = "A_Expr",      [SQL_AND] = "BoolExpr",
        [SQL_OR] = "BoolExpr",         [SQL_NOT] = "BoolExpr",
        [SQL_IS_NULL] = "NullTest",    [SQL_IS_TRUE] = "BooleanTest",
        [SQL_CAST] = "TypeCast",       [SQL_FUNC] = "FuncCall",
        [SQL_SUBQUERY] = "SubLink",    [SQL_COLLATE] = "CollateClause",
    };
    if (node->kind == SQL_PARAM) {
        return err_set(err, ERR_INVALID,
                       "At location %d: parameter $%d is not supported in ORDER BY clauses",
                       node->location, (int)node->number);
    }
    size_t kind = (size_t)node->kind;
    const char *name = kind < COUNT_OF(names) && names[kind] != NULL ? names[kind] : "These";
    return err_set(err, ERR_INVALID,
                   "At location %d: %s expressions are not allowed in ORDER BY clauses",
                   node->location, name);
}

static bool
append_column(const struct where_scope *scope, const struct sql_node *node, struct buf *out,
              struct err *err)
{
    if (node->kind != SQL_COLUMN) {
        return refuse_expression(node, err);
    }
    for (size_t i = 0; i < scope->column_count && node->name_count == 1; i++) {
        if (view_equal(scope->columns[i].name, node->names[0])) {
            sql_quote_name(node->names[0], out);
            return true;
        }
    }
    struct buf name = {0};
    for (size_t i = 0; i < node->name_count; i++) {
        buf_append_str(&name, i > 0 ? "." : "");
        buf_append_view(&name, node->names[i]);
    }
    (void)err_set(err, ERR_INVALID, "At location %d: unknown reference %s", node->location,
                  buf_str(&name));
    buf_free(&name);
    return false;
}

bool
subset_order(const struct where_scope *scope, const struct sql_sort *sorts, size_t count,
             struct buf *sql_out, struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        const struct sql_sort *sort = &sorts[i];
        buf_append_str(sql_out, i > 0 ? ", " : "");
        if (!append_column(scope, sort->node, sql_out, err)) {
            return false;
        }
        buf_append_str(sql_out, sort->is_descending ? " DESC" : " ASC");
        if (sort->has_nulls) {
            buf_append_str(sql_out, sort->nulls_first ? " NULLS FIRST" : " NULLS LAST");
        }
    }
    return true;
}
