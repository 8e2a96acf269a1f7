/*
 * Conditions live and die with the life that met them; the states follow from
 * the table of engine §1.2; what was not heard yet is unknown, for a while.
 */
#include "common/core/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define START 5000u
#define LATER (START + STATUS_UNKNOWN_MS)

static struct status *status;
static struct arena *mem;

static int
set_up(void **state)
{
    (void)state;
    mem = arena_new(1u << 20);
    status = status_new(false, START);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    status_free(status);
    arena_free(mem);
    return 0;
}

static void
watch(void)
{
    status_free(status);
    status = status_new(true, START);
}

static struct buf
report_of(const char *service, struct incarnation who, uint64_t pid, bool met)
{
    struct condition list[STATUS_CONDITION_COUNT];
    size_t count = 0;
    for (unsigned i = 0; i < STATUS_CONDITION_COUNT; i++) {
        enum status_condition condition = (enum status_condition)i;
        if (strcmp(status_condition_owner(condition), service) == 0) {
            list[count++] =
                (struct condition){.name = view_str(status_condition_name(condition)), .met = met};
        }
    }
    struct report_state report = {
        .pid = pid,
        .control = view_str("ipc:///x"),
        .is_ready = met,
        .conditions = list,
        .conditions_count = count,
    };
    struct envelope envelope = {
        .kind = PROTO_report_state, .sender = view_str(service), .sender_incarnation = who};
    struct buf message = {0};
    proto_encode(&envelope, &report, &message);
    return message;
}

/* Gives what status_report() says; *changed_out too. */
static enum err_kind
tell(const char *service, uint64_t life, uint64_t pid, bool met, uint64_t now_ms, bool *changed_out)
{
    struct err err = {0};
    struct buf message = report_of(service, (struct incarnation){life, life * 7}, pid, met);
    bool ok = status_report(status, buf_view(&message), now_ms, now_ms * 1000, changed_out, &err);
    buf_free(&message);
    return ok ? ERR_NONE : err.kind;
}

static void
expect_board(uint64_t now_ms, const char *connection, const char *shapes, const char *service)
{
    struct status_board board;
    arena_reset(mem);
    status_board_fill(status, now_ms, mem, &board);
    assert_true(view_is(board.connection, connection));
    assert_true(view_is(board.shapes, shapes));
    assert_true(view_is(board.service, service));
}

static struct board_service
row(const char *service, unsigned nth, uint64_t now_ms)
{
    struct status_board board;
    arena_reset(mem);
    status_board_fill(status, now_ms, mem, &board);
    for (size_t i = 0; i < board.services_count; i++) {
        if (view_is(board.services[i].service, service) && nth-- == 0) {
            return board.services[i];
        }
    }
    fail();
    return (struct board_service){0};
}

static void
start_both(void)
{
    status_started(status, "connection", 0, 11, false, 1);
    status_started(status, "shape_log_collector", 0, 12, false, 1);
}

static void
test_states_follow_from_conditions(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 1u << STATUS_CONDITION_COUNT; bits++) {
        bool met[STATUS_CONDITION_COUNT];
        for (unsigned i = 0; i < STATUS_CONDITION_COUNT; i++) {
            met[i] = (bits >> i & 1u) != 0;
        }
        const char *connection = (bits & 1u) == 0          ? "waiting_on_lock"
                                 : (bits & 0x1fu) == 0x1fu ? "up"
                                                           : "starting";
        const char *shapes = !met[STATUS_SHAPE_METADATA_READY]       ? "starting"
                             : met[STATUS_SHAPE_LOG_COLLECTOR_READY] ? "up"
                                                                     : "read_only";
        assert_string_equal(status_of_connection(met, false), connection);
        assert_string_equal(status_of_connection(met, true), "sleeping");
        assert_string_equal(status_of_shapes(met), shapes);
    }
    assert_string_equal(status_of_service("up", "up"), "active");
    assert_string_equal(status_of_service("waiting_on_lock", "read_only"), "waiting");
    assert_string_equal(status_of_service("sleeping", "starting"), "sleeping");
    assert_string_equal(status_of_service("starting", "read_only"), "starting");
    assert_string_equal(status_of_service("up", "read_only"), "starting");
    assert_string_equal(status_of_service("waiting_on_lock", "starting"), "starting");
    assert_string_equal(status_of_service("waiting_on_lock", "up"), "starting");
    assert_string_equal(status_of_service("unknown", "unknown"), "starting");
}

static void
test_the_last_ends_are_told(void **state)
{
    (void)state;
    status_started(status, "api", 0, 20, false, 1);
    status_ended(status, "api", 0, false, "", 2); /* it was to end */
    assert_int_equal(row("api", 0, START).endings_count, 0);
    for (unsigned i = 0; i < STATUS_ENDINGS_MAX + 2; i++) {
        char reason[32];
        snprintf(reason, sizeof reason, "exit code %u", i);
        status_started(status, "api", 0, 21 + i, false, 10 * i);
        status_ended(status, "api", 0, false, reason, 10 * i + 1);
        status_ended(status, "api", 0, true, reason, 10 * i + 2); /* the same end, again */
    }
    struct board_service api = row("api", 0, START);
    assert_int_equal(api.endings_count, STATUS_ENDINGS_MAX);
    assert_true(view_is(api.endings[0].reason, "exit code 2"));
    assert_int_equal(api.endings[0].at_us, 21);
    assert_true(view_is(api.endings[STATUS_ENDINGS_MAX - 1].reason, "exit code 9"));
}

static void
test_conditions_die_with_their_life(void **state)
{
    (void)state;
    bool changed = false;
    start_both();
    expect_board(START, "waiting_on_lock", "starting", "starting");
    assert_int_equal(tell("connection", 100, 11, true, START, &changed), ERR_NONE);
    assert_true(changed);
    assert_int_equal(tell("shape_log_collector", 101, 12, true, START, &changed), ERR_NONE);
    expect_board(START, "up", "up", "active");
    assert_int_equal(tell("connection", 100, 11, true, START, &changed), ERR_NONE);
    assert_false(changed);

    status_ended(status, "connection", 0, false, "signal 9", 7);
    expect_board(LATER, "waiting_on_lock", "up", "starting");
    struct board_service down = row("connection", 0, LATER);
    assert_true(view_is(down.state, "down") && view_is(down.last_error, "signal 9"));
    assert_int_equal(down.incarnation_us, 0);

    /* A late word of the dead: before the next one is started, and after. */
    assert_int_equal(tell("connection", 100, 11, true, LATER, &changed), ERR_CANCELED);
    status_started(status, "connection", 0, 13, false, 8);
    assert_int_equal(tell("connection", 100, 11, true, LATER, &changed), ERR_CANCELED);
    assert_int_equal(tell("connection", 102, 13, false, LATER, &changed), ERR_NONE);
    assert_int_equal(tell("connection", 100, 11, true, LATER, &changed), ERR_CANCELED);
    expect_board(LATER, "waiting_on_lock", "up", "starting");
    assert_int_equal(row("connection", 0, LATER).incarnation_us, 102);
    assert_true(view_is(row("connection", 0, LATER).state, "starting"));
}

static void
test_a_number_used_again_is_another_life(void **state)
{
    (void)state;
    bool changed = false;
    start_both();
    assert_int_equal(tell("connection", 100, 11, true, START, &changed), ERR_NONE);
    assert_int_equal(tell("connection", 200, 11, true, START, &changed), ERR_CANCELED);
}

static void
test_unknown_until_heard_or_three_seconds(void **state)
{
    (void)state;
    bool changed = false;
    expect_board(START, "unknown", "unknown", "starting");
    status_started(status, "connection", 0, 11, true, 1);
    status_started(status, "shape_log_collector", 0, 12, true, 1);
    expect_board(LATER - 1, "unknown", "unknown", "starting");
    assert_int_equal(tell("shape_log_collector", 5, 12, true, START + 1, &changed), ERR_NONE);
    expect_board(LATER - 1, "unknown", "up", "starting");
    expect_board(LATER, "waiting_on_lock", "up", "starting");
}

static void
test_a_condition_counts_from_its_owner_alone(void **state)
{
    (void)state;
    bool changed = false;
    start_both();
    assert_int_equal(tell("shape_log_collector", 101, 12, true, START, &changed), ERR_NONE);
    struct condition foreign = {.name = view_str("shape_metadata_ready"), .met = false};
    struct report_state report = {.pid = 11, .conditions = &foreign, .conditions_count = 1};
    struct envelope envelope = {.kind = PROTO_report_state,
                                .sender = view_str("connection"),
                                .sender_incarnation = {100, 1}};
    struct buf message = {0};
    struct err err;
    proto_encode(&envelope, &report, &message);
    assert_true(status_report(status, buf_view(&message), START, 1, &changed, &err));
    buf_free(&message);
    expect_board(START, "waiting_on_lock", "up", "starting");
}

static void
test_watching_believes_the_youngest_and_silence_is_an_end(void **state)
{
    (void)state;
    bool changed = false;
    watch();
    assert_int_equal(tell("connection", 100, 1, true, START, &changed), ERR_NONE);
    assert_int_equal(tell("shape_log_collector", 100, 1, true, START, &changed), ERR_NONE);
    expect_board(START, "up", "up", "active");
    assert_int_equal(tell("connection", 200, 1, false, START, &changed), ERR_NONE);
    assert_int_equal(tell("connection", 100, 1, true, START, &changed), ERR_CANCELED);
    expect_board(START, "waiting_on_lock", "up", "starting");

    assert_int_equal(tell("connection", 200, 1, true, START + 1000, &changed), ERR_NONE);
    assert_false(status_tick(status, START + STATUS_SILENCE_MS - 1, 1));
    assert_true(status_tick(status, START + STATUS_SILENCE_MS, 1));
    expect_board(LATER, "up", "starting", "starting");
    assert_int_equal(tell("shape_log_collector", 100, 1, true, LATER, &changed), ERR_NONE);
    assert_true(changed);
    expect_board(LATER, "up", "up", "active");
}

static void
test_any_number_of_apis_is_watched(void **state)
{
    (void)state;
    bool changed = false;
    watch();
    for (uint64_t i = 1; i <= STATUS_ENTRIES_MAX; i++) {
        assert_int_equal(tell("api", i, i, true, START, &changed), ERR_NONE);
    }
    assert_int_equal(tell("api", 1000, 1, true, START, &changed), ERR_CANCELED); /* full */
    assert_int_equal(tell("api", 7, 7, true, START + STATUS_FORGET_MS, &changed), ERR_NONE);
    assert_true(status_tick(status, START + STATUS_FORGET_MS, 1));
    struct status_board board;
    status_board_fill(status, LATER, mem, &board);
    assert_int_equal(board.services_count, 1);
    assert_int_equal(row("api", 0, LATER).incarnation_us, 7);
    assert_int_equal(tell("api", 1000, 1, true, START, &changed), ERR_NONE);
}

static void
test_who_keeps_the_board_is_on_it(void **state)
{
    (void)state;
    bool changed = false;
    status_set_self(status, "orchestrator", (struct incarnation){5, 6}, 77, 9);
    struct board_service self = row("orchestrator", 0, START);
    assert_true(view_is(self.state, "up"));
    assert_int_equal(self.pid, 77);
    assert_int_equal(tell("orchestrator", 5, 77, true, START, &changed), ERR_CANCELED);
}

static void
test_restarts_failures_and_control_are_kept(void **state)
{
    (void)state;
    bool changed = false;
    start_both();
    assert_int_equal(status_control(status, "connection", 0).size, 0);
    assert_int_equal(tell("connection", 100, 11, true, START, &changed), ERR_NONE);
    assert_true(view_is(status_control(status, "connection", 0), "ipc:///x"));
    status_set_restarts(status, "connection", 0, 3);
    status_ended(status, "connection", 0, true, "exit code 3", 7);
    assert_true(view_is(row("connection", 0, START).state, "failed"));
    assert_int_equal(row("connection", 0, START).restarts, 3);
    assert_int_equal(status_control(status, "connection", 0).size, 0);
    assert_int_equal(status_condition_by_name(view_str("no_such")), STATUS_CONDITION_COUNT);
}

static void
test_what_is_no_report_is_refused(void **state)
{
    (void)state;
    struct err err;
    bool changed = false;
    start_both();
    struct buf message = report_of("connection", (struct incarnation){1, 1}, 11, true);
    for (size_t size = 0; size < message.size; size++) {
        assert_false(status_report(status, view_of(message.bytes, size), START, 1, &changed, &err));
    }
    assert_false(status_report(status, view_of(message.bytes, STATUS_REPORT_MAX + 1), START, 1,
                               &changed, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
    buf_free(&message);
    assert_int_equal(tell("connection", 0, 11, true, START, &changed), ERR_CANCELED); /* nobody */
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_states_follow_from_conditions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_conditions_die_with_their_life, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_the_last_ends_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_number_used_again_is_another_life, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_unknown_until_heard_or_three_seconds, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_a_condition_counts_from_its_owner_alone, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_watching_believes_the_youngest_and_silence_is_an_end,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_any_number_of_apis_is_watched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_who_keeps_the_board_is_on_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_restarts_failures_and_control_are_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_report_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
