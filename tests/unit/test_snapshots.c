/*
 * A snapshot: marks first, once Postgres has flushed what they see; then its rows in blocks, each
 * as often as it is asked for until the next; whatever fails is told to who asks.
 */
#include "services/connection/snapshots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/db_answers.h"

#define MARKS   "pg_current_snapshot()"
#define FLUSH   "SELECT pg_current_wal_flush_lsn()"
#define COLUMNS "id|23|4294967295|23|\\N|int4|b|integer|0|t|f|1|\\N|\\N|\\N"

static struct pg_fixture f;
static struct snapshots *snapshots;

static int
set_up(void **state)
{
    (void)state;
    db_answers = (struct db_answers){0};
    pg_fixture_init(&f, "snapshots");
    pg_fixture_sessions(&f);
    pool_start(f.pool);
    snapshots = snapshots_new(&(struct db_env){.loop = f.loop, .snapshot = f.pool, .lock = f.lock});
    fake_pg_rule(f.pg, MARKS, "10:20:12,14|0/200|0/200|7;" COLUMNS);
    fake_pg_rule(f.pg, "COPY (", ">1\ta\n2\tb");
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    snapshots_free(snapshots);
    lock_free(f.lock);
    pool_free(f.pool);
    pg_fixture_fini(&f);
    return 0;
}

static void
begin(uint64_t life, uint64_t id, bool is_empty)
{
    struct db_name columns[] = {{view_str("id")}, {view_str("a\"b")}};
    struct db_snapshot_begin wanted = {
        .snapshot = id,
        .oid = 7,
        .schema = view_str("s"),
        .name = view_str("t"),
        .columns = columns,
        .columns_count = 2,
        .where = view_str("\"id\" > '1'::int4"),
        .is_empty = is_empty,
    };
    snapshots_begin(snapshots, db_answers_question(life), &wanted);
}

static void
ask(uint64_t life, uint64_t id, uint64_t block)
{
    struct db_snapshot_next wanted = {.snapshot = id, .block = block};
    snapshots_next(snapshots, db_answers_question(life), &wanted);
}

static const struct db_answer *
last(void)
{
    return &db_answers.list[db_answers.count - 1];
}

static void
marks_come_first_and_then_the_rows(void **state)
{
    (void)state;
    begin(1, 5, false);
    const struct db_answer *marks = db_answers_next(&f, 1);
    assert_string_equal(marks->result, "ok");
    assert_int_equal(marks->number, 0x200);
    assert_int_equal(marks->column_count, 1);
    ask(1, 5, 0);
    const struct db_answer *block =
        db_answers.count == 2 ? last() : db_answers_next(&f, 1); /* it may have been read ahead */
    assert_string_equal(block->result, "ok");
    assert_string_equal(block->rows, "1\ta\n2\tb\n");
    assert_true(block->is_last);
    ask(1, 5, 0); /* the answer was lost */
    assert_string_equal(last()->rows, "1\ta\n2\tb\n");
    assert_int_equal(fake_pg_count(f.pg, "COPY (SELECT \"id\", \"a\"\"b\" FROM \"s\".\"t\" WHERE "
                                         "\"id\" > '1'::int4) TO STDOUT; COMMIT"),
                     1);
    assert_int_equal(fake_pg_count(f.pg, "REPEATABLE READ READ ONLY"), 1);
    assert_true(pool_is_unused(f.pool)); /* all rows are here: the session went back */
}

static void
the_lock_stands_before_everything_that_takes_a_snapshot(void **state)
{
    (void)state;
    begin(1, 5, false);
    (void)db_answers_next(&f, 1);
    assert_int_equal(fake_pg_count(f.pg, "LOCK TABLE \"s\".\"t\" IN ACCESS SHARE MODE; SET LOCAL "
                                         "lock_timeout = 0; SET LOCAL idle_in_transaction_session_"
                                         "timeout = 0; SELECT pg_current_snapshot()"),
                     1);
}

static void
marks_wait_until_their_lsn_is_flushed(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, MARKS, "10:20:|0/200|0/1F0|7;" COLUMNS);
    fake_pg_rule(f.pg, FLUSH, "0/1FF");
    begin(1, 5, false);
    pg_fixture_run_ms(&f, 100);
    assert_int_equal(db_answers.count, 0);
    assert_true(fake_pg_count(f.pg, FLUSH) > 1);
    fake_pg_rule(f.pg, FLUSH, "0/200");
    assert_string_equal(db_answers_next(&f, 1)->result, "ok");
}

static void
a_shape_of_changes_alone_gets_marks_and_no_rows(void **state)
{
    (void)state;
    begin(1, 5, true);
    assert_string_equal(db_answers_next(&f, 1)->result, "ok");
    ask(1, 5, 0);
    const struct db_answer *block = db_answers.count == 2 ? last() : db_answers_next(&f, 1);
    assert_string_equal(block->rows, "");
    assert_true(block->is_last);
    assert_int_equal(fake_pg_count(f.pg, "COPY"), 0);
}

static void
an_error_says_what_postgres_said(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, MARKS, "!42P01 relation \"s.t\" does not exist");
    begin(1, 5, false);
    const struct db_answer *answer = db_answers_next(&f, 1);
    assert_string_equal(answer->result, "failed");
    assert_string_equal(answer->text, "relation \"s.t\" does not exist");
    ask(1, 5, 0);
    assert_string_equal(last()->result, "failed");

    fake_pg_rule(f.pg, MARKS, "!55P03 canceling statement due to lock timeout");
    begin(1, 6, false);
    assert_string_equal(db_answers_next(&f, 1)->text,
                        "Snapshot timed out while waiting for a table lock");
    fake_pg_rule(f.pg, MARKS, "nonsense|0/1|0/1|7;" COLUMNS);
    begin(1, 7, false);
    assert_string_equal(db_answers_next(&f, 1)->text, "pg_current_snapshot() gave no snapshot");
}

static void
rows_that_fail_are_told_to_who_asks_for_them(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, "COPY (", "!22P02 invalid input syntax");
    begin(1, 5, false);
    assert_string_equal(db_answers_next(&f, 1)->result, "ok");
    ask(1, 5, 0);
    const struct db_answer *answer = db_answers.count == 2 ? last() : db_answers_next(&f, 1);
    assert_string_equal(answer->result, "failed");
    assert_string_equal(answer->text, "invalid input syntax");
}

static void
a_lost_session_is_unavailable(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, MARKS, "#");
    begin(1, 5, false);
    assert_string_equal(db_answers_next(&f, 1)->result, "unavailable");
}

static void
what_nobody_knows_is_gone(void **state)
{
    (void)state;
    ask(1, 5, 0);
    assert_string_equal(last()->result, "gone");
    begin(1, 5, false);
    (void)db_answers_next(&f, 1);
    ask(2, 5, 0); /* of another collector */
    assert_string_equal(last()->result, "gone");
    ask(1, 5, 7); /* a block that cannot be next */
    assert_string_equal(last()->result, "gone");
    struct db_snapshot_cancel cancel = {.snapshot = 5};
    snapshots_cancel(snapshots, db_answers_question(1), &cancel);
    assert_string_equal(last()->result, "done");
    ask(1, 5, 0);
    assert_string_equal(last()->result, "gone");
}

static void
snapshots_of_a_collector_that_is_gone_end(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, MARKS, "?");
    begin(1, 5, false);
    pg_fixture_run_ms(&f, 50);
    snapshots_keep_only(snapshots, (struct incarnation){2, 2});
    assert_string_equal(last()->result, "unavailable");
    fake_pg_rule(f.pg, MARKS, "10:20:|0/200|0/200|7;" COLUMNS);
    fake_pg_release(f.pg);
    begin(2, 5, false);
    assert_string_equal(db_answers_next(&f, 1)->result, "ok");
}

static void
one_that_begins_anew_ends_the_one_before(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, MARKS, "?");
    begin(1, 5, false);
    pg_fixture_run_ms(&f, 50);
    fake_pg_rule(f.pg, MARKS, "10:20:|0/300|0/300|7;" COLUMNS);
    begin(1, 5, false);
    assert_int_equal(db_answers.count, 1);
    assert_string_equal(last()->text, "the snapshot was ended: it was begun anew");
    fake_pg_release(f.pg);
    const struct db_answer *answer = db_answers_next(&f, 1);
    assert_string_equal(answer->result, "ok");
    assert_int_equal(answer->number, 0x300);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(marks_come_first_and_then_the_rows),
        TEST(the_lock_stands_before_everything_that_takes_a_snapshot),
        TEST(marks_wait_until_their_lsn_is_flushed),
        TEST(a_shape_of_changes_alone_gets_marks_and_no_rows),
        TEST(an_error_says_what_postgres_said),
        TEST(rows_that_fail_are_told_to_who_asks_for_them),
        TEST(a_lost_session_is_unavailable),
        TEST(what_nobody_knows_is_gone),
        TEST(snapshots_of_a_collector_that_is_gone_end),
        TEST(one_that_begins_anew_ends_the_one_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
