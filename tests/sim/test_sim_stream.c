/*
 * Whatever happens to the sessions with Postgres and to the collector, in any order, the connection
 * service does nothing out of order, and streams as soon as nothing goes wrong for a while.
 *
 * The world below is what the machine's actions make of it: which sessions are open, what was said
 * and what was agreed. Each action is checked against it (the rules of stream_state.h), then each
 * of the things that may happen next is drawn by lot.
 *
 * A run is a function of its seed. SIM_SEED=n runs that one alone, SIM_RUNS=n so many.
 */
#include "common/core/stream_state.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/sim_chance.h"

#define RUNS  100000u
#define STEPS 80u
#define CALM  60u /* successes in a row that must be enough to stream */

struct world {
    struct sim_lots lots;
    unsigned step;
    struct stream_state state;
    uint64_t now_ms;

    enum stream_level admin;
    enum stream_level snapshot;
    bool has_had_admin;
    enum stream_lock lock;
    enum stream_task task;
    enum stream_sender sender;
    bool is_feeding;
    bool is_asleep;
    bool is_halted;

    bool has_fresh_facts;  /* the slot was read since the last hello */
    bool needs_new_slot;   /* the publication was made, and the old slot is still there */
    bool is_hello_open;    /* said, and not forgotten */
    bool is_agreed;        /* ... and answered, and no slot was made since */
    char hello_system[8];  /* who the server was when it was said */
    char sender_system[8]; /* of the walsender's session */
    struct incarnation agreed;
    uint64_t checkpoint;
    struct incarnation current;
    bool is_ready;
    uint64_t lives; /* of collectors so far */
};

static uint64_t lock_moves[4][4];
static uint64_t sender_moves[5][5];
static uint64_t hello_moves[3][3];

#define CHECK(world, condition)                                                       \
    do {                                                                              \
        if (!(condition)) {                                                           \
            print_error("seed %lu, step %u: %s\n", (unsigned long)(world)->lots.seed, \
                        (world)->step, #condition);                                   \
            fail();                                                                   \
        }                                                                             \
    } while (0)

/* ---- what the machine does */

static void
close_sender(struct world *world)
{
    world->sender = STREAM_SENDER_DOWN;
    world->is_feeding = false;
}

static void
forget_hello(struct world *world)
{
    world->is_hello_open = world->is_agreed = world->is_feeding = false;
}

static void
carry_out_closing(struct world *world, unsigned actions)
{
    if (actions & STREAM_DO_CLOSE_SENDER) {
        close_sender(world);
    }
    if (actions & STREAM_DO_CLOSE_LOCK) {
        world->lock = STREAM_LOCK_DOWN;
        world->task = STREAM_TASK_NONE;
        world->has_fresh_facts = false;
    }
    if (actions & STREAM_DO_FORGET_HELLO) {
        forget_hello(world);
    }
    if (actions & STREAM_DO_CLOSE_POOLS) {
        world->admin = world->snapshot = STREAM_DOWN;
        world->has_had_admin = false;
    }
}

static void
carry_out_tasks(struct world *world, unsigned actions)
{
    static const struct {
        unsigned action;
        enum stream_task task;
    } tasks[] = {{STREAM_DO_PUBLICATION, STREAM_TASK_PUBLICATION},
                 {STREAM_DO_DROP_SLOT, STREAM_TASK_DROP_SLOT},
                 {STREAM_DO_SLOT, STREAM_TASK_SLOT}};
    for (size_t i = 0; i < COUNT_OF(tasks); i++) {
        if (actions & tasks[i].action) {
            CHECK(world, world->lock == STREAM_LOCK_HELD);
            CHECK(world, world->task == STREAM_TASK_NONE);
            world->task = tasks[i].task;
        }
    }
}

static void
carry_out_pools_and_lock(struct world *world, unsigned actions)
{
    if (actions & STREAM_DO_OPEN_ADMIN) {
        CHECK(world, world->admin == STREAM_DOWN);
        world->admin = STREAM_COMING;
    }
    if (actions & STREAM_DO_OPEN_SNAPSHOT) {
        CHECK(world, world->snapshot == STREAM_DOWN && world->lock == STREAM_LOCK_HELD);
        world->snapshot = STREAM_COMING;
    }
    if (actions & STREAM_DO_OPEN_LOCK) {
        CHECK(world, world->lock == STREAM_LOCK_DOWN && world->has_had_admin);
        world->lock = STREAM_LOCK_CONNECTING;
    }
    if (actions & STREAM_DO_TAKE_LOCK) {
        CHECK(world, world->lock == STREAM_LOCK_CONNECTING);
        world->lock = STREAM_LOCK_WAITING;
    }
    if (actions & STREAM_DO_BREAK_LOCK) {
        CHECK(world, world->lock == STREAM_LOCK_WAITING);
    }
    if (actions & STREAM_DO_HEAL) {
        CHECK(world, world->task == STREAM_TASK_SLOT);
    }
}

static void
carry_out_stream(struct world *world, unsigned actions)
{
    if (actions & STREAM_DO_OPEN_SENDER) {
        CHECK(world, world->sender == STREAM_SENDER_DOWN && world->lock == STREAM_LOCK_HELD);
        world->sender = STREAM_SENDER_CONNECTING;
    }
    if (actions & STREAM_DO_HELLO) {
        CHECK(world, world->lock == STREAM_LOCK_HELD && world->task == STREAM_TASK_NONE);
        CHECK(world, !world->is_hello_open);
        CHECK(world, world->has_fresh_facts && !world->needs_new_slot);
        world->has_fresh_facts = false;
        world->is_hello_open = true;
        snprintf(world->hello_system, sizeof world->hello_system, "%s", world->state.system_id);
    }
    if (actions & STREAM_DO_START) {
        CHECK(world, world->sender == STREAM_SENDER_IDENTIFIED);
        CHECK(world, world->is_agreed && !world->needs_new_slot);
        CHECK(world, world->is_ready && incarnation_compare(world->agreed, world->current) == 0);
        CHECK(world, world->state.checkpoint == world->checkpoint);
        CHECK(world, strcmp(world->hello_system, world->sender_system) == 0);
        world->sender = STREAM_SENDER_STARTING;
    }
}

static void
check_standing(struct world *world)
{
    if (world->is_halted) {
        return; /* the process ends */
    }
    if (world->sender != STREAM_SENDER_DOWN) {
        CHECK(world, world->lock == STREAM_LOCK_HELD);
    }
    if (world->is_feeding) {
        CHECK(world, world->is_agreed && incarnation_compare(world->agreed, world->current) >= 0);
    }
    if (world->is_asleep) {
        CHECK(world, world->admin == STREAM_DOWN && world->snapshot == STREAM_DOWN &&
                         world->lock == STREAM_LOCK_DOWN);
    }
}

static void
step(struct world *world, struct stream_event event)
{
    struct stream_state before = world->state;
    event.now_ms = world->now_ms;
    world->step++;
    unsigned actions = stream_state_step(&world->state, &event);
    CHECK(world, actions == 0 || !world->is_halted);
    CHECK(world, actions == 0 || !world->is_asleep);
    if (actions & STREAM_DO_HALT) {
        world->is_halted = true;
    }
    carry_out_closing(world, actions);
    world->is_asleep = world->is_asleep || (actions & STREAM_DO_CLOSE_POOLS) != 0;
    carry_out_pools_and_lock(world, actions);
    carry_out_tasks(world, actions);
    carry_out_stream(world, actions);
    check_standing(world);
    lock_moves[before.lock][world->state.lock]++;
    sender_moves[before.sender][world->state.sender]++;
    hello_moves[before.hello][world->state.hello]++;
}

/* ---- what may happen */

static void
fail_part(struct world *world, enum stream_part part, bool may_be_worse)
{
    struct stream_event event = {.kind = STREAM_EVENT_FAILED, .part = part};
    switch (part) {
    case STREAM_PART_ADMIN:
        world->admin = STREAM_DOWN;
        break;
    case STREAM_PART_SNAPSHOT:
        world->snapshot = STREAM_DOWN;
        break;
    case STREAM_PART_LOCK:
        world->lock = STREAM_LOCK_DOWN;
        world->task = STREAM_TASK_NONE;
        world->has_fresh_facts = false;
        break;
    case STREAM_PART_TASK:
        world->task = STREAM_TASK_NONE;
        break;
    case STREAM_PART_SENDER:
        close_sender(world);
        break;
    case STREAM_PART_COUNT:
        fail();
    }
    if (may_be_worse && sim_one_in(&world->lots, 8)) {
        event.action = PG_ERROR_DROP_SLOT;
        world->needs_new_slot = true;
    }
    if (sim_one_in(&world->lots, 400)) {
        event.action = PG_ERROR_FATAL;
        world->needs_new_slot = false;
    }
    step(world, event);
}

static void
end_task(struct world *world)
{
    struct stream_event event = {0};
    switch (world->task) {
    case STREAM_TASK_NONE:
        return;
    case STREAM_TASK_PUBLICATION:
        event.kind = STREAM_EVENT_PUBLICATION;
        event.is_new = sim_one_in(&world->lots, 10);
        world->needs_new_slot = world->needs_new_slot || event.is_new;
        break;
    case STREAM_TASK_DROP_SLOT:
        event.kind = STREAM_EVENT_SLOT_DROPPED;
        world->needs_new_slot = false;
        world->is_agreed = false;
        break;
    case STREAM_TASK_SLOT:
        event.kind = STREAM_EVENT_SLOT;
        event.is_new = sim_one_in(&world->lots, 6);
        world->has_fresh_facts = true;
        world->is_agreed = world->is_agreed && !event.is_new;
        break;
    }
    world->task = STREAM_TASK_NONE;
    step(world, event);
}

static void
identify(struct world *world)
{
    bool is_other = sim_one_in(&world->lots, 40);
    snprintf(world->sender_system, sizeof world->sender_system, is_other ? "8" : "7");
    world->sender = STREAM_SENDER_IDENTIFIED;
    step(world, (struct stream_event){.kind = STREAM_EVENT_UP,
                                      .part = STREAM_PART_SENDER,
                                      .system_id = view_str(world->sender_system),
                                      .timeline = 1});
}

static void
succeed_sender(struct world *world)
{
    if (world->sender == STREAM_SENDER_CONNECTING) {
        identify(world);
    } else if (world->sender == STREAM_SENDER_STARTING) {
        world->sender = STREAM_SENDER_STREAMING;
        world->is_feeding = world->is_agreed; /* an answer that a forgotten hello finds unread */
        step(world, (struct stream_event){.kind = STREAM_EVENT_SENDING});
    }
}

static void
answer_hello(struct world *world, bool is_well)
{
    if (!world->is_hello_open || world->is_agreed) {
        return;
    }
    if (!is_well) {
        world->is_hello_open = false;
        step(world, (struct stream_event){.kind = STREAM_EVENT_AGAIN});
        return;
    }
    struct incarnation by = world->current;
    by.started_us -= sim_one_in(&world->lots, 8); /* a dead one's word, late */
    bool counts = incarnation_compare(by, world->current) >= 0;
    world->checkpoint = sim_below(&world->lots, 1000);
    world->agreed = by;
    world->is_agreed = counts;
    world->is_hello_open = counts;
    step(world, (struct stream_event){
                    .kind = STREAM_EVENT_AGREED, .collector = by, .lsn = world->checkpoint});
}

static void
change_collector(struct world *world)
{
    bool is_new = sim_one_in(&world->lots, 3);
    if (is_new) {
        world->current = (struct incarnation){100 + 10 * ++world->lives, 1};
        world->is_agreed =
            world->is_agreed && incarnation_compare(world->agreed, world->current) >= 0;
        world->is_feeding = world->is_feeding && world->is_agreed;
    }
    world->is_ready = !is_new && !sim_one_in(&world->lots, 4);
    step(world, (struct stream_event){.kind = STREAM_EVENT_COLLECTOR,
                                      .collector = world->current,
                                      .is_ready = world->is_ready});
}

static void
pass_time(struct world *world)
{
    uint64_t due_ms = stream_state_deadline(&world->state, world->now_ms);
    world->now_ms += sim_below(&world->lots, 500);
    if (due_ms != UINT64_MAX && sim_one_in(&world->lots, 2)) {
        world->now_ms = due_ms > world->now_ms ? due_ms : world->now_ms;
    }
    step(world, (struct stream_event){.kind = STREAM_EVENT_TICK});
}

static void
succeed_somewhere(struct world *world)
{
    switch (sim_below(&world->lots, 6)) {
    case 0:
        if (world->admin == STREAM_COMING) {
            world->admin = STREAM_UP;
            world->has_had_admin = true;
            step(world, (struct stream_event){.kind = STREAM_EVENT_UP, .part = STREAM_PART_ADMIN});
        }
        return;
    case 1:
        if (world->snapshot == STREAM_COMING) {
            world->snapshot = STREAM_UP;
            step(world,
                 (struct stream_event){.kind = STREAM_EVENT_UP, .part = STREAM_PART_SNAPSHOT});
        }
        return;
    case 2:
        if (world->lock == STREAM_LOCK_CONNECTING) {
            step(world, (struct stream_event){.kind = STREAM_EVENT_UP, .part = STREAM_PART_LOCK});
        } else if (world->lock == STREAM_LOCK_WAITING) {
            world->lock = STREAM_LOCK_HELD;
            step(world, (struct stream_event){.kind = STREAM_EVENT_LOCKED});
        }
        return;
    case 3:
        end_task(world);
        return;
    case 4:
        succeed_sender(world);
        return;
    default:
        answer_hello(world, true);
        return;
    }
}

static void
fail_somewhere(struct world *world)
{
    switch (sim_below(&world->lots, 8)) {
    case 0:
        if (world->admin != STREAM_DOWN) {
            fail_part(world, STREAM_PART_ADMIN, false);
        }
        return;
    case 1:
        if (world->snapshot != STREAM_DOWN) {
            fail_part(world, STREAM_PART_SNAPSHOT, false);
        }
        return;
    case 2:
        if (world->lock != STREAM_LOCK_DOWN) {
            fail_part(world, STREAM_PART_LOCK, false);
        }
        return;
    case 3:
        if (world->task != STREAM_TASK_NONE) {
            fail_part(world, STREAM_PART_TASK, true);
        }
        return;
    case 4:
        if (world->sender != STREAM_SENDER_DOWN) {
            fail_part(world, STREAM_PART_SENDER, true);
        }
        return;
    case 5:
        answer_hello(world, false);
        return;
    case 6:
        if (world->sender == STREAM_SENDER_STARTING) {
            close_sender(world);
            step(world, (struct stream_event){.kind = STREAM_EVENT_IN_USE});
        }
        return;
    default:
        if (world->is_agreed && world->sender == STREAM_SENDER_STREAMING) {
            step(world, (struct stream_event){.kind = STREAM_EVENT_STALE});
        }
        return;
    }
}

static void
sleep_or_wake(struct world *world)
{
    if (!world->is_asleep) {
        step(world, (struct stream_event){.kind = STREAM_EVENT_SLEEP});
        return;
    }
    world->is_asleep = false;
    step(world, (struct stream_event){.kind = STREAM_EVENT_WAKE});
}

static void
anything(struct world *world)
{
    switch (sim_below(&world->lots, 20)) {
    case 0:
    case 1:
        fail_somewhere(world);
        return;
    case 2:
        change_collector(world);
        return;
    case 3:
    case 4:
    case 5:
        pass_time(world);
        return;
    case 6:
        sleep_or_wake(world);
        return;
    default:
        succeed_somewhere(world);
        return;
    }
}

/* ---- runs */

static void
expect_stream(struct world *world)
{
    if (world->is_halted) {
        return;
    }
    if (world->is_asleep) {
        sleep_or_wake(world);
    }
    world->is_ready = true;
    step(world, (struct stream_event){
                    .kind = STREAM_EVENT_COLLECTOR, .collector = world->current, .is_ready = true});
    for (unsigned i = 0; i < CALM && !world->is_feeding; i++) {
        uint64_t due_ms = stream_state_deadline(&world->state, world->now_ms);
        for (unsigned each = 0; each < 60; each++) {
            succeed_somewhere(world);
        }
        if (due_ms != UINT64_MAX && due_ms > world->now_ms) {
            world->now_ms = due_ms;
        }
        step(world, (struct stream_event){.kind = STREAM_EVENT_TICK});
    }
    CHECK(world, world->is_feeding);
}

static void
run(uint64_t seed)
{
    struct world world = {.lots = sim_lots(seed), .now_ms = 1000, .current = {100, 1}};
    stream_state_init(&world.state);
    for (unsigned i = 0; i < STEPS; i++) {
        anything(&world);
    }
    expect_stream(&world);
}

/* Of one part of the machine: where it may go from where; staying is always allowed. */
static void
expect_moves(const char *name, const uint64_t *moves, size_t count, const char *const *allowed)
{
    for (size_t from = 0; from < count; from++) {
        for (size_t to = 0; to < count; to++) {
            uint64_t times = moves[from * count + to];
            bool is_allowed = from == to || allowed[from][to] == 'x';
            if ((!is_allowed && times > 0) || (is_allowed && times < 100)) {
                print_error("%s: %zu -> %zu %lu times, %s\n", name, from, to, (unsigned long)times,
                            is_allowed ? "should be 100 at least" : "not allowed");
                fail();
            }
        }
    }
}

static void
test_nothing_is_done_out_of_order(void **state)
{
    static const char *const lock[] = {".x..", "x.x.", "x..x", "x..."};
    static const char *const sender[] = {".x...", "x.xx.", "x..x.", "xx..x", "xx..."};
    static const char *const hello[] = {".x.", "x.x", "x.."};
    (void)state;
    bool is_whole = sim_each_run(RUNS, run);
    if (is_whole) {
        expect_moves("lock", &lock_moves[0][0], 4, lock);
        expect_moves("sender", &sender_moves[0][0], 5, sender);
        expect_moves("hello", &hello_moves[0][0], 3, hello);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_nothing_is_done_out_of_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
