#include "tests/lib/storage_fixture.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "services/shape_log_collector/snapshot_file.h"
#include "tests/lib/tmp_path.h"

static void
on_advanced(void *ctx, void *owner, const struct log_advance *advance)
{
    (void)owner;
    struct storage_fixture *fixture = ctx;
    fixture->advanced_count++;
    fixture->advance = *advance;
    buf_clear(&fixture->advanced_items);
    buf_append_view(&fixture->advanced_items, advance->items);
}

static void
on_failed(void *ctx, void *owner, const struct err *err)
{
    struct storage_fixture *fixture = ctx;
    fixture->failed_count++;
    fixture->failed_owner = owner;
    fixture->failure = *err;
    if (fixture->frees_on_failure != NULL) {
        shape_log_free(*fixture->frees_on_failure);
        *fixture->frees_on_failure = NULL;
    }
}

void
storage_fixture_init(struct storage_fixture *fixture, const char *name)
{
    *fixture = (struct storage_fixture){.chunk_bytes = 10u << 20, .descriptors_max = 64};
    snprintf(fixture->path, sizeof fixture->path, "%s", tmp_path(name));
    storage_fixture_open(fixture);
}

void
storage_fixture_open(struct storage_fixture *fixture)
{
    struct err err;
    bool ok = storage_dir_open(fixture->path, &fixture->dir, &err) &&
              (fixture->is_read_only || storage_dir_make_epoch(fixture->dir, FIXTURE_EPOCH, &err));
    if (!ok) {
        fprintf(stderr, "%s\n", err.msg);
    }
    ASSERT(ok);
    fixture->store = log_store_new(&(struct log_store_options){
        .dir = fixture->dir,
        .epoch = FIXTURE_EPOCH,
        .checkpoint_lsn = fixture->checkpoint_lsn,
        .chunk_bytes = fixture->chunk_bytes,
        .descriptors_max = fixture->descriptors_max,
        .is_read_only = fixture->is_read_only,
        .ctx = fixture,
        .advanced = on_advanced,
        .failed = on_failed,
    });
}

void
storage_fixture_close(struct storage_fixture *fixture)
{
    log_store_free(fixture->store);
    storage_dir_close(fixture->dir);
    buf_free(&fixture->advanced_items);
    fixture->store = NULL;
    fixture->dir = NULL;
}

void
storage_fixture_add(struct shape_log *log, uint64_t lsn, uint64_t op, size_t size)
{
    struct buf *items = shape_log_items(log);
    size_t before = items->size;
    buf_printf(items, "{\"key\":\"%" PRIu64 "-%" PRIu64 "\",\"value\":\"", lsn, op);
    char tail[80];
    int tail_size =
        snprintf(tail, sizeof tail,
                 "\",\"headers\":{\"lsn\":\"%" PRIu64 "\",\"op_position\":%" PRIu64 "}},", lsn, op);
    while (items->size - before + (size_t)tail_size < size) {
        buf_append_byte(items, 'x');
    }
    buf_append_str(items, tail);
    ASSERT(items->size - before == size);
    shape_log_added(log, (struct log_offset){lsn, op});
}

void
storage_fixture_transaction(struct shape_log *log, uint64_t lsn, unsigned items, size_t size)
{
    for (unsigned i = 0; i < items; i++) {
        storage_fixture_add(log, lsn, 2 * i, size);
    }
    shape_log_commit(log, lsn);
}

const char *
storage_fixture_file(const struct storage_fixture *fixture, const char *handle, const char *suffix)
{
    static char path[512];
    char name[STORAGE_NAME_MAX];
    storage_shape_name(FIXTURE_EPOCH, handle, suffix, name);
    snprintf(path, sizeof path, "%s/%s", fixture->path, name);
    return path;
}

struct buf
storage_fixture_read(const char *path)
{
    struct buf buf = {0};
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return buf;
    }
    size_t n;
    while ((n = fread(buf_reserve(&buf, 65536), 1, 65536, file)) > 0) {
        buf.size += n;
    }
    fclose(file);
    return buf;
}

struct buf
storage_fixture_follow(struct storage_fixture *fixture, struct shape_log *log,
                       struct log_offset after, size_t *ranges_out)
{
    struct buf all = {0};
    struct err err;
    struct item_range range = {0};
    size_t count = 0;
    for (; !range.is_end || range.is_fixed; after = range.end, count++) {
        enum shape_range_result result = shape_log_range(log, after, &range, &err);
        ASSERT(result == SHAPE_RANGE_OK);
        ASSERT(range.size == 0 || offset_compare(range.end, after) > 0);
        bool ok = shape_range_read(fixture->dir, &range, &all, &err);
        ASSERT(ok);
        if (range.size == 0) {
            break;
        }
    }
    if (ranges_out != NULL) {
        *ranges_out = count;
    }
    return all;
}
