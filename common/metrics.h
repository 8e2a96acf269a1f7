/*
 * metrics.h - the figures of a process, as Prometheus reads them.
 *
 * metrics.def is the table of all of them. Their memory is fixed: a figure
 * that nobody reads never grows.
 *
 * Threading: any thread.
 */
#ifndef COMMON_METRICS_H
#define COMMON_METRICS_H

#include "common/buf.h"

enum metric {
#define COUNTER(id, service, name, labels, help)  METRIC_##id,
#define GAUGE(id, service, name, labels, help)    METRIC_##id,
#define DURATION(id, service, name, labels, help) METRIC_##id,
#include "common/metrics.def"
#undef COUNTER
#undef GAUGE
#undef DURATION
    METRIC_COUNT,
};

/* For counters. */
void metrics_add(enum metric metric, uint64_t more);

/* For gauges. */
void metrics_set(enum metric metric, uint64_t value);

/* For durations. */
void metrics_observe_us(enum metric metric, uint64_t us);

/* What a counter or gauge says; of a duration, how many were observed. */
uint64_t metrics_value(enum metric metric);

/* Appends the figures of `service` and of all services, in the Prometheus text format. */
void metrics_print(const char *service, struct buf *out);

#endif
