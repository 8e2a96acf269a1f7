/*
 * A table enters the publication, its writers are waited for, and its identity becomes full: in
 * that order, once for all who ask; an old pgoutput needs it twice; nobody is kept waiting for an
 * answer longer than a second.
 */
#include "services/connection/publisher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/db_answers.h"

/* Where each kind of statement is known by. */
#define IS_MEMBER "puballtables"
#define WRITERS   "FROM (SELECT * FROM pg_locks"
#define IDENTITY  "relreplident"
#define SET_FULL  "REPLICA IDENTITY FULL"
#define ADD       "ADD TABLE"
#define DROP      "DROP TABLE"

#define WRITER   "3/7|1234|\\N|t"
#define PREPARED "-1/9|\\N|gid|t"
#define READER   "4/8|99|\\N|f"

static struct pg_fixture f;
static struct publisher *publisher;

static void
start(const char *version, bool is_manual)
{
    fake_pg_version(f.pg, version);
    pool_start(f.pool);
    lock_open(f.lock);
    pg_fixture_run(&f);
    publisher = publisher_new(&(struct db_env){.loop = f.loop,
                                               .admin = f.pool,
                                               .lock = f.lock,
                                               .publication = "pub",
                                               .is_manual = is_manual});
}

static int
set_up(void **state)
{
    (void)state;
    db_answers = (struct db_answers){0};
    pg_fixture_init(&f, "publisher");
    pg_fixture_sessions(&f);
    fake_pg_rule(f.pg, IS_MEMBER, "f");
    fake_pg_rule(f.pg, WRITERS, "");
    fake_pg_rule(f.pg, IDENTITY, ""); /* its statement asks for writers too */
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    publisher_free(publisher);
    publisher = NULL;
    lock_free(f.lock);
    pool_free(f.pool);
    pg_fixture_fini(&f);
    return 0;
}

static void
publish(uint64_t life, bool is_quiesced)
{
    struct db_publish wanted = {
        .oid = 7, .schema = view_str("s"), .name = view_str("t\"x"), .is_quiesced = is_quiesced};
    publisher_publish(publisher, db_answers_question(life), &wanted);
}

static void
unpublish(void)
{
    struct db_unpublish wanted = {.oid = 7, .schema = view_str("s"), .name = view_str("t")};
    publisher_unpublish(publisher, db_answers_question(1), &wanted);
}

static void
a_table_is_added_and_its_writers_are_waited_for(void **state)
{
    (void)state;
    start("15.13", false);
    fake_pg_rule(f.pg, WRITERS, WRITER "\n" PREPARED "\n" READER);
    publish(1, false);
    const struct db_answer *answer = db_answers_next(&f, 1);
    assert_string_equal(answer->result, "waiting");
    assert_string_equal(answer->text, "pid 1234, gid gid");
    assert_int_equal(fake_pg_count(f.pg, ADD), 1);
    assert_int_equal(fake_pg_count(f.pg, "\"s\".\"t\"\"x\""), 1);

    /* One has ended; a new writer was not there when the table was added. */
    fake_pg_rule(f.pg, WRITERS, PREPARED "\n5/1|77|\\N|t");
    publish(1, false);
    answer = db_answers_next(&f, 1);
    assert_string_equal(answer->text, "gid gid");

    fake_pg_rule(f.pg, WRITERS, "5/1|77|\\N|t");
    publish(1, false);
    answer = db_answers_next(&f, 1);
    assert_string_equal(answer->result, "done");
    assert_int_equal(fake_pg_count(f.pg, ADD), 1);
    assert_int_equal(fake_pg_count(f.pg, DROP), 0);
}

static void
an_old_pgoutput_gets_the_table_twice(void **state)
{
    (void)state;
    start("15.12", false);
    publish(1, false);
    const struct db_answer *answer = db_answers_next(&f, 1);
    assert_string_equal(answer->result, "done");
    assert_int_equal(fake_pg_count(f.pg, ADD), 2);
    assert_int_equal(fake_pg_count(f.pg, DROP), 1);
    assert_int_equal(fake_pg_count(f.pg, WRITERS), 3); /* twice taken, once with the identity */
}

static void
all_who_ask_share_one_job(void **state)
{
    (void)state;
    start("15.13", false);
    publish(1, false);
    publish(1, false);
    publish(1, false);
    (void)db_answers_next(&f, 3);
    assert_int_equal(fake_pg_count(f.pg, ADD), 1);
    for (size_t i = 0; i < 3; i++) {
        assert_string_equal(db_answers.list[i].result, "done");
    }
}

static void
a_member_that_was_quiesced_is_only_looked_at(void **state)
{
    (void)state;
    start("15.12", false);
    fake_pg_rule(f.pg, IS_MEMBER, "t");
    publish(1, true);
    assert_string_equal(db_answers_next(&f, 1)->result, "done");
    assert_int_equal(fake_pg_count(f.pg, ADD), 0);
    assert_int_equal(fake_pg_count(f.pg, WRITERS), 1);
}

static void
the_identity_is_set_while_nobody_writes(void **state)
{
    (void)state;
    start("15.13", false);
    fake_pg_rule(f.pg, IDENTITY, "s.part;" WRITER);
    publish(1, false);
    const struct db_answer *answer = db_answers_next(&f, 1);
    assert_string_equal(answer->result, "waiting");
    assert_string_equal(answer->text, "pid 1234");
    assert_int_equal(fake_pg_count(f.pg, SET_FULL), 0);
    fake_pg_rule(f.pg, IDENTITY, "s.part;");
    fake_pg_rule(f.pg, "ALTER TABLE s.part REPLICA IDENTITY FULL", "");
    publish(1, false);
    pg_fixture_run_ms(&f, 500);
    assert_true(fake_pg_count(f.pg, SET_FULL) > 0);
    assert_int_equal(fake_pg_count(f.pg, "lock_timeout = '50ms'"), fake_pg_count(f.pg, SET_FULL));
    fake_pg_rule(f.pg, IDENTITY, "");
    publish(1, false);
    assert_string_equal(db_answers_next(&f, 1)->result, "done");
}

static void
a_lock_that_is_not_to_be_had_is_asked_for_again(void **state)
{
    (void)state;
    start("15.13", false);
    fake_pg_rule(f.pg, ADD, "!55P03 canceling statement due to lock timeout");
    publish(1, false);
    const struct db_answer *answer = db_answers_next(&f, 1);
    assert_string_equal(answer->result, "waiting");
    assert_string_equal(answer->text, "a lock on the table");
    fake_pg_rule(f.pg, ADD, "!42710 relation is already member of publication");
    publish(1, false);
    assert_string_equal(db_answers_next(&f, 1)->result, "done");
}

static void
a_right_that_is_missing_is_told_with_the_tables_name(void **state)
{
    (void)state;
    start("15.13", false);
    fake_pg_rule(f.pg, ADD, "!42501 must be owner of publication pub");
    publish(1, false);
    const struct db_answer *answer = db_answers_next(&f, 1);
    assert_string_equal(answer->result, "failed");
    assert_string_equal(answer->text, "Database table \"s.t\"x\" is missing from the publication "
                                      "\"pub\" and Electric lacks privileges to add it");
}

static void
with_manual_publishing_nothing_is_changed(void **state)
{
    (void)state;
    start("15.13", true);
    publish(1, false);
    assert_string_equal(db_answers_next(&f, 1)->result, "failed");
    fake_pg_rule(f.pg, IS_MEMBER, "t");
    fake_pg_rule(f.pg, IDENTITY, "s.t;");
    publish(1, false);
    const struct db_answer *answer = db_answers_next(&f, 1);
    assert_string_equal(answer->text,
                        "Database table \"s.t\"x\" does not have its replica identity set to FULL");
    unpublish();
    assert_string_equal(db_answers.list[db_answers.count - 1].result, "done");
    assert_int_equal(fake_pg_count(f.pg, ADD) + fake_pg_count(f.pg, DROP), 0);
}

static void
a_table_that_leaves_is_dropped_and_one_that_is_gone_is_no_error(void **state)
{
    (void)state;
    start("15.13", false);
    unpublish();
    publish(1, false); /* meanwhile it cannot enter */
    assert_string_equal(db_answers.list[0].result, "waiting");
    assert_string_equal(db_answers_next(&f, 1)->result, "done");
    assert_int_equal(fake_pg_count(f.pg, DROP), 1);
    fake_pg_rule(f.pg, DROP, "!42P01 relation does not exist");
    unpublish();
    assert_string_equal(db_answers_next(&f, 1)->result, "done");
}

static void
a_lost_session_is_unavailable_and_a_reset_answers_all(void **state)
{
    (void)state;
    start("15.13", false);
    fake_pg_rule(f.pg, IS_MEMBER, "#");
    publish(1, false);
    assert_string_equal(db_answers_next(&f, 1)->result, "unavailable");
    fake_pg_rule(f.pg, IS_MEMBER, "?");
    publish(1, false);
    pg_fixture_run_ms(&f, 50);
    publisher_reset(publisher);
    assert_string_equal(db_answers.list[db_answers.count - 1].result, "unavailable");
    fake_pg_rule(f.pg, IS_MEMBER, "t");
    fake_pg_release(f.pg);
    publish(1, true);
    assert_string_equal(db_answers_next(&f, 1)->result, "done");
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_table_is_added_and_its_writers_are_waited_for),
        TEST(an_old_pgoutput_gets_the_table_twice),
        TEST(all_who_ask_share_one_job),
        TEST(a_member_that_was_quiesced_is_only_looked_at),
        TEST(the_identity_is_set_while_nobody_writes),
        TEST(a_lock_that_is_not_to_be_had_is_asked_for_again),
        TEST(a_right_that_is_missing_is_told_with_the_tables_name),
        TEST(with_manual_publishing_nothing_is_changed),
        TEST(a_table_that_leaves_is_dropped_and_one_that_is_gone_is_no_error),
        TEST(a_lost_session_is_unavailable_and_a_reset_answers_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
