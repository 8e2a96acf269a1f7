/*
 * janitor.h - what the collector looks after by the clock.
 *
 * Each minute every table with shapes is described anew, to find changes of the schema that no
 * write told of (engine §5.4); each second, while there are transactions not yet seen, a snapshot
 * is asked for. Also answers what ingest wants to know of a relation.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_JANITOR_H
#define COLLECTOR_JANITOR_H

#include "services/shape_log_collector/collector.h"

struct janitor;

struct janitor *janitor_new(struct collector *collector);
void janitor_free(struct janitor *janitor);

/* For ingest: asks what `oid` is a partition of, and tells it. */
void janitor_inspect(struct janitor *janitor, uint32_t oid);

#endif
