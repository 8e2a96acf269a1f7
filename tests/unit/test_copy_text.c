/*
 * Rows of COPY's text format come apart as Postgres put them together.
 */
#include "common/core/copy_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"

static void
test_fields_come_apart_and_escapes_are_undone(void **state)
{
    (void)state;
    struct err err;
    struct copy_field f[3];
    uint8_t block[] = "1\t\\N\tplain\n"
                      "\t\\\\N\ta\\tb\\nc\\rd\\\\e\\bf\\fg\\vh\n"
                      "\xc3\xa4\tx\\\\\t\\.\n";
    struct copy_rows rows = {block, block + sizeof block - 1};
    assert_true(copy_rows_next(&rows, f, 3, &err));
    assert_true(view_is(f[0].text, "1") && !f[0].is_null);
    assert_true(f[1].is_null && f[1].text.size == 0);
    assert_true(view_is(f[2].text, "plain"));
    assert_true(copy_rows_next(&rows, f, 3, &err));
    assert_true(f[0].text.size == 0 && !f[0].is_null);
    assert_true(view_is(f[1].text, "\\N") && !f[1].is_null);
    assert_true(view_is(f[2].text, "a\tb\nc\rd\\e\bf\fg\vh"));
    assert_true(copy_rows_next(&rows, f, 3, &err));
    assert_true(view_is(f[0].text, "\xc3\xa4"));
    assert_true(view_is(f[1].text, "x\\"));
    assert_true(view_is(f[2].text, "."));
    assert_false(copy_rows_next(&rows, f, 3, &err));
    assert_int_equal(err.kind, ERR_NONE);
}

static void
test_a_row_of_one_empty_field_is_a_row(void **state)
{
    (void)state;
    struct err err;
    struct copy_field f[1];
    uint8_t block[] = "\n\\N\n";
    struct copy_rows rows = {block, block + sizeof block - 1};
    assert_true(copy_rows_next(&rows, f, 1, &err));
    assert_true(!f[0].is_null && f[0].text.size == 0);
    assert_true(copy_rows_next(&rows, f, 1, &err));
    assert_true(f[0].is_null);
    assert_false(copy_rows_next(&rows, f, 1, &err));
    assert_int_equal(err.kind, ERR_NONE);
}

static void
check_refused(const char *text, size_t count, const char *message)
{
    struct err err;
    struct copy_field f[3];
    uint8_t block[64];
    memcpy(block, text, strlen(text));
    struct copy_rows rows = {block, block + strlen(text)};
    assert_false(copy_rows_next(&rows, f, count, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_string_equal(err.msg, message);
}

static void
test_other_rows_than_asked_for_are_refused(void **state)
{
    (void)state;
    check_refused("1\t2\n", 3, "a row has fewer than 3 fields");
    check_refused("1\t2\t3\n", 2, "a row has more than 2 fields");
    check_refused("1\t2", 2, "a block of rows ends inside of one");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_come_apart_and_escapes_are_undone),
        cmocka_unit_test(test_a_row_of_one_empty_field_is_a_row),
        cmocka_unit_test(test_other_rows_than_asked_for_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
