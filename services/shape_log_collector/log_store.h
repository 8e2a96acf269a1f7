/*
 * log_store.h - all shape logs of the current epoch: their descriptors, what is
 * to be written, what is to be synced.
 *
 * At the end of a batch log_store_write_out() makes one write of items and one
 * of records for every log that was touched. A disk that is full or read-only
 * blocks the store: all buffers stay, and the next write-out tries again. Any
 * other error is that one shape's, which `failed` ends.
 *
 * Threading: the loop's. log_sync_run() alone runs on a worker.
 */
#ifndef COLLECTOR_LOG_STORE_H
#define COLLECTOR_LOG_STORE_H

#include "common/wire.h"
#include "proto/offset.h"

struct log_store;
struct storage_dir;

/* A log's visible end has moved. */
struct log_advance {
    struct log_offset from;
    struct log_offset to;
    struct view
        items; /* all between the two, or empty if they are not at hand; for this call only */
    bool is_in_one_chunk; /* no chunk ended before the last of them: one read would give the same */
};

struct log_store_options {
    struct storage_dir *dir;
    uint64_t epoch;
    uint64_t checkpoint_lsn; /* what recovery believes; the catalogue's */
    uint64_t chunk_bytes;
    unsigned descriptors_max; /* open at a time, two for a log */
    bool is_read_only;        /* a waiting collector: nothing is cut, written or made */

    void *ctx;
    void (*advanced)(void *ctx, void *owner, const struct log_advance *advance);
    /* The shape must end; shape_log_free() may be called inside. */
    void (*failed)(void *ctx, void *owner, const struct err *err);
};

struct log_store *log_store_new(const struct log_store_options *options);

/* Bytes that wait in buffers: more than LOG_STORE_BUFFERED_MAX want a write-out in mid batch. */
#define LOG_STORE_BUFFERED_MAX (8u << 20)
size_t log_store_buffered(const struct log_store *store);

/*
 * Writes out every log that was touched and reports the visible ends that moved. False (ERR_FULL):
 * the disk takes no more now; nothing is lost, call again in a second and take no new changes until
 * it says true. What could be written is visible all the same.
 */
NODISCARD bool log_store_write_out(struct log_store *store, struct err *err);

/* After a failed write-out, until one succeeds. */
bool log_store_is_blocked(const struct log_store *store);

/* Bytes written since the last checkpoint began, and logs that are not synced. */
uint64_t log_store_unsynced_bytes(const struct log_store *store);
size_t log_store_dirty_count(const struct log_store *store);

/* Whether a sync would have anything to do. */
bool log_store_needs_sync(const struct log_store *store);

/*
 * What a checkpoint makes durable: the logs that are dirty now, and the folders with new names.
 * They keep their descriptors until log_sync_end(). One at a time.
 */
struct log_sync;
struct log_sync *log_sync_begin(struct log_store *store);

/*
 * On a worker: blocks until all of it is durable. Few files are fdatasynced one by one, many by one
 * syncfs where that reports errors reliably. False: not everything is durable and a later sync must
 * repeat it (the disk is full, or read-only). Files that alone failed do not make it false.
 */
NODISCARD bool log_sync_run(struct log_sync *sync, struct err *err);

/* Back on the loop: frees it; shapes whose files could not be synced are reported as failed. */
void log_sync_end(struct log_sync *sync);

/* All logs are freed before. NULL is accepted. */
void log_store_free(struct log_store *store);

#endif
