#include "services/shape_log_collector/log_files.h"

#include <errno.h>

#include "common/fs.h"
#include "common/sys.h"

/* Records looked at together: one page. */
#define WINDOW_RECORDS 128

/* Bytes checked together in recovery. */
#define PIECE_SIZE 65536

/* As much as there is, up to `size`. */
static bool
read_some(int fd, uint64_t position, uint8_t *bytes, size_t size, size_t *size_out, struct err *err)
{
    ssize_t used = fs_pread(fd, bytes, size, position);
    if (used < 0) {
        return fs_fail(err, "read", "a shape's log");
    }
    *size_out = (size_t)used;
    return true;
}

static bool
read_all(int fd, uint64_t position, uint8_t *bytes, size_t size, struct err *err)
{
    size_t used = 0;
    if (!read_some(fd, position, bytes, size, &used, err)) {
        return false;
    }
    return used == size || err_set(err, ERR_CORRUPT, "the file is shorter than its %llu bytes",
                                   (unsigned long long)(position + size));
}

static bool
size_of(int fd, uint64_t *size_out, struct err *err)
{
    *size_out = 0;
    struct stat stat;
    if (fd < 0) {
        return true;
    }
    if (sys_fstat(fd, &stat) != 0) {
        return fs_fail(err, "stat", "a shape's log");
    }
    *size_out = (uint64_t)stat.st_size;
    return true;
}

/* What a search looks for: the first record that is `behind`. */
struct search {
    bool (*is_behind)(const struct search *search, const uint8_t bytes[LOG_RECORD_SIZE]);
    struct log_offset after;
    uint64_t checkpoint_lsn;
    uint32_t chunk;
};

/* Binary search among the records [low, high), the last step in memory. */
static bool
find_first(struct log_files files, const struct search *search, uint64_t low, uint64_t high,
           uint64_t *number_out, struct err *err)
{
    uint8_t window[WINDOW_RECORDS * LOG_RECORD_SIZE];
    while (high - low > WINDOW_RECORDS) {
        uint64_t middle = low + (high - low) / 2;
        if (!read_all(files.index_fd, middle * LOG_RECORD_SIZE, window, LOG_RECORD_SIZE, err)) {
            return false;
        }
        if (search->is_behind(search, window)) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    size_t size = (size_t)(high - low) * LOG_RECORD_SIZE;
    if (!read_all(files.index_fd, low * LOG_RECORD_SIZE, window, size, err)) {
        return false;
    }
    const uint8_t *bytes = window;
    while (low < high && !search->is_behind(search, bytes)) {
        low++;
        bytes += LOG_RECORD_SIZE;
    }
    *number_out = low;
    return true;
}

static bool
is_not_durable(const struct search *search, const uint8_t bytes[LOG_RECORD_SIZE])
{
    return !log_record_is_durable(bytes, search->checkpoint_lsn);
}

/* The bytes since scan->head go through the checksum. */
static bool
scan_bytes(int fd, struct log_scan *scan, uint64_t end, struct err *err)
{
    uint8_t piece[PIECE_SIZE];
    for (uint64_t at = scan->head.end; at < end;) {
        size_t size = end - at < sizeof piece ? (size_t)(end - at) : sizeof piece;
        if (!read_all(fd, at, piece, size, err)) {
            return false;
        }
        log_scan_bytes(scan, view_of(piece, size));
        at += size;
    }
    return true;
}

/* Accepts records from scan->head on until one does not hold. */
static bool
scan_tail(struct log_files files, uint64_t record_count, uint64_t log_size, struct log_scan *scan,
          struct err *err)
{
    uint8_t bytes[LOG_RECORD_SIZE];
    struct log_record record;
    while (scan->head.record_count < record_count) {
        uint64_t position = scan->head.record_count * LOG_RECORD_SIZE;
        if (!read_all(files.index_fd, position, bytes, sizeof bytes, err)) {
            return false;
        }
        if (!log_scan_record(scan, bytes, log_size, &record)) {
            break;
        }
        if (!scan_bytes(files.log_fd, scan, record.end, err)) {
            return false;
        }
        if (!log_scan_accept(scan, &record)) {
            break;
        }
    }
    return true;
}

/* Behind the last record below the checkpoint. */
static bool
find_durable(struct log_files files, const struct log_point *from, uint64_t record_count,
             uint64_t log_size, uint64_t checkpoint_lsn, struct log_point *point_out,
             struct err *err)
{
    uint64_t number;
    struct search search = {.is_behind = is_not_durable, .checkpoint_lsn = checkpoint_lsn};
    if (!find_first(files, &search, from->record_count, record_count, &number, err)) {
        return false;
    }
    *point_out = *from;
    if (number == from->record_count) {
        return true;
    }
    struct log_record record;
    if (!log_files_record(files, number - 1, &record, err)) {
        return false;
    }
    if (record.kind != LOG_RECORD_COMMIT || record.end > log_size) {
        return err_set(err, ERR_CORRUPT, "what was durable ends in record %llu at %llu of %llu",
                       (unsigned long long)(number - 1), (unsigned long long)record.end,
                       (unsigned long long)log_size);
    }
    struct log_point before = {.record_count = number - 1};
    *point_out = log_point_behind(&before, &record);
    return true;
}

/* Damage in the middle, and not a torn tail, if a record that was durable lies behind `number`. */
static bool
check_rest(struct log_files files, uint64_t number, uint64_t record_count, uint64_t checkpoint_lsn,
           struct err *err)
{
    uint8_t bytes[LOG_RECORD_SIZE];
    for (; number < record_count; number++) {
        if (!read_all(files.index_fd, number * LOG_RECORD_SIZE, bytes, sizeof bytes, err)) {
            return false;
        }
        if (log_record_is_durable(bytes, checkpoint_lsn)) {
            return err_set(err, ERR_CORRUPT, "something before record %llu is damaged",
                           (unsigned long long)number);
        }
    }
    return true;
}

bool
log_files_recover(struct log_files files, const struct log_point *from, uint64_t checkpoint_lsn,
                  struct log_point *end_out, struct err *err)
{
    uint64_t index_size;
    uint64_t log_size;
    struct log_point durable;
    if (!size_of(files.index_fd, &index_size, err) || !size_of(files.log_fd, &log_size, err)) {
        return false;
    }
    uint64_t record_count = index_size / LOG_RECORD_SIZE;
    if (record_count < from->record_count || log_size < from->end) {
        return err_set(err, ERR_CORRUPT, "the files are shorter than they were");
    }
    if (!find_durable(files, from, record_count, log_size, checkpoint_lsn, &durable, err)) {
        return false;
    }
    struct log_scan scan = log_scan_from(durable);
    if (!scan_tail(files, record_count, log_size, &scan, err) ||
        !check_rest(files, scan.head.record_count, record_count, checkpoint_lsn, err)) {
        return false;
    }
    *end_out = scan.commit;
    return true;
}

static bool
cut(int fd, uint64_t size, bool *has_cut, struct err *err)
{
    uint64_t size_now;
    if (!size_of(fd, &size_now, err)) {
        return false;
    }
    if (size_now <= size) {
        return true;
    }
    *has_cut = true;
    return sys_ftruncate(fd, (off_t)size) == 0 || fs_fail(err, "cut", "a shape's log");
}

bool
log_files_cut(struct log_files files, const struct log_point *end, bool *has_cut_out,
              struct err *err)
{
    *has_cut_out = false;
    /* The index first: a record never points behind the log's end. */
    return cut(files.index_fd, end->record_count * LOG_RECORD_SIZE, has_cut_out, err) &&
           cut(files.log_fd, end->end, has_cut_out, err);
}

bool
log_files_record(struct log_files files, uint64_t number, struct log_record *record_out,
                 struct err *err)
{
    uint8_t bytes[LOG_RECORD_SIZE];
    return read_all(files.index_fd, number * LOG_RECORD_SIZE, bytes, sizeof bytes, err) &&
           (log_record_decode(bytes, record_out) ||
            err_set(err, ERR_CORRUPT, "record %llu is damaged", (unsigned long long)number));
}

/* A damaged record is taken for one behind: whoever then reads it finds out. */
static bool
is_behind_offset(const struct search *search, const uint8_t bytes[LOG_RECORD_SIZE])
{
    struct log_record record;
    return !log_record_decode(bytes, &record) ||
           offset_compare(log_record_offset(&record), search->after) > 0;
}

static bool
is_behind_chunk(const struct search *search, const uint8_t bytes[LOG_RECORD_SIZE])
{
    struct log_record record;
    return !log_record_decode(bytes, &record) || record.chunk > search->chunk;
}

bool
log_files_find_offset(struct log_files files, uint64_t record_count, struct log_offset after,
                      uint64_t *number_out, struct err *err)
{
    struct search search = {.is_behind = is_behind_offset, .after = after};
    /* Live readers ask for what has come last: the last page first. */
    uint64_t tail = record_count > WINDOW_RECORDS ? record_count - WINDOW_RECORDS : 0;
    return find_first(files, &search, tail, record_count, number_out, err) &&
           (*number_out > tail || tail == 0 ||
            find_first(files, &search, 0, tail, number_out, err));
}

bool
log_files_find_chunk(struct log_files files, uint64_t record_count, uint32_t chunk,
                     uint64_t *number_out, struct err *err)
{
    struct search search = {.is_behind = is_behind_chunk, .chunk = chunk};
    return find_first(files, &search, 0, record_count, number_out, err);
}

bool
log_files_read(int fd, uint64_t position, size_t size, struct buf *out, struct err *err)
{
    uint8_t *bytes = buf_reserve(out, size);
    if (!read_all(fd, position, bytes, size, err)) {
        return false;
    }
    out->size += size;
    return true;
}

bool
log_files_sync(struct log_files files, struct err *err)
{
    return ((files.log_fd < 0 || sys_fdatasync(files.log_fd) == 0) &&
            (files.index_fd < 0 || sys_fdatasync(files.index_fd) == 0)) ||
           fs_fail(err, "fdatasync", "a shape's log");
}

bool
log_files_write(int fd, uint64_t position, struct view bytes, struct err *err)
{
    for (size_t used = 0; used < bytes.size;) {
        ssize_t n = sys_pwrite(fd, bytes.bytes + used, bytes.size - used, (off_t)(position + used));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return fs_fail(err, "write", "a shape's log");
        }
        used += (size_t)n;
    }
    return true;
}
