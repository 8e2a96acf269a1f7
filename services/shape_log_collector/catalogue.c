#include "services/shape_log_collector/catalogue.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/db.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sys.h"
#include "common/worker.h"
#include "services/shape_log_collector/catalogue_change.h"
#include "services/shape_log_collector/catalogue_read.h"
#include "services/shape_log_collector/storage_dir.h"

#define FORMAT   1
#define RETRY_MS 1000

struct waiter {
    struct list node;
    void (*done)(void *ctx);
    void *ctx;
};

/* One SQLite transaction and who waits for it. The worker's while it runs, the loop's else. */
struct batch {
    struct worker_task task;
    struct catalogue *catalogue;
    struct list changes;
    struct list waiters;
    struct err err;
    bool ok;
};

struct catalogue {
    /* loop until catalogue_start(), then the lane's */
    struct db *db;
    struct catalogue_statements *statements;

    /* loop */
    struct storage_dir *dir;
    bool is_read_only;
    bool is_unborn; /* read-only: the writer is about to make the tables */
    uint64_t loaded_version;
    struct catalogue_meta meta;
    struct buf unseen;
    struct loop_timer retry;
    struct worker_lane *lane;
    struct list changes;    /* recorded, in no batch yet */
    bool has_shape_changes; /* among them */
    struct list waiters;    /* of the next batch */
    bool is_wanted;         /* a commit was asked for since the last batch began */
    bool is_damaged;
    struct batch *batch; /* running, or waiting to be tried again */
    struct err error;    /* kind ERR_NONE: none */
};

static void
file_path(const struct catalogue *catalogue, char path_out[STORAGE_FILE_MAX])
{
    storage_dir_file(catalogue->dir, "catalogue.sqlite", path_out);
}

static bool
make_schema(struct catalogue *catalogue, struct err *err)
{
    char sql[1024];
    snprintf(sql, sizeof sql,
             "BEGIN IMMEDIATE;"
             "CREATE TABLE meta (key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;"
             "CREATE TABLE quiesced (oid INTEGER PRIMARY KEY, name TEXT NOT NULL) STRICT;"
             "CREATE TABLE shapes (id INTEGER PRIMARY KEY, handle TEXT NOT NULL UNIQUE,"
             " definition BLOB NOT NULL, created_us INTEGER NOT NULL, lsn INTEGER NOT NULL,"
             " marks BLOB NOT NULL, chunk_ends BLOB NOT NULL) STRICT;"
             "INSERT INTO meta VALUES ('epoch', %" PRIu64 "), ('checkpoint_lsn', 0);"
             "PRAGMA user_version = %d;"
             "COMMIT",
             clock_wall_us(), FORMAT);
    return db_exec(catalogue->db, sql, err);
}

static bool
query_number(struct db *db, const char *sql, uint64_t *number_out, struct err *err)
{
    struct db_stmt *stmt;
    if (!db_prepare(db, sql, &stmt, err)) {
        return false;
    }
    enum db_step_result result = db_step(stmt, err);
    if (result == DB_ROW) {
        *number_out = db_column_u64(stmt, 0);
    }
    db_finish(stmt);
    return result == DB_ROW;
}

static bool
check_format(struct catalogue *catalogue, struct err *err)
{
    uint64_t format = 0;
    if (!query_number(catalogue->db, "PRAGMA user_version", &format, err)) {
        return false;
    }
    if (format > FORMAT) {
        return err_set(err, ERR_INVALID,
                       "%s: the catalogue's format %" PRIu64
                       " is newer than ours (%d): use a newer shapewire",
                       storage_dir_path(catalogue->dir), format, FORMAT);
    }
    if (format > 0) {
        return db_check(catalogue->db, err);
    }
    catalogue->is_unborn = catalogue->is_read_only;
    return catalogue->is_unborn ? err_set(err, ERR_CORRUPT, "the catalogue is empty")
                                : make_schema(catalogue, err);
}

static bool
open_file(struct catalogue *catalogue, struct err *err)
{
    char path[STORAGE_FILE_MAX];
    file_path(catalogue, path);
    if (!db_open(path, catalogue->is_read_only ? DB_READ : DB_WRITE, &catalogue->db, err)) {
        return false;
    }
    if (check_format(catalogue, err) &&
        catalogue_read_meta(catalogue->db, &catalogue->meta, &catalogue->unseen, err)) {
        return true;
    }
    db_close(catalogue->db);
    catalogue->db = NULL;
    return false;
}

/*
 * Out of the way of a new one, for a person to look at. The WAL goes first: left behind, it would
 * be taken for the new file's.
 */
static bool
set_aside(struct catalogue *catalogue, const struct err *why, struct err *err)
{
    static const char *const suffixes[] = {"-wal", "-shm", ""};
    char path[STORAGE_FILE_MAX];
    char from[STORAGE_FILE_MAX + 8];
    char to[STORAGE_FILE_MAX + 40];
    uint64_t now_us = clock_wall_us();
    file_path(catalogue, path);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        snprintf(from, sizeof from, "%s%s", path, suffixes[i]);
        snprintf(to, sizeof to, "%s.damaged-%" PRIu64 "%s", path, now_us, suffixes[i]);
        bool is_main = i == COUNT_OF(suffixes) - 1;
        if (sys_rename(from, to) != 0 && is_main) {
            return fs_fail(err, "rename", from);
        }
    }
    log_error(
        "event=catalogue_damaged error=\"%s\" set_aside=\"%s\" effect=\"all shapes start anew,"
        " clients fetch again\"",
        why->msg, to);
    return true;
}

bool
catalogue_open(struct storage_dir *dir, bool is_read_only, struct catalogue **catalogue_out,
               struct err *err)
{
    struct catalogue *catalogue = mem_alloc_zero(sizeof *catalogue);
    catalogue->dir = dir;
    catalogue->is_read_only = is_read_only;
    list_init(&catalogue->changes);
    list_init(&catalogue->waiters);

    bool ok = open_file(catalogue, err);
    if (!ok && err->kind == ERR_CORRUPT && !is_read_only) {
        struct err why = *err;
        ok = set_aside(catalogue, &why, err) && open_file(catalogue, err);
    }
    char path[STORAGE_FILE_MAX];
    file_path(catalogue, path);
    if (!ok && is_read_only && (catalogue->is_unborn || !fs_exists(path))) {
        ok = true; /* nobody has written yet: empty */
    }
    if (!ok) {
        catalogue_close(catalogue);
        return false;
    }
    *catalogue_out = catalogue;
    return true;
}

const struct catalogue_meta *
catalogue_meta(const struct catalogue *catalogue)
{
    return &catalogue->meta;
}

bool
catalogue_load(struct catalogue *catalogue, void *ctx,
               void (*shape)(void *ctx, const struct catalogue_shape *shape),
               void (*quiesced)(void *ctx, const struct catalogue_quiesced *table), struct err *err)
{
    ASSERT(catalogue->lane == NULL);
    if (catalogue->db == NULL) {
        return true;
    }
    catalogue->loaded_version = db_version(catalogue->db);
    /* One transaction: all of it as of one commit of the writer. */
    if (!db_exec(catalogue->db, "BEGIN", err)) {
        return false;
    }
    bool ok = catalogue_read_meta(catalogue->db, &catalogue->meta, &catalogue->unseen, err) &&
              catalogue_read_shapes(catalogue->db, ctx, shape, err) &&
              catalogue_read_quiesced(catalogue->db, ctx, quiesced, err);
    db_rollback(catalogue->db);
    return ok;
}

bool
catalogue_has_changed(struct catalogue *catalogue)
{
    if (catalogue->db == NULL) {
        struct err err;
        char path[STORAGE_FILE_MAX];
        file_path(catalogue, path);
        return fs_exists(path) && open_file(catalogue, &err);
    }
    uint64_t version = db_version(catalogue->db);
    if (version == catalogue->loaded_version) {
        return false;
    }
    struct err err;
    uint64_t epoch = catalogue->meta.epoch;
    uint64_t shapes_version = catalogue->meta.shapes_version;
    if (!catalogue_read_meta(catalogue->db, &catalogue->meta, &catalogue->unseen, &err)) {
        return false; /* next time */
    }
    catalogue->loaded_version = version;
    return catalogue->meta.epoch != epoch || catalogue->meta.shapes_version != shapes_version;
}

static void begin_batch(struct catalogue *catalogue);

static void
try_again(void *ctx)
{
    struct catalogue *catalogue = ctx;
    worker_submit(catalogue->lane, &catalogue->batch->task);
}

void
catalogue_start(struct catalogue *catalogue, struct loop *loop, struct worker_pool *pool)
{
    ASSERT(!catalogue->is_read_only && catalogue->lane == NULL);
    loop_timer_init(&catalogue->retry, loop, try_again, catalogue);
    catalogue->lane = worker_lane_new(pool);
}

void
catalogue_put_shape(struct catalogue *catalogue, const struct catalogue_shape *shape)
{
    catalogue_change_put_shape(&catalogue->changes, shape);
    catalogue->has_shape_changes = true;
    catalogue_change_set_number(&catalogue->changes, "last_created_us",
                                catalogue->meta.last_created_us);
}

void
catalogue_remove_shape(struct catalogue *catalogue, struct view handle)
{
    catalogue_change_remove_shape(&catalogue->changes, handle);
    catalogue->has_shape_changes = true;
}

void
catalogue_put_quiesced(struct catalogue *catalogue, const struct catalogue_quiesced *table)
{
    catalogue_change_put_quiesced(&catalogue->changes, table);
}

void
catalogue_remove_quiesced(struct catalogue *catalogue, uint32_t oid)
{
    catalogue_change_remove_quiesced(&catalogue->changes, oid);
}

static void
set_unseen(struct catalogue *catalogue, struct view unseen)
{
    buf_clear(&catalogue->unseen);
    buf_append_view(&catalogue->unseen, unseen);
    catalogue->meta.unseen = buf_view(&catalogue->unseen);
}

static void
set_checkpoint_lsn(struct catalogue *catalogue, uint64_t lsn)
{
    catalogue->meta.checkpoint_lsn = lsn;
    catalogue_change_set_number(&catalogue->changes, "checkpoint_lsn", lsn);
}

void
catalogue_set_checkpoint(struct catalogue *catalogue, uint64_t lsn, struct view unseen)
{
    set_checkpoint_lsn(catalogue, lsn);
    set_unseen(catalogue, unseen);
    catalogue_change_set_bytes(&catalogue->changes, "unseen", unseen);
}

void
catalogue_set_identity(struct catalogue *catalogue, const struct catalogue_identity *identity,
                       uint64_t checkpoint_lsn)
{
    struct list *changes = &catalogue->changes;
    catalogue->meta.identity = *identity;
    catalogue_change_set_bytes(changes, "system_id", view_str(identity->system_id));
    catalogue_change_set_bytes(changes, "slot", view_str(identity->slot));
    catalogue_change_set_number(changes, "timeline", identity->timeline);
    set_checkpoint_lsn(catalogue, checkpoint_lsn);
}

void
catalogue_reset(struct catalogue *catalogue, const struct catalogue_identity *identity,
                uint64_t checkpoint_lsn, uint64_t now_us)
{
    uint64_t epoch = catalogue->meta.epoch + 1;
    catalogue->meta.epoch = now_us > epoch ? now_us : epoch;
    set_unseen(catalogue, (struct view){0});
    catalogue_change_clear(&catalogue->changes);
    catalogue->has_shape_changes = true;
    catalogue_change_set_number(&catalogue->changes, "epoch", catalogue->meta.epoch);
    catalogue_set_identity(catalogue, identity, checkpoint_lsn);
}

uint64_t
catalogue_next_created_us(struct catalogue *catalogue, uint64_t now_us)
{
    uint64_t next = catalogue->meta.last_created_us + 1;
    catalogue->meta.last_created_us = now_us > next ? now_us : next;
    return catalogue->meta.last_created_us;
}

static void
take_list(struct list *to, struct list *from)
{
    list_init(to);
    LIST_FOREACH (node, from) {
        list_remove(node);
        list_push_back(to, node);
    }
}

/* On the worker. */
static void
run_batch(struct worker_task *task)
{
    struct batch *batch = LIST_ITEM(task, struct batch, task);
    struct catalogue *catalogue = batch->catalogue;
    batch->ok =
        (catalogue->statements != NULL ||
         catalogue_statements_open(catalogue->db, &catalogue->statements, &batch->err)) &&
        catalogue_changes_apply(catalogue->db, catalogue->statements, &batch->changes, &batch->err);
}

static void
batch_failed(struct catalogue *catalogue, const struct batch *batch)
{
    if (strcmp(catalogue->error.msg, batch->err.msg) != 0) {
        log_error("event=catalogue_write_failed error=\"%s\"", batch->err.msg);
    }
    catalogue->error = batch->err;
    if (batch->err.kind == ERR_CORRUPT) {
        catalogue->is_damaged = true;
        return;
    }
    loop_timer_set(&catalogue->retry, RETRY_MS);
}

static void
batch_done(struct worker_task *task)
{
    struct batch *batch = LIST_ITEM(task, struct batch, task);
    struct catalogue *catalogue = batch->catalogue;
    if (!batch->ok) {
        batch_failed(catalogue, batch);
        return;
    }
    if (catalogue->error.kind != ERR_NONE) {
        log_info("event=catalogue_write_recovered");
        catalogue->error = (struct err){0};
    }
    catalogue->batch = NULL;
    if (catalogue->is_wanted) {
        begin_batch(catalogue);
    }
    LIST_FOREACH (node, &batch->waiters) {
        struct waiter *waiter = LIST_ITEM(node, struct waiter, node);
        waiter->done(waiter->ctx);
        mem_free(waiter);
    }
    catalogue_changes_free(&batch->changes);
    mem_free(batch);
}

static void
begin_batch(struct catalogue *catalogue)
{
    struct batch *batch = mem_alloc_zero(sizeof *batch);
    batch->catalogue = catalogue;
    batch->task.run = run_batch;
    batch->task.done = batch_done;
    if (catalogue->has_shape_changes) {
        catalogue->has_shape_changes = false;
        catalogue_change_set_number(&catalogue->changes, "shapes_version",
                                    ++catalogue->meta.shapes_version);
    }
    take_list(&batch->changes, &catalogue->changes);
    take_list(&batch->waiters, &catalogue->waiters);
    catalogue->is_wanted = false;
    catalogue->batch = batch;
    worker_submit(catalogue->lane, &batch->task);
}

void
catalogue_commit(struct catalogue *catalogue, void (*done)(void *ctx), void *ctx)
{
    ASSERT(catalogue->lane != NULL);
    if (done != NULL) {
        struct waiter *waiter = mem_alloc_zero(sizeof *waiter);
        *waiter = (struct waiter){.done = done, .ctx = ctx};
        list_init(&waiter->node);
        list_push_back(&catalogue->waiters, &waiter->node);
    }
    catalogue->is_wanted = true;
    if (catalogue->batch == NULL) {
        begin_batch(catalogue);
    } else if (loop_timer_is_set(&catalogue->retry)) {
        loop_timer_clear(&catalogue->retry);
        try_again(catalogue);
    }
}

const char *
catalogue_error(const struct catalogue *catalogue)
{
    return catalogue->error.kind == ERR_NONE ? NULL : catalogue->error.msg;
}

bool
catalogue_is_damaged(const struct catalogue *catalogue)
{
    return catalogue->is_damaged;
}

bool
catalogue_is_idle(const struct catalogue *catalogue)
{
    return catalogue->batch == NULL && !catalogue->is_wanted;
}

static void
free_waiters(struct list *waiters)
{
    LIST_FOREACH (node, waiters) {
        mem_free(LIST_ITEM(node, struct waiter, node));
    }
}

void
catalogue_close(struct catalogue *catalogue)
{
    if (catalogue == NULL) {
        return;
    }
    if (catalogue->batch != NULL) {
        loop_timer_clear(&catalogue->retry);
        catalogue_changes_free(&catalogue->batch->changes);
        free_waiters(&catalogue->batch->waiters);
        mem_free(catalogue->batch);
    }
    free_waiters(&catalogue->waiters);
    catalogue_changes_free(&catalogue->changes);
    catalogue_statements_close(catalogue->statements);
    if (catalogue->lane != NULL) {
        worker_lane_free(catalogue->lane);
    }
    db_close(catalogue->db);
    buf_free(&catalogue->unseen);
    mem_free(catalogue);
}
