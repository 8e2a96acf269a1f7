/*
 * admission.h - which well-formed requests are turned away before any work is done.
 *
 * Threading: the loop's.
 */
#ifndef API_ADMISSION_H
#define API_ADMISSION_H

#include "common/core/shape_request.h"
#include "services/api/api.h"

/* Of ELECTRIC_MAX_CONCURRENT_REQUESTS (http-api [43]). */
enum admission_limit {
    ADMISSION_INITIAL, /* requests that need a new snapshot */
    ADMISSION_EXISTING,
};

/* Answers 503. */
void admission_refuse(struct api *api, struct api_request *request, enum admission_limit limit);

/* False: the request got its answer. */
bool admission_check(struct api *api, struct api_request *request, const struct shape_query *query);

#endif
