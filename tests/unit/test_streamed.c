/*
 * A relation counts once it is known what it is a partition of; every description is a version of
 * its own, and what was described is copied.
 */
#include "services/shape_log_collector/streamed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct streamed *streamed;
static char name[] = "items";
static struct pgoutput_column columns[] = {{.type_oid = 23, .is_key = true}, {.type_oid = 25}};

static int
set_up(void **state)
{
    (void)state;
    streamed = streamed_new();
    columns[0].name = view_str("id");
    columns[1].name = view_str("v");
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    streamed_free(streamed);
    return 0;
}

static bool
take(uint32_t oid, size_t column_count, const struct streamed_relation **out)
{
    struct pgoutput_relation relation = {.oid = oid,
                                         .schema = view_str(""),
                                         .name = view_str(name),
                                         .columns = columns,
                                         .column_count = column_count};
    return streamed_take(streamed, &relation, out);
}

static void
a_description_counts_once_its_ancestors_are_known(void **state)
{
    (void)state;
    const struct streamed_relation *relation;
    assert_null(streamed_find(streamed, 7));
    assert_false(take(7, 2, &relation));
    assert_int_equal(relation->version, 0);
    streamed_set_ancestors(streamed, 7, (const uint32_t[]){5, 3}, 2);
    assert_true(take(7, 2, &relation));
    assert_int_not_equal(relation->version, 0);
    assert_int_equal(relation->ancestor_count, 2);
    assert_int_equal(relation->ancestors[1], 3);
    assert_ptr_equal(streamed_find(streamed, 7), relation);
    streamed_set_ancestors(streamed, 8, NULL, 0); /* nobody has described it */
    assert_null(streamed_find(streamed, 8));
}

static void
what_was_described_is_copied(void **state)
{
    (void)state;
    const struct streamed_relation *relation;
    (void)take(7, 2, &relation);
    name[0] = 'X';
    columns[1].name = view_str("other");
    assert_true(view_is(relation->relation.name, "items"));
    assert_true(view_is(relation->relation.schema, "pg_catalog")); /* pgoutput leaves it out */
    assert_true(view_is(relation->relation.columns[1].name, "v"));
    name[0] = 'i';
}

static void
a_new_description_is_a_new_version_and_asks_again(void **state)
{
    (void)state;
    const struct streamed_relation *relation;
    (void)take(7, 2, &relation);
    streamed_set_ancestors(streamed, 7, NULL, 0);
    assert_true(take(7, 2, &relation));
    uint64_t first = relation->version;
    assert_false(take(7, 1, &relation)); /* after an ALTER TABLE: it may be a partition now */
    assert_int_equal(relation->version, 0);
    assert_int_equal(relation->relation.column_count, 1);
    streamed_set_ancestors(streamed, 7, (const uint32_t[]){5}, 1);
    assert_true(take(7, 1, &relation));
    assert_true(relation->version > first);
}

static void
a_new_stream_knows_nothing_and_never_gives_a_version_twice(void **state)
{
    (void)state;
    const struct streamed_relation *relation;
    (void)take(7, 2, &relation);
    streamed_set_ancestors(streamed, 7, NULL, 0);
    assert_true(take(7, 2, &relation));
    uint64_t first = relation->version;
    streamed_forget(streamed);
    assert_null(streamed_find(streamed, 7));
    assert_false(take(7, 2, &relation));
    streamed_set_ancestors(streamed, 7, NULL, 0);
    assert_true(take(7, 2, &relation));
    assert_true(relation->version > first);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_description_counts_once_its_ancestors_are_known),
        TEST(what_was_described_is_copied),
        TEST(a_new_description_is_a_new_version_and_asks_again),
        TEST(a_new_stream_knows_nothing_and_never_gives_a_version_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
