/*
 * What was streamed stays in the set until a snapshot sees it, with the tables that it touched.
 */
#include "common/core/unseen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const uint32_t one[] = {100};
static const uint32_t both[] = {100, 200};

static struct unseen *
three(void)
{
    struct unseen *unseen = unseen_new();
    unseen_add(unseen, 10, one, 1);
    unseen_add(unseen, 11, both, 2);
    unseen_add(unseen, 12, NULL, 0);
    return unseen;
}

static void
check_of_table(const struct unseen *unseen, uint32_t table, const uint32_t *ids, size_t count)
{
    struct buf found = {0};
    unseen_of_table(unseen, table, &found);
    assert_int_equal(found.size, count * sizeof *ids);
    if (count > 0) {
        assert_memory_equal(found.bytes, ids, found.size);
    }
    buf_free(&found);
}

static void
test_ids_are_found_by_the_tables_they_touched(void **state)
{
    (void)state;
    struct unseen *unseen = three();
    assert_int_equal(unseen_count(unseen), 3);
    check_of_table(unseen, 100, (uint32_t[]){10, 11}, 2);
    check_of_table(unseen, 200, (uint32_t[]){11}, 1);
    check_of_table(unseen, 300, NULL, 0);
    unseen_free(unseen);
}

static void
test_a_snapshot_prunes_what_it_sees(void **state)
{
    (void)state;
    struct unseen *unseen = three();
    uint64_t xip[] = {11};
    unseen_prune(unseen, &(struct marks){11, 12, 1, xip});
    assert_int_equal(unseen_count(unseen), 2);
    check_of_table(unseen, 100, (uint32_t[]){11}, 1);
    unseen_prune(unseen, &(struct marks){13, 13, 0, NULL});
    assert_int_equal(unseen_count(unseen), 0);
    check_of_table(unseen, 100, NULL, 0);
    unseen_free(unseen);
}

static void
test_unseen_stored_comes_back_and_no_prefix_does(void **state)
{
    (void)state;
    struct err err;
    struct buf buf = {0};
    struct unseen *unseen = three(), *other = unseen_new();
    unseen_encode(unseen, &buf);
    assert_true(unseen_decode(other, buf_view(&buf), &err));
    assert_int_equal(unseen_count(other), 3);
    check_of_table(other, 100, (uint32_t[]){10, 11}, 2);
    for (size_t size = 1; size < buf.size; size++) {
        /* whole entries are a set of their own; anything else is refused and changes nothing */
        if (size != 12 && size != 28) {
            assert_false(unseen_decode(other, view_of(buf.bytes, size), &err));
            assert_int_equal(unseen_count(other), 3);
        }
    }
    assert_true(unseen_decode(other, (struct view){0}, &err));
    assert_int_equal(unseen_count(other), 0);
    buf_free(&buf);
    unseen_free(unseen);
    unseen_free(other);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_are_found_by_the_tables_they_touched),
        cmocka_unit_test(test_a_snapshot_prunes_what_it_sees),
        cmocka_unit_test(test_unseen_stored_comes_back_and_no_prefix_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
