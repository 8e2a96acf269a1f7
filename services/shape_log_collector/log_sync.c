#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/fs.h"
#include "common/mem.h"
#include "common/sys.h"
#include "services/shape_log_collector/log_internal.h"
#include "services/shape_log_collector/storage_dir.h"

/*
 * Up to so many files an fdatasync each costs less than a syncfs that also writes what others on
 * the same file system have written; with hundreds syncfs is 25 times cheaper.
 */
#define FILES_FEW 16

enum sync_result {
    SYNC_DURABLE,
    SYNC_REFUSED, /* the disk is full or read-only: not durable, and perhaps lost */
    SYNC_FAILED,
};

struct sync_entry {
    struct open_log *open; /* loop: NULL once its shape has ended */
    struct log_files files;
    bool was_closed; /* an error may have gone unseen: only syncfs tells */
    enum sync_result result;
    struct err err; /* of SYNC_FAILED */
};

struct log_sync {
    /* loop */
    struct log_store *store;

    /* set before it runs, then the worker's until it ends */
    struct storage_dir *dir;
    uint64_t epoch;
    bool can_syncfs;
    uint8_t new_names[32];
    bool names_are_durable;
    size_t entry_count;
    struct sync_entry *entries;
};

static void
enter(struct log_sync *sync, struct list *from)
{
    LIST_FOREACH (node, from) {
        struct open_log *open = LIST_ITEM(node, struct open_log, place_node);
        struct sync_entry *entry = &sync->entries[sync->entry_count++];
        *entry =
            (struct sync_entry){.open = open, .files = open->files, .was_closed = open->was_closed};
        open->sync_entry = entry;
        open->was_closed = false;
        log_store_set_place(open, open->place == LOG_DIRTY ? LOG_SYNCING : LOG_CLOSED);
    }
}

struct log_sync *
log_sync_begin(struct log_store *store)
{
    ASSERT(store->sync == NULL);
    struct log_sync *sync = mem_alloc_zero(sizeof *sync);
    sync->store = store;
    sync->dir = store->options.dir;
    sync->epoch = store->options.epoch;
    sync->can_syncfs = store->can_syncfs;
    memcpy(sync->new_names, store->new_names, sizeof sync->new_names);
    memset(store->new_names, 0, sizeof store->new_names);
    sync->entries = mem_alloc_zero((store->dirty_count + 1) * sizeof *sync->entries);
    enter(sync, &store->dirty);
    enter(sync, &store->dirty_closed);
    store->unsynced_bytes = 0;
    store->sync = sync;
    return sync;
}

void
log_sync_disown(struct open_log *open)
{
    struct sync_entry *entry = open->sync_entry;
    if (entry == NULL) {
        return;
    }
    entry->open = NULL;
    if (open->place == LOG_SYNCING) {
        bool has_log = open->files.log_fd == entry->files.log_fd;
        bool has_index = open->files.index_fd == entry->files.index_fd;
        open->files.log_fd = has_log ? -1 : open->files.log_fd;
        open->files.index_fd = has_index ? -1 : open->files.index_fd;
    }
}

static void
sync_one(struct sync_entry *entry)
{
    if (entry->was_closed) {
        err_set(&entry->err, ERR_IO, "syncfs failed after the file was closed");
        entry->result = SYNC_FAILED;
        return;
    }
    if (!log_files_sync(entry->files, &entry->err)) {
        entry->result = entry->err.kind == ERR_FULL ? SYNC_REFUSED : SYNC_FAILED;
        return;
    }
    entry->result = SYNC_DURABLE;
}

static bool
sync_names(struct log_sync *sync, struct err *err)
{
    for (unsigned folder = 0; folder < 256; folder++) {
        if ((sync->new_names[folder / 8] >> folder % 8 & 1) == 0) {
            continue;
        }
        char name[STORAGE_NAME_MAX];
        char path[STORAGE_FILE_MAX];
        snprintf(name, sizeof name, "%" PRIu64 "/%02x", sync->epoch, folder);
        storage_dir_file(sync->dir, name, path);
        if (!fs_sync_dir(path, err)) {
            return false;
        }
    }
    sync->names_are_durable = true;
    return true;
}

/* What one syncfs would have to do for all of them. */
static size_t
count_files(const struct log_sync *sync)
{
    size_t count = 2 * sync->entry_count;
    for (size_t i = 0; i < sizeof sync->new_names; i++) {
        count += (size_t)__builtin_popcount(sync->new_names[i]);
    }
    return count;
}

static bool
needs_syncfs(const struct log_sync *sync)
{
    for (size_t i = 0; i < sync->entry_count; i++) {
        if (sync->entries[i].was_closed) {
            return true;
        }
    }
    return sync->can_syncfs && count_files(sync) > FILES_FEW;
}

bool
log_sync_run(struct log_sync *sync, struct err *err)
{
    if (needs_syncfs(sync) && sys_syncfs(storage_dir_fd(sync->dir)) == 0) {
        sync->names_are_durable = true;
        return true; /* every entry's result is SYNC_DURABLE from the start */
    }
    bool is_refused = false;
    for (size_t i = 0; i < sync->entry_count; i++) {
        sync_one(&sync->entries[i]);
        if (sync->entries[i].result == SYNC_REFUSED) {
            *err = sync->entries[i].err;
            is_refused = true;
        }
    }
    return sync_names(sync, err) && !is_refused;
}

static void
close_entry(const struct sync_entry *entry)
{
    if (entry->files.log_fd >= 0) {
        sys_close(entry->files.log_fd);
    }
    if (entry->files.index_fd >= 0) {
        sys_close(entry->files.index_fd);
    }
}

/* The log leaves the sync; what became of it decides what comes next. */
static void
settle(struct sync_entry *entry)
{
    struct open_log *open = entry->open;
    bool is_refused = entry->result == SYNC_REFUSED;
    if (entry->result == SYNC_DURABLE && open->is_suspect) {
        /* The kernel gives a page up after its first error, and the next sync says all is well. */
        err_set(&entry->err, ERR_IO, "a sync was refused before: what it held may be lost");
        entry->result = SYNC_FAILED;
    }
    open->is_suspect = is_refused;
    open->sync_entry = NULL;
    if (open->place == LOG_SYNCING) {
        bool is_dirty = open->is_dirty_again || is_refused;
        open->is_dirty_again = false;
        log_store_set_place(open, is_dirty ? LOG_DIRTY : LOG_CLEAN);
    }
    if (entry->result == SYNC_FAILED) {
        log_store_fail(open, &entry->err);
    }
}

void
log_sync_end(struct log_sync *sync)
{
    struct log_store *store = sync->store;
    store->sync = NULL;
    for (size_t i = 0; i < sync->entry_count; i++) {
        struct sync_entry *entry = &sync->entries[i];
        if (entry->open == NULL) {
            close_entry(entry);
        } else {
            settle(entry);
        }
    }
    for (size_t i = 0; !sync->names_are_durable && i < sizeof sync->new_names; i++) {
        store->new_names[i] |= sync->new_names[i];
    }
    mem_free(sync->entries);
    mem_free(sync);
    log_store_report_failed(store);
}
