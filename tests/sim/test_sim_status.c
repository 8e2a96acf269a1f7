/*
 * Whatever is started, ends, reports late or falls silent: the board shows what the living have
 * met, and nothing of the dead.
 *
 * Beside the board stands what it should show, kept in the simplest way: who lives in which place,
 * and what that life said last.
 *
 * A run is a function of its seed. SIM_SEED=n runs that one alone, SIM_RUNS=n so many.
 */
#include "common/core/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/sim_chance.h"

#define RUNS     100000u
#define STEPS    16u
#define PLACES   4u /* connection, collector, two APIs */
#define LIVES    64u
#define START_MS 10000u

static const struct {
    const char *service;
    unsigned slot;
} places[PLACES] = {{"connection", 0}, {"shape_log_collector", 0}, {"api", 0}, {"api", 1}};

/* A process that was started once. */
struct life {
    unsigned place;
    uint64_t pid;
    struct incarnation who;
};

struct place {
    bool is_alive;
    unsigned life; /* of lives */
    bool has_reported;
    bool is_ready;
    bool is_sleeping;
    bool met[STATUS_CONDITION_COUNT];
    size_t endings; /* told, 8 at most */
};

struct world {
    struct sim_lots lots;
    unsigned step;
    struct status *status;
    struct arena *mem;
    uint64_t now_ms;
    unsigned life_count;
    struct life lives[LIVES];
    struct place places[PLACES];
};

static uint64_t service_moves[4][4];

#define CHECK(world, condition)                                                       \
    do {                                                                              \
        if (!(condition)) {                                                           \
            print_error("seed %lu, step %u: %s\n", (unsigned long)(world)->lots.seed, \
                        (world)->step, #condition);                                   \
            fail();                                                                   \
        }                                                                             \
    } while (0)

/* ---- what happens */

/* Numbers come round, but two of the living never have the same. */
static uint64_t
new_pid(struct world *world)
{
    for (;;) {
        uint64_t pid = 100 + sim_below(&world->lots, 20);
        bool is_taken = false;
        for (unsigned n = 0; n < PLACES; n++) {
            const struct place *place = &world->places[n];
            is_taken |= place->is_alive && world->lives[place->life].pid == pid;
        }
        if (!is_taken) {
            return pid;
        }
    }
}

static void
start_life(struct world *world, unsigned n)
{
    struct place *place = &world->places[n];
    if (place->is_alive || world->life_count == LIVES) {
        return;
    }
    unsigned life = world->life_count++;
    world->lives[life] = (struct life){
        .place = n,
        .pid = new_pid(world),
        .who = {1000 + life, sim_below(&world->lots, 3)},
    };
    *place = (struct place){.is_alive = true, .life = life, .endings = place->endings};
    status_started(world->status, places[n].service, places[n].slot, world->lives[life].pid, false,
                   world->now_ms * 1000);
}

static void
end_life(struct world *world, unsigned n)
{
    struct place *place = &world->places[n];
    bool was_to_end = sim_one_in(&world->lots, 4);
    if (place->is_alive && !was_to_end && place->endings < STATUS_ENDINGS_MAX) {
        place->endings++;
    }
    *place = (struct place){.endings = place->endings};
    status_ended(world->status, places[n].service, places[n].slot, false,
                 was_to_end ? "" : "signal 9", world->now_ms * 1000);
}

/* Who takes the first word of a dead process for its own: nobody can tell them apart by the pid. */
static unsigned
taker_of(const struct world *world, const struct life *dead)
{
    for (unsigned n = 0; n < PLACES; n++) {
        const struct place *place = &world->places[n];
        if (place->is_alive && !place->has_reported &&
            strcmp(places[n].service, places[dead->place].service) == 0 &&
            world->lives[place->life].pid == dead->pid) {
            return n;
        }
    }
    return PLACES;
}

/* Of any life there ever was: many of them are over. */
static void
report(struct world *world)
{
    struct condition list[STATUS_CONDITION_COUNT];
    size_t count = 0;
    if (world->life_count == 0) {
        return;
    }
    unsigned n = (unsigned)sim_below(&world->lots, world->life_count);
    if (sim_below(&world->lots, 3) > 0) { /* mostly of one that lives */
        n = world->places[sim_below(&world->lots, PLACES)].life;
    }
    const struct life *life = &world->lives[n];
    const char *service = places[life->place].service;
    bool met[STATUS_CONDITION_COUNT] = {false};
    bool mostly = sim_one_in(&world->lots, 2);
    for (unsigned i = 0; i < STATUS_CONDITION_COUNT; i++) {
        enum status_condition condition = (enum status_condition)i;
        bool is_own = strcmp(status_condition_owner(condition), service) == 0;
        if (!is_own && sim_one_in(&world->lots, 6)) { /* not its to say */
            list[count++] =
                (struct condition){.name = view_str(status_condition_name(condition)), .met = true};
        }
        if (is_own) {
            met[i] = mostly || sim_one_in(&world->lots, 2);
            list[count++] = (struct condition){.name = view_str(status_condition_name(condition)),
                                               .met = met[i]};
        }
    }
    struct report_state state = {
        .pid = life->pid,
        .control = view_str("ipc:///x"),
        .is_ready = sim_one_in(&world->lots, 2),
        .is_sleeping = sim_one_in(&world->lots, 8),
        .conditions = list,
        .conditions_count = count,
    };
    struct envelope envelope = {
        .kind = PROTO_report_state, .sender = view_str(service), .sender_incarnation = life->who};
    struct buf message = {0};
    struct err err;
    bool changed = false;
    proto_encode(&envelope, &state, &message);
    bool is_taken = status_report(world->status, buf_view(&message), world->now_ms,
                                  world->now_ms * 1000, &changed, &err);
    buf_free(&message);

    struct place *place = &world->places[life->place];
    bool is_current = place->is_alive && place->life == n;
    unsigned taker = is_current ? PLACES : taker_of(world, life);
    if (taker < PLACES) {
        end_life(world, taker); /* out of this simulation's reach: begin anew there */
        return;
    }
    CHECK(world, is_taken == is_current);
    if (is_taken) {
        place->has_reported = true;
        place->is_ready = state.is_ready;
        place->is_sleeping = state.is_sleeping;
        memcpy(place->met, met, sizeof met);
    }
}

/* ---- what the board shows */

static const struct board_service *
row_of(struct world *world, const struct status_board *board, unsigned n)
{
    unsigned nth = places[n].slot;
    for (size_t i = 0; i < board->services_count; i++) {
        if (view_is(board->services[i].service, places[n].service) && nth-- == 0) {
            return &board->services[i];
        }
    }
    CHECK(world, false);
    return NULL;
}

static void
check_row(struct world *world, const struct status_board *board, unsigned n)
{
    const struct place *place = &world->places[n];
    const struct board_service *row = row_of(world, board, n);
    const struct life *life = &world->lives[place->life];
    const char *state = !place->is_alive ? "down" : place->is_ready ? "up" : "starting";
    CHECK(world, view_is(row->state, state));
    CHECK(world, row->pid == (place->is_alive ? life->pid : 0));
    CHECK(world, row->incarnation_us == (place->has_reported ? life->who.started_us : 0));
    CHECK(world, row->endings_count == place->endings);
    CHECK(world, place->has_reported || row->conditions_count == 0);
}

static unsigned
number_of(struct world *world, struct view service)
{
    static const char *const names[] = {"active", "waiting", "starting", "sleeping"};
    for (unsigned i = 0; i < COUNT_OF(names); i++) {
        if (view_is(service, names[i])) {
            return i;
        }
    }
    CHECK(world, false);
    return 0;
}

static void
check_board(struct world *world, unsigned *service)
{
    struct status_board board;
    arena_reset(world->mem);
    status_board_fill(world->status, world->now_ms, world->mem, &board);
    bool met[STATUS_CONDITION_COUNT] = {false};
    for (unsigned i = 0; i < STATUS_CONDITION_COUNT; i++) {
        const char *owner = status_condition_owner((enum status_condition)i);
        unsigned n = strcmp(owner, "connection") == 0 ? 0 : 1;
        met[i] = world->places[n].is_alive && world->places[n].met[i];
    }
    const char *connection =
        status_of_connection(met, world->places[0].is_alive && world->places[0].is_sleeping);
    const char *shapes = status_of_shapes(met);
    CHECK(world, view_is(board.connection, connection));
    CHECK(world, view_is(board.shapes, shapes));
    CHECK(world, view_is(board.service, status_of_service(connection, shapes)));
    for (unsigned n = 0; n < PLACES; n++) {
        check_row(world, &board, n);
    }
    unsigned now = number_of(world, board.service);
    service_moves[*service][now]++;
    *service = now;
}

static void
run(uint64_t seed)
{
    struct world world = {.lots = sim_lots(seed), .now_ms = START_MS};
    unsigned service = 2;
    world.status = status_new(false, START_MS - STATUS_UNKNOWN_MS);
    world.mem = arena_new(1u << 20);
    for (unsigned n = 0; n < PLACES; n++) {
        start_life(&world, n);
    }
    for (world.step = 0; world.step < STEPS; world.step++) {
        unsigned n = (unsigned)sim_below(&world.lots, PLACES);
        switch (sim_below(&world.lots, 8)) {
        case 0:
            end_life(&world, n);
            break;
        case 1:
            start_life(&world, n);
            break;
        default:
            report(&world);
            break;
        }
        world.now_ms += sim_below(&world.lots, 2000);
        check_board(&world, &service);
    }
    arena_free(world.mem);
    status_free(world.status);
}

static void
test_the_board_shows_the_living(void **state)
{
    (void)state;
    if (!sim_each_run(RUNS, run)) {
        return;
    }
    /* active, waiting, starting, sleeping: one report is never about both halves */
    static const char *const allowed[] = {"x.xx", ".xxx", "xxxx", "xxxx"};
    for (size_t from = 0; from < 4; from++) {
        for (size_t to = 0; to < 4; to++) {
            bool is_allowed = allowed[from][to] == 'x';
            if (is_allowed ? service_moves[from][to] < 100 : service_moves[from][to] > 0) {
                print_error("state %zu -> %zu: %lu times\n", from, to,
                            (unsigned long)service_moves[from][to]);
                fail();
            }
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_the_board_shows_the_living)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
