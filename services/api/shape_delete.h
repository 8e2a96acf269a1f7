/*
 * shape_delete.h - DELETE /v1/shape (http-api [41]).
 *
 * Threading: the loop's.
 */
#ifndef API_SHAPE_DELETE_H
#define API_SHAPE_DELETE_H

#include "services/api/api.h"

/* `is_allowed`: the setting or the admin's secret says so. */
void shape_delete(struct api *api, struct api_request *request, bool is_allowed);

/* The same for one handle, whose caller has asked for what allows it. */
void shape_delete_handle(struct api *api, struct api_request *request, struct view handle);

/* The client of a request that shape_delete() took is gone. */
void shape_delete_gone(struct api_request *request);

#endif
