/*
 * waker.h - wakes the database connection when a client waits for changes while it sleeps.
 *
 * Reads of what is there do not wake it (engine spec §1.14). A new shape needs the database by
 * itself: the collector's questions wake it.
 *
 * Threading: the loop's.
 */
#ifndef API_WAKER_H
#define API_WAKER_H

#include "services/api/api.h"

struct waker;

struct waker *waker_new(struct api *api);

/* NULL is accepted. */
void waker_free(struct waker *waker);

/* Asks the collector to pass it on; nothing to do while the status board says nothing of sleep. */
void waker_ask(struct waker *waker);

#endif
