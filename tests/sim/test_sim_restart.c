/*
 * Whatever processes do, and whenever they are wanted or not: there is never a second one, nobody
 * is killed who answers, and who is wanted runs again in time.
 *
 * A run is a function of its seed. SIM_SEED=n runs that one alone, SIM_RUNS=n so many.
 */
#include "common/core/restart.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/sim_chance.h"

#define RUNS  100000u
#define STEPS 80u

struct world {
    struct sim_lots lots;
    unsigned step;
    struct restart restart;
    uint64_t now_ms;
    bool is_wanted;
    bool must_spawn; /* it was told to, and has not answered yet */
    bool is_alive;
    bool was_asked_to_leave;
    bool was_killed;
    bool has_answered;
    uint64_t started_ms;
    uint64_t heard_ms; /* of control; at first its start */
    uint64_t asked_ms; /* to leave */
    uint32_t limit_ms;
    uint32_t failures; /* in a row, as people count them */
    uint64_t failed_ms;
};

static uint64_t moves[5][5];

#define CHECK(world, condition)                                                       \
    do {                                                                              \
        if (!(condition)) {                                                           \
            print_error("seed %lu, step %u: %s\n", (unsigned long)(world)->lots.seed, \
                        (world)->step, #condition);                                   \
            fail();                                                                   \
        }                                                                             \
    } while (0)

static void
check_kill(struct world *world)
{
    CHECK(world, world->is_alive && !world->was_killed);
    if (world->was_asked_to_leave) {
        CHECK(world, world->now_ms >= world->asked_ms + world->limit_ms);
    } else if (world->has_answered) {
        CHECK(world, world->now_ms >= world->heard_ms + RESTART_SILENCE_MS);
    } else {
        CHECK(world, world->now_ms >= world->started_ms + RESTART_SILENCE_MS);
    }
    world->was_killed = true;
}

/* The first failure is followed at once, the others by more and more time, with a limit. */
static void
check_delay(struct world *world)
{
    if (world->failures < 2) {
        return;
    }
    uint64_t least_ms = RESTART_DELAY_MIN_MS;
    for (uint32_t i = 2; i < world->failures && least_ms < RESTART_DELAY_MAX_MS; i++) {
        least_ms *= 2;
    }
    least_ms = least_ms < RESTART_DELAY_MAX_MS ? least_ms : RESTART_DELAY_MAX_MS;
    CHECK(world, world->now_ms >= world->failed_ms + least_ms * 4 / 5);
}

static void
step(struct world *world, struct restart_event event)
{
    enum restart_state before = world->restart.state;
    event.now_ms = world->now_ms;
    event.random_bits = (uint32_t)sim_below(&world->lots, UINT32_MAX);
    world->step++;
    enum restart_action action = restart_step(&world->restart, event);
    moves[before][world->restart.state]++;
    switch (action) {
    case RESTART_NOTHING:
        break;
    case RESTART_DO_SPAWN:
        CHECK(world, world->is_wanted && !world->is_alive);
        check_delay(world);
        world->must_spawn = true;
        break;
    case RESTART_DO_KILL:
        check_kill(world);
        break;
    case RESTART_DO_ASK_TO_LEAVE:
        CHECK(world, world->is_alive && !world->is_wanted);
        world->was_asked_to_leave = true;
        world->asked_ms = world->now_ms;
        world->limit_ms = event.limit_ms;
        break;
    }
    CHECK(world, world->restart.is_wanted == world->is_wanted);
    if (world->is_wanted && !world->is_alive && !world->must_spawn) {
        CHECK(world, world->restart.deadline_ms != 0); /* it is not forgotten */
        CHECK(world, world->restart.deadline_ms <= world->now_ms + RESTART_DELAY_MAX_MS * 6 / 5);
    }
}

/* The orchestrator's answer to DO_SPAWN comes before anything else. */
static void
answer_spawn(struct world *world)
{
    while (world->must_spawn) {
        world->must_spawn = false;
        if (sim_one_in(&world->lots, 6)) {
            world->failures += world->failures == 0 ? 2 : 1; /* it is never tried in a circle */
            world->failed_ms = world->now_ms;
            step(world, (struct restart_event){.kind = RESTART_NO_SPAWN});
            continue;
        }
        world->is_alive = true;
        world->was_asked_to_leave = world->was_killed = world->has_answered = false;
        world->started_ms = world->heard_ms = world->now_ms;
        step(world, (struct restart_event){.kind = RESTART_SPAWNED});
    }
}

static void
exit_process(struct world *world)
{
    static const int codes[] = {0, 1, 137, RESTART_EXIT_SETTING, RESTART_EXIT_OUTSIDE};
    struct restart_event event = {.kind = RESTART_EXITED,
                                  .exit_code = codes[sim_below(&world->lots, COUNT_OF(codes))]};
    if (!world->is_alive) {
        return;
    }
    world->is_alive = false;
    if (world->is_wanted) {
        bool was_up = world->now_ms - world->started_ms >= RESTART_UP_MS;
        world->failures = was_up ? 1 : world->failures + 1;
        world->failed_ms = world->now_ms;
    }
    step(world, event);
}

/* What does not fit the state changes nothing. */
static void
stray(struct world *world)
{
    static const enum restart_event_kind kinds[] = {RESTART_EXITED, RESTART_NO_SPAWN,
                                                    RESTART_ANSWERED};
    struct restart before = world->restart;
    struct restart_event event = {.kind = kinds[sim_below(&world->lots, COUNT_OF(kinds))]};
    if (world->is_alive ||
        (event.kind == RESTART_NO_SPAWN && world->restart.state == RESTART_WAITING)) {
        return;
    }
    step(world, event);
    CHECK(world, world->restart.state == before.state);
    CHECK(world, world->restart.deadline_ms == before.deadline_ms);
}

static void
anything(struct world *world)
{
    switch (sim_below(&world->lots, 9)) {
    case 8:
        stray(world);
        break;
    case 0:
        world->is_wanted = true;
        if (world->restart.state == RESTART_STOPPED) {
            world->failed_ms = 0; /* who asks for it does not wait */
        }
        step(world, (struct restart_event){.kind = RESTART_START});
        break;
    case 1:
        world->is_wanted = false;
        step(world, (struct restart_event){.kind = RESTART_STOP, .limit_ms = 5000});
        break;
    case 2:
    case 3:
        exit_process(world);
        break;
    case 4:
        if (world->is_alive && !world->was_killed) {
            world->has_answered = true;
            world->heard_ms = world->now_ms;
            if (world->now_ms - world->started_ms >= RESTART_UP_MS &&
                world->restart.state == RESTART_RUNNING) {
                world->failures = 0;
            }
            step(world, (struct restart_event){.kind = RESTART_ANSWERED});
        }
        break;
    default:
        world->now_ms += sim_below(&world->lots, 4) == 0 ? sim_below(&world->lots, 40000)
                                                         : sim_below(&world->lots, 2000);
        step(world, (struct restart_event){.kind = RESTART_TIMER});
        break;
    }
    answer_spawn(world);
}

/* Nothing fails any more: it runs, or nobody does. */
static void
expect_rest(struct world *world)
{
    if (!world->is_wanted) {
        exit_process(world);
        CHECK(world, world->restart.state == RESTART_STOPPED);
        return;
    }
    for (unsigned i = 0; i < 40 && world->restart.state != RESTART_RUNNING; i++) {
        if (world->is_alive) {
            exit_process(world);
        } else {
            world->now_ms = world->restart.deadline_ms;
            step(world, (struct restart_event){.kind = RESTART_TIMER});
        }
        answer_spawn(world);
    }
    CHECK(world, world->restart.state == RESTART_RUNNING && world->is_alive);
}

static void
run(uint64_t seed)
{
    struct world world = {.lots = sim_lots(seed), .now_ms = 1000000};
    restart_init(&world.restart);
    for (unsigned i = 0; i < STEPS; i++) {
        anything(&world);
    }
    expect_rest(&world);
}

static void
test_one_process_at_most_and_in_time(void **state)
{
    /* stopped, waiting, running, stopping, killed */
    static const char *const allowed[] = {".x...", "x.x..", ".x.xx", "xx..x", "xx..."};
    (void)state;
    if (!sim_each_run(RUNS, run)) {
        return;
    }
    for (size_t from = 0; from < 5; from++) {
        for (size_t to = 0; to < 5; to++) {
            bool is_allowed = from == to || allowed[from][to] == 'x';
            if (is_allowed ? moves[from][to] < 100 : moves[from][to] > 0) {
                print_error("%s -> %s: %lu times\n", restart_state_name((enum restart_state)from),
                            restart_state_name((enum restart_state)to),
                            (unsigned long)moves[from][to]);
                fail();
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_one_process_at_most_and_in_time)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
