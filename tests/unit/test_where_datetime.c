/*
 * Fields, truncations, arithmetic and casts of dates and times give what Postgres 15 gives: the
 * texts here are its own. (Random values are compared in tests/integration/test_where_datetime.py.)
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/core/where_expr.h"
#include "common/core/where_unit.h"
#include "common/sql_parse.h"

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

static struct expr *
check(const char *text, struct err *err)
{
    struct where_scope nothing = {0};
    struct sql_node *tree;
    struct expr *expr;
    if (!sql_parse_where(view_str(text), mem, &tree, err) ||
        !where_check_tree(tree, &nothing, mem, &expr, err)) {
        return NULL;
    }
    return expr;
}

/* An expression of constants is folded to what it is. */
static void
expect_text(const char *expression, const char *text)
{
    struct err err = {0};
    struct buf clause = {0};
    buf_printf(&clause, text == NULL ? "(%s) IS NULL%s" : "(%s)::text = '%s'", expression,
               text == NULL ? "" : text);
    struct expr *expr = check(buf_str(&clause), &err);
    if (expr == NULL || expr->kind != EXPR_CONST || expr->value.is_null || !expr->value.boolean) {
        fail_msg("%s: %s", buf_str(&clause), err.msg);
    }
    buf_free(&clause);
}

/* An expression and its text; NULL: it is NULL. */
static const char *const values[][2] = {
    {"extract(year from date '0044-03-15 BC')", "-44"},
    {"extract(century from date '0001-12-31 BC')", "-1"},
    {"extract(century from date '2000-12-31')", "20"},
    {"extract(millennium from date '2001-01-01')", "3"},
    {"extract(millennium from date '0999-01-01 BC')", "-1"},
    {"extract(decade from date '0001-01-01')", "0"},
    {"extract(decade from date '0011-06-07 BC')", "-1"},
    {"extract(quarter from date '2024-11-30')", "4"},
    {"extract(week from date '2021-01-03')", "53"},
    {"extract(isoyear from date '2021-01-03')", "2020"},
    {"extract(week from date '2020-12-31')", "53"},
    {"extract(isoyear from date '0001-12-31 BC')", "-1"},
    {"extract(dow from date '2000-01-02')", "0"},
    {"extract(isodow from date '2000-01-02')", "7"},
    {"extract(doy from date '2024-12-31')", "366"},
    {"extract(epoch from date '1969-12-31')", "-86400"},
    {"extract(julian from date '4713-11-24 BC')", "366"},
    {"extract(year from date 'infinity')", "Infinity"},
    {"extract(month from date '-infinity')", NULL},
    {"extract(epoch from time '24:00:00')", "86400.000000"},
    {"extract(second from time '00:00:01.5')", "1.500000"},
    {"extract(milliseconds from time '23:59:59.999999')", "59999.999"},
    {"extract(microseconds from time '23:59:59.999999')", "59999999"},
    {"extract(minute from time '12:34:56')", "34"},
    {"extract(epoch from timestamp '1969-12-31 23:59:59.5')", "-0.500000"},
    {"extract(hour from timestamp '0001-01-01 23:00:00 BC')", "23"},
    {"extract(year from timestamp '-infinity')", "-Infinity"},
    {"extract(timezone_hour from timestamptz '2024-01-02 03:04:05+02')", "0"},
    {"extract(hour from timestamptz '2024-01-02 03:04:05+02')", "1"},
    {"extract(epoch from interval '1 year 1 mon 1 day 00:00:01.5')", "34236001.500000"},
    {"extract(epoch from interval '-2147483648 mons')", "-5647452497208000.000000"},
    {"extract(year from interval '-25 mons')", "-2"},
    {"extract(month from interval '-25 mons')", "-1"},
    {"extract(decade from interval '-25 years')", "-2"},
    {"extract(hour from interval '-50:30:00')", "-50"},
    {"extract(second from interval '-00:00:01.5')", "-1.500000"},
    {"extract(century from interval '1999 years')", "19"},
    {"extract(millennium from interval '1999 years')", "1"},
    {"extract(day from interval '40 days')", "40"},
    {"date_part('hour', date '2024-01-02')", "0"},
    {"date_part('julian', timestamp '2024-01-02 06:00:00')", "2460312.25"},
    {"date_part('epoch', timestamp '2024-01-02 03:04:05.123456')", "1704164645.123456"},
    {"date_part('second', time '00:00:01.000001')", "1.000001"},
    {"date_part('milliseconds', time '00:00:01.000001')", "1000.001"},
    {"date_part('epoch', interval '1 mon 2 days 00:00:00.1')", "2764800.1"},
    {"date_part('epoch', time '00:00:00.1')", "0.1"},
    {"date_part('hour', interval '25:00:00')", "25"},
    {"date_part('year', interval '14 mons')", "1"},
    {"date_part('timezone', timestamptz '2024-01-02 03:04:05+02')", "0"},
    {"date_part('year', timestamp 'infinity')", "Infinity"},
    {"date_part('hour', timestamp 'infinity')", NULL},
    {"date_part('epoch', timestamp '294276-12-31 23:59:59.999999')", "9224318016000"},
    {"date_trunc('week', timestamp '2021-01-03 10:00:00')", "2020-12-28 00:00:00"},
    {"date_trunc('quarter', timestamp '2024-12-31 10:00:00')", "2024-10-01 00:00:00"},
    {"date_trunc('decade', timestamp '0004-01-01 00:00:00 BC')", "0011-01-01 00:00:00 BC"},
    {"date_trunc('century', timestamp '0101-01-01 00:00:00 BC')", "0200-01-01 00:00:00 BC"},
    {"date_trunc('century', timestamp '2000-06-07 00:00:00')", "1901-01-01 00:00:00"},
    {"date_trunc('millennium', timestamp '1999-06-07 00:00:00')", "1001-01-01 00:00:00"},
    {"date_trunc('millennium', timestamp '0001-06-07 00:00:00 BC')", "1000-01-01 00:00:00 BC"},
    {"date_trunc('milliseconds', timestamp '1999-12-31 23:59:59.999999')",
     "1999-12-31 23:59:59.999"},
    {"date_trunc('hour', timestamp '1999-12-31 23:59:59.999999')", "1999-12-31 23:00:00"},
    {"date_trunc('month', date '2024-02-29')", "2024-02-01 00:00:00+00"},
    {"date_trunc('day', timestamptz '2024-01-02 01:04:05+02')", "2024-01-01 00:00:00+00"},
    {"date_trunc('day', timestamp 'infinity')", "infinity"},
    {"date_trunc('year', interval '25 mons 3 days')", "P2Y"},
    {"date_trunc('quarter', interval '-25 mons')", "P-2Y"},
    {"date_trunc('day', interval '1 mon 3 days 10:00:00')", "P1M3D"},
    {"date_trunc('minute', interval '-00:59:59')", "PT-59M"},
    {"date_trunc('microseconds', interval '00:00:00.000001')", "PT0.000001S"},
    {"date '2024-01-31' + interval '1 mon'", "2024-02-29 00:00:00"},
    {"date '2024-01-31' - interval '1 mon 12:00:00'", "2023-12-30 12:00:00"},
    {"interval '1 mon' + date '2024-01-31'", "2024-02-29 00:00:00"},
    {"date 'infinity' - interval '1 day'", "infinity"},
    {"interval '1 mon 1 day' * 1.5", "P1M16DT12H"},
    {"1.5::float8 * interval '1 day'", "P1DT12H"},
    {"interval '1 year' / 7", "P1M21DT10H17M8.5344S"},
    {"interval '-1 mon' * 0.3", "P-9D"},
    {"interval '10 days' * 2.4", "P24D"},
    {"justify_hours(interval '27:00:00')", "P1DT3H"},
    {"justify_hours(interval '1 day -01:00:00')", "PT23H"},
    {"justify_hours(interval '-1 day 01:00:00')", "PT-23H"},
    {"justify_days(interval '35 days')", "P1M5D"},
    {"justify_days(interval '1 mon -1 day')", "P29D"},
    {"justify_days(interval '-1 mon 1 day')", "P-29D"},
    {"justify_interval(interval '1 mon -1 hour')", "P29DT23H"},
    {"justify_interval(interval '-1 mon 1 day')", "P-29D"},
    {"justify_interval(interval '29 days 25:00:00')", "P1MT1H"},
    {"justify_interval(interval '1 day -00:30:00')", "PT23H30M"},
    {"justify_interval(interval '-1 day 00:30:00')", "PT-23H-30M"},
    {"(timestamptz '2024-01-02 01:04:05+02')::date", "2024-01-01"},
    {"(timestamp '2024-01-02 01:04:05')::time", "01:04:05"},
    {"(timestamp 'infinity')::time", NULL},
    {"(timestamp 'infinity')::date", "infinity"},
    {"(date 'infinity')::timestamptz", "infinity"},
    {"(interval '-01:00:00')::time", "23:00:00"},
    {"(interval '3 days 25:00:00')::time", "01:00:00"},
    {"timestamptz '2024-01-02 01:04:05+02' at time zone 'utc'", "2024-01-01 23:04:05"},
    {"isfinite(date 'infinity')", "false"},
    {"isfinite(timestamp '2024-01-02 03:04:05')", "true"},
    {"date '5874897-12-31' < timestamp 'infinity'", "true"},
    {"date '5874897-12-31' > timestamp '294276-12-31 23:59:59.999999'", "true"},
    {"date 'infinity' = timestamptz 'infinity'", "true"},
    {"timestamp '-infinity' = date '-infinity'", "true"},
    {"date '2024-01-02' <> timestamp '2024-01-02 00:00:00.000001'", "true"},
    {"timestamp '2024-01-02 00:00:00' <= date '2024-01-02'", "true"},
    {"date '2024-01-02' >= timestamptz '2024-01-02 01:00:00+01'", "true"},
    {"date '-infinity' < timestamp '4713-01-01 00:00:00 BC'", "true"},
    {"timestamp '2024-01-02 00:00:00' = timestamptz '2024-01-02 01:00:00+01'", "true"},
};

static void
values_are_those_of_postgres(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        expect_text(values[i][0], values[i][1]);
    }
}

/* A clause, and what is said of it; "": nothing. */
static const char *const without_value[][2] = {
    {"extract(hour from date '2024-01-02') = 1", "unit \"hour\" not supported for type date"},
    {"extract(parsec from date '2024-01-02') = 1", "unit \"parsec\" not recognized for type date"},
    {"extract(day from time '10:00:00') = 1", "unit \"day\" not supported for type time"},
    {"date_part('day', time '10:00:00') = 1", "unit \"day\" not supported for type time"},
    {"extract(quarter from interval '1 day') = 1",
     "unit \"quarter\" not supported for type interval"},
    {"date_part('week', interval '1 day') = 1", "unit \"week\" not supported for type interval"},
    {"date_trunc('dow', timestamp '2024-01-02 00:00:00') > '2024-01-02 00:00:00'",
     "unit \"dow\" not supported for type timestamp"},
    {"date_trunc('week', interval '1 day') = '1 day'",
     "unit \"week\" not supported for type interval"},
    {"date_trunc('year', timestamp '4713-01-01 00:00:00 BC') is null", ""},
    {"date_trunc('century', timestamp '4713-01-01 00:00:00 BC') is null", "timestamp out of range"},
    {"date_part('year', date '5874897-12-31') = 1", "date out of range for timestamp"},
    {"date_trunc('year', date '5874897-12-31') is null", "date out of range for timestamp"},
    {"date '5874897-12-31' + interval '1 day' is null", "date out of range for timestamp"},
    {"date '2024-01-02' - interval '-2147483648 days' is null", "interval out of range"},
    {"date '2024-01-02' + interval '2147483647 days' is null", "timestamp out of range"},
    {"interval '1 day' / 0 is null", "division by zero"},
    {"interval '1 day' * 1e10 is null", "interval out of range"},
    {"interval '1 hour' * 1e20 is null", "interval out of range"},
    {"justify_days(interval '2147483647 mons 30 days') is null", "interval out of range"},
    {"justify_hours(interval '2147483647 days 24:00:00') is null", "interval out of range"},
    {"justify_interval(interval '2147483647 mons 30 days 1 hour') is null",
     "interval out of range"},
    {"justify_interval(interval '2147483647 mons 30 days') is null", "interval out of range"},
    {"timezone('CET', timestamp '2024-01-02 00:00:00') is null",
     "no time zone but UTC is supported"},
};

static void
what_has_no_value(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(without_value); i++) {
        struct err err = {0};
        struct expr *expr = check(without_value[i][0], &err);
        assert_int_equal(expr == NULL, without_value[i][1][0] != '\0');
        const char *behind = strstr(err.msg, ": ");
        assert_string_equal(behind == NULL ? "" : behind + 2, without_value[i][1]);
    }
}

static void
names_of_units(void **state)
{
    enum where_unit unit;
    (void)state;
    assert_true(where_unit_by_name(view_str("DOW"), &unit));
    assert_int_equal(unit, UNIT_DOW);
    assert_false(where_unit_by_name(view_str("yea"), &unit));
    assert_false(where_unit_by_name(view_str("yearss"), &unit));
    assert_false(where_unit_by_name(view_str(""), &unit));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_those_of_postgres, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_has_no_value, set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_units, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
