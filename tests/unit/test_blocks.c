/* Every row comes out once and in order, whatever is asked again, and little is kept. */
#include "services/connection/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static char row[100 << 10];

static struct view
row_of(uint64_t number)
{
    memset(row, '.', sizeof row);
    memcpy(row, &number, sizeof number);
    return view_of(row, sizeof row);
}

static void
test_rows_come_out_once_and_in_order(void **state)
{
    (void)state;
    struct blocks blocks = {0};
    struct view rows;
    uint64_t added = 0, taken = 0;
    bool is_last = false;
    for (uint64_t number = 0; !is_last; number++) {
        while (blocks_have_room(&blocks) && added < 20)
            blocks_add(&blocks, row_of(added++));
        if (added == 20)
            blocks_complete(&blocks);
        assert_true(blocks_give(&blocks, number, &rows, &is_last));
        struct view again;
        assert_true(blocks_give(&blocks, number, &again, &is_last));
        assert_true(view_equal(rows, again));
        for (size_t at = 0; at < rows.size; at += sizeof row, taken++)
            assert_memory_equal(rows.bytes + at, &taken, sizeof taken);
        assert_false(blocks_can_give(&blocks, number + 2));
        assert_int_equal(blocks_can_give(&blocks, number - 1), 0);
    }
    assert_int_equal(taken, 20);
    blocks_fini(&blocks);
}

static void
test_no_more_than_two_are_read_ahead(void **state)
{
    (void)state;
    struct blocks blocks = {0};
    struct view rows;
    bool is_last;
    int count = 0;
    for (; blocks_have_room(&blocks); count++)
        blocks_add(&blocks, row_of(0));
    assert_int_equal(count, 6); /* two blocks of three rows */
    assert_true(blocks_give(&blocks, 0, &rows, &is_last));
    for (; blocks_have_room(&blocks); count++)
        blocks_add(&blocks, row_of(0));
    assert_int_equal(count, 9);
    blocks_fini(&blocks);
}

static void
test_no_row_is_one_empty_block(void **state)
{
    (void)state;
    struct blocks blocks = {0};
    struct view rows;
    bool is_last;
    assert_false(blocks_give(&blocks, 0, &rows, &is_last));
    blocks_complete(&blocks);
    assert_true(blocks_give(&blocks, 0, &rows, &is_last));
    assert_true(is_last);
    assert_int_equal(rows.size, 0);
    assert_true(blocks_give(&blocks, 1, &rows, &is_last));
    assert_true(is_last);
    blocks_fini(&blocks);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_come_out_once_and_in_order),
        cmocka_unit_test(test_no_more_than_two_are_read_ahead),
        cmocka_unit_test(test_no_row_is_one_empty_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
