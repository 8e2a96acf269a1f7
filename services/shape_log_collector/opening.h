/*
 * opening.h - one shape.open request, from its arrival to its answer.
 *
 * Inside of shape_server.c. Looks for the shape with what is known of the table; what is not known,
 * or not right, is asked of the database first, and only then is a shape made or the client
 * refused.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_OPENING_H
#define COLLECTOR_OPENING_H

#include "common/bus.h"
#include "services/shape_log_collector/creation.h"

struct opening;

/* Takes the request over: it is answered in any case. `message` is decoded and copied. `all` lists
 * what is open. */
void opening_start(struct collector *collector, struct list *all, struct bus_request *request,
                   struct view message);

/* Those that wait for the shape: it can be read, or has ended. */
void opening_on_announced(struct shape *shape);
void opening_on_ended(struct shape *shape, const struct open_failure *failed);

/* The service leaves: answers all of the list. */
void opening_stop_all(struct list *all);

/*
 * The live shape of a definition (a shape.open message), from what is known without asking; NULL:
 * none.
 */
struct shape *opening_find(struct collector *collector, struct view message);

#endif
