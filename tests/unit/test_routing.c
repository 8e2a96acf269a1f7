/*
 * A table's feeds are found by their rows, one layout for each set of columns; what joins and
 * leaves, also while all are called, leaves nothing behind; rows of the stream find their places by
 * the columns' names.
 */
#include "services/shape_log_collector/routing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/ingest_fixture.h"

static const struct script_column narrow_columns[] = {{"id", 23}, {"v", 25}};
static const struct script_column wide_columns[] = {{"id", 23}, {"v", 25}, {"w", 25}};
static const struct script_table narrow = {7, "public", "items", 2, narrow_columns};
static const struct script_table wide = {7, "public", "items", 3, wide_columns};
static const struct script_table other = {8, "public", "other", 2, narrow_columns};

static struct routing *routing;
static struct fixture_shape shapes[4];
static unsigned called;

static int
set_up(void **state)
{
    (void)state;
    called = 0;
    routing = routing_new();
    fixture_shape_init(&shapes[0], &narrow, "1-1", NULL, 0, NULL);
    fixture_shape_init(&shapes[1], &narrow, "1-2", NULL, 0, "v = 'x'");
    fixture_shape_init(&shapes[2], &wide, "1-3", NULL, 0, "v = 'x'");
    fixture_shape_init(&shapes[3], &other, "1-4", NULL, 0, NULL);
    for (size_t i = 0; i < 4; i++) {
        shapes[i].feed.def = shapes[i].def;
        routing_add(routing, &shapes[i].feed);
    }
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        if (shapes[i].feed.layout != NULL) {
            routing_remove(routing, &shapes[i].feed);
        }
        shape_feed_fini(&shapes[i].feed);
        fixture_shape_fini(&shapes[i]);
    }
    routing_free(routing);
    return 0;
}

static void
count(void *ctx, struct shape_feed *feed)
{
    (void)ctx;
    (void)feed;
    called++;
}

static void
remove_all(void *ctx, struct shape_feed *feed)
{
    (void)ctx;
    (void)feed;
    called++;
    for (size_t i = 0; i < 3; i++) {
        if (shapes[i].feed.layout != NULL) {
            routing_remove(routing, &shapes[i].feed);
        }
    }
}

static void
feeds_with_the_same_columns_share_a_layout(void **state)
{
    (void)state;
    assert_ptr_equal(shapes[0].feed.layout, shapes[1].feed.layout);
    assert_ptr_not_equal(shapes[0].feed.layout, shapes[2].feed.layout);
    assert_ptr_equal(shapes[0].feed.layout->table, shapes[2].feed.layout->table);
    assert_ptr_equal(routing_table(routing, 7), shapes[0].feed.layout->table);
    assert_ptr_not_equal(routing_table(routing, 8), routing_table(routing, 7));
    assert_null(routing_table(routing, 9));
    assert_int_equal(routing_count(routing), 4);
}

static void
all_feeds_of_a_table_are_called(void **state)
{
    (void)state;
    routing_each_of_table(routing_table(routing, 7), count, NULL);
    assert_int_equal(called, 3);
    called = 0;
    routing_each(routing, count, NULL);
    assert_int_equal(called, 4);
    called = 0;
    routed_layout_each(shapes[0].feed.layout, count, NULL);
    assert_int_equal(called, 2);
}

static void
feeds_may_leave_while_all_are_called(void **state)
{
    (void)state;
    routing_each_of_table(routing_table(routing, 7), remove_all, NULL);
    assert_int_equal(called, 3);
    assert_null(routing_table(routing, 7));
    assert_int_equal(routing_count(routing), 1);
    routing_add(routing, &shapes[0].feed);
    assert_non_null(routing_table(routing, 7));
}

static void
collect(void *ctx, struct index_member *member, enum where_truth truth, const struct err *err)
{
    (void)ctx;
    (void)member;
    (void)err;
    called += truth == WHERE_TRUE;
}

/* {id: 5, v} by the names of the relation, whatever their order. */
static void
find(struct routed_layout *layout, const char *v)
{
    struct pgoutput_value values[] = {{PGOUTPUT_TEXT, view_str(v)}, {PGOUTPUT_TEXT, view_str("5")}};
    struct pgoutput_tuple tuple = {2, values};
    struct arena *mem = arena_new(1u << 20);
    struct where_row row = {layout->new_row, layout->columns->column_count, mem, NULL};
    routed_layout_fill(layout, &tuple, NULL, layout->new_row);
    called = 0;
    shape_index_match(layout->index, &row, collect, NULL);
    arena_free(mem);
}

static struct pgoutput_relation
relation_of(struct pgoutput_column *columns, size_t column_count)
{
    return (struct pgoutput_relation){.oid = 7,
                                      .schema = view_str("public"),
                                      .name = view_str("items"),
                                      .columns = columns,
                                      .column_count = column_count};
}

static void
columns_are_found_by_name(void **state)
{
    (void)state;
    struct pgoutput_column columns[] = {{.name = view_str("v"), .type_oid = 25},
                                        {.name = view_str("id"), .type_oid = 23}};
    struct pgoutput_relation relation = relation_of(columns, 2);
    struct routed_layout *layout = shapes[0].feed.layout;
    routed_layout_map(layout, &relation, 1);
    assert_false(layout->is_unfit);
    find(layout, "y");
    assert_int_equal(called, 1);
    assert_true(view_is(layout->new_row[0].text, "5"));
    find(layout, "x");
    assert_int_equal(called, 2);
}

static void
a_column_that_is_gone_or_has_another_type_makes_the_layout_unfit(void **state)
{
    (void)state;
    struct pgoutput_column columns[] = {{.name = view_str("id"), .type_oid = 23},
                                        {.name = view_str("v"), .type_oid = 23}};
    struct pgoutput_relation relation = relation_of(columns, 2);
    routed_layout_map(shapes[0].feed.layout, &relation, 1);
    assert_true(shapes[0].feed.layout->is_unfit);
    columns[1].type_oid = 25;
    routed_layout_map(shapes[0].feed.layout, &relation, 1); /* the same version: not looked at */
    assert_true(shapes[0].feed.layout->is_unfit);
    routed_layout_map(shapes[0].feed.layout, &relation, 2);
    assert_false(shapes[0].feed.layout->is_unfit);
    routed_layout_map(shapes[2].feed.layout, &relation, 2);
    assert_true(shapes[2].feed.layout->is_unfit);
}

static void
a_value_that_was_left_alone_is_the_old_rows(void **state)
{
    (void)state;
    struct pgoutput_column columns[] = {{.name = view_str("id"), .type_oid = 23},
                                        {.name = view_str("v"), .type_oid = 25}};
    struct pgoutput_relation relation = relation_of(columns, 2);
    struct routed_layout *layout = shapes[0].feed.layout;
    struct pgoutput_value old_values[] = {{PGOUTPUT_TEXT, view_str("5")},
                                          {PGOUTPUT_TEXT, view_str("long")}};
    struct pgoutput_value new_values[] = {{PGOUTPUT_NULL, {0}}, {PGOUTPUT_UNCHANGED, {0}}};
    routed_layout_map(layout, &relation, 1);
    routed_layout_fill(layout, &(struct pgoutput_tuple){2, old_values}, NULL, layout->old_row);
    routed_layout_fill(layout, &(struct pgoutput_tuple){2, new_values}, layout->old_row,
                       layout->new_row);
    assert_true(layout->new_row[0].is_null);
    assert_true(view_is(layout->new_row[1].text, "long"));
    routed_layout_fill(layout, &(struct pgoutput_tuple){2, new_values}, NULL, layout->new_row);
    assert_true(layout->new_row[1].is_null); /* nobody knows it */
    routed_layout_fill(layout, &(struct pgoutput_tuple){1, old_values}, NULL, layout->new_row);
    assert_true(layout->new_row[1].is_null); /* a row that is too short is not read beyond */
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(feeds_with_the_same_columns_share_a_layout),
        TEST(all_feeds_of_a_table_are_called),
        TEST(feeds_may_leave_while_all_are_called),
        TEST(columns_are_found_by_name),
        TEST(a_column_that_is_gone_or_has_another_type_makes_the_layout_unfit),
        TEST(a_value_that_was_left_alone_is_the_old_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
