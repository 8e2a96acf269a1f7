/* Clauses that have a part in common compute it once for a row, and say what they say alone. */
#include "common/core/where_pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/where_eval.h"
#include "common/core/where_sql.h"
#include "common/sql_parse.h"

static const struct where_column columns[] = {
    {{(const uint8_t *)"a", 1}, {.base = WT_INT4}, false},
    {{(const uint8_t *)"t", 1}, {.base = WT_TEXT}, false},
    {{(const uint8_t *)"n", 1}, {.base = WT_NUMERIC}, false},
};
static const struct where_scope scope = {.columns = columns, .column_count = COUNT_OF(columns)};

/* The clause is checked in an arena of its own, which is gone before the shared tree is used. */
static const struct expr *
take(struct where_pool *pool, const char *text)
{
    struct err err;
    struct sql_node *tree;
    struct expr *expr;
    struct arena *mem = arena_new(64u << 20);
    assert_true(sql_parse_where(view_str(text), mem, &tree, &err));
    assert_true(where_check_tree(tree, &scope, mem, &expr, &err));
    const struct expr *shared = where_pool_take(pool, expr);
    arena_free(mem);
    return shared;
}

static enum where_truth
ask(struct where_pool *pool, const struct expr *expr, const char *a, const char *t)
{
    struct err err;
    struct arena *mem = arena_new(64u << 20);
    struct where_field fields[3] = {{.text = view_str(a)}, {.text = view_str(t)}};
    struct where_row row = {fields, 3, mem, NULL};
    fields[2].is_null = true;
    where_pool_next_row(pool);
    enum where_truth truth = where_eval_truth(expr, &row, &err);
    arena_free(mem);
    return truth;
}

static void
test_equal_parts_are_one_node(void **state)
{
    (void)state;
    struct where_pool *pool = where_pool_new();
    const struct expr *one = take(pool, "lower(t) <> 'x'");
    size_t count = where_pool_count(pool);
    const struct expr *again = take(pool, "lower(t) <> 'x'");
    const struct expr *other = take(pool, "lower(t) <> 'y' AND a > 1.0::int");
    assert_ptr_equal(one, again);
    assert_ptr_equal(one->args[0], other->args[0]->args[0]);
    assert_non_null(one->args[0]->memo);
    assert_true(where_pool_count(pool) > count);
    where_pool_give_back(pool, one);
    where_pool_give_back(pool, other);
    assert_int_equal(where_pool_count(pool), count);
    assert_int_equal(ask(pool, again, "1", "X"), WHERE_FALSE);
    assert_int_equal(ask(pool, again, "1", "Z"), WHERE_TRUE);
    where_pool_give_back(pool, again);
    assert_int_equal(where_pool_count(pool), 0);
    where_pool_free(pool);
}

static void
test_constants_of_every_kind_outlive_their_clause(void **state)
{
    static const char *const clauses[] = {
        "t = ANY('{a,NULL,\"b c\"}')",
        "a::numeric = 1.500 OR n = 'NaN' OR t = 'x'",
        "t ~ '^[ab]+c'",
        "('{\"k\":[1,2]}'::jsonb -> 'k')::text <> t",
        "a IN (1,2,3) AND t || 'z' LIKE '%\\%z'",
        "t::interval > '1 mon -3 days' OR t = 'q'",
    };
    (void)state;
    struct where_pool *pool = where_pool_new();
    for (size_t i = 0; i < COUNT_OF(clauses); i++) {
        struct buf before = {0};
        struct buf after = {0};
        struct err err;
        struct sql_node *tree;
        struct expr *expr;
        struct arena *mem = arena_new(64u << 20);
        assert_true(sql_parse_where(view_str(clauses[i]), mem, &tree, &err));
        if (!where_check_tree(tree, &scope, mem, &expr, &err)) {
            fail_msg("%s: %s", clauses[i], err.msg);
        }
        where_sql(expr, &scope, &before);
        const struct expr *first = where_pool_take(pool, expr);
        arena_free(mem);
        const struct expr *second = take(pool, clauses[i]);
        assert_ptr_equal(first, second);
        where_sql(first, &scope, &after);
        assert_string_equal(buf_str(&before), buf_str(&after));
        (void)ask(pool, first, "1", "abc");
        where_pool_give_back(pool, first);
        where_pool_give_back(pool, second);
        buf_free(&before);
        buf_free(&after);
    }
    assert_int_equal(where_pool_count(pool), 0);
    where_pool_free(pool);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_parts_are_one_node),
        cmocka_unit_test(test_constants_of_every_kind_outlive_their_clause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
