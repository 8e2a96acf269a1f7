#include "common/sql_parse.h"

#include <pg_query.h>
#include <pg_query/pg_query.pb-c.h>
#include <string.h>

#include "common/buf.h"
#include "common/mem.h"
#include "common/sql_guard.h"

struct conversion {
    struct arena *mem;
    struct err *err;
    unsigned depth;
};

typedef PgQuery__Node pg_node;

static struct sql_node *convert(struct conversion *c, const pg_node *node);

/* ---- small parts */

static struct view
copy_text(struct conversion *c, const char *text)
{
    size_t size = strlen(text);
    uint8_t *copy = arena_alloc(c->mem, size + 1, 1);
    memcpy(copy, text, size);
    return (struct view){copy, size};
}

static struct sql_node *
make(struct conversion *c, enum sql_kind kind, int32_t location, size_t arg_count)
{
    struct sql_node *node = arena_alloc(c->mem, 1, sizeof *node);
    node->kind = kind;
    node->location = location;
    node->arg_count = arg_count;
    if (arg_count > 0) {
        node->args = arena_alloc(c->mem, arg_count, sizeof *node->args);
    }
    return node;
}

static struct sql_node *
other(struct conversion *c, const char *name, int32_t location)
{
    struct sql_node *node = make(c, SQL_OTHER, location, 0);
    node->text = view_str(name);
    return node;
}

/* False when a child failed; a NULL child stays NULL. */
static bool
set_arg(struct conversion *c, struct sql_node *node, size_t i, const pg_node *child)
{
    node->args[i] = child == NULL ? NULL : convert(c, child);
    return child == NULL || node->args[i] != NULL;
}

static bool
set_args(struct conversion *c, struct sql_node *node, size_t from, pg_node *const *children,
         size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!set_arg(c, node, from + i, children[i])) {
            return false;
        }
    }
    return true;
}

static struct sql_node *
make_with(struct conversion *c, enum sql_kind kind, int32_t location, pg_node *const *children,
          size_t count)
{
    struct sql_node *node = make(c, kind, location, count);
    return set_args(c, node, 0, children, count) ? node : NULL;
}

static void
set_names(struct conversion *c, struct sql_node *node, pg_node **names, size_t count)
{
    node->names = arena_alloc(c->mem, count + 1, sizeof *node->names);
    for (size_t i = 0; i < count; i++) {
        bool is_text = names[i]->node_case == PG_QUERY__NODE__NODE_STRING;
        node->names[node->name_count++] =
            is_text ? copy_text(c, names[i]->string->sval) : view_str("*");
    }
}

/* ---- expressions */

static struct sql_node *
convert_const(struct conversion *c, const PgQuery__AConst *value)
{
    if (value->isnull) {
        return make(c, SQL_NULL, value->location, 0);
    }
    struct sql_node *node = make(c, SQL_NULL, value->location, 0);
    switch (value->val_case) {
    case PG_QUERY__A__CONST__VAL_IVAL:
        node->kind = SQL_INT;
        node->number = value->ival->ival;
        break;
    case PG_QUERY__A__CONST__VAL_FVAL:
        node->kind = SQL_FLOAT;
        node->text = copy_text(c, value->fval->fval);
        break;
    case PG_QUERY__A__CONST__VAL_BOOLVAL:
        node->kind = SQL_BOOL;
        node->number = value->boolval->boolval;
        break;
    case PG_QUERY__A__CONST__VAL_SVAL:
        node->kind = SQL_STRING;
        node->text = copy_text(c, value->sval->sval);
        break;
    case PG_QUERY__A__CONST__VAL_BSVAL:
        node->kind = SQL_BITSTRING;
        node->text = copy_text(c, value->bsval->bsval);
        break;
    default: /* protobuf's enum, not ours: a zero integer is sent as nothing at all */
        node->kind = SQL_INT;
        break;
    }
    return node;
}

static const pg_node *const *
list_items(const pg_node *node, size_t *count_out)
{
    if (node->node_case != PG_QUERY__NODE__NODE_LIST) {
        *count_out = 0;
        return NULL;
    }
    *count_out = node->list->n_items;
    return (const pg_node *const *)node->list->items;
}

/* `left IN (…)` and `BETWEEN`: the right side is a list. */
static struct sql_node *
convert_listed(struct conversion *c, enum sql_kind kind, uint32_t flags, const PgQuery__AExpr *expr)
{
    size_t count;
    const pg_node *const *items = list_items(expr->rexpr, &count);
    struct sql_node *node = make(c, kind, expr->location, count + 1);
    node->flags = flags;
    if (!set_arg(c, node, 0, expr->lexpr)) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (!set_arg(c, node, i + 1, items[i])) {
            return NULL;
        }
    }
    return node;
}

static struct sql_node *
convert_pair(struct conversion *c, enum sql_kind kind, const PgQuery__AExpr *expr)
{
    struct sql_node *node = make(c, kind, expr->location, 2);
    if (expr->n_name > 0) {
        node->text = copy_text(c, expr->name[expr->n_name - 1]->string->sval);
    }
    if (expr->n_name > 1) {
        return other(c, "OPERATOR()", expr->location); /* a schema's own operator */
    }
    return set_arg(c, node, 0, expr->lexpr) && set_arg(c, node, 1, expr->rexpr) ? node : NULL;
}

static struct sql_node *
convert_a_expr(struct conversion *c, const PgQuery__AExpr *expr)
{
    switch (expr->kind) {
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP:
    case PG_QUERY__A__EXPR__KIND__AEXPR_LIKE:
    case PG_QUERY__A__EXPR__KIND__AEXPR_ILIKE:
        return convert_pair(c, SQL_OP, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ANY:
        return convert_pair(c, SQL_OP_ANY, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_OP_ALL:
        return convert_pair(c, SQL_OP_ALL, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_DISTINCT:
        return convert_pair(c, SQL_DISTINCT, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_DISTINCT:
        return convert_pair(c, SQL_NOT_DISTINCT, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NULLIF:
        return convert_pair(c, SQL_NULLIF, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_IN: {
        bool is_not = strcmp(expr->name[0]->string->sval, "<>") == 0;
        return convert_listed(c, is_not ? SQL_NOT_IN : SQL_IN, 0, expr);
    }
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN:
        return convert_listed(c, SQL_BETWEEN, 0, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN:
        return convert_listed(c, SQL_BETWEEN, SQL_NEGATED, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_BETWEEN_SYM:
        return convert_listed(c, SQL_BETWEEN, SQL_SYMMETRIC, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_NOT_BETWEEN_SYM:
        return convert_listed(c, SQL_BETWEEN, SQL_NEGATED | SQL_SYMMETRIC, expr);
    case PG_QUERY__A__EXPR__KIND__AEXPR_SIMILAR:
        return other(c, "SIMILAR TO", expr->location);
    default: /* protobuf's enum, not ours */
        return other(c, "A_Expr", expr->location);
    }
}

static struct sql_node *
convert_bool_expr(struct conversion *c, const PgQuery__BoolExpr *expr)
{
    enum sql_kind kind = SQL_NOT;
    if (expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__AND_EXPR) {
        kind = SQL_AND;
    } else if (expr->boolop == PG_QUERY__BOOL_EXPR_TYPE__OR_EXPR) {
        kind = SQL_OR;
    }
    return make_with(c, kind, expr->location, expr->args, expr->n_args);
}

static struct sql_node *
convert_boolean_test(struct conversion *c, const PgQuery__BooleanTest *test)
{
    enum sql_kind kind = SQL_IS_TRUE;
    uint32_t flags = 0;
    switch (test->booltesttype) {
    case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_TRUE:
        flags = SQL_NEGATED;
        break;
    case PG_QUERY__BOOL_TEST_TYPE__IS_FALSE:
        kind = SQL_IS_FALSE;
        break;
    case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_FALSE:
        kind = SQL_IS_FALSE;
        flags = SQL_NEGATED;
        break;
    case PG_QUERY__BOOL_TEST_TYPE__IS_UNKNOWN:
        kind = SQL_IS_UNKNOWN;
        break;
    case PG_QUERY__BOOL_TEST_TYPE__IS_NOT_UNKNOWN:
        kind = SQL_IS_UNKNOWN;
        flags = SQL_NEGATED;
        break;
    default: /* IS TRUE */
        break;
    }
    struct sql_node *node = make_with(c, kind, test->location, &test->arg, 1);
    if (node != NULL) {
        node->flags = flags;
    }
    return node;
}

static struct sql_node *
convert_null_test(struct conversion *c, const PgQuery__NullTest *test)
{
    struct sql_node *node = make_with(c, SQL_IS_NULL, test->location, &test->arg, 1);
    if (node != NULL && test->nulltesttype == PG_QUERY__NULL_TEST_TYPE__IS_NOT_NULL) {
        node->flags = SQL_NEGATED;
    }
    return node;
}

static struct sql_node *
convert_cast(struct conversion *c, const PgQuery__TypeCast *cast)
{
    const PgQuery__TypeName *type = cast->type_name;
    struct sql_node *node = make(c, SQL_CAST, cast->location, 1 + type->n_typmods);
    set_names(c, node, type->names, type->n_names);
    node->number = (int64_t)type->n_array_bounds;
    if (type->setof || type->pct_type) {
        return other(c, "TypeName", cast->location);
    }
    bool ok =
        set_arg(c, node, 0, cast->arg) && set_args(c, node, 1, type->typmods, type->n_typmods);
    return ok ? node : NULL;
}

static struct sql_node *
convert_func(struct conversion *c, const PgQuery__FuncCall *call)
{
    struct sql_node *node = make_with(c, SQL_FUNC, call->location, call->args, call->n_args);
    if (node == NULL) {
        return NULL;
    }
    set_names(c, node, call->funcname, call->n_funcname);
    if (call->n_agg_order > 0 || call->agg_filter != NULL || call->over != NULL ||
        call->agg_within_group || call->agg_star || call->agg_distinct) {
        node->flags |= SQL_AGGREGATE;
    }
    if (call->func_variadic) {
        node->flags |= SQL_VARIADIC;
    }
    return node;
}

/* `a[1][2]` is one node, and so is `a[1:2][3]`, where a plain 3 means 1:3. A field selection is not
 * for us. */
static struct sql_node *
convert_indirection(struct conversion *c, const PgQuery__AIndirection *indirection)
{
    bool is_slice = false;
    size_t count = indirection->n_indirection;
    for (size_t i = 0; i < count; i++) {
        const pg_node *step = indirection->indirection[i];
        if (step->node_case != PG_QUERY__NODE__NODE_A_INDICES) {
            return other(c, "A_Indirection", -1);
        }
        is_slice = is_slice || step->a_indices->is_slice;
    }
    struct sql_node *node =
        make(c, is_slice ? SQL_SLICE : SQL_INDEX, -1, 1 + (is_slice ? 2 * count : count));
    if (!set_arg(c, node, 0, indirection->arg)) {
        return NULL;
    }
    ASSERT(node->args[0] != NULL);
    node->location = node->args[0]->location;
    for (size_t i = 0; i < count; i++) {
        const PgQuery__AIndices *indices = indirection->indirection[i]->a_indices;
        size_t place = is_slice ? 2 + 2 * i : 1 + i;
        if (is_slice && !indices->is_slice) {
            node->args[place - 1] = make(c, SQL_INT, node->location, 0);
            node->args[place - 1]->number = 1;
        } else if (is_slice && !set_arg(c, node, place - 1, indices->lidx)) {
            return NULL;
        }
        if (!set_arg(c, node, place, indices->uidx)) {
            return NULL;
        }
    }
    return node;
}

static struct sql_node *
convert_case(struct conversion *c, const PgQuery__CaseExpr *expr)
{
    struct sql_node *node = make(c, SQL_CASE, expr->location, 2 + 2 * expr->n_args);
    if (!set_arg(c, node, 0, expr->arg) || !set_arg(c, node, 1, expr->defresult)) {
        return NULL;
    }
    for (size_t i = 0; i < expr->n_args; i++) {
        const PgQuery__CaseWhen *when = expr->args[i]->case_when;
        if (!set_arg(c, node, 2 + 2 * i, when->expr) ||
            !set_arg(c, node, 3 + 2 * i, when->result)) {
            return NULL;
        }
    }
    return node;
}

static struct sql_node *
convert_min_max(struct conversion *c, const PgQuery__MinMaxExpr *expr)
{
    enum sql_kind kind = expr->op == PG_QUERY__MIN_MAX_OP__IS_LEAST ? SQL_LEAST : SQL_GREATEST;
    return make_with(c, kind, expr->location, expr->args, expr->n_args);
}

static struct sql_node *
convert_sublink(struct conversion *c, const PgQuery__SubLink *link)
{
    struct sql_node *node = make(c, SQL_SUBQUERY, link->location, link->testexpr != NULL ? 1 : 0);
    return node->arg_count == 0 || set_arg(c, node, 0, link->testexpr) ? node : NULL;
}

static struct sql_node *
convert_collate(struct conversion *c, const PgQuery__CollateClause *clause)
{
    struct sql_node *node = make_with(c, SQL_COLLATE, clause->location, &clause->arg, 1);
    if (node != NULL) {
        set_names(c, node, clause->collname, clause->n_collname);
    }
    return node;
}

static struct sql_node *
convert_column(struct conversion *c, const PgQuery__ColumnRef *ref)
{
    struct sql_node *node = make(c, SQL_COLUMN, ref->location, 0);
    set_names(c, node, ref->fields, ref->n_fields);
    return node;
}

static struct sql_node *
convert_param(struct conversion *c, const PgQuery__ParamRef *ref)
{
    struct sql_node *node = make(c, SQL_PARAM, ref->location, 0);
    node->number = ref->number;
    return node;
}

static struct sql_node *
convert_clock(struct conversion *c, const PgQuery__SQLValueFunction *function)
{
    struct sql_node *node = make(c, SQL_CLOCK, function->location, 0);
    node->text = view_str("SQLValueFunction");
    return node;
}

static struct sql_node *
convert_node(struct conversion *c, const pg_node *node)
{
    switch (node->node_case) {
    case PG_QUERY__NODE__NODE_A_CONST:
        return convert_const(c, node->a_const);
    case PG_QUERY__NODE__NODE_COLUMN_REF:
        return convert_column(c, node->column_ref);
    case PG_QUERY__NODE__NODE_PARAM_REF:
        return convert_param(c, node->param_ref);
    case PG_QUERY__NODE__NODE_A_EXPR:
        return convert_a_expr(c, node->a_expr);
    case PG_QUERY__NODE__NODE_BOOL_EXPR:
        return convert_bool_expr(c, node->bool_expr);
    case PG_QUERY__NODE__NODE_NULL_TEST:
        return convert_null_test(c, node->null_test);
    case PG_QUERY__NODE__NODE_BOOLEAN_TEST:
        return convert_boolean_test(c, node->boolean_test);
    case PG_QUERY__NODE__NODE_TYPE_CAST:
        return convert_cast(c, node->type_cast);
    case PG_QUERY__NODE__NODE_FUNC_CALL:
        return convert_func(c, node->func_call);
    case PG_QUERY__NODE__NODE_A_ARRAY_EXPR:
        return make_with(c, SQL_ARRAY, node->a_array_expr->location, node->a_array_expr->elements,
                         node->a_array_expr->n_elements);
    case PG_QUERY__NODE__NODE_A_INDIRECTION:
        return convert_indirection(c, node->a_indirection);
    case PG_QUERY__NODE__NODE_CASE_EXPR:
        return convert_case(c, node->case_expr);
    case PG_QUERY__NODE__NODE_COALESCE_EXPR:
        return make_with(c, SQL_COALESCE, node->coalesce_expr->location, node->coalesce_expr->args,
                         node->coalesce_expr->n_args);
    case PG_QUERY__NODE__NODE_MIN_MAX_EXPR:
        return convert_min_max(c, node->min_max_expr);
    case PG_QUERY__NODE__NODE_ROW_EXPR:
        return make_with(c, SQL_ROW, node->row_expr->location, node->row_expr->args,
                         node->row_expr->n_args);
    case PG_QUERY__NODE__NODE_COLLATE_CLAUSE:
        return convert_collate(c, node->collate_clause);
    case PG_QUERY__NODE__NODE_SUB_LINK:
        return convert_sublink(c, node->sub_link);
    case PG_QUERY__NODE__NODE_SQLVALUE_FUNCTION:
        return convert_clock(c, node->sqlvalue_function);
    default: /* protobuf's enum, not ours: whatever else the grammar knows */
        return other(c, "expression", -1);
    }
}

static struct sql_node *
convert(struct conversion *c, const pg_node *node)
{
    if (c->depth >= SQL_DEPTH_MAX) {
        err_set(c->err, ERR_LIMIT, "expression is nested more than %d levels deep", SQL_DEPTH_MAX);
        return NULL;
    }
    c->depth++;
    struct sql_node *converted = convert_node(c, node);
    c->depth--;
    return converted;
}

/* ---- statements */

static bool
is_plain(const PgQuery__SelectStmt *select)
{
    return select->n_target_list == 1 && select->n_distinct_clause == 0 &&
           select->into_clause == NULL && select->n_from_clause == 0 &&
           select->n_group_clause == 0 && select->having_clause == NULL &&
           select->n_window_clause == 0 && select->n_values_lists == 0 &&
           select->limit_offset == NULL && select->limit_count == NULL &&
           select->n_locking_clause == 0 && select->with_clause == NULL && select->larg == NULL &&
           select->rarg == NULL;
}

typedef bool (*take_fn)(struct conversion *c, const PgQuery__SelectStmt *select, void *result);

static bool
take_statement(const PgQuery__ParseResult *parsed, struct conversion *c, take_fn take, void *result)
{
    if (parsed->n_stmts != 1) {
        return err_set(c->err, ERR_INVALID, "unescaped \";\" causing statement split");
    }
    const pg_node *statement = parsed->stmts[0]->stmt;
    if (statement == NULL || statement->node_case != PG_QUERY__NODE__NODE_SELECT_STMT ||
        !is_plain(statement->select_stmt)) {
        return err_set(c->err, ERR_INVALID, "malformed query ending with SQL clauses");
    }
    return take(c, statement->select_stmt, result);
}

static bool
parse(const char *prefix, struct view text, struct conversion *c, take_fn take, void *result)
{
    if (text.size > SQL_TEXT_MAX) {
        return err_set(c->err, ERR_LIMIT, "expression is longer than %u bytes", SQL_TEXT_MAX);
    }
    if (!sql_guard_check(text, c->err)) {
        return false;
    }
    if (text.size > 0 && memchr(text.bytes, 0, text.size) != NULL) {
        return err_set(c->err, ERR_INVALID, "expression has a NUL byte in it");
    }
    struct buf query = {0};
    buf_append_str(&query, prefix);
    buf_append_view(&query, text);
    PgQueryProtobufParseResult parsed = pg_query_parse_protobuf(buf_str(&query));
    bool ok = false;
    if (parsed.error != NULL) {
        err_set(c->err, ERR_INVALID, "At location %d: %s",
                parsed.error->cursorpos > 0 ? parsed.error->cursorpos - 1 : 0,
                parsed.error->message);
    } else {
        PgQuery__ParseResult *tree = pg_query__parse_result__unpack(
            NULL, parsed.parse_tree.len, (const uint8_t *)parsed.parse_tree.data);
        ASSERT(tree != NULL);
        ok = take_statement(tree, c, take, result);
        pg_query__parse_result__free_unpacked(tree, NULL);
    }
    pg_query_free_protobuf_parse_result(parsed);
    buf_free(&query);
    return ok;
}

static bool
take_where(struct conversion *c, const PgQuery__SelectStmt *select, void *result)
{
    struct sql_node **node_out = result;
    if (select->where_clause == NULL || select->n_sort_clause > 0) {
        return err_set(c->err, ERR_INVALID, "malformed query ending with SQL clauses");
    }
    *node_out = convert(c, select->where_clause);
    return *node_out != NULL;
}

bool
sql_parse_where(struct view where, struct arena *mem, struct sql_node **node_out, struct err *err)
{
    struct conversion c = {.mem = mem, .err = err};
    return parse(SQL_WHERE_PREFIX, where, &c, take_where, node_out);
}

struct sorts {
    struct sql_sort *items;
    size_t count;
};

static bool
take_order_by(struct conversion *c, const PgQuery__SelectStmt *select, void *result)
{
    struct sorts *sorts = result;
    if (select->where_clause != NULL || select->n_sort_clause == 0) {
        return err_set(c->err, ERR_INVALID, "malformed query ending with SQL clauses");
    }
    sorts->items = arena_alloc(c->mem, select->n_sort_clause, sizeof *sorts->items);
    for (size_t i = 0; i < select->n_sort_clause; i++) {
        const PgQuery__SortBy *by = select->sort_clause[i]->sort_by;
        struct sql_sort *sort = &sorts->items[sorts->count++];
        if (by->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_USING) {
            return err_set(c->err, ERR_INVALID, "USING is not allowed in ORDER BY clauses");
        }
        sort->node = convert(c, by->node);
        if (sort->node == NULL) {
            return false;
        }
        sort->is_descending = by->sortby_dir == PG_QUERY__SORT_BY_DIR__SORTBY_DESC;
        sort->has_nulls = by->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST ||
                          by->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_LAST;
        sort->nulls_first = by->sortby_nulls == PG_QUERY__SORT_BY_NULLS__SORTBY_NULLS_FIRST;
    }
    return true;
}

bool
sql_parse_order_by(struct view order, struct arena *mem, struct sql_sort **sorts_out,
                   size_t *count_out, struct err *err)
{
    struct conversion c = {.mem = mem, .err = err};
    struct sorts sorts = {0};
    if (!parse(SQL_ORDER_PREFIX, order, &c, take_order_by, &sorts)) {
        return false;
    }
    *sorts_out = sorts.items;
    *count_out = sorts.count;
    return true;
}
