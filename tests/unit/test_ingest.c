/*
 * A change of the stream is an item in the log of every shape it counts for, once, at an offset
 * that a redelivery gives again; a shape ends only through a change that counts for it.
 */
#include "services/shape_log_collector/ingest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/ingest_fixture.h"

#define ITEM(text, op, lsn, more)                                                                  \
    "{\"key\":\"\\\"public\\\".\\\"items\\\"/\\\"1\\\"\",\"value\":{\"id\":\"1\",\"v\":\"" text    \
    "\"},\"headers\":{\"relation\":[\"public\",\"items\"],\"operation\":\"" op "\",\"lsn\":\"" lsn \
    "\",\"op_position\":" more

static const struct script_column columns[] = {{"id", 23}, {"v", 25}};
static const struct script_table items = {100, "public", "items", 2, columns};
static const struct script_table other = {101, "public", "other", 2, columns};

static struct ingest_fixture f;
static struct fixture_shape shape;

static int
set_up(void **state)
{
    (void)state;
    ingest_fixture_init(&f, "ingest");
    fixture_shape_init(&shape, &items, "1-1", NULL, 0, NULL);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    if (shape.feed.log != NULL) {
        fixture_shape_close(&f, &shape);
    }
    fixture_shape_fini(&shape);
    ingest_fixture_fini(&f);
    return 0;
}

/* insert of row 1 with this value, as a transaction of its own */
static void
insert(uint64_t lsn, uint32_t xid, const char *v)
{
    script_begin(&f.frames, lsn, xid);
    script_relation(&f.frames, &items);
    script_insert(&f.frames, &items, (const char *[]){"1", v});
    script_commit(&f.frames, lsn, lsn + 8);
}

static void
test_a_transaction_becomes_items_and_the_last_says_so(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &items);
    script_insert(&f.frames, &items, (const char *[]){"1", "a"});
    script_update(&f.frames, &items, (const char *[]){"1", "a"}, (const char *[]){"1", "b"});
    script_update(&f.frames, &items, (const char *[]){"1", "b"}, (const char *[]){"1", "b"});
    script_commit(&f.frames, 1008, 1016);
    ingest_fixture_send(&f);
    assert_int_equal(f.done_count, 1);
    assert_false(f.has_failed);
    assert_int_equal(ingest_received_lsn(f.ingest), 1016);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("a", "insert", "1008", "0,\"txids\":[701]}},")
                            ITEM("b", "update", "1008", "2,\"txids\":[701],\"last\":true}},"));
}

static void
test_op_per_table(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &items);
    script_relation(&f.frames, &other);
    script_insert(&f.frames, &other, (const char *[]){"7", "x"});
    script_insert(&f.frames, &items, (const char *[]){"1", "a"});
    script_commit(&f.frames, 1008, 1016);
    ingest_fixture_send(&f);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("a", "insert", "1008", "0,\"txids\":[701],\"last\":true}},"));
}

static void
test_skip_log_after_a_hello(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    insert(1008, 701, "a");
    ingest_fixture_send(&f);
    ingest_start_stream(f.ingest, 900);
    assert_int_equal(ingest_received_lsn(f.ingest), 900);
    insert(1008, 701, "a");
    insert(1016, 702, "b");
    ingest_fixture_send(&f);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("a", "insert", "1008", "0,\"txids\":[701],\"last\":true}},")
                            ITEM("b", "insert", "1016", "0,\"txids\":[702],\"last\":true}},"));
}

static void
test_cut_on_hello(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &items);
    script_insert(&f.frames, &items, (const char *[]){"1", "a"});
    script_insert(&f.frames, &items, (const char *[]){"2", "b"});
    ingest_fixture_send(&f);
    assert_string_equal(fixture_shape_log(&f, &shape), "");
    ingest_start_stream(f.ingest, 900);
    insert(1008, 701, "a");
    ingest_fixture_send(&f);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("a", "insert", "1008", "0,\"txids\":[701],\"last\":true}},"));
}

static void
test_skip_checkpoint(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    f.checkpoint_lsn = 1016;
    insert(1008, 701, "a");
    insert(1016, 702, "b");
    ingest_fixture_send(&f);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("b", "insert", "1016", "0,\"txids\":[702],\"last\":true}},"));
}

static void
test_skip_marks_below_L_only(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 705, 1010);
    insert(1000, 703, "seen");
    insert(1001, 705, "not seen");
    insert(1010, 703, "an id that came round");
    ingest_fixture_send(&f);
    assert_string_equal(
        fixture_shape_log(&f, &shape),
        ITEM("not seen", "insert", "1001", "0,\"txids\":[705],\"last\":true}},")
            ITEM("an id that came round", "insert", "1010", "0,\"txids\":[703],\"last\":true}},"));
}

static void
test_hold(void **state)
{
    (void)state;
    fixture_shape_open(&f, &shape, true);
    ingest_join(f.ingest, &shape.feed);
    insert(1000, 703, "seen");
    insert(1001, 706, "not seen");
    script_begin(&f.frames, 1002, 707);
    script_insert(&f.frames, &items, (const char *[]){"1", "open"});
    ingest_fixture_send(&f);
    struct marks marks = {.xmin = 705, .xmax = 705};
    assert_true(gate_accepts(&shape.feed.gate, &marks));
    ingest_open(f.ingest, &shape.feed, &marks, 1010);
    const char *held = ITEM("not seen", "insert", "1001", "0,\"txids\":[706],\"last\":true}},");
    assert_string_equal(fixture_shape_log(&f, &shape), held);
    script_insert(&f.frames, &items, (const char *[]){"1", "more"});
    script_commit(&f.frames, 1002, 1003);
    ingest_fixture_send(&f);
    const char *log = fixture_shape_log(&f, &shape);
    assert_true(strncmp(log, held, strlen(held)) == 0);
    assert_string_equal(log + strlen(held),
                        ITEM("open", "insert", "1002", "0,\"txids\":[707]}},")
                            ITEM("more", "insert", "1002", "2,\"txids\":[707],\"last\":true}},"));
}

static void
test_who_holds_too_much_leaves(void **state)
{
    (void)state;
    char *large = test_malloc((1u << 20) + 1);
    memset(large, 'x', 1u << 20);
    large[1u << 20] = '\0';
    fixture_shape_open(&f, &shape, true);
    ingest_join(f.ingest, &shape.feed);
    script_begin(&f.frames, 1000, 703);
    script_relation(&f.frames, &items);
    for (int i = 0; i < 66; i++) {
        script_insert(&f.frames, &items, (const char *[]){"1", large});
        ingest_fixture_send(&f);
        assert_true(held_size(&shape.feed.held) <= HELD_BYTES_MAX + (2u << 20));
    }
    test_free(large);
    assert_int_equal(f.too_much_count, 1);
    assert_null(shape.feed.layout);
    ingest_join(f.ingest, &shape.feed);
    script_insert(&f.frames, &items, (const char *[]){"1", "rest"});
    script_commit(&f.frames, 1000, 1001);
    insert(1001, 704, "next");
    ingest_fixture_send(&f);
    ingest_open(f.ingest, &shape.feed, &(struct marks){.xmin = 704, .xmax = 704}, 1010);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("next", "insert", "1001", "0,\"txids\":[704],\"last\":true}},"));
}

static void
test_checkpoint_on_arrival(void **state)
{
    (void)state;
    fixture_shape_open(&f, &shape, true);
    ingest_join(f.ingest, &shape.feed);
    insert(1001, 706, "held");
    ingest_fixture_send(&f);
    f.checkpoint_lsn = 1009; /* passes what is held */
    ingest_open(f.ingest, &shape.feed, &(struct marks){.xmin = 705, .xmax = 705}, 1010);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("held", "insert", "1001", "0,\"txids\":[706],\"last\":true}},"));
}

static void
test_ignore_rest_and_inside_counts(void **state)
{
    (void)state;
    script_begin(&f.frames, 1000, 703);
    ingest_fixture_send(&f);
    fixture_shape_open(&f, &shape, true);
    ingest_join(f.ingest, &shape.feed);
    script_relation(&f.frames, &items);
    script_insert(&f.frames, &items, (const char *[]){"1", "rest"});
    script_commit(&f.frames, 1000, 1001);
    ingest_fixture_send(&f);
    struct marks blind = {.xmin = 703, .xmax = 704, .xip_count = 1, .xip = (uint64_t[]){703}};
    assert_false(gate_accepts(&shape.feed.gate, &blind));
    ingest_open(f.ingest, &shape.feed, &(struct marks){.xmin = 704, .xmax = 704}, 1010);
    assert_string_equal(fixture_shape_log(&f, &shape), "");
}

static void
test_unseen_at_joining(void **state)
{
    (void)state;
    insert(1000, 703, "streamed before it is visible");
    script_begin(&f.frames, 1001, 704);
    script_relation(&f.frames, &other);
    script_insert(&f.frames, &other, (const char *[]){"1", "x"});
    script_commit(&f.frames, 1001, 1002);
    ingest_fixture_send(&f);
    fixture_shape_open(&f, &shape, true);
    ingest_join(f.ingest, &shape.feed);
    assert_int_equal(unseen_count(ingest_unseen(f.ingest)), 2);
    struct marks blind = {.xmin = 703, .xmax = 705, .xip_count = 2, .xip = (uint64_t[]){703, 704}};
    assert_false(gate_accepts(&shape.feed.gate, &blind));
    struct marks other_blind = {.xmin = 704, .xmax = 705, .xip_count = 1, .xip = (uint64_t[]){704}};
    assert_true(gate_accepts(&shape.feed.gate, &other_blind));
}

static void
test_schema_by_change(void **state)
{
    (void)state;
    static const struct script_column wide[] = {{"id", 23}, {"v", 25}, {"w", 23}};
    static const struct script_table altered = {100, "public", "items", 3, wide};
    fixture_shape_live(&f, &shape, 705, 1010);
    script_begin(&f.frames, 1000, 703); /* seen by the snapshot: skipped */
    script_relation(&f.frames, &altered);
    script_insert(&f.frames, &altered, (const char *[]){"1", "a", "2"});
    script_commit(&f.frames, 1000, 1001);
    ingest_fixture_send(&f);
    assert_null(shape.end_reason);
    script_begin(&f.frames, 1011, 706);
    script_insert(&f.frames, &altered, (const char *[]){"1", "a", "2"});
    script_commit(&f.frames, 1011, 1012);
    ingest_fixture_send(&f);
    assert_string_equal(shape.end_reason, "a column was added or dropped");
}

static void
test_a_clause_over_a_column_that_is_gone_ends(void **state)
{
    (void)state;
    static const struct script_column renamed[] = {{"id", 23}, {"w", 25}};
    static const struct script_table altered = {100, "public", "items", 2, renamed};
    fixture_shape_fini(&shape);
    fixture_shape_init(&shape, &items, "1-1", (const char *[]){"id"}, 1, "v = 'a'");
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &altered);
    script_insert(&f.frames, &altered, (const char *[]){"1", "b"});
    script_commit(&f.frames, 1008, 1016);
    ingest_fixture_send(&f);
    assert_string_equal(shape.end_reason,
                        "a column of the where clause was dropped, renamed or has another type");
}

static void
test_rows_move_in_and_out(void **state)
{
    (void)state;
    fixture_shape_fini(&shape);
    fixture_shape_init(&shape, &items, "1-1", NULL, 0, "v = 'a'");
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &items);
    script_insert(&f.frames, &items, (const char *[]){"1", "b"});
    script_update(&f.frames, &items, (const char *[]){"1", "b"}, (const char *[]){"1", "a"});
    script_update(&f.frames, &items, (const char *[]){"1", "a"}, (const char *[]){"1", "c"});
    script_delete(&f.frames, &items, 'O', (const char *[]){"1", "c"});
    script_commit(&f.frames, 1008, 1016);
    ingest_fixture_send(&f);
    const char *log = fixture_shape_log(&f, &shape);
    const char *in = ITEM("a", "insert", "1008", "2,\"txids\":[701]}},");
    assert_true(strncmp(log, in, strlen(in)) == 0);
    assert_non_null(strstr(log + strlen(in), "\"operation\":\"delete\""));
    assert_non_null(strstr(log + strlen(in), "\"op_position\":4,\"txids\":[701],\"last\":true}},"));
}

static void
test_truncate_ends(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 705, 1010);
    script_begin(&f.frames, 1000, 703);
    script_relation(&f.frames, &items);
    script_truncate(&f.frames, (uint32_t[]){100}, 1);
    script_commit(&f.frames, 1000, 1001);
    ingest_fixture_send(&f);
    assert_null(shape.end_reason);
    script_begin(&f.frames, 1011, 706);
    script_truncate(&f.frames, (uint32_t[]){101, 100}, 2);
    script_commit(&f.frames, 1011, 1012);
    ingest_fixture_send(&f);
    assert_string_equal(shape.end_reason, "the table was truncated");
}

static void
test_a_missing_old_row_ends(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &items);
    script_delete(&f.frames, &items, 'K', (const char *[]){"1", NULL});
    script_commit(&f.frames, 1008, 1016);
    ingest_fixture_send(&f);
    assert_string_equal(shape.end_reason, "the table's replica identity is not full");
}

static void
test_a_change_that_is_too_large_ends(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &items);
    script_too_large(&f.frames, 100);
    script_commit(&f.frames, 1008, 1016);
    ingest_fixture_send(&f);
    assert_false(f.has_failed);
    assert_string_equal(shape.end_reason, "a change of the table is too large");
}

static void
test_values_left_alone_come_from_the_old_row(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &items);
    script_update(&f.frames, &items, (const char *[]){"2", "long"},
                  (const char *[]){"1", SCRIPT_UNCHANGED});
    script_commit(&f.frames, 1008, 1016);
    ingest_fixture_send(&f);
    assert_non_null(
        strstr(fixture_shape_log(&f, &shape), "\"value\":{\"id\":\"1\",\"v\":\"long\"}"));
    assert_non_null(strstr(fixture_shape_log(&f, &shape), "\"op_position\":1,"));
}

static void
test_a_partition_s_change_is_its_root_s(void **state)
{
    (void)state;
    static const struct script_column turned[] = {{"v", 25}, {"id", 23}};
    static const struct script_table leaf = {200, "public", "items_eu", 2, turned};
    fixture_shape_live(&f, &shape, 700, 1000);
    f.ancestor_of = 200;
    f.ancestor = 100;
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &leaf);
    script_insert(&f.frames, &leaf, (const char *[]){"a", "1"});
    script_commit(&f.frames, 1008, 1016);
    ingest_fixture_send(&f);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("a", "insert", "1008", "0,\"txids\":[701],\"last\":true}},"));
}

static void
test_a_batch_waits_for_its_relation(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    f.is_away = true;
    insert(1008, 701, "a");
    ingest_fixture_send(&f);
    assert_int_equal(f.inspect_count, 1);
    assert_int_equal(f.done_count, 0);
    assert_true(ingest_is_busy(f.ingest));
    ingest_inspected(f.ingest, 99, true, NULL, 0); /* of another time */
    ingest_inspected(f.ingest, 100, false, NULL, 0);
    assert_int_equal(f.done_count, 0);
    ingest_inspected(f.ingest, 100, true, NULL, 0);
    assert_int_equal(f.done_count, 1);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("a", "insert", "1008", "0,\"txids\":[701],\"last\":true}},"));
}

static void
test_a_hello_gives_up_what_waits(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    f.is_away = true;
    insert(1008, 701, "a");
    ingest_fixture_send(&f);
    ingest_abandon(f.ingest);
    ingest_start_stream(f.ingest, 1000);
    assert_int_equal(f.done_count, 0);
    f.is_away = false;
    insert(1008, 701, "a");
    ingest_fixture_send(&f);
    assert_int_equal(f.done_count, 1);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("a", "insert", "1008", "0,\"txids\":[701],\"last\":true}},"));
}

static void
test_keepalive_in_order(void **state)
{
    (void)state;
    ingest_start_stream(f.ingest, 900);
    script_keepalive(&f.frames, 950, false);
    ingest_fixture_send(&f);
    assert_int_equal(ingest_received_lsn(f.ingest), 950);
    assert_int_equal(f.checkpoint_count, 0);
    script_begin(&f.frames, 1008, 701);
    script_keepalive(&f.frames, 2000, true); /* inside: says nothing of what is taken in */
    ingest_fixture_send(&f);
    assert_int_equal(ingest_received_lsn(f.ingest), 950);
    assert_int_equal(f.checkpoint_count, 1);
}

static void
test_a_torn_stream_is_an_error(void **state)
{
    (void)state;
    fixture_shape_live(&f, &shape, 700, 1000);
    script_begin(&f.frames, 1008, 701);
    script_relation(&f.frames, &items);
    script_insert(&f.frames, &items, (const char *[]){"1", "a"});
    script_begin(&f.frames, 1010, 702);
    ingest_fixture_send(&f);
    assert_true(f.has_failed);
    assert_int_equal(f.failure.kind, ERR_PROTOCOL);
    assert_string_equal(fixture_shape_log(&f, &shape), "");
    ingest_start_stream(f.ingest, 1000);
    insert(1008, 701, "a");
    ingest_fixture_send(&f);
    assert_false(f.has_failed);
    assert_string_equal(fixture_shape_log(&f, &shape),
                        ITEM("a", "insert", "1008", "0,\"txids\":[701],\"last\":true}},"));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_a_transaction_becomes_items_and_the_last_says_so),
        TEST(test_op_per_table),
        TEST(test_skip_log_after_a_hello),
        TEST(test_cut_on_hello),
        TEST(test_skip_checkpoint),
        TEST(test_skip_marks_below_L_only),
        TEST(test_hold),
        TEST(test_who_holds_too_much_leaves),
        TEST(test_checkpoint_on_arrival),
        TEST(test_ignore_rest_and_inside_counts),
        TEST(test_unseen_at_joining),
        TEST(test_schema_by_change),
        TEST(test_a_clause_over_a_column_that_is_gone_ends),
        TEST(test_rows_move_in_and_out),
        TEST(test_truncate_ends),
        TEST(test_a_missing_old_row_ends),
        TEST(test_a_change_that_is_too_large_ends),
        TEST(test_values_left_alone_come_from_the_old_row),
        TEST(test_a_partition_s_change_is_its_root_s),
        TEST(test_a_batch_waits_for_its_relation),
        TEST(test_a_hello_gives_up_what_waits),
        TEST(test_keepalive_in_order),
        TEST(test_a_torn_stream_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
