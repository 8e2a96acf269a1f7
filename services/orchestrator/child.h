/*
 * child.h - one process that we started, or that an orchestrator before us started.
 *
 * Its pid and start time stand in RUNTIME_DIR/SERVICE-SLOT.pid from before it
 * begins until it has ended, so that whoever comes after us finds it.
 *
 * Threading: the loop's thread.
 */
#ifndef ORCHESTRATOR_CHILD_H
#define ORCHESTRATOR_CHILD_H

#include <sys/types.h>

#include "common/loop.h"

struct child;

/* `exit_code` as in restart.h. The child is freed by its owner, here or later. */
typedef void (*child_exited_fn)(void *ctx, int exit_code);

struct child_place {
    const char *folder; /* of the programs */
    const char *runtime_dir;
    const char *service; /* shape_log_collector */
    unsigned slot;
    int listen_fd; /* handed down; -1: none */
};

/* Starts the place's program. Blocks for the write of a small file. Errors: ERR_IO. */
NODISCARD bool child_spawn(struct loop *loop, const struct child_place *place, child_exited_fn fn,
                           void *ctx, struct child **child_out, struct err *err);

/* The process that is recorded for this place and still lives; NULL if there is none. */
struct child *child_adopt(struct loop *loop, const struct child_place *place, child_exited_fn fn,
                          void *ctx);

pid_t child_pid(const struct child *child);

/* Nothing happens when it has ended already. */
void child_signal(struct child *child, int signal_number);

/* Does not end the process. NULL is accepted. */
void child_free(struct child *child);

#endif
