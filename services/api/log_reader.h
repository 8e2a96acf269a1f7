/*
 * log_reader.h - what comes after an offset of a shape, as bytes or a piece of a file.
 *
 * Asks the collector by shape.read. Where the collector's storage folder is ours
 * too (the same ID) it gets a reference and opens the file; elsewhere, or when
 * the file is gone meanwhile, it asks again for the bytes. Complete chunks never
 * change: they are kept, bounded, and served while the collector is away. Equal
 * reads at the same time share one request.
 *
 * Threading: the loop's thread.
 */
#ifndef API_LOG_READER_H
#define API_LOG_READER_H

#include "proto/codec.h"
#include "proto/offset.h"
#include "services/api/front.h"

struct log_reader;
struct log_read;

struct log_reader_options {
    struct loop *loop;
    const char *shape_url; /* the collector's address on the bus */
    const char
        *storage_dir;     /* where its files are, if that is the folder it has; NULL: elsewhere */
    struct envelope from; /* us */
};

struct log_position {
    bool is_start; /* -1 */
    struct log_offset offset;
};

enum log_result {
    LOG_RANGE,       /* here it is */
    LOG_GONE,        /* no such handle */
    LOG_BEYOND,      /* the offset lies behind the log's end */
    LOG_UNAVAILABLE, /* not now: the collector is away or starting, or a chunk was not ready in time
                      */
    LOG_UNMADE,      /* it was begun and could not be completed */
    LOG_FAILED,
};

struct log_range {
    enum log_result result;
    const char *error; /* LOG_UNAVAILABLE, LOG_FAILED: why; LOG_UNMADE: what the client is told */

    /* LOG_UNMADE */
    bool is_known_error;
    unsigned retry_after_s; /* 0: asking again does not help */

    /* Whole items, each followed by a comma; size 0: none. The blob, or the file, is good for the
     * call. */
    struct answer_part items;
    struct log_offset end; /* the offset behind them */
    bool is_end;           /* nothing followed */
    bool is_fixed;         /* a complete chunk: always the same for this offset, and kept here */

    /* As the collector said; not set for what was kept. */
    bool is_kept;
    struct log_offset log_end;
    uint64_t processed_lsn;
    bool is_behind; /* LOG_BEYOND: the stream has not yet passed the WAL end seen at connect */
};

typedef void (*log_read_fn)(void *ctx, const struct log_range *range);

/* Errors: ERR_IO. */
NODISCARD bool log_reader_open(const struct log_reader_options *options,
                               struct log_reader **reader_out, struct err *err);

/*
 * Reads; `fn` is called exactly once unless the read is cancelled: before this returns (then it
 * returns NULL) if the range is kept, else within `deadline_ms` and a second. A chunk that is being
 * written is waited for so long.
 */
struct log_read *log_reader_read(struct log_reader *reader, struct view handle,
                                 struct log_position from, uint64_t deadline_ms, log_read_fn fn,
                                 void *ctx);

/* `fn` will not be called. */
void log_read_cancel(struct log_read *read);

/* The shape is gone: nothing of it is kept any more. */
void log_reader_forget(struct log_reader *reader, struct view handle);

/* Bytes kept in memory, for the metrics. */
size_t log_reader_kept_bytes(const struct log_reader *reader);

/* Cancels what is open. NULL is accepted. */
void log_reader_close(struct log_reader *reader);

#endif
