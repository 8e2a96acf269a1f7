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
#include <sys/stat.h>

#include <cmocka.h>

#include "common/mem.h"
#include "tests/lib/tmp_path.h"

static struct loop *loop;
static char url[256];

static int
set_up(void **state)
{
    (void)state;
    struct err err;
    assert_true(loop_new(&loop, &err));
    snprintf(url, sizeof url, "ipc://%s", tmp_path("bus"));
    return 0;
}

/* Jobs of what was closed free themselves; ASan finds what they leave. */
static int
tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static void
stop(void *ctx)
{
    (void)ctx;
    loop_stop(loop);
}

static void
run_for(uint64_t ms)
{
    struct loop_timer timer;
    loop_timer_init(&timer, loop, stop, NULL);
    loop_timer_set(&timer, ms);
    loop_run(loop);
    loop_timer_clear(&timer);
}

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
        loop_stop(loop);
    }
}

static void
keeper_open(struct keeper *keeper)
{
    struct err err;
    *keeper = (struct keeper){0};
    assert_true(bus_serve(loop, url, keep, keeper, &keeper->server, &err));
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
        loop_stop(loop);
    }
}

static void
asker_open(struct asker *asker)
{
    struct err err;
    *asker = (struct asker){0};
    assert_true(bus_client_open(loop, url, &asker->client, &err));
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
        loop_run(loop);
        asker.stop_at = asker.answered + COUNT_OF(questions);
        keeper_answer(&keeper);
        loop_run(loop);
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
    run_for(100);
    keeper_open(&keeper);
    keeper.stop_at = 1;
    loop_run(loop);
    keeper_answer(&keeper);
    asker.stop_at = 1;
    loop_run(loop);
    assert_int_equal(asker.answered, 1);
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
    loop_run(loop);
    bus_server_close(keeper.server);
    asker.stop_at = COUNT_OF(questions);
    loop_run(loop);
    assert_int_equal(asker.failed, COUNT_OF(questions));
    assert_int_equal(asker.failure, ERR_IO);
    keeper_answer(&keeper); /* into the void */

    /* A new life at the same address: old requests do not reach it, new ones do. */
    keeper_open(&keeper);
    ask(&asker, &questions[0], 77, 10000);
    keeper.stop_at = 1;
    loop_run(loop);
    run_for(100);
    assert_int_equal(keeper.count, 1);
    keeper_answer(&keeper);
    asker.stop_at = COUNT_OF(questions) + 1;
    loop_run(loop);
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
    loop_run(loop);
    assert_int_equal(asker.failure, ERR_TIMEOUT);

    keeper_open(&keeper);
    ask(&asker, &question, 2, 2000);
    asker.failure = ERR_NONE;
    asker.stop_at = 2;
    loop_run(loop);
    assert_int_equal(asker.failure, ERR_TIMEOUT);
    assert_int_equal(asker.answered, 0);
    assert_int_equal(keeper.count, 1);
    keeper_answer(&keeper); /* too late, harmless */
    run_for(50);
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
    loop_stop(loop);
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
    loop_run(loop);
    assert_int_equal(keeper.messages[0].size, size);
    keeper_answer(&keeper);
    loop_run(loop);
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
    loop_run(loop);
    assert_int_equal(asker.failure, ERR_LIMIT);

    ask(&asker, &small, 1, 10000);
    ask(&asker, &large, 2, 10000);
    keeper.stop_at = 2;
    loop_run(loop);
    size_t at = keeper.messages[0].bytes[keeper.messages[0].size - 1] == '2' ? 0 : 1;
    buf_grow(&keeper.messages[at], BUS_MESSAGE_MAX);
    keeper_answer(&keeper);
    asker.failure = ERR_NONE;
    asker.stop_at = 3;
    loop_run(loop);
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
    assert_true(bus_serve(loop, url, answer_at_once, NULL, &server, &err));
    asker_open(&asker);
    for (unsigned round = 0; round < 100; round++) {
        size_t before = asker.answered;
        for (size_t i = 0; i < COUNT_OF(questions); i++) {
            ask(&asker, &questions[i], i, 10000);
        }
        asker.stop_at = before + round % COUNT_OF(questions);
        if (asker.stop_at > before) {
            loop_run(loop);
        }
        before = asker.answered;
        for (size_t i = 0; i < COUNT_OF(questions); i++) {
            if (questions[i].call != NULL) {
                bus_call_cancel(questions[i].call);
            }
        }
        run_for(1);
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
        loop_run(loop);
        bus_client_close(asker.client);
        bus_server_close(keeper.server);
        keeper_answer(&keeper);
        run_for(1);
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
    loop_stop(loop);
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
    assert_true(bus_serve(loop, url, close_server, &server, &server, &err));
    asker_open(&asker);
    buf_append_str(&message, "x");
    bus_ask(asker.client, &message, 10000, close_client, &asker);
    ask(&asker, &question, 1, 20000);
    loop_run(loop);
    run_for(10);
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
    assert_int_equal(stat(url + 6, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_false(bus_serve(loop, url, keep, &keeper, &second, &err));
    assert_int_equal(err.kind, ERR_IO);
    assert_non_null(strstr(err.msg, url));
    assert_non_null(strstr(err.msg, "Address in use"));
    assert_false(bus_serve(loop, "tcp://nonsense", keep, &keeper, &second, &err));
    bus_server_close(keeper.server);
}

/* ---- hints */

struct listener {
    struct bus_subscriber *subscriber;
    size_t pipes;   /* empty messages */
    size_t hints;   /* others */
    uint32_t first; /* number of the first of them */
    uint32_t last;
    size_t stop_at_pipes;
    uint32_t stop_at_number;
};

static void
on_hint(void *ctx, struct view message)
{
    struct listener *listener = ctx;
    if (message.size == 0) {
        listener->pipes++;
        if (listener->pipes == listener->stop_at_pipes) {
            loop_stop(loop);
        }
        return;
    }
    assert_true(message.size >= 4);
    uint32_t number = wire_get_u32(message.bytes);
    assert_true(number > listener->last);
    listener->first = listener->hints == 0 ? number : listener->first;
    listener->last = number;
    listener->hints++;
    if (number == listener->stop_at_number) {
        loop_stop(loop);
    }
}

static void
listener_open(struct listener *listener)
{
    struct err err;
    *listener = (struct listener){.stop_at_pipes = 1};
    assert_true(bus_subscribe(loop, url, on_hint, listener, &listener->subscriber, &err));
}

static void
publish(struct bus_publisher *publisher, uint32_t number, size_t size)
{
    struct buf message = {0};
    memset(buf_grow(&message, size), 0, size);
    wire_put_u32(message.bytes, number);
    bus_publish(publisher, &message);
    assert_int_equal(message.size, 0);
}

/* Until the publisher knows the listener's pipe as well, hints go by it. Gives the last number. */
static uint32_t
publish_until_heard(struct bus_publisher *publisher, struct listener *listener, uint32_t number)
{
    while (listener->hints == 0) {
        publish(publisher, ++number, 4);
        run_for(2);
    }
    return number;
}

static void
run_until_number(struct listener *listener, uint32_t number)
{
    listener->stop_at_number = number;
    if (listener->last < number) {
        loop_run(loop);
    }
    listener->stop_at_number = 0;
}

static void
test_subscribers_hear_hints_and_of_pipes_that_come_and_go(void **state)
{
    (void)state;
    struct err err;
    struct listener a, b;
    struct bus_publisher *publisher;
    listener_open(&a);
    assert_true(bus_publisher_open(loop, url, &publisher, &err));
    loop_run(loop);
    listener_open(&b);
    loop_run(loop);
    uint32_t number = publish_until_heard(publisher, &a, 0);
    number = publish_until_heard(publisher, &b, number);
    for (uint32_t i = 1; i <= 100; i++) {
        publish(publisher, number + i, 4);
    }
    run_until_number(&a, number + 100);
    run_until_number(&b, number + 100);
    assert_int_equal(a.hints, a.last - a.first + 1); /* none is missing */
    assert_int_equal(b.hints, b.last - b.first + 1);

    size_t before = a.pipes;
    bus_publisher_close(publisher);
    a.stop_at_pipes = before + 1;
    loop_run(loop);
    assert_true(bus_publisher_open(loop, url, &publisher, &err));
    a.stop_at_pipes = before + 2;
    loop_run(loop);
    bus_subscriber_close(a.subscriber);
    bus_subscriber_close(b.subscriber);
    bus_publisher_close(publisher);
}

static void
test_a_slow_subscriber_loses_hints_and_delays_nobody(void **state)
{
    (void)state;
    struct err err;
    struct listener slow;
    struct bus_publisher *publisher;
    assert_true(bus_publisher_open(loop, url, &publisher, &err));
    listener_open(&slow);
    loop_run(loop);
    uint32_t number = publish_until_heard(publisher, &slow, 0);
    for (uint32_t i = 1; i <= 20000; i++) {
        publish(publisher, number + i, 4096); /* the loop does not run: nothing is taken off */
    }
    run_until_number(&slow, number + 20000); /* what is lost are older ones */
    assert_in_range(slow.hints, 1, 19999);
    bus_subscriber_close(slow.subscriber);
    bus_publisher_close(publisher);
}

static void
test_closing_a_subscriber_under_fire_calls_nobody(void **state)
{
    (void)state;
    struct err err;
    struct bus_publisher *publisher;
    assert_true(bus_publisher_open(loop, url, &publisher, &err));
    for (uint32_t round = 0; round < 20; round++) {
        struct listener listener;
        listener_open(&listener);
        loop_run(loop);
        for (uint32_t i = 1; i <= 20; i++) {
            publish(publisher, i, 4);
        }
        run_for(round % 3);
        size_t hints = listener.hints, pipes = listener.pipes;
        bus_subscriber_close(listener.subscriber);
        run_for(2);
        assert_int_equal(listener.hints, hints);
        assert_int_equal(listener.pipes, pipes);
    }
    bus_publisher_close(publisher);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_many_requests_are_open_and_answered_in_any_order),
        TEST(test_who_asks_first_is_heard_when_the_peer_comes),
        TEST(test_a_lost_peer_is_an_error_and_nothing_is_sent_again),
        TEST(test_a_deadline_passes_with_and_without_a_peer),
        TEST(test_50_megabytes_pass_both_ways),
        TEST(test_what_is_too_long_is_an_error_for_that_request_alone),
        TEST(test_a_cancelled_call_never_calls_back),
        TEST(test_sockets_are_private_and_an_address_in_use_is_named),
        TEST(test_subscribers_hear_hints_and_of_pipes_that_come_and_go),
        TEST(test_a_slow_subscriber_loses_hints_and_delays_nobody),
        /* Closing in the middle of traffic may leave NNG unable to close pipes (bus_nng.h). */
        TEST(test_closing_inside_a_callback_is_allowed),
        TEST(test_closing_with_everything_open_calls_nobody),
        TEST(test_closing_a_subscriber_under_fire_calls_nobody),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bus_fini();
    return failed;
}
