/* A table as the bus brings it: copied, and compared by what a definition was made of. */
#include "common/core/relation.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena *mem;

static int
set_up(void **state)
{
    (void)state;
    mem = arena_new(1u << 20);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static struct relation
make(const char *second, uint64_t type_oid, const char *collation)
{
    struct db_column columns[] = {
        {.name = view_str("id"),
         .type_oid = 23,
         .base_type_oid = 23,
         .key_position = 1,
         .type_name = view_str("int4"),
         .type_kind = view_str("b"),
         .type_mod = UINT32_MAX},
        {.name = view_str(second),
         .type_oid = type_oid,
         .base_type_oid = 25,
         .type_name = view_str("text"),
         .collation = view_str(collation),
         .is_generated = true},
    };
    struct db_relation from = {.oid = 7,
                               .schema = view_str("public"),
                               .name = view_str("items"),
                               .columns = columns,
                               .columns_count = 2};
    return relation_from_bus(&from, mem);
}

static void
what_the_bus_brings_is_copied(void **state)
{
    (void)state;
    char name[] = "v";
    struct relation relation = make(name, 16400, "C");
    name[0] = 'X';
    assert_int_equal(relation.oid, 7);
    assert_int_equal(relation.column_count, 2);
    assert_true(view_is(relation.columns[1].name, "v"));
    assert_int_equal(relation.columns[1].type_oid, 16400);
    assert_int_equal(relation.columns[1].base_type_oid, 25);
    assert_int_equal(relation.columns[0].type_mod, RELATION_NO_TYPE_MOD);
    assert_int_equal(relation.columns[1].type_kind, 'b'); /* not said */
    assert_true(relation.columns[1].is_generated);
}

static void
only_a_collation_that_may_call_different_texts_equal_is_odd(void **state)
{
    (void)state;
    assert_false(make("v", 25, "").columns[1].has_odd_collation);
    assert_false(make("v", 25, "C").columns[1].has_odd_collation);
    assert_false(make("v", 25, "POSIX").columns[1].has_odd_collation);
    assert_true(make("v", 25, "de-x-icu").columns[1].has_odd_collation);
}

static void
columns_are_the_same_by_name_type_and_key(void **state)
{
    (void)state;
    struct relation a = make("v", 25, "");
    struct relation b = make("v", 25, "");
    assert_true(relation_same_columns(a.columns, 2, b.columns, 2));
    assert_false(relation_same_columns(a.columns, 2, b.columns, 1));
    b.columns[0].key_position = 0;
    assert_false(relation_same_columns(a.columns, 2, b.columns, 2));
    b = make("w", 25, "");
    assert_false(relation_same_columns(a.columns, 2, b.columns, 2));
    b = make("v", 1043, "");
    assert_false(relation_same_columns(a.columns, 2, b.columns, 2));
    assert_true(relation_same_columns(NULL, 0, NULL, 0));
}

static void
a_column_is_found_by_its_exact_name(void **state)
{
    (void)state;
    struct relation relation = make("v", 25, "");
    assert_int_equal(relation_find_column(relation.columns, 2, view_str("v")), 1);
    assert_int_equal(relation_find_column(relation.columns, 2, view_str("V")), -1);
    assert_int_equal(relation_find_column(relation.columns, 1, view_str("v")), -1);
    assert_int_equal(relation_find_column(relation.columns, 0, view_str("")), -1);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_the_bus_brings_is_copied),
        TEST(only_a_collation_that_may_call_different_texts_equal_is_odd),
        TEST(columns_are_the_same_by_name_type_and_key),
        TEST(a_column_is_found_by_its_exact_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
