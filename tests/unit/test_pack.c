/*
 * What is written comes back; every form of msgpack is understood or refused; a claim that the
 * bytes left over cannot keep is refused before anyone allocates for it.
 */
#include "common/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define READER(bytes) pack_reader(view_of(bytes, sizeof(bytes) - 1))

static void
test_numbers_of_every_width_come_back(void **state)
{
    (void)state;
    struct err err;
    struct buf buf = {0};
    for (unsigned bit = 0; bit < 64; bit++) {
        for (uint64_t off = 0; off < 3; off++) {
            uint64_t in = ((uint64_t)1 << bit) - 1 + off, out;
            buf_clear(&buf);
            pack_put_u64(&buf, in);
            struct pack_reader r = pack_reader(buf_view(&buf));
            assert_true(pack_read_u64(&r, &out, &err));
            assert_true(pack_end(&r, &err));
            assert_int_equal(in, out);
        }
    }
    buf_free(&buf);
}

static void
test_signed_numbers_are_numbers_when_they_are_not_negative(void **state)
{
    (void)state;
    struct err err;
    uint64_t v;
    struct pack_reader r = READER("\xd0\x7f\xd1\x12\x34\xd2\0\0\0\1\xd3\0\0\0\0\0\0\0\2\xd0\x80");
    const uint64_t expected[] = {127, 0x1234, 1, 2};
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(pack_read_u64(&r, &v, &err));
        assert_int_equal(v, expected[i]);
    }
    assert_false(pack_read_u64(&r, &v, &err));
    assert_string_equal(err.msg, "a negative number where a number belongs");
    r = READER("\xff");
    assert_false(pack_read_u64(&r, &v, &err));
}

static void
test_text_and_bytes_of_every_width_come_back(void **state)
{
    (void)state;
    struct err err;
    static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};
    static uint8_t bytes[65536];
    struct buf buf = {0};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct view in = {bytes, sizes[i]}, out;
        buf_clear(&buf);
        pack_put_str(&buf, in);
        pack_put_bin(&buf, in);
        struct pack_reader r = pack_reader(buf_view(&buf));
        assert_true(pack_read_str(&r, &out, &err) && view_equal(in, out));
        assert_true(pack_read_bin(&r, &out, &err) && view_equal(in, out));
        assert_true(pack_end(&r, &err));
    }
    buf_free(&buf);
}

static void
test_counts_of_every_width_come_back(void **state)
{
    (void)state;
    struct err err;
    static const uint32_t counts[] = {0, 1, 15, 16, 65535, 65536};
    static const uint8_t nils[2 * 65536];
    struct buf buf = {0};
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        uint32_t out;
        buf_clear(&buf);
        pack_put_map(&buf, counts[i]);
        buf_append(&buf, nils, 2 * counts[i]);
        struct pack_reader r = pack_reader(buf_view(&buf));
        assert_true(pack_read_map(&r, &out, &err));
        assert_int_equal(out, counts[i]);
        buf_clear(&buf);
        pack_put_array(&buf, counts[i]);
        buf_append(&buf, nils, counts[i]);
        r = pack_reader(buf_view(&buf));
        assert_true(pack_read_array(&r, &out, &err));
        assert_int_equal(out, counts[i]);
    }
    buf_free(&buf);
}

static void
test_truth_comes_back(void **state)
{
    (void)state;
    struct err err;
    bool v;
    struct buf buf = {0};
    pack_put_bool(&buf, true);
    pack_put_bool(&buf, false);
    struct pack_reader r = pack_reader(buf_view(&buf));
    assert_true(pack_read_bool(&r, &v, &err) && v);
    assert_true(pack_read_bool(&r, &v, &err) && !v);
    buf_free(&buf);
}

static void
test_a_claim_beyond_the_message_is_refused(void **state)
{
    (void)state;
    struct err err;
    uint32_t count;
    struct view view;
    struct pack_reader r = READER("\xdd\xff\xff\xff\xff\1\2\3");
    assert_false(pack_read_array(&r, &count, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    r = READER("\xdf\0\0\0\2\1\2\3");
    assert_false(pack_read_map(&r, &count, &err));
    r = READER("\xdb\0\0\0\4\1\2\3");
    assert_false(pack_read_str(&r, &view, &err));
    r = READER("\xc6\xff\xff\xff\xff\1\2\3");
    assert_false(pack_read_bin(&r, &view, &err));
    assert_string_equal(err.msg, "the message is too short");
}

static void
test_skip_passes_over_every_form(void **state)
{
    (void)state;
    struct err err;
    static const struct {
        const char *bytes;
        size_t size;
    } forms[] = {
        {"\xc0", 1},
        {"\xc2", 1},
        {"\x7f", 1},
        {"\xe0", 1},
        {"\xca\0\0\0\0", 5},
        {"\xcb\0\0\0\0\0\0\0\0", 9},
        {"\xcf\0\0\0\0\0\0\0\0", 9},
        {"\xc7\2\5ab", 5},
        {"\xc8\0\2\5ab", 6},
        {"\xc9\0\0\0\2\5ab", 8},
        {"\xd4\5a", 3},
        {"\xd5\5ab", 4},
        {"\xd6\5abcd", 6},
        {"\xd7\5abcdefgh", 10},
        {"\xd8\5abcdefghijklmnop", 18},
        {"\xa2xy", 3},
        {"\x92\1\x81\1\xa1z", 6},
    };
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        for (size_t size = 0; size <= forms[i].size; size++) {
            struct pack_reader r = pack_reader(view_of(forms[i].bytes, size));
            assert_int_equal(pack_skip(&r, &err), size == forms[i].size);
            assert_true(size < forms[i].size || pack_end(&r, &err));
        }
    }
    struct pack_reader r = READER("\xc1");
    assert_false(pack_skip(&r, &err));
    assert_string_equal(err.msg, "0xc1 begins no value");
}

static void
test_depth_costs_nothing(void **state)
{
    (void)state;
    struct err err;
    static uint8_t deep[1 << 20];
    memset(deep, 0x91, sizeof deep - 1); /* a list in a list in a list … */
    struct pack_reader r = pack_reader(view_of(deep, sizeof deep));
    assert_true(pack_skip(&r, &err));
    assert_true(pack_end(&r, &err));
    r = pack_reader(view_of(deep, sizeof deep - 1));
    assert_false(pack_skip(&r, &err));
}

static void
test_bytes_left_over_are_an_error(void **state)
{
    (void)state;
    struct err err;
    struct pack_reader r = READER("ab");
    assert_true(pack_skip(&r, &err));
    assert_false(pack_end(&r, &err));
    assert_string_equal(err.msg, "1 bytes are left over");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_of_every_width_come_back),
        cmocka_unit_test(test_signed_numbers_are_numbers_when_they_are_not_negative),
        cmocka_unit_test(test_text_and_bytes_of_every_width_come_back),
        cmocka_unit_test(test_counts_of_every_width_come_back),
        cmocka_unit_test(test_truth_comes_back),
        cmocka_unit_test(test_a_claim_beyond_the_message_is_refused),
        cmocka_unit_test(test_skip_passes_over_every_form),
        cmocka_unit_test(test_depth_costs_nothing),
        cmocka_unit_test(test_bytes_left_over_are_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
