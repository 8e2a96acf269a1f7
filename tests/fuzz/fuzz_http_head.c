/*
 * Any bytes: the same verdict whether they come at once or one by one, and no crash.
 *
 * Covers: common/core/http_head.c common/core/http_route.c
 */
#include <string.h>

#include "common/core/http_route.h"
#include "tests/lib/fuzz_input.h"

static const char *const WORDS[] = {
    "GET ",
    "HEAD ",
    "POST ",
    "DELETE ",
    "OPTIONS ",
    "/v1/shape",
    "//v1/%68ealth",
    "/livez",
    "/%2e./",
    "\t",
    "\n",
    "?table=",
    "http://x/",
    "\r",
    "\r\n",
    "\r\n\r\n",
    " HTTP/1.1\r\n",
    " HTTP/1.0\r\n",
    " HTTP/2.0\r\n",
    "Host: x\r\n",
    "Content-Length: ",
    "content-length:9",
    "Transfer-Encoding: chunked\r\n",
    "transfer-encoding: gzip\r\n",
    "Connection: close, keep-alive\r\n",
    "Expect: 100-continue\r\n",
    "5\r\nhello\r\n",
    "0\r\n",
    "3;x=y\r\nabc\r\n",
    "Trailer: x\r\n",
    "*",
    " /status HTTP/1.1\r\nHost: x\r\n",
};

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

/* A path that was normalised is one that nobody has to normalise again, and has one route. */
static void
check_path(enum http_method method, struct view target)
{
    struct buf path = {0};
    const uint8_t *query = memchr(target.bytes, '?', target.size);
    target.size = query == NULL ? target.size : (size_t)(query - target.bytes);
    if (http_path_normalise(target, &path)) {
        ASSERT(path.size > 0 && path.bytes[0] == '/');
        ASSERT(http_route_find(HTTP_OTHER, buf_view(&path)) == ROUTE_NOT_FOUND);
        enum http_route route = http_route_find(method, buf_view(&path));
        (void)http_route_is_guarded(route, method);
    }
    buf_free(&path);
}

static void
check(struct view bytes)
{
    static struct http_head head;
    struct http_refusal refusal;
    size_t scanned = 0;
    enum http_progress whole = http_head_parse(bytes, &scanned, &head, &refusal);
    size_t head_size = head.size;
    size_t slow = 0;
    enum http_progress step = HTTP_MORE;
    for (size_t n = 1; n <= bytes.size && step == HTTP_MORE; n++) {
        step = http_head_parse(view_of(bytes.bytes, n), &slow, &head, &refusal);
    }
    ASSERT(step == whole);
    if (whole == HTTP_DONE) {
        ASSERT(head.size == head_size && head.size <= bytes.size && head.target.size > 0);
        check_path(head.method, head.target);
        ASSERT(http_secret_matches(head.target, head.target));
        ASSERT(!http_secret_matches(http_head_find(&head, "host"), (struct view){0}));
    }
    check_chunks(bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_input_check_both(WORDS, COUNT_OF(WORDS), view_of(data, size), check);
    return 0;
}
