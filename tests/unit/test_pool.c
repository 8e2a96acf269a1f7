/*
 * Sessions are lent to one user at a time, in the order of asking, up to the pool's size; one that
 * is lost or left dirty is replaced, and whoever waits is told once.
 */
#include "services/connection/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/pg_fixture.h"

#define USERS 4

struct user {
    struct pg_conn *conn;
    struct pg_failure failure;
    unsigned served;
    unsigned failed;
};

static struct pg_fixture f;
static struct pool *pool;
static struct user users[USERS];
static unsigned order[USERS];
static unsigned told;    /* users that were called */
static unsigned wanted;  /* so many, then the loop stops */
static unsigned changes; /* of the pool */
static bool is_usable;

static void
on_change(void *ctx, const struct pg_failure *failed)
{
    (void)ctx;
    changes++;
    is_usable = failed == NULL;
    if (wanted == 0) {
        loop_stop(f.loop);
    }
}

static int
set_up(void **state)
{
    (void)state;
    memset(users, 0, sizeof users);
    changes = 0;
    pg_fixture_init(&f, "pool");
    pool = pool_new(&(struct pool_def){.loop = f.loop,
                                       .endpoint = f.endpoint,
                                       .name = "test",
                                       .size_max = 2,
                                       .size_kept = 1,
                                       .wait_ms = 500,
                                       .changed = on_change});
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    pool_free(pool);
    pg_fixture_fini(&f);
    return 0;
}

static void
on_session(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    struct user *user = ctx;
    user->conn = conn;
    if (failed != NULL) {
        user->failure = *failed;
        user->failed++;
    } else {
        user->served++;
    }
    order[told++] = (unsigned)(user - users);
    if (told == wanted) {
        loop_stop(f.loop);
    }
}

static struct pool_wait *
ask(unsigned user)
{
    return pool_get(pool, on_session, &users[user]);
}

/* Until so many users more were called. */
static void
run_until(unsigned count)
{
    told = 0;
    wanted = count;
    pg_fixture_run(&f);
}

static void
on_query(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    (void)ctx;
    (void)results;
    assert_null(failed);
    loop_stop(f.loop);
}

static void
what_comes_back_is_lent_again(void **state)
{
    (void)state;
    pool_start(pool);
    assert_ptr_not_equal(ask(0), NULL);
    assert_int_equal(users[0].served, 0); /* never from inside */
    run_until(1);
    struct pg_conn *first = users[0].conn;
    assert_true(is_usable);
    assert_false(pool_is_unused(pool));
    pool_put(pool, first);
    ask(1);
    run_until(1);
    assert_ptr_equal(users[1].conn, first);
    pool_put(pool, first);
    assert_true(pool_is_unused(pool));
    assert_int_equal(fake_pg_sessions(f.pg), 1);
}

static void
who_waits_is_served_in_order_and_no_session_is_too_many(void **state)
{
    (void)state;
    pool_start(pool);
    for (unsigned i = 0; i < USERS; i++) {
        ask(i);
    }
    run_until(2);
    assert_int_equal(order[0], 0);
    assert_int_equal(order[1], 1);
    assert_int_equal(fake_pg_sessions(f.pg), 2);
    pool_put(pool, users[1].conn);
    run_until(1);
    assert_int_equal(order[0], 2);
    assert_ptr_equal(users[2].conn, users[1].conn);
    pool_put(pool, users[0].conn);
    run_until(1);
    assert_int_equal(order[0], 3);
    pool_put(pool, users[2].conn);
    pool_put(pool, users[3].conn);
    assert_int_equal(fake_pg_sessions(f.pg), 2);
}

static void
a_session_inside_a_transaction_is_not_lent_again(void **state)
{
    (void)state;
    pool_start(pool);
    ask(0);
    run_until(1);
    pg_query(users[0].conn, "BEGIN", 0, on_query, NULL);
    pg_fixture_run(&f);
    pool_put(pool, users[0].conn);
    ask(1);
    run_until(1);
    assert_int_equal(users[1].served, 1);
    assert_int_equal(fake_pg_sessions(f.pg), 1);
    pg_query(users[1].conn, "SELECT 1", 0, on_query, NULL);
    pg_fixture_run(&f);
    pool_put(pool, users[1].conn);
}

static void
who_waits_too_long_is_told(void **state)
{
    (void)state;
    pool_start(pool);
    ask(0);
    ask(1);
    run_until(2);
    ask(2);
    struct pool_wait *cancelled = ask(3);
    pool_cancel(cancelled);
    run_until(1);
    assert_int_equal(order[0], 2);
    assert_string_equal(users[2].failure.sqlstate, "53300");
    assert_int_equal(users[3].served + users[3].failed, 0);
    pool_put(pool, users[0].conn);
    pool_put(pool, users[1].conn);
}

static void
a_server_that_refuses_is_told_to_all_and_the_pool_recovers(void **state)
{
    (void)state;
    fake_pg_break(f.pg, true);
    pool_start(pool);
    ask(0);
    ask(1);
    run_until(2);
    assert_int_equal(users[0].failed, 1);
    assert_int_equal(users[1].failed, 1);
    assert_true(users[0].failure.is_lost);
    assert_false(is_usable);
    pg_fixture_run_ms(&f, 20); /* the second session that was being opened fails as well */
    fake_pg_break(f.pg, false);
    ask(2);
    run_until(1);
    assert_int_equal(users[2].served, 1);
    assert_true(is_usable);
    pool_put(pool, users[2].conn);
}

static void
an_idle_session_that_is_lost_is_replaced(void **state)
{
    (void)state;
    wanted = 0;
    pool_start(pool);
    pg_fixture_run(&f);
    assert_int_equal(fake_pg_sessions(f.pg), 1);
    fake_pg_break(f.pg, false);
    pg_fixture_run_ms(&f, 50);
    assert_int_equal(fake_pg_sessions(f.pg), 1);
    ask(0);
    run_until(1);
    assert_int_equal(users[0].served, 1);
    pool_put(pool, users[0].conn);
}

static void
a_pool_that_stopped_has_no_session_and_starts_again(void **state)
{
    (void)state;
    pool_start(pool);
    ask(0);
    run_until(1);
    pool_put(pool, users[0].conn);
    pool_stop(pool);
    pg_fixture_run_ms(&f, 20);
    assert_int_equal(fake_pg_sessions(f.pg), 0);
    pool_start(pool);
    ask(1);
    run_until(1);
    assert_int_equal(users[1].served, 1);
    pool_put(pool, users[1].conn);
}

/* Frees the pool in tear_down() while somebody waits and somebody's session is being opened. */
static void
who_waits_at_the_end_is_told(void **state)
{
    (void)state;
    pool_start(pool);
    ask(0);
    told = 0;
    wanted = USERS;
    pool_free(pool);
    pool = NULL;
    assert_int_equal(users[0].failed, 1);
    assert_true(users[0].failure.is_lost);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_comes_back_is_lent_again),
        TEST(who_waits_is_served_in_order_and_no_session_is_too_many),
        TEST(a_session_inside_a_transaction_is_not_lent_again),
        TEST(who_waits_too_long_is_told),
        TEST(a_server_that_refuses_is_told_to_all_and_the_pool_recovers),
        TEST(an_idle_session_that_is_lost_is_replaced),
        TEST(a_pool_that_stopped_has_no_session_and_starts_again),
        TEST(who_waits_at_the_end_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
