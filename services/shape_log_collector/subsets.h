/*
 * subsets.h - shape.subset: some rows of a shape as one snapshot of Postgres sees them.
 *
 *     checked -> BEGIN (marks) -> blocks, made items on a worker -> answered
 *
 * A client merges them with the shape's log by the marks, so they must see all that was streamed
 * before they were asked for: else the snapshot is taken again. Rows are collected up to a limit;
 * nothing is stored.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_SUBSETS_H
#define COLLECTOR_SUBSETS_H

#include "common/bus.h"
#include "proto/codec.h"
#include "services/shape_log_collector/collector.h"

struct subsets;

struct subsets *subsets_new(struct collector *collector);

/* Answers all that is open; no worker may run any more. NULL is accepted. */
void subsets_free(struct subsets *subsets);

/* Takes the request over: it is answered in any case. */
void subsets_start(struct subsets *subsets, struct bus_request *request, struct incarnation from,
                   const struct shape_subset *wish);

/* Its client is gone: the query is cancelled. */
void subsets_cancel(struct subsets *subsets, struct incarnation from, uint64_t id);

#endif
