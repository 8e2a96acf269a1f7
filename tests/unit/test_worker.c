/* Tasks of a lane run one at a time in order; lanes run side by side; every task comes back. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/mem.h"
#include "common/worker.h"

#define LANES 5
#define TASKS 400

struct lane_state {
    struct worker_lane *lane;
    unsigned run;  /* on workers; the lane's order is all that guards it */
    unsigned done; /* on the loop */
};

struct fixture {
    struct loop *loop;
    struct worker_pool *pool;
    struct lane_state lanes[LANES];
    unsigned lanes_left;
};

struct step {
    struct worker_task task;
    struct fixture *fixture;
    struct lane_state *lane;
    unsigned number;
};

static void
run_step(struct worker_task *task)
{
    struct step *step = (struct step *)(void *)task;
    assert_int_equal(step->lane->run, step->number);
    step->lane->run++;
}

/* The last one of a lane frees the lane at once: the worker must be done with it. */
static void
step_done(struct worker_task *task)
{
    struct step *step = (struct step *)(void *)task;
    assert_int_equal(step->lane->done, step->number);
    if (++step->lane->done == TASKS) {
        worker_lane_free(step->lane->lane);
        if (--step->fixture->lanes_left == 0) {
            loop_stop(step->fixture->loop);
        }
    }
    mem_free(step);
}

static void
set_up(struct fixture *fixture, unsigned threads)
{
    struct err err;
    *fixture = (struct fixture){.lanes_left = LANES};
    assert_true(loop_new(&fixture->loop, &err));
    assert_true(worker_pool_new(fixture->loop, threads, &fixture->pool, &err));
    for (unsigned i = 0; i < LANES; i++) {
        fixture->lanes[i].lane = worker_lane_new(fixture->pool);
    }
    for (unsigned number = 0; number < TASKS; number++) {
        for (unsigned i = 0; i < LANES; i++) {
            struct step *step = mem_alloc_zero(sizeof *step);
            step->task.run = run_step;
            step->task.done = step_done;
            step->fixture = fixture;
            step->lane = &fixture->lanes[i];
            step->number = number;
            worker_submit(fixture->lanes[i].lane, &step->task);
        }
    }
}

static void
each_lane_keeps_its_order(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct fixture fixture;
        set_up(&fixture, threads);
        loop_run(fixture.loop);
        worker_pool_free(fixture.pool);
        loop_free(fixture.loop);
    }
}

/* The end of a service: the pool first, then the loop, whose jobs give the lanes back. */
static void
freeing_the_pool_finishes_what_was_submitted(void **state)
{
    (void)state;
    struct fixture fixture;
    set_up(&fixture, 2);
    worker_pool_free(fixture.pool);
    for (unsigned i = 0; i < LANES; i++) {
        assert_int_equal(fixture.lanes[i].run, TASKS);
    }
    loop_free(fixture.loop);
    assert_int_equal(fixture.lanes_left, 0);
    worker_pool_free(NULL);
    worker_lane_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_lane_keeps_its_order),
        cmocka_unit_test(freeing_the_pool_finishes_what_was_submitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
