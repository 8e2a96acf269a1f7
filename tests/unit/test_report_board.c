/*
 * Over a real bus in one loop: a report goes out at once on change and says it
 * all; the board is believed, apart from one that does not know yet.
 */
#include "common/report_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/board_client.h"
#include "common/bus.h"
#include "common/clock.h"
#include "common/mem.h"
#include "tests/lib/tmp_path.h"

#define LIMIT_MS 5000u

struct fixture {
    struct loop *loop;
    struct loop_timer limit;
    struct bus_server *server;
    struct bus_publisher *publisher;
    struct report_client *report;
    struct board_client *board;
    char reports[256];
    char boards[256];

    struct arena *mem;
    struct report_state last; /* borrows from `bytes` */
    struct buf bytes;
    unsigned heard;
    unsigned stop_at; /* reports heard */
    unsigned changes;
};

static void
on_limit(void *ctx)
{
    (void)ctx;
    fail();
}

static void
on_report(void *ctx, struct bus_request *request, struct view message)
{
    struct fixture *f = ctx;
    struct err err;
    arena_reset(f->mem);
    buf_clear(&f->bytes);
    buf_append_view(&f->bytes, message);
    assert_true(proto_decode(buf_view(&f->bytes), PROTO_report_state, f->mem, &f->last, &err));
    struct report_ack ack = {0};
    struct envelope envelope = {.kind = PROTO_report_ack, .sender = view_str("orchestrator")};
    struct buf reply = {0};
    proto_encode(&envelope, &ack, &reply);
    bus_reply(request, &reply);
    buf_free(&reply);
    if (++f->heard >= f->stop_at) {
        loop_stop(f->loop);
    }
}

static void
on_board(void *ctx)
{
    struct fixture *f = ctx;
    f->changes++;
    loop_stop(f->loop);
}

static int
set_up(void **state)
{
    struct fixture *f = mem_alloc_zero(sizeof *f);
    struct err err;
    f->mem = arena_new(1u << 16);
    snprintf(f->reports, sizeof f->reports, "ipc://%s", tmp_path("report"));
    snprintf(f->boards, sizeof f->boards, "ipc://%s", tmp_path("status"));
    assert_true(loop_new(&f->loop, &err));
    loop_timer_init(&f->limit, f->loop, on_limit, f);
    loop_timer_set(&f->limit, LIMIT_MS);
    assert_true(bus_serve(f->loop, f->reports, on_report, f, &f->server, &err));
    assert_true(bus_publisher_open(f->loop, f->boards, &f->publisher, &err));
    *state = f;
    return 0;
}

static int
tear_down(void **state)
{
    struct fixture *f = *state;
    board_client_close(f->board);
    report_client_close(f->report);
    bus_publisher_close(f->publisher);
    bus_server_close(f->server);
    loop_free(f->loop);
    buf_free(&f->bytes);
    arena_free(f->mem);
    mem_free(f);
    return 0;
}

static void
hear_one_more(struct fixture *f)
{
    f->stop_at = f->heard + 1;
    loop_run(f->loop);
}

static void
test_a_change_is_reported_at_once_and_whole(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct report_client_options options = {
        .url = f->reports, .service = "connection", .who = {5, 6}, .control = "ipc:///c"};
    assert_true(report_client_open(f->loop, &options, &f->report, &err));
    hear_one_more(f);
    assert_int_equal(f->last.conditions_count, 5); /* its own, and no others */
    assert_false(f->last.is_ready);
    assert_true(view_is(f->last.control, "ipc:///c"));

    char longer[1000];
    memset(longer, 'x', sizeof longer);
    memcpy(longer + 511, "\xc3\xa9", 2); /* the limit falls into a character */
    longer[sizeof longer - 1] = '\0';
    report_client_ready(f->report, true);
    report_client_sleeping(f->report, true);
    report_client_draining(f->report);
    report_client_condition(f->report, STATUS_PG_LOCK_ACQUIRED, true, NULL);
    report_client_condition(f->report, STATUS_REPLICATION_CLIENT_READY, false, longer);
    report_client_last_error(f->report, "no route");
    report_client_fact(f->report, "lsn", "1");
    report_client_fact(f->report, "lsn", "2");
    uint64_t before_ms = clock_mono_ms();
    hear_one_more(f);
    if (!f->last.is_ready) { /* one was under way: the next follows its answer */
        hear_one_more(f);
    }
    assert_true(clock_mono_ms() - before_ms < 900); /* less than the period */
    assert_true(f->last.is_ready && f->last.is_sleeping && f->last.is_draining);
    assert_false(report_client_is_ready(f->report)); /* who drains is not */
    assert_true(f->last.conditions[0].met);
    assert_int_equal(f->last.conditions[1].error.size, 511);
    assert_true(view_is(f->last.last_error, "no route"));
    assert_int_equal(f->last.facts_count, 1);
    assert_true(view_is(f->last.facts[0].value, "2"));
}

static void
publish(struct fixture *f, const char *connection, uint64_t life, bool met)
{
    struct condition lock = {.name = view_str("pg_lock_acquired"), .met = met};
    struct board_service rows[] = {
        {.service = view_str("connection"), .state = view_str("down"), .conditions = &lock},
        {.service = view_str("connection"),
         .incarnation_us = life,
         .incarnation_salt = 9,
         .state = view_str("up"),
         .conditions = &lock,
         .conditions_count = 1},
    };
    struct status_board board = {
        .connection = view_str(connection),
        .shapes = view_str("up"),
        .service = view_str("starting"),
        .services = rows,
        .services_count = COUNT_OF(rows),
    };
    struct envelope envelope = {.kind = PROTO_status_board, .sender = view_str("orchestrator")};
    struct buf message = {0};
    proto_encode(&envelope, &board, &message);
    bus_publish(f->publisher, &message);
    buf_free(&message);
}

static void
publish_again(void *ctx)
{
    struct fixture *f = ctx;
    publish(f, "up", 7, true); /* a subscriber that has not connected yet hears nothing */
    loop_timer_set(&f->limit, 20);
}

static void
test_the_board_is_what_was_heard_last(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct incarnation by = {0};
    assert_true(board_client_open(f->loop, f->boards, &f->board, &err));
    board_client_watch(f->board, on_board, f);
    assert_null(board_client_board(f->board));
    assert_false(board_client_is_met(f->board, STATUS_PG_LOCK_ACQUIRED, &by));
    loop_timer_init(&f->limit, f->loop, publish_again, f);
    loop_timer_set(&f->limit, 0);
    loop_run(f->loop);
    loop_timer_clear(&f->limit);
    assert_true(board_client_is_met(f->board, STATUS_PG_LOCK_ACQUIRED, &by));
    assert_int_equal(by.started_us, 7);
    assert_false(board_client_is_met(f->board, STATUS_SHAPE_METADATA_READY, NULL));
    assert_int_equal(board_client_current(f->board, "connection").salt, 9);
    assert_int_equal(board_client_current(f->board, "api").started_us, 0);

    /* The same again is no change; "unknown" does not replace what is known. */
    unsigned changes = f->changes;
    publish(f, "up", 7, true);
    publish(f, "unknown", 0, false);
    publish(f, "waiting_on_lock", 8, false);
    loop_timer_init(&f->limit, f->loop, on_limit, f);
    loop_timer_set(&f->limit, LIMIT_MS);
    loop_run(f->loop);
    assert_int_equal(f->changes, changes + 1);
    assert_int_equal(board_client_current(f->board, "connection").started_us, 8);
    assert_false(board_client_is_met(f->board, STATUS_PG_LOCK_ACQUIRED, &by));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_change_is_reported_at_once_and_whole, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_the_board_is_what_was_heard_last, set_up, tear_down),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    bus_fini();
    return failed;
}
