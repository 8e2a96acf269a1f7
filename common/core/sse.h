/*
 * sse.h - log items as server-sent events (http-api [29]).
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_SSE_H
#define CORE_SSE_H

#include "common/buf.h"

#define SSE_KEEP_ALIVE ": keep-alive\n\n"

/*
 * Appends `data: <item>` and an empty line for each of `items`, which are JSON objects without line
 * breaks, each followed by a comma. False: they are something else; the good ones before stand in
 * `out`.
 */
NODISCARD bool sse_append_items(struct view items, struct buf *out);

#endif
