/*
 * Every item becomes one event; what is no item stops it.
 */
#include "common/core/sse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
expect(const char *items, bool is_good, const char *events)
{
    struct buf out = {0};
    assert_int_equal(sse_append_items(view_str(items), &out), is_good);
    assert_string_equal(buf_str(&out), events);
    buf_free(&out);
}

static void
test_each_item_is_an_event(void **state)
{
    (void)state;
    expect("", true, "");
    expect("{},", true, "data: {}\n\n");
    expect("{\"a\":{\"b\":[1,{}]}},{\"c\":\"d\"},", true,
           "data: {\"a\":{\"b\":[1,{}]}}\n\ndata: {\"c\":\"d\"}\n\n");
}

static void
test_braces_in_strings_do_not_count(void **state)
{
    (void)state;
    expect("{\"a\":\"}\\\"},{\\\\\"},{\"b\":\"{\"},", true,
           "data: {\"a\":\"}\\\"},{\\\\\"}\n\ndata: {\"b\":\"{\"}\n\n");
}

static void
test_what_is_no_item_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "{}",          "{",     ",",     "}",    "{}x",  "{\"a\":",         "[],",
        "{\"a\":\"},", "{\"\\", "{\n},", " {},", "\"\"", "{\"a\":\"\n\"},", "1,"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        expect(wrong[i], false, "");
    }
    expect("{},{},{", false, "data: {}\n\ndata: {}\n\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_item_is_an_event),
        cmocka_unit_test(test_braces_in_strings_do_not_count),
        cmocka_unit_test(test_what_is_no_item_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
