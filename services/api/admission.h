/*
 * admission.h - which well-formed requests are turned away before any work is done.
 *
 * Threading: the loop's.
 */
#ifndef API_ADMISSION_H
#define API_ADMISSION_H

#include "common/core/shape_request.h"
#include "services/api/api.h"

/* False: the request got its answer. */
bool admission_check(struct api *api, struct api_request *request, const struct shape_query *query);

#endif
