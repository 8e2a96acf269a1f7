/*
 * Supervision as a table, state by event; then the clocks: at once, 0.5 s doubling
 * to 30 s within ± 20 %, anew after 10 s up, failed after the limit and still tried.
 */
#include "common/core/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW 100000u

static struct restart
in_state(enum restart_state state)
{
    bool is_wanted = state == RESTART_WAITING || state == RESTART_RUNNING;
    return (struct restart){
        .state = state,
        .is_wanted = is_wanted,
        .was_started = true,
        .started_ms = NOW - 100,
        .deadline_ms = state == RESTART_STOPPED || state == RESTART_KILLED ? 0 : NOW,
    };
}

static void
test_every_state_and_event(void **state)
{
    (void)state;
    enum { STATES = 5, EVENTS = 7 };
    static const struct {
        enum restart_state next;
        enum restart_action action;
    } table[STATES][EVENTS] = {
        /* START, SPAWNED, NO_SPAWN, ANSWERED, EXITED, TIMER, STOP */
        [RESTART_STOPPED] = {{RESTART_WAITING, RESTART_DO_SPAWN},
                             {RESTART_STOPPED, RESTART_NOTHING},
                             {RESTART_STOPPED, RESTART_NOTHING},
                             {RESTART_STOPPED, RESTART_NOTHING},
                             {RESTART_STOPPED, RESTART_NOTHING},
                             {RESTART_STOPPED, RESTART_NOTHING},
                             {RESTART_STOPPED, RESTART_NOTHING}},
        [RESTART_WAITING] = {{RESTART_WAITING, RESTART_NOTHING},
                             {RESTART_RUNNING, RESTART_NOTHING},
                             {RESTART_WAITING, RESTART_NOTHING},
                             {RESTART_WAITING, RESTART_NOTHING},
                             {RESTART_WAITING, RESTART_NOTHING},
                             {RESTART_WAITING, RESTART_DO_SPAWN},
                             {RESTART_STOPPED, RESTART_NOTHING}},
        [RESTART_RUNNING] = {{RESTART_RUNNING, RESTART_NOTHING},
                             {RESTART_RUNNING, RESTART_NOTHING},
                             {RESTART_RUNNING, RESTART_NOTHING},
                             {RESTART_RUNNING, RESTART_NOTHING},
                             {RESTART_WAITING, RESTART_DO_SPAWN},
                             {RESTART_KILLED, RESTART_DO_KILL},
                             {RESTART_STOPPING, RESTART_DO_ASK_TO_LEAVE}},
        [RESTART_STOPPING] = {{RESTART_STOPPING, RESTART_NOTHING},
                              {RESTART_STOPPING, RESTART_NOTHING},
                              {RESTART_STOPPING, RESTART_NOTHING},
                              {RESTART_STOPPING, RESTART_NOTHING},
                              {RESTART_STOPPED, RESTART_NOTHING},
                              {RESTART_KILLED, RESTART_DO_KILL},
                              {RESTART_STOPPING, RESTART_NOTHING}},
        [RESTART_KILLED] = {{RESTART_KILLED, RESTART_NOTHING},
                            {RESTART_KILLED, RESTART_NOTHING},
                            {RESTART_KILLED, RESTART_NOTHING},
                            {RESTART_KILLED, RESTART_NOTHING},
                            {RESTART_STOPPED, RESTART_NOTHING},
                            {RESTART_KILLED, RESTART_NOTHING},
                            {RESTART_KILLED, RESTART_NOTHING}},
    };
    for (unsigned s = 0; s < STATES; s++) {
        for (unsigned e = 0; e < EVENTS; e++) {
            struct restart restart = in_state((enum restart_state)s);
            struct restart_event event = {
                .kind = (enum restart_event_kind)e, .now_ms = NOW, .limit_ms = 5000};
            enum restart_action action = restart_step(&restart, event);
            assert_string_equal(restart_state_name(restart.state),
                                restart_state_name(table[s][e].next));
            assert_int_equal(action, table[s][e].action);
        }
    }
}

/* Lets a process that runs exit after `up_ms`; gives how long it waits then. */
static uint64_t
end_after(struct restart *restart, uint64_t *now_ms, uint64_t up_ms, int code, uint32_t random_bits)
{
    struct restart_event spawned = {.kind = RESTART_SPAWNED, .now_ms = *now_ms};
    assert_int_equal(restart_step(restart, spawned), RESTART_NOTHING);
    assert_int_equal(restart->state, RESTART_RUNNING);
    *now_ms += up_ms;
    struct restart_event exited = {
        .kind = RESTART_EXITED, .now_ms = *now_ms, .exit_code = code, .random_bits = random_bits};
    enum restart_action action = restart_step(restart, exited);
    assert_int_equal(restart->state, RESTART_WAITING);
    uint64_t delay_ms = restart->deadline_ms - *now_ms;
    assert_int_equal(action, delay_ms == 0 ? RESTART_DO_SPAWN : RESTART_NOTHING);
    if (delay_ms > 0) {
        *now_ms += delay_ms - 1;
        struct restart_event timer = {.kind = RESTART_TIMER, .now_ms = *now_ms};
        assert_int_equal(restart_step(restart, timer), RESTART_NOTHING);
        timer.now_ms = ++*now_ms;
        assert_int_equal(restart_step(restart, timer), RESTART_DO_SPAWN);
    }
    return delay_ms;
}

static struct restart
started(uint64_t now_ms)
{
    struct restart restart;
    restart_init(&restart);
    struct restart_event start = {.kind = RESTART_START, .now_ms = now_ms};
    assert_int_equal(restart_step(&restart, start), RESTART_DO_SPAWN);
    return restart;
}

static void
test_delays_double_within_a_fifth(void **state)
{
    (void)state;
    static const uint64_t middle_ms[] = {0,    500,   1000,  2000,  4000,
                                         8000, 16000, 30000, 30000, 30000};
    static const uint32_t bits[] = {0, 1000, 500}; /* least, most, middle */
    for (size_t b = 0; b < COUNT_OF(bits); b++) {
        uint64_t now_ms = NOW;
        struct restart restart = started(now_ms);
        for (size_t i = 0; i < COUNT_OF(middle_ms); i++) {
            uint64_t delay_ms = end_after(&restart, &now_ms, 100, 1, bits[b]);
            assert_int_equal(delay_ms, middle_ms[i] * (8 + bits[b] * 4 / 1000) / 10);
            assert_int_equal(restart.is_failed, i + 1 >= RESTART_FAILURES_MAX);
        }
        assert_int_equal(restart.restarts, COUNT_OF(middle_ms) - 1);
    }
}

static void
test_ten_seconds_up_begin_anew(void **state)
{
    (void)state;
    uint64_t now_ms = NOW;
    struct restart restart = started(now_ms);
    assert_int_equal(end_after(&restart, &now_ms, 0, 1, 500), 0);
    assert_int_equal(end_after(&restart, &now_ms, RESTART_UP_MS - 1, 1, 500), 500);
    assert_int_equal(end_after(&restart, &now_ms, RESTART_UP_MS, 1, 500), 0);
    assert_int_equal(end_after(&restart, &now_ms, 0, 1, 500), 500);
}

static void
test_what_needs_repair_is_failed_at_once_and_tried_slowly(void **state)
{
    (void)state;
    uint64_t now_ms = NOW;
    struct restart restart = started(now_ms);
    assert_int_equal(end_after(&restart, &now_ms, 50, RESTART_EXIT_OUTSIDE, 500), 30000);
    assert_true(restart.is_failed);

    /* Up for ten seconds: not failed any more. */
    struct restart_event event = {.kind = RESTART_SPAWNED, .now_ms = now_ms};
    assert_int_equal(restart_step(&restart, event), RESTART_NOTHING);
    assert_true(restart.is_failed);
    event = (struct restart_event){.kind = RESTART_ANSWERED, .now_ms = now_ms + RESTART_UP_MS};
    assert_int_equal(restart_step(&restart, event), RESTART_NOTHING);
    assert_false(restart.is_failed);
}

static void
test_only_silence_kills(void **state)
{
    (void)state;
    struct restart restart = started(NOW);
    uint64_t now_ms = NOW;
    struct restart_event event = {.kind = RESTART_SPAWNED, .now_ms = now_ms};
    assert_int_equal(restart_step(&restart, event), RESTART_NOTHING);
    assert_int_equal(restart.deadline_ms, now_ms + RESTART_FIRST_WORD_MS);
    for (int i = 0; i < 100; i++) { /* answers that come just in time, for as long as you like */
        now_ms += RESTART_SILENCE_MS - 1;
        event = (struct restart_event){.kind = RESTART_TIMER, .now_ms = now_ms};
        assert_int_equal(restart_step(&restart, event), RESTART_NOTHING);
        event.kind = RESTART_ANSWERED;
        assert_int_equal(restart_step(&restart, event), RESTART_NOTHING);
    }
    event = (struct restart_event){.kind = RESTART_TIMER, .now_ms = now_ms + RESTART_SILENCE_MS};
    assert_int_equal(restart_step(&restart, event), RESTART_DO_KILL);
}

static void
test_an_adopted_one_has_no_time_to_load(void **state)
{
    (void)state;
    struct restart restart = in_state(RESTART_WAITING);
    struct restart_event event = {.kind = RESTART_SPAWNED, .now_ms = NOW, .is_adopted = true};
    assert_int_equal(restart_step(&restart, event), RESTART_NOTHING);
    assert_int_equal(restart.deadline_ms, NOW + RESTART_SILENCE_MS);
}

static void
test_what_cannot_start_is_not_tried_in_a_circle(void **state)
{
    (void)state;
    struct restart restart = started(NOW);
    struct restart_event event = {.kind = RESTART_NO_SPAWN, .now_ms = NOW, .random_bits = 500};
    assert_int_equal(restart_step(&restart, event), RESTART_NOTHING);
    assert_int_equal(restart.deadline_ms, NOW + 500);
}

/* Any sequence: no spawn of what runs, no kill of what does not, no start of what is not wanted. */
static void
test_chance_never_makes_two_of_one(void **state)
{
    (void)state;
    uint64_t seed = 1;
    uint64_t now_ms = NOW;
    struct restart restart;
    restart_init(&restart);
    bool is_alive = false;
    bool is_wanted = false;
    enum restart_event_kind next = RESTART_START;
    for (int i = 0; i < 200000; i++) {
        struct restart_event event = {.kind = next,
                                      .now_ms = now_ms,
                                      .exit_code = (int)(seed >> 40) % 4,
                                      .random_bits = (uint32_t)(seed >> 20),
                                      .limit_ms = 5000};
        is_alive = next == RESTART_SPAWNED || (is_alive && next != RESTART_EXITED);
        is_wanted = next == RESTART_START || (is_wanted && next != RESTART_STOP);
        enum restart_action action = restart_step(&restart, event);
        assert_int_equal(restart.is_wanted, is_wanted);
        assert_true(action != RESTART_DO_SPAWN || (!is_alive && is_wanted));
        assert_true(action != RESTART_DO_KILL || is_alive);
        assert_true(action != RESTART_DO_ASK_TO_LEAVE || (is_alive && !is_wanted));

        seed = seed * 6364136223846793005u + 1442695040888963407u;
        now_ms += (seed >> 33) % 9000;
        static const enum restart_event_kind any[] = {RESTART_START, RESTART_ANSWERED,
                                                      RESTART_TIMER, RESTART_TIMER, RESTART_STOP};
        next = any[(seed >> 50) % COUNT_OF(any)];
        if (action == RESTART_DO_SPAWN) { /* its caller does that before anything else */
            next = (seed >> 60) % 4 != 0 ? RESTART_SPAWNED : RESTART_NO_SPAWN;
        } else if (is_alive && (seed >> 58) % 8 == 0) {
            next = RESTART_EXITED;
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_state_and_event),
        cmocka_unit_test(test_delays_double_within_a_fifth),
        cmocka_unit_test(test_ten_seconds_up_begin_anew),
        cmocka_unit_test(test_what_needs_repair_is_failed_at_once_and_tried_slowly),
        cmocka_unit_test(test_only_silence_kills),
        cmocka_unit_test(test_an_adopted_one_has_no_time_to_load),
        cmocka_unit_test(test_what_cannot_start_is_not_tried_in_a_circle),
        cmocka_unit_test(test_chance_never_makes_two_of_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
