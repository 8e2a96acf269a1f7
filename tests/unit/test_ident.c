/*
 * Names mean what Postgres takes them for, and what is no name gets the reference's text.
 */
#include "common/core/ident.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena *mem;

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
    arena_free(mem);
    return 0;
}

static void
assert_table(const char *text, const char *schema, const char *name)
{
    struct err err;
    struct table_ident table;
    assert_true(ident_parse_table(view_str(text), mem, &table, &err));
    assert_true(view_is(table.schema, schema));
    assert_true(view_is(table.name, name));
}

static void
assert_table_error(const char *text, const char *error)
{
    struct err err;
    struct table_ident table;
    assert_false(ident_parse_table(view_str(text), mem, &table, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_string_equal(err.msg, error);
}

static void
test_unquoted_names_fold_and_quoted_ones_keep_theirs(void **state)
{
    (void)state;
    assert_table("g_items", "public", "g_items");
    assert_table("NoPe.x", "nope", "x");
    assert_table("\"G Weird\"", "public", "G Weird");
    assert_table("\"a.b\".\"q\"\"q\"", "a.b", "q\"q");
    assert_table("_a1$.b", "_a1$", "b");
    assert_table("\xc3\x89t\xc3\xa9", "public", "\xc3\x89t\xc3\xa9"); /* only ASCII folds */
}

static void
test_what_is_no_table_says_so(void **state)
{
    (void)state;
    assert_table_error("G Weird",
                       "Invalid unquoted identifier contains special characters: G Weird");
    assert_table_error("1a", "Invalid unquoted identifier contains special characters: 1a");
    assert_table_error("a\"b\"", "Invalid unquoted identifier contains special characters: a\"b\"");
    assert_table_error("\"\"", "Invalid zero-length delimited identifier");
    assert_table_error("a.", "Invalid zero-length delimited identifier");
    assert_table_error(".a", "Invalid zero-length delimited identifier");
    assert_table_error("a.b.c", "Invalid relation identifier, too many delimiters: a.b.c");
    assert_table_error("\"a\"b\"c\"", "Invalid identifier with unescaped quote: a\"b\"c");
}

static void
test_names_are_at_most_63_characters(void **state)
{
    (void)state;
    char name[80] = {0};
    memset(name, 'a', 63);
    assert_table(name, "public", name);
    name[63] = 'a';
    assert_table_error(name, "Identifier is too long (max length is 63)");
}

static void
test_lists_split_at_commas_outside_of_quotes(void **state)
{
    (void)state;
    struct err err;
    struct view *names;
    size_t count;
    assert_true(ident_parse_list(view_str("id,\"a,b\",V"), mem, &names, &count, &err));
    assert_int_equal(count, 3);
    assert_true(view_is(names[0], "id"));
    assert_true(view_is(names[1], "a,b"));
    assert_true(view_is(names[2], "v"));
    assert_false(ident_parse_list(view_str("id,\"v"), mem, &names, &count, &err));
    assert_string_equal(err.msg, "Invalid unquoted identifier contains special characters: id,\"v");
    assert_false(ident_parse_list(view_str("id,"), mem, &names, &count, &err));
    assert_string_equal(err.msg, "Invalid zero-length delimited identifier");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_unquoted_names_fold_and_quoted_ones_keep_theirs),
        TEST(test_what_is_no_table_says_so),
        TEST(test_names_are_at_most_63_characters),
        TEST(test_lists_split_at_commas_outside_of_quotes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
