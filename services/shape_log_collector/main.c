/*
 * The collector: takes the stream of changes in, routes it to shapes, owns their logs and the
 * catalogue, and answers the APIs that read them.
 *
 * Who may write the storage is decided by two locks that cannot wait for one another (design §7):
 * the advisory lock in Postgres, whose holder's engine is named in CLAIM, and the flock of the
 * folder. A collector that may not write reads; when that changes it leaves and is started anew.
 */
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/config.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "common/sql_guard.h"
#include "common/worker.h"
#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/checkpoint.h"
#include "services/shape_log_collector/creation.h"
#include "services/shape_log_collector/db_client.h"
#include "services/shape_log_collector/hints.h"
#include "services/shape_log_collector/ingest.h"
#include "services/shape_log_collector/janitor.h"
#include "services/shape_log_collector/log_store.h"
#include "services/shape_log_collector/publishing.h"
#include "services/shape_log_collector/reclaim.h"
#include "services/shape_log_collector/registry.h"
#include "services/shape_log_collector/relation_cache.h"
#include "services/shape_log_collector/repl_server.h"
#include "services/shape_log_collector/shape_server.h"

#define WORKERS         2
#define DESCRIPTORS_MAX 16384u
/* Of slot names; the stream id follows. */
#define SLOT_PREFIX "electric_slot_"

#define DESCRIPTORS_RESERVE 256u /* sockets, the catalogue, snapshot files */
#define OWNERSHIP_PERIOD_MS 500

struct process {
    struct collector collector;
    struct loop_timer ownership;
    char engine[STORAGE_CLAIM_SIZE];
    char claim[STORAGE_CLAIM_SIZE];
    bool is_draining;
};

/* ---- what the parts tell each other */

static void
on_end_shape(void *ctx, struct shape_feed *feed, const char *reason)
{
    (void)ctx;
    registry_end(feed->owner, reason, NULL);
}

static void
on_held_too_much(void *ctx, struct shape_feed *feed)
{
    struct shape *shape = feed->owner;
    (void)ctx;
    if (shape->creation != NULL) {
        creation_rejoin(shape->creation);
    }
}

static void
on_inspect(void *ctx, uint32_t oid)
{
    struct collector *collector = ctx;
    janitor_inspect(collector->janitor, oid);
}

static void
on_relation_changed(void *ctx, uint32_t oid, struct view schema, struct view name)
{
    struct collector *collector = ctx;
    (void)oid;
    relation_cache_forget(collector->relations, schema, name);
}

static void
tell_storage(struct collector *collector)
{
    const char *error = catalogue_error(collector->catalogue);
    if (error == NULL) {
        error = checkpoint_error(collector->checkpoint);
    }
    if (error == NULL && log_store_is_blocked(collector->logs)) {
        error = "the disk takes no more";
    }
    service_set_condition(collector->service, STATUS_STORAGE_WRITABLE, error == NULL, error);
}

static void
on_batch_done(void *ctx, const struct err *failed)
{
    struct collector *collector = ctx;
    hints_flush(collector->hints);
    repl_server_batch_done(collector->repl, failed);
    checkpoint_on_write(collector->checkpoint);
    creation_on_progress(collector);
}

static void
on_checkpoint_wanted(void *ctx)
{
    struct collector *collector = ctx;
    checkpoint_request(collector->checkpoint);
}

static uint64_t
get_checkpoint_lsn(void *ctx)
{
    struct collector *collector = ctx;
    return repl_server_durable_lsn(collector->repl);
}

static void
on_advanced(void *ctx, void *owner, const struct log_advance *advance)
{
    struct collector *collector = ctx;
    struct shape *shape = owner;
    if (shape->state == SHAPE_ANNOUNCED || shape->state == SHAPE_COMPLETE) {
        struct view items = advance->is_in_one_chunk ? advance->items : (struct view){0};
        hints_advanced(collector->hints, view_str(shape->handle), advance->from, advance->to,
                       items);
    }
}

static void
on_log_failed(void *ctx, void *owner, const struct err *err)
{
    (void)ctx;
    registry_end(owner, err->msg, NULL);
}

static uint64_t
take_checkpoint(void *ctx, struct buf *unseen_out)
{
    struct collector *collector = ctx;
    unseen_encode(ingest_unseen(collector->ingest), unseen_out);
    uint64_t received = ingest_received_lsn(collector->ingest);
    uint64_t durable = repl_server_durable_lsn(collector->repl);
    return received > durable ? received : durable;
}

static void
on_durable(void *ctx, uint64_t lsn)
{
    struct collector *collector = ctx;
    (void)lsn;
    tell_storage(collector);
}

static uint64_t
get_processed_lsn(void *ctx)
{
    struct collector *collector = ctx;
    return ingest_received_lsn(collector->ingest);
}

static uint64_t
get_epoch(void *ctx)
{
    const struct collector *collector = ctx;
    return collector->epoch;
}

static bool
is_known_handle(void *ctx, const char *handle)
{
    struct collector *collector = ctx;
    return registry_by_handle(collector->registry, view_str(handle)) != NULL;
}

/* ---- who may write */

static void
leave_to_start_anew(struct process *process, const char *reason)
{
    log_info("event=collector_restarts reason=\"%s\"", reason);
    service_exit(process->collector.service, SERVICE_EXIT_CLEAN);
}

static void
on_handed_over(void *ctx)
{
    struct process *process = ctx;
    storage_dir_unlock(process->collector.dir);
    leave_to_start_anew(process,
                        "another engine has the lock of the database: reading from now on");
}

/* Ours: named so. */
static bool
write_claim(struct process *process)
{
    struct err err;
    if (strcmp(process->claim, process->engine) == 0) {
        return true;
    }
    if (!storage_dir_write_claim(process->collector.dir, process->engine, &err)) {
        log_error("event=claim_failed error=\"%s\"", err.msg);
        return false;
    }
    memcpy(process->claim, process->engine, sizeof process->claim);
    return true;
}

static void
look_as_writer(struct process *process, bool has_lock)
{
    bool is_others = process->claim[0] != '\0' && strcmp(process->claim, process->engine) != 0;
    tell_storage(&process->collector);
    if (has_lock) {
        (void)write_claim(process);
    } else if (is_others && !process->is_draining) {
        process->is_draining = true;
        checkpoint_wait(process->collector.checkpoint, on_handed_over, process);
    }
}

/* What the writer has done to the shapes since. */
static void
follow_writer(struct process *process)
{
    struct err err;
    struct collector *collector = &process->collector;
    if (!catalogue_has_changed(collector->catalogue)) {
        return;
    }
    if (catalogue_meta(collector->catalogue)->epoch != collector->epoch) {
        leave_to_start_anew(process, "the storage was reset by the engine that writes it");
    } else if (!registry_refresh(collector->registry, &err)) {
        log_error("event=catalogue_unreadable error=\"%s\"", err.msg);
    }
}

static void
look_as_reader(struct process *process, bool has_lock)
{
    struct err err;
    follow_writer(process);
    bool is_locked = false;
    bool may_write =
        has_lock || process->claim[0] == '\0' || strcmp(process->claim, process->engine) == 0;
    if (!may_write) {
        return;
    }
    if (!storage_dir_lock(process->collector.dir, &is_locked, &err)) {
        log_error("event=lock_failed error=\"%s\"", err.msg);
    } else if (is_locked) {
        if (!has_lock || write_claim(process)) {
            leave_to_start_anew(process, "the storage is ours to write now");
        }
    }
}

static void
on_ownership(void *ctx)
{
    struct process *process = ctx;
    struct err err;
    struct collector *collector = &process->collector;
    bool has_lock = service_is_met(collector->service, STATUS_PG_LOCK_ACQUIRED, NULL);
    loop_timer_set(&process->ownership, OWNERSHIP_PERIOD_MS);
    if (!storage_dir_read_claim(collector->dir, process->claim, &err)) {
        log_error("event=claim_unreadable error=\"%s\"", err.msg);
    } else if (collector->is_read_only) {
        look_as_reader(process, has_lock);
    } else {
        look_as_writer(process, has_lock);
    }
}

/* ---- start */

static unsigned
raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return DESCRIPTORS_RESERVE;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0 && getrlimit(RLIMIT_NOFILE, &limit) != 0) {
        return DESCRIPTORS_RESERVE;
    }
    rlim_t most = limit.rlim_cur > DESCRIPTORS_RESERVE ? limit.rlim_cur - DESCRIPTORS_RESERVE : 2;
    return most < DESCRIPTORS_MAX ? (unsigned)most : DESCRIPTORS_MAX;
}

/* The shapes of one stream are not thrown away because somebody named another by mistake. */
static bool
check_stream(const struct collector *collector, struct err *err)
{
    const char *stored = catalogue_meta(collector->catalogue)->identity.slot;
    size_t prefix = strlen(SLOT_PREFIX);
    if (stored[0] == '\0' || strncmp(stored, SLOT_PREFIX, prefix) != 0 ||
        strcmp(stored + prefix, collector->config->stream_id) == 0) {
        return true;
    }
    return err_set(err, ERR_INVALID,
                   "storage folder %s belongs to replication stream %s, not to %s: "
                   "ELECTRIC_STORAGE_DIR or ELECTRIC_REPLICATION_STREAM_ID is wrong",
                   collector->config->storage_dir, stored + prefix, collector->config->stream_id);
}

static bool
open_storage(struct process *process, struct err *err)
{
    struct collector *collector = &process->collector;
    bool is_locked = false;
    if (!storage_dir_open(collector->config->storage_dir, &collector->dir, err) ||
        !storage_dir_read_claim(collector->dir, process->claim, err)) {
        return false;
    }
    bool is_others = process->claim[0] != '\0' && strcmp(process->claim, process->engine) != 0;
    if (!is_others && !storage_dir_lock(collector->dir, &is_locked, err)) {
        return false;
    }
    collector->is_read_only = !is_locked;
    if (collector->is_read_only) {
        log_info("event=storage_read_only claim=\"%s\"", process->claim);
    }
    if (!catalogue_open(collector->dir, collector->is_read_only, &collector->catalogue, err) ||
        !check_stream(collector, err)) {
        return false;
    }
    collector->epoch = catalogue_meta(collector->catalogue)->epoch;
    return collector->is_read_only || storage_dir_make_epoch(collector->dir, collector->epoch, err);
}

static void
make_logs(struct collector *collector)
{
    struct log_store_options options = {
        .dir = collector->dir,
        .epoch = collector->epoch,
        .checkpoint_lsn = catalogue_meta(collector->catalogue)->checkpoint_lsn,
        .chunk_bytes = collector->config->chunk_bytes,
        .descriptors_max = raise_descriptor_limit(),
        .is_read_only = collector->is_read_only,
        .ctx = collector,
        .advanced = on_advanced,
        .failed = on_log_failed,
    };
    collector->logs = log_store_new(&options);
}

static bool
make_ingest(struct collector *collector, struct err *err)
{
    struct ingest_options options = {
        .loop = collector->loop,
        .logs = collector->logs,
        .routing = collector->routing,
        .ctx = collector,
        .end_shape = on_end_shape,
        .held_too_much = on_held_too_much,
        .inspect = on_inspect,
        .relation_changed = on_relation_changed,
        .done = on_batch_done,
        .checkpoint_wanted = on_checkpoint_wanted,
        .checkpoint_lsn = get_checkpoint_lsn,
    };
    struct view unseen = catalogue_meta(collector->catalogue)->unseen;
    collector->ingest = ingest_new(&options);
    return unseen.size == 0 || unseen_decode(ingest_unseen(collector->ingest), unseen, err);
}

static void
make_checkpoint(struct collector *collector)
{
    struct checkpoint_options options = {
        .loop = collector->loop,
        .pool = collector->pool,
        .logs = collector->logs,
        .catalogue = collector->catalogue,
        .ctx = collector,
        .take = take_checkpoint,
        .durable = on_durable,
    };
    collector->checkpoint =
        checkpoint_new(&options, catalogue_meta(collector->catalogue)->checkpoint_lsn);
}

static void
make_reclaim(struct collector *collector)
{
    struct reclaim_options options = {
        .loop = collector->loop,
        .pool = collector->pool,
        .dir = collector->dir,
        .epoch = collector->epoch,
        .ctx = collector,
        .is_known = is_known_handle,
    };
    collector->reclaim = reclaim_new(&options);
}

static bool
open_channels(struct collector *collector, struct err *err)
{
    const struct config *config = collector->config;
    struct hints_options hints = {
        .service = collector->service,
        .url = config->bus_log,
        .ctx = collector,
        .processed_lsn = get_processed_lsn,
        .epoch = get_epoch,
    };
    return repl_server_open(collector, config->bus_repl, &collector->repl, err) &&
           hints_open(&hints, &collector->hints, err) &&
           db_client_open(collector->service, config->bus_db, &collector->db, err);
}

static void
start(struct collector *collector)
{
    service_set_condition(collector->service, STATUS_SHAPE_METADATA_READY, true, NULL);
    if (!collector->is_read_only) {
        catalogue_start(collector->catalogue, collector->loop, collector->pool);
        checkpoint_start(collector->checkpoint);
        reclaim_start(collector->reclaim);
        service_set_condition(collector->service, STATUS_STORAGE_WRITABLE, true, NULL);
    }
    service_set_condition(collector->service, STATUS_SHAPE_LOG_COLLECTOR_READY,
                          !collector->is_read_only,
                          collector->is_read_only ? "another engine writes the storage" : NULL);
    service_set_ready(collector->service, true);
}

static void fini(void *state);

static bool
set_up(struct process *process, struct err *err)
{
    struct collector *collector = &process->collector;
    if (!open_storage(process, err) ||
        !worker_pool_new(collector->loop, WORKERS, &collector->pool, err)) {
        return false;
    }
    collector->routing = routing_new();
    make_logs(collector);
    make_checkpoint(collector);
    make_reclaim(collector);
    if (!make_ingest(collector, err) || !open_channels(collector, err)) {
        return false;
    }
    collector->relations = relation_cache_new(collector->db);
    collector->publishing = publishing_new(collector->service, collector->db, collector->catalogue);
    collector->janitor = janitor_new(collector);
    collector->registry = registry_new(collector);
    if (!registry_load(collector->registry, err) ||
        !shape_server_open(collector, collector->config->bus_shape, &collector->shapes, err)) {
        return false;
    }
    start(collector);
    loop_timer_init(&process->ownership, collector->loop, on_ownership, process);
    loop_timer_set(&process->ownership, OWNERSHIP_PERIOD_MS);
    return true;
}

static bool
init(struct service *service, void **state_out, struct err *err)
{
    struct process *process = mem_alloc_zero(sizeof *process);
    struct collector *collector = &process->collector;
    char host[64] = "";
    sql_guard_prepare_stack();
    collector->service = service;
    collector->loop = service_loop(service);
    collector->config = service_config(service);
    list_init(&collector->creations);
    (void)gethostname(host, sizeof host - 1); /* an empty name will do */
    snprintf(process->engine, sizeof process->engine, "%s:%s", host,
             collector->config->runtime_dir);
    if (!set_up(process, err)) {
        fini(process);
        return false;
    }
    *state_out = process;
    return true;
}

/* ---- end */

static void
on_all_durable(void *ctx)
{
    struct process *process = ctx;
    service_exit(process->collector.service, SERVICE_EXIT_CLEAN);
}

static void
drain(void *state)
{
    struct process *process = state;
    if (process->collector.is_read_only || process->is_draining) {
        service_exit(process->collector.service, SERVICE_EXIT_CLEAN);
        return;
    }
    process->is_draining = true;
    checkpoint_wait(process->collector.checkpoint, on_all_durable, process);
}

static void
cancel_creation(void *ctx, struct shape *shape)
{
    (void)ctx;
    if (shape->creation != NULL) {
        creation_cancel(shape->creation);
    }
}

/* What is with a worker comes back before anything that it belongs to is freed. */
static void
settle(struct collector *collector)
{
    if (collector->registry != NULL) {
        registry_each(collector->registry, cancel_creation, NULL);
    }
    if (collector->pool != NULL) {
        worker_pool_settle(collector->pool);
    }
}

static void
fini(void *state)
{
    struct process *process = state;
    struct collector *collector = &process->collector;
    loop_timer_clear(&process->ownership);
    settle(collector);
    shape_server_close(collector->shapes);
    registry_free(collector->registry);
    janitor_free(collector->janitor);
    publishing_free(collector->publishing);
    relation_cache_free(collector->relations);
    hints_close(collector->hints);
    repl_server_close(collector->repl);
    db_client_close(collector->db);
    ingest_free(collector->ingest);
    worker_pool_free(collector->pool);
    reclaim_free(collector->reclaim);
    checkpoint_free(collector->checkpoint);
    routing_free(collector->routing);
    log_store_free(collector->logs);
    catalogue_close(collector->catalogue);
    storage_dir_close(collector->dir);
    mem_free(process);
}

int
main(int argc, char **argv)
{
    static const struct service_def def = {
        .name = "shape_log_collector",
        .summary = "takes the stream of changes in and keeps the logs of the shapes",
        .init = init,
        .drain = drain,
        .fini = fini,
    };
    return service_run(argc, argv, &def);
}
