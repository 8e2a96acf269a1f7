#include "services/shape_log_collector/log_store.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "common/fs.h"
#include "common/mem.h"
#include "common/sys.h"
#include "services/shape_log_collector/log_internal.h"
#include "services/shape_log_collector/storage_dir.h"

struct log_store *
log_store_new(const struct log_store_options *options)
{
    ASSERT(options->chunk_bytes > 0 && options->descriptors_max >= 2);
    struct log_store *store = mem_alloc_zero(sizeof *store);
    store->options = *options;
    store->can_syncfs = storage_dir_can_syncfs(options->dir);
    list_init(&store->touched);
    list_init(&store->clean);
    list_init(&store->dirty);
    list_init(&store->dirty_closed);
    list_init(&store->syncing);
    return store;
}

size_t
log_store_buffered(const struct log_store *store)
{
    return store->buffered;
}

bool
log_store_is_blocked(const struct log_store *store)
{
    return store->is_blocked;
}

uint64_t
log_store_unsynced_bytes(const struct log_store *store)
{
    return store->unsynced_bytes;
}

size_t
log_store_dirty_count(const struct log_store *store)
{
    return store->dirty_count;
}

bool
log_store_needs_sync(const struct log_store *store)
{
    static const uint8_t none[sizeof store->new_names];
    return store->dirty_count > 0 || memcmp(store->new_names, none, sizeof none) != 0;
}

bool
log_store_wrap(const struct shape_log *log, struct err *err)
{
    char name[STORAGE_NAME_MAX];
    char path[STORAGE_FILE_MAX];
    storage_shape_name(log->store->options.epoch, log->handle, "log", name);
    storage_dir_file(log->store->options.dir, name, path);
    return err_wrap(err, "%s", path);
}

static bool
has_descriptors(enum log_place place)
{
    return place == LOG_CLEAN || place == LOG_DIRTY || place == LOG_SYNCING;
}

static bool
counts_as_dirty(enum log_place place)
{
    return place == LOG_DIRTY || place == LOG_DIRTY_CLOSED;
}

void
log_store_set_place(struct open_log *open, enum log_place place)
{
    struct log_store *store = open->log->store;
    store->open_count -= has_descriptors(open->place) ? 1 : 0;
    store->dirty_count -= counts_as_dirty(open->place) ? 1 : 0;
    list_remove(&open->place_node);
    open->place = place;
    store->open_count += has_descriptors(place) ? 1 : 0;
    store->dirty_count += counts_as_dirty(place) ? 1 : 0;
    switch (place) {
    case LOG_CLOSED:
        break;
    case LOG_CLEAN:
        list_push_back(&store->clean, &open->place_node);
        break;
    case LOG_DIRTY:
        list_push_back(&store->dirty, &open->place_node);
        break;
    case LOG_DIRTY_CLOSED:
        list_push_back(&store->dirty_closed, &open->place_node);
        break;
    case LOG_SYNCING:
        list_push_back(&store->syncing, &open->place_node);
        break;
    }
}

static void
close_files(struct open_log *open)
{
    if (open->files.log_fd >= 0) {
        sys_close(open->files.log_fd);
    }
    if (open->files.index_fd >= 0) {
        sys_close(open->files.index_fd);
    }
    open->files = (struct log_files){-1, -1};
}

/*
 * A written log loses its descriptors. Where syncfs tells of every error the next sync still covers
 * it; elsewhere it is made durable now, and the loop waits.
 */
static void
close_dirty(struct open_log *open)
{
    struct err err;
    bool can_wait = open->log->store->can_syncfs;
    if (!can_wait && !log_files_sync(open->files, &err)) {
        log_store_fail(open, &err);
    }
    open->was_closed = can_wait;
    close_files(open);
    log_store_set_place(open, can_wait ? LOG_DIRTY_CLOSED : LOG_CLOSED);
}

/* Closes the log that was used longest ago. False: a sync holds all there are. */
static bool
close_one(struct log_store *store)
{
    if (!list_is_empty(&store->clean)) {
        struct open_log *open = LIST_ITEM(store->clean.next, struct open_log, place_node);
        close_files(open);
        log_store_set_place(open, LOG_CLOSED);
        return true;
    }
    if (!list_is_empty(&store->dirty)) {
        close_dirty(LIST_ITEM(store->dirty.next, struct open_log, place_node));
        return true;
    }
    return false;
}

/* -1 with errno ENOENT: it is not there and was not to be made. */
static int
open_one(struct open_log *open, const char *suffix, bool make)
{
    struct log_store *store = open->log->store;
    char name[STORAGE_NAME_MAX];
    char path[STORAGE_FILE_MAX];
    storage_shape_name(store->options.epoch, open->log->handle, suffix, name);
    storage_dir_file(store->options.dir, name, path);
    int flags = store->options.is_read_only ? O_RDONLY : O_RDWR | (make ? O_CREAT : 0);
    for (;;) {
        int fd = sys_open(path, flags, 0600);
        if (fd >= 0 || (errno != EMFILE && errno != ENFILE) || !close_one(store)) {
            return fd;
        }
    }
}

static bool
open_missing(struct open_log *open, int *fd, const char *suffix, bool make, struct err *err)
{
    if (*fd >= 0) {
        return true;
    }
    *fd = open_one(open, suffix, make);
    if (*fd < 0 && (make || errno != ENOENT)) {
        return fs_fail(err, "open", "a shape's log");
    }
    if (*fd >= 0 && make && open->log_written == 0) {
        unsigned folder = storage_shape_folder(open->log->handle);
        open->log->store->new_names[folder / 8] |= (uint8_t)(1u << folder % 8);
    }
    return true;
}

bool
log_store_open_files(struct open_log *open, bool make, struct err *err)
{
    struct log_store *store = open->log->store;
    if (open->files.log_fd >= 0 && open->files.index_fd >= 0) {
        if (open->place == LOG_CLEAN) {
            log_store_set_place(open, LOG_CLEAN); /* used last */
        }
        return true;
    }
    while (!has_descriptors(open->place) &&
           (store->open_count + 1) * 2 > store->options.descriptors_max && close_one(store)) {
    }
    if (!open_missing(open, &open->files.log_fd, "log", make, err) ||
        !open_missing(open, &open->files.index_fd, "index", make, err)) {
        return false;
    }
    bool is_there = open->files.log_fd >= 0 || open->files.index_fd >= 0;
    if (open->place == LOG_DIRTY_CLOSED) {
        log_store_set_place(open, LOG_DIRTY);
    } else if (open->place == LOG_CLOSED && is_there) {
        log_store_set_place(open, LOG_CLEAN);
    }
    return true;
}

void
log_store_mark_dirty(struct open_log *open)
{
    switch (open->place) {
    case LOG_SYNCING:
        open->is_dirty_again = true;
        break;
    case LOG_CLEAN:
        log_store_set_place(open, LOG_DIRTY);
        break;
    case LOG_DIRTY:
        break;
    case LOG_CLOSED:
    case LOG_DIRTY_CLOSED:
        ASSERT(false); /* written without descriptors */
    }
}

void
log_store_touch(struct open_log *open)
{
    if (list_is_empty(&open->touched_node)) {
        list_push_back(&open->log->store->touched, &open->touched_node);
    }
}

void
log_store_fail(struct open_log *open, const struct err *err)
{
    if (open->failure.kind == ERR_NONE) {
        open->failure = *err;
        log_store_wrap(open->log, &open->failure);
    }
    log_store_touch(open);
}

void
log_store_report_failed(struct log_store *store)
{
    /* Callbacks free logs, any of them: begin anew after each. */
    for (bool again = true; again;) {
        again = false;
        LIST_FOREACH (node, &store->touched) {
            struct open_log *open = LIST_ITEM(node, struct open_log, touched_node);
            if (open->failure.kind != ERR_NONE) {
                struct err failure = open->failure;
                list_remove(&open->touched_node);
                store->options.failed(store->options.ctx, open->log->owner, &failure);
                again = true;
                break;
            }
        }
    }
}

bool
log_store_write_out(struct log_store *store, struct err *err)
{
    struct err failure;
    bool ok = true;
    LIST_FOREACH (node, &store->touched) {
        struct open_log *open = LIST_ITEM(node, struct open_log, touched_node);
        if (open->failure.kind != ERR_NONE) {
            continue;
        }
        if (shape_log_write(open, &failure)) {
            list_remove(node);
        } else if (failure.kind == ERR_FULL) {
            log_store_wrap(open->log, &failure);
            *err = failure;
            ok = false;
            break;
        } else {
            log_store_fail(open, &failure);
        }
    }
    store->is_blocked = !ok;
    log_store_report_failed(store);
    return ok;
}

void
log_store_forget(struct open_log *open)
{
    log_sync_disown(open);
    close_files(open);
    list_remove(&open->touched_node);
    log_store_set_place(open, LOG_CLOSED);
    struct shape_log *log = open->log;
    buf_free(&open->items);
    buf_free(&open->records);
    log->open = NULL;
    mem_free(open);
}

void
log_store_free(struct log_store *store)
{
    if (store == NULL) {
        return;
    }
    ASSERT(store->log_count == 0 && store->sync == NULL);
    mem_free(store);
}
