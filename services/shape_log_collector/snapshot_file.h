/*
 * snapshot_file.h - the initial rows of one shape: HANDLE.snapshot.
 *
 * Items in wire form, each followed by a comma; immutable once complete. A chunk
 * ends behind the item that brings it to `chunk_bytes`, as in the log. Where
 * chunks end stands in the catalogue, so a complete snapshot has no other file.
 *
 * A writer appends blocks of whole items on a worker; the loop publishes what
 * it wrote between two blocks, and complete chunks can be read from then on.
 *
 * Threading: a writer belongs to whoever has it, worker or loop, one at a time;
 * struct snapshot is the loop's.
 */
#ifndef COLLECTOR_SNAPSHOT_FILE_H
#define COLLECTOR_SNAPSHOT_FILE_H

#include "services/shape_log_collector/shape_log.h"

struct storage_dir;

/* What can be read. 24 bytes for the many that have one chunk. */
struct snapshot {
    uint32_t chunk_count; /* complete ones */
    bool is_complete;     /* no more chunks follow, and the log may be read */
    union {
        uint64_t end;   /* one chunk: where it ends */
        uint64_t *ends; /* more: where each ends */
    };
};

struct snapshot_writer;

/*
 * Makes the file; an old one of that name is emptied. Blocks a little: on a worker, or for small
 * ones on the loop. Errors: ERR_IO, ERR_FULL.
 */
NODISCARD bool snapshot_writer_open(struct storage_dir *dir, uint64_t epoch, const char *handle,
                                    uint64_t chunk_bytes, struct snapshot_writer **writer_out,
                                    struct err *err);

/*
 * Appends whole items, each with its comma. On a worker: blocks for a write. Errors: ERR_IO;
 * ERR_FULL: append the same block again later, nothing of it counts yet.
 */
NODISCARD bool snapshot_writer_append(struct snapshot_writer *writer, struct view items,
                                      struct err *err);

/*
 * Appends the snapshot-end item (with its comma), ends the last chunk and makes file and name
 * durable. On a worker: blocks for two fsyncs. Errors: ERR_IO; ERR_FULL: call again later.
 */
NODISCARD bool snapshot_writer_finish(struct snapshot_writer *writer, struct view end_item,
                                      struct err *err);

/* Takes over into *snapshot what the writer has completed. On the loop, while no worker has it. */
void snapshot_publish(struct snapshot *snapshot, const struct snapshot_writer *writer);

/*
 * From here on the log may be read. Only once the catalogue names the shape: who was told that he
 * is up to date keeps his shape through a crash.
 */
void snapshot_complete(struct snapshot *snapshot);

/* Closes the file. NULL is accepted. */
void snapshot_writer_close(struct snapshot_writer *writer);

/* A complete one, from the catalogue. At least one chunk. */
void snapshot_init(struct snapshot *snapshot, const uint64_t *chunk_ends, uint32_t chunk_count);
const uint64_t *snapshot_chunk_ends(const struct snapshot *snapshot);
uint64_t snapshot_size(const struct snapshot *snapshot);
void snapshot_fini(struct snapshot *snapshot);

/* Where a read begins. */
struct shape_position {
    bool is_start; /* -1: before everything */
    struct log_offset offset;
};

/*
 * What a reader at `from` gets next, out of snapshot or log: -1 chunk 0, {0,n} chunk n+1, and from
 * the last chunk's offset on the log. SHAPE_RANGE_PENDING only while the snapshot is not complete.
 * `log` belongs to the same shape and is opened if need be.
 */
enum shape_range_result shape_range_find(const struct snapshot *snapshot, struct shape_log *log,
                                         struct shape_position from, struct item_range *range_out,
                                         struct err *err);

/*
 * Reads the bytes of a range, for whoever cannot open the file himself and for small ones. Blocks
 * for a read that is mostly from memory. Errors: ERR_IO; ERR_CORRUPT when the file is shorter.
 */
NODISCARD bool shape_range_read(struct storage_dir *dir, const struct item_range *range,
                                struct buf *bytes_out, struct err *err);

#endif
