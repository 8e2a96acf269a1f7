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

static void
no_character_is_cut_in_two(void **state)
{
    (void)state;
    struct err err;
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x90\x98"};
    for (size_t i = 0; i < 3; i++) {
        size_t size = strlen(characters[i]);
        for (int before = ERR_MSG_SIZE - 6; before < ERR_MSG_SIZE + 1; before++) {
            size_t room = (size_t)(ERR_MSG_SIZE - 1 > before ? ERR_MSG_SIZE - 1 - before : 0);
            size_t head = before < ERR_MSG_SIZE ? (size_t)before : ERR_MSG_SIZE - 1;
            assert_false(err_set(&err, ERR_LIMIT, "%0*d%s", before, 1, characters[i]));
            assert_int_equal(strlen(err.msg), head + (room >= size ? size : 0));
            assert_false(err_set(&err, ERR_LIMIT, "%s", characters[i]));
            assert_false(err_wrap(&err, "%0*d", before - 2, 1));
            assert_int_equal(strlen(err.msg), head + (room >= size ? size : 0));
        }
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_stands_in_front),
        cmocka_unit_test(what_is_too_long_is_cut),
        cmocka_unit_test(no_character_is_cut_in_two),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
