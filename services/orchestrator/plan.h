/*
 * plan.h - which processes make the engine, and that they run.
 *
 * One connection, one shape_log_collector, SHAPEWIRE_API_PROCESSES APIs; all
 * are started at once and each is restarted alone (common/core/restart.h).
 * Processes that run already are adopted. They leave in order: the APIs, so
 * that no client asks any more, then connection, then the collector, whose
 * last checkpoint holds all that connection has sent.
 *
 * Threading: the loop's thread.
 */
#ifndef ORCHESTRATOR_PLAN_H
#define ORCHESTRATOR_PLAN_H

#include "services/orchestrator/board.h"

struct plan;

/* `listen_fd` is handed down to the APIs and stays the caller's. Errors: ERR_IO. */
NODISCARD bool plan_open(struct service *service, struct board *board, int listen_fd,
                         struct plan **plan_out, struct err *err);

/* Ends all processes, in order; `done` is called when none is left. */
void plan_stop(struct plan *plan, void (*done)(void *ctx), void *ctx);

/* The processes live on. NULL is accepted. */
void plan_close(struct plan *plan);

#endif
