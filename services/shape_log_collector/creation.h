/*
 * creation.h - how a shape comes to be (design §5.2 to §5.4).
 *
 *     PUBLISHING -> JOINED -> COPYING -> SYNCING -> done
 *          the table is published and quiesced; the shape joins the routing, then the snapshot's
 * marks are taken; its rows come block by block; snapshot and log are durable, then the catalogue
 * knows it
 *
 * Nobody's request needs to wait for it: it goes on by itself, and retries what passes.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_CREATION_H
#define COLLECTOR_CREATION_H

#include "services/shape_log_collector/registry.h"

struct creation;

/* Why a shape could not be made, as its waiting requests are told (http-api [33], [34]). */
struct open_failure {
    const char *result; /* of shape.opened: unavailable, failed, invalid */
    const char *field;  /* invalid: the parameter; else NULL */
    const char *message;
    const char *condition; /* the unmet condition, or NULL */
    bool is_known;         /* expected operation */
    unsigned retry_after_s;
};

/* Begins; shape->creation is set until it is complete. */
void creation_start(struct shape *shape);

/* The shape ends, or the process does. Frees itself, at once or when its worker is done. */
void creation_cancel(struct creation *creation);

/* A hello was agreed on: shapes whose marks are not known join anew. */
void creation_on_hello(struct collector *collector);

/* Too much was held: it joins anew. */
void creation_rejoin(struct creation *creation);

/* Something was made durable or written out: what waits for that goes on. */
void creation_on_progress(struct collector *collector);

/* What it waits for, for the 503 that a request gets meanwhile. Borrowed until the next turn. */
const char *creation_waiting_for(const struct creation *creation);

#endif
