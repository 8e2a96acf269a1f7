/* What libpq says while connecting is taken apart: code and sentence. */
#include "common/pg_failure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
expect(const char *text, const char *sqlstate, const char *message)
{
    struct pg_failure failure = {0};
    pg_failure_from_text(&failure, text);
    assert_string_equal(failure.sqlstate, sqlstate);
    assert_string_equal(failure.message, message);
}

static void
test_errors_of_postgres(void **state)
{
    (void)state;
    expect("connection to server at \"h\", port 1 failed: FATAL:  28P01: password authentication "
           "failed for user \"u\"\nLOCATION:  auth_failed, auth.c:338\n",
           "28P01", "password authentication failed for user \"u\"");
    expect("connection to server at \"h\" failed: FATAL:  28000: no SSL\nLOCATION:  a, b:1\n"
           "connection to server at \"h\" failed: FATAL:  57P03: starting up\nLOCATION:  c, d:2\n",
           "57P03", "starting up");
}

static void
test_errors_of_the_way(void **state)
{
    (void)state;
    expect("connection to server failed: Connection refused\n\tIs the server running?\n", "",
           "connection to server failed: Connection refused  Is the server running?");
    expect("", "", "");
    expect(":  28P0", "", ":  28P0");
}

static void
test_long_texts_are_cut(void **state)
{
    (void)state;
    char text[2000];
    struct pg_failure failure = {0};
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = 0;
    pg_failure_from_text(&failure, text);
    assert_int_equal(strlen(failure.message), sizeof failure.message - 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors_of_postgres),
        cmocka_unit_test(test_errors_of_the_way),
        cmocka_unit_test(test_long_texts_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
