/*
 * Frames come off a batch one by one; what is torn or unknown is refused.
 */
#include "common/core/repl_frame.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"

static void
put_frame(struct buf *out, const char *bytes, size_t size)
{
    wire_put_u32(buf_grow(out, 4), (uint32_t)size);
    buf_append(out, bytes, size);
}

#define PUT(out, literal) put_frame(out, literal, sizeof(literal) - 1)
#define DATA_HEADER       "w\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3"

static void
test_frames_come_off_in_order(void **state)
{
    (void)state;
    struct err err;
    struct buf buf = {0};
    struct repl_frame frame;
    PUT(&buf, DATA_HEADER "Bmessage");
    PUT(&buf, "k\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\1");
    PUT(&buf, "k\0\0\0\0\0\0\0\7\0\0\0\0\0\0\0\0\0");
    PUT(&buf, "x\0\0\x40\1");
    struct view frames = buf_view(&buf);
    assert_true(repl_frame_next(&frames, &frame, &err));
    assert_int_equal(frame.kind, REPL_FRAME_DATA);
    assert_true(view_is(frame.message, "Bmessage"));
    assert_true(repl_frame_next(&frames, &frame, &err));
    assert_int_equal(frame.kind, REPL_FRAME_KEEPALIVE);
    assert_int_equal(frame.wal_end, 0x100000002);
    assert_true(frame.wants_reply);
    assert_true(repl_frame_next(&frames, &frame, &err));
    assert_int_equal(frame.wal_end, 7);
    assert_false(frame.wants_reply);
    assert_true(repl_frame_next(&frames, &frame, &err));
    assert_int_equal(frame.kind, REPL_FRAME_TOO_LARGE);
    assert_int_equal(frame.relation_oid, 16385);
    assert_int_equal(frames.size, 0);
    buf_free(&buf);
}

static void
check_refused(const struct buf *buf, size_t size, const char *text)
{
    struct err err = {0};
    struct repl_frame frame;
    struct view frames = {buf->bytes, size};
    assert_false(repl_frame_next(&frames, &frame, &err));
    assert_int_equal(err.kind, ERR_PROTOCOL);
    if (text != NULL) {
        assert_string_equal(err.msg, text);
    }
}

static void
test_what_is_torn_or_unknown_is_refused(void **state)
{
    (void)state;
    struct buf buf = {0};
    PUT(&buf, "k\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\1");
    for (size_t size = 1; size < buf.size; size++) {
        check_refused(&buf, size, NULL);
    }
    wire_put_u32(buf.bytes, UINT32_MAX);
    check_refused(&buf, buf.size, "a frame of 4294967295 bytes where 18 are left");
    buf_clear(&buf);
    PUT(&buf, DATA_HEADER);
    check_refused(&buf, buf.size, "stream data of 25 bytes");
    buf_clear(&buf);
    PUT(&buf, "k\0\0\0\1\0\0\0\2\0\0\0\0\0\0\0\0\1 and more");
    check_refused(&buf, buf.size, NULL);
    buf_clear(&buf);
    PUT(&buf, "z");
    check_refused(&buf, buf.size, "unknown frame 0x7a");
    buf_clear(&buf);
    PUT(&buf, "");
    check_refused(&buf, buf.size, NULL);
    buf_free(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_come_off_in_order),
        cmocka_unit_test(test_what_is_torn_or_unknown_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
