/*
 * Each request gets its own answer or one error, however many are open and whoever dies meanwhile;
 * what was cancelled or closed never calls back. Over ipc:// and real threads of NNG's.
 */
#include "common/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/mem.h"
#include "tests/lib/bus_fixture.h"

/* ---- a server that keeps what it is asked until it is told to answer */

struct keeper {
    struct bus_server *server;
    struct bus_request *requests[256];
    struct buf messages[256];
    size_t count;
    size_t stop_at; /* the loop stops when so many are there */
};

static void
keep(void *ctx, struct bus_request *request, struct view message)
{
    struct keeper *keeper = ctx;
    assert_true(keeper->count < COUNT_OF(keeper->requests));
    buf_append_view(&keeper->messages[keeper->count], message);
    keeper->requests[keeper->count++] = request;
    if (keeper->count == keeper->stop_at) {
        loop_stop(test_loop);
    }
}

static void
keeper_open(struct keeper *keeper)
{
    struct err err;
    *keeper = (struct keeper){0};
    assert_true(bus_serve(test_loop, test_url, keep, keeper, &keeper->server, &err));
}

/* The last request first. */
static void
keeper_answer(struct keeper *keeper)
{
    while (keeper->count > 0) {
        keeper->count--;
        buf_append_str(&keeper->messages[keeper->count], "!");
        bus_reply(keeper->requests[keeper->count], &keeper->messages[keeper->count]);
        assert_int_equal(keeper->messages[keeper->count].size, 0);
    }
}

/* ---- who asks */

struct asker {
    struct bus_client *client;
    size_t answered;
    size_t failed;
    enum err_kind failure; /* of the last that failed */
    size_t stop_at;
};

struct question {
    struct asker *asker;
    char text[32];
    struct bus_call *call;
};

static void
on_reply(void *ctx, struct view reply, const struct err *failed)
{
    struct question *question = ctx;
    struct asker *asker = question->asker;
    char expected[40];
    snprintf(expected, sizeof expected, "%s!", question->text);
    if (failed != NULL) {
        asker->failed++;
        asker->failure = failed->kind;
    } else {
        assert_true(view_is(reply, expected));
        asker->answered++;
    }
    question->call = NULL;
    if (asker->answered + asker->failed == asker->stop_at) {
        loop_stop(test_loop);
    }
}

static void
asker_open(struct asker *asker)
{
    struct err err;
    *asker = (struct asker){0};
    assert_true(bus_client_open(test_loop, test_url, &asker->client, &err));
}

static void
ask(struct asker *asker, struct question *question, size_t number, uint32_t timeout_ms)
{
    struct buf message = {0};
    question->asker = asker;
    snprintf(question->text, sizeof question->text, "question %zu", number);
    buf_append_str(&message, question->text);
    question->call = bus_ask(asker->client, &message, timeout_ms, on_reply, question);
    assert_int_equal(message.size, 0);
}

static void
test_many_requests_are_open_and_answered_in_any_order(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct question questions[200];
    keeper_open(&keeper);
    asker_open(&asker);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < COUNT_OF(questions); i++) {
            ask(&asker, &questions[i], i, 10000);
        }
        keeper.stop_at = COUNT_OF(questions);
        loop_run(test_loop);
        asker.stop_at = asker.answered + COUNT_OF(questions);
        keeper_answer(&keeper);
        loop_run(test_loop);
        assert_int_equal(asker.answered, asker.stop_at);
        assert_int_equal(asker.failed, 0);
    }
    bus_client_close(asker.client);
    bus_server_close(keeper.server);
}

static void
test_who_asks_first_is_heard_when_the_peer_comes(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct question question;
    asker_open(&asker);
    ask(&asker, &question, 1, 10000);
    bus_run_for(100);
    keeper_open(&keeper);
    keeper.stop_at = 1;
    loop_run(test_loop);
    keeper_answer(&keeper);
    asker.stop_at = 1;
    loop_run(test_loop);
    assert_int_equal(asker.answered, 1);
    bus_client_close(asker.client);
    bus_server_close(keeper.server);
}

static struct sockaddr_un
test_address(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = test_url + strlen("ipc://");
    memcpy(address.sun_path, path, strlen(path));
    return address;
}

/* They find each other within `ms`; then both are closed. */
static void
expect_an_answer(struct keeper *keeper, struct asker *asker, uint32_t ms)
{
    struct question question;
    ask(asker, &question, 1, ms);
    keeper->stop_at = 1;
    asker->stop_at = 1;
    loop_run(test_loop);
    assert_int_equal(keeper->count, 1);
    keeper_answer(keeper);
    loop_run(test_loop);
    assert_int_equal(asker->answered, 1);
    bus_client_close(asker->client);
    bus_server_close(keeper->server);
}

/* Killed between its connect and the first byte: NNG alone would never accept anybody again. */
static void
test_a_peer_that_leaves_at_once_makes_no_server_deaf(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct sockaddr_un address = test_address();
    keeper_open(&keeper);
    for (int i = 0; i < 200; i++) {
        int peer = socket(AF_UNIX, SOCK_STREAM, 0);
        assert_int_equal(connect(peer, (struct sockaddr *)&address, sizeof address), 0);
        close(peer);
    }
    asker_open(&asker);
    expect_an_answer(&keeper, &asker, 3000);
}

/* The same from the other side: a server that dies as it is found is looked for again. */
static void
test_a_server_that_leaves_at_once_is_looked_for_again(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct sockaddr_un address = test_address();
    int dying = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(dying, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(dying, 8), 0);
    asker_open(&asker);
    for (int i = 0; i < 8; i++) {
        int accepted = accept(dying, NULL, NULL);
        assert_true(accepted >= 0);
        close(accepted);
    }
    assert_int_equal(unlink(address.sun_path), 0);
    close(dying);
    keeper_open(&keeper);
    expect_an_answer(&keeper, &asker, 5000);
}

/* A listening socket at the address, that is no peer's. */
static int
mute_open(void)
{
    struct sockaddr_un address = test_address();
    int mute = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(mute, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(mute, 1), 0);
    return mute;
}

/* A peer that accepts and then says nothing: NNG alone would wait ten seconds for it. */
static void
test_a_connection_that_is_never_made_is_given_up(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct question question;
    int mute = mute_open();
    asker_open(&asker);
    ask(&asker, &question, 1, 6000);
    int accepted = accept(mute, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(unlink(test_address().sun_path), 0);
    keeper_open(&keeper);
    keeper.stop_at = 1;
    asker.stop_at = 1; /* in vain */
    loop_run(test_loop);
    assert_int_equal(keeper.count, 1);
    keeper_answer(&keeper);
    loop_run(test_loop);
    assert_int_equal(asker.answered, 1);
    close(accepted);
    close(mute);
    bus_client_close(asker.client);
    bus_server_close(keeper.server);
}

/* A peer that takes nothing, as a pipe of which NNG does not know that it has ended. */
static void
test_a_pipe_that_takes_nothing_is_given_up(void **state)
{
    (void)state;
    static const char GREETING[] = {0, 'S', 'P', 0, 0, 0x31, 0, 0}; /* REP */
    char theirs[sizeof GREETING];
    struct keeper keeper;
    struct asker asker;
    struct question question;
    struct buf large = {0};
    int mute = mute_open();
    asker_open(&asker);
    int accepted = accept(mute, NULL, NULL);
    assert_int_equal(write(accepted, GREETING, sizeof GREETING), sizeof GREETING);
    assert_int_equal(read(accepted, theirs, sizeof theirs), sizeof theirs);
    memset(buf_grow(&large, 8u << 20), 'x', 8u << 20);
    struct question first = {.asker = &asker};
    first.call = bus_ask(asker.client, &large, 20000, on_reply, &first);

    ask(&asker, &question, 2, 15000);
    assert_int_equal(unlink(test_address().sun_path), 0);
    keeper_open(&keeper);
    keeper.stop_at = 1;
    loop_run(test_loop);
    assert_int_equal(keeper.count, 1);
    assert_int_equal(asker.failure, ERR_IO); /* the first: it was under way */
    keeper_answer(&keeper);
    asker.stop_at = 2;
    loop_run(test_loop);
    assert_int_equal(asker.answered, 1);
    close(accepted);
    close(mute);
    bus_client_close(asker.client);
    bus_server_close(keeper.server);
}

static void
test_a_lost_peer_is_an_error_and_nothing_is_sent_again(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct question questions[20];
    keeper_open(&keeper);
    asker_open(&asker);
    for (size_t i = 0; i < COUNT_OF(questions); i++) {
        ask(&asker, &questions[i], i, 10000);
    }
    keeper.stop_at = COUNT_OF(questions);
    loop_run(test_loop);
    bus_server_close(keeper.server);
    asker.stop_at = COUNT_OF(questions);
    loop_run(test_loop);
    assert_int_equal(asker.failed, COUNT_OF(questions));
    assert_int_equal(asker.failure, ERR_IO);
    keeper_answer(&keeper); /* into the void */

    /* A new life at the same address: old requests do not reach it, new ones do. */
    keeper_open(&keeper);
    ask(&asker, &questions[0], 77, 10000);
    keeper.stop_at = 1;
    loop_run(test_loop);
    bus_run_for(100);
    assert_int_equal(keeper.count, 1);
    keeper_answer(&keeper);
    asker.stop_at = COUNT_OF(questions) + 1;
    loop_run(test_loop);
    assert_int_equal(asker.answered, 1);
    bus_client_close(asker.client);
    bus_server_close(keeper.server);
}

static void
test_a_deadline_passes_with_and_without_a_peer(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct question question;
    asker_open(&asker);
    ask(&asker, &question, 1, 50);
    asker.stop_at = 1;
    loop_run(test_loop);
    assert_int_equal(asker.failure, ERR_TIMEOUT);

    keeper_open(&keeper);
    ask(&asker, &question, 2, 2000);
    asker.failure = ERR_NONE;
    asker.stop_at = 2;
    loop_run(test_loop);
    assert_int_equal(asker.failure, ERR_TIMEOUT);
    assert_int_equal(asker.answered, 0);
    assert_int_equal(keeper.count, 1);
    keeper_answer(&keeper); /* too late, harmless */
    bus_run_for(50);
    assert_int_equal(asker.failed, 2);
    bus_client_close(asker.client);
    bus_server_close(keeper.server);
}

static void
on_large_reply(void *ctx, struct view reply, const struct err *failed)
{
    struct buf *out = ctx;
    assert_null(failed);
    buf_append_view(out, reply);
    loop_stop(test_loop);
}

static void
test_50_megabytes_pass_both_ways(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct buf message = {0}, reply = {0};
    const size_t size = 50u << 20;
    keeper_open(&keeper);
    asker_open(&asker);
    memset(buf_grow(&message, size), 'x', size);
    bus_ask(asker.client, &message, 30000, on_large_reply, &reply);
    keeper.stop_at = 1;
    loop_run(test_loop);
    assert_int_equal(keeper.messages[0].size, size);
    keeper_answer(&keeper);
    loop_run(test_loop);
    assert_int_equal(reply.size, size + 1);
    assert_int_equal(reply.bytes[size - 1], 'x');
    assert_int_equal(reply.bytes[size], '!');
    buf_free(&reply);
    bus_client_close(asker.client);
    bus_server_close(keeper.server);
}

static void
test_what_is_too_long_is_an_error_for_that_request_alone(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct question small, large;
    struct buf message = {0};
    keeper_open(&keeper);
    asker_open(&asker);
    large = (struct question){.asker = &asker};
    buf_grow(&message, BUS_MESSAGE_MAX + 1);
    bus_ask(asker.client, &message, 10000, on_reply, &large);
    asker.stop_at = 1;
    loop_run(test_loop);
    assert_int_equal(asker.failure, ERR_LIMIT);

    ask(&asker, &small, 1, 10000);
    ask(&asker, &large, 2, 10000);
    keeper.stop_at = 2;
    loop_run(test_loop);
    size_t at = keeper.messages[0].bytes[keeper.messages[0].size - 1] == '2' ? 0 : 1;
    buf_grow(&keeper.messages[at], BUS_MESSAGE_MAX);
    keeper_answer(&keeper);
    asker.failure = ERR_NONE;
    asker.stop_at = 3;
    loop_run(test_loop);
    assert_int_equal(asker.answered, 1);
    assert_int_equal(asker.failed, 2);
    assert_int_equal(asker.failure, ERR_LIMIT);
    bus_client_close(asker.client);
    bus_server_close(keeper.server);
}

static void
answer_at_once(void *ctx, struct bus_request *request, struct view message)
{
    (void)ctx;
    struct buf reply = {0};
    buf_append_view(&reply, message);
    buf_append_str(&reply, "!");
    bus_reply(request, &reply);
}

/* At every moment between sending and the job: the answers are on their way while we cancel. */
static void
test_a_cancelled_call_never_calls_back(void **state)
{
    (void)state;
    struct err err;
    struct bus_server *server;
    struct asker asker;
    struct question questions[8];
    assert_true(bus_serve(test_loop, test_url, answer_at_once, NULL, &server, &err));
    asker_open(&asker);
    for (unsigned round = 0; round < 100; round++) {
        size_t before = asker.answered;
        for (size_t i = 0; i < COUNT_OF(questions); i++) {
            ask(&asker, &questions[i], i, 10000);
        }
        asker.stop_at = before + round % COUNT_OF(questions);
        if (asker.stop_at > before) {
            loop_run(test_loop);
        }
        before = asker.answered;
        for (size_t i = 0; i < COUNT_OF(questions); i++) {
            if (questions[i].call != NULL) {
                bus_call_cancel(questions[i].call);
            }
        }
        bus_run_for(1);
        assert_int_equal(asker.answered, before);
    }
    assert_int_equal(asker.failed, 0);
    bus_client_close(asker.client);
    bus_server_close(server);
}

static void
test_closing_with_everything_open_calls_nobody(void **state)
{
    (void)state;
    struct keeper keeper;
    struct asker asker;
    struct question questions[50];
    for (int round = 0; round < 10; round++) {
        keeper_open(&keeper);
        asker_open(&asker);
        for (size_t i = 0; i < COUNT_OF(questions); i++) {
            ask(&asker, &questions[i], i, 10000);
        }
        keeper.stop_at = 1 + (size_t)round * 5;
        loop_run(test_loop);
        bus_client_close(asker.client);
        bus_server_close(keeper.server);
        keeper_answer(&keeper);
        bus_run_for(1);
        assert_int_equal(asker.answered + asker.failed, 0);
    }
}

/* From inside its own callbacks, too. */
static void
close_server(void *ctx, struct bus_request *request, struct view message)
{
    (void)message;
    struct bus_server **server = ctx;
    struct buf reply = {0};
    bus_server_close(*server);
    buf_append_str(&reply, "gone");
    bus_reply(request, &reply);
}

static void
close_client(void *ctx, struct view reply, const struct err *failed)
{
    (void)reply;
    struct asker *asker = ctx;
    assert_non_null(failed);
    bus_client_close(asker->client);
    asker->stop_at = asker->failed; /* the other call may have failed before, not from here on */
    loop_stop(test_loop);
}

static void
test_closing_inside_a_callback_is_allowed(void **state)
{
    (void)state;
    struct err err;
    struct bus_server *server;
    struct asker asker;
    struct question question;
    struct buf message = {0};
    assert_true(bus_serve(test_loop, test_url, close_server, &server, &server, &err));
    asker_open(&asker);
    buf_append_str(&message, "x");
    bus_ask(asker.client, &message, 10000, close_client, &asker);
    ask(&asker, &question, 1, 20000);
    loop_run(test_loop);
    bus_run_for(10);
    assert_int_equal(asker.failed, asker.stop_at);
}

static void
test_sockets_are_private_and_an_address_in_use_is_named(void **state)
{
    (void)state;
    struct err err;
    struct stat st;
    struct keeper keeper;
    struct bus_server *second = NULL;
    keeper_open(&keeper);
    assert_int_equal(stat(test_url + 6, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(bus_serve(test_loop, test_url, keep, &keeper, &second, &err));
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.msg, test_url));
    assert_non_null(strstr(err.msg, "Address in use"));
    assert_false(bus_serve(test_loop, "tcp://nonsense", keep, &keeper, &second, &err));
    bus_server_close(keeper.server);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_set_up, bus_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_many_requests_are_open_and_answered_in_any_order),
        TEST(test_who_asks_first_is_heard_when_the_peer_comes),
        TEST(test_a_connection_that_is_never_made_is_given_up),
        TEST(test_a_pipe_that_takes_nothing_is_given_up),
        TEST(test_a_peer_that_leaves_at_once_makes_no_server_deaf),
        TEST(test_a_server_that_leaves_at_once_is_looked_for_again),
        TEST(test_a_lost_peer_is_an_error_and_nothing_is_sent_again),
        TEST(test_a_deadline_passes_with_and_without_a_peer),
        TEST(test_50_megabytes_pass_both_ways),
        TEST(test_what_is_too_long_is_an_error_for_that_request_alone),
        TEST(test_a_cancelled_call_never_calls_back),
        TEST(test_sockets_are_private_and_an_address_in_use_is_named),
        /* Closing in the middle of traffic may leave NNG unable to close pipes (bus_nng.h). */
        TEST(test_closing_inside_a_callback_is_allowed),
        TEST(test_closing_with_everything_open_calls_nobody),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bus_fini();
    return failed;
}
