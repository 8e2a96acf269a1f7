/*
 * Quotients, rests and roundings have the digits that Postgres gives them (the values are Postgres
 * 15's; tests/integration/test_where_values.py asks it for more).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/core/where_decimal.h"

static struct arena *mem;

static int
set_up(void **state)
{
    (void)state;
    mem = arena_new(16u << 20);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

static struct where_decimal
read(const char *text)
{
    struct where_decimal d;
    assert_true(decimal_parse(view_str(text), mem, &d));
    return d;
}

static void
expect(const struct where_decimal *d, const char *text)
{
    struct buf out = {0};
    decimal_print(d, true, &out);
    assert_string_equal(buf_str(&out), text);
    buf_free(&out);
}

static void
quotients_have_the_scale_of_postgres(void **state)
{
    static const char *const rows[][4] = {
        /* a, b, a / b, div(a, b) */
        {"1", "3", "0.33333333333333333333", "0"},
        {"2", "3", "0.66666666666666666667", "0"},
        {"10", "4", "2.5000000000000000", "2"},
        {"-7", "2", "-3.5000000000000000", "-3"},
        {"1", "7000", "0.00014285714285714286", "0"},
        {"100000000", "3", "33333333.333333333333", "33333333"},
        {"0.000", "5", "0.00000000000000000000", "0"},
        {"1", "Infinity", "0", "0"},
        {"Infinity", "-2", "-Infinity", "-Infinity"},
        {"Infinity", "Infinity", "NaN", "NaN"},
        {"NaN", "1", "NaN", "NaN"},
        {"999999999999999999", "1000000001", "999999999.00000000", "999999999"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct where_decimal a = read(rows[i][0]);
        struct where_decimal b = read(rows[i][1]);
        struct where_decimal quotient;
        assert_true(decimal_divide(&a, &b, false, mem, &quotient));
        expect(&quotient, rows[i][2]);
        assert_int_equal(decimal_compare(&quotient, &quotient), 0);
        assert_true(decimal_divide(&a, &b, true, mem, &quotient));
        expect(&quotient, rows[i][3]);
    }
}

static void
rests_have_the_sign_of_the_dividend(void **state)
{
    static const char *const rows[][3] = {
        {"7", "3", "1"},
        {"-7", "3", "-1"},
        {"7", "-3", "1"},
        {"7.5", "2.25", "0.75"},
        {"1", "0.30", "0.10"},
        {"5", "Infinity", "5"},
        {"Infinity", "5", "NaN"},
        {"6", "3", "0"},
        {"NaN", "Infinity", "NaN"},
        {"12345678901234567890123456789", "1000000000", "123456789"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct where_decimal a = read(rows[i][0]);
        struct where_decimal b = read(rows[i][1]);
        struct where_decimal rest;
        assert_true(decimal_modulo(&a, &b, mem, &rest));
        expect(&rest, rows[i][2]);
    }
}

static void
a_half_is_rounded_away_from_zero(void **state)
{
    static const struct {
        const char *number;
        int64_t scale;
        enum decimal_rounding rounding;
        const char *rounded;
    } rows[] = {
        {"2.5", 0, DECIMAL_NEAREST, "3"},
        {"-2.5", 0, DECIMAL_NEAREST, "-3"},
        {"0.49", 0, DECIMAL_NEAREST, "0"},
        {"9.995", 2, DECIMAL_NEAREST, "10.00"},
        {"1.5", 4, DECIMAL_NEAREST, "1.5000"},
        {"1550", -2, DECIMAL_NEAREST, "1600"},
        {"49", -2, DECIMAL_NEAREST, "0"},
        {"50", -2, DECIMAL_NEAREST, "100"},
        {"5", -2, DECIMAL_NEAREST, "0"},
        {"-1.9", 0, DECIMAL_CUT, "-1"},
        {"-1.1", 0, DECIMAL_DOWN, "-2"},
        {"1.1", 0, DECIMAL_UP, "2"},
        {"-1.1", 0, DECIMAL_UP, "-1"},
        {"1.0", 0, DECIMAL_UP, "1"},
        {"Infinity", 2, DECIMAL_CUT, "Infinity"},
        {"1", -5000, DECIMAL_NEAREST, "0"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct where_decimal d = read(rows[i].number);
        struct where_decimal rounded;
        assert_true(decimal_round(&d, rows[i].scale, rows[i].rounding, mem, &rounded));
        expect(&rounded, rows[i].rounded);
    }
}

static void
numbers_that_are_too_long_are_refused(void **state)
{
    (void)state;
    char digits[DECIMAL_DIGITS_MAX + 2];
    memset(digits, '9', sizeof digits - 1);
    digits[sizeof digits - 1] = '\0';
    struct where_decimal one = read("1");
    struct where_decimal d = read(digits);
    struct where_decimal result;
    assert_false(decimal_divide(&d, &one, false, mem, &result));
    assert_false(decimal_modulo(&one, &d, mem, &result));
    assert_false(decimal_round(&d, 0, DECIMAL_NEAREST, mem, &result));
    assert_false(decimal_round(&one, DECIMAL_ROUND_MAX + 1, DECIMAL_NEAREST, mem, &result));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotients_have_the_scale_of_postgres),
        cmocka_unit_test(rests_have_the_sign_of_the_dividend),
        cmocka_unit_test(a_half_is_rounded_away_from_zero),
        cmocka_unit_test(numbers_that_are_too_long_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
