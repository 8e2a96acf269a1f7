/*
 * The index never misses: for random clauses and rows, what it gives contains every clause that is
 * true, and evaluating that gives exactly what asking every clause gives. What can be indexed is.
 */
#include "common/core/shape_index.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/sql_parse.h"

#define COLUMNS 7
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
};

static const char *const values[COLUMNS][8] = {
    {"0", "1", "2", "3", "7", "9", "12", NULL},
    {"0", "1", "2", "3", "7", "9", "12", NULL},
    {"", "a", "ab", "abc", "b", "\xff", "B", NULL},
    {"t", "f", "t", "f", "t", "f", "t", NULL},
    {"0", "0.0", "1.50", "1.5", "NaN", "-3", "Infinity", NULL},
    {"{}", "{a}", "{a,b}", "{b,NULL}", "{NULL}", "{c}", "{a,a}", NULL},
    {"0", "1", "2", "3", "7", "9", "12", NULL},
};

struct clause {
    struct index_member member; /* first: a member is its clause */
    const struct expr *expr;
    bool is_candidate;
};

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

static void
append_atom(struct buf *text)
{
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
    };
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
mark(void *ctx, struct index_member *member)
{
    (void)ctx;
    struct clause *clause = (struct clause *)member;
    assert_false(clause->is_candidate); /* each once */
    clause->is_candidate = true;
}

static void
check_row(struct shape_index *index, struct clause *clauses, const bool *is_in, struct arena *mem)
{
    struct err err;
    struct where_field fields[COLUMNS] = {0};
    struct where_row row = {fields, COLUMNS, mem};
    for (size_t i = 0; i < COLUMNS; i++) {
        const char *value = values[i][pick(8)];
        fields[i].is_null = value == NULL;
        fields[i].text = view_str(value == NULL ? "" : value);
    }
    shape_index_find(index, &row, mark, NULL);
    for (size_t i = 0; i < CLAUSES; i++) {
        bool is_true = where_eval_truth(clauses[i].expr, &row, &err) == WHERE_TRUE;
        assert_true(!is_true || !is_in[i] || clauses[i].is_candidate);
        assert_true(is_in[i] || !clauses[i].is_candidate);
        clauses[i].is_candidate = false;
    }
}

static void
test_the_index_never_misses(void **state)
{
    (void)state;
    static struct clause clauses[CLAUSES];
    static bool is_in[CLAUSES];
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct arena *mem = arena_new(64u << 20);
        struct arena *row_mem = arena_new(16u << 20);
        struct shape_index *index = shape_index_new();
        random_state = seed;
        memset(clauses, 0, sizeof clauses);
        for (size_t i = 0; i < CLAUSES; i++) {
            struct buf text = {0};
            append_clause(&text, pick(4));
            clauses[i].expr = clauses[i].member.expr = check(buf_str(&text), mem);
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
count(void *ctx, struct index_member *member)
{
    (void)member;
    (*(size_t *)ctx)++;
}

static size_t
candidates(const char *form, const char *text, const char *array)
{
    struct arena *mem = arena_new(64u << 20);
    struct shape_index *index = shape_index_new();
    static struct index_member members[1000];
    memset(members, 0, sizeof members);
    for (unsigned i = 0; i < COUNT_OF(members); i++) {
        struct buf clause = {0};
        append_form(form, i, &clause);
        members[i].expr = check(buf_str(&clause), mem);
        buf_free(&clause);
        shape_index_add(index, &members[i]);
    }
    struct where_field fields[COLUMNS] = {0};
    struct where_row row = {fields, COLUMNS, mem};
    const char *const texts[COLUMNS] = {"500", "500", text, "t", "500", array, "5"};
    for (size_t i = 0; i < COLUMNS; i++) {
        fields[i].text = view_str(texts[i]);
    }
    size_t found = 0;
    shape_index_find(index, &row, count, &found);
    for (size_t i = 0; i < COUNT_OF(members); i++) {
        shape_index_remove(index, &members[i]);
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
    assert_int_equal(candidates("t IS NULL AND a < #", "x", "{}"), 499);
    assert_int_equal(candidates("a + 1 = #", "x", "{}"), 1000);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_index_never_misses),
        cmocka_unit_test(test_a_row_asks_few_of_a_thousand_clauses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
