/* Names and values come back from Postgres as they went in, and never end early. */
#include "common/core/sql_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_names(void **state)
{
    (void)state;
    struct buf sql = {0};
    sql_text_table(&sql, view_str("pub\"lic"), view_str("My Table"));
    assert_string_equal(buf_str(&sql), "\"pub\"\"lic\".\"My Table\"");
    buf_free(&sql);
}

static void
test_values(void **state)
{
    (void)state;
    struct buf sql = {0};
    sql_text_literal(&sql, view_str("it's"));
    sql_text_literal(&sql, view_str("a\\'b"));
    sql_text_literal(&sql, view_str(""));
    assert_string_equal(buf_str(&sql), "'it''s'E'a\\\\''b'''");
    buf_free(&sql);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
