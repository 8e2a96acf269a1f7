/*
 * shape_get.h - GET and HEAD /v1/shape, from the query to the answer.
 *
 *     query -> which shape is it? -> read behind the offset -> answer
 *                    |                     |
 *                    |                     +-> nothing there and live: wait (live.h), read again
 *                    |                     +-> shape gone: which one is it now? -> 409
 *                    +-> another than the request's handle: 409
 *
 * Threading: the loop's.
 */
#ifndef API_SHAPE_GET_H
#define API_SHAPE_GET_H

#include "services/api/api.h"

/* Its secret was checked. */
void shape_get(struct api *api, struct api_request *request);

/* The client of a request that shape_get() took is gone. */
void shape_get_gone(struct api_request *request);

/* The client says nothing more: what is parked is answered. False: give the request up. */
bool shape_get_ended(struct api_request *request);

#endif
