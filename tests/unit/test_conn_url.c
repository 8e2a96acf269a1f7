/*
 * A URL becomes exactly the keywords it says; what is wrong with one is named,
 * and its password never.
 */
#include "common/core/conn_url.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena *mem;
static struct conn_url url;
static struct err err;

static bool
parse(const char *text)
{
    memset(&url, 0, sizeof url);
    arena_reset(mem);
    return conn_url_parse(view_str(text), mem, &url, &err);
}

static void
refuse(const char *text, const char *why)
{
    assert_false(parse(text));
    assert_non_null(strstr(err.msg, why));
    assert_null(strstr(err.msg, "s3cret"));
}

static const char *
keyword(const struct conn_keywords *keywords, const char *name)
{
    for (size_t i = 0; keywords->names[i]; i++)
        if (strcmp(keywords->names[i], name) == 0)
            return keywords->values[i];
    return NULL;
}

static void
test_every_part(void **state)
{
    (void)state;
    assert_true(parse("postgresql://us%40er:p%3Aa@s3cret@db.example:6543/my%20db?sslmode=require"));
    assert_string_equal(url.user, "us@er");
    assert_string_equal(url.password, "p:a@s3cret");
    assert_string_equal(url.host, "db.example");
    assert_int_equal(url.port, 6543);
    assert_string_equal(url.database, "my db");
    assert_int_equal(url.sslmode, CONN_SSL_REQUIRE);
}

static void
test_defaults(void **state)
{
    (void)state;
    assert_true(parse("postgres://me@localhost"));
    assert_null(url.password);
    assert_int_equal(url.port, 5432);
    assert_string_equal(url.database, "me");
    assert_int_equal(url.sslmode, CONN_SSL_UNSET);
    assert_true(parse("postgres://me:@localhost/?x=1&sslmode=disable&y#z"));
    assert_string_equal(url.password, "");
    assert_string_equal(url.database, "me");
    assert_int_equal(url.sslmode, CONN_SSL_DISABLE);
}

static void
test_hosts(void **state)
{
    (void)state;
    assert_true(parse("postgres://me@[::1]:7/d"));
    assert_string_equal(url.host, "::1");
    assert_int_equal(url.port, 7);
    assert_false(conn_url_is_folder(&url));
    assert_true(parse("postgres://me@%2Fvar%2Frun/d"));
    assert_string_equal(url.host, "/var/run");
    assert_true(conn_url_is_folder(&url));
}

static void
test_what_is_wrong_is_named(void **state)
{
    (void)state;
    refuse("mysql://me:s3cret@h/d", "invalid URL scheme");
    refuse("", "invalid URL scheme");
    refuse("postgres://me:s3cret@/d", "missing host");
    refuse("postgres://h/d", "invalid or missing username");
    refuse("postgres://:s3cret@h/d", "invalid or missing username");
    refuse("postgres://me:s3cret%4@h/d", "percent-encoding in the password");
    refuse("postgres://me:s3cret%zz@h", "percent-encoding in the password");
    refuse("postgres://me:s3cret%00@h", "zero byte in the password");
    refuse("postgres://me@h/%", "percent-encoding in the database name");
    refuse("postgres://me:s3cret@h:0/d", "invalid port");
    refuse("postgres://me:s3cret@h:65536/d", "invalid port");
    refuse("postgres://me:s3cret@h:9999999999999/d", "invalid port");
    refuse("postgres://me:s3cret@h:5x/d", "invalid port");
    refuse("postgres://me@[::1/d", "no closing ]");
    refuse("postgres://me@[::1]x/d", "invalid host");
    refuse("postgres://me@a,b/d", "one host");
    refuse("postgres://me@h/d?sslmode=verify-full", "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE");
    refuse("postgres://me@h/d?sslmode=verify-ca", "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE");
    refuse("postgres://me@h/d?sslmode=yes", "invalid \"sslmode\" value");
    refuse("postgres://me@h/d?replication=database", "\"replication\" is not allowed");
}

static void
test_sizes_are_limited(void **state)
{
    (void)state;
    char text[CONN_URL_SIZE_MAX + 64];
    memset(text, 'a', sizeof text);
    memcpy(text, "postgres://me@", 14);
    text[sizeof text - 1] = 0;
    assert_false(parse(text));
    assert_int_equal(err.kind, ERR_LIMIT);
    text[400] = 0;
    assert_false(parse(text));
    assert_int_equal(err.kind, ERR_LIMIT);
}

static void
test_a_ca_file_needs_tls(void **state)
{
    (void)state;
    assert_true(parse("postgres://me@h?sslmode=disable"));
    assert_false(conn_url_check_ca(&url, "ca.pem", &err));
    assert_true(conn_url_check_ca(&url, NULL, &err));
    assert_true(parse("postgres://me@h"));
    assert_true(conn_url_check_ca(&url, "ca.pem", &err));
}

static void
expect_tls(const char *text, const char *ca_file, const char *sslmode)
{
    struct conn_keywords keywords;
    assert_true(parse(text));
    conn_url_keywords(&url, &(struct conn_options){.ca_file = ca_file}, mem, &keywords);
    assert_string_equal(keyword(&keywords, "sslmode"), sslmode);
    assert_string_equal(keyword(&keywords, "sslrootcert"), ca_file ? ca_file : "/nonexistent");
}

static void
test_tls_is_tried_unless_disabled(void **state)
{
    (void)state;
    expect_tls("postgres://me@h", NULL, "prefer");
    expect_tls("postgres://me@h?sslmode=disable", NULL, "disable");
    expect_tls("postgres://me@h?sslmode=allow", NULL, "prefer");
    expect_tls("postgres://me@h?sslmode=prefer", NULL, "prefer");
    expect_tls("postgres://me@h?sslmode=require", NULL, "require");
    expect_tls("postgres://me@h", "ca.pem", "verify-full");
    expect_tls("postgres://me@h?sslmode=require", "ca.pem", "verify-full");
}

static void
test_keywords(void **state)
{
    (void)state;
    struct conn_keywords keywords;
    assert_true(parse("postgres://me:pw@h:1/d"));
    conn_url_keywords(&url,
                      &(struct conn_options){.addresses = "10.0.0.1,10.0.0.2",
                                             .application_name = "x",
                                             .is_replication = true,
                                             .keepalive_idle_s = 10,
                                             .keepalive_interval_s = 5,
                                             .keepalive_count = 4,
                                             .user_timeout_ms = 30000},
                      mem, &keywords);
    assert_string_equal(keyword(&keywords, "host"), "h,h");
    assert_string_equal(keyword(&keywords, "hostaddr"), "10.0.0.1,10.0.0.2");
    assert_string_equal(keyword(&keywords, "port"), "1");
    assert_string_equal(keyword(&keywords, "user"), "me");
    assert_string_equal(keyword(&keywords, "password"), "pw");
    assert_string_equal(keyword(&keywords, "dbname"), "d");
    assert_string_equal(keyword(&keywords, "application_name"), "x");
    assert_string_equal(keyword(&keywords, "replication"), "database");
    assert_string_equal(keyword(&keywords, "keepalives"), "1");
    assert_string_equal(keyword(&keywords, "keepalives_idle"), "10");
    assert_string_equal(keyword(&keywords, "keepalives_interval"), "5");
    assert_string_equal(keyword(&keywords, "keepalives_count"), "4");
    assert_string_equal(keyword(&keywords, "tcp_user_timeout"), "30000");

    conn_url_keywords(&url, &(struct conn_options){0}, mem, &keywords);
    assert_null(keyword(&keywords, "replication"));
    assert_null(keyword(&keywords, "hostaddr"));
    assert_string_equal(keyword(&keywords, "keepalives"), "0");
}

static int
setup(void **state)
{
    (void)state;
    mem = arena_new(CONN_URL_ARENA);
    return 0;
}

static int
teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_part),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_what_is_wrong_is_named),
        cmocka_unit_test(test_sizes_are_limited),
        cmocka_unit_test(test_a_ca_file_needs_tls),
        cmocka_unit_test(test_tls_is_tried_unless_disabled),
        cmocka_unit_test(test_keywords),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
