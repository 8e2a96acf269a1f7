/*
 * What clients send in any pieces reaches the logic once, complete and in order, and what the logic
 * answers reaches the client; what could be understood in two ways is refused.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/listen.h"
#include "common/mem.h"
#include "services/api/front.h"
#include "tests/lib/http_client.h"
#include "tests/lib/tmp_path.h"

#define ANSWER_SIZE (1u << 24) /* more than socket buffers hold */

/* ---- the logic: answers by path */

struct logic {
    struct loop *loop;
    struct front *front;
    uint16_t port;
    struct api_request *parked[64];
    size_t parked_count;
    struct api_request *stream;
    unsigned requests;
    unsigned gone;
    int file;
    void (*scenario)(uint16_t port);
    struct loop_job stop;
};

static struct logic logic;

static void
append_view(struct buf *buf, const char *name, struct view view)
{
    if (view.size > 0) {
        buf_printf(buf, " %s=", name);
        buf_append_view(buf, view);
    }
}

static void
answer(struct api_request *request, struct blob *blob, bool no_body)
{
    struct answer answer = {.no_body = no_body};
    buf_append_str(&answer.head, no_body ? "HTTP/1.1 204 No Content\r\n" : "HTTP/1.1 200 OK\r\n");
    if (!no_body) {
        answer.parts[answer.part_count++] =
            (struct answer_part){.blob = blob, .size = blob->size, .fd = -1};
    }
    front_answer(logic.front, request, &answer);
}

static void
answer_number(struct api_request *request, size_t number)
{
    char text[32];
    snprintf(text, sizeof text, "%02zu", number);
    struct blob *blob = blob_new(view_str(text));
    answer(request, blob, false);
    blob_unref(blob);
}

/* The request as text. */
static void
echo(struct api_request *request)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "DELETE", "OPTIONS", "OTHER"};
    struct buf text = {0};
    buf_printf(&text, "%s ", methods[request->method]);
    buf_append_view(&text, request->path);
    append_view(&text, "query", request->query);
    append_view(&text, "etag", request->if_none_match);
    append_view(&text, "origin", request->origin);
    append_view(&text, "id", request->request_id);
    append_view(&text, "encoding", request->accept_encoding);
    append_view(&text, "type", request->content_type);
    append_view(&text, "auth", request->authorization);
    append_view(&text, "ask", request->access_control_request_headers);
    append_view(&text, "body", request->body);
    struct blob *blob = blob_new(buf_view(&text));
    answer(request, blob, false);
    blob_unref(blob);
    buf_free(&text);
}

/* Two pieces of a blob around a piece of a file. */
static void
answer_with_file(struct api_request *request)
{
    struct blob *blob = blob_new(view_str("[0123]"));
    struct answer answer = {.part_count = 3};
    buf_append_str(&answer.head, "HTTP/1.1 200 OK\r\n");
    answer.parts[0] = (struct answer_part){.blob = blob, .from = 0, .size = 1, .fd = -1};
    answer.parts[1] =
        (struct answer_part){.fd = logic.file, .position = 5, .size = ANSWER_SIZE - 5};
    answer.parts[2] = (struct answer_part){.blob = blob, .from = 5, .size = 1, .fd = -1};
    front_answer(logic.front, request, &answer);
    blob_unref(blob);
}

static void
wake_parked(void)
{
    struct blob *blob = blob_new(view_str("woken"));
    while (logic.parked_count > 0) {
        answer(logic.parked[--logic.parked_count], blob, false);
    }
    blob_unref(blob);
}

static void
stream(struct api_request *request)
{
    struct buf head = {0};
    buf_append_str(&head, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n");
    front_begin_stream(logic.front, request, &head);
    struct blob *blob = blob_new(view_str("data: 1\n\n"));
    assert_true(front_stream(logic.front, request, blob));
    assert_true(front_stream(logic.front, request, blob));
    blob_unref(blob);
}

static void
on_request(void *ctx, struct api_request *request)
{
    (void)ctx;
    logic.requests++;
    if (view_is(request->path, "/park")) {
        logic.parked[logic.parked_count++] = request;
    } else if (view_is(request->path, "/parked")) {
        answer_number(request, logic.parked_count);
    } else if (view_is(request->path, "/wake")) {
        wake_parked();
        echo(request);
    } else if (view_is(request->path, "/file")) {
        answer_with_file(request);
    } else if (view_is(request->path, "/nothing")) {
        answer(request, NULL, true);
    } else if (view_is(request->path, "/stream")) {
        stream(request);
        logic.stream = request;
    } else if (view_is(request->path, "/streamed")) {
        stream(request);
        front_end_stream(logic.front, request);
    } else {
        echo(request);
    }
}

static void
on_gone(void *ctx, struct api_request *request)
{
    (void)ctx;
    logic.gone++;
    for (size_t i = 0; i < logic.parked_count; i++) {
        if (logic.parked[i] == request) {
            logic.parked[i] = logic.parked[--logic.parked_count];
        }
    }
}

static void
run_stop(struct loop_job *job)
{
    (void)job;
    loop_stop(logic.loop);
}

static void *
play(void *ctx)
{
    (void)ctx;
    logic.scenario(logic.port);
    loop_post(logic.loop, &logic.stop);
    return NULL;
}

static void
run(void (*scenario)(uint16_t port), uint64_t read_timeout_ms, uint64_t send_timeout_ms)
{
    struct err err = {0};
    int file = logic.file;
    logic = (struct logic){.scenario = scenario, .file = file, .stop.run = run_stop};
    assert_true(loop_new(&logic.loop, &err));
    struct front_options options = {.loop = logic.loop,
                                    .tcp_read_timeout_ms = read_timeout_ms,
                                    .tcp_send_timeout_ms = send_timeout_ms,
                                    .on_request = on_request,
                                    .on_gone = on_gone};
    assert_true(listen_open("127.0.0.1", 0, false, &options.listen_fd, &err));
    struct sockaddr_in address = {0};
    socklen_t size = sizeof address;
    assert_int_equal(getsockname(options.listen_fd, (struct sockaddr *)&address, &size), 0);
    logic.port = ntohs(address.sin_port);
    assert_true(front_open(&options, &logic.front, &err));
    pthread_t client;
    assert_int_equal(pthread_create(&client, NULL, play, NULL), 0);
    loop_run(logic.loop);
    pthread_join(client, NULL);
    front_close(logic.front);
    loop_free(logic.loop);
}

/* ---- the client, on a thread of its own */

static void
hear_echo(int fd, const char *text)
{
    char expected[1024];
    snprintf(expected, sizeof expected, "HTTP/1.1 200 OK\r\ncontent-length: %zu\r\n\r\n%s",
             strlen(text), text);
    http_client_hear(fd, expected);
}

/* The status of a refusal, behind which the connection ends. */
static void
is_refused(uint16_t port, const char *request, const char *status)
{
    int fd = http_client_dial(port);
    http_client_say(fd, request);
    char head[16];
    snprintf(head, sizeof head, "HTTP/1.1 %s", status);
    http_client_hear(fd, head);
    char bytes[4096] = {0};
    size_t size = 0;
    for (ssize_t n = 1; n > 0 && size<sizeof bytes - 1; size += n> 0 ? (size_t)n : 0) {
        n = recv(fd, bytes + size, sizeof bytes - 1 - size, 0);
    }
    /* It says what every answer says, so that a browser may read why. */
    assert_non_null(strstr(bytes, "access-control-allow-origin: *\r\n"));
    assert_non_null(strstr(bytes, "x-request-id: refused-"));
    assert_non_null(strstr(bytes, "connection: close\r\n"));
    assert_non_null(strstr(bytes, "{\"error\":\""));
    close(fd);
}

/* ---- scenarios */

static void
talk_plainly(uint16_t port)
{
    int fd = http_client_dial(port);
    http_client_say(fd, "GET //v1/%73hape/?a=%20b&c HTTP/1.1\r\nHost: h\r\nIf-None-Match: \"e\"\r\n"
                        "ORIGIN: o\r\nX-Request-Id: 7\r\nX-Front: forged\r\n\r\n");
    hear_echo(fd, "GET /v1/shape query=a=%20b&c etag=\"e\" origin=o id=7");
    http_client_say(
        fd,
        "OPTIONS /v1/shape HTTP/1.1\r\nHost: h\r\nAccess-Control-Request-Headers: a, b\r\n\r\n");
    hear_echo(fd, "OPTIONS /v1/shape ask=a, b");
    http_client_say(fd,
                    "DELETE /x HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer s\r\nAccept-Encoding: "
                    "gzip\r\n\r\n");
    hear_echo(fd, "DELETE /x encoding=gzip auth=Bearer s");
    http_client_say(fd, "BREW /pot HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_echo(fd, "OTHER /pot");
    http_client_say(fd, "GET /v1/%2573hape HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_echo(fd, "GET /v1/%73hape"); /* decoded once */
    http_client_say(fd, "GET /a/../b HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_echo(fd, "GET ");
    http_client_say(fd, "GET /nothing HTTP/1.1\r\nHost: h\r\n\r\n");
    http_client_hear(fd, "HTTP/1.1 204 No Content\r\n\r\n");
    http_client_say(fd, "HEAD /v1/shape HTTP/1.1\r\nHost: h\r\n\r\n");
    http_client_hear(fd, "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\n");
    http_client_say(fd, "GET /last HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    http_client_hear(fd,
                     "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 9\r\n\r\nGET /last");
    http_client_hear_end(fd);
}

static void
requests_and_answers(void **state)
{
    (void)state;
    run(talk_plainly, 10000, 10000);
    assert_int_equal(logic.requests, 9);
    assert_int_equal(logic.gone, 0);
}

static void
talk_http_1_0(uint16_t port)
{
    int fd = http_client_dial(port);
    http_client_say(fd, "GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    http_client_hear(
        fd, "HTTP/1.1 200 OK\r\nconnection: keep-alive\r\ncontent-length: 6\r\n\r\nGET /a");
    http_client_say(fd, "GET /b HTTP/1.0\r\n\r\n");
    http_client_hear(fd, "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 6\r\n\r\nGET /b");
    http_client_hear_end(fd);
    fd = http_client_dial(port);
    http_client_say(fd, "GET /streamed HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    http_client_hear(
        fd, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"
            "data: 1\n\ndata: 1\n\n");
    http_client_hear_end(fd);
}

static void
http_1_0_closes_unless_asked_not_to(void **state)
{
    (void)state;
    run(talk_http_1_0, 10000, 10000);
}

static const char post[] = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"
                           "Content-Length: 7\r\n\r\n{\"a\":1}";
static const char chunked[] = "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                              "4\r\n{\"a\"\r\n3\r\n:1}\r\n0\r\n\r\n";

static void
talk_byte_by_byte(uint16_t port)
{
    int fd = http_client_dial(port);
    for (unsigned round = 0; round < 2; round++) {
        const char *text = round == 0 ? post : chunked;
        for (; *text != '\0'; text++) {
            ASSERT(send(fd, text, 1, MSG_NOSIGNAL) == 1);
        }
        hear_echo(fd, round == 0 ? "POST /p type=application/json body={\"a\":1}"
                                 : "POST /c body={\"a\":1}");
    }
    close(fd);
}

static void
a_request_in_single_bytes_arrives_whole(void **state)
{
    (void)state;
    run(talk_byte_by_byte, 10000, 10000);
    assert_int_equal(logic.requests, 2);
}

static void
talk_pipelined(uint16_t port)
{
    struct buf all = {0};
    for (unsigned i = 0; i < 200; i++) {
        buf_printf(&all, "GET /%u HTTP/1.1\r\nHost: h\r\n\r\n%s%s", i, post, chunked);
    }
    int fd = http_client_dial(port);
    http_client_say(fd, buf_str(&all));
    for (unsigned i = 0; i < 200; i++) {
        char text[32];
        snprintf(text, sizeof text, "GET /%u", i);
        hear_echo(fd, text);
        hear_echo(fd, "POST /p type=application/json body={\"a\":1}");
        hear_echo(fd, "POST /c body={\"a\":1}");
    }
    buf_free(&all);
    close(fd);
}

static void
pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    run(talk_pipelined, 10000, 10000);
    assert_int_equal(logic.requests, 600);
}

static void
talk_with_continue(uint16_t port)
{
    int fd = http_client_dial(port);
    http_client_say(
        fd, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    http_client_hear(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    http_client_say(fd, "ok");
    hear_echo(fd, "POST /p body=ok");
    close(fd);
}

static void
a_client_that_expects_it_is_told_to_continue(void **state)
{
    (void)state;
    run(talk_with_continue, 10000, 10000);
}

static void
talk_ambiguously(uint16_t port)
{
    is_refused(port, "GET / HTTP/1.1\nHost: x\n\n", "400");
    is_refused(port, "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
               "400");
    is_refused(port, "GET / HTTP/2.0\r\n\r\n", "505");
    is_refused(port, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n", "413");
    struct buf longest = {0};
    buf_append_str(&longest, "GET /");
    memset(buf_grow(&longest, 40000), 'x', 40000);
    is_refused(port, buf_str(&longest), "431");
    buf_free(&longest);
    /* A good one before it is answered. */
    int fd = http_client_dial(port);
    http_client_say(fd, "GET /a HTTP/1.1\r\nHost: h\r\n\r\nnonsense\r\n\r\n");
    hear_echo(fd, "GET /a");
    http_client_hear(fd, "HTTP/1.1 400");
    close(fd);
}

static void
what_is_ambiguous_is_refused(void **state)
{
    (void)state;
    run(talk_ambiguously, 10000, 10000);
    assert_int_equal(logic.requests, 1);
}

static void
talk_long(uint16_t port)
{
    /* As long as the front takes it must be short enough for civetweb, too. */
    struct buf text = {0};
    buf_append_str(&text, "GET /x?");
    memset(buf_grow(&text, 32000), 'q', 32000);
    buf_append_str(&text, " HTTP/1.1\r\nHost: h\r\nOrigin: o\r\n\r\n");
    int fd = http_client_dial(port);
    http_client_say(fd, buf_str(&text));
    http_client_hear(fd, "HTTP/1.1 200 OK\r\ncontent-length: 32022\r\n\r\nGET /x query=qqqq");
    close(fd);
    buf_free(&text);
}

static void
the_longest_head_passes(void **state)
{
    (void)state;
    run(talk_long, 10000, 10000);
}

/* Until so many are parked; a request on one link may overtake one on the other. */
static void
wait_for_parked(int fd, const char *count)
{
    char got[3] = "";
    while (strcmp(got, count) != 0) {
        http_client_say(fd, "GET /parked HTTP/1.1\r\nHost: h\r\n\r\n");
        http_client_hear(fd, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n");
        ASSERT(recv(fd, got, 2, MSG_WAITALL) == 2);
    }
}

static void
talk_many(uint16_t port)
{
    int fds[60];
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = http_client_dial(port);
        http_client_say(fds[i], "GET /park HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    int fd = http_client_dial(port);
    wait_for_parked(fd, "60");
    close(fds[0]);
    wait_for_parked(fd, "59");
    http_client_say(fd, "GET /wake HTTP/1.1\r\nHost: h\r\n\r\n");
    hear_echo(fd, "GET /wake");
    for (size_t i = 1; i < COUNT_OF(fds); i++) {
        hear_echo(fds[i], "woken");
        close(fds[i]);
    }
    close(fd);
}

static void
who_waits_is_answered_later_and_who_left_is_told(void **state)
{
    (void)state;
    run(talk_many, 10000, 10000);
    assert_int_equal(logic.gone, 1);
}

static void
talk_about_a_file(uint16_t port)
{
    int fd = http_client_dial(port);
    for (unsigned round = 0; round < 2; round++) {
        http_client_say(fd, "GET /file HTTP/1.1\r\nHost: h\r\n\r\n");
        char head[128];
        snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\ncontent-length: %u\r\n\r\n[",
                 ANSWER_SIZE - 3);
        http_client_hear(fd, head);
        for (size_t left = ANSWER_SIZE - 5; left > 0;) {
            char bytes[65536];
            ssize_t n = recv(fd, bytes, left < sizeof bytes ? left : sizeof bytes, 0);
            ASSERT(n > 0);
            for (ssize_t i = 0; i < n; i++) {
                ASSERT((uint8_t)bytes[i] == (uint8_t)((ANSWER_SIZE - left + (size_t)i) * 31));
            }
            left -= (size_t)n;
        }
        http_client_hear(fd, "]");
    }
    close(fd);
}

static void
parts_of_files_are_sent_where_they_belong(void **state)
{
    (void)state;
    uint8_t *bytes = mem_alloc(ANSWER_SIZE);
    for (size_t i = 0; i < ANSWER_SIZE; i++) {
        bytes[i] = (uint8_t)(i * 31);
    }
    logic.file = open(tmp_path("answer"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(logic.file, bytes, ANSWER_SIZE), ANSWER_SIZE);
    mem_free(bytes);
    run(talk_about_a_file, 10000, 10000);
    close(logic.file);
}

static void
talk_streaming(uint16_t port)
{
    static const char head[] = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
                               "transfer-encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
                               "9\r\ndata: 1\n\n\r\n";
    int fd = http_client_dial(port);
    http_client_say(
        fd, "GET /streamed HTTP/1.1\r\nHost: h\r\n\r\nGET /next HTTP/1.1\r\nHost: h\r\n\r\n");
    http_client_hear(fd, head);
    http_client_hear(fd, "0\r\n\r\n");
    hear_echo(fd, "GET /next");
    http_client_say(fd, "GET /stream HTTP/1.1\r\nHost: h\r\n\r\n");
    http_client_hear(fd, head);
    close(fd);
    struct timespec pause = {.tv_nsec = 50000000};
    nanosleep(&pause, NULL);
}

static void
a_stream_is_chunked_until_its_end(void **state)
{
    (void)state;
    run(talk_streaming, 10000, 10000);
    assert_int_equal(logic.gone, 1);
}

static void
talk_slowly(uint16_t port)
{
    int idle = http_client_dial(port);
    int slow = http_client_dial(port);
    http_client_say(slow, "GET / HT");
    http_client_hear_end(idle);
    http_client_hear_end(slow);
    int reader = http_client_dial(port);
    http_client_say(
        reader,
        "GET /file HTTP/1.1\r\nHost: h\r\n\r\n"); /* and reads nothing: dropped with its answer */
    struct timespec pause = {.tv_nsec = 300000000};
    nanosleep(&pause, NULL);
    close(reader);
}

static void
who_does_nothing_for_too_long_is_closed(void **state)
{
    (void)state;
    logic.file = open(tmp_path("answer"), O_RDONLY | O_CLOEXEC);
    run(talk_slowly, 50, 100);
    assert_int_equal(logic.requests, 1);
    close(logic.file);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_answers),
        cmocka_unit_test(http_1_0_closes_unless_asked_not_to),
        cmocka_unit_test(a_request_in_single_bytes_arrives_whole),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(a_client_that_expects_it_is_told_to_continue),
        cmocka_unit_test(what_is_ambiguous_is_refused),
        cmocka_unit_test(the_longest_head_passes),
        cmocka_unit_test(who_waits_is_answered_later_and_who_left_is_told),
        cmocka_unit_test(parts_of_files_are_sent_where_they_belong),
        cmocka_unit_test(a_stream_is_chunked_until_its_end),
        cmocka_unit_test(who_does_nothing_for_too_long_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
