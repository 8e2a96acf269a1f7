/*
 * board.h - hears what all services report, and publishes the status board:
 * on every change, and every second.
 *
 * Threading: the loop's thread.
 */
#ifndef ORCHESTRATOR_BOARD_H
#define ORCHESTRATOR_BOARD_H

#include "common/core/status.h"
#include "common/service.h"

struct board;

/* Errors: ERR_IO (an address cannot be listened on). */
NODISCARD bool board_open(struct service *service, struct board **board_out, struct err *err);

/* What it adds up; whoever changes it calls board_changed() after. */
struct status *board_status(struct board *board);
void board_changed(struct board *board);

/* NULL is accepted. */
void board_close(struct board *board);

#endif
