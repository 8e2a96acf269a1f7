/*
 * hints_client.h - hears the collector: longer logs, shapes that are gone, how far it is.
 *
 * Hints may be lost: a gap in their numbers, another collector or a new pipe make all who
 * wait read again.
 *
 * Threading: the loop's.
 */
#ifndef API_HINTS_CLIENT_H
#define API_HINTS_CLIENT_H

#include "services/api/api.h"

struct hints_client;

/* Errors: ERR_IO. */
NODISCARD bool hints_client_open(struct api *api, const char *url, struct hints_client **client_out,
                                 struct err *err);

/*
 * What the engine has processed: whatever lies before it was told by hints, or will be read by all
 * who wait, for a hint was missed.
 */
uint64_t hints_client_processed(const struct hints_client *client);

/* NULL is accepted. */
void hints_client_close(struct hints_client *client);

/* What a hint says of a shape that is gone, heard on another way. */
void hints_client_gone(struct api *api, struct view handle);

#endif
