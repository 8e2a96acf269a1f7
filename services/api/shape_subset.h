/*
 * shape_subset.h - answers with some of a shape's rows (http-api §9).
 *
 * The shape is known when this begins; the collector asks Postgres, and the rows come in one piece.
 *
 * Threading: the loop's.
 */
#ifndef API_SHAPE_SUBSET_H
#define API_SHAPE_SUBSET_H

#include "services/api/get.h"

/* Asks, and ends the request with an answer; or refuses what the subset's fields say. */
void subset_ask(struct get *get);

/* A part of freeing `get`: its client is gone, or it is answered. */
void subset_cancel(struct get *get);

#endif
