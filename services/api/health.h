/*
 * health.h - /v1/health, /v1/status and the probes, from the last board.
 *
 * Threading: the loop's.
 */
#ifndef API_HEALTH_H
#define API_HEALTH_H

#include "common/core/http_route.h"
#include "services/api/api.h"

/* `route` is one of HEALTH, STATUS, LIVEZ, READYZ, STARTUPZ. */
void health_answer(struct api *api, struct api_request *request, enum http_route route);

#endif
