/*
 * The lock's session: statements run one after another while the lock is held, each is answered
 * once, and none outlives the session; a heartbeat sees a publication that is gone.
 */
#include "services/connection/lock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/pg_fixture.h"

#define STATEMENTS 3

struct statement {
    unsigned answered;
    bool has_failed;
    struct pg_failure failure;
    char text[32]; /* of its first row */
};

static struct pg_fixture f;
static struct lock *lock;
static struct pool *pool;
static struct statement statements[STATEMENTS];
static unsigned answered;
static unsigned stop_after; /* so many answers */
static unsigned locked;
static unsigned failed_count;
static unsigned gone;
static struct pg_failure failure;

static void
on_opened(void *ctx)
{
    (void)ctx;
    lock_take(lock);
}

static void
on_locked(void *ctx)
{
    (void)ctx;
    locked++;
    loop_stop(f.loop);
}

static void
on_failed(void *ctx, const struct pg_failure *failed)
{
    (void)ctx;
    failed_count++;
    failure = *failed;
    loop_stop(f.loop);
}

static void
on_gone(void *ctx)
{
    (void)ctx;
    gone++;
    loop_stop(f.loop);
}

static void
on_pool_change(void *ctx, const struct pg_failure *failed)
{
    (void)ctx;
    (void)failed;
}

static int
set_up(void **state)
{
    (void)state;
    memset(statements, 0, sizeof statements);
    locked = failed_count = gone = answered = 0;
    pg_fixture_init(&f, "lock");
    lock = lock_new(&(struct lock_def){.loop = f.loop,
                                       .endpoint = f.endpoint,
                                       .slot = "o'slot",
                                       .publication = "pub",
                                       .opened = on_opened,
                                       .locked = on_locked,
                                       .failed = on_failed,
                                       .publication_gone = on_gone});
    pool = pool_new(&(struct pool_def){.loop = f.loop,
                                       .endpoint = f.endpoint,
                                       .name = "test",
                                       .size_max = 1,
                                       .size_kept = 1,
                                       .wait_ms = 500,
                                       .changed = on_pool_change});
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    lock_free(lock);
    pool_free(pool);
    pg_fixture_fini(&f);
    return 0;
}

static void
hold(void)
{
    lock_open(lock);
    pg_fixture_run(&f);
    assert_int_equal(locked, 1);
    assert_true(lock_is_held(lock));
}

static void
on_answer(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct statement *statement = ctx;
    statement->answered++;
    statement->has_failed = failed != NULL;
    if (failed != NULL) {
        statement->failure = *failed;
    } else if (pg_rows(results, 0) > 0) {
        (void)snprintf(statement->text, sizeof statement->text, "%s", pg_text(results, 0, 0, 0));
    }
    if (++answered == stop_after) {
        loop_stop(f.loop);
    }
}

static void
ask(unsigned number, const char *sql)
{
    lock_run(lock, sql, 0, on_answer, &statements[number]);
}

static void
run_until_answered(unsigned count)
{
    answered = 0;
    stop_after = count;
    pg_fixture_run(&f);
}

static void
statements_run_in_order_once_the_lock_is_held(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, "one", "1");
    fake_pg_rule(f.pg, "two", "2");
    hold();
    assert_int_equal(lock_server_version(lock), 150013);
    assert_int_equal(fake_pg_count(f.pg, "pg_advisory_lock(hashtext('o''slot'))"), 1);
    assert_int_equal(fake_pg_count(f.pg, "synchronous_commit = on"), 1);
    assert_true(lock_is_unused(lock));
    ask(0, "SELECT one");
    ask(1, "SELECT two");
    assert_false(lock_is_unused(lock));
    assert_int_equal(statements[0].answered, 0);
    run_until_answered(2);
    assert_string_equal(statements[0].text, "1");
    assert_string_equal(statements[1].text, "2");
    assert_true(lock_is_unused(lock));
}

static void
without_a_session_a_statement_fails_from_the_loop(void **state)
{
    (void)state;
    ask(0, "SELECT one");
    assert_int_equal(statements[0].answered, 0);
    run_until_answered(1);
    assert_true(statements[0].failure.is_lost);
    assert_int_equal(lock_server_version(lock), 0);
}

static void
a_timeout_of_the_server_does_not_end_the_wait(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, "pg_advisory_lock", "?");
    lock_open(lock);
    pg_fixture_run_ms(&f, 50);
    assert_false(lock_is_held(lock));
    fake_pg_rule(f.pg, "pg_advisory_lock", "!57014 canceling statement due to statement timeout");
    fake_pg_release(f.pg);
    fake_pg_rule(f.pg, "pg_advisory_lock", "");
    pg_fixture_run(&f);
    assert_int_equal(locked, 1);
    assert_int_equal(failed_count, 0);
    assert_int_equal(fake_pg_count(f.pg, "pg_advisory_lock"), 2);
}

static void
a_lock_that_is_refused_ends_the_session(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, "pg_advisory_lock", "!42501 permission denied");
    lock_open(lock);
    pg_fixture_run(&f);
    assert_int_equal(failed_count, 1);
    assert_string_equal(failure.sqlstate, "42501");
    assert_false(lock_is_held(lock));
}

static void
what_fails_inside_its_transaction_is_rolled_back(void **state)
{
    (void)state;
    hold();
    fake_pg_rule(f.pg, "BEGIN; broken", "1");
    fake_pg_rule(f.pg, "after", "2");
    ask(0, "BEGIN; broken");
    run_until_answered(1);
    fake_pg_rule(f.pg, "broken too", "!55P03 canceling statement due to lock timeout");
    ask(1, "broken too");
    ask(2, "SELECT after");
    run_until_answered(2);
    assert_true(statements[1].has_failed);
    assert_int_equal(fake_pg_count(f.pg, "ROLLBACK"), 1);
    assert_string_equal(statements[2].text, "2");
    assert_true(lock_is_held(lock));
}

static void
a_lost_session_fails_every_statement_and_says_so(void **state)
{
    (void)state;
    hold();
    fake_pg_rule(f.pg, "slow", "?");
    ask(0, "SELECT slow");
    ask(1, "SELECT later");
    pg_fixture_run_ms(&f, 50);
    fake_pg_break(f.pg, false);
    pg_fixture_run(&f);
    assert_int_equal(failed_count, 1);
    assert_int_equal(statements[0].answered, 1);
    assert_int_equal(statements[1].answered, 1);
    assert_true(statements[0].failure.is_lost && statements[1].failure.is_lost);
    assert_false(lock_is_held(lock));
    lock_open(lock);
    pg_fixture_run(&f);
    assert_int_equal(locked, 2);
}

static void
an_idle_session_that_is_lost_is_told(void **state)
{
    (void)state;
    hold();
    fake_pg_break(f.pg, false);
    pg_fixture_run(&f);
    assert_int_equal(failed_count, 1);
    assert_true(failure.is_lost);
}

static void
the_heartbeat_sees_another_publication_by_that_name(void **state)
{
    (void)state;
    fake_pg_rule(f.pg, "FROM pg_publication WHERE pubname = 'pub'", "77");
    hold();
    pg_fixture_run_ms(&f, 2100);
    assert_int_equal(gone, 0);
    fake_pg_rule(f.pg, "FROM pg_publication WHERE pubname = 'pub'", "78");
    pg_fixture_run(&f);
    assert_int_equal(gone, 1);
}

static void
one_breaker_runs_at_a_time_and_never_ends_our_own_session(void **state)
{
    (void)state;
    hold();
    fake_pg_rule(f.pg, "pg_terminate_backend", "4711|t");
    pool_start(pool);
    lock_break(lock, pool);
    lock_break(lock, pool);
    pg_fixture_run_ms(&f, 50);
    assert_int_equal(fake_pg_count(f.pg, "pg_terminate_backend"), 1);
    assert_int_equal(fake_pg_count(f.pg, "AND l.pid <> 0 "), 0);
    assert_int_equal(fake_pg_count(f.pg, "s.slot_name = 'o''slot'"), 1);
    lock_break(lock, pool);
    pg_fixture_run_ms(&f, 50);
    assert_int_equal(fake_pg_count(f.pg, "pg_terminate_backend"), 2);
    assert_true(pool_is_unused(pool));
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(statements_run_in_order_once_the_lock_is_held),
        TEST(without_a_session_a_statement_fails_from_the_loop),
        TEST(a_timeout_of_the_server_does_not_end_the_wait),
        TEST(a_lock_that_is_refused_ends_the_session),
        TEST(what_fails_inside_its_transaction_is_rolled_back),
        TEST(a_lost_session_fails_every_statement_and_says_so),
        TEST(an_idle_session_that_is_lost_is_told),
        TEST(the_heartbeat_sees_another_publication_by_that_name),
        TEST(one_breaker_runs_at_a_time_and_never_ends_our_own_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
