/* What is put into a buffer comes out unchanged; a blob lives as long as its last reference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/blob.h"
#include "common/buf.h"

static void
appended_bytes_come_out_in_order(void **state)
{
    (void)state;
    struct buf buf = {0};
    for (unsigned i = 0; i < 1000; i++) {
        buf_append_byte(&buf, (uint8_t)i);
        buf_append_str(&buf, "ab");
        buf_append_view(&buf, view_of(NULL, 0));
    }
    assert_int_equal(buf.size, 3000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(buf.bytes[3 * i], (uint8_t)i);
        assert_memory_equal(buf.bytes + 3 * i + 1, "ab", 2);
    }
    buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    assert_true(buf.capacity >= 3000);
    buf_free(&buf);
    assert_null(buf.bytes);
}

static void
numbers_are_decimal(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_append_u64(&buf, 0);
    buf_append_byte(&buf, ' ');
    buf_append_u64(&buf, UINT64_MAX);
    assert_string_equal(buf_str(&buf), "0 18446744073709551615");
    buf_free(&buf);
}

static void
printf_fits_whatever_room_there_was(void **state)
{
    (void)state;
    for (size_t before = 0; before < 200; before++) {
        struct buf buf = {0};
        for (size_t i = 0; i < before; i++) {
            buf_append_byte(&buf, 'x');
        }
        buf_printf(&buf, "%s-%d", "seventeen letters", 42);
        assert_int_equal(buf.size, before + 20);
        assert_string_equal(buf_str(&buf) + before, "seventeen letters-42");
        buf_free(&buf);
    }
}

static void
the_terminator_of_str_does_not_count(void **state)
{
    (void)state;
    struct buf buf = {0};
    assert_string_equal(buf_str(&buf), "");
    buf_append_str(&buf, "a");
    assert_string_equal(buf_str(&buf), "a");
    assert_int_equal(buf_view(&buf).size, 1);
    buf_free(&buf);
}

static void
a_blob_lives_until_its_last_reference(void **state)
{
    (void)state;
    struct blob *blob = blob_new(view_str("hello"));
    struct blob *second = blob_ref(blob);
    blob_unref(blob);
    assert_true(view_is(blob_view(second), "hello"));
    blob_unref(second);
    blob_unref(NULL);
    blob_unref(blob_new(view_of(NULL, 0)));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appended_bytes_come_out_in_order),
        cmocka_unit_test(numbers_are_decimal),
        cmocka_unit_test(printf_fits_whatever_room_there_was),
        cmocka_unit_test(the_terminator_of_str_does_not_count),
        cmocka_unit_test(a_blob_lives_until_its_last_reference),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
