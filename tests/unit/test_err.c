/* Messages read from the outside in and are cut to fit, never beyond. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/err.h"

static void
context_stands_in_front(void **state)
{
    (void)state;
    struct err err;
    assert_false(err_set(&err, ERR_IO, "open %s", "x"));
    assert_int_equal(err.kind, ERR_IO);
    assert_false(err_wrap(&err, "advance slot %d", 7));
    assert_int_equal(err.kind, ERR_IO);
    assert_string_equal(err.msg, "advance slot 7: open x");
}

static void
what_is_too_long_is_cut(void **state)
{
    (void)state;
    struct err err;
    for (int size = ERR_MSG_SIZE - 5; size < ERR_MSG_SIZE + 5; size++) {
        assert_false(err_set(&err, ERR_LIMIT, "%0*d", size, 1));
        size_t kept = size < ERR_MSG_SIZE ? (size_t)size : ERR_MSG_SIZE - 1;
        assert_int_equal(strlen(err.msg), kept);
        assert_false(err_wrap(&err, "outer"));
        assert_memory_equal(err.msg, "outer: 000", 10);
        assert_int_equal(strlen(err.msg), ERR_MSG_SIZE - 1);
        assert_false(err_wrap(&err, "%0*d", size, 1));
        assert_true(strlen(err.msg) < ERR_MSG_SIZE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_stands_in_front),
        cmocka_unit_test(what_is_too_long_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
