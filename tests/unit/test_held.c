/*
 * What is held comes out in the order of the stream, by transaction, with its offsets.
 */
#include "common/core/held.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
add(struct held *held, const char *item, uint64_t lsn, uint64_t op)
{
    buf_append_str(held_items(held), item);
    held_added(held, (struct log_offset){lsn, op});
}

static void
test_items_come_out_by_transaction(void **state)
{
    (void)state;
    struct held held = {0};
    struct log_offset offset;
    held_begin(&held, 10, 700);
    add(&held, "a,", 10, 0);
    held_begin(&held, 10, 700); /* the same one goes on */
    add(&held, "bb,", 10, 2);
    held_commit(&held);
    held_begin(&held, 20, 701);
    held_end_shape(&held, "truncate");
    held_end_shape(&held, "later");
    held_begin(&held, 30, 702);
    add(&held, "c,", 30, 4);

    const struct held_txn *txn = held_txn_at(&held, 0);
    assert_int_equal(txn->commit_lsn, 10);
    assert_int_equal(txn->xid, 700);
    assert_true(txn->is_committed);
    assert_null(txn->end_reason);
    assert_int_equal(txn->item_end, 2);
    txn = held_txn_at(&held, 1);
    assert_false(txn->is_committed);
    assert_string_equal(txn->end_reason, "truncate");
    assert_int_equal(txn->item_end, 2);
    assert_int_equal(held_txn_at(&held, 2)->item_end, 3);
    assert_null(held_txn_at(&held, 3));
    assert_true(view_is(held_item_at(&held, 0, &offset), "a,"));
    assert_int_equal(offset.op, 0);
    assert_true(view_is(held_item_at(&held, 1, &offset), "bb,"));
    assert_int_equal(offset.op, 2);
    assert_true(view_is(held_item_at(&held, 2, &offset), "c,"));
    assert_int_equal(offset.lsn, 30);
    assert_true(held_size(&held) >= 7);
    held_clear(&held);
    assert_int_equal(held_size(&held), 0);
    assert_null(held_txn_at(&held, 0));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_items_come_out_by_transaction)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
