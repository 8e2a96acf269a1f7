#include "common/core/where_datetime.h"

#include <inttypes.h>
#include <string.h>

#include "common/core/text_cursor.h"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR   (60 * US_PER_MINUTE)

/* Postgres' ranges: dates from 4713-01-01 BC, timestamps until 294276 AD. */
#define DATE_MIN_DAYS     (-2451545)
#define DATE_END_DAYS     2145031949
#define TIMESTAMP_MIN_US  INT64_C(-211813488000000000)
#define TIMESTAMP_END_US  INT64_C(9223371331200000000)
#define YEAR_MAX          5874897
#define DAYS_1970_TO_2000 10957

/* ---- the calendar (proleptic Gregorian; year 0 is 1 BC) */

static int64_t
days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468 - DAYS_1970_TO_2000;
}

static void
civil_from_days(int64_t days, int64_t *year_out, int64_t *month_out, int64_t *day_out)
{
    days += 719468 + DAYS_1970_TO_2000;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    int64_t day_of_era = days - era * 146097;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month = (5 * day_of_year + 2) / 153;
    *day_out = day_of_year - (153 * month + 2) / 5 + 1;
    *month_out = month < 10 ? month + 3 : month - 9;
    *year_out = year_of_era + era * 400 + (*month_out <= 2);
}

static int64_t
days_in_month(int64_t year, int64_t month)
{
    static const int8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

/* ---- reading */

struct civil {
    int64_t year; /* as written: BC is not applied yet */
    int64_t month;
    int64_t day;
};

static bool
take_civil(struct text_cursor *c, struct civil *civil)
{
    return text_take_digits(c, 4, 7, &civil->year) && text_take(c, '-') &&
           text_take_digits(c, 1, 2, &civil->month) && text_take(c, '-') &&
           text_take_digits(c, 1, 2, &civil->day);
}

/* " BC" may end the text; the rest must be used up. */
static bool
finish_civil(struct text_cursor *c, struct civil civil, int64_t *days_out)
{
    bool is_bc = text_take_word(c, " BC");
    if (!text_at_end(c) || civil.year == 0 || civil.year > YEAR_MAX || civil.month < 1 ||
        civil.month > 12) {
        return false;
    }
    int64_t year = is_bc ? 1 - civil.year : civil.year;
    if (civil.day < 1 || civil.day > days_in_month(year, civil.month)) {
        return false;
    }
    *days_out = days_from_civil(year, civil.month, civil.day);
    return *days_out >= DATE_MIN_DAYS && *days_out < DATE_END_DAYS;
}

static bool
take_clock(struct text_cursor *c, int64_t *us_out)
{
    int64_t hour;
    int64_t minute;
    int64_t second = 0;
    int64_t fraction = 0;
    if (!text_take_digits(c, 1, 2, &hour) || !text_take(c, ':') ||
        !text_take_digits(c, 1, 2, &minute)) {
        return false;
    }
    if (text_take(c, ':') && !text_take_digits(c, 1, 2, &second)) {
        return false;
    }
    if (text_take(c, '.') && !text_take_fraction(c, &fraction)) {
        return false;
    }
    int64_t us = hour * US_PER_HOUR + minute * US_PER_MINUTE + second * US_PER_SECOND + fraction;
    *us_out = us;
    return hour <= 24 && minute <= 59 && second <= 60 && us <= DATETIME_US_PER_DAY;
}

static bool
take_zone(struct text_cursor *c, int64_t *us_out)
{
    if (text_take(c, 'Z') || text_take(c, 'z')) {
        *us_out = 0;
        return true;
    }
    bool is_west = text_take(c, '-');
    if (!is_west && !text_take(c, '+')) {
        return false;
    }
    int64_t hour;
    int64_t minute = 0;
    int64_t second = 0;
    if (!text_take_digits(c, 2, 2, &hour)) {
        return false;
    }
    bool colon = text_take(c, ':');
    if (colon || (!text_at_end(c) && *c->next >= '0' && *c->next <= '9')) {
        if (!text_take_digits(c, 2, 2, &minute) ||
            (colon && text_take(c, ':') && !text_take_digits(c, 2, 2, &second))) {
            return false;
        }
    }
    int64_t us = hour * US_PER_HOUR + minute * US_PER_MINUTE + second * US_PER_SECOND;
    *us_out = is_west ? us : -us;
    return hour <= 15 && minute <= 59 && second <= 59;
}

static bool
is_word(struct view text, const char *word)
{
    for (size_t i = 0; i < text.size; i++) {
        uint8_t b = text.bytes[i];
        if (word[i] == '\0' || (b >= 'A' && b <= 'Z' ? b | 0x20 : b) != (uint8_t)word[i]) {
            return false;
        }
    }
    return word[text.size] == '\0';
}

static bool
take_special(struct view text, int64_t plus, int64_t minus, int64_t epoch, int64_t *value_out)
{
    struct text_cursor c = text_trimmed(text);
    struct view trimmed = {c.next, (size_t)(c.end - c.next)};
    if (is_word(trimmed, "infinity")) {
        *value_out = plus;
    } else if (is_word(trimmed, "-infinity")) {
        *value_out = minus;
    } else if (is_word(trimmed, "epoch")) {
        *value_out = epoch;
    } else {
        return false;
    }
    return true;
}

/* A date, a time behind it, an offset behind that: what stands there of it. */
struct stamp {
    int64_t days;
    int64_t clock;
    int64_t zone;
    bool has_zone;
};

static bool
take_stamp(struct view text, struct stamp *stamp)
{
    struct civil civil;
    struct text_cursor c = text_trimmed(text);
    *stamp = (struct stamp){0};
    if (!take_civil(&c, &civil)) {
        return false;
    }
    struct text_cursor before = c;
    if (text_take(&c, ' ') || text_take(&c, 'T')) {
        if (!take_clock(&c, &stamp->clock)) {
            c = before; /* " BC" */
        } else {
            struct text_cursor behind = c;
            (void)text_take(&c, ' ');
            stamp->has_zone = take_zone(&c, &stamp->zone);
            c = stamp->has_zone ? c : behind;
        }
    }
    return finish_civil(&c, civil, &stamp->days);
}

bool
datetime_parse_date(struct view text, int64_t *days_out)
{
    struct stamp stamp;
    if (take_special(text, INT32_MAX, INT32_MIN, -DAYS_1970_TO_2000, days_out)) {
        return true;
    }
    if (!take_stamp(text, &stamp)) {
        return false;
    }
    *days_out = stamp.days;
    return true;
}

/* "03:04:05 PM": the hour is from 1 to 12. */
static bool
apply_meridiem(struct text_cursor *c, int64_t *us)
{
    while (text_take(c, ' ')) {
    }
    bool is_pm = text_take_word(c, "PM") || text_take_word(c, "pm");
    if (!is_pm && !text_take_word(c, "AM") && !text_take_word(c, "am")) {
        return text_at_end(c);
    }
    int64_t hour = *us / US_PER_HOUR;
    if (hour > 12 || (!is_pm && hour == 0) || !text_at_end(c)) {
        return false;
    }
    if (is_pm && hour < 12) {
        *us += 12 * US_PER_HOUR;
    } else if (!is_pm && hour == 12) {
        *us -= 12 * US_PER_HOUR;
    }
    return true;
}

/* With a date before it the time is meant; an offset says nothing about it. */
bool
datetime_parse_time(struct view text, int64_t *us_out)
{
    struct text_cursor c = text_trimmed(text);
    if (!take_clock(&c, us_out)) {
        struct stamp stamp;
        *us_out = 0;
        bool has_clock = text.size > 0 && memchr(text.bytes, ':', text.size) != NULL;
        if (!has_clock || !take_stamp(text, &stamp)) {
            return false;
        }
        *us_out = stamp.clock;
        return true;
    }
    struct text_cursor behind = c;
    int64_t zone;
    (void)text_take(&c, ' ');
    if (take_zone(&c, &zone) && text_at_end(&c)) {
        return true;
    }
    return apply_meridiem(&behind, us_out);
}

bool
datetime_parse_timestamp(struct view text, bool with_zone, int64_t *us_out)
{
    struct stamp stamp;
    int64_t us;
    if (take_special(text, DATETIME_INFINITY, DATETIME_MINUS_INFINITY,
                     -DAYS_1970_TO_2000 * DATETIME_US_PER_DAY, us_out)) {
        return true;
    }
    if (!take_stamp(text, &stamp) || __builtin_mul_overflow(stamp.days, DATETIME_US_PER_DAY, &us) ||
        __builtin_add_overflow(us, stamp.clock + (with_zone ? stamp.zone : 0), &us)) {
        return false;
    }
    *us_out = us;
    return us >= TIMESTAMP_MIN_US && us < TIMESTAMP_END_US;
}

bool
datetime_has_offset(struct view text)
{
    struct stamp stamp;
    int64_t ignored;
    return take_special(text, 0, 0, 0, &ignored) || (take_stamp(text, &stamp) && stamp.has_zone);
}

/* ---- writing */

static bool
print_special(struct buf *buf, int64_t value, int64_t plus, int64_t minus)
{
    if (value != plus && value != minus) {
        return false;
    }
    buf_append_str(buf, value == plus ? "infinity" : "-infinity");
    return true;
}

static bool
print_civil(struct buf *buf, int64_t days)
{
    int64_t year;
    int64_t month;
    int64_t day;
    civil_from_days(days, &year, &month, &day);
    bool is_bc = year <= 0;
    buf_printf(buf, "%04" PRId64 "-%02" PRId64 "-%02" PRId64, is_bc ? 1 - year : year, month, day);
    return is_bc;
}

void
datetime_print_date(struct buf *buf, int64_t days)
{
    if (!print_special(buf, days, INT32_MAX, INT32_MIN) && print_civil(buf, days)) {
        buf_append_str(buf, " BC");
    }
}

void
datetime_print_time(struct buf *buf, int64_t us)
{
    int64_t seconds = us / US_PER_SECOND;
    buf_printf(buf, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600, seconds / 60 % 60,
               seconds % 60);
    if (us % US_PER_SECOND != 0) {
        buf_printf(buf, ".%06" PRId64, us % US_PER_SECOND);
        while (buf->bytes[buf->size - 1] == '0') {
            buf->size--;
        }
    }
}

static int64_t
floor_days(int64_t us, int64_t *rest_out)
{
    int64_t days = us / DATETIME_US_PER_DAY;
    int64_t rest = us % DATETIME_US_PER_DAY;
    if (rest < 0) {
        rest += DATETIME_US_PER_DAY;
        days--;
    }
    *rest_out = rest;
    return days;
}

void
datetime_print_timestamp(struct buf *buf, int64_t us, bool with_zone)
{
    if (print_special(buf, us, DATETIME_INFINITY, DATETIME_MINUS_INFINITY)) {
        return;
    }
    int64_t clock;
    bool is_bc = print_civil(buf, floor_days(us, &clock));
    buf_append_byte(buf, ' ');
    datetime_print_time(buf, clock);
    buf_append_str(buf, with_zone ? "+00" : "");
    buf_append_str(buf, is_bc ? " BC" : "");
}

bool
datetime_add_interval(int64_t us, struct where_interval interval, int64_t *us_out)
{
    if (us == DATETIME_INFINITY || us == DATETIME_MINUS_INFINITY) {
        *us_out = us;
        return true;
    }
    int64_t clock;
    int64_t days = floor_days(us, &clock);
    if (interval.months != 0) {
        int64_t year;
        int64_t month;
        int64_t day;
        civil_from_days(days, &year, &month, &day);
        int64_t total = year * 12 + month - 1 + interval.months;
        year = total >= 0 ? total / 12 : -((-total + 11) / 12);
        month = total - year * 12 + 1;
        int64_t last = days_in_month(year, month);
        days = days_from_civil(year, month, day > last ? last : day);
    }
    days += interval.days;
    int64_t sum;
    if (__builtin_mul_overflow(days, DATETIME_US_PER_DAY, &sum) ||
        __builtin_add_overflow(sum, clock, &sum) ||
        __builtin_add_overflow(sum, interval.us, &sum)) {
        return false;
    }
    *us_out = sum;
    return sum >= TIMESTAMP_MIN_US && sum < TIMESTAMP_END_US;
}

struct datetime_day
datetime_day_of(int64_t days)
{
    struct datetime_day day;
    civil_from_days(days, &day.year, &day.month, &day.day);
    return day;
}

int64_t
datetime_days_of(struct datetime_day day)
{
    return days_from_civil(day.year, day.month, day.day);
}

int64_t
datetime_split(int64_t us, int64_t *clock_us_out)
{
    return floor_days(us, clock_us_out);
}

bool
datetime_join(int64_t days, int64_t clock_us, int64_t *us_out)
{
    return !__builtin_mul_overflow(days, DATETIME_US_PER_DAY, us_out) &&
           !__builtin_add_overflow(*us_out, clock_us, us_out) && *us_out >= TIMESTAMP_MIN_US &&
           *us_out < TIMESTAMP_END_US;
}

bool
datetime_from_date(int64_t days, int64_t *us_out)
{
    if (days == WHERE_DATE_INFINITY || days == WHERE_DATE_MINUS_INFINITY) {
        *us_out = days > 0 ? DATETIME_INFINITY : DATETIME_MINUS_INFINITY;
        return true;
    }
    return datetime_join(days, 0, us_out);
}
