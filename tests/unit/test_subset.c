/* A subset's clauses are our own SQL, only narrow the shape, and name what may be named. */
#include "common/core/subset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/sql_parse.h"

static struct arena *mem;
static struct shape_def *def;
static struct buf sql;
static struct err err;

/* items(id int4 key, n int4, "a b" text), with this shape's where; NULL: none. */
static void
make(const char *where)
{
    const char *field;
    const char *const names[] = {"id", "n", "a b"};
    struct column columns[3] = {0};
    struct sql_node *tree = NULL;
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        uint32_t oid = i < 2 ? 23 : 25;
        columns[i] = (struct column){.name = view_str(names[i]),
                                     .type_oid = oid,
                                     .base_type_oid = oid,
                                     .type_mod = RELATION_NO_TYPE_MOD,
                                     .type_name = view_str("t"),
                                     .type_kind = 'b',
                                     .key_position = i == 0};
    }
    struct relation table = {1, view_str("public"), view_str("items"), 3, columns};
    shape_def_free(def);
    if (where != NULL) {
        assert_true(sql_parse_where(view_str(where), mem, &tree, &err));
    }
    struct shape_wish wish = {.where = tree};
    assert_true(shape_def_build(&table, &wish, &def, &field, &err));
}

static bool
write_where(struct where_scope *scope, const char *where, const char *param)
{
    struct sql_node *tree = NULL;
    static struct where_param params[1];
    params[0] = (struct where_param){true, view_str(param)};
    buf_clear(&sql);
    scope->params = params;
    scope->param_count = param[0] != 0;
    return (where == NULL || sql_parse_where(view_str(where), mem, &tree, &err)) &&
           subset_where(def, scope, tree, &sql, &err);
}

static void
expect_where(const char *where, const char *param, const char *want)
{
    struct where_scope scope = subset_scope(def, false, NULL, 0, mem);
    assert_true(write_where(&scope, where, param));
    assert_string_equal(buf_str(&sql), want);
}

static bool
write_order(const struct where_scope *scope, const char *order)
{
    struct sql_sort *sorts;
    size_t count;
    buf_clear(&sql);
    return sql_parse_order_by(view_str(order), mem, &sorts, &count, &err) &&
           subset_order(scope, sorts, count, &sql, &err);
}

static void
test_where(void **state)
{
    (void)state;
    make(NULL);
    expect_where(NULL, "", "");
    expect_where("n > 5", "", "((\"n\" > '5'::int4))");
    make("id = 1 OR id = 2");
    struct buf shape = {0};
    buf_append_view(&shape, def->where_sql);
    expect_where(NULL, "", buf_str(&shape));
    struct buf want = {0};
    buf_printf(&want, "(%s) AND ((\"a b\" = E'\\\\''x'::text))", buf_str(&shape));
    expect_where("\"a b\" = $1", "\\'x", buf_str(&want));
    buf_free(&want);
    buf_free(&shape);
}

static void
test_where_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"zzz", "At location 0: unknown reference zzz"},
        {"id IN (SELECT 1)", "Subqueries are not allowed in subsets"},
        {"n = 1 AND NOT (id = ANY (SELECT 1))", "Subqueries are not allowed in subsets"},
        {"n > $1", "At location 4: parameter $1 was not provided"},
        {"n", "WHERE clause must return a boolean"},
    };
    make("n = 1");
    struct where_scope scope = subset_scope(def, false, NULL, 0, mem);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(write_where(&scope, cases[i][0], ""));
        assert_non_null(strstr(err.msg, cases[i][1]));
    }
    for (const char *const *text =
             (const char *const[]){"n) OR (n", "n = 1; DROP TABLE x", "true ORDER BY n",
                                   "true UNION SELECT 1", NULL};
         *text != NULL; text++) {
        assert_false(write_where(&scope, *text, ""));
    }
}

static void
test_order(void **state)
{
    (void)state;
    make(NULL);
    struct where_scope scope = subset_scope(def, false, NULL, 0, mem);
    assert_true(write_order(&scope, "n desc nulls last, \"a b\" NULLS FIRST, id asc, ID"));
    assert_string_equal(buf_str(&sql),
                        "\"n\" DESC NULLS LAST, \"a b\" ASC NULLS FIRST, \"id\" ASC, "
                        "\"id\" ASC");
}

static void
test_order_refused(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"zzz", "At location 18: unknown reference zzz"},
        {"id, items.n", "At location 22: unknown reference items.n"},
        {"$1", "At location 18: parameter $1 is not supported in ORDER BY clauses"},
        {"n + 1", "A_Expr expressions are not allowed in ORDER BY clauses"},
        {"1", "A_Const expressions are not allowed in ORDER BY clauses"},
        {"lower(n)", "FuncCall expressions are not allowed in ORDER BY clauses"},
        {"n::text", "TypeCast expressions are not allowed in ORDER BY clauses"},
        {"(SELECT 1)", "SubLink expressions are not allowed in ORDER BY clauses"},
        {"ROW(n)", "expressions are not allowed in ORDER BY clauses"},
        {"n USING <", "USING is not allowed in ORDER BY clauses"},
        {"n LIMIT 1", "malformed query ending with SQL clauses"},
        {"n; SELECT 1", "unescaped \";\" causing statement split"},
    };
    make(NULL);
    struct where_scope scope = subset_scope(def, false, NULL, 0, mem);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_false(write_order(&scope, cases[i][0]));
        assert_non_null(strstr(err.msg, cases[i][1]));
    }
}

static void
test_queryable(void **state)
{
    (void)state;
    make(NULL);
    const struct view allowed[] = {view_str("id"), view_str("n")};
    struct where_scope scope = subset_scope(def, true, allowed, COUNT_OF(allowed), mem);
    assert_true(write_where(&scope, "n > 5", ""));
    assert_string_equal(buf_str(&sql), "((\"n\" > '5'::int4))");
    assert_true(write_order(&scope, "n"));
    assert_false(write_where(&scope, "\"a b\" = 'x'", ""));
    assert_false(write_order(&scope, "\"a b\""));
}

static int
set_up(void **state)
{
    (void)state;
    mem = arena_new(1u << 20);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    shape_def_free(def);
    arena_free(mem);
    buf_free(&sql);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where),     cmocka_unit_test(test_where_refused),
        cmocka_unit_test(test_order),     cmocka_unit_test(test_order_refused),
        cmocka_unit_test(test_queryable),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
