/* http-api §2: every header of every kind of answer; [6] revalidation; [27] the cursor. */
#include "common/core/shape_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct buf head;

static struct reply_client
client(enum http_method method)
{
    return (struct reply_client){.method = method,
                                 .is_shape_route = true,
                                 .own_request_id = view_str("own-request-id-of-ours"),
                                 .date_s = 1704164645};
}

static void
write_head(enum http_method method, const struct reply *reply)
{
    struct reply_client who = client(method);
    buf_clear(&head);
    reply_head(&who, reply, &head);
}

static void
has(const char *text)
{
    struct buf wanted = {0};
    buf_printf(&wanted, "\r\n%s\r\n", text);
    if (strstr(buf_str(&head), buf_str(&wanted)) == NULL) {
        fail_msg("no \"%s\" in\n%s", text, buf_str(&head));
    }
    buf_free(&wanted);
}

static void
has_no(const char *name)
{
    struct buf wanted = {0};
    buf_printf(&wanted, "\r\n%s:", name);
    assert_null(strstr(buf_str(&head), buf_str(&wanted)));
    buf_free(&wanted);
}

static struct reply
shape(unsigned status)
{
    return (struct reply){.status = status,
                          .kind = REPLY_SHAPE,
                          .handle = view_str("12-34"),
                          .offset_asked = view_str("0_0"),
                          .has_offset = true,
                          .offset = {450143224, 6},
                          .schema = view_str("{\"id\":{}}"),
                          .has_data = true,
                          .max_age_s = 60,
                          .stale_age_s = 300,
                          .sse_timeout_s = 60};
}

static void
test_first_answer(void **state)
{
    (void)state;
    struct reply reply = shape(200);
    reply.asked = REPLY_OFFSET_START;
    reply.offset_asked = view_str("-1");
    reply.offset = (struct log_offset){0, 0};
    write_head(HTTP_GET, &reply);
    assert_non_null(strstr(buf_str(&head), "HTTP/1.1 200 OK\r\n"));
    has("date: Tue, 02 Jan 2024 03:04:05 GMT");
    has("electric-server: shapewire/0.1.0");
    has("x-request-id: own-request-id-of-ours");
    has("vary: accept-encoding");
    has("access-control-allow-origin: *");
    has("access-control-allow-methods: GET, POST, HEAD, DELETE, OPTIONS");
    has("cache-control: public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746");
    has("electric-handle: 12-34");
    has("electric-offset: 0_0");
    has("electric-schema: {\"id\":{}}");
    has("electric-has-data: true");
    has("etag: \"12-34:-1:0_0\"");
    has("content-type: application/json; charset=utf-8");
    has_no("electric-up-to-date");
    has_no("electric-cursor");
    has_no("retry-after");
    assert_string_equal(buf_str(&head) + head.size - 2, "\r\n");
    assert_null(strstr(buf_str(&head), "\r\n\r\n"));
}

static void
test_live_answers(void **state)
{
    (void)state;
    struct reply reply = shape(200);
    reply.is_live = true;
    reply.is_up_to_date = true;
    reply.has_cursor = true;
    reply.cursor = 67037300;
    write_head(HTTP_GET, &reply);
    has("cache-control: public, max-age=5, stale-while-revalidate=5");
    has("electric-up-to-date: ");
    has("electric-cursor: 67037300");
    has("etag: \"12-34:0_0:450143224_6\"");
    has_no("electric-schema");
    reply.is_unchanged = true;
    reply.has_data = false;
    reply.monotonic_us = 77;
    write_head(HTTP_GET, &reply);
    has("electric-has-data: false");
    has("etag: \"12-34:0_0:450143224_6:77\"");
    reply.is_sse = true;
    reply.content_type = "text/event-stream";
    write_head(HTTP_GET, &reply);
    has("cache-control: public, max-age=59");
    has("content-type: text/event-stream");
}

static void
test_catching_up(void **state)
{
    (void)state;
    struct reply reply = shape(200);
    write_head(HTTP_HEAD, &reply);
    has("cache-control: public, max-age=60, stale-while-revalidate=300");
    write_head(HTTP_POST, &reply);
    has("cache-control: no-cache");
    reply.is_subset = true;
    write_head(HTTP_GET, &reply);
    has("cache-control: no-cache");
    has("electric-snapshot: true");
    has_no("etag");
    has_no("electric-has-data");
}

static void
test_not_modified(void **state)
{
    (void)state;
    struct reply reply = shape(200);
    static const char *const known[] = {"\"12-34:0_0:450143224_6\"", "12-34:0_0:450143224_6",
                                        "\"x\", \"12-34:0_0:450143224_6\"",
                                        "W/\"12-34:0_0:450143224_6\"", "*"};
    for (size_t i = 0; i < COUNT_OF(known); i++) {
        assert_true(reply_is_known(view_str(known[i]), &reply));
    }
    assert_false(reply_is_known(view_str(""), &reply));
    assert_false(reply_is_known(view_str("\"12-34:0_0:450143224_8\", x"), &reply));
    reply.is_unchanged = true;
    assert_false(reply_is_known(view_str("*"), &reply));
    reply = shape(304);
    write_head(HTTP_GET, &reply);
    assert_non_null(strstr(buf_str(&head), "HTTP/1.1 304 Not Modified\r\n"));
    has("electric-offset: 450143224_6");
    has("electric-has-data: true");
    has("etag: \"12-34:0_0:450143224_6\"");
    has_no("electric-schema");
    has_no("content-type");
}

static void
test_errors(void **state)
{
    (void)state;
    struct reply reply = {.status = 409, .kind = REPLY_SHAPE, .handle = view_str("12-34")};
    write_head(HTTP_GET, &reply);
    has("cache-control: public, max-age=60, must-revalidate");
    has("etag: \"12-34::\"");
    has("electric-handle: 12-34");
    has_no("electric-has-data");
    reply.handle = (struct view){0};
    write_head(HTTP_GET, &reply);
    has("cache-control: public, max-age=1, must-revalidate");
    has_no("etag");
    reply = (struct reply){
        .status = 503, .kind = REPLY_SHAPE, .retry_after_s = 5, .is_known_error = true};
    write_head(HTTP_GET, &reply);
    has("cache-control: no-store");
    has("surrogate-control: no-store");
    has("retry-after: 5");
    has("electric-internal-known-error: true");
    write_head(HTTP_DELETE, &reply);
    has("cache-control: no-cache");
    reply = (struct reply){.status = 202, .kind = REPLY_SHAPE, .has_data = true};
    write_head(HTTP_DELETE, &reply);
    has("cache-control: no-cache");
    has_no("content-type");
}

static void
test_status_lines(void **state)
{
    (void)state;
    static const struct {
        unsigned status;
        const char *line;
    } cases[] = {{400, "HTTP/1.1 400 Bad Request"},
                 {401, "HTTP/1.1 401 Unauthorized"},
                 {405, "HTTP/1.1 405 Method Not Allowed"},
                 {413, "HTTP/1.1 413 Content Too Large"},
                 {431, "HTTP/1.1 431 Request Header Fields Too Large"},
                 {500, "HTTP/1.1 500 Internal Server Error"},
                 {501, "HTTP/1.1 501 Not Implemented"},
                 {505, "HTTP/1.1 505 HTTP Version Not Supported"},
                 {418, "HTTP/1.1 418 Unknown"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        write_head(HTTP_GET, &(struct reply){.status = cases[i].status, .kind = REPLY_SHAPE});
        size_t size = strlen(cases[i].line);
        assert_memory_equal(buf_str(&head), cases[i].line, size);
        assert_memory_equal(buf_str(&head) + size, "\r\n", 2);
    }
}

static void
test_other_routes(void **state)
{
    (void)state;
    struct reply reply = {.status = 404, .kind = REPLY_PLAIN, .content_type = "text/plain"};
    struct reply_client who = client(HTTP_GET);
    who.is_shape_route = false;
    who.origin = view_str("https://x.example");
    who.request_id = view_str("0123456789012345678901");
    buf_clear(&head);
    reply_head(&who, &reply, &head);
    has("cache-control: max-age=0, private, must-revalidate");
    has("access-control-allow-methods: GET, HEAD");
    has("access-control-allow-origin: https://x.example");
    has("x-request-id: 0123456789012345678901");
    reply = (struct reply){.status = 200, .kind = REPLY_HEALTH};
    who.request_id = view_str("short");
    buf_clear(&head);
    reply_head(&who, &reply, &head);
    has("cache-control: no-cache, no-store, must-revalidate");
    has("x-request-id: own-request-id-of-ours");
}

static void
test_options(void **state)
{
    (void)state;
    struct reply_client who = client(HTTP_OPTIONS);
    buf_clear(&head);
    reply_options(&who, view_str("If-None-Match, x-evil,traceparent"), &head);
    assert_non_null(strstr(buf_str(&head), "HTTP/1.1 204 No Content\r\n"));
    has("access-control-max-age: 86400");
    has("access-control-allow-headers: if-none-match, traceparent");
    has_no("cache-control");
    buf_clear(&head);
    reply_options(&who, view_str(""), &head);
    has_no("access-control-allow-headers");
}

static void
test_dates(void **state)
{
    (void)state;
    static const struct {
        int64_t date_s;
        const char *text;
    } cases[] = {
        {0, "date: Thu, 01 Jan 1970 00:00:00 GMT"},
        {951782399, "date: Mon, 28 Feb 2000 23:59:59 GMT"},
        {951782400, "date: Tue, 29 Feb 2000 00:00:00 GMT"},
        {951868800, "date: Wed, 01 Mar 2000 00:00:00 GMT"},
        {1795469219, "date: Mon, 23 Nov 2026 21:26:59 GMT"},
        {4107542399, "date: Sun, 28 Feb 2100 23:59:59 GMT"},
        {4107542400, "date: Mon, 01 Mar 2100 00:00:00 GMT"},
    };
    struct reply reply = {.status = 200, .kind = REPLY_PLAIN};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct reply_client who = client(HTTP_GET);
        who.date_s = cases[i].date_s;
        buf_clear(&head);
        reply_head(&who, &reply, &head);
        has(cases[i].text);
    }
}

static void
test_cursor(void **state)
{
    (void)state;
    uint64_t now_s = 1728432000u + 67037281u;
    assert_int_equal(reply_cursor(view_str(""), now_s, 20000, 5), 67037300);
    assert_int_equal(reply_cursor(view_str("67037280"), now_s, 20000, 5), 67037300);
    assert_int_equal(reply_cursor(view_str("67037300"), now_s, 20000, 0), 67037301);
    assert_int_equal(reply_cursor(view_str("67037300"), now_s, 20000, 3599), 67040900);
    assert_int_equal(reply_cursor(view_str("67037300"), now_s, 20000, 3600), 67037301);
    assert_int_equal(reply_cursor(view_str("abc"), now_s, 20000, 5), 67037300);
    assert_int_equal(reply_cursor(view_str(""), now_s, 999, 5), 0);
    assert_int_equal(reply_cursor(view_str(""), 67037300u, 20000, 5), 1 + 5);
    assert_int_equal(reply_cursor(view_str(""), 1728432000u + 40u, 20000, 5), 40);
}

static void
test_bodies(void **state)
{
    (void)state;
    buf_clear(&head);
    reply_up_to_date(450143224, &head);
    assert_string_equal(
        buf_str(&head),
        "{\"headers\":{\"control\":\"up-to-date\",\"global_last_seen_lsn\":\"450143224\"}}");
    buf_clear(&head);
    reply_message(view_str("a \"b\""), &head);
    assert_string_equal(buf_str(&head), "{\"message\":\"a \\\"b\\\"\"}");
    buf_free(&head);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_answer), cmocka_unit_test(test_live_answers),
        cmocka_unit_test(test_catching_up),  cmocka_unit_test(test_not_modified),
        cmocka_unit_test(test_errors),       cmocka_unit_test(test_status_lines),
        cmocka_unit_test(test_other_routes), cmocka_unit_test(test_options),
        cmocka_unit_test(test_dates),        cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_bodies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
