/*
 * The rules that say which transactions count for a shape, each by its name in the design's model.
 */
#include "common/core/shape_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define TABLE 100

static uint64_t xip[] = {703, 708};
static const struct marks marks = {700, 710, 2, xip};
#define L 5000

static struct unseen *unseen;

static int
set_up(void **state)
{
    (void)state;
    unseen = unseen_new();
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    unseen_free(unseen);
    return 0;
}

static struct shape_gate
opened(void)
{
    struct shape_gate gate = {0};
    gate_join(&gate, unseen, TABLE, 0, 0);
    gate_open(&gate, &marks, L);
    return gate;
}

static enum gate_decision
decide(struct shape_gate *gate, uint64_t commit_lsn, uint32_t xid)
{
    return gate_decide(gate, &(struct gate_txn){.commit_lsn = commit_lsn, .xid = xid});
}

static void
test_a_shape_that_has_not_joined_takes_nothing(void **state)
{
    (void)state;
    struct shape_gate gate = {0};
    assert_int_equal(decide(&gate, 10, 5), GATE_SKIP);
    gate_fini(&gate);
}

static void
test_hold(void **state)
{
    (void)state;
    struct shape_gate gate = {0};
    gate_join(&gate, unseen, TABLE, 0, 0);
    assert_int_equal(decide(&gate, 10, 705), GATE_HOLD);
    gate_open(&gate, &marks, L);
    assert_int_equal(gate_decide_held(&gate, 10, 705), GATE_SKIP); /* in the snapshot */
    assert_int_equal(gate_decide_held(&gate, 10, 703), GATE_TAKE);
    gate_fini(&gate);
}

static void
test_skip_marks(void **state)
{
    (void)state;
    struct shape_gate gate = opened();
    assert_int_equal(decide(&gate, 4000, 699), GATE_SKIP);
    assert_int_equal(decide(&gate, 4001, 703), GATE_TAKE);
    assert_int_equal(decide(&gate, 4002, 709), GATE_SKIP);
    assert_int_equal(decide(&gate, 4003, 710), GATE_TAKE);
    gate_fini(&gate);
}

static void
test_skip_uses_L(void **state)
{
    (void)state;
    struct shape_gate gate = opened();
    assert_int_equal(decide(&gate, L - 1, 699), GATE_SKIP);
    assert_int_equal(decide(&gate, L, 699), GATE_TAKE); /* a wrapped id: not that 699 */
    gate_fini(&gate);
}

static void
test_skip_checkpoint(void **state)
{
    (void)state;
    struct shape_gate gate = opened();
    struct gate_txn txn = {.commit_lsn = 6000, .xid = 800, .checkpoint_lsn = 6001};
    assert_int_equal(gate_decide(&gate, &txn), GATE_SKIP);
    /* a checkpoint is the end of a commit record, so equal means not contained */
    txn = (struct gate_txn){.commit_lsn = 6100, .xid = 801, .checkpoint_lsn = 6100};
    assert_int_equal(gate_decide(&gate, &txn), GATE_TAKE);
    gate_fini(&gate);
}

static void
test_checkpoint_on_arrival(void **state)
{
    (void)state;
    struct shape_gate gate = opened();
    struct gate_txn txn = {.commit_lsn = 6000, .xid = 800, .checkpoint_lsn = 5500};
    assert_int_equal(gate_decide(&gate, &txn), GATE_TAKE);
    txn.checkpoint_lsn = 7000; /* passes while the transaction goes on: its rest counts as well */
    assert_int_equal(gate_decide(&gate, &txn), GATE_TAKE);
    gate_on_hello(&gate);
    assert_int_equal(gate_decide(&gate, &txn), GATE_SKIP);
    gate_fini(&gate);
}

static void
test_skip_log(void **state)
{
    (void)state;
    struct shape_gate gate = opened();
    struct gate_txn txn = {.commit_lsn = 6000, .xid = 800, .log_commit_lsn = 6000};
    assert_int_equal(gate_decide(&gate, &txn), GATE_SKIP);
    txn = (struct gate_txn){.commit_lsn = 6001, .xid = 801, .log_commit_lsn = 6000};
    assert_int_equal(gate_decide(&gate, &txn), GATE_TAKE);
    gate_fini(&gate);
}

static void
test_ignore_rest(void **state)
{
    (void)state;
    struct shape_gate gate = {0};
    gate_join(&gate, unseen, TABLE, 3000, 690);
    assert_int_equal(decide(&gate, 3000, 690), GATE_SKIP);
    assert_int_equal(decide(&gate, 3001, 712), GATE_HOLD);
    gate_open(&gate, &marks, L);
    assert_int_equal(decide(&gate, 3000, 690), GATE_SKIP);
    gate_fini(&gate);
}

static void
test_inside_counts_and_inside_touches_all(void **state)
{
    (void)state;
    struct shape_gate gate = {0};
    gate_join(&gate, unseen, TABLE, 3000, 708); /* in progress for the snapshot */
    assert_false(gate_accepts(&gate, &marks));
    gate_leave(&gate);
    gate_join(&gate, unseen, TABLE, 3000, 709);
    assert_true(gate_accepts(&gate, &marks));
    gate_fini(&gate);
}

static void
test_retake_and_unseen_at_joining(void **state)
{
    (void)state;
    struct shape_gate gate = {0};
    unseen_add(unseen, 703, (uint32_t[]){TABLE}, 1);
    gate_join(&gate, unseen, TABLE, 0, 0);
    unseen_clear(unseen); /* seen since by another snapshot: that does not help this one */
    assert_false(gate_accepts(&gate, &marks));
    gate_leave(&gate);

    unseen_add(unseen, 703, (uint32_t[]){TABLE + 1}, 1);
    unseen_add(unseen, 709, (uint32_t[]){TABLE}, 1);
    gate_join(&gate, unseen, TABLE, 0, 0);
    assert_true(gate_accepts(&gate, &marks)); /* of another table, and visible */
    gate_fini(&gate);
}

static void
test_each_joining_has_a_number_of_its_own(void **state)
{
    (void)state;
    struct shape_gate gate = {0};
    gate_join(&gate, unseen, TABLE, 0, 0);
    uint64_t first = gate.joining;
    gate_leave(&gate);
    gate_join(&gate, unseen, TABLE, 0, 0);
    assert_int_not_equal(gate.joining, first);
    gate_fini(&gate);
}

static void
test_a_restored_gate_is_open(void **state)
{
    (void)state;
    struct shape_gate gate = {0};
    gate_restore(&gate, marks_copy(&marks), L);
    assert_int_equal(decide(&gate, 4000, 699), GATE_SKIP);
    assert_int_equal(decide(&gate, 4001, 703), GATE_TAKE);
    gate_fini(&gate);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_shape_that_has_not_joined_takes_nothing),
        TEST(test_hold),
        TEST(test_skip_marks),
        TEST(test_skip_uses_L),
        TEST(test_skip_checkpoint),
        TEST(test_checkpoint_on_arrival),
        TEST(test_skip_log),
        TEST(test_ignore_rest),
        TEST(test_inside_counts_and_inside_touches_all),
        TEST(test_retake_and_unseen_at_joining),
        TEST(test_each_joining_has_a_number_of_its_own),
        TEST(test_a_restored_gate_is_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
