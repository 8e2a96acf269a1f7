/*
 * where_datetime.h - dates, times and intervals as text and as numbers.
 *
 * Reads what Postgres writes with DateStyle ISO, TimeZone UTC and IntervalStyle iso_8601 (BC,
 * five-digit years, infinity and 24:00:00 included), and the ISO forms that people write in a where
 * clause. As in Postgres a date stands for its midnight, and what is more than asked for is
 * ignored; a timestamptz without an offset is UTC, which our sessions are set to (literals must
 * have one).
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_DATETIME_H
#define CORE_WHERE_DATETIME_H

#include "common/buf.h"
#include "common/core/where_value.h"

#define DATETIME_INFINITY       INT64_MAX /* of a timestamp */
#define DATETIME_MINUS_INFINITY INT64_MIN
#define DATETIME_US_PER_DAY     INT64_C(86400000000)

/* Days since 2000-01-01; INT32_MAX and INT32_MIN are infinity and -infinity. */
NODISCARD bool datetime_parse_date(struct view text, int64_t *days_out);

/* Microseconds since midnight, 24:00:00 included. */
NODISCARD bool datetime_parse_time(struct view text, int64_t *us_out);

/* Microseconds since 2000-01-01 00:00:00; with_zone: in UTC, where an offset in the text counts. */
NODISCARD bool datetime_parse_timestamp(struct view text, bool with_zone, int64_t *us_out);

/* Does the text say itself which moment it means? */
bool datetime_has_offset(struct view text);

/* ISO 8601 and Postgres' own styles; a fraction is for seconds only. */
NODISCARD bool datetime_parse_interval(struct view text, struct where_interval *interval_out);

/* Postgres' order: a month is 30 days, a day 24 hours. */
int datetime_compare_intervals(struct where_interval a, struct where_interval b);

/* Postgres' own texts with DateStyle ISO, TimeZone UTC, IntervalStyle iso_8601. */
void datetime_print_date(struct buf *buf, int64_t days);
void datetime_print_time(struct buf *buf, int64_t us);
void datetime_print_timestamp(struct buf *buf, int64_t us, bool with_zone);
void datetime_print_interval(struct buf *buf, struct where_interval interval);

/* A day of the calendar: 1 BC is year 0, 2 BC -1. */
struct datetime_day {
    int64_t year;
    int64_t month;
    int64_t day;
};

struct datetime_day datetime_day_of(int64_t days);
int64_t datetime_days_of(struct datetime_day day);

/* The day of a timestamp that is finite, and its time. */
int64_t datetime_split(int64_t us, int64_t *clock_us_out);

/* False: out of the range of timestamps. */
NODISCARD bool datetime_join(int64_t days, int64_t clock_us, int64_t *us_out);

/* A date's midnight; infinity stays what it is. */
NODISCARD bool datetime_from_date(int64_t days, int64_t *us_out);

/*
 * timestamp + interval as Postgres computes it: months first (the day cut to the month's length),
 * then days, then time. False: out of range.
 */
NODISCARD bool datetime_add_interval(int64_t us, struct where_interval interval, int64_t *us_out);

#endif
