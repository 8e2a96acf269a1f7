/* Integers keep their value through bytes of either order; checksums are the published ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/wire.h"

static void
our_integers_are_little_endian(void **state)
{
    (void)state;
    uint8_t bytes[8];
    wire_put_u32(bytes, 0x01020304);
    assert_memory_equal(bytes, "\x04\x03\x02\x01", 4);
    assert_int_equal(wire_get_u32(bytes), 0x01020304);
    wire_put_u64(bytes, 0x0102030405060708);
    assert_memory_equal(bytes, "\x08\x07\x06\x05\x04\x03\x02\x01", 8);
    assert_true(wire_get_u64(bytes) == 0x0102030405060708);
}

static void
the_reader_walks_and_ends(void **state)
{
    (void)state;
    struct err err;
    static const char message[] =
        "\x01\x02\x03\x04\x05\x06\x07name\0\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f";
    struct wire_reader r = wire_reader(view_of(message, sizeof message - 1));
    assert_int_equal(wire_read_u8(&r), 1);
    assert_int_equal(wire_read_u16_be(&r), 0x0203);
    assert_int_equal(wire_read_u32_be(&r), 0x04050607);
    assert_true(view_is(wire_read_cstr(&r), "name"));
    assert_false(wire_end(&r, "a", &err));
    assert_string_equal(err.msg, "a message has 8 bytes left over");
    assert_true(wire_read_u64_be(&r) == 0x08090a0b0c0d0e0f);
    assert_true(wire_end(&r, "a", &err));
}

static void
a_read_past_the_end_gives_zero_and_is_remembered(void **state)
{
    (void)state;
    struct err err;
    struct wire_reader r = wire_reader(view_of("\xff\xff\xff", 3));
    assert_int_equal(wire_read_u32_be(&r), 0);
    assert_int_equal(wire_read_u8(&r), 0);
    assert_false(wire_end(&r, "a", &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    assert_string_equal(err.msg, "a message is too short");

    r = wire_reader(view_of("abc", 3));
    assert_int_equal(wire_read_cstr(&r).size, 0);
    assert_false(wire_end(&r, "a", &err));
    r = wire_reader(view_of(NULL, 0));
    assert_true(wire_end(&r, "a", &err));
    assert_int_equal(wire_read_cstr(&r).size, 0);
    assert_false(wire_end(&r, "a", &err));
}

static void
checksums_are_castagnoli_in_both_forms(void **state)
{
    (void)state;
    uint8_t bytes[256];
    memset(bytes, 0, 32);
    assert_int_equal(wire_crc32c(bytes, 32), 0x8a9136aa); /* RFC 3720, B.4 */
    memset(bytes, 0xff, 32);
    assert_int_equal(wire_crc32c(bytes, 32), 0x62a8ab43);
    assert_int_equal(wire_crc32c((const uint8_t *)"123456789", 9), 0xe3069283);
    assert_int_equal(wire_crc32c(bytes, 0), 0);

    for (unsigned i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 37);
    }
    for (size_t size = 0; size <= sizeof bytes; size++) {
        uint32_t whole = wire_crc32c(bytes, size);
        assert_int_equal(wire_crc32c_portable(0, bytes, size), whole);
        uint32_t first = wire_crc32c(bytes, size / 3);
        assert_int_equal(wire_crc32c_extend(first, bytes + size / 3, size - size / 3), whole);
    }
}

static void
views_compare_bytewise(void **state)
{
    (void)state;
    struct view nothing = view_of(NULL, 0);
    assert_true(view_equal(nothing, view_str("")));
    assert_true(view_is(view_of("abc", 2), "ab"));
    assert_false(view_is(view_str("ab"), "abc"));
    assert_true(view_compare(view_str("a"), view_str("b")) < 0);
    assert_true(view_compare(view_str("a"), view_str("ab")) < 0);
    assert_true(view_compare(view_str("\xff"), view_str("a")) > 0);
    assert_true(view_compare(nothing, view_str("")) == 0);
    assert_true(view_compare(view_str("b"), view_str("ab")) > 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(our_integers_are_little_endian),
        cmocka_unit_test(the_reader_walks_and_ends),
        cmocka_unit_test(a_read_past_the_end_gives_zero_and_is_remembered),
        cmocka_unit_test(checksums_are_castagnoli_in_both_forms),
        cmocka_unit_test(views_compare_bytewise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
