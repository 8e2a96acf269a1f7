#include "services/orchestrator/child.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/core/restart.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/process.h"

#define PATH_SIZE_MAX   1024
#define RECORD_SIZE_MAX 64

struct child {
    pid_t pid;
    int pid_fd;
    struct loop_fd *watch;
    child_exited_fn fn;
    void *ctx;
    char record[PATH_SIZE_MAX];
};

static void
record_path(const struct child_place *place, char path[PATH_SIZE_MAX])
{
    snprintf(path, PATH_SIZE_MAX, "%s/%s-%u.pid", place->runtime_dir, place->service, place->slot);
}

/* Of an adopted one we are not the parent, and cannot know the code. */
static int
reap(const struct child *child)
{
    siginfo_t info = {0};
    int rv = waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG);
    return rv == 0 && info.si_pid == child->pid ? process_exit_code(info.si_code, info.si_status)
                                                : RESTART_EXIT_NOT_KNOWN;
}

static void
on_exit_seen(void *ctx, uint32_t events)
{
    struct child *child = ctx;
    (void)events;
    int code = reap(child);
    loop_fd_remove(child->watch);
    child->watch = NULL;
    unlink(child->record);
    child->fn(child->ctx, code);
}

static struct child *
child_new(struct loop *loop, const struct child_place *place, pid_t pid, int pid_fd)
{
    struct child *child = mem_alloc_zero(sizeof *child);
    child->pid = pid;
    child->pid_fd = pid_fd;
    child->watch = loop_fd_add(loop, pid_fd, EPOLLIN, on_exit_seen, child);
    record_path(place, child->record);
    return child;
}

static bool
write_record(void *ctx, pid_t pid, struct err *err)
{
    const struct child_place *place = ctx;
    char path[PATH_SIZE_MAX];
    char text[RECORD_SIZE_MAX];
    record_path(place, path);
    int size = snprintf(text, sizeof text, "%ld %llu\n", (long)pid,
                        (unsigned long long)process_start_ticks(pid));
    return fs_replace_unsynced(path, (const uint8_t *)text, (size_t)size, err);
}

bool
child_spawn(struct loop *loop, const struct child_place *place, child_exited_fn fn, void *ctx,
            struct child **child_out, struct err *err)
{
    char program[PATH_SIZE_MAX];
    struct child_place copy = *place;
    snprintf(program, sizeof program, "%s/shapewire-%s", place->folder, place->service);
    for (char *p = program + strlen(place->folder); *p != '\0'; p++) {
        *p = *p == '_' ? '-' : *p;
    }
    char *argv[] = {program, NULL};
    struct process_start start = {
        .path = program,
        .argv = argv,
        .listen_fd = place->listen_fd,
        .link_fd = -1,
        .record = write_record,
        .ctx = &copy,
    };
    pid_t pid;
    if (!process_spawn(&start, &pid, err)) {
        return false;
    }
    int pid_fd = process_open_fd(pid); /* it is not reaped yet, so the number is still its own */
    if (pid_fd < 0) {
        int reason = errno;
        kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
        return err_set(err, ERR_IO, "watch %s: pidfd_open: %s", program, strerror(reason));
    }
    *child_out = child_new(loop, place, pid, pid_fd);
    (*child_out)->fn = fn;
    (*child_out)->ctx = ctx;
    return true;
}

struct child *
child_adopt(struct loop *loop, const struct child_place *place, child_exited_fn fn, void *ctx)
{
    char path[PATH_SIZE_MAX];
    uint8_t text[RECORD_SIZE_MAX + 1];
    size_t size = 0;
    struct err err;
    record_path(place, path);
    if (!fs_read(path, text, RECORD_SIZE_MAX, &size, &err) || size == 0) {
        return NULL;
    }
    text[size] = '\0';
    char *rest = NULL;
    pid_t pid = (pid_t)strtol((const char *)text, &rest, 10);
    uint64_t ticks = strtoull(rest, NULL, 10);
    int pid_fd = pid > 0 ? process_open_fd(pid) : -1;
    /* Asked after the descriptor is open: from then on the number cannot change its owner. */
    if (pid_fd < 0 || ticks == 0 || process_start_ticks(pid) != ticks) {
        if (pid_fd >= 0) {
            close(pid_fd);
        }
        unlink(path);
        return NULL;
    }
    struct child *child = child_new(loop, place, pid, pid_fd);
    child->fn = fn;
    child->ctx = ctx;
    return child;
}

pid_t
child_pid(const struct child *child)
{
    return child->pid;
}

void
child_signal(struct child *child, int signal_number)
{
    (void)syscall(SYS_pidfd_send_signal, child->pid_fd, signal_number, NULL, 0);
}

void
child_free(struct child *child)
{
    if (child != NULL) {
        loop_fd_remove(child->watch);
        close(child->pid_fd);
        mem_free(child);
    }
}
