/*
 * Any answer: its head is lines that end in CRLF and hold no line break of their own, its etag is
 * known again when a client sends it back, a cursor always grows.
 *
 * Covers: common/core/shape_reply.c
 */
#include "common/core/shape_reply.h"

#include <string.h>

#include "tests/lib/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const unsigned STATUSES[] = {200, 202, 204, 304, 400, 401, 404, 405, 409, 413,
                                    431, 500, 501, 503, 505, 299, 599, 0,   418, 1000};

static const char *const WORDS[] = {
    "W/", "\"", ",", "*", "12-34", ":-1:", "content-type", " ", "0", "traceparent", "\t", "9"};

/* Header values are checked before they come here: no control bytes. */
static struct view
take_value(struct fuzz_input *in, struct buf *room)
{
    size_t start = room->size;
    struct view raw = fuzz_input_bytes(in, 24);
    fuzz_input_spell(WORDS, COUNT_OF(WORDS), raw, room);
    for (size_t i = start; i < room->size; i++) {
        room->bytes[i] = room->bytes[i] < ' ' && room->bytes[i] != '\t' ? 'x' : room->bytes[i];
    }
    return view_of(room->bytes + start, room->size - start);
}

static void
check_lines(struct view head)
{
    ASSERT(head.size > 2 && memcmp(head.bytes + head.size - 2, "\r\n", 2) == 0);
    for (size_t i = 0; i < head.size; i++) {
        ASSERT((head.bytes[i] == '\n') == (i > 0 && head.bytes[i - 1] == '\r'));
    }
    ASSERT(memmem(head.bytes, head.size, "\r\n\r\n", 4) == NULL);
}

static void
check_etag(const struct reply *reply)
{
    struct buf etag = {0};
    struct buf list = {0};
    reply_etag(reply, &etag);
    buf_append_str(&list, "\"x\" , W/");
    buf_append_view(&list, buf_view(&etag));
    bool is_plain = etag.size > 0 && memchr(etag.bytes, ',', etag.size) == NULL;
    if (is_plain && reply->status == 200 && !reply->is_subset && !reply->is_unchanged) {
        ASSERT(reply_is_known(buf_view(&list), reply));
    }
    ASSERT(!reply->is_unchanged || !reply_is_known(buf_view(&list), reply));
    buf_free(&etag);
    buf_free(&list);
}

static struct reply
take_reply(struct fuzz_input *in, struct buf *room)
{
    uint64_t flags = fuzz_input_u64(in);
    return (struct reply){
        .status = STATUSES[fuzz_input_below(in, COUNT_OF(STATUSES))],
        .kind = (enum reply_kind)(flags % 3),
        .content_type = flags & 4 ? "text/event-stream" : NULL,
        .is_live = flags & 8,
        .is_sse = flags & 16,
        .is_subset = flags & 32,
        .is_known_error = flags & 64,
        .asked = flags & 128 ? REPLY_OFFSET_START : REPLY_OFFSET_OTHER,
        .handle = take_value(in, room),
        .offset_asked = take_value(in, room),
        .has_offset = flags & 256,
        .offset = {fuzz_input_u64(in), fuzz_input_byte(in)},
        .schema = take_value(in, room),
        .is_up_to_date = flags & 512,
        .has_data = flags & 1024,
        .is_unchanged = flags & 2048,
        .monotonic_us = flags,
        .has_cursor = flags & 4096,
        .cursor = flags,
        .retry_after_s = (flags >> 20) % 4,
        .max_age_s = (flags >> 24) % 100,
        .stale_age_s = (flags >> 28) % 100,
        .sse_timeout_s = (flags >> 32) % 3,
    };
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct buf room = {0};
    struct buf out = {0};
    (void)buf_grow(&room, 4096); /* views into it must not move */
    buf_clear(&room);
    struct reply_client client = {
        .method = (enum http_method)fuzz_input_below(&in, HTTP_OTHER + 1),
        .is_shape_route = fuzz_input_chance(&in, 2),
        .origin = take_value(&in, &room),
        .request_id = take_value(&in, &room),
        .own_request_id = view_str("own-request-id-of-ours"),
        .date_s = (int64_t)(fuzz_input_u64(&in) >> 26) - 1000,
    };
    struct reply reply = take_reply(&in, &room);
    struct view list = take_value(&in, &room);
    reply_head(&client, &reply, &out);
    check_lines(buf_view(&out));
    buf_clear(&out);
    reply_options(&client, list, &out);
    check_lines(buf_view(&out));
    check_etag(&reply);
    (void)reply_is_known(list, &reply);
    uint64_t cursor = reply_cursor(list, 1800000000 + fuzz_input_byte(&in), 20000, size);
    buf_clear(&out);
    buf_append_u64(&out, cursor);
    ASSERT(reply_cursor(buf_view(&out), 1800000000, 20000, size) > cursor || out.size > 18);
    reply_message(list, &out);
    reply_up_to_date(cursor, &out);
    buf_free(&room);
    buf_free(&out);
    return 0;
}
