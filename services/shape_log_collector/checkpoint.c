#include "services/shape_log_collector/checkpoint.h"

#include <string.h>

#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/worker.h"
#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/log_store.h"

enum checkpoint_state {
    CHECKPOINT_IDLE,
    CHECKPOINT_SYNCING,
    CHECKPOINT_RECORDING,
};

struct waiter {
    struct list node;
    void (*done)(void *ctx);
    void *ctx;
};

struct checkpoint {
    /* set once before start */
    struct checkpoint_options options;
    struct worker_lane *lane;

    /* the worker's while syncing */
    struct worker_task task;
    struct log_sync *sync;
    struct err sync_err;
    bool is_synced;

    /* loop */
    enum checkpoint_state state;
    struct loop_timer period;
    bool is_requested; /* one more when this one ends */
    uint64_t lsn;      /* that the one under way will make durable */
    uint64_t durable_lsn;
    struct buf unseen;         /* to be recorded with it */
    struct buf unseen_durable; /* what was recorded last */
    struct list waiters;       /* of the one under way */
    struct list next_waiters;
    struct err error;
};

static void begin(struct checkpoint *checkpoint);
static void run_sync(struct worker_task *task);
static void sync_done(struct worker_task *task);

static void
on_period(void *ctx)
{
    struct checkpoint *checkpoint = ctx;
    loop_timer_set(&checkpoint->period, CHECKPOINT_PERIOD_MS);
    begin(checkpoint);
}

struct checkpoint *
checkpoint_new(const struct checkpoint_options *options, uint64_t durable_lsn)
{
    struct checkpoint *checkpoint = mem_alloc_zero(sizeof *checkpoint);
    checkpoint->options = *options;
    checkpoint->durable_lsn = durable_lsn;
    checkpoint->lane = worker_lane_new(options->pool);
    checkpoint->task.run = run_sync;
    checkpoint->task.done = sync_done;
    loop_timer_init(&checkpoint->period, options->loop, on_period, checkpoint);
    list_init(&checkpoint->waiters);
    list_init(&checkpoint->next_waiters);
    buf_append_view(&checkpoint->unseen_durable, catalogue_meta(options->catalogue)->unseen);
    return checkpoint;
}

void
checkpoint_start(struct checkpoint *checkpoint)
{
    loop_timer_set(&checkpoint->period, CHECKPOINT_PERIOD_MS);
}

static void
take_list(struct list *to, struct list *from)
{
    LIST_FOREACH (node, from) {
        list_remove(node);
        list_push_back(to, node);
    }
}

static void
tell_waiters(struct checkpoint *checkpoint)
{
    struct list waiters;
    list_init(&waiters);
    take_list(&waiters, &checkpoint->waiters);
    LIST_FOREACH (node, &waiters) {
        struct waiter *waiter = LIST_ITEM(node, struct waiter, node);
        waiter->done(waiter->ctx);
        mem_free(waiter);
    }
}

/* `error` NULL: all is well again. Logged when it changes. */
static void
set_error(struct checkpoint *checkpoint, const struct err *error)
{
    bool was_ok = checkpoint->error.kind == ERR_NONE;
    if (error == NULL) {
        if (!was_ok) {
            log_info("event=checkpoint_recovered");
        }
        checkpoint->error = (struct err){0};
        return;
    }
    if (was_ok || strcmp(checkpoint->error.msg, error->msg) != 0) {
        log_error("event=checkpoint_failed error=\"%s\"", error->msg);
    }
    checkpoint->error = *error;
}

/* The one under way is over; another begins if it was asked for meanwhile. */
static void
end(struct checkpoint *checkpoint)
{
    checkpoint->state = CHECKPOINT_IDLE;
    if (checkpoint->is_requested) {
        begin(checkpoint);
    }
}

/* The catalogue's transaction is durable. */
static void
recorded(void *ctx)
{
    struct checkpoint *checkpoint = ctx;
    ASSERT(checkpoint->state == CHECKPOINT_RECORDING);
    bool has_advanced = checkpoint->lsn != checkpoint->durable_lsn;
    checkpoint->durable_lsn = checkpoint->lsn;
    buf_clear(&checkpoint->unseen_durable);
    buf_append_view(&checkpoint->unseen_durable, buf_view(&checkpoint->unseen));
    tell_waiters(checkpoint);
    if (has_advanced) {
        checkpoint->options.durable(checkpoint->options.ctx, checkpoint->durable_lsn);
    }
    end(checkpoint);
}

static void
record(struct checkpoint *checkpoint)
{
    struct catalogue *catalogue = checkpoint->options.catalogue;
    checkpoint->state = CHECKPOINT_RECORDING;
    catalogue_set_checkpoint(catalogue, checkpoint->lsn, buf_view(&checkpoint->unseen));
    catalogue_commit(catalogue, recorded, checkpoint);
}

static void
run_sync(struct worker_task *task)
{
    struct checkpoint *checkpoint = LIST_ITEM(task, struct checkpoint, task);
    checkpoint->is_synced = log_sync_run(checkpoint->sync, &checkpoint->sync_err);
}

static void
sync_done(struct worker_task *task)
{
    struct checkpoint *checkpoint = LIST_ITEM(task, struct checkpoint, task);
    ASSERT(checkpoint->state == CHECKPOINT_SYNCING);
    log_sync_end(checkpoint->sync); /* shapes that failed leave the catalogue before we record */
    checkpoint->sync = NULL;
    if (!checkpoint->is_synced) {
        set_error(checkpoint, &checkpoint->sync_err);
        take_list(&checkpoint->next_waiters, &checkpoint->waiters);
        checkpoint->is_requested = false; /* the next period is soon enough */
        end(checkpoint);
        return;
    }
    set_error(checkpoint, NULL);
    record(checkpoint);
}

/* Whether a checkpoint now would change anything. */
static bool
has_work(const struct checkpoint *checkpoint, uint64_t lsn, const struct buf *unseen)
{
    const struct log_store *logs = checkpoint->options.logs;
    return log_store_needs_sync(logs) || lsn != checkpoint->durable_lsn ||
           !view_equal(buf_view(unseen), buf_view(&checkpoint->unseen_durable));
}

static void
begin(struct checkpoint *checkpoint)
{
    if (checkpoint->state != CHECKPOINT_IDLE) {
        return;
    }
    checkpoint->is_requested = false;
    buf_clear(&checkpoint->unseen);
    uint64_t lsn = checkpoint->options.take(checkpoint->options.ctx, &checkpoint->unseen);
    if (lsn < checkpoint->durable_lsn) {
        lsn = checkpoint->durable_lsn; /* a hello began anew at an older one meanwhile */
    }
    take_list(&checkpoint->waiters, &checkpoint->next_waiters);
    if (!has_work(checkpoint, lsn, &checkpoint->unseen)) {
        tell_waiters(checkpoint);
        return;
    }
    checkpoint->lsn = lsn;
    checkpoint->state = CHECKPOINT_SYNCING;
    checkpoint->sync = log_sync_begin(checkpoint->options.logs);
    worker_submit(checkpoint->lane, &checkpoint->task);
}

void
checkpoint_request(struct checkpoint *checkpoint)
{
    checkpoint->is_requested = true;
    begin(checkpoint);
}

void
checkpoint_on_write(struct checkpoint *checkpoint)
{
    if (log_store_unsynced_bytes(checkpoint->options.logs) >= CHECKPOINT_BYTES) {
        begin(checkpoint);
    }
}

void
checkpoint_agreed(struct checkpoint *checkpoint, uint64_t lsn)
{
    ASSERT(lsn >= checkpoint->durable_lsn);
    checkpoint->durable_lsn = lsn;
}

uint64_t
checkpoint_durable_lsn(const struct checkpoint *checkpoint)
{
    return checkpoint->durable_lsn;
}

const char *
checkpoint_error(const struct checkpoint *checkpoint)
{
    return checkpoint->error.kind != ERR_NONE ? checkpoint->error.msg
                                              : catalogue_error(checkpoint->options.catalogue);
}

void
checkpoint_wait(struct checkpoint *checkpoint, void (*done)(void *ctx), void *ctx)
{
    struct waiter *waiter = mem_alloc_zero(sizeof *waiter);
    *waiter = (struct waiter){.done = done, .ctx = ctx};
    list_init(&waiter->node);
    list_push_back(&checkpoint->next_waiters, &waiter->node);
    checkpoint_request(checkpoint);
}

static void
free_waiters(struct list *waiters)
{
    LIST_FOREACH (node, waiters) {
        mem_free(LIST_ITEM(node, struct waiter, node));
    }
}

void
checkpoint_free(struct checkpoint *checkpoint)
{
    if (checkpoint == NULL) {
        return;
    }
    if (checkpoint->sync != NULL) {
        log_sync_end(checkpoint->sync);
    }
    loop_timer_clear(&checkpoint->period);
    worker_lane_free(checkpoint->lane);
    free_waiters(&checkpoint->waiters);
    free_waiters(&checkpoint->next_waiters);
    buf_free(&checkpoint->unseen);
    buf_free(&checkpoint->unseen_durable);
    mem_free(checkpoint);
}
