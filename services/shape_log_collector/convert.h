/*
 * convert.h - a block of COPY becomes items in the snapshot file, on a worker.
 *
 * Threading: convert_run() on a worker; the rest on the loop.
 */
#ifndef COLLECTOR_CONVERT_H
#define COLLECTOR_CONVERT_H

#include "common/worker.h"
#include "services/shape_log_collector/registry.h"
#include "services/shape_log_collector/rows.h"

enum convert_step {
    CONVERT_OPEN,   /* make the file */
    CONVERT_ROWS,   /* append a block's rows */
    CONVERT_FINISH, /* append the snapshot-end item, make the file durable */
};

/* One step's input and result; lives in its owner. */
struct convert {
    struct worker_task task;
    void (*done)(void *ctx);
    void *ctx;

    /* input */
    enum convert_step step;
    struct shape *shape; /* its definition and plan are read */
    struct buf rows;     /* COPY text, taken apart in place */
    struct buf end_item;

    /* kept over all steps; the worker's while a step runs */
    struct snapshot_writer *writer;
    struct buf items;
    struct rows room;

    /* result */
    bool ok;
    struct err err;
    uint64_t row_count; /* of all steps so far */
};

void convert_init(struct convert *convert, struct shape *shape, void (*done)(void *ctx), void *ctx);

/* Runs the step on the lane; `done` is called on the loop. */
void convert_submit(struct convert *convert, struct worker_lane *lane, enum convert_step step);

/* Not while a step runs. */
void convert_fini(struct convert *convert);

#endif
