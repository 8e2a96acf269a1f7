/*
 * Hints reach those who listen, a slow one loses some and delays nobody, and what was closed never
 * calls back. Over ipc:// and real threads of NNG's.
 */
#include "common/bus.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/bus_fixture.h"

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
            loop_stop(test_loop);
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
        loop_stop(test_loop);
    }
}

static void
listener_open(struct listener *listener)
{
    struct err err;
    *listener = (struct listener){.stop_at_pipes = 1};
    assert_true(bus_subscribe(test_loop, test_url, on_hint, listener, &listener->subscriber, &err));
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
        bus_run_for(2);
    }
    return number;
}

static void
run_until_number(struct listener *listener, uint32_t number)
{
    listener->stop_at_number = number;
    if (listener->last < number) {
        loop_run(test_loop);
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
    assert_true(bus_publisher_open(test_loop, test_url, &publisher, &err));
    loop_run(test_loop);
    listener_open(&b);
    loop_run(test_loop);
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
    loop_run(test_loop);
    assert_true(bus_publisher_open(test_loop, test_url, &publisher, &err));
    a.stop_at_pipes = before + 2;
    loop_run(test_loop);
    bus_subscriber_close(a.subscriber);
    bus_subscriber_close(b.subscriber);
    bus_publisher_close(publisher);
}

/* A publisher beats; one that is not heard for seconds may be behind a pipe that has ended. */
static void
test_a_quiet_pipe_is_replaced(void **state)
{
    (void)state;
    struct err err;
    struct listener listener;
    struct bus_publisher *publisher;
    assert_true(bus_publisher_open(test_loop, test_url, &publisher, &err));
    listener_open(&listener);
    loop_run(test_loop);
    size_t before = listener.pipes;
    listener.stop_at_pipes = before + 1;
    loop_run(test_loop); /* told that messages may be missing */
    bus_run_for(100);
    (void)publish_until_heard(publisher, &listener, 0);
    bus_subscriber_close(listener.subscriber);
    bus_publisher_close(publisher);
}

static void
test_a_slow_subscriber_loses_hints_and_delays_nobody(void **state)
{
    (void)state;
    struct err err;
    struct listener slow;
    struct bus_publisher *publisher;
    assert_true(bus_publisher_open(test_loop, test_url, &publisher, &err));
    listener_open(&slow);
    loop_run(test_loop);
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
    assert_true(bus_publisher_open(test_loop, test_url, &publisher, &err));
    for (uint32_t round = 0; round < 20; round++) {
        struct listener listener;
        listener_open(&listener);
        loop_run(test_loop);
        for (uint32_t i = 1; i <= 20; i++) {
            publish(publisher, i, 4);
        }
        bus_run_for(round % 3);
        size_t hints = listener.hints, pipes = listener.pipes;
        bus_subscriber_close(listener.subscriber);
        bus_run_for(2);
        assert_int_equal(listener.hints, hints);
        assert_int_equal(listener.pipes, pipes);
    }
    bus_publisher_close(publisher);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, bus_set_up, bus_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_subscribers_hear_hints_and_of_pipes_that_come_and_go),
        TEST(test_a_quiet_pipe_is_replaced),
        TEST(test_a_slow_subscriber_loses_hints_and_delays_nobody),
        /* Closing in the middle of traffic may leave NNG unable to close pipes (bus_nng.h). */
        TEST(test_closing_a_subscriber_under_fire_calls_nobody),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bus_fini();
    return failed;
}
