/* Each event runs its callback once, in order, on the loop's thread, whatever callbacks remove. */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/loop.h"
#include "common/mem.h"

static struct loop *
new_loop(void)
{
    struct loop *loop = NULL;
    struct err err;
    assert_true(loop_new(&loop, &err));
    return loop;
}

static void
stop(void *ctx)
{
    loop_stop(ctx);
}

/* ---- timers */

#define TIMERS 200

struct tick {
    struct loop_timer timer;
    uint64_t *last_ms;
    unsigned *fired;
};

static void
on_tick(void *ctx)
{
    struct tick *tick = ctx;
    assert_true(tick->timer.deadline_ms >= *tick->last_ms);
    assert_true(tick->timer.deadline_ms <= loop_now_ms(tick->timer.loop));
    assert_false(loop_timer_is_set(&tick->timer));
    *tick->last_ms = tick->timer.deadline_ms;
    (*tick->fired)++;
}

static void
timers_fire_in_order_unless_cleared(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct tick ticks[TIMERS];
    uint64_t last_ms = 0;
    unsigned fired = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        ticks[i].last_ms = &last_ms;
        ticks[i].fired = &fired;
        loop_timer_init(&ticks[i].timer, loop, on_tick, &ticks[i]);
        loop_timer_set(&ticks[i].timer, i * 7919 % 15);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        if (i % 3 == 0) {
            loop_timer_clear(&ticks[i].timer);
            loop_timer_clear(&ticks[i].timer);
            assert_false(loop_timer_is_set(&ticks[i].timer));
        } else if (i % 3 == 1) {
            loop_timer_set(&ticks[i].timer, i * 31 % 12);
        }
    }
    struct loop_timer end;
    loop_timer_init(&end, loop, stop, loop);
    loop_timer_set(&end, 20);
    loop_run(loop);
    assert_int_equal(fired, TIMERS - (TIMERS + 2) / 3);
    loop_free(loop);
}

struct again {
    struct loop_timer timer;
    unsigned count;
};

static void
on_again(void *ctx)
{
    struct again *again = ctx;
    again->count++;
    loop_timer_set(&again->timer, 0);
}

static void
a_timer_that_sets_itself_leaves_room_for_others(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct again again = {.count = 0};
    loop_timer_init(&again.timer, loop, on_again, &again);
    loop_timer_set(&again.timer, 0);
    struct loop_timer end;
    loop_timer_init(&end, loop, stop, loop);
    loop_timer_set(&end, 2);
    loop_run(loop);
    assert_true(again.count > 1);
    loop_free(loop);
}

/* ---- descriptors */

struct pair {
    struct loop *loop;
    struct loop_fd *watches[2];
    unsigned calls;
    unsigned turn_ends;
};

/* Removes both, though an event of the other is waiting in this turn. */
static void
on_either(void *ctx, uint32_t events)
{
    struct pair *pair = ctx;
    assert_true((events & EPOLLIN) != 0);
    pair->calls++;
    loop_fd_remove(pair->watches[0]);
    loop_fd_remove(pair->watches[1]);
}

static void
on_turn_end(void *ctx)
{
    struct pair *pair = ctx;
    if (pair->calls > 0) {
        pair->turn_ends++;
        loop_stop(pair->loop);
    }
}

static void
a_watch_removed_in_a_callback_is_silent(void **state)
{
    (void)state;
    struct pair pair = {.loop = new_loop()};
    int fds[2][2];
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pipe(fds[i]), 0);
        assert_int_equal(write(fds[i][1], "x", 1), 1);
        pair.watches[i] = loop_fd_add(pair.loop, fds[i][0], 0, on_either, &pair);
        loop_fd_set(pair.watches[i], EPOLLIN);
        loop_fd_set(pair.watches[i], EPOLLIN);
    }
    loop_on_turn_end(pair.loop, on_turn_end, &pair);
    loop_run(pair.loop);
    assert_int_equal(pair.calls, 1);
    assert_int_equal(pair.turn_ends, 1);
    loop_fd_remove(NULL);
    for (unsigned i = 0; i < 2; i++) {
        close(fds[i][0]);
        close(fds[i][1]);
    }
    loop_free(pair.loop);
    loop_free(NULL);
}

/* ---- jobs */

#define THREADS 4
#define JOBS    20000

struct counted;
struct poster {
    struct loop *loop;
    unsigned number;
    struct counted *counted;
};
struct counted {
    pthread_t loop_thread;
    struct loop *loop;
    unsigned next[THREADS]; /* each thread's jobs come in its order */
    unsigned total;
};
struct number_job {
    struct loop_job job;
    struct counted *counted;
    unsigned thread;
    unsigned number;
};

static void
run_number(struct loop_job *job)
{
    struct number_job *number = (struct number_job *)(void *)job;
    struct counted *counted = number->counted;
    assert_true(pthread_equal(pthread_self(), counted->loop_thread));
    assert_int_equal(number->number, counted->next[number->thread]++);
    if (++counted->total == THREADS * JOBS) {
        loop_stop(counted->loop);
    }
    mem_free(number);
}

static void *
post_many(void *ctx)
{
    struct poster *poster = ctx;
    for (unsigned i = 0; i < JOBS; i++) {
        struct number_job *number = mem_alloc_zero(sizeof *number);
        number->job.run = run_number;
        number->counted = poster->counted;
        number->thread = poster->number;
        number->number = i;
        loop_post(poster->loop, &number->job);
    }
    return NULL;
}

static void
jobs_of_many_threads_run_once_in_their_order(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct counted counted = {.loop_thread = pthread_self(), .loop = loop};
    struct poster posters[THREADS];
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        posters[i] = (struct poster){loop, i, &counted};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    loop_run(loop);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(counted.total, THREADS * JOBS);
    loop_free(loop);
}

struct chain {
    struct loop_job job;
    struct loop *loop;
    unsigned left;
};

static void
run_chain(struct loop_job *job)
{
    struct chain *chain = (struct chain *)(void *)job;
    if (chain->left-- > 1) {
        loop_post(chain->loop, job);
    }
}

static void
freeing_the_loop_runs_what_was_posted(void **state)
{
    (void)state;
    struct loop *loop = new_loop();
    struct chain chain = {.job.run = run_chain, .loop = loop, .left = 3};
    loop_post(loop, &chain.job);
    loop_free(loop);
    assert_int_equal(chain.left, 0);
}

/* ---- signals */

static int signals_seen[2];

static void
on_signal(void *ctx, int signal_number)
{
    signals_seen[signal_number == SIGUSR2]++;
    if (signals_seen[0] + signals_seen[1] == 2) {
        loop_stop(ctx);
    }
}

static void
signals_run_on_the_loop(void **state)
{
    (void)state;
    struct err err;
    struct loop *loop = new_loop();
    assert_true(loop_signal(loop, SIGUSR1, on_signal, loop, &err));
    assert_true(loop_signal(loop, SIGUSR2, on_signal, loop, &err));
    kill(getpid(), SIGUSR1);
    kill(getpid(), SIGUSR2);
    loop_run(loop);
    assert_int_equal(signals_seen[0], 1);
    assert_int_equal(signals_seen[1], 1);
    loop_free(loop);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_in_order_unless_cleared),
        cmocka_unit_test(a_timer_that_sets_itself_leaves_room_for_others),
        cmocka_unit_test(a_watch_removed_in_a_callback_is_silent),
        cmocka_unit_test(jobs_of_many_threads_run_once_in_their_order),
        cmocka_unit_test(freeing_the_loop_runs_what_was_posted),
        cmocka_unit_test(signals_run_on_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
