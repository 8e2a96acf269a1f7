/* Bodies put together by deflate.h are what zlib itself reads. */
#include "common/deflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

/* Without repetition that a byte could not hold, and with some. */
static struct buf
some_bytes(size_t size)
{
    struct buf bytes = {0};
    uint32_t random = 1;
    for (size_t i = 0; i < size; i++) {
        random = random * 1664525u + 1013904223u;
        buf_append_byte(&bytes, (uint8_t)(i % 7 == 0 ? random >> 24 : 'a' + i % 13));
    }
    return bytes;
}

static void
check(bool is_gzip, size_t before, size_t piece, size_t behind)
{
    struct buf whole = some_bytes(before + piece + behind);
    struct view first = view_of(whole.bytes, before);
    struct view middle = view_of(whole.bytes + before, piece);
    struct view last = view_of(whole.bytes + before + piece, behind);
    struct buf packed = {0};
    deflate_append_head(is_gzip, &packed);
    deflate_append_stored(first, false, &packed);
    deflate_append_piece(middle, &packed);
    deflate_append_stored(last, true, &packed);
    struct deflate_sums sums = deflate_sums_join(deflate_sums(first), deflate_sums(middle));
    deflate_append_tail(is_gzip, deflate_sums_join(sums, deflate_sums(last)), &packed);

    struct buf out = {0};
    size_t room = whole.size + 1;
    z_stream stream = {.next_in = packed.bytes,
                       .avail_in = (uInt)packed.size,
                       .next_out = buf_grow(&out, room),
                       .avail_out = (uInt)room};
    assert_int_equal(inflateInit2(&stream, is_gzip ? 16 + MAX_WBITS : MAX_WBITS), Z_OK);
    assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END); /* checksum and size as well */
    assert_int_equal(stream.avail_in, 0);
    assert_int_equal(stream.total_out, whole.size);
    if (whole.size > 0) {
        assert_memory_equal(out.bytes, whole.bytes, whole.size);
    }
    inflateEnd(&stream);
    buf_free(&out);
    buf_free(&packed);
    buf_free(&whole);
}

static void
test_pieces(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {
        {0, 0, 0},       {1, 0, 0},     {0, 1, 0},      {0, 0, 1},         {1, 100, 70},
        {1, 300000, 72}, {70000, 5, 1}, {1, 5, 131070}, {3, 65535, 65535},
    };
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        check(true, sizes[i][0], sizes[i][1], sizes[i][2]);
        check(false, sizes[i][0], sizes[i][1], sizes[i][2]);
    }
}

static void
test_it_compresses(void **state)
{
    (void)state;
    struct buf bytes = {0};
    struct buf packed = {0};
    for (int i = 0; i < 10000; i++) {
        buf_printf(&bytes, "{\"key\":\"%d\"},", i);
    }
    deflate_append_piece(buf_view(&bytes), &packed);
    assert_true(packed.size < bytes.size / 3);
    buf_free(&bytes);
    buf_free(&packed);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces),
                                       cmocka_unit_test(test_it_compresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
