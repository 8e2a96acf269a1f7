/*
 * board_client.h - the status board, as last heard.
 *
 * A board that does not know yet how the others are (the orchestrator has just
 * started) does not replace one that did.
 *
 * Threading: the loop's thread.
 */
#ifndef COMMON_BOARD_CLIENT_H
#define COMMON_BOARD_CLIENT_H

#include "common/core/status.h"
#include "common/loop.h"

#define BOARD_CLIENT_WATCHERS_MAX 8u

struct board_client;

NODISCARD bool board_client_open(struct loop *loop, const char *url,
                                 struct board_client **client_out, struct err *err);

/* What service.h says of the board is said here. */
const struct status_board *board_client_board(const struct board_client *client);
bool board_client_is_met(const struct board_client *client, enum status_condition condition,
                         struct incarnation *by_out);
struct incarnation board_client_current(const struct board_client *client, const char *service);
void board_client_watch(struct board_client *client, void (*fn)(void *ctx), void *ctx);

/* NULL is accepted. */
void board_client_close(struct board_client *client);

#endif
