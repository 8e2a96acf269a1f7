/* Plain requests are answered by the loop; the parser takes no head without its secret. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/http_server.h"
#include "common/mem.h"
#include "tests/lib/http_client.h"

struct fixture {
    struct loop_job stop; /* first */
    struct loop *loop;
    struct http_server *server;
    void (*scenario)(const struct fixture *fixture);
    unsigned parsed;
};

static void
on_plain(void *ctx, const char *method, const char *path, struct http_reply *reply)
{
    (void)ctx;
    if (strcmp(path, "/livez") == 0) {
        reply->status = 200;
        reply->content_type = "application/json";
        buf_printf(&reply->body, "{\"method\":\"%s\"}", method);
    }
}

static void
on_parsed(void *ctx, struct http_parsed *parsed)
{
    struct fixture *fixture = ctx;
    fixture->parsed++;
    assert_int_equal(parsed->connection, 7);
    assert_true(parsed->number == UINT64_MAX);
    assert_true(view_is(parsed->raw_path, "/v1/%73hape"));
    assert_true(view_is(parsed->query, "a=%20"));
    assert_true(view_is(parsed->headers[HTTP_IF_NONE_MATCH], "\"1\""));
    mem_free(parsed);
}

static void
run_stop(struct loop_job *job)
{
    loop_stop(((struct fixture *)(void *)job)->loop);
}

static void *
play(void *ctx)
{
    struct fixture *fixture = ctx;
    fixture->scenario(fixture);
    loop_post(fixture->loop, &fixture->stop);
    return NULL;
}

static void
run(struct fixture *fixture)
{
    pthread_t client;
    fixture->stop.run = run_stop;
    assert_int_equal(pthread_create(&client, NULL, play, fixture), 0);
    loop_run(fixture->loop);
    pthread_join(client, NULL);
    http_server_close(fixture->server);
    loop_free(fixture->loop);
}

static void
ask_plainly(const struct fixture *fixture)
{
    int fd = http_client_dial(http_server_port(fixture->server));
    http_client_say(fd, "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n");
    http_client_hear(fd, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
                         "cache-control: no-store\r\ncontent-length: 16\r\n"
                         "connection: close\r\n\r\n{\"method\":\"GET\"}");
    http_client_hear_end(fd);
    fd = http_client_dial(http_server_port(fixture->server));
    http_client_say(fd, "GET /other HTTP/1.1\r\nHost: h\r\n\r\n");
    http_client_hear(fd, "HTTP/1.1 404 Not Found\r\n");
    close(fd);
}

static void
plain_requests_are_answered_by_the_loop(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture fixture = {.scenario = ask_plainly};
    assert_true(loop_new(&fixture.loop, &err));
    assert_true(http_server_plain(fixture.loop, 0, on_plain, &fixture, &fixture.server, &err));
    struct http_server *second;
    uint16_t port = http_server_port(fixture.server);
    assert_false(http_server_plain(fixture.loop, port, on_plain, NULL, &second, &err));
    assert_int_equal(err.kind, ERR_IO);
    run(&fixture);
}

static void
ask_the_parser(const struct fixture *fixture)
{
    static const char *const strangers[] = {"", "x-front: 1 2 3\r\n",
                                            "x-front: 0123456789abcdef0123456789abcdef 1 1\r\n"};
    for (size_t i = 0; i < COUNT_OF(strangers); i++) {
        int fd = http_client_dial(http_server_port(fixture->server));
        http_client_say(fd, "GET / HTTP/1.1\r\nHost: h\r\n");
        http_client_say(fd, strangers[i]);
        http_client_say(fd, "\r\n");
        http_client_hear(fd, "HTTP/1.1 403");
        close(fd);
    }
    struct buf head = {0};
    for (unsigned i = 0; i < 3; i++) { /* one behind the other */
        buf_append_str(&head, "GET /v1/%73hape?a=%20 HTTP/1.1\r\n");
        http_parser_append_tag(fixture->server, 7, UINT64_MAX, &head);
        buf_append_str(&head, "If-None-Match: \"1\"\r\nx-front: other\r\n\r\n");
    }
    buf_append_str(&head, "GET / x HTTP/1.1\r\n\r\n");
    int fd = http_client_dial(http_server_port(fixture->server));
    http_client_say(fd, buf_str(&head));
    http_client_hear(fd, "HTTP/x"); /* its own refusal: nothing was written for the good ones */
    close(fd);
    buf_free(&head);
}

static void
the_parser_posts_what_has_the_secret(void **state)
{
    (void)state;
    struct err err = {0};
    struct fixture fixture = {.scenario = ask_the_parser};
    assert_true(loop_new(&fixture.loop, &err));
    assert_true(http_server_parser(fixture.loop, 4, on_parsed, &fixture, &fixture.server, &err));
    run(&fixture);
    assert_int_equal(fixture.parsed, 3);
    http_server_close(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_are_answered_by_the_loop),
        cmocka_unit_test(the_parser_posts_what_has_the_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
