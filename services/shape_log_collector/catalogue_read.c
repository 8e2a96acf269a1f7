#include "services/shape_log_collector/catalogue_read.h"

#include <stdio.h>

#include "common/core/log_format.h"
#include "common/mem.h"

static void
copy_text(char *to, size_t size, struct view text)
{
    snprintf(to, size, "%.*s", (int)text.size, (const char *)text.bytes);
}

static void
take_meta(struct catalogue_meta *meta, struct buf *unseen, struct view key, struct db_stmt *stmt)
{
    if (view_is(key, "system_id")) {
        copy_text(meta->identity.system_id, sizeof meta->identity.system_id,
                  db_column_bytes(stmt, 1));
    } else if (view_is(key, "slot")) {
        copy_text(meta->identity.slot, sizeof meta->identity.slot, db_column_bytes(stmt, 1));
    } else if (view_is(key, "unseen")) {
        buf_append_view(unseen, db_column_bytes(stmt, 1));
    } else if (view_is(key, "timeline")) {
        meta->identity.timeline = db_column_u64(stmt, 1);
    } else if (view_is(key, "epoch")) {
        meta->epoch = db_column_u64(stmt, 1);
    } else if (view_is(key, "checkpoint_lsn")) {
        meta->checkpoint_lsn = db_column_u64(stmt, 1);
    } else if (view_is(key, "shapes_version")) {
        meta->shapes_version = db_column_u64(stmt, 1);
    } else if (view_is(key, "last_created_us")) {
        meta->last_created_us = db_column_u64(stmt, 1);
    }
}

bool
catalogue_read_meta(struct db *db, struct catalogue_meta *meta_out, struct buf *unseen,
                    struct err *err)
{
    struct db_stmt *stmt;
    if (!db_prepare(db, "SELECT key, value FROM meta", &stmt, err)) {
        return false;
    }
    *meta_out = (struct catalogue_meta){0};
    buf_clear(unseen);
    enum db_step_result result;
    while ((result = db_step(stmt, err)) == DB_ROW) {
        take_meta(meta_out, unseen, db_column_bytes(stmt, 0), stmt);
    }
    db_finish(stmt);
    meta_out->unseen = buf_view(unseen);
    if (result == DB_DONE && meta_out->epoch == 0) {
        return err_set(err, ERR_CORRUPT, "the catalogue has no epoch");
    }
    return result == DB_DONE;
}

#define CHUNKS_AT_ONCE 64

/* One row; chunk ends beyond a few go through the heap. */
static bool
give_shape(struct db_stmt *stmt, void *ctx, void (*give)(void *, const struct catalogue_shape *),
           struct err *err)
{
    struct view ends = db_column_bytes(stmt, 5);
    size_t count = ends.size / sizeof(uint64_t);
    if (count == 0 || count > LOG_CHUNKS_MAX || ends.size % sizeof(uint64_t) != 0) {
        return err_set(err, ERR_CORRUPT, "a shape's chunk ends have %zu bytes", ends.size);
    }
    uint64_t few[CHUNKS_AT_ONCE];
    uint64_t *many = count > CHUNKS_AT_ONCE ? mem_alloc(count * sizeof *many) : few;
    for (size_t i = 0; i < count; i++) {
        many[i] = wire_get_u64(ends.bytes + i * sizeof(uint64_t));
    }
    give(ctx, &(struct catalogue_shape){
                  .handle = db_column_bytes(stmt, 0),
                  .definition = db_column_bytes(stmt, 1),
                  .created_us = db_column_u64(stmt, 2),
                  .lsn = db_column_u64(stmt, 3),
                  .marks = db_column_bytes(stmt, 4),
                  .chunk_ends = many,
                  .chunk_count = (uint32_t)count,
              });
    if (many != few) {
        mem_free(many);
    }
    return true;
}

bool
catalogue_read_shapes(struct db *db, void *ctx,
                      void (*give)(void *, const struct catalogue_shape *), struct err *err)
{
    struct db_stmt *stmt;
    if (!db_prepare(db,
                    "SELECT handle, definition, created_us, lsn, marks, chunk_ends FROM shapes"
                    " ORDER BY id",
                    &stmt, err)) {
        return false;
    }
    enum db_step_result result;
    while ((result = db_step(stmt, err)) == DB_ROW) {
        if (!give_shape(stmt, ctx, give, err)) {
            result = DB_FAILED;
            break;
        }
    }
    db_finish(stmt);
    return result == DB_DONE;
}

bool
catalogue_read_quiesced(struct db *db, void *ctx,
                        void (*give)(void *, const struct catalogue_quiesced *), struct err *err)
{
    struct db_stmt *stmt;
    if (!db_prepare(db, "SELECT oid, name FROM quiesced", &stmt, err)) {
        return false;
    }
    enum db_step_result result;
    while ((result = db_step(stmt, err)) == DB_ROW) {
        give(ctx, &(struct catalogue_quiesced){(uint32_t)db_column_u64(stmt, 0),
                                               db_column_bytes(stmt, 1)});
    }
    db_finish(stmt);
    return result == DB_DONE;
}
