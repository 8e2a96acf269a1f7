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

/* The board as it is now; good until this is asked again or the status changes. */
const struct status_board *board_fill(struct board *board);

/* Existing shapes can be read: an API is up and the collector has its catalogue. */
bool board_can_read(const struct status_board *now);

/* NULL is accepted. */
void board_close(struct board *board);

#endif
