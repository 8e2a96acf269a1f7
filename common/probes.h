/*
 * probes.h - HTTP for machines that watch a process: three questions, figures, the board.
 *
 *     /livez      its loop runs: a restart would not help. Never depends on others.
 *     /readyz     it can do what it is for now
 *     /startupz   it could once since it began
 *     /metrics    its figures
 *     /v1/status  the status board as it knows it
 *
 * Threading: the loop's thread.
 */
#ifndef COMMON_PROBES_H
#define COMMON_PROBES_H

#include "common/loop.h"
#include "proto/messages.h"

struct probes;

struct probe_answers {
    bool is_ready;
    const struct status_board *board; /* NULL: none */
};

/* Fills in the answers; they are used before the next turn of the loop. */
typedef void (*probes_ask_fn)(void *ctx, struct probe_answers *answers);

struct probes_options {
    uint16_t port;       /* 0: any free one */
    const char *service; /* a literal */
    probes_ask_fn fn;
    void *ctx;
};

/* Errors: ERR_IO; the message names the port. */
NODISCARD bool probes_open(struct loop *loop, const struct probes_options *options,
                           struct probes **probes_out, struct err *err);

/* NULL is accepted. */
void probes_close(struct probes *probes);

#endif
