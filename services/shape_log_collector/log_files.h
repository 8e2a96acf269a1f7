/*
 * log_files.h - the two open files of one shape log: recovery and search.
 *
 * What log_format.h says about bytes, done with descriptors. Positions below the
 * point that recovery gave never change, so searching needs no lock and no copy.
 *
 * Threading: as any object, the descriptors belong to one thread at a time.
 */
#ifndef COLLECTOR_LOG_FILES_H
#define COLLECTOR_LOG_FILES_H

#include "common/buf.h"
#include "common/core/log_format.h"

/* -1: the file is not there, or closed. */
struct log_files {
    int log_fd;
    int index_fd;
};

/*
 * Finds where the log ends, from `from` on: believes the records below the checkpoint behind it and
 * verifies the rest with their bytes. Changes nothing.
 * Errors: ERR_IO; ERR_CORRUPT when what was durable is damaged.
 */
NODISCARD bool log_files_recover(struct log_files files, const struct log_point *from,
                                 uint64_t checkpoint_lsn, struct log_point *end_out,
                                 struct err *err);

/* Cuts what is behind `end` off both files. *has_cut_out: something was. Errors: ERR_IO, ERR_FULL.
 */
NODISCARD bool log_files_cut(struct log_files files, const struct log_point *end, bool *has_cut_out,
                             struct err *err);

/* Record `number`, from 0; it is below a point. Errors: ERR_IO, ERR_CORRUPT. */
NODISCARD bool log_files_record(struct log_files files, uint64_t number,
                                struct log_record *record_out, struct err *err);

/*
 * The first of the `record_count` records whose offset lies behind `after` (whose chunk number is
 * greater than `chunk`), record_count if there is none. Errors: ERR_IO, ERR_CORRUPT.
 */
NODISCARD bool log_files_find_offset(struct log_files files, uint64_t record_count,
                                     struct log_offset after, uint64_t *number_out,
                                     struct err *err);
NODISCARD bool log_files_find_chunk(struct log_files files, uint64_t record_count, uint32_t chunk,
                                    uint64_t *number_out, struct err *err);

/* Appends `size` bytes at `position` to `out`. Errors: ERR_IO; ERR_CORRUPT when they end before. */
NODISCARD bool log_files_read(int fd, uint64_t position, size_t size, struct buf *out,
                              struct err *err);

/* Blocks for an fdatasync of each file that is open. Errors: ERR_IO, ERR_FULL. */
NODISCARD bool log_files_sync(struct log_files files, struct err *err);

/* Writes all of it. Errors: ERR_IO, ERR_FULL; any part may then be written. */
NODISCARD bool log_files_write(int fd, uint64_t position, struct view bytes, struct err *err);

#endif
