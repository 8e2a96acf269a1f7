/* Any bytes: the same verdict whether they come at once or one by one, and no crash. */
#include "common/core/http_route.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_chunks(struct view bytes)
{
    struct buf whole = {0};
    struct buf parts = {0};
    struct http_refusal refusal;
    struct http_chunks at_once = {0};
    struct http_chunks by_byte = {0};
    size_t taken;
    size_t at = 0;
    enum http_progress one = http_chunks_decode(&at_once, bytes, &taken, &whole, 64, &refusal);
    enum http_progress other = HTTP_MORE;
    while (at < bytes.size && other == HTTP_MORE) {
        size_t n;
        other =
            http_chunks_decode(&by_byte, view_of(bytes.bytes + at, 1), &n, &parts, 64, &refusal);
        at += n;
    }
    ASSERT(one == other);
    ASSERT(one == HTTP_REFUSED || view_equal(buf_view(&whole), buf_view(&parts)));
    ASSERT(one == HTTP_REFUSED || at == taken);
    buf_free(&whole);
    buf_free(&parts);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct http_head head;
    struct view bytes = {data, size};
    struct http_refusal refusal;
    size_t scanned = 0;
    enum http_progress whole = http_head_parse(bytes, &scanned, &head, &refusal);
    size_t head_size = head.size;
    size_t slow = 0;
    enum http_progress step = HTTP_MORE;
    for (size_t n = 1; n <= size && step == HTTP_MORE; n++) {
        step = http_head_parse(view_of(data, n), &slow, &head, &refusal);
    }
    ASSERT(step == whole);
    if (whole == HTTP_DONE) {
        ASSERT(head.size == head_size && head.size <= size && head.target.size > 0);
        struct buf path = {0};
        if (http_path_normalise(head.target, &path)) {
            ASSERT(path.size > 0 && path.bytes[0] == '/');
            ASSERT(http_route_find(HTTP_OTHER, buf_view(&path)) == ROUTE_NOT_FOUND);
        }
        buf_free(&path);
    }
    check_chunks(bytes);
    return 0;
}
