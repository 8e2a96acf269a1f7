#include "common/loop.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/list.h"
#include "common/mem.h"
#include "common/metrics.h"

#define EVENTS_PER_TURN   256
#define TURN_ENDS_MAX     8
#define SIGNALS_MAX       8
#define TIMERS_MIN        16
#define TIMER_WAIT_MS_MAX 60000u /* only so that the number fits epoll_wait's int */

struct loop_fd {
    struct list node; /* in loop->watches, or in loop->removed until the turn's end */
    struct loop *loop;
    int fd;
    uint32_t events;
    loop_fd_fn fn; /* NULL: removed */
    void *ctx;
};

struct turn_end {
    void (*fn)(void *ctx);
    void *ctx;
};

struct signal_watch {
    int number;
    void (*fn)(void *ctx, int signal_number);
    void *ctx;
};

struct loop {
    /* any thread, atomically: jobs, the newest first */
    struct loop_job *posted;

    /* set once before start */
    int epoll_fd;
    int wake_fd;

    /* loop thread */
    bool is_stopping;
    uint64_t now_ms;
    struct list watches;
    size_t watch_count;
    struct list removed;
    struct loop_fd *wake_watch;
    struct loop_timer **timers; /* heap by deadline; [0] is not used */
    size_t timer_count;
    size_t timer_capacity;
    struct turn_end turn_ends[TURN_ENDS_MAX];
    size_t turn_end_count;
    int signal_fd; /* -1: none asked for yet */
    sigset_t signal_set;
    struct loop_fd *signal_watch;
    struct signal_watch signals[SIGNALS_MAX];
    size_t signal_count;
};

/* ---- jobs of other threads */

void
loop_post(struct loop *loop, struct loop_job *job)
{
    struct loop_job *head = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
    do {
        job->next = head;
    } while (!__atomic_compare_exchange_n(&loop->posted, &head, job, true, __ATOMIC_RELEASE,
                                          __ATOMIC_RELAXED));
    if (head == NULL) { /* else whoever found it empty has woken the loop */
        uint64_t one = 1;
        ssize_t n;
        do {
            n = write(loop->wake_fd, &one, sizeof one);
        } while (n < 0 && errno == EINTR);
        ASSERT(n == (ssize_t)sizeof one);
    }
}

/* Runs what is posted by now, the oldest first. False when there was nothing. */
static bool
run_posted(struct loop *loop)
{
    struct loop_job *newest = __atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
    struct loop_job *oldest = NULL;
    while (newest != NULL) {
        struct loop_job *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    bool any = oldest != NULL;
    while (oldest != NULL) {
        struct loop_job *job = oldest;
        oldest = job->next; /* run() may free the job */
        job->run(job);
    }
    return any;
}

void
loop_run_posted(struct loop *loop)
{
    (void)run_posted(loop); /* the wake for them comes to nothing later */
}

static void
on_wake(void *ctx, uint32_t events)
{
    struct loop *loop = ctx;
    (void)events;
    uint64_t count;
    /* Before the queue is taken: who posts after that wakes us anew. EAGAIN is a wake for jobs that
     * are taken already. */
    if (read(loop->wake_fd, &count, sizeof count) == (ssize_t)sizeof count) {
        (void)run_posted(loop);
    }
}

/* ---- start and end */

bool
loop_new(struct loop **loop_out, struct err *err)
{
    struct loop *loop = mem_alloc_zero(sizeof *loop);
    list_init(&loop->watches);
    list_init(&loop->removed);
    loop->signal_fd = -1;
    loop->wake_fd = -1;
    (void)sigemptyset(&loop->signal_set); /* cannot fail */
    loop->now_ms = clock_mono_ms();
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd >= 0) {
        loop->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    }
    if (loop->wake_fd < 0) {
        err_set(err, ERR_IO, "create the event loop: %s", strerror(errno));
        if (loop->epoll_fd >= 0) {
            close(loop->epoll_fd);
        }
        mem_free(loop);
        return false;
    }
    loop->wake_watch = loop_fd_add(loop, loop->wake_fd, EPOLLIN, on_wake, loop);
    *loop_out = loop;
    return true;
}

static void
free_removed(struct loop *loop)
{
    LIST_FOREACH (node, &loop->removed) {
        mem_free(LIST_ITEM(node, struct loop_fd, node));
    }
    list_init(&loop->removed);
}

void
loop_free(struct loop *loop)
{
    if (loop == NULL) {
        return;
    }
    /* Jobs own memory that only their run() frees, and may post again. */
    while (run_posted(loop)) {
    }
    loop_fd_remove(loop->signal_watch);
    loop_fd_remove(loop->wake_watch);
    free_removed(loop);
    if (loop->signal_fd >= 0) {
        close(loop->signal_fd);
    }
    close(loop->wake_fd);
    close(loop->epoll_fd);
    mem_free(loop->timers);
    mem_free(loop);
}

uint64_t
loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

void
loop_on_turn_end(struct loop *loop, void (*fn)(void *ctx), void *ctx)
{
    ASSERT(loop->turn_end_count < TURN_ENDS_MAX);
    loop->turn_ends[loop->turn_end_count++] = (struct turn_end){fn, ctx};
}

/* ---- descriptors */

struct loop_fd *
loop_fd_add(struct loop *loop, int fd, uint32_t events, loop_fd_fn fn, void *ctx)
{
    struct loop_fd *watch = mem_alloc_zero(sizeof *watch);
    *watch = (struct loop_fd){.loop = loop, .fd = fd, .events = events, .fn = fn, .ctx = ctx};
    list_push_back(&loop->watches, &watch->node);
    metrics_set(METRIC_LOOP_WATCHES, ++loop->watch_count);
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event);
    ASSERT(rc == 0);
    return watch;
}

void
loop_fd_set(struct loop_fd *watch, uint32_t events)
{
    ASSERT(watch->fn != NULL);
    if (watch->events == events) {
        return;
    }
    watch->events = events;
    struct epoll_event event = {.events = events, .data.ptr = watch};
    int rc = epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event);
    ASSERT(rc == 0);
}

/* An event of this turn may still point at the watch, so it is freed at the turn's end. */
void
loop_fd_remove(struct loop_fd *watch)
{
    if (watch == NULL) {
        return;
    }
    ASSERT(watch->fn != NULL);
    struct loop *loop = watch->loop;
    /* Fails when a library has closed the descriptor already, and with it the registration. */
    (void)epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->fn = NULL;
    metrics_set(METRIC_LOOP_WATCHES, --loop->watch_count);
    list_remove(&watch->node);
    list_push_back(&loop->removed, &watch->node);
}

/* ---- timers: a binary heap, the least deadline at [1] */

static void
put_timer(struct loop *loop, size_t pos, struct loop_timer *timer)
{
    loop->timers[pos] = timer;
    timer->heap_pos = pos;
}

/* Moves `timer` from the free place `pos` up or down to where it belongs. */
static void
settle_timer(struct loop *loop, size_t pos, struct loop_timer *timer)
{
    while (pos > 1 && loop->timers[pos / 2]->deadline_ms > timer->deadline_ms) {
        put_timer(loop, pos, loop->timers[pos / 2]);
        pos /= 2;
    }
    for (;;) {
        size_t child = pos * 2;
        if (child > loop->timer_count) {
            break;
        }
        if (child < loop->timer_count &&
            loop->timers[child + 1]->deadline_ms < loop->timers[child]->deadline_ms) {
            child++;
        }
        if (loop->timers[child]->deadline_ms >= timer->deadline_ms) {
            break;
        }
        put_timer(loop, pos, loop->timers[child]);
        pos = child;
    }
    put_timer(loop, pos, timer);
}

void
loop_timer_init(struct loop_timer *timer, struct loop *loop, loop_timer_fn fn, void *ctx)
{
    *timer = (struct loop_timer){.loop = loop, .fn = fn, .ctx = ctx};
}

void
loop_timer_set(struct loop_timer *timer, uint64_t delay_ms)
{
    struct loop *loop = timer->loop;
    timer->deadline_ms = loop->now_ms + delay_ms;
    if (timer->heap_pos == 0) {
        if (loop->timer_count + 2 > loop->timer_capacity) {
            loop->timer_capacity =
                loop->timer_capacity == 0 ? TIMERS_MIN : loop->timer_capacity * 2;
            loop->timers =
                mem_realloc(loop->timers, loop->timer_capacity * sizeof(struct loop_timer *));
        }
        timer->heap_pos = ++loop->timer_count;
    }
    settle_timer(loop, timer->heap_pos, timer);
}

void
loop_timer_clear(struct loop_timer *timer)
{
    if (timer->heap_pos == 0) {
        return;
    }
    struct loop *loop = timer->loop;
    struct loop_timer *last = loop->timers[loop->timer_count--];
    if (last != timer) {
        settle_timer(loop, timer->heap_pos, last);
    }
    timer->heap_pos = 0;
}

bool
loop_timer_is_set(const struct loop_timer *timer)
{
    return timer->heap_pos != 0;
}

/* Every timer at most once a turn or so: one that sets itself to 0 ms must not keep the loop. */
static bool
run_timers(struct loop *loop)
{
    size_t left = loop->timer_count;
    bool any = false;
    while (left-- > 0 && loop->timer_count > 0 && loop->timers[1]->deadline_ms <= loop->now_ms) {
        struct loop_timer *timer = loop->timers[1];
        loop_timer_clear(timer);
        timer->fn(timer->ctx);
        any = true;
    }
    return any;
}

static int
wait_ms(const struct loop *loop)
{
    if (loop->timer_count == 0) {
        return -1;
    }
    uint64_t deadline_ms = loop->timers[1]->deadline_ms;
    if (deadline_ms <= loop->now_ms) {
        return 0;
    }
    uint64_t wait = deadline_ms - loop->now_ms;
    return (int)(wait < TIMER_WAIT_MS_MAX ? wait : TIMER_WAIT_MS_MAX);
}

/* ---- signals */

static void
on_signals(void *ctx, uint32_t events)
{
    struct loop *loop = ctx;
    (void)events;
    struct signalfd_siginfo got;
    while (read(loop->signal_fd, &got, sizeof got) == (ssize_t)sizeof got) {
        for (size_t i = 0; i < loop->signal_count; i++) {
            if (loop->signals[i].number == (int)got.ssi_signo) {
                loop->signals[i].fn(loop->signals[i].ctx, loop->signals[i].number);
            }
        }
    }
}

bool
loop_signal(struct loop *loop, int signal_number, void (*fn)(void *ctx, int signal_number),
            void *ctx, struct err *err)
{
    ASSERT(loop->signal_count < SIGNALS_MAX);
    sigset_t set = loop->signal_set;
    int rc = sigaddset(&set, signal_number);
    ASSERT(rc == 0);
    int fd = signalfd(loop->signal_fd, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) {
        return err_set(err, ERR_IO, "watch signal %d: %s", signal_number, strerror(errno));
    }
    rc = pthread_sigmask(SIG_BLOCK, &set, NULL);
    ASSERT(rc == 0);
    loop->signal_set = set;
    loop->signals[loop->signal_count++] = (struct signal_watch){signal_number, fn, ctx};
    if (loop->signal_fd < 0) {
        loop->signal_fd = fd;
        loop->signal_watch = loop_fd_add(loop, fd, EPOLLIN, on_signals, loop);
    }
    return true;
}

/* ---- running */

static bool
run_ready(const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        struct loop_fd *watch = events[i].data.ptr;
        if (watch->fn != NULL) {
            watch->fn(watch->ctx, events[i].events);
        }
    }
    return count > 0;
}

/* Reads the clock; gives it in microseconds. */
static uint64_t
read_clock(struct loop *loop)
{
    uint64_t now_us = clock_mono_us();
    loop->now_ms = now_us / 1000;
    return now_us;
}

void
loop_run(struct loop *loop)
{
    struct epoll_event events[EVENTS_PER_TURN];
    loop->is_stopping = false;
    read_clock(loop);
    while (!loop->is_stopping) {
        int count = epoll_wait(loop->epoll_fd, events, EVENTS_PER_TURN, wait_ms(loop));
        ASSERT(count >= 0 || errno == EINTR);
        uint64_t start_us = read_clock(loop);
        bool any = run_ready(events, count);
        any = run_timers(loop) || any;
        for (size_t i = 0; any && i < loop->turn_end_count; i++) {
            loop->turn_ends[i].fn(loop->turn_ends[i].ctx);
        }
        free_removed(loop);
        metrics_observe_us(METRIC_LOOP_TURN, read_clock(loop) - start_us);
    }
}

void
loop_stop(struct loop *loop)
{
    loop->is_stopping = true;
}
