/* JSON that clients send: what it means, and the reference's words for what is none. */
#include "common/core/json_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena *mem;
static struct json_value value;
static struct err err;

static bool
read_text(const char *text)
{
    arena_reset(mem);
    return json_read(view_str(text), mem, &value, &err);
}

static void
refuse(const char *text, const char *words)
{
    assert_false(read_text(text));
    assert_string_equal(err.msg, words);
    assert_int_equal(err.kind, ERR_INVALID);
}

static void
means(const char *text, enum json_kind kind, const char *meaning)
{
    assert_true(read_text(text));
    assert_int_equal(value.kind, kind);
    assert_true(view_is(value.text, meaning));
}

static void
test_values(void **state)
{
    (void)state;
    means("null", JSON_KIND_NULL, "null");
    means(" true ", JSON_KIND_BOOL, "true");
    means("false", JSON_KIND_BOOL, "false");
    means("\t-0.5e+10\r\n", JSON_KIND_NUMBER, "-0.5e+10");
    means("0", JSON_KIND_NUMBER, "0");
    means("12E3", JSON_KIND_NUMBER, "12E3");
    means("\"\"", JSON_KIND_STRING, "");
    means("\"a/b\"", JSON_KIND_STRING, "a/b");
    means("[]", JSON_KIND_ARRAY, "[]");
    means("[1, [], {\"a\" : [2]}]", JSON_KIND_ARRAY, "[1, [], {\"a\" : [2]}]");
    means("{ }", JSON_KIND_OBJECT, "{ }");
}

static void
test_escapes(void **state)
{
    (void)state;
    means("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", JSON_KIND_STRING, "\"\\/\b\f\n\r\t");
    means("\"\\u0041\\u00e4\\u20AC\"", JSON_KIND_STRING, "A\xc3\xa4\xe2\x82\xac");
    means("\"\\uD83D\\uDE00\"", JSON_KIND_STRING, "\xf0\x9f\x98\x80");
    /* Half a pair has no character: bytes that no UTF-8 is made of. */
    means("\"\\ud83d\"", JSON_KIND_STRING, "\xed\xa0\xbd");
    means("\"\\ud83dx\\ude00\"", JSON_KIND_STRING, "\xed\xa0\xbdx\xed\xb8\x80");
    means("\"\\ud83d\\u0041\"", JSON_KIND_STRING,
          "\xed\xa0\xbd"
          "A");
    assert_true(read_text("\"a\\u0000b\""));
    assert_int_equal(value.text.size, 3);
    assert_int_equal(value.text.bytes[1], 0);
}

static void
test_refusals(void **state)
{
    (void)state;
    refuse("", "unexpected end of input at position 0");
    refuse("  ", "unexpected end of input at position 2");
    refuse("{oops", "unexpected byte at position 1: 0x6F (\"o\")");
    refuse("{\"a\" 1}", "unexpected byte at position 5: 0x31 (\"1\")");
    refuse("{\"a\":1,}", "unexpected byte at position 7: 0x7D (\"}\")");
    refuse("{1:2}", "unexpected byte at position 1: 0x31 (\"1\")");
    refuse("[1 2]", "unexpected byte at position 3: 0x32 (\"2\")");
    refuse("[1}", "unexpected byte at position 2: 0x7D (\"}\")");
    refuse("[,]", "unexpected byte at position 1: 0x2C (\",\")");
    refuse("[1", "unexpected end of input at position 2");
    refuse("{\"a\":", "unexpected end of input at position 5");
    refuse("\"abc", "unexpected end of input at position 4");
    refuse("\"a\nb\"", "unexpected byte at position 2: 0xA");
    refuse("\"\\x\"", "unexpected byte at position 2: 0x78 (\"x\")");
    refuse("\"\\u12g4\"", "unexpected byte at position 5: 0x67 (\"g\")");
    refuse("nul", "unexpected end of input at position 3");
    refuse("nulL", "unexpected byte at position 3: 0x4C (\"L\")");
    refuse("01", "unexpected byte at position 1: 0x31 (\"1\")");
    refuse("1.", "unexpected end of input at position 2");
    refuse("1.e", "unexpected byte at position 2: 0x65 (\"e\")");
    refuse("-", "unexpected end of input at position 1");
    refuse("1e+", "unexpected end of input at position 3");
    refuse("+1", "unexpected byte at position 0: 0x2B (\"+\")");
    refuse("{} {}", "unexpected byte at position 3: 0x7B (\"{\")");
    refuse("\xef\xbb\xbf{}", "unexpected byte at position 0: 0xEF");
    refuse("{\"a\":\"\"b\"\"}", "unexpected byte at position 7: 0x62 (\"b\")");
    refuse("x\"", "unexpected byte at position 0: 0x78 (\"x\")");
    refuse("]", "unexpected byte at position 0: 0x5D (\"]\")");
    refuse("\\", "unexpected byte at position 0: 0x5C (\"\\\\\")");
}

static void
test_depth(void **state)
{
    (void)state;
    char text[2 * JSON_DEPTH_MAX + 3] = {0};
    memset(text, '[', JSON_DEPTH_MAX);
    memset(text + JSON_DEPTH_MAX, ']', JSON_DEPTH_MAX);
    assert_true(read_text(text));
    memset(text, '[', JSON_DEPTH_MAX + 1);
    memset(text + JSON_DEPTH_MAX + 1, ']', JSON_DEPTH_MAX + 1);
    assert_false(read_text(text));
    assert_int_equal(err.kind, ERR_LIMIT);
}

static void
test_members(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        enum json_kind kind;
        const char *text;
    } want[] = {
        {"a", JSON_KIND_NUMBER, "1"},
        {"", JSON_KIND_STRING, "x,y"},
        {"a", JSON_KIND_OBJECT, "{\"c\":[{}]}"},
        {"d\"", JSON_KIND_ARRAY, "[1, 2]"},
        {"e", JSON_KIND_NULL, "null"},
    };
    struct view name;
    struct json_value member;
    assert_true(read_text(" {\"a\" : 1 , \"\":\"x,y\",\"a\":{\"c\":[{}]}\n,\"d\\\"\":[1, 2],"
                          "\"e\":null } "));
    struct view rest = value.text;
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        assert_true(json_next_member(&rest, mem, &name, &member));
        assert_true(view_is(name, want[i].name));
        assert_int_equal(member.kind, want[i].kind);
        assert_true(view_is(member.text, want[i].text));
    }
    assert_false(json_next_member(&rest, mem, &name, &member));
    assert_true(json_members_max(&value) >= COUNT_OF(want));
    assert_true(read_text("{ }"));
    rest = value.text;
    assert_false(json_next_member(&rest, mem, &name, &member));
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
    arena_free(mem);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_members),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
