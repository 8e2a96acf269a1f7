#include "services/shape_log_collector/reclaim.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "common/fs.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/sys.h"
#include "common/worker.h"
#include "services/shape_log_collector/storage_dir.h"

/* So many files in one go, about 15 ms of a worker, then a rest: others use the disk too. */
#define UNLINKS_AT_ONCE 60
#define REST_MS         30

#define FOLDERS 256

static const char *const suffixes[] = {"snapshot", "log", "index"};

/* A handle, or the name of an epoch's folder. */
struct name {
    struct list node;
    char text[];
};

enum work {
    WORK_NONE,
    WORK_FIND_EPOCHS, /* names of the folders of old epochs -> found */
    WORK_LIST,        /* handles that have files in one folder of ours -> found */
    WORK_UNLINK,      /* the files of the handles in `taken` */
    WORK_PURGE,       /* some files of the epoch in `taken` */
};

struct reclaim {
    /* set once before start */
    struct reclaim_options options;
    struct worker_lane *lane;

    /* the worker's while it runs */
    struct worker_task task;
    enum work work;
    unsigned folder;
    struct list taken;
    struct list found;
    bool is_purged; /* nothing is left of the epoch, or it cannot be deleted */
    struct err err; /* kind ERR_NONE: none */

    /* loop */
    bool is_running;
    bool is_started;
    unsigned next_folder; /* to be listed; FOLDERS: all were */
    bool has_epochs;      /* old epochs were looked for */
    struct list handles;  /* whose files go */
    struct list epochs;
    size_t backlog;
    struct loop_timer rest;
};

static void next_work(void *ctx);
static void run_work(struct worker_task *task);
static void work_done(struct worker_task *task);

struct reclaim *
reclaim_new(const struct reclaim_options *options)
{
    struct reclaim *reclaim = mem_alloc_zero(sizeof *reclaim);
    reclaim->options = *options;
    reclaim->lane = worker_lane_new(options->pool);
    reclaim->task.run = run_work;
    reclaim->task.done = work_done;
    list_init(&reclaim->taken);
    list_init(&reclaim->found);
    list_init(&reclaim->handles);
    list_init(&reclaim->epochs);
    loop_timer_init(&reclaim->rest, options->loop, next_work, reclaim);
    return reclaim;
}

static void
add_name(struct list *names, const char *text, size_t size)
{
    struct name *name = mem_alloc_zero(sizeof *name + size + 1);
    memcpy(name->text, text, size);
    list_init(&name->node);
    list_push_back(names, &name->node);
}

static const char *
text_of(struct list *node)
{
    return LIST_ITEM(node, struct name, node)->text;
}

static void
free_names(struct list *names)
{
    LIST_FOREACH (node, names) {
        list_remove(node);
        mem_free(LIST_ITEM(node, struct name, node));
    }
}

/* What is to be done next, with its input in place. */
static enum work
choose_work(struct reclaim *reclaim)
{
    if (!list_is_empty(&reclaim->handles)) {
        for (size_t i = 0; i < UNLINKS_AT_ONCE / COUNT_OF(suffixes); i++) {
            struct list *node = reclaim->handles.next;
            if (node == &reclaim->handles) {
                break;
            }
            list_remove(node);
            list_push_back(&reclaim->taken, node);
        }
        return WORK_UNLINK;
    }
    if (!reclaim->is_started) {
        return WORK_NONE;
    }
    if (reclaim->next_folder < FOLDERS) {
        reclaim->folder = reclaim->next_folder++;
        return WORK_LIST;
    }
    if (!reclaim->has_epochs) {
        reclaim->has_epochs = true;
        return WORK_FIND_EPOCHS;
    }
    if (!list_is_empty(&reclaim->epochs)) {
        struct list *node = reclaim->epochs.next;
        list_remove(node);
        list_push_back(&reclaim->taken, node);
        return WORK_PURGE;
    }
    return WORK_NONE;
}

static void
next_work(void *ctx)
{
    struct reclaim *reclaim = ctx;
    if (reclaim->is_running || loop_timer_is_set(&reclaim->rest)) {
        return;
    }
    reclaim->work = choose_work(reclaim);
    if (reclaim->work == WORK_NONE) {
        return;
    }
    reclaim->is_running = true;
    reclaim->err = (struct err){0};
    worker_submit(reclaim->lane, &reclaim->task);
}

void
reclaim_start(struct reclaim *reclaim)
{
    reclaim->is_started = true;
    next_work(reclaim);
}

void
reclaim_shape(struct reclaim *reclaim, const char *handle)
{
    add_name(&reclaim->handles, handle, strlen(handle));
    reclaim->backlog += COUNT_OF(suffixes);
    next_work(reclaim);
}

size_t
reclaim_backlog(const struct reclaim *reclaim)
{
    return reclaim->backlog;
}

static bool
is_number(const char *name)
{
    return name[0] != '\0' && name[strspn(name, "0123456789")] == '\0';
}

/* The handle that the file belongs to is the first *size_out bytes of its name. */
static bool
is_shape_file(const char *name, size_t *size_out)
{
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot != NULL && i < COUNT_OF(suffixes); i++) {
        if (strcmp(dot + 1, suffixes[i]) == 0) {
            *size_out = (size_t)(dot - name);
            return *size_out <= STORAGE_HANDLE_MAX;
        }
    }
    return false;
}

static DIR *
open_folder(struct reclaim *reclaim, const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL && errno != ENOENT) {
        fs_fail(&reclaim->err, "open", path);
    }
    return dir;
}

static void
find_epochs(struct reclaim *reclaim)
{
    char ours[24];
    snprintf(ours, sizeof ours, "%" PRIu64, reclaim->options.epoch);
    DIR *dir = open_folder(reclaim, storage_dir_path(reclaim->options.dir));
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        if (is_number(entry->d_name) && strcmp(entry->d_name, ours) != 0) {
            add_name(&reclaim->found, entry->d_name, strlen(entry->d_name));
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static void
list_folder(struct reclaim *reclaim)
{
    char name[STORAGE_NAME_MAX];
    char path[STORAGE_FILE_MAX];
    snprintf(name, sizeof name, "%" PRIu64 "/%02x", reclaim->options.epoch, reclaim->folder);
    storage_dir_file(reclaim->options.dir, name, path);
    DIR *dir = open_folder(reclaim, path);
    for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;) {
        size_t size;
        if (is_shape_file(entry->d_name, &size)) {
            add_name(&reclaim->found, entry->d_name, size);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static bool
unlink_one(struct reclaim *reclaim, const char *path)
{
    return sys_unlink(path) == 0 || errno == ENOENT || fs_fail(&reclaim->err, "unlink", path);
}

static void
unlink_taken(struct reclaim *reclaim)
{
    char name[STORAGE_NAME_MAX];
    char path[STORAGE_FILE_MAX];
    LIST_FOREACH (node, &reclaim->taken) {
        /* The snapshot last: a shape of which only the log is left cannot be taken for a whole one.
         */
        for (size_t i = COUNT_OF(suffixes); i > 0; i--) {
            storage_shape_name(reclaim->options.epoch, text_of(node), suffixes[i - 1], name);
            storage_dir_file(reclaim->options.dir, name, path);
            unlink_one(reclaim, path);
        }
    }
}

/* Deletes at most *budget files of a folder, and the folder when it is empty. False: not yet, or
 * an error. */
static bool
purge_folder(struct reclaim *reclaim, const char *path, size_t *budget)
{
    DIR *dir = open_folder(reclaim, path);
    char file[STORAGE_FILE_MAX + NAME_MAX + 2];
    bool is_empty = dir != NULL;
    for (struct dirent *entry; is_empty && (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        is_empty = *budget > 0 && unlink_one(reclaim, file);
        *budget -= is_empty ? 1 : 0;
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return is_empty && (sys_rmdir(path) == 0 || fs_fail(&reclaim->err, "rmdir", path));
}

static void
purge_epoch(struct reclaim *reclaim)
{
    const char *epoch = text_of(reclaim->taken.next);
    char name[STORAGE_NAME_MAX];
    char path[STORAGE_FILE_MAX];
    size_t budget = UNLINKS_AT_ONCE;
    reclaim->is_purged = false;
    for (unsigned folder = 0; folder < FOLDERS; folder++) {
        snprintf(name, sizeof name, "%.40s/%02x", epoch, folder);
        storage_dir_file(reclaim->options.dir, name, path);
        if (!fs_exists(path)) {
            continue;
        }
        if (!purge_folder(reclaim, path, &budget)) {
            return;
        }
    }
    storage_dir_file(reclaim->options.dir, epoch, path);
    reclaim->is_purged = sys_rmdir(path) == 0 || fs_fail(&reclaim->err, "rmdir", path);
}

static void
run_work(struct worker_task *task)
{
    struct reclaim *reclaim = LIST_ITEM(task, struct reclaim, task);
    switch (reclaim->work) {
    case WORK_NONE:
        break;
    case WORK_FIND_EPOCHS:
        find_epochs(reclaim);
        break;
    case WORK_LIST:
        list_folder(reclaim);
        break;
    case WORK_UNLINK:
        unlink_taken(reclaim);
        break;
    case WORK_PURGE:
        purge_epoch(reclaim);
        break;
    }
}

/* Files of a shape that nobody knows: a crash came between its end and their deletion. */
static void
take_listed(struct reclaim *reclaim)
{
    const char *last = "";
    LIST_FOREACH (node, &reclaim->found) {
        const char *handle = text_of(node);
        if (strcmp(handle, last) != 0 && !reclaim->options.is_known(reclaim->options.ctx, handle)) {
            add_name(&reclaim->handles, handle, strlen(handle));
            reclaim->backlog += COUNT_OF(suffixes);
        }
        last = handle;
    }
    free_names(&reclaim->found);
}

static void
take_purged(struct reclaim *reclaim)
{
    struct list *node = reclaim->taken.next;
    if (reclaim->is_purged) {
        log_info("event=epoch_deleted epoch=%s", text_of(node));
    } else if (reclaim->err.kind == ERR_NONE) {
        list_remove(node);
        list_push_front(&reclaim->epochs, node);
    }
    free_names(&reclaim->taken);
}

static void
work_done(struct worker_task *task)
{
    struct reclaim *reclaim = LIST_ITEM(task, struct reclaim, task);
    reclaim->is_running = false;
    if (reclaim->err.kind != ERR_NONE) {
        /* What stays behind is found again at the next start. */
        log_warn("event=reclaim_failed error=\"%s\"", reclaim->err.msg);
    }
    switch (reclaim->work) {
    case WORK_NONE:
        break;
    case WORK_FIND_EPOCHS:
        LIST_FOREACH (node, &reclaim->found) {
            list_remove(node);
            list_push_back(&reclaim->epochs, node);
        }
        break;
    case WORK_LIST:
        take_listed(reclaim);
        break;
    case WORK_UNLINK:
        LIST_FOREACH (node, &reclaim->taken) {
            (void)node;
            reclaim->backlog -= COUNT_OF(suffixes);
        }
        free_names(&reclaim->taken);
        break;
    case WORK_PURGE:
        take_purged(reclaim);
        break;
    }
    bool has_unlinked = reclaim->work == WORK_UNLINK || reclaim->work == WORK_PURGE;
    loop_timer_set(&reclaim->rest, has_unlinked ? REST_MS : 1);
}

void
reclaim_free(struct reclaim *reclaim)
{
    if (reclaim == NULL) {
        return;
    }
    loop_timer_clear(&reclaim->rest);
    worker_lane_free(reclaim->lane);
    free_names(&reclaim->taken);
    free_names(&reclaim->found);
    free_names(&reclaim->handles);
    free_names(&reclaim->epochs);
    mem_free(reclaim);
}
