/* Snapshots as Postgres spells them become marks; anything else is refused. */
#include "services/connection/describe.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena *mem;

static void
test_snapshots(void **state)
{
    (void)state;
    struct db_marks marks = {0};
    assert_true(describe_read_snapshot("10:20:10,14", mem, &marks));
    assert_int_equal(marks.xmin, 10);
    assert_int_equal(marks.xmax, 20);
    assert_int_equal(marks.xip_count, 2);
    assert_int_equal(marks.xip[0].xid, 10);
    assert_int_equal(marks.xip[1].xid, 14);
    assert_true(describe_read_snapshot("4294967301:4294967301:", mem, &marks));
    assert_int_equal(marks.xmin, 4294967301);
    assert_int_equal(marks.xip_count, 0);
}

static void
test_what_is_no_snapshot(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "1", "1:", "1:2", ":2:", "a:2:", "1:b:", "1:2:x", "1:2:3,", "1:2:3,x", "1:2:3;4"};
    struct db_marks marks = {0};
    assert_false(describe_read_snapshot(NULL, mem, &marks));
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_false(describe_read_snapshot(texts[i], mem, &marks));
}

static void
test_names_are_quoted(void **state)
{
    (void)state;
    struct buf sql = {0};
    describe_oid_by_name(&sql, view_str("s"), view_str("it's"));
    assert_string_equal(buf_str(&sql),
                        "(SELECT x.oid FROM pg_class x JOIN pg_namespace y ON y.oid = "
                        "x.relnamespace WHERE y.nspname = 's' AND x.relname = 'it''s')");
    buf_free(&sql);
}

static int
setup(void **state)
{
    (void)state;
    mem = arena_new(1 << 20);
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
        cmocka_unit_test(test_snapshots),
        cmocka_unit_test(test_what_is_no_snapshot),
        cmocka_unit_test(test_names_are_quoted),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
