/*
 * The index never misses: for random clauses and rows, what it tells is what asking every clause
 * tells, true, false and in error, while clauses come and go. What can be indexed is: few of a
 * thousand clauses are looked at.
 *
 *     test_shape_index [SEEDS [FIRST]]      more of it, each seed 400 clauses and 300 rows
 */
#include "common/core/shape_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/core/where_sql.h"
#include "common/sql_parse.h"

#define COLUMNS 13
#define CLAUSES 400
#define ROWS    300

static const struct where_column columns[COLUMNS] = {
    {{(const uint8_t *)"a", 1}, {.base = WT_INT4}, false},
    {{(const uint8_t *)"b", 1}, {.base = WT_INT4}, false},
    {{(const uint8_t *)"t", 1}, {.base = WT_TEXT}, false},
    {{(const uint8_t *)"f", 1}, {.base = WT_BOOL}, false},
    {{(const uint8_t *)"n", 1}, {.base = WT_NUMERIC}, false},
    {{(const uint8_t *)"r", 1}, {.base = WT_TEXT, .is_array = true}, false},
    {{(const uint8_t *)"s", 1}, {.base = WT_INT2}, false},
    {{(const uint8_t *)"j", 1}, {.base = WT_JSONB}, false},
    {{(const uint8_t *)"d", 1}, {.base = WT_DATE}, false},
    {{(const uint8_t *)"x", 1}, {.base = WT_FLOAT8}, false},
    {{(const uint8_t *)"i", 1}, {.base = WT_INTERVAL}, false},
    {{(const uint8_t *)"c", 1}, {.base = WT_BPCHAR}, false},
    {{(const uint8_t *)"u", 1}, {.base = WT_INT4, .is_array = true}, false},
};

#define VALUES 10

/* The last of a, t's numbers and j cannot be read as what clauses want of them. */
static const char *const values[COLUMNS][VALUES] = {
    {"0", "1", "2", "3", "7", "9", "12", "-2147483648", "2147483647", NULL},
    {"0", "1", "2", "3", "7", "9", "12", "11", "10", NULL},
    {"", "a", "ab", "abc", "b", "\xff", "B", "xAbCdeFgHijk", "5", NULL},
    {"t", "f", "t", "f", "t", "f", "t", "f", "t", NULL},
    {"0", "0.0", "1.50", "1.5", "NaN", "-3", "Infinity", "-Infinity", "1e20", NULL},
    {"{}", "{a}", "{a,b}", "{b,NULL}", "{NULL}", "{c}", "{a,a}", "{\"NULL\"}", "{{a},{b}}", NULL},
    {"0", "1", "2", "3", "7", "9", "12", "-32768", "32767", NULL},
    {"{}", "{\"k\":1}", "{\"k\":{\"l\":[\"a\",2]}}", "[\"a\",1]", "\"a\"", "{\"0\":1}", "[1,1.0]",
     "{\"k\":1.0,\"a\":null}", "{broken", NULL},
    {"2024-01-01", "2024-01-02", "infinity", "-infinity", "0044-03-15 BC", "2024-02-29",
     "1999-12-31", "2000-01-01", "2024-01-03", NULL},
    {"0", "-0", "1.5", "NaN", "Infinity", "-Infinity", "1e300", "-1.5", "2", NULL},
    {"P1D", "PT24H", "P1M", "P30D", "PT0S", "PT-1S", "P-1D", "PT1H", "P1Y", NULL},
    {"ab  ", "ab", "a", "", "b   ", "abc", "B", "ab c", "5", NULL},
    {"{}", "{1}", "{1,2}", "{NULL,3}", "{7}", "{9,12}", "{0}", "{1,1}", "{{1},{2}}", NULL},
};

struct clause {
    struct index_member member; /* first: a member is its clause */
    const struct expr *expr;
    enum where_truth told; /* WHERE_FALSE: nothing */
};

static const struct expr *
clause_of(void *ctx, struct index_member *member, struct arena *mem)
{
    (void)ctx;
    (void)mem;
    return ((struct clause *)member)->expr;
}

static const struct shape_index_options options = {.clause = clause_of};

static uint64_t random_state;

static uint32_t
pick(uint32_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(random_state >> 33) % below;
}

static struct expr *
check(const char *text, struct arena *mem)
{
    struct err err;
    struct sql_node *tree;
    struct expr *expr = NULL;
    struct where_scope scope = {.columns = columns, .column_count = COLUMNS};
    if (!sql_parse_where(view_str(text), mem, &tree, &err) ||
        !where_check_tree(tree, &scope, mem, &expr, &err)) {
        fail_msg("%s: %s", text, err.msg);
    }
    return expr;
}

/* Every # becomes the number. */
static void
append_form(const char *form, uint32_t number, struct buf *text)
{
    for (; *form != '\0'; form++) {
        if (*form == '#') {
            buf_append_u64(text, number);
        } else {
            buf_append_byte(text, (uint8_t)*form);
        }
    }
}

static const char *const forms[] = {
    "a = #",
    "b = #",
    "a > #",
    "a <= #",
    "# < b",
    "a BETWEEN # AND 9",
    "a IN (#,3,7)",
    "b IS NULL",
    "f",
    "NOT f",
    "f IS TRUE",
    "t LIKE 'a%'",
    "t = 'ab'",
    "t >= 'b'",
    "n = 1.5",
    "n > #",
    "r @> '{a}'",
    "'b' = ANY(r)",
    "r && '{a,c}'",
    "a + b = #",
    "s = #",
    "t IS NOT NULL",
    "a <> #",
    "t LIKE '_b'",
    "a IS DISTINCT FROM #",
    "s IN (1,#)",
    "r = '{a}'",
    "t > 'a' AND t < 'b'",
    "r @> '{}'",
    "a = NULL",
    "(a, b) IN ((#,1), (2,#))",
    "(a, b) < (#, 3)",
    "(a, b) = (#, 2)",
    "a < 1 AND a > #",
    "a BETWEEN 2 AND # AND b IN (1,2,#)",
    "a > 2147483647",
    "n BETWEEN -# AND 1.5",
    "n IN (#, 'NaN')",
    "t LIKE '%b'",
    "t LIKE '%bc%'",
    "t ILIKE '%ABCD%'",
    "t ILIKE 'x_b%'",
    "t LIKE 'ab'",
    "t LIKE '%'",
    "t LIKE 'a\\b%'",
    "t ILIKE '%fghi%' AND a = #",
    "lower(t) = 'b'",
    "t = '#' AND t::int = #",
    "t::int = #",
    "t::int + a > #",
    "t IS NOT DISTINCT FROM 'a'",
    "b IS NOT DISTINCT FROM NULL",
    "j @> '{\"k\":1}'",
    "j @> '{\"k\":{\"l\":[\"a\"]}}'",
    "j @> '[1]'",
    "j @> '{\"0\":1}'",
    "j @> '{}'",
    "j ? 'a'",
    "j ?| ARRAY['k','z']",
    "j ?& ARRAY['k','a']",
    "j->>'k' = '1'",
    "(j->>'k')::numeric < #",
    "j = '{\"k\":1}'",
    "d = '2024-01-02'",
    "d >= '2024-01-02'",
    "d < '0044-03-15 BC'",
    "x = 0",
    "x > 1.5",
    "x >= 'NaN'",
    "x < '-Infinity'",
    "i = '1 day'",
    "i > '23 hours'",
    "i <= '-1 second'",
    "c = 'ab'",
    "c >= 'ab'",
    "c LIKE 'ab%'",
    "u @> '{#}'",
    "# = ANY(u)",
    "u && '{#,1}'",
    "u = '{1,2}'",
    "u @> '{1,NULL}'",
    "a = ANY('{1,#,NULL}'::int[])",
    "CASE WHEN a > # THEN 'x' ELSE t END = 'x'",
    "a % 3 = 1",
    "100 / a > #",
    "t ~ 'b+c'",
    "a = # AND b = 1 AND s = 1 AND n = 1 AND f",
    "a IN (1,2,#) AND s IN (1,#)",
};

static void
append_atom(struct buf *text)
{
    append_form(forms[pick(COUNT_OF(forms))], pick(13), text);
}

static void
append_clause(struct buf *text, unsigned depth)
{
    if (depth == 0 || pick(3) == 0) {
        append_atom(text);
        return;
    }
    buf_append_str(text, pick(8) == 0 ? "NOT (" : "(");
    append_clause(text, depth - 1);
    buf_append_str(text, pick(2) == 0 ? " AND " : " OR ");
    append_clause(text, depth - 1);
    buf_append_str(text, ")");
}

static void
mark(void *ctx, struct index_member *member, enum where_truth truth, const struct err *err)
{
    (void)ctx;
    (void)err;
    struct clause *clause = (struct clause *)member;
    assert_int_equal(clause->told, WHERE_FALSE); /* each once */
    clause->told = truth;
}

static void
check_row(struct shape_index *index, struct clause *clauses, const bool *is_in, struct arena *mem)
{
    struct err err;
    struct where_field fields[COLUMNS] = {0};
    struct where_row row = {fields, COLUMNS, mem, NULL};
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *value = values[i][pick(VALUES)];
        fields[i].is_null = value == NULL;
        fields[i].text = view_str(value == NULL ? "" : value);
    }
    shape_index_match(index, &row, mark, NULL);
    for (size_t i = 0; i < CLAUSES; i++) {
        enum where_truth truth = where_eval_truth(clauses[i].expr, &row, &err);
        truth = truth == WHERE_UNKNOWN || !is_in[i] ? WHERE_FALSE : truth;
        if (clauses[i].told == WHERE_FALSE && truth == WHERE_ERROR) {
            truth = WHERE_FALSE; /* another condition of the clause does not hold */
        }
        if (clauses[i].told != truth) {
            struct buf sql = {0};
            struct where_scope scope = {.columns = columns, .column_count = COLUMNS};
            where_sql(clauses[i].expr, &scope, &sql);
            fail_msg("%s: told %d, is %d", buf_str(&sql), (int)clauses[i].told, (int)truth);
        }
        clauses[i].told = WHERE_FALSE;
    }
}

static uint64_t first_seed = 1;
static uint64_t seed_count = 5;

static void
test_the_index_never_misses(void **state)
{
    (void)state;
    static struct clause clauses[CLAUSES];
    static bool is_in[CLAUSES];
    for (uint64_t seed = first_seed; seed < first_seed + seed_count; seed++) {
        struct arena *mem = arena_new(64u << 20);
        struct arena *row_mem = arena_new(16u << 20);
        struct shape_index *index = shape_index_new(&options);
        random_state = seed;
        memset(clauses, 0, sizeof clauses);
        for (size_t i = 0; i < CLAUSES; i++) {
            struct buf text = {0};
            append_clause(&text, pick(4));
            clauses[i].expr = check(buf_str(&text), mem);
            shape_index_add(index, &clauses[i].member);
            is_in[i] = true;
            buf_free(&text);
        }
        for (size_t row = 0; row < ROWS; row++) {
            check_row(index, clauses, is_in, row_mem);
            arena_reset(row_mem);
            size_t i = pick(CLAUSES);
            if (is_in[i]) {
                shape_index_remove(index, &clauses[i].member);
            } else {
                shape_index_add(index, &clauses[i].member);
            }
            is_in[i] = !is_in[i];
        }
        for (size_t i = 0; i < CLAUSES; i++) {
            if (is_in[i]) {
                shape_index_remove(index, &clauses[i].member);
            }
        }
        assert_int_equal(shape_index_count(index), 0);
        shape_index_free(index);
        arena_free(row_mem);
        arena_free(mem);
    }
}

static void
ignore(void *ctx, struct index_member *member, enum where_truth truth, const struct err *err)
{
    (void)ctx;
    (void)member;
    (void)truth;
    (void)err;
}

/* How many of a thousand clauses are looked at for one row; # is their number. */
static size_t
candidates(const char *form, const char *text, const char *array)
{
    struct arena *mem = arena_new(64u << 20);
    struct shape_index *index = shape_index_new(&options);
    static struct clause members[1000];
    memset(members, 0, sizeof members);
    for (unsigned i = 0; i < COUNT_OF(members); i++) {
        struct buf clause = {0};
        append_form(form, i, &clause);
        members[i].expr = check(buf_str(&clause), mem);
        buf_free(&clause);
        shape_index_add(index, &members[i].member);
    }
    struct where_field fields[COLUMNS] = {0};
    struct where_row row = {fields, COLUMNS, mem, NULL};
    const char *const texts[COLUMNS] = {
        "500",        "500", text,    "t",
        "500",        array, "5",     "{\"k\":{\"l\":500},\"tags\":[\"e500\"],\"e500\":0}",
        "2024-01-01", "500", "P500D", "500",
        "{500}"};
    for (size_t i = 0; i < COLUMNS; i++) {
        fields[i].text = view_str(texts[i]);
    }
    shape_index_match(index, &row, ignore, NULL);
    size_t found = (size_t)shape_index_found_count(index);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        shape_index_remove(index, &members[i].member);
    }
    shape_index_free(index);
    arena_free(mem);
    return found;
}

static void
test_a_row_asks_few_of_a_thousand_clauses(void **state)
{
    (void)state;
    assert_int_equal(candidates("a = #", "x", "{}"), 1);
    assert_int_equal(candidates("n = #", "x", "{}"), 1);
    assert_int_equal(candidates("a = 500 AND b = #", "x", "{}"), 1);
    assert_int_equal(candidates("f AND t LIKE 'x' AND a = #", "x", "{}"), 1);
    assert_int_equal(candidates("a IN (#, 5000)", "x", "{}"), 1);
    assert_int_equal(candidates("a = # OR b = 1#", "x", "{}"), 1);
    assert_int_equal(candidates("a BETWEEN # AND #", "x", "{}"), 1);
    assert_int_equal(candidates("(a = # OR a = -1) AND (b = # OR b = -1)", "x", "{}"), 1);
    assert_int_equal(candidates("t LIKE 'k#-%'", "k500-z", "{}"), 1);
    assert_int_equal(candidates("r @> '{e#}'", "x", "{q,e500}"), 1);
    assert_int_equal(candidates("'e#' = ANY(r)", "x", "{q,e500}"), 1);
    assert_int_equal(candidates("a = 500 AND b IN (#, -1)", "x", "{}"), 1);
    assert_int_equal(candidates("(a, b) IN ((500, #), (#, 1))", "x", "{}"), 1);
    assert_int_equal(candidates("n BETWEEN # AND #.5", "x", "{}"), 1);
    assert_int_equal(candidates("x >= # AND x < # + 1.0", "x", "{}"), 1);
    assert_int_equal(candidates("i = '# days'", "x", "{}"), 1);
    assert_int_equal(candidates("c = '#'", "x", "{}"), 1);
    assert_int_equal(candidates("u @> '{#}'", "x", "{}"), 1);
    assert_int_equal(candidates("u && '{#,-1}'", "x", "{}"), 1);
    assert_int_equal(candidates("lower(t) = 'k#'", "K500", "{}"), 1);
    assert_in_range(candidates("t ILIKE '%KEY#-%'", "my-key500-z", "{}"), 1, 5);
    assert_in_range(candidates("t LIKE '%k#'", "k500", "{}"), 1, 5);
    assert_int_equal(candidates("j @> '{\"k\":{\"l\":#}}'", "x", "{}"), 1);
    assert_int_equal(candidates("j @> '{\"tags\":[\"e#\"]}'", "x", "{}"), 1);
    assert_int_equal(candidates("j ? 'e#'", "x", "{}"), 1);
    assert_int_equal(candidates("(j->'k'->>'l')::int = #", "x", "{}"), 1);
    assert_int_equal(candidates("a + 1 = # + 1", "x", "{}"), 1);
    assert_int_equal(candidates("a < # AND t IS NULL", "x", "{}"), 499);
    assert_int_equal(candidates("a <> #", "x", "{}"), 1000);
}

int
main(int argc, char **argv)
{
    seed_count = argc > 1 ? strtoull(argv[1], NULL, 10) : seed_count;
    first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : first_seed;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_index_never_misses),
        cmocka_unit_test(test_a_row_asks_few_of_a_thousand_clauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
