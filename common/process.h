/*
 * process.h - processes: starting one, telling it from another of the same number.
 *
 * Threading: any thread. What runs in the child between fork and exec calls
 * nothing but system calls, so other threads may hold any lock.
 */
#ifndef COMMON_PROCESS_H
#define COMMON_PROCESS_H

#include <sys/types.h>

#include "common/err.h"

/* The folder of the running program, where its sisters lie. Errors: ERR_IO. */
NODISCARD bool process_folder(char *path, size_t size, struct err *err);

/* When a process began, in the kernel's ticks since boot; 0: there is no such process. */
uint64_t process_start_ticks(pid_t pid);

/* The parent of a process; 0: there is no such process. */
pid_t process_parent(pid_t pid);

struct process_start {
    const char *path;
    char *const *argv;
    int listen_fd; /* becomes LISTEN_FD_FIRST with LISTEN_FDS=1; -1: none */
    int link_fd;   /* becomes PROCESS_LINK_FD, and PROCESS_LINK_VARIABLE names it; -1: none */

    /*
     * Called in the parent before the program begins; the child waits for it, and is gone without
     * having begun when it fails or we die meanwhile. May be NULL.
     */
    bool (*record)(void *ctx, pid_t pid, struct err *err);
    void *ctx;
};

#define PROCESS_LINK_FD       4
#define PROCESS_LINK_VARIABLE "ENGINE_PARENT_FD"

/*
 * Starts a program in a process group of its own, with our environment, default signals and no
 * other descriptors than 0 to 2 and those named. Errors: ERR_IO.
 */
NODISCARD bool process_spawn(const struct process_start *start, pid_t *pid_out, struct err *err);

/* The descriptor that our parent gave us as link, or -1. Takes the variable out of the
 * environment. */
int process_take_link(void);

/* A descriptor that is readable when the process has ended. -1 with errno on failure. */
int process_open_fd(pid_t pid);

/* "exit code 3" or "signal 9 (Killed)" for a code of ours: 128 + signal. */
void process_exit_text(int code, char *text, size_t size);

/* A code of ours from what waitid() says: si_code and si_status. */
int process_exit_code(int how, int status);

#endif
