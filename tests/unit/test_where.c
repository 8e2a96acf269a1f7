/*
 * A clause gets the text that clients know when it is refused, one SQL however it was written, and
 * the value that Postgres would give it. (That it is Postgres' value for random clauses and rows is
 * the matter of tests/integration/test_where_oracle.py.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/core/where_code.h"
#include "common/core/where_eval.h"
#include "common/core/where_fn.h"
#include "common/core/where_sql.h"
#include "common/sql_guard.h"
#include "common/sql_parse.h"

enum { ID, N, V, AT, FLAG, TAGS, MOOD, PRICE, COLUMN_COUNT };

static struct where_column columns[COLUMN_COUNT];
static struct where_param params[2];
static struct view labels[COLUMN_COUNT];
static struct where_scope scope = {
    .columns = columns, .column_count = COLUMN_COUNT, .params = params, .enum_labels = labels};
static struct arena *mem;

static int
set_up(void **state)
{
    static const struct {
        const char *name;
        struct where_type type;
    } table[COLUMN_COUNT] = {
        [ID] = {"id", {.base = WT_INT4}},
        [N] = {"n", {.base = WT_INT4}},
        [V] = {"v", {.base = WT_TEXT}},
        [AT] = {"at", {.base = WT_TIMESTAMPTZ}},
        [FLAG] = {"flag", {.base = WT_BOOL}},
        [TAGS] = {"tags", {.base = WT_TEXT, .is_array = true}},
        [MOOD] = {"mood", {.base = WT_ENUM, .oid = 4711}},
        [PRICE] = {"price", {.base = WT_NUMERIC}},
    };
    (void)state;
    labels[MOOD] = view_str("{sad,ok,\"very happy\"}");
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        columns[i] = (struct where_column){view_str(table[i].name), table[i].type, false};
    }
    mem = arena_new(16u << 20);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static struct expr *
check(const char *text, struct err *err)
{
    struct sql_node *tree;
    struct expr *expr;
    if (!sql_parse_where(view_str(text), mem, &tree, err) ||
        !where_check_tree(tree, &scope, mem, &expr, err)) {
        return NULL;
    }
    return expr;
}

static void
expect_error(const char *text, const char *message)
{
    struct err err;
    assert_null(check(text, &err));
    assert_string_equal(err.msg, message);
}

static void
expect_sql(const char *text, const char *sql)
{
    struct err err = {0};
    struct buf out = {0};
    struct expr *expr = check(text, &err);
    assert_string_equal(err.msg, "");
    assert_non_null(expr);
    where_sql(expr, &scope, &out);
    assert_string_equal(buf_str(&out), sql);
    buf_free(&out);
}

/* Fields in the columns' order; NULL for what is NULL. */
static enum where_truth
eval(const char *text, const char *const fields[COLUMN_COUNT])
{
    struct err err;
    struct where_field row_fields[COLUMN_COUNT] = {0};
    struct expr *expr = check(text, &err);
    assert_non_null(expr);
    for (size_t i = 0; i < COLUMN_COUNT; i++) {
        row_fields[i].is_null = fields[i] == NULL;
        row_fields[i].text = view_str(fields[i] == NULL ? "" : fields[i]);
    }
    struct where_row row = {row_fields, COLUMN_COUNT, mem, NULL};
    return where_eval_truth(expr, &row, &err);
}

static void
test_refusals_have_the_texts_that_clients_know(void **state)
{
    (void)state;
    scope.param_count = 0;
    expect_error("n = $1", "At location 4: parameter $1 was not provided");
    expect_error("n =", "At location 18: syntax error at end of input");
    expect_error("v = 10", "At location 2: Could not select an operator overload");
    expect_error("tags ILIKE '{a}'", "At location 5: Could not select an operator overload");
    expect_error("tags NOT LIKE tags", "At location 5: Could not select an operator overload");
    expect_error("zzz = 1", "At location 0: unknown reference zzz");
    expect_error("n", "WHERE clause must return a boolean");
    expect_error("count(*) > 1", "At location 0: aggregation is not supported in this context");
    expect_error("n = 1; drop table x", "unescaped \";\" causing statement split");
    expect_error("random() > 0.5", "At location 0: unknown or unsupported function random/0");
    expect_error("at > '2024-01-01'",
                 "At location 5: invalid syntax for type timestamptz: 2024-01-01");
    expect_error("at > now()", "At location 5: unknown or unsupported function now/0");
    expect_error("v ~ v", "At location 4: a regular expression must be a constant");
    expect_error("v ~ ANY(ARRAY['a'])", "At location 2: a regular expression must be a constant");
    expect_error("v !~ '(a'",
                 "At location 5: invalid regular expression: parentheses () not balanced");
    expect_error("v ILIKE 'É%'",
                 "At location 8: ILIKE is not supported for letters beyond ASCII: how they fold "
                 "depends on the database's collation");
    expect_error("v ILIKE ANY(ARRAY['a', 'É'])",
                 "At location 12: ILIKE is not supported for letters beyond ASCII: how they fold "
                 "depends on the database's collation");
    expect_error("substring(v from 'a+') = 'a'",
                 "At location 0: this form of substring is not supported");
    expect_error("case when n=10 then 1 end", "WHERE clause must return a boolean");
    expect_error("case when n=10 then 1 else 'x'::text end = 1",
                 "At location 0: CASE types text and int4 cannot be matched");
    expect_error("(n, id) = (1, 2, 3)",
                 "At location 8: unequal number of entries in row expressions");
    expect_error("(n, id) = 1", "At location 10: a row can be compared with a row only");
    expect_error("1 = (n, id)", "At location 4: RowExpr is not supported in this context");
    expect_error("n[1] = 1",
                 "At location 0: cannot subscript type int4 because it is not an array");
    expect_error("n = 'x'", "At location 4: invalid syntax for type int4: x");
    expect_error("t.n = 1", "At location 0: unknown reference t.n");
    expect_error("n=$x", "At location 17: syntax error at or near \"$\"");
    expect_error("id IN (SELECT a FROM b)", "At location 3: subqueries are not supported yet");
    expect_error("n = 1 ORDER BY n", "malformed query ending with SQL clauses");
    expect_error("n IS TRUE", "At location 2: argument of IS TRUE must be bool, not int4");
}

static void
test_parameters_take_the_type_of_their_first_use(void **state)
{
    (void)state;
    params[0] = (struct where_param){true, view_str("10")};
    params[1] = (struct where_param){true, view_str("abc")};
    scope.param_count = 2;
    expect_sql("n=$1", "(\"n\" = '10'::int4)");
    expect_error("n=$2", "At location 2: invalid syntax for type int4: abc");
    expect_error("n=$1 and v=$1", "At location 11: type conflict for $1: int4 and text");
    scope.param_count = 0;
}

static void
test_one_meaning_has_one_sql(void **state)
{
    (void)state;
    expect_sql("n   =10", "(\"n\" = '10'::int4)");
    expect_sql("n IN (10,20)", "(\"n\" = ANY ('{10,20}'::int4[]))");
    expect_sql("n BETWEEN 1 AND 15", "((\"n\" >= '1'::int4) AND (\"n\" <= '15'::int4))");
    expect_sql("n IS NULL OR TRUE", "'true'::bool");
    expect_sql("n = 2 + 3", "(\"n\" = '5'::int4)");
    expect_sql("v < 'b'", "(\"v\" COLLATE \"C\" < 'b'::text)");
    expect_sql("v = 'it''s \\'", "(\"v\" = E'it''s \\\\'::text)");
    expect_sql("mood = 'ok'", "(\"mood\" = 'ok')");
    expect_sql("n = 1.5", "(\"n\" = '1.5'::numeric)");
    expect_sql("n = 3000000000", "(\"n\" = '3000000000'::int8)");
}

static void
test_what_is_spelled_out(void **state)
{
    (void)state;
    expect_sql("CASE WHEN n = 1 THEN flag END",
               "(CASE WHEN (\"n\" = '1'::int4) THEN \"flag\" ELSE NULL::bool END)");
    expect_sql("CASE n WHEN 1 THEN 2 ELSE 1.5 END = id",
               "((CASE WHEN (\"n\" = '1'::int4) THEN '2'::numeric ELSE '1.5'::numeric END) = "
               "\"id\")");
    expect_sql("CASE WHEN false THEN n = 1 WHEN true THEN n = 2 ELSE n = 3 END",
               "(\"n\" = '2'::int4)");
    expect_sql("NULLIF(n, 1) = 2",
               "((CASE WHEN (\"n\" = '1'::int4) THEN NULL::int4 ELSE \"n\" END) = '2'::int4)");
    expect_sql("(n, v) = (1, 'a')", "((\"n\" = '1'::int4) AND (\"v\" = 'a'::text))");
    expect_sql("(n, v) IN ((1, 'a'))", "((\"n\" = '1'::int4) AND (\"v\" = 'a'::text))");
    expect_sql("(n, id) < (1, 2)",
               "((\"n\" < '1'::int4) OR ((\"n\" = '1'::int4) AND (\"id\" < '2'::int4)))");
    expect_sql("(n, id) >= (1, 2)",
               "((\"n\" > '1'::int4) OR ((\"n\" = '1'::int4) AND (\"id\" >= '2'::int4)))");
    expect_sql("(n, v) IS NOT NULL", "((\"n\" IS NOT NULL) AND (\"v\" IS NOT NULL))");
    expect_sql("v ~* '^a'", "(\"v\" COLLATE \"C\" ~* '^a'::text)");
    expect_sql("position('b' in v) = 1", "(pg_catalog.position(\"v\", 'b'::text) = '1'::int4)");
    expect_sql("trim(v) = ''", "(pg_catalog.btrim(\"v\") = ''::text)");
    expect_sql("tags[2:] = '{a}'", "((\"tags\")['2'::int4:'2147483647'::int4] = '{a}'::text[])");
    expect_sql("tags[1:2][3] = '{a}'", "((\"tags\")['1'::int4:'2'::int4]['1'::int4:'3'::int4] = "
                                       "'{a}'::text[])");
}

static void
test_what_is_shared_is_counted_as_often_as_it_is_said(void **state)
{
    (void)state;
    struct err err;
    struct buf text = {0};
    buf_append_str(&text, "flag");
    for (size_t i = 0; i < 30; i++) {
        struct buf next = {0};
        buf_printf(&next, "(%s) BETWEEN SYMMETRIC false AND flag", buf_str(&text));
        buf_free(&text);
        text = next;
    }
    assert_null(check(buf_str(&text), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    buf_free(&text);
}

static void
test_lists_and_parameters_are_bounded(void **state)
{
    (void)state;
    struct err err;
    static struct where_param many[WHERE_PARAM_MAX + 1];
    struct where_scope crowded = {.columns = columns,
                                  .column_count = COLUMN_COUNT,
                                  .params = many,
                                  .param_count = COUNT_OF(many)};
    struct sql_node *tree;
    struct expr *expr;
    struct buf text = {0};
    assert_true(sql_parse_where(view_str("flag"), mem, &tree, &err));
    assert_false(where_check_tree(tree, &crowded, mem, &expr, &err));
    assert_string_equal(err.msg, "a clause may have at most 10000 parameters");
    sql_guard_prepare_stack();
    buf_append_str(&text, "n IN (0");
    for (size_t i = 0; i < 8000; i++) {
        buf_append_str(&text, ",1");
    }
    buf_append_str(&text, ")");
    assert_non_null(check(buf_str(&text), &err));
    buf_free(&text);
}

static void
test_unstable_functions_are_refused_with_the_reason(void **state)
{
    (void)state;
    expect_error("at > current_timestamp",
                 "At location 5: SQLValueFunction is not supported in this context: its value "
                 "depends on the clock or on the session");
    expect_error("at > clock_timestamp()",
                 "At location 5: function clock_timestamp is not supported: it depends on the "
                 "clock: a row would come and go without a change");
    expect_error("nextval('s') = 1",
                 "At location 0: function nextval is not supported: it has effects of its own");
    expect_error("gen_random_uuid() = '00000000-0000-0000-0000-000000000000'",
                 "At location 0: function gen_random_uuid is not supported: its value is another "
                 "one each time");
}

/* A label that came after the clause is equal to nothing else, and has no place in the order. */
static void
test_enums_have_the_order_of_their_labels(void **state)
{
    (void)state;
    const char *row[COLUMN_COUNT] = {"1", NULL, "ok", NULL, "t", "{a}", "ok", "1.50"};
    assert_int_equal(eval("mood < 'very happy'", row), WHERE_TRUE);
    assert_int_equal(eval("mood <= 'ok' AND mood >= 'ok'", row), WHERE_TRUE);
    assert_int_equal(eval("mood > 'ok'", row), WHERE_FALSE);
    assert_int_equal(eval("'sad' > mood", row), WHERE_FALSE);
    assert_int_equal(eval("mood BETWEEN 'sad' AND 'very happy'", row), WHERE_TRUE);
    assert_int_equal(eval("mood < NULL", row), WHERE_UNKNOWN);
    assert_int_equal(eval("mood::text = v", row), WHERE_TRUE);
    row[MOOD] = "new";
    assert_int_equal(eval("mood > 'sad'", row), WHERE_ERROR);
    assert_int_equal(eval("mood = 'sad'", row), WHERE_FALSE);
    assert_int_equal(eval("mood <> 'sad'", row), WHERE_TRUE);
    expect_sql("mood > 'sad'", "(\"mood\" > 'sad')");
    expect_error("mood = 'bad'", "At location 7: invalid input value for enum: \"bad\"");
    expect_error("mood < ANY('{sad}')", "At location 5: Could not select an operator overload");
    expect_error("mood = v", "At location 5: Could not select an operator overload");

    scope.enum_labels = NULL; /* not known: nothing can be checked */
    assert_int_equal(eval("mood = 'bad'", row), WHERE_FALSE);
    expect_error("mood > 'sad'", "At location 5: Could not select an operator overload");
    scope.enum_labels = labels;
}

static void
test_three_truths(void **state)
{
    (void)state;
    const char *const row[COLUMN_COUNT] = {"1", NULL, "abc", NULL, "t", "{a,NULL}", "ok", "1.50"};
    assert_int_equal(eval("n = 1", row), WHERE_UNKNOWN);
    assert_int_equal(eval("n = 1 OR id = 1", row), WHERE_TRUE);
    assert_int_equal(eval("n = 1 AND id = 2", row), WHERE_FALSE);
    assert_int_equal(eval("NOT (n = 1)", row), WHERE_UNKNOWN);
    assert_int_equal(eval("n IS NOT DISTINCT FROM NULL", row), WHERE_TRUE);
    assert_int_equal(eval("id IN (1, NULL)", row), WHERE_TRUE);
    assert_int_equal(eval("id NOT IN (2, NULL)", row), WHERE_UNKNOWN);
    assert_int_equal(eval("'a' = ANY(tags)", row), WHERE_TRUE);
    assert_int_equal(eval("'b' = ANY(tags)", row), WHERE_UNKNOWN);
    assert_int_equal(eval("price = 1.5", row), WHERE_TRUE);
    assert_int_equal(eval("mood IN ('sad', 'ok')", row), WHERE_TRUE);
    assert_int_equal(eval("flag", row), WHERE_TRUE);
    assert_int_equal(eval("(id, n) = (2, 1)", row), WHERE_FALSE);
    assert_int_equal(eval("(id, n) = (1, 1)", row), WHERE_UNKNOWN);
    assert_int_equal(eval("(n, id) < (1, 1)", row), WHERE_UNKNOWN);
    assert_int_equal(eval("(id, n) < (2, 1)", row), WHERE_TRUE);
    assert_int_equal(eval("(id, n) NOT IN ((2, 1), (3, NULL))", row), WHERE_TRUE);
    assert_int_equal(eval("(id, n) IS NULL", row), WHERE_FALSE);
    assert_int_equal(eval("(id, n) IS NOT NULL", row), WHERE_FALSE);
    assert_int_equal(eval("(id, n) IS DISTINCT FROM (1, NULL)", row), WHERE_FALSE);
    assert_int_equal(eval("CASE WHEN n = 1 THEN false ELSE flag END", row), WHERE_TRUE);
    assert_int_equal(eval("CASE id WHEN 1 THEN n = 1 END", row), WHERE_UNKNOWN);
    assert_int_equal(eval("NULLIF(id, 1) IS NULL", row), WHERE_TRUE);
    assert_int_equal(eval("tags[1:1] = '{a}'", row), WHERE_TRUE);
    assert_int_equal(eval("tags[3:] = '{}'", row), WHERE_TRUE);
    assert_int_equal(eval("tags[n:] IS NULL", row), WHERE_TRUE);
}

static void
test_an_error_counts_only_when_nothing_else_decides(void **state)
{
    (void)state;
    const char *const row[COLUMN_COUNT] = {"1", "0", "abc", NULL, "t", "{}", "ok", "0"};
    assert_int_equal(eval("id / n = 1", row), WHERE_ERROR);
    assert_int_equal(eval("id / n = 1 AND id = 2", row), WHERE_FALSE);
    assert_int_equal(eval("id / n = 1 OR flag", row), WHERE_TRUE);
    assert_int_equal(eval("v::int4 = 1", row), WHERE_ERROR);
}

/* Each was told by `make oracle`. */
static void
test_what_postgres_says(void **state)
{
    (void)state;
    const char *const row[COLUMN_COUNT] = {"1", NULL, " Yes", NULL, "t", "{a,b}", "ok", "1.50"};
    assert_int_equal(eval("n + 1 / (id - 1) = 1", row), WHERE_ERROR); /* n is NULL */
    assert_int_equal(eval("v::bool", row), WHERE_TRUE);
    assert_int_equal(eval("flag::name = 't'", row), WHERE_TRUE);
    assert_int_equal(eval("flag::text = 'true'", row), WHERE_TRUE);
    assert_int_equal(eval("(tags || '{\"c d\"}')::text = '{a,b,\"c d\"}'", row), WHERE_TRUE);
    assert_int_equal(eval("(date '5874897-12-31' + (id - 1)) > date 'infinity'", row), WHERE_FALSE);
    assert_int_equal(eval("(date '5874897-12-31' + id) > date '2000-01-01'", row), WHERE_ERROR);
    assert_int_equal(eval("(time '03:04:05.5' + interval '1 s' * id)::text = '03:04:06.5'", row),
                     WHERE_TRUE);
    assert_int_equal(eval("(1e10::float4 * 1.5::float4)::text = '1.5000001e+10'", row), WHERE_TRUE);
    assert_int_equal(eval("(concat(v, '10'))::interval IS NULL", row), WHERE_ERROR);
    assert_int_equal(eval("(concat('1', '0'))::interval = '10 s'", row), WHERE_TRUE);
    assert_int_equal(eval("ilike(v, '%YES')", row), WHERE_TRUE);
}

static void
test_sql_that_postgres_takes(void **state)
{
    (void)state;
    expect_sql("ilike(v, 'a')", "(\"v\" COLLATE \"C\" ~~* 'a'::text)");
    expect_sql("coalesce(NULL, 'a', v) = v", "('a'::text = \"v\")");
    expect_sql("n + NULL = 1", "NULL::bool");
    expect_error("tags ~~* ARRAY[v]", "At location 5: Could not select an operator overload");
    expect_error("coalesce(time '00:00', interval '1 s') IS NULL",
                 "At location 0: COALESCE types time and interval cannot be matched");
}

/* 1 and 0, or -1 for an error */
static int
like(const char *text, const char *pattern, bool ignore_case)
{
    bool matches;
    if (!where_like(view_str(text), view_str(pattern), ignore_case, &matches)) {
        return -1;
    }
    return matches;
}

static void
test_like(void **state)
{
    (void)state;
    assert_int_equal(like("a%b", "a\\%b", false), 1);
    assert_int_equal(like("axb", "a\\%b", false), 0);
    assert_int_equal(like("日本", "__", false), 1);
    assert_int_equal(like("x\ny", "x_y", false), 1);
    assert_int_equal(like("ABC", "a%c", true), 1);
    assert_int_equal(like("", "%", false), 1);
    assert_int_equal(like("aaaaaaaaaaaaaaaaaaaaaaaaaaaa", "%a%a%a%a%a%a%b", false), 0);
    assert_int_equal(like("ab", "%_%_%", false), 1);
    assert_int_equal(like("a", "%_%_%", false), 0);
}

/* As in Postgres it is an error only when the match gets there. */
static void
test_like_that_ends_with_a_backslash(void **state)
{
    (void)state;
    assert_int_equal(like("ab", "a\\", false), -1);
    assert_int_equal(like("a", "a\\", false), 0);
    assert_int_equal(like("xb", "a\\", false), 0);
    assert_int_equal(like("a", "%\\", false), -1);
    assert_int_equal(like("a", "%_\\", false), -1);
    assert_int_equal(like("", "%\\", false), 0);
}

static void
test_bytes_give_the_same_clause_and_shorter_ones_none(void **state)
{
    (void)state;
    struct err err;
    struct buf code = {0};
    struct buf sql = {0};
    struct expr *again;
    struct expr *expr =
        check("(n + 1 > 3 OR v LIKE 'a%' OR v ~ 'a+') AND mood <> 'ok' AND tags @> '{a}'", &err);
    assert_non_null(expr);
    where_encode(expr, &code);
    assert_true(where_decode(buf_view(&code), &scope, mem, &again, &err));
    where_sql(again, &scope, &sql);
    assert_string_equal(buf_str(&sql),
                        "((((\"n\" + '1'::int4) > '3'::int4) OR (\"v\" ~~ 'a%'::text) "
                        "OR (\"v\" COLLATE \"C\" ~ 'a+'::text)) AND "
                        "(\"mood\" <> 'ok') AND (\"tags\" @> '{a}'::text[]))");
    for (size_t size = 0; size < code.size; size++) {
        assert_false(where_decode((struct view){code.bytes, size}, &scope, mem, &again, &err));
    }
    buf_free(&code);
    buf_free(&sql);
}

/* A clause whose values grow fails for the row, and ends nobody. */
static void
test_an_evaluation_has_a_bound(void **state)
{
    (void)state;
    struct err err;
    struct buf text = {0};
    struct where_field fields[COLUMN_COUNT] = {0};
    struct arena *row_mem = arena_new(4u << 20);
    struct arena *tmp = arena_new(4u << 20);
    struct where_row row = {fields, COLUMN_COUNT, row_mem, tmp};
    buf_append_str(&text, "v");
    for (size_t i = 0; i < 12; i++) {
        struct buf next = {0};
        buf_printf(&next, "replace(%s, 'a', 'aaaaaaaa')", buf_str(&text));
        buf_free(&text);
        text = next;
    }
    buf_append_str(&text, " = 'b'");
    struct expr *expr = check(buf_str(&text), &err);
    assert_non_null(expr);
    fields[V].text = view_str("a");
    assert_int_equal(where_eval_truth(expr, &row, &err), WHERE_ERROR);
    assert_string_equal(err.msg, "a text of more bytes than an evaluation may take");
    expr = check("v || v = 'bb'", &err);
    fields[V] = (struct where_field){.text = view_str("b")};
    for (size_t i = 0; i < 1000000; i++) { /* what one takes is free for the next */
        assert_int_equal(where_eval_truth(expr, &row, &err), WHERE_TRUE);
    }
    arena_free(row_mem);
    arena_free(tmp);
    buf_free(&text);
}

/* Each quoted element once took as much memory as all of the text behind it. */
static void
test_long_arrays_are_read_or_refused(void **state)
{
    (void)state;
    struct err err;
    struct where_value value;
    struct buf text = {0};
    buf_append_byte(&text, '{');
    for (size_t i = 0; i < 20000; i++) {
        buf_append_str(&text, "\"a b\",\"\\\"\",");
    }
    buf_append_str(&text, "\"\"}");
    struct arena *large = arena_new(16u << 20);
    const struct where_type type = {.base = WT_TEXT, .is_array = true};
    assert_true(where_value_parse(type, buf_view(&text), large, &value, &err));
    assert_int_equal(value.array.count, 40001);
    assert_true(view_is(value.array.items[0].text, "a b"));
    assert_true(view_is(value.array.items[1].text, "\""));
    struct view odd = {(const uint8_t *)"{a\0}", 4}; /* no blank at the end */
    assert_true(where_value_parse(type, odd, large, &value, &err));
    assert_int_equal(value.array.items[0].text.size, 2);
    struct arena *small = arena_new(1u << 20);
    assert_false(where_value_parse(type, buf_view(&text), small, &value, &err));
    arena_free(small);
    arena_free(large);
    buf_free(&text);
}

static void
test_deep_nesting_is_refused(void **state)
{
    (void)state;
    struct err err;
    struct buf text = {0};
    for (size_t i = 0; i < 300; i++) {
        buf_append_str(&text, "NOT ");
    }
    buf_append_str(&text, "flag");
    assert_null(check(buf_str(&text), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    for (size_t i = 0; i < 100000; i++) {
        buf_append_str(&text, "+1");
    }
    assert_null(check(buf_str(&text), &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    buf_free(&text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals_have_the_texts_that_clients_know),
        cmocka_unit_test(test_parameters_take_the_type_of_their_first_use),
        cmocka_unit_test(test_one_meaning_has_one_sql),
        cmocka_unit_test(test_what_is_spelled_out),
        cmocka_unit_test(test_what_is_shared_is_counted_as_often_as_it_is_said),
        cmocka_unit_test(test_lists_and_parameters_are_bounded),
        cmocka_unit_test(test_unstable_functions_are_refused_with_the_reason),
        cmocka_unit_test(test_enums_have_the_order_of_their_labels),
        cmocka_unit_test(test_three_truths),
        cmocka_unit_test(test_an_error_counts_only_when_nothing_else_decides),
        cmocka_unit_test(test_what_postgres_says),
        cmocka_unit_test(test_sql_that_postgres_takes),
        cmocka_unit_test(test_like),
        cmocka_unit_test(test_like_that_ends_with_a_backslash),
        cmocka_unit_test(test_bytes_give_the_same_clause_and_shorter_ones_none),
        cmocka_unit_test(test_an_evaluation_has_a_bound),
        cmocka_unit_test(test_long_arrays_are_read_or_refused),
        cmocka_unit_test(test_deep_nesting_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
