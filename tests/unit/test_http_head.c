/* Where requests end, and that nothing two readers could understand differently gets through. */
#include "common/core/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct http_head head;
static struct http_refusal refusal;

static enum http_progress
parse(const char *text)
{
    size_t scanned = 0;
    return http_head_parse(view_str(text), &scanned, &head, &refusal);
}

static void
accept_head(const char *text)
{
    assert_int_equal(parse(text), HTTP_DONE);
    assert_int_equal(head.size, strlen(text));
}

static void
refuse_head(const char *text, unsigned status)
{
    assert_int_equal(parse(text), HTTP_REFUSED);
    assert_int_equal(refusal.status, status);
    assert_true(strlen(refusal.why) > 0);
}

static void
test_a_request(void **state)
{
    (void)state;
    accept_head("GET /v1/shape?table=a%20b HTTP/1.1\r\nHost: x\r\nIf-None-Match:  \"a\" \t\r\n"
                "X:\r\n\r\n");
    assert_int_equal(head.method, HTTP_GET);
    assert_true(view_is(head.target, "/v1/shape?table=a%20b"));
    assert_true(view_is(http_head_find(&head, "if-none-match"), "\"a\""));
    assert_int_equal(http_head_find(&head, "x").size, 0);
    assert_null(http_head_find(&head, "absent").bytes);
    assert_int_equal(head.header_count, 3);
    assert_true(head.keeps_alive && !head.is_1_0 && !head.wants_continue);
    assert_int_equal(head.body, HTTP_BODY_NONE);
}

static void
test_methods(void **state)
{
    (void)state;
    const char *const names[] = {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "PUT", "get"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char text[64] = {0};
        strncat(text, names[i], 10);
        strncat(text, " / HTTP/1.1\r\nHost:x\r\n\r\n", 40);
        accept_head(text);
        assert_int_equal(head.method, i < HTTP_OTHER ? i : HTTP_OTHER);
        assert_true(view_is(head.method_name, names[i]));
    }
}

static void
test_every_prefix_is_incomplete(void **state)
{
    (void)state;
    const char *text = "\r\nPOST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
    size_t size = strlen(text) - 3;
    size_t scanned = 0;
    for (size_t n = 0; n < size; n++) {
        size_t fresh = 0;
        assert_int_equal(http_head_parse(view_of(text, n), &fresh, &head, &refusal), HTTP_MORE);
        assert_int_equal(http_head_parse(view_of(text, n), &scanned, &head, &refusal), HTTP_MORE);
        assert_int_equal(scanned, n);
    }
    assert_int_equal(http_head_parse(view_str(text), &scanned, &head, &refusal), HTTP_DONE);
    assert_int_equal(head.size, size);
    assert_int_equal(head.body, HTTP_BODY_LENGTH);
    assert_int_equal(head.body_size, 3);
}

static void
test_connection(void **state)
{
    (void)state;
    accept_head("GET / HTTP/1.0\r\n\r\n");
    assert_true(head.is_1_0 && !head.keeps_alive);
    accept_head("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
    assert_true(head.keeps_alive);
    accept_head("GET / HTTP/1.1\r\nHost: x\r\nConnection: te, Close\r\n\r\n");
    assert_false(head.keeps_alive);
    accept_head("GET / HTTP/1.1\r\nHost: x\r\nConnection: closed\r\nExpect: 100-Continue\r\n\r\n");
    assert_true(head.keeps_alive && head.wants_continue);
}

static void
test_whole_urls(void **state)
{
    (void)state;
    accept_head("GET http://host:1/v1/shape?a=b HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(view_is(head.target, "/v1/shape?a=b"));
    accept_head("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    refuse_head("GET http://host HTTP/1.1\r\nHost: x\r\n\r\n", 400);
    refuse_head("GET ftp://host/ HTTP/1.1\r\nHost: x\r\n\r\n", 400);
}

static void
test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        unsigned status;
    } cases[] = {
        {"GET / HTTP/1.1\nHost: x\n\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\n\r\n", 400},
        {"GET / HTTP/1.1\rHost: x\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA : b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: \x01\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nA: \x7f\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400},
        {"GARBAGE\r\n\r\n", 400},
        {"GET /\r\n\r\n", 400},
        {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"G\xe9T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"GET / HTTX/1.1\r\nHost: x\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3, 3\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length:\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413},
        {"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refuse_head(cases[i].text, cases[i].status);
    }
}

static void
test_long_heads(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_append_str(&text, "GET /");
    while (text.size <= HTTP_HEAD_MAX) {
        buf_append_byte(&text, 'x');
    }
    size_t scanned = 0;
    assert_int_equal(http_head_parse(buf_view(&text), &scanned, &head, &refusal), HTTP_REFUSED);
    assert_int_equal(refusal.status, 431);

    buf_clear(&text);
    buf_append_str(&text, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (size_t i = 0; i < HTTP_HEADERS_MAX; i++) {
        buf_append_str(&text, "a: b\r\n");
    }
    buf_append_str(&text, "\r\n");
    scanned = 0;
    assert_int_equal(http_head_parse(buf_view(&text), &scanned, &head, &refusal), HTTP_REFUSED);
    assert_int_equal(refusal.status, 431);
    buf_free(&text);
}

static enum http_progress
decode(const char *text, size_t piece, struct buf *body, size_t *taken_out)
{
    struct http_chunks chunks = {0};
    size_t size = strlen(text);
    size_t at = 0;
    enum http_progress progress = HTTP_MORE;
    buf_clear(body);
    while (at < size && progress == HTTP_MORE) {
        size_t taken;
        size_t now = size - at < piece ? size - at : piece;
        progress =
            http_chunks_decode(&chunks, view_of(text + at, now), &taken, body, 100, &refusal);
        at += taken;
    }
    *taken_out = at;
    return progress;
}

static void
test_chunked_bodies(void **state)
{
    (void)state;
    const char *text = "5;ext=\"v\"\r\nhello\r\n06 \r\n world\r\n0\r\nTrailer: x\r\n\r\nGET /";
    struct buf body = {0};
    for (size_t piece = 1; piece < 70; piece++) {
        size_t taken;
        assert_int_equal(decode(text, piece, &body, &taken), HTTP_DONE);
        assert_true(view_is(buf_view(&body), "hello world"));
        assert_string_equal(text + taken, "GET /");
    }
    static const char *const wrong[] = {
        "\r\n",         "x\r\n",          "5\nhello\r\n", "5\r\nhello0\r\n", "5\r\nhelloxx",
        "0\r\n\nx",     "-1\r\n",         "0x5\r\n",      "0\r\n:\r\n",      "1000000000000000\r\n",
        "5\r\nhello\r", "5\r\nhello\r\r", "0\r\na\r\r",   "0\r\n\r\r",       "5;\x01\r\n",
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        size_t taken;
        bool is_part = strcmp(wrong[i], "5\r\nhello\r") == 0;
        assert_int_equal(decode(wrong[i], 100, &body, &taken), is_part ? HTTP_MORE : HTTP_REFUSED);
    }
    size_t taken;
    assert_int_equal(decode("50\r\n", 9, &body, &taken), HTTP_MORE);
    assert_int_equal(decode("65\r\n", 9, &body, &taken), HTTP_REFUSED);
    assert_int_equal(refusal.status, 413);
    buf_free(&body);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_request),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_every_prefix_is_incomplete),
        cmocka_unit_test(test_connection),
        cmocka_unit_test(test_whole_urls),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_long_heads),
        cmocka_unit_test(test_chunked_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
