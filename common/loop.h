/*
 * loop.h - the event loop of a process: descriptors, timers, signals, and jobs
 * that other threads post.
 *
 * One thread runs the loop and owns all state; loop_post() alone may be called
 * from any thread. Timers, descriptors and jobs may be added and removed from
 * inside callbacks, their own included.
 */
#ifndef COMMON_LOOP_H
#define COMMON_LOOP_H

#include "common/err.h"

struct loop;

NODISCARD bool loop_new(struct loop **loop_out, struct err *err);

/*
 * Runs the jobs that were posted and not run yet, those that they post included, then frees the
 * loop. Watches of descriptors are removed before by who added them. NULL is accepted.
 */
void loop_free(struct loop *loop);

/* Runs until loop_stop(). */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* Monotonic milliseconds, read once a turn. */
uint64_t loop_now_ms(const struct loop *loop);

/*
 * Called once at the end of every turn that ran something: for work that is better done in one go.
 * At most eight, for the life of the loop.
 */
void loop_on_turn_end(struct loop *loop, void (*fn)(void *ctx), void *ctx);

/* `events` are EPOLLIN, EPOLLOUT, …; level-triggered. */
typedef void (*loop_fd_fn)(void *ctx, uint32_t events);
struct loop_fd;
struct loop_fd *loop_fd_add(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *ctx);
void loop_fd_set(struct loop_fd *watch, uint32_t events);

/* Does not close the descriptor. NULL is accepted. */
void loop_fd_remove(struct loop_fd *watch);

/* Lives in its owner's struct; zeroed and then initialised, it is not set. */
typedef void (*loop_timer_fn)(void *ctx);
struct loop_timer {
    struct loop *loop;
    loop_timer_fn fn;
    void *ctx;
    uint64_t deadline_ms;
    size_t heap_pos; /* 0: not set */
};
void loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn fn, void *ctx);

/* Fires once, `delay_ms` from loop_now_ms(); a timer that is set is set anew. */
void loop_timer_set(struct loop_timer *timer, uint64_t delay_ms);
void loop_timer_clear(struct loop_timer *timer);
bool loop_timer_is_set(const struct loop_timer *timer);

/* What another thread hands over: `run` is called on the loop's thread and owns the job from then
 * on. */
struct loop_job {
    struct loop_job *next;
    void (*run)(struct loop_job *job);
};
void loop_post(struct loop *loop, struct loop_job *job);

/* Runs what is posted by now, outside of loop_run(): for the end of a process. */
void loop_run_posted(struct loop *loop);

/* `fn` is called on the loop's thread for this signal. To be asked before any thread is started:
 * threads inherit that it is blocked. At most eight. Errors: ERR_IO. */
NODISCARD bool loop_signal(struct loop *loop, int signal_number,
                           void (*fn)(void *ctx, int signal_number), void *ctx, struct err *err);

#endif
