#include "common/process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fs.h"
#include "common/listen.h"
#include "common/mem.h"

#define STAT_SIZE_MAX 1024

/* Fields of /proc/PID/stat, counted from 1 as proc(5) does. */
#define STAT_PARENT 4
#define STAT_START  22

#define EXIT_CANNOT_EXEC 127

bool
process_folder(char *path, size_t size, struct err *err)
{
    ssize_t got = readlink("/proc/self/exe", path, size - 1);
    if (got <= 0) {
        return err_set(err, ERR_IO, "read /proc/self/exe: %s", strerror(errno));
    }
    path[got] = '\0';
    char *slash = strrchr(path, '/');
    ASSERT(slash != NULL);
    *slash = '\0';
    return true;
}

/* The second field is the program's name in parentheses and may hold anything. 0: no such process.
 */
static uint64_t
stat_field(pid_t pid, int wanted)
{
    char path[64];
    uint8_t text[STAT_SIZE_MAX + 1];
    size_t size = 0;
    struct err err;
    snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (!fs_read(path, text, STAT_SIZE_MAX, &size, &err) || size == 0) {
        return 0;
    }
    text[size] = '\0';
    const char *p = strrchr((const char *)text, ')');
    for (int field = 2; p != NULL && field < wanted; field++) {
        p = strchr(p + 1, ' ');
    }
    return p == NULL ? 0 : strtoull(p + 1, NULL, 10);
}

uint64_t
process_start_ticks(pid_t pid)
{
    return stat_field(pid, STAT_START);
}

pid_t
process_parent(pid_t pid)
{
    return (pid_t)stat_field(pid, STAT_PARENT);
}

/* ---- the environment of a child: ours, and what tells it of its descriptors */

struct child_env {
    char **list;
    char link[sizeof PROCESS_LINK_VARIABLE + 16];
    char listen_fds[sizeof "LISTEN_FDS=1"];
    char listen_pid[sizeof "LISTEN_PID=" + 20];
};

static void
env_init(struct child_env *env, const struct process_start *start)
{
    size_t count = 0;
    while (environ[count] != NULL) {
        count++;
    }
    env->list = mem_alloc_zero((count + 4) * sizeof *env->list);
    memcpy(env->list, environ, count * sizeof *env->list);
    if (start->link_fd >= 0) {
        snprintf(env->link, sizeof env->link, "%s=%d", PROCESS_LINK_VARIABLE, PROCESS_LINK_FD);
        env->list[count++] = env->link;
    }
    if (start->listen_fd >= 0) {
        snprintf(env->listen_fds, sizeof env->listen_fds, "LISTEN_FDS=1");
        snprintf(env->listen_pid, sizeof env->listen_pid, "LISTEN_PID=");
        env->list[count++] = env->listen_fds;
        env->list[count++] = env->listen_pid;
    }
}

/* In the child: snprintf is not allowed there. */
static void
env_set_pid(struct child_env *env, pid_t pid)
{
    char digits[20];
    size_t count = 0;
    for (; pid > 0; pid /= 10) {
        digits[count++] = (char)('0' + pid % 10);
    }
    char *to = env->listen_pid + strlen("LISTEN_PID=");
    while (count > 0) {
        *to++ = digits[--count];
    }
    *to = '\0';
}

/* ---- the child, between fork and exec */

/* Moves a descriptor out of the way of the numbers that have a meaning. */
static int
move_up(int fd)
{
    return fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, PROCESS_LINK_FD + 1);
}

NORETURN static void
become(const struct process_start *start, struct child_env *env, int go)
{
    char byte;
    ssize_t got;
    do {
        got = read(go, &byte, 1);
    } while (got < 0 && errno == EINTR);
    if (got != 1) {
        _exit(EXIT_CANNOT_EXEC);
    }
    (void)setpgid(0, 0);
    (void)signal(SIGPIPE, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);

    int listen_fd = move_up(start->listen_fd);
    int link_fd = move_up(start->link_fd);
    (void)syscall(SYS_close_range, LISTEN_FD_FIRST, PROCESS_LINK_FD, 0);
    if (listen_fd >= 0 && dup2(listen_fd, LISTEN_FD_FIRST) < 0) {
        _exit(EXIT_CANNOT_EXEC);
    }
    if (link_fd >= 0 && dup2(link_fd, PROCESS_LINK_FD) < 0) {
        _exit(EXIT_CANNOT_EXEC);
    }
    /* Whatever a library opened without close-on-exec; an old kernel may refuse. */
    (void)syscall(SYS_close_range, PROCESS_LINK_FD + 1, UINT_MAX, 0);
    env_set_pid(env, getpid());
    execve(start->path, start->argv, env->list);
    _exit(EXIT_CANNOT_EXEC);
}

bool
process_spawn(const struct process_start *start, pid_t *pid_out, struct err *err)
{
    if (access(start->path, X_OK) != 0) {
        return err_set(err, ERR_IO, "program %s: %s", start->path, strerror(errno));
    }
    int go[2];
    if (pipe2(go, O_CLOEXEC) != 0) {
        return err_set(err, ERR_IO, "start %s: pipe: %s", start->path, strerror(errno));
    }
    struct child_env env = {0};
    env_init(&env, start);
    pid_t pid = fork();
    if (pid == 0) {
        close(go[1]);
        become(start, &env, go[0]);
    }
    int reason = errno;
    close(go[0]);
    mem_free(env.list);
    if (pid < 0) {
        close(go[1]);
        return err_set(err, ERR_IO, "start %s: fork: %s", start->path, strerror(reason));
    }
    bool ok = start->record == NULL || start->record(start->ctx, pid, err);
    if (ok && write(go[1], "g", 1) != 1) {
        ok = err_set(err, ERR_IO, "start %s: %s", start->path, strerror(errno));
    }
    close(go[1]);
    if (!ok) {
        (void)waitpid(pid, NULL, 0); /* it saw the closed pipe and leaves at once */
        return false;
    }
    *pid_out = pid;
    return true;
}

int
process_take_link(void)
{
    const char *text = getenv(PROCESS_LINK_VARIABLE);
    bool is_set = text != NULL && strtol(text, NULL, 10) == PROCESS_LINK_FD;
    unsetenv(PROCESS_LINK_VARIABLE);
    if (!is_set || fcntl(PROCESS_LINK_FD, F_SETFD, FD_CLOEXEC) != 0) {
        return -1;
    }
    (void)fcntl(PROCESS_LINK_FD, F_SETFL, O_NONBLOCK);
    return PROCESS_LINK_FD;
}

int
process_open_fd(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0); /* is close-on-exec */
}

int
process_exit_code(int how, int status)
{
    return how == CLD_EXITED ? status : 128 + status;
}

void
process_exit_text(int code, char *text, size_t size)
{
    if (code < 0) {
        snprintf(text, size, "ended, its exit code is not known");
    } else if (code > 128) {
        snprintf(text, size, "signal %d (%s)", code - 128, sigdescr_np(code - 128));
    } else {
        snprintf(text, size, "exit code %d", code);
    }
}
