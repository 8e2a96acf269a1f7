/* Dates beside timestamps, intervals times numbers, justified intervals. */
#include <math.h>

#include "common/core/where_datetime.h"
#include "common/core/where_ops.h"

#define SECONDS_PER_DAY 86400.0
#define DAYS_PER_MONTH  30

__extension__ typedef __int128 wide;

/* ---- a date and a timestamp: a date beyond all timestamps is still before infinity */

static int
compare_date(int64_t days, int64_t us)
{
    bool is_finite = us != DATETIME_INFINITY && us != DATETIME_MINUS_INFINITY;
    if (days == WHERE_DATE_INFINITY) {
        return us == DATETIME_INFINITY ? 0 : 1;
    }
    if (days == WHERE_DATE_MINUS_INFINITY) {
        return us == DATETIME_MINUS_INFINITY ? 0 : -1;
    }
    if (!is_finite) {
        return us > 0 ? -1 : 1;
    }
    wide midnight = (wide)days * DATETIME_US_PER_DAY;
    return (midnight > us) - (midnight < us);
}

/* NOLINTBEGIN(bugprone-macro-parentheses): an operator stands in no parentheses */
#define COMPARE_DATE(name, op)                                                 \
    IMPL(date_##name##_stamp)                                                  \
    {                                                                          \
        (void)scratch;                                                         \
        result->boolean = compare_date(args[0].integer, args[1].integer) op 0; \
        return true;                                                           \
    }                                                                          \
    IMPL(stamp_##name##_date)                                                  \
    {                                                                          \
        (void)scratch;                                                         \
        result->boolean = 0 op compare_date(args[1].integer, args[0].integer); \
        return true;                                                           \
    }

COMPARE_DATE(eq, ==)
COMPARE_DATE(ne, !=)
COMPARE_DATE(lt, <)
COMPARE_DATE(le, <=)
COMPARE_DATE(gt, >)
COMPARE_DATE(ge, >=)
/* NOLINTEND(bugprone-macro-parentheses) */

static bool
date_add(struct where_scratch *scratch, int64_t days, struct where_interval interval,
         struct where_value *result)
{
    int64_t us;
    if (!datetime_from_date(days, &us)) {
        return where_raise(scratch, "date out of range for timestamp");
    }
    return datetime_add_interval(us, interval, &result->integer) ||
           where_raise(scratch, "timestamp out of range");
}

IMPL(date_add_interval)
{
    return date_add(scratch, args[0].integer, args[1].interval, result);
}

IMPL(interval_add_date)
{
    return date_add(scratch, args[1].integer, args[0].interval, result);
}

IMPL(date_sub_interval)
{
    struct where_value negated = {0};
    bool is_infinite =
        args[0].integer == WHERE_DATE_INFINITY || args[0].integer == WHERE_DATE_MINUS_INFINITY;
    if (is_infinite) { /* whatever is taken from it */
        return date_add(scratch, args[0].integer, (struct where_interval){0}, result);
    }
    return interval_minus(scratch, &args[1], &negated) &&
           date_add(scratch, args[0].integer, negated.interval, result);
}

/* ---- an interval times a number: what is left of months goes to days, of days to time */

static bool
to_int32(double real, int32_t *integer_out)
{
    if (isnan(real) || real > INT32_MAX || real < INT32_MIN) {
        return false;
    }
    *integer_out = (int32_t)real;
    return true;
}

/* Six digits behind the point of a second, as Postgres' TSROUND. */
static double
round_us(double seconds)
{
    return rint(seconds * 1000000.0) / 1000000.0;
}

/* The three products (or quotients) of an interval's parts. */
struct parts {
    double months;
    double days;
    double us;
};

static bool
join_parts(struct where_scratch *scratch, struct parts parts, struct where_value *result)
{
    struct where_interval interval;
    if (!to_int32(parts.months, &interval.months) || !to_int32(parts.days, &interval.days)) {
        return where_raise(scratch, "interval out of range");
    }
    double days_left = round_us((parts.months - interval.months) * DAYS_PER_MONTH);
    double seconds_left =
        round_us((parts.days - interval.days + days_left - (int)days_left) * SECONDS_PER_DAY);
    int32_t more = 0;
    if (fabs(seconds_left) >= SECONDS_PER_DAY) {
        more = (int32_t)(seconds_left / SECONDS_PER_DAY);
        seconds_left -= more * SECONDS_PER_DAY;
    }
    double us = rint(parts.us + seconds_left * 1000000.0);
    if (__builtin_add_overflow(interval.days, more, &interval.days) ||
        __builtin_add_overflow(interval.days, (int32_t)days_left, &interval.days) || isnan(us) ||
        us < (double)INT64_MIN || us >= -(double)INT64_MIN) {
        return where_raise(scratch, "interval out of range");
    }
    interval.us = (int64_t)us;
    result->interval = interval;
    return true;
}

static bool
multiply(struct where_scratch *scratch, struct where_interval interval, double factor,
         struct where_value *result)
{
    return join_parts(scratch,
                      (struct parts){interval.months * factor, interval.days * factor,
                                     (double)interval.us * factor},
                      result);
}

IMPL(interval_mul)
{
    return multiply(scratch, args[0].interval, args[1].real, result);
}

IMPL(interval_mul_by)
{
    return multiply(scratch, args[1].interval, args[0].real, result);
}

IMPL(interval_div)
{
    double divisor = args[1].real;
    if (divisor == 0) {
        return where_raise(scratch, "division by zero");
    }
    return join_parts(scratch,
                      (struct parts){args[0].interval.months / divisor,
                                     args[0].interval.days / divisor,
                                     (double)args[0].interval.us / divisor},
                      result);
}

/* ---- justified intervals: whole days out of hours, whole months out of days, one sign */

static bool
move_up(int32_t *high, int64_t whole)
{
    int64_t sum = *high + whole;
    *high = (int32_t)sum;
    return sum >= INT32_MIN && sum <= INT32_MAX;
}

static bool
hours_to_days(struct where_interval *interval)
{
    int64_t whole = interval->us / DATETIME_US_PER_DAY;
    interval->us -= whole * DATETIME_US_PER_DAY;
    if (!move_up(&interval->days, whole)) {
        return false;
    }
    if (interval->days > 0 && interval->us < 0) {
        interval->us += DATETIME_US_PER_DAY;
        interval->days--;
    } else if (interval->days < 0 && interval->us > 0) {
        interval->us -= DATETIME_US_PER_DAY;
        interval->days++;
    }
    return true;
}

static bool
days_to_months(struct where_interval *interval)
{
    int32_t whole = interval->days / DAYS_PER_MONTH;
    interval->days -= whole * DAYS_PER_MONTH;
    if (!move_up(&interval->months, whole)) {
        return false;
    }
    if (interval->months > 0 && interval->days < 0) {
        interval->days += DAYS_PER_MONTH;
        interval->months--;
    } else if (interval->months < 0 && interval->days > 0) {
        interval->days -= DAYS_PER_MONTH;
        interval->months++;
    }
    return true;
}

IMPL(justify_hours)
{
    result->interval = args[0].interval;
    return hours_to_days(&result->interval) || where_raise(scratch, "interval out of range");
}

IMPL(justify_days)
{
    result->interval = args[0].interval;
    return days_to_months(&result->interval) || where_raise(scratch, "interval out of range");
}

/* Hours go first, so that days and time have one sign when months are looked at. */
IMPL(justify_interval)
{
    struct where_interval interval = args[0].interval;
    bool same_sign =
        (interval.days > 0 && interval.us > 0) || (interval.days < 0 && interval.us < 0);
    int32_t months = interval.days / DAYS_PER_MONTH;
    if (same_sign) { /* so that the days of the hours do not overflow them */
        interval.days -= months * DAYS_PER_MONTH;
        if (!move_up(&interval.months, months)) {
            return where_raise(scratch, "interval out of range");
        }
    }
    int64_t whole = interval.us / DATETIME_US_PER_DAY;
    interval.us -= whole * DATETIME_US_PER_DAY;
    interval.days += (int32_t)whole;
    months = interval.days / DAYS_PER_MONTH;
    interval.days -= months * DAYS_PER_MONTH;
    if (!move_up(&interval.months, months)) {
        return where_raise(scratch, "interval out of range");
    }
    bool is_below = interval.days < 0 || (interval.days == 0 && interval.us < 0);
    bool is_above = interval.days > 0 || (interval.days == 0 && interval.us > 0);
    if (interval.months > 0 && is_below) {
        interval.days += DAYS_PER_MONTH;
        interval.months--;
    } else if (interval.months < 0 && is_above) {
        interval.days -= DAYS_PER_MONTH;
        interval.months++;
    }
    result->interval = interval;
    return hours_to_days(&result->interval) || where_raise(scratch, "interval out of range");
}

/* ---- infinity */

IMPL(date_is_finite)
{
    (void)scratch;
    result->boolean =
        args[0].integer != WHERE_DATE_INFINITY && args[0].integer != WHERE_DATE_MINUS_INFINITY;
    return true;
}

IMPL(stamp_is_finite)
{
    (void)scratch;
    result->boolean =
        args[0].integer != DATETIME_INFINITY && args[0].integer != DATETIME_MINUS_INFINITY;
    return true;
}

/* The rules of other zones are Postgres' own files, and change with them. */
IMPL(stamp_at_utc)
{
    struct view zone = args[0].text;
    if (zone.size != 3 || (zone.bytes[0] | 0x20) != 'u' || (zone.bytes[1] | 0x20) != 't' ||
        (zone.bytes[2] | 0x20) != 'c') {
        return where_raise(scratch, "no time zone but UTC is supported");
    }
    result->integer = args[1].integer;
    return true;
}
