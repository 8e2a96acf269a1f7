#include "tests/lib/ingest_fixture.h"

#include <stdio.h>

#include "common/loop.h"
#include "common/mem.h"
#include "common/sql_parse.h"

static struct fixture_shape *
shape_of(struct shape_feed *feed)
{
    return LIST_ITEM(feed, struct fixture_shape, feed);
}

static void
on_end_shape(void *ctx, struct shape_feed *feed, const char *reason)
{
    (void)ctx;
    ASSERT(shape_of(feed)->end_reason == NULL);
    shape_of(feed)->end_reason = reason;
}

static void
on_held_too_much(void *ctx, struct shape_feed *feed)
{
    struct ingest_fixture *f = ctx;
    f->too_much_count++;
    ingest_leave(f->ingest, feed);
    gate_leave(&feed->gate);
    held_clear(&feed->held);
}

static void
on_inspect(void *ctx, uint32_t oid)
{
    struct ingest_fixture *f = ctx;
    f->inspect_count++;
    if (!f->is_away) {
        bool is_partition = f->ancestor != 0 && oid == f->ancestor_of;
        ingest_inspected(f->ingest, oid, true, &f->ancestor, is_partition ? 1 : 0);
    }
}

static void
on_relation_changed(void *ctx, uint32_t oid, struct view schema, struct view name)
{
    (void)ctx;
    (void)oid;
    (void)schema;
    (void)name;
}

static void
on_done(void *ctx, const struct err *failed)
{
    struct ingest_fixture *f = ctx;
    f->done_count++;
    f->has_failed = failed != NULL;
    if (failed != NULL) {
        f->failure = *failed;
    }
}

static void
on_checkpoint_wanted(void *ctx)
{
    ((struct ingest_fixture *)ctx)->checkpoint_count++;
}

static uint64_t
on_checkpoint_lsn(void *ctx)
{
    return ((struct ingest_fixture *)ctx)->checkpoint_lsn;
}

static void
start(struct ingest_fixture *f)
{
    f->routing = routing_new();
    f->ingest = ingest_new(&(struct ingest_options){
        .loop = f->loop,
        .logs = f->storage.store,
        .routing = f->routing,
        .ctx = f,
        .end_shape = on_end_shape,
        .held_too_much = on_held_too_much,
        .inspect = on_inspect,
        .relation_changed = on_relation_changed,
        .done = on_done,
        .checkpoint_wanted = on_checkpoint_wanted,
        .checkpoint_lsn = on_checkpoint_lsn,
    });
}

static void
stop(struct ingest_fixture *f)
{
    ingest_free(f->ingest);
    routing_free(f->routing);
    storage_fixture_close(&f->storage);
}

void
ingest_fixture_init(struct ingest_fixture *f, const char *name)
{
    struct err err;
    *f = (struct ingest_fixture){0};
    storage_fixture_init(&f->storage, name);
    ASSERT(loop_new(&f->loop, &err));
    start(f);
}

void
ingest_fixture_fini(struct ingest_fixture *f)
{
    stop(f);
    loop_free(f->loop);
    buf_free(&f->frames);
}

void
ingest_fixture_crash(struct ingest_fixture *f)
{
    stop(f);
    buf_clear(&f->frames);
    f->storage.checkpoint_lsn = f->checkpoint_lsn;
    storage_fixture_open(&f->storage);
    start(f);
}

void
fixture_shape_init(struct fixture_shape *shape, const struct script_table *table,
                   const char *handle, const char *const *columns, size_t column_count,
                   const char *where)
{
    struct err err;
    const char *field;
    struct column *all = mem_alloc_zero(table->column_count * sizeof *all);
    struct view *names = mem_alloc_zero((column_count + 1) * sizeof *names);
    for (size_t i = 0; i < table->column_count; i++) {
        all[i] = (struct column){.name = view_str(table->columns[i].name),
                                 .type_oid = table->columns[i].type_oid,
                                 .type_mod = RELATION_NO_TYPE_MOD,
                                 .base_type_oid = table->columns[i].type_oid,
                                 .type_name = view_str("text"),
                                 .type_kind = 'b',
                                 .key_position = i == 0};
    }
    for (size_t i = 0; i < column_count; i++) {
        names[i] = view_str(columns[i]);
    }
    struct relation relation = {table->oid, view_str(table->schema), view_str(table->name),
                                table->column_count, all};
    struct shape_wish wish = {
        .has_columns = columns != NULL, .columns = names, .column_count = column_count};
    struct arena *mem = arena_new(1u << 20);
    struct sql_node *tree = NULL;
    ASSERT(where == NULL || sql_parse_where(view_str(where), mem, &tree, &err));
    wish.where = tree;
    *shape = (struct fixture_shape){0};
    snprintf(shape->handle, sizeof shape->handle, "%s", handle);
    ASSERT(shape_def_build(&relation, &wish, &shape->def, &field, &err));
    arena_free(mem);
    mem_free(all);
    mem_free(names);
}

void
fixture_shape_open(struct ingest_fixture *f, struct fixture_shape *shape, bool is_new)
{
    ASSERT(shape->feed.log == NULL);
    shape->end_reason = NULL;
    shape->feed = (struct shape_feed){
        .def = shape->def,
        .plan = shape_def_plan(shape->def),
        .log = shape_log_new(f->storage.store, shape->handle, shape, is_new),
    };
}

void
fixture_shape_live(struct ingest_fixture *f, struct fixture_shape *shape, uint64_t xmin,
                   uint64_t lsn)
{
    fixture_shape_open(f, shape, true);
    ingest_join(f->ingest, &shape->feed);
    ingest_open(f->ingest, &shape->feed, &(struct marks){.xmin = xmin, .xmax = xmin}, lsn);
}

void
fixture_shape_close(struct ingest_fixture *f, struct fixture_shape *shape)
{
    if (shape->feed.layout != NULL) {
        ingest_leave(f->ingest, &shape->feed);
    }
    shape_feed_fini(&shape->feed);
    shape_log_free(shape->feed.log);
    shape->feed.log = NULL;
}

void
fixture_shape_fini(struct fixture_shape *shape)
{
    shape_def_free(shape->def);
}

void
ingest_fixture_send(struct ingest_fixture *f)
{
    ingest_batch(f->ingest, &f->frames);
}

const char *
fixture_shape_log(struct ingest_fixture *f, struct fixture_shape *shape)
{
    static struct buf text;
    struct err err;
    buf_free(&text);
    ASSERT(shape_log_open(shape->feed.log, &err));
    text = storage_fixture_follow(&f->storage, shape->feed.log, OFFSET_SNAPSHOT_END, NULL);
    return buf_str(&text);
}
