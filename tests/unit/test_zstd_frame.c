/* Bodies put together by zstd_frame.h are one frame that libzstd itself reads. */
#include "common/zstd_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <zstd.h>

static void
check(size_t before, size_t piece, size_t behind)
{
    struct buf whole = {0};
    struct buf packed = {0};
    struct buf blocks = {0};
    uint8_t window;
    for (size_t i = 0; i < before + piece + behind; i++) {
        buf_append_byte(&whole, (uint8_t)(i * i / 7 % 251));
    }
    zstd_frame_append_piece(view_of(whole.bytes + before, piece), &blocks, &window);
    zstd_frame_append_head(window, &packed);
    if (before > 0) {
        zstd_frame_append_stored(view_of(whole.bytes, before), false, &packed);
    }
    buf_append_view(&packed, buf_view(&blocks));
    zstd_frame_append_stored(view_of(whole.bytes + before + piece, behind), true, &packed);

    assert_int_equal(ZSTD_findFrameCompressedSize(packed.bytes, packed.size), packed.size);
    struct buf out = {0};
    size_t size =
        ZSTD_decompress(buf_grow(&out, whole.size + 1), whole.size + 1, packed.bytes, packed.size);
    assert_int_equal(size, whole.size);
    if (size > 0) {
        assert_memory_equal(out.bytes, whole.bytes, size);
    }
    buf_free(&out);
    buf_free(&blocks);
    buf_free(&packed);
    buf_free(&whole);
}

static void
test_pieces(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {
        {0, 0, 0},    {1, 0, 0},       {0, 1, 0},     {0, 0, 1},       {1, 100, 70},
        {1, 1024, 1}, {1, 300000, 72}, {3000, 10, 1}, {1, 5000, 3000}, {1, 5000000, 72},
    };
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        check(sizes[i][0], sizes[i][1], sizes[i][2]);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_pieces)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
