#include "tests/lib/catalogue_fixture.h"

#include <inttypes.h>
#include <stdio.h>

static void
must(bool ok, const struct err *err)
{
    if (!ok) {
        fprintf(stderr, "%s\n", err->msg);
    }
    ASSERT(ok);
}

void
catalogue_fixture_open(struct catalogue_fixture *fixture, const char *path)
{
    struct err err;
    must(loop_new(&fixture->loop, &err), &err);
    must(worker_pool_new(fixture->loop, 1, &fixture->pool, &err), &err);
    must(storage_dir_open(path, &fixture->dir, &err), &err);
    must(catalogue_open(fixture->dir, false, &fixture->catalogue, &err), &err);
    fixture->text = catalogue_fixture_load(fixture->catalogue);
    catalogue_start(fixture->catalogue, fixture->loop, fixture->pool);
}

void
catalogue_fixture_close(struct catalogue_fixture *fixture)
{
    worker_pool_free(fixture->pool);
    catalogue_close(fixture->catalogue);
    storage_dir_close(fixture->dir);
    loop_free(fixture->loop);
    buf_free(&fixture->text);
}

static void
committed(void *ctx)
{
    loop_stop(ctx);
}

void
catalogue_fixture_commit(struct catalogue_fixture *fixture)
{
    catalogue_commit(fixture->catalogue, committed, fixture->loop);
    loop_run(fixture->loop);
}

void
catalogue_fixture_put(struct catalogue_fixture *fixture, unsigned number)
{
    char handle[32];
    snprintf(handle, sizeof handle, "%u-%u", number, number);
    uint64_t ends[100];
    uint32_t count = number % 100 + 1;
    for (uint32_t i = 0; i < count; i++) {
        ends[i] = (i + 1) * 1000ull + number;
    }
    catalogue_put_shape(fixture->catalogue, &(struct catalogue_shape){
                                                .handle = view_str(handle),
                                                .definition = view_of("d\0f", 3),
                                                .marks = view_str("marks"),
                                                .lsn = UINT64_MAX - number,
                                                .created_us = number,
                                                .chunk_ends = ends,
                                                .chunk_count = count,
                                            });
}

static void
on_shape(void *ctx, const struct catalogue_shape *shape)
{
    struct buf *text = ctx;
    buf_append_view(text, shape->handle);
    bool is_whole = view_equal(shape->definition, view_of("d\0f", 3)) &&
                    view_is(shape->marks, "marks") &&
                    shape->lsn == UINT64_MAX - shape->created_us &&
                    shape->chunk_count == shape->created_us % 100 + 1 &&
                    shape->chunk_ends[shape->chunk_count - 1] ==
                        shape->chunk_count * 1000ull + shape->created_us;
    buf_append_str(text, is_whole ? " " : "! ");
}

static void
on_quiesced(void *ctx, const struct catalogue_quiesced *table)
{
    struct buf *tables = ctx;
    tables++; /* the second of the two */
    buf_printf(tables, "%u=%.*s ", table->oid, (int)table->name.size,
               (const char *)table->name.bytes);
}

struct buf
catalogue_fixture_load(struct catalogue *catalogue)
{
    struct err err;
    struct buf lists[2] = {{0}, {0}};
    must(catalogue_load(catalogue, lists, on_shape, on_quiesced, &err), &err);
    const struct catalogue_meta *meta = catalogue_meta(catalogue);
    struct buf text = {0};
    buf_printf(&text, "%s/%" PRIu64 "/%s %" PRIu64 " %.*s| ", meta->identity.system_id,
               meta->identity.timeline, meta->identity.slot, meta->checkpoint_lsn,
               (int)meta->unseen.size, (const char *)meta->unseen.bytes);
    buf_append_view(&text, buf_view(&lists[0]));
    buf_append_str(&text, "| ");
    buf_append_view(&text, buf_view(&lists[1]));
    buf_free(&lists[0]);
    buf_free(&lists[1]);
    return text;
}
