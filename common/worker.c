/*
 * A lane that has tasks and none running stands in the pool's list of ready lanes; a thread takes
 * the first lane, runs its first task and puts the lane back at the end.
 */
#include "common/worker.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "common/list.h"
#include "common/mem.h"

struct worker_lane {
    struct worker_pool *pool;

    /* any thread, under lock */
    struct list node; /* in pool->ready */
    struct worker_task *first;
    struct worker_task *last;
    bool is_running;
};

struct worker_pool {
    /* set once before start */
    struct loop *loop;
    unsigned thread_count;

    /* any thread, under lock */
    pthread_mutex_t lock;
    pthread_cond_t work; /* a lane is ready, or the pool ends */
    pthread_cond_t idle; /* unfinished has become 0 */
    size_t unfinished;   /* submitted and not posted back */
    struct list ready;
    bool is_ending;

    /* loop thread */
    bool is_ended; /* the threads are gone; the memory goes with the last lane */
    size_t lane_count;
    size_t undone; /* submitted and done() not called yet */
    pthread_t threads[];
};

/* The task is back at the loop. */
static void
come_back(struct loop_job *job)
{
    struct worker_task *task = LIST_ITEM(job, struct worker_task, job);
    task->lane->pool->undone--;
    task->done(task);
}

/* Takes the next task; NULL when the pool ends and nothing is left. */
static struct worker_task *
take_task_locked(struct worker_pool *pool)
{
    while (list_is_empty(&pool->ready)) {
        if (pool->is_ending) {
            return NULL;
        }
        pthread_cond_wait(&pool->work, &pool->lock);
    }
    struct worker_lane *lane = LIST_ITEM(pool->ready.next, struct worker_lane, node);
    list_remove(&lane->node);
    struct worker_task *task = lane->first;
    lane->first = task->next;
    lane->is_running = true;
    return task;
}

/* Posts under the lock, which loop_post() never takes: so done() comes in the order of the tasks,
 * and a lane is not touched any more once its last done() can have begun to free it. */
static void
give_back_locked(struct worker_pool *pool, struct worker_lane *lane, struct worker_task *task)
{
    lane->is_running = false;
    if (lane->first != NULL) {
        list_push_back(&pool->ready, &lane->node);
        pthread_cond_signal(&pool->work);
    }
    loop_post(pool->loop, &task->job);
    pool->unfinished--;
    if (pool->unfinished == 0) {
        pthread_cond_signal(&pool->idle);
    }
}

static void *
work(void *ctx)
{
    struct worker_pool *pool = ctx;
    pthread_mutex_lock(&pool->lock);
    struct worker_task *task;
    while ((task = take_task_locked(pool)) != NULL) {
        struct worker_lane *lane = task->lane;
        pthread_mutex_unlock(&pool->lock);
        task->run(task);
        pthread_mutex_lock(&pool->lock);
        give_back_locked(pool, lane, task);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* Signals belong to the loop's thread. */
static int
start_threads(struct worker_pool *pool, unsigned threads)
{
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = 0;
    while (rc == 0 && pool->thread_count < threads) {
        rc = pthread_create(&pool->threads[pool->thread_count], NULL, work, pool);
        pool->thread_count += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

bool
worker_pool_new(struct loop *loop, unsigned threads, struct worker_pool **pool_out, struct err *err)
{
    ASSERT(threads > 0);
    struct worker_pool *pool = mem_alloc_zero(sizeof *pool + threads * sizeof(pthread_t));
    pool->loop = loop;
    list_init(&pool->ready);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->idle, NULL);
    int rc = start_threads(pool, threads);
    if (rc != 0) {
        worker_pool_free(pool);
        return err_set(err, ERR_IO, "start a worker thread: %s", strerror(rc));
    }
    *pool_out = pool;
    return true;
}

static void
free_when_unused(struct worker_pool *pool)
{
    if (pool->is_ended && pool->lane_count == 0) {
        pthread_cond_destroy(&pool->idle);
        pthread_cond_destroy(&pool->work);
        pthread_mutex_destroy(&pool->lock);
        mem_free(pool);
    }
}

static void
wait_until_idle(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    while (pool->unfinished > 0) {
        pthread_cond_wait(&pool->idle, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
}

void
worker_pool_settle(struct worker_pool *pool)
{
    while (pool->undone > 0) {
        wait_until_idle(pool); /* so all that is undone is posted */
        loop_run_posted(pool->loop);
    }
}

void
worker_pool_free(struct worker_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    worker_pool_settle(pool);
    pthread_mutex_lock(&pool->lock);
    pool->is_ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pool->is_ended = true;
    free_when_unused(pool);
}

struct worker_lane *
worker_lane_new(struct worker_pool *pool)
{
    struct worker_lane *lane = mem_alloc_zero(sizeof *lane);
    lane->pool = pool;
    list_init(&lane->node);
    pool->lane_count++;
    return lane;
}

void
worker_lane_free(struct worker_lane *lane)
{
    if (lane == NULL) {
        return;
    }
    struct worker_pool *pool = lane->pool;
    pthread_mutex_lock(&pool->lock);
    ASSERT(lane->first == NULL && !lane->is_running);
    pthread_mutex_unlock(&pool->lock);
    mem_free(lane);
    pool->lane_count--;
    free_when_unused(pool);
}

void
worker_submit(struct worker_lane *lane, struct worker_task *task)
{
    struct worker_pool *pool = lane->pool;
    pool->undone++;
    task->job.run = come_back;
    task->next = NULL;
    task->lane = lane;
    pthread_mutex_lock(&pool->lock);
    ASSERT(!pool->is_ending);
    pool->unfinished++;
    bool was_empty = lane->first == NULL;
    if (was_empty) {
        lane->first = task;
    } else {
        lane->last->next = task;
    }
    lane->last = task;
    if (was_empty && !lane->is_running) {
        list_push_back(&pool->ready, &lane->node);
        pthread_cond_signal(&pool->work);
    }
    pthread_mutex_unlock(&pool->lock);
}
