#include "services/shape_log_collector/shape_log.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "services/shape_log_collector/log_internal.h"
#include "services/shape_log_collector/storage_dir.h"

/* A buffer that grew beyond this in one batch is given back, smaller ones are kept for the next. */
#define BUFFER_KEEP_BYTES 4096

struct shape_log *
shape_log_new(struct log_store *store, const char *handle, void *owner, bool is_new)
{
    struct shape_log *log = mem_alloc_zero(sizeof *log);
    *log = (struct shape_log){.store = store, .handle = handle, .owner = owner, .is_new = is_new};
    store->log_count++;
    return log;
}

static struct log_offset
point_offset(const struct log_point *point)
{
    return point->lsn == 0 ? OFFSET_SNAPSHOT_END : (struct log_offset){point->lsn, point->op};
}

/* Where the chunk that is open behind `point` began. */
static bool
find_chunk_start(struct log_files files, const struct log_point *point, uint64_t *start_out,
                 struct err *err)
{
    uint64_t number;
    struct log_record record;
    *start_out = 0;
    if (point->chunk == 0) {
        return true;
    }
    if (!log_files_find_chunk(files, point->record_count, point->chunk - 1, &number, err) ||
        !log_files_record(files, number, &record, err)) {
        return false;
    }
    *start_out = record.end;
    return true;
}

/* Everything begins anew at `end`; what was buffered is gone. */
static void
start_at(struct open_log *open, const struct log_point *end, uint64_t chunk_start)
{
    open->visible = open->commit = open->head = *end;
    open->visible_chunk_start = open->commit_chunk_start = open->chunk_start = chunk_start;
    open->log_written = end->end;
    open->records_written = end->record_count;
    open->crc = 0;
    open->last_item = open->last_item_end = 0;
}

static bool
recover(struct open_log *open, struct err *err)
{
    const struct log_store_options *options = &open->log->store->options;
    struct log_point start = {0};
    struct log_point end = {0};
    uint64_t chunk_start = 0;
    bool has_cut = false;
    if (!log_store_open_files(open, false, err) ||
        !log_files_recover(open->files, &start, options->checkpoint_lsn, &end, err) ||
        !find_chunk_start(open->files, &end, &chunk_start, err) ||
        (!options->is_read_only && !log_files_cut(open->files, &end, &has_cut, err))) {
        return false;
    }
    if (has_cut) {
        log_store_mark_dirty(open);
    }
    start_at(open, &end, chunk_start);
    return true;
}

bool
shape_log_open(struct shape_log *log, struct err *err)
{
    if (log->open != NULL) {
        return true;
    }
    struct open_log *open = mem_alloc_zero(sizeof *open);
    open->log = log;
    open->files = (struct log_files){-1, -1};
    list_init(&open->place_node);
    list_init(&open->touched_node);
    log->open = open;
    if (!log->is_new && !recover(open, err)) {
        log_store_forget(open);
        log->open = NULL;
        return log_store_wrap(log, err);
    }
    return true;
}

struct log_offset
shape_log_end(const struct shape_log *log)
{
    return point_offset(&log->open->visible);
}

uint64_t
shape_log_commit_lsn(const struct shape_log *log)
{
    return log->open->commit.lsn;
}

uint64_t
shape_log_size(const struct shape_log *log)
{
    return log->open->visible.end;
}

struct buf *
shape_log_items(struct shape_log *log)
{
    return &log->open->items;
}

static void
add_record(struct open_log *open, enum log_record_kind kind, uint64_t end)
{
    bool is_chunk_end = kind == LOG_RECORD_CHUNK_END;
    if (open->head.chunk >= LOG_CHUNKS_MAX || open->last_offset.op > LOG_OP_MAX) {
        struct err err;
        err_set(&err, ERR_LIMIT, "the log has too many chunks, or a transaction too many changes");
        log_store_fail(open, &err);
        return;
    }
    struct log_record record = {
        .kind = kind,
        .lsn = open->last_offset.lsn,
        .end = end,
        .op = (uint32_t)open->last_offset.op,
        .chunk = open->head.chunk + (is_chunk_end ? 1u : 0u),
        .bytes_crc = open->crc,
    };
    log_record_encode(&record, buf_grow(&open->records, LOG_RECORD_SIZE));
    open->head = log_point_behind(&open->head, &record);
    open->crc = 0;
}

/* The held-back item, which ends at `end` in the buffer, will not change any more. */
static void
settle_last_item(struct open_log *open, size_t end)
{
    if (open->last_item_end == open->last_item) {
        return;
    }
    open->crc =
        wire_crc32c_extend(open->crc, open->items.bytes + open->last_item, end - open->last_item);
    open->last_item = open->last_item_end = end;
    uint64_t position = open->log_written + end;
    if (position - open->chunk_start >= open->log->store->options.chunk_bytes) {
        add_record(open, LOG_RECORD_CHUNK_END, position);
        open->chunk_start = position;
    }
}

void
shape_log_added(struct shape_log *log, struct log_offset offset)
{
    struct open_log *open = log->open;
    ASSERT(open->items.size > open->last_item_end);
    ASSERT(offset_compare(offset, open->last_item_end > open->last_item
                                      ? open->last_offset
                                      : point_offset(&open->head)) > 0);
    log->store->buffered += open->items.size - open->last_item_end;
    settle_last_item(open, open->last_item_end);
    open->last_item_end = open->items.size;
    open->last_offset = offset;
    log_store_touch(open);
}

void
shape_log_count(struct shape_log *log, int delta)
{
    log->open_rows += delta;
}

int64_t
shape_log_rows(const struct shape_log *log)
{
    return log->rows;
}

void
shape_log_commit(struct shape_log *log, uint64_t commit_lsn)
{
    struct open_log *open = log->open;
    ASSERT(open->last_item_end > open->last_item && open->last_offset.lsn == commit_lsn);
    log->store->buffered += open->items.size - open->last_item_end;
    settle_last_item(open, open->items.size);
    add_record(open, LOG_RECORD_COMMIT, open->log_written + open->items.size);
    log->rows += log->open_rows;
    log->open_rows = 0;
    open->commit = open->head;
    open->commit_chunk_start = open->chunk_start;
    log_store_touch(open);
}

/* Cuts a buffer whose first byte is at `start` to what lies before `end`. */
static void
cut_buffer(struct buf *buf, uint64_t start, uint64_t end)
{
    size_t keep = end > start ? (size_t)(end - start) : 0;
    ASSERT(keep <= buf->size);
    buf->size = keep;
}

bool
shape_log_abort(struct shape_log *log, struct err *err)
{
    struct open_log *open = log->open;
    size_t size_before = open->last_item_end;
    const struct log_point *commit = &open->commit;
    log->open_rows = 0;
    if (open->log_written > commit->end || open->records_written > commit->record_count) {
        bool has_cut;
        if (!log_store_open_files(open, false, err) ||
            !log_files_cut(open->files, commit, &has_cut, err)) {
            return log_store_wrap(log, err);
        }
        log_store_mark_dirty(open);
    }
    cut_buffer(&open->items, open->log_written, commit->end);
    cut_buffer(&open->records, open->records_written * LOG_RECORD_SIZE,
               commit->record_count * LOG_RECORD_SIZE);
    if (open->log_written > commit->end) {
        open->log_written = commit->end;
    }
    if (open->records_written > commit->record_count) {
        open->records_written = commit->record_count;
    }
    log->store->buffered -= size_before - open->items.size;
    open->head = *commit;
    open->chunk_start = open->commit_chunk_start;
    open->crc = 0;
    open->last_item = open->last_item_end = open->items.size;
    return true;
}

static void
trim(struct buf *buf)
{
    if (buf->size == 0 && buf->capacity > BUFFER_KEEP_BYTES) {
        buf_free(buf);
    }
}

/* Writes the items that may no longer change, and forgets them. */
static bool
write_items(struct open_log *open, struct err *err)
{
    size_t size = open->last_item;
    if (size == 0) {
        return true;
    }
    struct view bytes = view_of(open->items.bytes, size);
    if (!log_files_write(open->files.log_fd, open->log_written, bytes, err)) {
        return false;
    }
    open->log->store->unsynced_bytes += size;
    return true;
}

static bool
write_records(struct open_log *open, struct err *err)
{
    uint64_t position = open->records_written * LOG_RECORD_SIZE;
    if (!log_files_write(open->files.index_fd, position, buf_view(&open->records), err)) {
        return false;
    }
    open->log->store->unsynced_bytes += open->records.size;
    open->records_written += open->records.size / LOG_RECORD_SIZE;
    buf_clear(&open->records);
    trim(&open->records);
    return true;
}

/* The visible end moves to the last commit, and whoever waits for it is told. */
static void
advance(struct open_log *open)
{
    const struct log_store_options *options = &open->log->store->options;
    if (open->visible.record_count == open->commit.record_count) {
        return;
    }
    struct log_advance advance = {
        .from = point_offset(&open->visible),
        .to = point_offset(&open->commit),
        .is_in_one_chunk = open->commit.chunk == open->visible.chunk ||
                           (open->commit.chunk == open->visible.chunk + 1 &&
                            open->commit_chunk_start == open->commit.end),
    };
    if (open->log_written == open->visible.end) { /* nothing of it was written before */
        advance.items = view_of(open->items.bytes, (size_t)(open->commit.end - open->visible.end));
    }
    open->visible = open->commit;
    open->visible_chunk_start = open->commit_chunk_start;
    if (options->advanced != NULL) {
        options->advanced(options->ctx, open->log->owner, &advance);
    }
}

bool
shape_log_write(struct open_log *open, struct err *err)
{
    if (open->last_item == 0 && open->records.size == 0) {
        return true;
    }
    if (!log_store_open_files(open, true, err)) {
        return false;
    }
    log_store_mark_dirty(open);
    if (!write_items(open, err) || !write_records(open, err)) {
        return false;
    }
    advance(open);
    size_t size = open->last_item;
    open->log_written += size;
    open->log->store->buffered -= size;
    open->items.size -= size;
    open->last_item_end -= size;
    open->last_item = 0;
    if (open->items.size > 0) {
        memmove(open->items.bytes, open->items.bytes + size, open->items.size);
    }
    trim(&open->items);
    return true;
}

/* A reader beside the writer: what has been added, or cut, since. */
static bool
refresh(struct open_log *open, struct err *err)
{
    uint64_t checkpoint_lsn = open->log->store->options.checkpoint_lsn;
    struct log_point end;
    uint64_t chunk_start;
    if (!log_store_open_files(open, false, err)) {
        return false;
    }
    if (!log_files_recover(open->files, &open->visible, checkpoint_lsn, &end, err)) {
        struct log_point start = {0};
        if (err->kind != ERR_CORRUPT ||
            !log_files_recover(open->files, &start, checkpoint_lsn, &end, err)) {
            return false;
        }
    }
    if (!find_chunk_start(open->files, &end, &chunk_start, err)) {
        return false;
    }
    start_at(open, &end, chunk_start);
    return true;
}

/*
 * The first item behind `after`, when that lies between two records of one transaction: `before`
 * and `record`.
 */
static bool
find_in_segment(struct open_log *open, const struct log_point *before,
                const struct log_record *record, struct log_offset after, uint64_t *position_out,
                struct err *err)
{
    *position_out = before->end;
    if (after.lsn != record->lsn || offset_compare(after, point_offset(before)) <= 0) {
        return true;
    }
    struct buf segment = {0};
    bool ok = log_files_read(open->files.log_fd, before->end, (size_t)(record->end - before->end),
                             &segment, err);
    if (ok) {
        *position_out += log_items_after(buf_view(&segment), after.op);
    }
    buf_free(&segment);
    return ok;
}

/* What comes before record `number`. */
static bool
point_before(struct open_log *open, uint64_t number, struct log_point *point_out, struct err *err)
{
    struct log_record record;
    *point_out = (struct log_point){0};
    if (number == 0) {
        return true;
    }
    if (!log_files_record(open->files, number - 1, &record, err)) {
        return false;
    }
    point_out->record_count = number - 1;
    *point_out = log_point_behind(point_out, &record);
    return true;
}

/* The range from `after` on, which lies before the visible end. */
static bool
find_range(struct open_log *open, struct log_offset after, struct item_range *range,
           struct err *err)
{
    uint64_t count = open->visible.record_count;
    uint64_t number;
    struct log_point before;
    struct log_record record;
    struct log_record last;
    if (!log_store_open_files(open, false, err) ||
        !log_files_find_offset(open->files, count, after, &number, err) ||
        !log_files_record(open->files, number, &record, err) ||
        !point_before(open, number, &before, err) ||
        !find_in_segment(open, &before, &record, after, &range->position, err)) {
        return false;
    }
    uint64_t end = open->visible.end;
    range->end = point_offset(&open->visible);
    if (before.chunk < open->visible.chunk) {
        if (!log_files_find_chunk(open->files, count, before.chunk, &number, err) ||
            !log_files_record(open->files, number, &last, err)) {
            return false;
        }
        end = last.end;
        range->end = log_record_offset(&last);
        range->is_fixed = true;
    }
    if (range->position > end) {
        return err_set(err, ERR_CORRUPT, "records point behind one another");
    }
    range->size = end - range->position;
    range->is_end = end == open->visible.end;
    shape_log_file_name(open->log, "log", range->path);
    return true;
}

enum shape_range_result
shape_log_range(struct shape_log *log, struct log_offset after, struct item_range *range_out,
                struct err *err)
{
    if (!shape_log_open(log, err)) {
        return SHAPE_RANGE_FAILED;
    }
    struct open_log *open = log->open;
    ASSERT(open != NULL);
    if (log->store->options.is_read_only && !refresh(open, err)) {
        log_store_wrap(log, err);
        return SHAPE_RANGE_FAILED;
    }
    struct log_offset end = point_offset(&open->visible);
    int order = offset_compare(after, end);
    if (order > 0) {
        return SHAPE_RANGE_BEYOND;
    }
    *range_out = (struct item_range){.end = end, .is_end = true};
    if (order == 0) {
        return SHAPE_RANGE_OK;
    }
    *range_out = (struct item_range){0};
    if (!find_range(open, after, range_out, err)) {
        log_store_wrap(log, err);
        return SHAPE_RANGE_FAILED;
    }
    return SHAPE_RANGE_OK;
}

void
shape_log_file_name(const struct shape_log *log, const char *suffix, char name_out[160])
{
    storage_shape_name(log->store->options.epoch, log->handle, suffix, name_out);
}

void
shape_log_free(struct shape_log *log)
{
    if (log == NULL) {
        return;
    }
    if (log->open != NULL) {
        log->store->buffered -= log->open->last_item_end;
        log_store_forget(log->open);
    }
    log->store->log_count--;
    mem_free(log);
}
