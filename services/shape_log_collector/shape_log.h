/*
 * shape_log.h - the changes of one shape: HANDLE.log and HANDLE.index.
 *
 * Ingest builds an item at the end of the log's buffer and says its offset; a
 * commit ends the transaction. log_store_write_out() brings what is buffered to
 * the page cache, items first, then records, and then moves the visible end.
 * The last item of an open transaction always stays in the buffer, so that its
 * tail can still become `,"last":true}},`.
 *
 * A log is a few words until it is touched: the first question or item opens
 * its files and recovers them (log_format.h). Without changes there are no files.
 *
 * Chunks end behind the item that brings them to `chunk_bytes`, wherever that
 * is in a transaction: decided by bytes alone, so a redelivery cuts as before.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_SHAPE_LOG_H
#define COLLECTOR_SHAPE_LOG_H

#include "common/buf.h"
#include "proto/offset.h"

struct log_store;
struct shape_log;

/* A range of whole items, each followed by a comma. */
struct item_range {
    char path[160]; /* below the storage folder; empty when there are no bytes */
    uint64_t position;
    uint64_t size;
    struct log_offset end; /* the offset behind these bytes */
    bool is_end;           /* nothing visible follows */
    bool is_fixed; /* ends where a chunk ends: neither the bytes nor `end` will ever change */
};

enum shape_range_result {
    SHAPE_RANGE_OK,
    SHAPE_RANGE_BEYOND,  /* the offset lies behind the log's visible end */
    SHAPE_RANGE_PENDING, /* the snapshot's chunk is still being written: ask again later */
    SHAPE_RANGE_FAILED,  /* *err is set; the shape must end */
};

/*
 * A log of the shape `handle`, which is borrowed, in the store's epoch; no file is touched. `owner`
 * comes back in the store's events. A new shape has nothing on disk: is_new saves looking for it.
 */
struct shape_log *shape_log_new(struct log_store *store, const char *handle, void *owner,
                                bool is_new);

/*
 * Opens and recovers the files if that was not done yet; every other function but shape_log_free()
 * wants this to have succeeded once. Cheap when it has. Errors: ERR_CORRUPT, ERR_IO: the shape must
 * end. ERR_FULL: cutting a torn tail has to wait, try later.
 */
NODISCARD bool shape_log_open(struct shape_log *log, struct err *err);

/* The visible end; OFFSET_SNAPSHOT_END when nothing was ever committed. */
struct log_offset shape_log_end(const struct shape_log *log);

/* Commit LSN of the last transaction in the log, whether it is written out yet or not; 0: none. */
uint64_t shape_log_commit_lsn(const struct shape_log *log);

/* Bytes in the log up to the visible end. */
uint64_t shape_log_size(const struct shape_log *log);

/* Where to append the bytes of one item and its comma; then comes shape_log_added(). */
struct buf *shape_log_items(struct shape_log *log);

/* The item just appended is complete and stands at `offset`; offsets grow. */
void shape_log_added(struct shape_log *log, struct log_offset offset);

/* For the figures: the item just added makes the shape so many rows larger (1, 0, -1). */
void shape_log_count(struct shape_log *log, int delta);

/* What committed transactions made of it since the process started. */
int64_t shape_log_rows(const struct shape_log *log);

/*
 * Ends the open transaction. Its last item may have been changed at the end of shape_log_items()
 * just before. At least one item was added since the last commit.
 */
void shape_log_commit(struct shape_log *log, uint64_t commit_lsn);

/*
 * Forgets the open transaction and cuts what of it is in the files already. What was committed and
 * is only buffered stays. Errors: as of shape_log_open().
 */
NODISCARD bool shape_log_abort(struct shape_log *log, struct err *err);

/*
 * What comes after `after` ({0, inf}: all), to the end of its chunk or to the visible end. Opens
 * the log if need be. Any offset is allowed, also between two records or items.
 */
enum shape_range_result shape_log_range(struct shape_log *log, struct log_offset after,
                                        struct item_range *range_out, struct err *err);

/* Name of a file of this shape, below the storage folder: suffix log, index or snapshot. */
void shape_log_file_name(const struct shape_log *log, const char *suffix, char name_out[160]);

/* Closes the files; what was not written out is lost. Deletes nothing. NULL is accepted. */
void shape_log_free(struct shape_log *log);

#endif
