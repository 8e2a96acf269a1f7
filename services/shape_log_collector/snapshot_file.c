#include "services/shape_log_collector/snapshot_file.h"

#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>

#include "common/core/log_format.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/sys.h"
#include "services/shape_log_collector/log_files.h"
#include "services/shape_log_collector/storage_dir.h"

struct snapshot_writer {
    char path[STORAGE_FILE_MAX];
    int fd;
    uint64_t chunk_bytes;
    uint64_t size;        /* whole blocks written */
    uint64_t chunk_start; /* where the chunk that is open began */
    uint64_t *ends;       /* of complete chunks */
    uint32_t chunk_count;
    uint32_t chunk_room;
    bool has_end_item;
};

bool
snapshot_writer_open(struct storage_dir *dir, uint64_t epoch, const char *handle,
                     uint64_t chunk_bytes, struct snapshot_writer **writer_out, struct err *err)
{
    ASSERT(chunk_bytes > 0);
    struct snapshot_writer *writer = mem_alloc_zero(sizeof *writer);
    char name[STORAGE_NAME_MAX];
    storage_shape_name(epoch, handle, "snapshot", name);
    storage_dir_file(dir, name, writer->path);
    writer->chunk_bytes = chunk_bytes;
    writer->fd = sys_open(writer->path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (writer->fd < 0) {
        fs_fail(err, "open", writer->path);
        mem_free(writer);
        return false;
    }
    *writer_out = writer;
    return true;
}

static void
end_chunk(struct snapshot_writer *writer, uint64_t end)
{
    if (writer->chunk_count == writer->chunk_room) {
        writer->chunk_room = writer->chunk_room == 0 ? 4 : writer->chunk_room * 2;
        writer->ends = mem_realloc(writer->ends, writer->chunk_room * sizeof *writer->ends);
    }
    writer->ends[writer->chunk_count++] = end;
    writer->chunk_start = end;
}

/* Ends every chunk that an item of this block fills. Looks at items only where that can happen. */
static void
cut_chunks(struct snapshot_writer *writer, struct view items)
{
    for (size_t at = 0; at < items.size;) {
        uint64_t filled = writer->size + items.size - writer->chunk_start;
        if (filled < writer->chunk_bytes) {
            return;
        }
        size_t size = log_item_size(view_of(items.bytes + at, items.size - at));
        ASSERT(size > 0); /* a block is whole items, each with its comma */
        at += size;
        if (writer->size + at - writer->chunk_start >= writer->chunk_bytes) {
            end_chunk(writer, writer->size + at);
        }
    }
}

bool
snapshot_writer_append(struct snapshot_writer *writer, struct view items, struct err *err)
{
    ASSERT(!writer->has_end_item);
    if (!log_files_write(writer->fd, writer->size, items, err)) {
        return err_wrap(err, "%s", writer->path);
    }
    cut_chunks(writer, items);
    writer->size += items.size;
    return true;
}

static bool
sync_file(struct snapshot_writer *writer, struct err *err)
{
    if (sys_fdatasync(writer->fd) != 0) {
        return fs_fail(err, "fdatasync", writer->path);
    }
    char copy[STORAGE_FILE_MAX];
    snprintf(copy, sizeof copy, "%s", writer->path);
    return fs_sync_dir(dirname(copy), err);
}

bool
snapshot_writer_finish(struct snapshot_writer *writer, struct view end_item, struct err *err)
{
    if (!writer->has_end_item) {
        if (!snapshot_writer_append(writer, end_item, err)) {
            return false;
        }
        writer->has_end_item = true;
        if (writer->chunk_start < writer->size) {
            end_chunk(writer, writer->size);
        }
    }
    if (!sync_file(writer, err)) {
        /* What a sync has refused may be lost though the next one succeeds: not to be repeated. */
        err->kind = ERR_IO;
        return false;
    }
    return true;
}

static void
set_chunks(struct snapshot *snapshot, const uint64_t *chunk_ends, uint32_t chunk_count)
{
    snapshot->chunk_count = chunk_count;
    if (chunk_count == 1) {
        snapshot->end = chunk_ends[0];
        return;
    }
    snapshot->ends = mem_alloc(chunk_count * sizeof *snapshot->ends);
    memcpy(snapshot->ends, chunk_ends, chunk_count * sizeof *snapshot->ends);
}

void
snapshot_publish(struct snapshot *snapshot, const struct snapshot_writer *writer)
{
    if (writer->chunk_count > snapshot->chunk_count) {
        snapshot_fini(snapshot);
        set_chunks(snapshot, writer->ends, writer->chunk_count);
    }
}

void
snapshot_complete(struct snapshot *snapshot)
{
    snapshot->is_complete = true;
}

void
snapshot_writer_close(struct snapshot_writer *writer)
{
    if (writer == NULL) {
        return;
    }
    sys_close(writer->fd);
    mem_free(writer->ends);
    mem_free(writer);
}

void
snapshot_init(struct snapshot *snapshot, const uint64_t *chunk_ends, uint32_t chunk_count)
{
    ASSERT(chunk_count > 0);
    *snapshot = (struct snapshot){.is_complete = true};
    set_chunks(snapshot, chunk_ends, chunk_count);
}

const uint64_t *
snapshot_chunk_ends(const struct snapshot *snapshot)
{
    return snapshot->chunk_count <= 1 ? &snapshot->end : snapshot->ends;
}

uint64_t
snapshot_size(const struct snapshot *snapshot)
{
    return snapshot->chunk_count == 0 ? 0
                                      : snapshot_chunk_ends(snapshot)[snapshot->chunk_count - 1];
}

void
snapshot_fini(struct snapshot *snapshot)
{
    if (snapshot->chunk_count > 1) {
        mem_free(snapshot->ends);
    }
    *snapshot = (struct snapshot){0};
}

enum shape_range_result
shape_range_find(const struct snapshot *snapshot, struct shape_log *log, struct shape_position from,
                 struct item_range *range_out, struct err *err)
{
    bool is_in_snapshot =
        from.is_start || (from.offset.lsn == 0 && from.offset.op != OFFSET_OP_INF);
    if (!is_in_snapshot) {
        return snapshot->is_complete ? shape_log_range(log, from.offset, range_out, err)
                                     : SHAPE_RANGE_PENDING;
    }
    uint64_t chunk = from.is_start ? 0 : from.offset.op + 1; /* never wraps: inf is not in there */
    if (chunk >= snapshot->chunk_count) {
        return snapshot->is_complete ? shape_log_range(log, OFFSET_SNAPSHOT_END, range_out, err)
                                     : SHAPE_RANGE_PENDING;
    }
    const uint64_t *ends = snapshot_chunk_ends(snapshot);
    uint64_t start = chunk == 0 ? 0 : ends[chunk - 1];
    *range_out = (struct item_range){
        .position = start,
        .size = ends[chunk] - start,
        .end = {0, chunk},
        .is_fixed = true,
    };
    shape_log_file_name(log, "snapshot", range_out->path);
    return SHAPE_RANGE_OK;
}

bool
shape_range_read(struct storage_dir *dir, const struct item_range *range, struct buf *bytes_out,
                 struct err *err)
{
    if (range->size == 0) {
        return true;
    }
    char path[STORAGE_FILE_MAX];
    storage_dir_file(dir, range->path, path);
    int fd = sys_open(path, O_RDONLY, 0);
    if (fd < 0) {
        return fs_fail(err, "open", path);
    }
    bool ok = log_files_read(fd, range->position, (size_t)range->size, bytes_out, err) ||
              err_wrap(err, "%s", path);
    sys_close(fd);
    return ok;
}
