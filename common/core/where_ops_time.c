#include "common/core/where_datetime.h"
#include "common/core/where_ops.h"

static bool
is_finite_date(int64_t days)
{
    return days != INT32_MAX && days != INT32_MIN;
}

IMPL(date_add_days)
{
    int64_t days = args[0].integer;
    if (is_finite_date(days)) {
        days += args[1].integer;
        if (days < -2451545 || days >= 2145031949) {
            return where_raise(scratch, "date out of range");
        }
    }
    result->integer = days;
    return true;
}

IMPL(days_add_date)
{
    const struct where_value swapped[] = {args[1], args[0]};
    return date_add_days(scratch, swapped, result);
}

IMPL(date_sub_days)
{
    struct where_value negated[] = {args[0], args[1]};
    negated[1].integer = -args[1].integer;
    return date_add_days(scratch, negated, result);
}

IMPL(date_sub_date)
{
    if (!is_finite_date(args[0].integer) || !is_finite_date(args[1].integer)) {
        return where_raise(scratch, "cannot subtract infinite dates");
    }
    result->integer = args[0].integer - args[1].integer;
    return true;
}

static bool
add_interval(struct where_scratch *scratch, int64_t us, struct where_interval interval,
             struct where_value *result)
{
    return datetime_add_interval(us, interval, &result->integer) ||
           where_raise(scratch, "timestamp out of range");
}

static bool
negate_interval(struct where_interval interval, struct where_interval *negated_out)
{
    if (interval.months == INT32_MIN || interval.days == INT32_MIN || interval.us == INT64_MIN) {
        return false;
    }
    *negated_out = (struct where_interval){-interval.months, -interval.days, -interval.us};
    return true;
}

IMPL(timestamp_add)
{
    return add_interval(scratch, args[0].integer, args[1].interval, result);
}

IMPL(timestamp_added)
{
    return add_interval(scratch, args[1].integer, args[0].interval, result);
}

IMPL(timestamp_sub)
{
    struct where_interval negated;
    if (args[0].integer == DATETIME_INFINITY || args[0].integer == DATETIME_MINUS_INFINITY) {
        result->integer = args[0].integer;
        return true;
    }
    return negate_interval(args[1].interval, &negated)
               ? add_interval(scratch, args[0].integer, negated, result)
               : where_raise(scratch, "interval out of range");
}

/* Days and time, never months: Postgres justifies hours to days. */
IMPL(timestamp_diff)
{
    int64_t us;
    if (args[0].integer == DATETIME_INFINITY || args[0].integer == DATETIME_MINUS_INFINITY ||
        args[1].integer == DATETIME_INFINITY || args[1].integer == DATETIME_MINUS_INFINITY) {
        return where_raise(scratch, "cannot subtract infinite timestamps");
    }
    if (__builtin_sub_overflow(args[0].integer, args[1].integer, &us)) {
        return where_raise(scratch, "interval out of range");
    }
    result->interval = (struct where_interval){
        .days = (int32_t)(us / DATETIME_US_PER_DAY),
        .us = us % DATETIME_US_PER_DAY,
    };
    return true;
}

static bool
sum_intervals(struct where_scratch *scratch, struct where_interval a, struct where_interval b,
              struct where_value *result)
{
    struct where_interval sum;
    if (__builtin_add_overflow(a.months, b.months, &sum.months) ||
        __builtin_add_overflow(a.days, b.days, &sum.days) ||
        __builtin_add_overflow(a.us, b.us, &sum.us)) {
        return where_raise(scratch, "interval out of range");
    }
    result->interval = sum;
    return true;
}

IMPL(interval_add)
{
    return sum_intervals(scratch, args[0].interval, args[1].interval, result);
}

IMPL(interval_sub)
{
    struct where_interval a = args[0].interval;
    struct where_interval b = args[1].interval;
    struct where_interval difference;
    if (__builtin_sub_overflow(a.months, b.months, &difference.months) ||
        __builtin_sub_overflow(a.days, b.days, &difference.days) ||
        __builtin_sub_overflow(a.us, b.us, &difference.us)) {
        return where_raise(scratch, "interval out of range");
    }
    result->interval = difference;
    return true;
}

IMPL(interval_minus)
{
    return negate_interval(args[0].interval, &result->interval) ||
           where_raise(scratch, "interval out of range");
}

/* A time of day stays within the day. */
static void
shift_time(int64_t us, int64_t by, struct where_value *result)
{
    int64_t sum = (us + by % DATETIME_US_PER_DAY) % DATETIME_US_PER_DAY;
    result->integer = sum < 0 ? sum + DATETIME_US_PER_DAY : sum;
}

IMPL(time_add)
{
    (void)scratch;
    shift_time(args[0].integer, args[1].interval.us, result);
    return true;
}

IMPL(time_added)
{
    (void)scratch;
    shift_time(args[1].integer, args[0].interval.us, result);
    return true;
}

IMPL(time_sub)
{
    (void)scratch;
    shift_time(args[0].integer, -(args[1].interval.us % DATETIME_US_PER_DAY), result);
    return true;
}

IMPL(time_diff)
{
    (void)scratch;
    result->interval = (struct where_interval){.us = args[0].integer - args[1].integer};
    return true;
}

IMPL(date_add_time)
{
    int64_t us;
    if (!is_finite_date(args[0].integer)) {
        result->integer = args[0].integer > 0 ? DATETIME_INFINITY : DATETIME_MINUS_INFINITY;
        return true;
    }
    if (__builtin_mul_overflow(args[0].integer, DATETIME_US_PER_DAY, &us)) {
        return where_raise(scratch, "date out of range for timestamp");
    }
    return add_interval(scratch, us, (struct where_interval){.us = args[1].integer}, result);
}

IMPL(time_add_date)
{
    const struct where_value swapped[] = {args[1], args[0]};
    return date_add_time(scratch, swapped, result);
}
