/*
 * A text is a document exactly when Postgres says so; equal and containing mean what jsonb means by
 * them; paths are followed as #> follows them. (Random documents are compared with Postgres in
 * tests/integration/test_where_json.py.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/where_json.h"

static struct arena *mem;

static int
set_up(void **state)
{
    (void)state;
    mem = arena_new(64u << 20);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static const struct json_node *
read_json(const char *text, bool is_binary)
{
    struct where_json json;
    assert_true(json_parse(view_str(text), is_binary, mem, &json));
    return json.root;
}

static const struct json_node *
jsonb(const char *text)
{
    return read_json(text, true);
}

static void
assert_prints(const struct json_node *node, bool as_key, const char *text)
{
    struct buf out = {0};
    json_print(node, as_key, &out);
    assert_string_equal(buf_str(&out), text);
    buf_free(&out);
}

static void
jsonb_is_printed_as_postgres_prints_it(void **state)
{
    static const char *const pairs[][2] = {
        {" {\"bb\" : 1,\"a\":[ ] , \"a\":{}} ", "{\"a\": {}, \"bb\": 1}"},
        {"[1.50,-0,-0.00,1e2,1E-3,1.5e+1]", "[1.50, 0, 0.00, 100, 0.001, 15]"},
        {"\"\\u0061\\u00e9\\u20ac\\ud83d\\ude00\\n\\/\\\"\\\\\"", "\"aé€😀\\n/\\\"\\\\\""},
        {"\"\\b\\f\\r\\t\\u001f\\u001F\"", "\"\\b\\f\\r\\t\\u001f\\u001f\""},
        {"true", "true"},
        {"\n\tfalse\r", "false"},
        {"null", "null"},
        {"{\"c\":1,\"b\":2,\"a\":3,\"c\":4,\"b\":5}", "{\"a\": 3, \"b\": 5, \"c\": 4}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(pairs); i++) {
        assert_prints(jsonb(pairs[i][0]), false, pairs[i][1]);
    }
    assert_prints(jsonb("[1.50, 2.0, {\"a\": 100}]"), true, "[1.5, 2, {\"a\": 100}]");
}

static void
what_is_no_document(void **state)
{
    static const char *const texts[] = {"",
                                        " ",
                                        "{",
                                        "}",
                                        "[",
                                        "[1",
                                        "[1,",
                                        "[1,]",
                                        "[,1]",
                                        "{\"a\"}",
                                        "{\"a\":}",
                                        "{\"a\":1,}",
                                        "{a:1}",
                                        "{\"a\" 1}",
                                        "01",
                                        "-",
                                        "-a",
                                        "1.",
                                        ".5",
                                        "1e",
                                        "1e+",
                                        "+1",
                                        "1a",
                                        "tru",
                                        "truex",
                                        "nul",
                                        "fals",
                                        "'a'",
                                        "\"",
                                        "\"a",
                                        "\"\\",
                                        "\"\\\"",
                                        "\"\\x\"",
                                        "\"\\u12\"",
                                        "\"\\u12g4\"",
                                        "\"\\u0000\"",
                                        "\"\\ud800\"",
                                        "\"\\ud800x\"",
                                        "\"\\ud800\\n\"",
                                        "\"\\ud800\\u0041\"",
                                        "\"\\udc00\"",
                                        "\"\x01\"",
                                        "1 2",
                                        "[1 2]",
                                        "[1]]",
                                        "1e5000",
                                        "{\"a\":1 \"b\":2}"};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct where_json json;
        assert_false(json_parse(view_str(texts[i]), true, mem, &json));
    }
}

static void
json_keeps_what_was_written(void **state)
{
    (void)state;
    const struct json_node *node = read_json(" {\"b\": [1e5000 , 1.0], \"a\":1, \"a\" : 2}", false);
    assert_int_equal(node->count, 3);
    const struct json_node *list = json_member(node, view_str("b"));
    assert_true(view_is(list->raw, "[1e5000 , 1.0]"));
    assert_true(view_is(json_element(list, 0)->raw, "1e5000"));
    assert_true(view_is(json_member(node, view_str("a"))->raw, "2"));
}

static void
equality_is_of_values(void **state)
{
    static const char *const equal[][2] = {
        {"1", "1.0"},
        {"-0", "0.000"},
        {"100", "1e2"},
        {"{\"a\":1,\"b\":[]}", "{\"b\":[],\"a\":1.0}"},
        {"[null,true,\"x\"]", "[null, true, \"\\u0078\"]"},
    };
    static const char *const unequal[][2] = {
        {"1", "\"1\""},       {"[1,2]", "[2,1]"},         {"{}", "[]"},
        {"[1]", "[1,1]"},     {"{\"a\":1}", "{\"b\":1}"}, {"{\"a\":1}", "{\"a\":2}"},
        {"true", "false"},    {"null", "false"},          {"\"a\"", "\"b\""},
        {"[1,[]]", "[1,{}]"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(equal); i++) {
        assert_true(json_is_equal(jsonb(equal[i][0]), jsonb(equal[i][1])));
    }
    for (size_t i = 0; i < COUNT_OF(unequal); i++) {
        assert_false(json_is_equal(jsonb(unequal[i][0]), jsonb(unequal[i][1])));
    }
}

static void
containment(void **state)
{
    static const char *const contains[][2] = {
        {"[1,2,3]", "[3,1,1]"},
        {"[1,2]", "1"},
        {"{\"a\":{\"b\":1,\"c\":2},\"d\":3}", "{\"a\":{\"c\":2.0}}"},
        {"[[1,2],3]", "[[2]]"},
        {"[{\"a\":1,\"b\":2}]", "[{\"b\":2}]"},
        {"5", "5.0"},
        {"{}", "{}"},
        {"[1]", "[]"},
        {"{\"a\":[1,{\"b\":null}]}", "{\"a\":[{\"b\":null}]}"},
    };
    static const char *const lacks[][2] = {
        {"1", "[1]"},
        {"[[1]]", "[1]"},
        {"{}", "[]"},
        {"{\"a\":1}", "{\"a\":\"1\"}"},
        {"{\"b\":1}", "{\"a\":1}"},
        {"{\"a\":1}", "{\"b\":1}"},
        {"[1,2]", "[4]"},
        {"[\"a\"]", "{\"a\":1}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":{\"b\":2}}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(contains); i++) {
        assert_true(json_contains(jsonb(contains[i][0]), jsonb(contains[i][1])));
    }
    for (size_t i = 0; i < COUNT_OF(lacks); i++) {
        assert_false(json_contains(jsonb(lacks[i][0]), jsonb(lacks[i][1])));
    }
}

static const struct json_node *
follow(const struct json_node *root, size_t count, const char *const *steps)
{
    struct where_value items[4] = {0};
    for (size_t i = 0; i < count; i++) {
        items[i].text = view_str(steps[i]);
    }
    struct where_array path = {.count = count, .items = items};
    return json_at_path(root, &path);
}

static void
paths(void **state)
{
    (void)state;
    const struct json_node *root = jsonb("{\"a\": [10, {\"b\": 20}], \"c\": 1}");
    assert_ptr_equal(follow(root, 0, NULL), root);
    assert_true(view_is(follow(root, 2, (const char *const[]){"a", " +00"})->raw, "10"));
    assert_true(view_is(follow(root, 3, (const char *const[]){"a", "-1", "b"})->raw, "20"));
    static const char *const nowhere[] = {"2",  "-3",         "x",           "1x",  "",
                                          "1 ", "2147483648", "-2147483648", "- 1", "99999999999"};
    for (size_t i = 0; i < COUNT_OF(nowhere); i++) {
        assert_null(follow(root, 2, (const char *const[]){"a", nowhere[i]}));
    }
    assert_null(follow(root, 2, (const char *const[]){"c", "0"}));

    root = read_json("{\"a\":{\"b\":1},\"a\":{\"c\":2}}", false);
    assert_true(view_is(follow(root, 2, (const char *const[]){"a", "b"})->raw, "1"));
}

static void
elements(void **state)
{
    (void)state;
    const struct json_node *list = jsonb("[1,2,3]");
    assert_true(view_is(json_element(list, -3)->raw, "1"));
    assert_true(view_is(json_element(list, 2)->raw, "3"));
    assert_null(json_element(list, 3));
    assert_null(json_element(list, -4));
    assert_null(json_element(jsonb("{}"), 0));
    assert_null(json_member(list, view_str("1")));
}

static char *
repeat(const char *text, size_t count)
{
    size_t size = strlen(text);
    char *all = arena_alloc(mem, size * count + 1, 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(all + i * size, text, size);
    }
    return all;
}

static void
depth_and_size_are_bounded(void **state)
{
    struct where_json json;
    (void)state;
    for (size_t depth = JSON_DEPTH_MAX; depth <= JSON_DEPTH_MAX + 1; depth++) {
        char *text = arena_alloc(mem, 2 * depth + 1, 1);
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        assert_int_equal(json_parse(view_str(text), true, mem, &json), depth == JSON_DEPTH_MAX);
    }
    assert_false(json_parse(view_str(repeat("[", 1000000)), true, mem, &json));
    char *many = repeat("1,", JSON_NODES_MAX + 1);
    many[0] = '[';
    many[2 * JSON_NODES_MAX + 1] = ']';
    assert_false(json_parse(view_str(many), true, mem, &json));
    assert_false(json_parse(view_str(repeat("1", 131073)), true, mem, &json));
}

/* A document that the arena has no room for is refused; the arena asserts. */
static void
an_arena_is_not_overrun(void **state)
{
    struct where_json json;
    struct arena *small = arena_new(3u << 20);
    char *text = repeat("1,", 100000);
    (void)state;
    text[0] = '[';
    text[199999] = ']';
    assert_false(json_parse(view_str(text), true, small, &json));
    char *escapes = repeat("\\n", 2000000);
    escapes[0] = '"';
    escapes[1] = 'x';
    escapes[3999999] = '"';
    escapes[3999998] = 'x';
    assert_false(json_parse(view_str(escapes), true, small, &json));
    arena_free(small);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(jsonb_is_printed_as_postgres_prints_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_no_document, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_keeps_what_was_written, set_up, tear_down),
        cmocka_unit_test_setup_teardown(equality_is_of_values, set_up, tear_down),
        cmocka_unit_test_setup_teardown(containment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(elements, set_up, tear_down),
        cmocka_unit_test_setup_teardown(depth_and_size_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_arena_is_not_overrun, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
