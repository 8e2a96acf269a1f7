/*
 * hints.h - tells the APIs that logs are longer and shapes are gone.
 *
 * What is added during a batch goes out in one log.hints message (several, when it would be too
 * large), small items with it. A beat with the processed LSN follows at least every 200 ms, so that
 * a subscriber sees from the sequence number whether it has missed something.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_HINTS_H
#define COLLECTOR_HINTS_H

#include "common/err.h"
#include "common/wire.h"
#include "proto/offset.h"

struct hints;
struct service;

/* Items up to this size travel with the hint: most transactions of most shapes. */
#define HINTS_ITEMS_MAX (16u << 10)

struct hints_options {
    struct service *service;
    const char *url;
    void *ctx;
    uint64_t (*processed_lsn)(void *ctx);
    uint64_t (*epoch)(void *ctx);
};

NODISCARD bool hints_open(const struct hints_options *options, struct hints **hints_out,
                          struct err *err);
void hints_close(struct hints *hints);

/* The log of `handle` now ends at `to`; `items` are all between the two, or empty. Both are copied.
 */
void hints_advanced(struct hints *hints, struct view handle, struct log_offset from,
                    struct log_offset to, struct view items);

void hints_gone(struct hints *hints, struct view handle);

/* Sends what was added. Called at the end of a batch and of a turn. */
void hints_flush(struct hints *hints);

#endif
