/*
 * extract, date_part and date_trunc as Postgres computes them for a session at UTC.
 *
 * Left out is what Postgres' versions answer differently: week and quarter of an interval.
 */
#include <math.h>

#include "common/core/where_datetime.h"
#include "common/core/where_decimal.h"
#include "common/core/where_ops.h"
#include "common/core/where_unit.h"

#define SECONDS_PER_DAY INT64_C(86400)
#define US_PER_SECOND   INT64_C(1000000)
#define EPOCH_DAYS      INT64_C(-10957)  /* 1970-01-01 */
#define JULIAN_2000     INT64_C(2451545) /* the Julian day of 2000-01-01 */

#define UNITS_OF_INTERVAL \
    (UNITS_OF_CLOCK | UNITS_OF_YEARS | UNIT_SET(UNIT_DAY) | UNIT_SET(UNIT_MONTH))
#define UNITS_TO_TRUNCATE                                                         \
    (UNITS_OF_CLOCK | UNITS_OF_YEARS | UNIT_SET(UNIT_DAY) | UNIT_SET(UNIT_WEEK) | \
     UNIT_SET(UNIT_MONTH) | UNIT_SET(UNIT_QUARTER))

/* Which grow with time: of an infinite time they are infinite, the others are NULL. */
#define UNITS_WITHOUT_END \
    (UNITS_OF_YEARS | UNIT_SET(UNIT_JULIAN) | UNIT_SET(UNIT_ISOYEAR) | UNIT_SET(UNIT_EPOCH))

/* Numbers wider than 64 bits: seconds of an interval in millionths. */
__extension__ typedef __int128 wide;

static bool
find_unit(struct where_scratch *scratch, const struct where_value *name, uint32_t supported,
          const char *type, enum where_unit *unit_out)
{
    int size = name->text.size < 64 ? (int)name->text.size : 64;
    if (!where_unit_by_name(name->text, unit_out)) {
        return err_set(scratch->err, ERR_INVALID, "unit \"%.*s\" not recognized for type %s", size,
                       (const char *)name->text.bytes, type);
    }
    if ((UNIT_SET(*unit_out) & supported) == 0) {
        return err_set(scratch->err, ERR_INVALID, "unit \"%.*s\" not supported for type %s", size,
                       (const char *)name->text.bytes, type);
    }
    return true;
}

/* ---- fields */

/* A field as millionths, thousandths or whole ones: value / 10^scale. */
struct field {
    wide value;
    int scale;
};

static int64_t
floor_mod(int64_t a, int64_t b)
{
    int64_t rest = a % b;
    return rest < 0 ? rest + b : rest;
}

/* Monday is 0. */
static int64_t
weekday(int64_t days)
{
    return floor_mod(days + 5, 7);
}

static int64_t
first_day_of(int64_t year)
{
    return datetime_days_of((struct datetime_day){year, 1, 1});
}

/* There is no year 0 for people: 1 BC is -1. */
static int64_t
shown_year(int64_t year)
{
    return year > 0 ? year : year - 1;
}

/* Years by tens and hundreds, as Postgres rounds them on either side of the year 1. */
static int64_t
century(int64_t year, int64_t length)
{
    return year > 0 ? (year + length - 1) / length : -((length - 1 - (year - 1)) / length);
}

static int64_t
decade(int64_t year)
{
    return year >= 0 ? year / 10 : -((8 - (year - 1)) / 10);
}

static int64_t
field_of_date(enum where_unit unit, int64_t days)
{
    struct datetime_day day = datetime_day_of(days);
    int64_t thursday = days - weekday(days) + 3; /* which says whose week it is */
    int64_t week_year = datetime_day_of(thursday).year;
    switch ((int)unit) {
    case UNIT_DAY:
        return day.day;
    case UNIT_WEEK:
        return (thursday - first_day_of(week_year)) / 7 + 1;
    case UNIT_MONTH:
        return day.month;
    case UNIT_QUARTER:
        return (day.month - 1) / 3 + 1;
    case UNIT_YEAR:
        return shown_year(day.year);
    case UNIT_DECADE:
        return decade(day.year);
    case UNIT_CENTURY:
        return century(day.year, 100);
    case UNIT_MILLENNIUM:
        return century(day.year, 1000);
    case UNIT_ISOYEAR:
        return shown_year(week_year);
    case UNIT_DOW:
        return (weekday(days) + 1) % 7;
    case UNIT_ISODOW:
        return weekday(days) + 1;
    case UNIT_DOY:
        return days - first_day_of(day.year) + 1;
    case UNIT_EPOCH:
        return (days - EPOCH_DAYS) * SECONDS_PER_DAY;
    case UNIT_JULIAN:
        return days + JULIAN_2000;
    default: /* the time zone, which is UTC */
        return 0;
    }
}

/* Fields of a time of day or of an interval's time, which may be below zero. */
static struct field
field_of_clock(enum where_unit unit, int64_t us)
{
    int64_t in_minute = us % (60 * US_PER_SECOND);
    switch ((int)unit) {
    case UNIT_MICROSECOND:
        return (struct field){in_minute, 0};
    case UNIT_MILLISECOND:
        return (struct field){in_minute, 3};
    case UNIT_SECOND:
        return (struct field){in_minute, 6};
    case UNIT_MINUTE:
        return (struct field){us / (60 * US_PER_SECOND) % 60, 0};
    case UNIT_HOUR:
        return (struct field){us / (3600 * US_PER_SECOND), 0};
    default: /* epoch */
        return (struct field){us, 6};
    }
}

/* A year is 365.25 days, a month 30. */
static wide
interval_seconds(struct where_interval interval)
{
    wide quarters = (wide)1461 * (interval.months / 12) + (wide)120 * (interval.months % 12) +
                    (wide)4 * interval.days;
    return quarters * (SECONDS_PER_DAY / 4);
}

static struct field
field_of_interval(enum where_unit unit, struct where_interval interval)
{
    int32_t years = interval.months / 12;
    switch ((int)unit) {
    case UNIT_DAY:
        return (struct field){interval.days, 0};
    case UNIT_MONTH:
        return (struct field){interval.months % 12, 0};
    case UNIT_YEAR:
        return (struct field){years, 0};
    case UNIT_DECADE:
        return (struct field){years / 10, 0};
    case UNIT_CENTURY:
        return (struct field){years / 100, 0};
    case UNIT_MILLENNIUM:
        return (struct field){years / 1000, 0};
    case UNIT_EPOCH:
        return (struct field){interval_seconds(interval) * US_PER_SECOND + interval.us, 6};
    default:
        return field_of_clock(unit, interval.us);
    }
}

static struct field
field_of_timestamp(enum where_unit unit, int64_t us)
{
    int64_t clock;
    int64_t days = datetime_split(us, &clock);
    if ((UNIT_SET(unit) & UNITS_OF_CLOCK) != 0) {
        return field_of_clock(unit, clock);
    }
    if (unit == UNIT_EPOCH) {
        return (struct field){(wide)us - (wide)EPOCH_DAYS * DATETIME_US_PER_DAY, 6};
    }
    return (struct field){field_of_date(unit, days), 0};
}

/* ---- results */

static void
give_numeric(struct field field, struct arena *mem, struct where_value *result)
{
    uint8_t *digits = arena_alloc(mem, 48, 1);
    bool is_negative = field.value < 0;
    wide rest = is_negative ? -field.value : field.value;
    size_t next = 48;
    size_t scale = (size_t)field.scale;
    while (rest > 0 || 48 - next < scale) {
        digits[--next] = (uint8_t)('0' + (int)(rest % 10));
        rest /= 10;
    }
    result->decimal = (struct where_decimal){
        .kind = DECIMAL_FINITE,
        .is_negative = is_negative,
        .whole = {digits + next, 48 - next - scale},
        .fraction = {digits + 48 - scale, scale},
    };
    while (result->decimal.whole.size > 0 && result->decimal.whole.bytes[0] == '0') {
        result->decimal.whole.bytes++;
        result->decimal.whole.size--;
    }
}

static bool
give_infinite_numeric(enum where_unit unit, bool is_positive, struct where_value *result)
{
    result->is_null = (UNIT_SET(unit) & UNITS_WITHOUT_END) == 0;
    result->decimal = (struct where_decimal){.kind = is_positive ? DECIMAL_PLUS_INFINITY
                                                                 : DECIMAL_MINUS_INFINITY};
    return true;
}

static bool
give_infinite_real(enum where_unit unit, bool is_positive, struct where_value *result)
{
    result->is_null = (UNIT_SET(unit) & UNITS_WITHOUT_END) == 0;
    result->real = is_positive ? (double)INFINITY : -(double)INFINITY;
    return true;
}

static bool
is_infinite(int64_t us)
{
    return us == DATETIME_INFINITY || us == DATETIME_MINUS_INFINITY;
}

/* ---- extract: numeric */

IMPL(extract_date)
{
    enum where_unit unit;
    int64_t days = args[1].integer;
    if (!find_unit(scratch, &args[0], UNITS_OF_DATE, "date", &unit)) {
        return false;
    }
    if (days == WHERE_DATE_INFINITY || days == WHERE_DATE_MINUS_INFINITY) {
        return give_infinite_numeric(unit, days > 0, result);
    }
    give_numeric((struct field){field_of_date(unit, days), 0}, scratch->mem, result);
    return true;
}

IMPL(extract_time)
{
    enum where_unit unit;
    if (!find_unit(scratch, &args[0], UNITS_OF_CLOCK | UNIT_SET(UNIT_EPOCH), "time", &unit)) {
        return false;
    }
    give_numeric(field_of_clock(unit, args[1].integer), scratch->mem, result);
    return true;
}

/* The Julian day of a timestamp is a quotient whose digits are Postgres' own affair: date_part has
 * it. */
static bool
extract_stamp(struct where_scratch *scratch, const struct where_value *args, uint32_t units,
              const char *type, struct where_value *result)
{
    enum where_unit unit;
    if (!find_unit(scratch, &args[0], units & ~UNIT_SET(UNIT_JULIAN), type, &unit)) {
        return false;
    }
    if (is_infinite(args[1].integer)) {
        return give_infinite_numeric(unit, args[1].integer > 0, result);
    }
    give_numeric(field_of_timestamp(unit, args[1].integer), scratch->mem, result);
    return true;
}

IMPL(extract_timestamp)
{
    return extract_stamp(scratch, args, UNITS_OF_DATE | UNITS_OF_CLOCK, "timestamp", result);
}

IMPL(extract_timestamptz)
{
    return extract_stamp(scratch, args, UNITS_OF_DATE | UNITS_OF_CLOCK | UNIT_SET(UNIT_TIMEZONE),
                         "timestamptz", result);
}

IMPL(extract_interval)
{
    enum where_unit unit;
    if (!find_unit(scratch, &args[0], UNITS_OF_INTERVAL | UNIT_SET(UNIT_EPOCH), "interval",
                   &unit)) {
        return false;
    }
    give_numeric(field_of_interval(unit, args[1].interval), scratch->mem, result);
    return true;
}

/* ---- date_part: float8, with the roundings of Postgres' own arithmetic */

/* Whole seconds and the rest are added as doubles, not divided as one number. */
static double
real_of_clock(enum where_unit unit, int64_t us)
{
    int64_t in_minute = us % (60 * US_PER_SECOND);
    int64_t whole = in_minute / US_PER_SECOND;
    double seconds = (double)whole;
    double rest = (double)(in_minute % US_PER_SECOND);
    switch ((int)unit) {
    case UNIT_MILLISECOND:
        return seconds * 1000.0 + rest / 1000.0;
    case UNIT_SECOND:
        return seconds + rest / 1000000.0;
    case UNIT_EPOCH:
        return (double)us / 1000000.0;
    default:
        return (double)field_of_clock(unit, us).value;
    }
}

IMPL(part_time)
{
    enum where_unit unit;
    if (!find_unit(scratch, &args[0], UNITS_OF_CLOCK | UNIT_SET(UNIT_EPOCH), "time", &unit)) {
        return false;
    }
    result->real = real_of_clock(unit, args[1].integer);
    return true;
}

static double
real_of_timestamp(enum where_unit unit, int64_t us)
{
    int64_t clock;
    int64_t days = datetime_split(us, &clock);
    if ((UNIT_SET(unit) & UNITS_OF_CLOCK) != 0) {
        return real_of_clock(unit, clock);
    }
    if (unit == UNIT_EPOCH) {
        int64_t epoch = EPOCH_DAYS * DATETIME_US_PER_DAY;
        bool fits = us < INT64_MAX + epoch;
        return (fits ? (double)(us - epoch) : (double)us - (double)epoch) / 1000000.0;
    }
    double field = (double)field_of_date(unit, days);
    if (unit == UNIT_JULIAN) {
        int64_t whole = clock / US_PER_SECOND;
        double seconds = (double)whole + (double)(clock % US_PER_SECOND) / 1000000.0;
        return field + seconds / (double)SECONDS_PER_DAY;
    }
    return field;
}

static bool
part_stamp(struct where_scratch *scratch, const struct where_value *name, int64_t us,
           uint32_t units, const char *type, struct where_value *result)
{
    enum where_unit unit;
    if (!find_unit(scratch, name, units, type, &unit)) {
        return false;
    }
    if (is_infinite(us)) {
        return give_infinite_real(unit, us > 0, result);
    }
    result->real = real_of_timestamp(unit, us);
    return true;
}

IMPL(part_timestamp)
{
    return part_stamp(scratch, &args[0], args[1].integer, UNITS_OF_DATE | UNITS_OF_CLOCK,
                      "timestamp", result);
}

IMPL(part_timestamptz)
{
    return part_stamp(scratch, &args[0], args[1].integer,
                      UNITS_OF_DATE | UNITS_OF_CLOCK | UNIT_SET(UNIT_TIMEZONE), "timestamptz",
                      result);
}

/* Postgres has it as date_part of the timestamp. */
IMPL(part_date)
{
    int64_t us;
    if (!datetime_from_date(args[1].integer, &us)) {
        return where_raise(scratch, "date out of range for timestamp");
    }
    return part_stamp(scratch, &args[0], us, UNITS_OF_DATE | UNITS_OF_CLOCK, "timestamp", result);
}

IMPL(part_interval)
{
    enum where_unit unit;
    struct where_interval interval = args[1].interval;
    if (!find_unit(scratch, &args[0], UNITS_OF_INTERVAL | UNIT_SET(UNIT_EPOCH), "interval",
                   &unit)) {
        return false;
    }
    if (unit == UNIT_EPOCH) {
        double seconds = (double)interval.us / 1000000.0;
        int32_t years = interval.months / 12;
        seconds += (365.25 * (double)SECONDS_PER_DAY) * years;
        seconds += (30.0 * (double)SECONDS_PER_DAY) * (interval.months % 12);
        result->real = seconds + (double)SECONDS_PER_DAY * interval.days;
    } else if ((UNIT_SET(unit) & UNITS_OF_CLOCK) != 0) {
        result->real = real_of_clock(unit, interval.us);
    } else {
        result->real = (double)field_of_interval(unit, interval).value;
    }
    return true;
}

/* ---- date_trunc */

static int64_t
clock_unit_us(enum where_unit unit)
{
    switch ((int)unit) {
    case UNIT_MICROSECOND:
        return 1;
    case UNIT_MILLISECOND:
        return 1000;
    case UNIT_SECOND:
        return US_PER_SECOND;
    case UNIT_MINUTE:
        return 60 * US_PER_SECOND;
    default: /* hour */
        return 3600 * US_PER_SECOND;
    }
}

static int64_t
truncate_year(enum where_unit unit, int64_t year)
{
    int64_t length = unit == UNIT_MILLENNIUM ? 1000 : 100;
    switch ((int)unit) {
    case UNIT_DECADE:
        return year > 0 ? year / 10 * 10 : -((8 - (year - 1)) / 10) * 10;
    case UNIT_CENTURY:
    case UNIT_MILLENNIUM:
        return year > 0 ? century(year, length) * length - (length - 1)
                        : century(year, length) * length + 1;
    default:
        return year;
    }
}

static int64_t
truncate_date(enum where_unit unit, int64_t days)
{
    struct datetime_day day = datetime_day_of(days);
    if (unit == UNIT_DAY) {
        return days;
    }
    if (unit == UNIT_WEEK) {
        return days - weekday(days);
    }
    day.day = 1;
    if (unit == UNIT_QUARTER) {
        day.month = 3 * ((day.month - 1) / 3) + 1;
    } else if (unit != UNIT_MONTH) {
        day.month = 1;
        day.year = truncate_year(unit, day.year);
    }
    return datetime_days_of(day);
}

static bool
truncate_stamp(struct where_scratch *scratch, const struct where_value *name, int64_t us,
               const char *type, struct where_value *result)
{
    enum where_unit unit;
    if (!find_unit(scratch, name, UNITS_TO_TRUNCATE, type, &unit)) {
        return false;
    }
    result->integer = us;
    if (is_infinite(us)) {
        return true;
    }
    int64_t clock;
    int64_t days = datetime_split(us, &clock);
    if ((UNIT_SET(unit) & UNITS_OF_CLOCK) != 0) {
        clock -= clock % clock_unit_us(unit);
    } else {
        days = truncate_date(unit, days);
        clock = 0;
    }
    return datetime_join(days, clock, &result->integer) ||
           where_raise(scratch, "timestamp out of range");
}

IMPL(trunc_timestamp)
{
    return truncate_stamp(scratch, &args[0], args[1].integer, "timestamp", result);
}

IMPL(trunc_timestamptz)
{
    return truncate_stamp(scratch, &args[0], args[1].integer, "timestamptz", result);
}

IMPL(trunc_date)
{
    int64_t us;
    if (!datetime_from_date(args[1].integer, &us)) {
        return where_raise(scratch, "date out of range for timestamp");
    }
    return truncate_stamp(scratch, &args[0], us, "timestamptz", result);
}

/* Every part towards zero; what is smaller than the unit is gone. */
IMPL(trunc_interval)
{
    enum where_unit unit;
    struct where_interval interval = args[1].interval;
    if (!find_unit(scratch, &args[0], UNITS_TO_TRUNCATE & ~UNIT_SET(UNIT_WEEK), "interval",
                   &unit)) {
        return false;
    }
    if ((UNIT_SET(unit) & UNITS_OF_CLOCK) != 0) {
        interval.us -= interval.us % clock_unit_us(unit);
        result->interval = interval;
        return true;
    }
    interval.us = 0;
    interval.days = unit == UNIT_DAY ? interval.days : 0;
    static const int32_t months[] = {
        [UNIT_MONTH] = 1,    [UNIT_QUARTER] = 3,    [UNIT_YEAR] = 12,
        [UNIT_DECADE] = 120, [UNIT_CENTURY] = 1200, [UNIT_MILLENNIUM] = 12000,
    };
    if (unit != UNIT_DAY) {
        interval.months -= interval.months % months[unit];
    }
    result->interval = interval;
    return true;
}
