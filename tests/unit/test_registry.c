/*
 * A collector that only reads takes over what the writer has added and ended, keeps what it knows,
 * and changes nothing; a record that is damaged costs only its own shape.
 */
#include "services/shape_log_collector/registry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/creation.h"
#include "services/shape_log_collector/hints.h"
#include "services/shape_log_collector/ingest.h"
#include "services/shape_log_collector/publishing.h"
#include "services/shape_log_collector/reclaim.h"
#include "services/shape_log_collector/relation_cache.h"
#include "services/shape_log_collector/shape_server.h"
#include "tests/lib/catalogue_fixture.h"
#include "tests/lib/ingest_fixture.h"
#include "tests/lib/tmp_path.h"

static const struct script_column columns[] = {{"id", 23}, {"v", 25}};
static const struct script_table table = {7, "public", "items", 2, columns};

static struct catalogue_fixture catalogue;
static struct ingest_fixture ingest;
static struct collector collector;
static unsigned gone;     /* hints of shapes that are gone */
static unsigned ended;    /* shapes that the server was told of */
static unsigned retained; /* tables that stay published */
static unsigned folders;  /* one for each test */

/* ---- the parts that a registry tells; the linker leaves the real ones out */

void
hints_gone(struct hints *hints, struct view handle)
{
    (void)hints;
    (void)handle;
    gone++;
}

void
hints_flush(struct hints *hints)
{
    (void)hints;
}

void
shape_server_announced(struct shape_server *server, struct shape *shape)
{
    (void)server;
    (void)shape;
}

void
shape_server_ended(struct shape_server *server, struct shape *shape,
                   const struct open_failure *failed)
{
    (void)server;
    (void)shape;
    (void)failed;
    ended++;
}

void
publishing_retain(struct publishing *publishing, uint32_t oid, struct view schema, struct view name)
{
    (void)publishing;
    (void)oid;
    (void)schema;
    (void)name;
    retained++;
}

void
publishing_release(struct publishing *publishing, uint32_t oid)
{
    (void)publishing;
    (void)oid;
    retained--;
}

void
publishing_set_quiesced(struct publishing *publishing, uint32_t oid, struct view name)
{
    (void)publishing;
    (void)oid;
    (void)name;
}

void
reclaim_shape(struct reclaim *reclaim, const char *handle)
{
    (void)reclaim;
    (void)handle;
}

void
creation_cancel(struct creation *creation)
{
    (void)creation;
}

/* ---- the fixture */

/* A reader looks at the writer's catalogue with a connection of its own. */
static void
open_registry(bool is_read_only)
{
    struct err err;
    collector = (struct collector){
        .loop = ingest.loop,
        .catalogue = catalogue.catalogue,
        .logs = ingest.storage.store,
        .routing = ingest.routing,
        .ingest = ingest.ingest,
        .relations = relation_cache_new(NULL),
        .is_read_only = is_read_only,
    };
    if (is_read_only) {
        assert_true(catalogue_open(catalogue.dir, true, &collector.catalogue, &err));
    }
    collector.registry = registry_new(&collector);
}

static void
close_registry(void)
{
    registry_free(collector.registry);
    relation_cache_free(collector.relations);
    if (collector.is_read_only) {
        catalogue_close(collector.catalogue);
    }
}

static int
set_up(void **state)
{
    (void)state;
    gone = ended = retained = 0;
    ingest_fixture_init(&ingest, "registry_logs");
    char name[32];
    snprintf(name, sizeof name, "registry%u", ++folders);
    catalogue_fixture_open(&catalogue, tmp_path(name));
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    close_registry();
    catalogue_fixture_close(&catalogue);
    ingest_fixture_fini(&ingest);
    return 0;
}

/* As the writer does: a shape in the catalogue. `where` makes the definition. */
static void
put(const char *handle, const char *where, const char *marks_instead)
{
    struct fixture_shape shape;
    struct buf definition = {0};
    struct buf marks = {0};
    uint64_t end = 10;
    fixture_shape_init(&shape, &table, handle, NULL, 0, where);
    shape_def_encode(shape.def, &definition);
    marks_encode(&(struct marks){.xmin = 10, .xmax = 20}, &marks);
    catalogue_put_shape(catalogue.catalogue,
                        &(struct catalogue_shape){
                            .handle = view_str(handle),
                            .definition = buf_view(&definition),
                            .marks = marks_instead ? view_str(marks_instead) : buf_view(&marks),
                            .lsn = 5,
                            .created_us = 1,
                            .chunk_ends = &end,
                            .chunk_count = 1,
                        });
    catalogue_fixture_commit(&catalogue);
    fixture_shape_fini(&shape);
    buf_free(&definition);
    buf_free(&marks);
}

static void
remove_shape(const char *handle)
{
    catalogue_remove_shape(catalogue.catalogue, view_str(handle));
    catalogue_fixture_commit(&catalogue);
}

static struct shape *
shape_of(const char *handle)
{
    return registry_by_handle(collector.registry, view_str(handle));
}

static void
refresh(void)
{
    struct err err = {0};
    assert_true(registry_refresh(collector.registry, &err));
}

static void
a_reader_follows_what_the_writer_adds_and_ends(void **state)
{
    (void)state;
    struct err err;
    put("1-1", "v = 'a'", NULL);
    open_registry(true);
    assert_true(registry_load(collector.registry, &err));
    struct shape *first = shape_of("1-1");
    assert_non_null(first);
    assert_int_equal(first->state, SHAPE_COMPLETE);
    put("2-2", "v = 'b'", NULL);
    refresh();
    assert_ptr_equal(shape_of("1-1"), first);
    struct shape *second = shape_of("2-2");
    assert_non_null(second);
    assert_ptr_equal(registry_by_definition(collector.registry, second->def), second);
    assert_int_equal(routing_count(ingest.routing), 2);
    remove_shape("1-1");
    refresh();
    assert_null(shape_of("1-1"));
    assert_ptr_equal(shape_of("2-2"), second);
    assert_int_equal(gone, 1);
    assert_int_equal(ended, 1);
    refresh();
    assert_int_equal(ended, 1);
    assert_int_equal(retained, 0); /* the publication is the writer's */
}

static void
a_definition_that_was_made_anew_stays_found_when_the_old_one_ends(void **state)
{
    (void)state;
    put("1-1", "v = 'a'", NULL);
    open_registry(true);
    refresh();
    remove_shape("1-1");
    put("1-9", "v = 'a'", NULL);
    refresh();
    struct shape *newer = shape_of("1-9");
    assert_non_null(newer);
    assert_null(shape_of("1-1"));
    assert_ptr_equal(registry_by_definition(collector.registry, newer->def), newer);
}

static void
a_damaged_record_costs_only_its_own_shape(void **state)
{
    (void)state;
    put("1-1", "v = 'a'", NULL);
    put("2-2", "v = 'b'", "no marks");
    catalogue_fixture_put(&catalogue, 3); /* its definition is none */
    catalogue_fixture_commit(&catalogue);
    open_registry(true);
    refresh();
    assert_int_equal(registry_count(collector.registry), 1);
    refresh();
    assert_int_equal(ended, 0);
    close_registry();

    /* A reader leaves them where they are; the writer drops them when it starts. */
    struct err err;
    catalogue_close(catalogue.catalogue);
    assert_true(catalogue_open(catalogue.dir, false, &catalogue.catalogue, &err));
    open_registry(false);
    assert_true(registry_load(collector.registry, &err));
    catalogue_start(catalogue.catalogue, catalogue.loop, catalogue.pool);
    assert_int_equal(registry_count(collector.registry), 1);
    assert_int_equal(retained, 1);
    catalogue_fixture_commit(&catalogue);
    close_registry();
    assert_int_equal(retained, 0);
    open_registry(true);
    struct buf left = catalogue_fixture_load(collector.catalogue);
    assert_non_null(strstr(buf_str(&left), "1-1"));
    assert_null(strstr(buf_str(&left), "2-2"));
    assert_null(strstr(buf_str(&left), "3-3"));
    buf_free(&left);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_reader_follows_what_the_writer_adds_and_ends),
        TEST(a_definition_that_was_made_anew_stays_found_when_the_old_one_ends),
        TEST(a_damaged_record_costs_only_its_own_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
