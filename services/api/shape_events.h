/*
 * shape_events.h - live answers as server-sent events (http-api §7).
 *
 * What follows the offset at the start is one answer with an end; else the answer is a stream that
 * lives for a minute, and each batch of items goes out with its up-to-date.
 *
 * Threading: the loop's.
 */
#ifndef API_SHAPE_EVENTS_H
#define API_SHAPE_EVENTS_H

#include "services/api/get.h"

/* What was read after get->offset. */
void events_on_range(struct get *get, const struct log_range *range);

/* What a hint brought: the items after get->offset, as events. */
void events_on_news(struct get *get, const struct live_news *news);

/* Ends the request; a stream that has not begun begins and ends. */
void events_end(struct get *get);

/* A part of freeing `get`. NULL is accepted. */
void events_free(struct events *events);

#endif
