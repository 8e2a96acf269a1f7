/*
 * status_json.h - the status board for people: what /v1/status answers.
 *
 * Threading: no state.
 */
#ifndef CORE_STATUS_JSON_H
#define CORE_STATUS_JSON_H

#include "common/buf.h"
#include "proto/messages.h"

/* Appends the board as one JSON object. NULL: not heard yet, `starting` and no services. */
void status_json_append(const struct status_board *board, struct buf *out);

#endif
