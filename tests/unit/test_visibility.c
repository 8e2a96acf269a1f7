/*
 * A transaction is in a snapshot exactly when Postgres says so, also when ids of 32 bits have
 * wrapped.
 */
#include "common/core/visibility.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"

/* engine spec §23: xmin 700, xmax 710, xip 703 and 708 */
static uint64_t in_progress[] = {703, 708};
static const struct marks marks = {700, 710, 2, in_progress};

static void
test_marks_see_what_postgres_sees(void **state)
{
    (void)state;
    static const struct {
        uint32_t xid;
        bool is_seen;
    } cases[] = {{699, true},  {700, true}, {701, true},  {703, false},
                 {708, false}, {709, true}, {710, false}, {711, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(marks_see(&marks, cases[i].xid), cases[i].is_seen);
    }
}

static void
test_xid_low_bits_are_what_counts_in_a_later_epoch(void **state)
{
    (void)state;
    const uint64_t epoch = (uint64_t)3 << 32;
    uint64_t xip[] = {epoch + 703, epoch + 708};
    struct marks late = {epoch + 700, epoch + 710, 2, xip};
    assert_true(marks_see(&late, 699));
    assert_false(marks_see(&late, 703));
    assert_true(marks_see(&late, 709));
    assert_false(marks_see(&late, 710));
}

static void
test_ids_around_a_wrap_are_ordered(void **state)
{
    (void)state;
    const uint64_t end = (uint64_t)1 << 32; /* the next epoch begins */
    uint64_t xip[] = {end - 2, end + 4};
    struct marks around = {end - 5, end + 6, 2, xip};
    assert_true(marks_see(&around, UINT32_MAX - 100));
    assert_false(marks_see(&around, UINT32_MAX - 1)); /* end - 2 */
    assert_true(marks_see(&around, UINT32_MAX));      /* end - 1 */
    assert_true(marks_see(&around, 3));
    assert_false(marks_see(&around, 4));
    assert_true(marks_see(&around, 5));
    assert_false(marks_see(&around, 6));
    assert_false(marks_see(&around, 100));
}

static void
test_marks_make_the_round_trip_and_no_prefix_does(void **state)
{
    (void)state;
    struct err err;
    struct buf buf = {0};
    struct marks out;
    marks_encode(&marks, &buf);
    assert_true(marks_decode(buf_view(&buf), &out, &err));
    assert_int_equal(out.xmin, 700);
    assert_int_equal(out.xmax, 710);
    assert_int_equal(out.xip_count, 2);
    assert_memory_equal(out.xip, in_progress, sizeof in_progress);
    struct marks copy = marks_copy(&out);
    marks_free(&out);
    assert_false(marks_see(&copy, 708));
    marks_free(&copy);
    for (size_t size = 0; size < buf.size; size++) {
        assert_false(marks_decode(view_of(buf.bytes, size), &out, &err));
        assert_int_equal(err.kind, ERR_CORRUPT);
    }
    wire_put_u32(buf.bytes + 16, UINT32_MAX);
    assert_false(marks_decode(buf_view(&buf), &out, &err));
    buf_free(&buf);
}

static void
test_the_snapshot_end_item_is_that_of_the_golden_file(void **state)
{
    (void)state;
    struct buf buf = {0};
    marks_append_item(&marks, &buf);
    assert_string_equal(buf_str(&buf),
                        "{\"headers\":{\"control\":\"snapshot-end\",\"xmin\":\"700\",\"xmax\":"
                        "\"710\",\"xip_list\":[\"703\",\"708\"]}},");
    buf_clear(&buf);
    marks_append_item(&(struct marks){5, 5, 0, NULL}, &buf);
    assert_non_null(strstr(buf_str(&buf), "\"xip_list\":[]"));
    buf_free(&buf);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_marks_see_what_postgres_sees),
        cmocka_unit_test(test_xid_low_bits_are_what_counts_in_a_later_epoch),
        cmocka_unit_test(test_ids_around_a_wrap_are_ordered),
        cmocka_unit_test(test_marks_make_the_round_trip_and_no_prefix_does),
        cmocka_unit_test(test_the_snapshot_end_item_is_that_of_the_golden_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
