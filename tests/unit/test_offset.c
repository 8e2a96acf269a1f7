/* Offsets order as the API says, and their text comes back as the same offset. */
#include "proto/offset.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_order(void **state)
{
    (void)state;
    const struct log_offset order[] = {
        {0, 0}, {0, 1}, OFFSET_SNAPSHOT_END, {1, 0}, {1, 2}, {1, OFFSET_OP_INF}, {UINT64_MAX, 0},
    };
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        for (size_t j = 0; j < COUNT_OF(order); j++) {
            int compared = offset_compare(order[i], order[j]);
            assert_true(i == j ? compared == 0 : i < j ? compared < 0 : compared > 0);
        }
    }
}

static void
test_text_comes_back(void **state)
{
    (void)state;
    static const char *const texts[] = {"0_0", "450143224_6", "0_inf", "18446744073709551615_inf",
                                        "1_18446744073709551614"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct log_offset offset;
        struct buf buf = {0};
        assert_true(offset_parse(view_str(texts[i]), &offset));
        offset_append(&buf, offset);
        assert_string_equal(buf_str(&buf), texts[i]);
        buf_free(&buf);
    }
    struct log_offset offset;
    assert_true(offset_parse(view_str("007_0002"), &offset)); /* leading zeros are accepted */
    assert_true(offset.lsn == 7 && offset.op == 2);
}

static void
test_other_forms_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "-1",
                                        "_",
                                        "1_",
                                        "_1",
                                        "1",
                                        "1_2_",
                                        "1_2 ",
                                        " 1_2",
                                        "1_-2",
                                        "a_1",
                                        "1_INF",
                                        "1_in",
                                        "inf_1",
                                        "1_infx",
                                        "+1_2",
                                        "now",
                                        "18446744073709551616_0",
                                        "1_18446744073709551615"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct log_offset offset;
        assert_false(offset_parse(view_str(texts[i]), &offset));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_text_comes_back),
        cmocka_unit_test(test_other_forms_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
