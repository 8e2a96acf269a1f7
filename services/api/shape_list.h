/*
 * shape_list.h - GET /v1/shapes: what shapes there are, for operators.
 *
 * Threading: the loop's.
 */
#ifndef API_SHAPE_LIST_H
#define API_SHAPE_LIST_H

#include "services/api/api.h"

/* The caller has looked whether it may be shown. */
void shape_list(struct api *api, struct api_request *request);

#endif
