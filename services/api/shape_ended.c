/*
 * shape_ended.c - requests of clients that have ended their side of the connection.
 *
 * `printf … | nc` does, and still reads. A client that is gone looks the same until something is
 * sent to it, so nothing is kept waiting for one: neither a place among the parked nor a query.
 */
#include "services/api/get.h"
#include "services/api/shape_get.h"

bool
shape_get_ended(struct api_request *request)
{
    struct get *get = request->user;
    if (get == NULL) {
        return true;
    }
    if (get->is_subset) {
        return false; /* its query is worth more than the chance that somebody reads */
    }
    if (get->events != NULL || get->wait.is_parked) {
        get_time_out(get);
    }
    return true;
}
