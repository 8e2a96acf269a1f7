/*
 * worker.h - a few threads for heavy pure work and for calls that block (fsync).
 *
 * A task gets its input in its struct, runs on a worker without touching
 * anything else, and comes back to the loop. Tasks of one lane run one after
 * another, in order; different lanes run side by side.
 */
#ifndef COMMON_WORKER_H
#define COMMON_WORKER_H

#include "common/loop.h"

struct worker_pool;
struct worker_lane;

struct worker_task {
    struct loop_job job; /* worker.c's */
    struct worker_task *next;
    struct worker_lane *lane;
    void (*run)(struct worker_task *task);  /* on a worker */
    void (*done)(struct worker_task *task); /* on the loop; owns the task from then on */
};

NODISCARD bool worker_pool_new(struct loop *loop, unsigned threads, struct worker_pool **pool_out,
                               struct err *err);

/*
 * Blocks until nothing is queued or runs and every done() was called, also of what those submit;
 * other jobs that were posted to the loop run as well. For the end of a process, before what the
 * tasks belong to is freed.
 */
void worker_pool_settle(struct worker_pool *pool);

/* Settles, then ends the threads. Its memory goes with the last lane. NULL is accepted. */
void worker_pool_free(struct worker_pool *pool);

struct worker_lane *worker_lane_new(struct worker_pool *pool);

/* Nothing may be queued in it, nor be on its way back. */
void worker_lane_free(struct worker_lane *lane);

void worker_submit(struct worker_lane *lane, struct worker_task *task);

#endif
