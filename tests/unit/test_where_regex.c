/*
 * A pattern matches where Postgres says it does (tests/integration/test_where_regex.py asks it),
 * what we do not support is refused by name, and no pattern takes long.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/where_regex.h"

static bool
matches(const char *pattern, bool ignore_case, const char *text)
{
    struct err err = {0};
    const struct where_regex *regex;
    struct arena *mem = arena_new(8u << 20);
    bool ok = where_regex_compile(view_str(pattern), ignore_case, mem, &regex, &err);
    assert_string_equal(err.msg, "");
    assert_true(ok);
    bool found = where_regex_matches(regex, view_str(text), mem);
    arena_free(mem);
    return found;
}

static void
expect_error(const char *pattern, bool ignore_case, const char *message)
{
    struct err err;
    const struct where_regex *regex;
    struct arena *mem = arena_new(8u << 20);
    assert_false(where_regex_compile(view_str(pattern), ignore_case, mem, &regex, &err));
    assert_string_equal(err.msg, message);
    arena_free(mem);
}

static void
test_what_matches(void **state)
{
    (void)state;
    assert_true(matches("", false, ""));
    assert_true(matches("b", false, "abc"));
    assert_false(matches("^b", false, "abc"));
    assert_true(matches("^a.c$", false, "a\nc"));
    assert_false(matches("^a$", false, "a\n"));
    assert_true(matches("^(ab|c){2,3}$", false, "abcab"));
    assert_false(matches("^(ab|c){2,3}$", false, "ab"));
    assert_true(matches("^x{0}y*?$", false, "yy"));
    assert_true(matches("^a{2,}$", false, "aaa"));
    assert_false(matches("^a{2,}$", false, "a"));
    assert_true(matches("^[^a-c]+$", false, "日本"));
    assert_true(matches("^..$", false, "日本"));
    assert_true(matches("^[日本]{2}$", false, "本日"));
    assert_true(matches("[]x]", false, "]"));
    assert_true(matches("[a-]", false, "-"));
    assert_true(matches("^[[:alpha:]_]+\\d$", false, "foo_7"));
    assert_false(matches("\\w", false, "é"));
    assert_true(matches("\\W", false, "é"));
    assert_true(matches("\\mfoo\\M", false, "a foo b"));
    assert_false(matches("\\mfoo\\M", false, "afoo"));
    assert_true(matches("\\yfoo\\Y", false, "food"));
    assert_true(matches("\\u65e5", false, "日"));
    assert_true(matches("a{,2}", false, "a{,2}"));
    assert_true(matches("^AB[c-e][^X]$", true, "aBDy"));
    assert_false(matches("[^X]", true, "x"));
    assert_true(matches("[[:upper:]]", true, "x"));
    assert_true(matches("a||b", false, ""));
    assert_true(matches("^(a*)*$", false, "aaa"));
}

static void
test_what_is_refused(void **state)
{
    (void)state;
    expect_error("a**", false, "invalid regular expression: quantifier operand invalid");
    expect_error("^*", false, "invalid regular expression: quantifier operand invalid");
    expect_error("(a", false, "invalid regular expression: parentheses () not balanced");
    expect_error("a)", false, "invalid regular expression: parentheses () not balanced");
    expect_error("[a", false, "invalid regular expression: brackets [] not balanced");
    expect_error("[b-a]", false, "invalid regular expression: invalid character range");
    expect_error("a{3,2}", false, "invalid regular expression: invalid repetition count(s)");
    expect_error("a{256}", false, "invalid regular expression: invalid repetition count(s)");
    expect_error("a\\", false, "invalid regular expression: invalid escape \\ sequence");
    expect_error("\\q", false, "invalid regular expression: invalid escape \\ sequence");
    expect_error("(a)\\1", false,
                 "invalid regular expression: back references and octal escapes are not supported");
    expect_error("a(?=b)", false,
                 "invalid regular expression: lookahead and lookbehind are not supported");
    expect_error("(?i)a", false,
                 "invalid regular expression: embedded options and comments (?…) "
                 "are not supported");
    expect_error("***=a", false, "invalid regular expression: directors (***) are not supported");
    expect_error("[[.a.]]", false,
                 "invalid regular expression: collating elements [.x.] and [=x=] "
                 "are not supported");
    expect_error("é", true,
                 "invalid regular expression: letters beyond ASCII cannot be matched in "
                 "either case");
    expect_error("((a{255}){255}){255}", false, "invalid regular expression: it is too complex");
    expect_error("((((((){255}){255}){255}){255}){255}){255}", false,
                 "invalid regular expression: it is too complex");
}

/* Backtracking would take longer than the universe has. */
static void
test_no_pattern_takes_long(void **state)
{
    (void)state;
    char text[20001];
    memset(text, 'a', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_false(matches("^(a+)+$", false, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"));
    assert_false(matches("(a|a)*(a|a)*(a|a)*b$", false, text));
    assert_false(matches("(a?){100}a{100}b", false, text));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_matches),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_no_pattern_takes_long),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
