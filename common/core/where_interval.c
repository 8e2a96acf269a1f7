#include "common/core/where_datetime.h"

#include <inttypes.h>

#include "common/core/text_cursor.h"

#define US_PER_SECOND INT64_C(1000000)
#define US_PER_MINUTE (60 * US_PER_SECOND)
#define US_PER_HOUR   (60 * US_PER_MINUTE)

/* A signed number with a fraction of seconds' precision; the sign covers both parts. */
struct quantity {
    int64_t whole;
    int64_t fraction_us;
    bool has_fraction;
};

static bool
take_quantity(struct text_cursor *c, struct quantity *q)
{
    bool is_negative = text_take(c, '-');
    if (!is_negative) {
        text_take(c, '+');
    }
    *q = (struct quantity){0};
    if (!text_take_digits(c, 1, 18, &q->whole)) {
        return false;
    }
    if (text_take(c, '.')) {
        q->has_fraction = true;
        if (!text_take_fraction(c, &q->fraction_us)) {
            return false;
        }
    }
    if (is_negative) {
        q->whole = -q->whole;
        q->fraction_us = -q->fraction_us;
    }
    return true;
}

static bool
add_scaled(int64_t *total, int64_t value, int64_t unit)
{
    int64_t product;
    return !__builtin_mul_overflow(value, unit, &product) &&
           !__builtin_add_overflow(*total, product, total);
}

struct sums {
    int64_t months;
    int64_t days;
    int64_t us;
};

static bool
finish_interval(struct sums sums, struct where_interval *interval_out)
{
    if (sums.months < INT32_MIN || sums.months > INT32_MAX || sums.days < INT32_MIN ||
        sums.days > INT32_MAX) {
        return false;
    }
    *interval_out = (struct where_interval){(int32_t)sums.months, (int32_t)sums.days, sums.us};
    return true;
}

static bool
add_unit(struct sums *sums, struct quantity q, char unit, bool in_time)
{
    if (q.has_fraction && !(in_time && unit == 'S')) {
        return false;
    }
    if (in_time) {
        int64_t scale = unit == 'H' ? US_PER_HOUR : unit == 'M' ? US_PER_MINUTE : US_PER_SECOND;
        bool known = unit == 'H' || unit == 'M' || unit == 'S';
        return known && add_scaled(&sums->us, q.whole, scale) &&
               add_scaled(&sums->us, q.fraction_us, 1);
    }
    switch (unit) {
    case 'Y':
        return add_scaled(&sums->months, q.whole, 12);
    case 'M':
        return add_scaled(&sums->months, q.whole, 1);
    case 'W':
        return add_scaled(&sums->days, q.whole, 7);
    case 'D':
        return add_scaled(&sums->days, q.whole, 1);
    default:
        return false;
    }
}

static bool
parse_iso_interval(struct text_cursor *c, struct where_interval *interval_out)
{
    struct sums sums = {0};
    bool in_time = false;
    size_t count = 0;
    while (!text_at_end(c)) {
        if (!in_time && text_take(c, 'T')) {
            in_time = true;
            continue;
        }
        struct quantity q;
        if (!take_quantity(c, &q) || text_at_end(c) ||
            !add_unit(&sums, q, (char)*c->next++, in_time)) {
            return false;
        }
        count++;
    }
    return count > 0 && finish_interval(sums, interval_out);
}

struct unit_name {
    const char *name;
    int64_t months;
    int64_t days;
    int64_t us;
};

static const struct unit_name unit_names[] = {
    {"years", 12, 0, 0},
    {"year", 12, 0, 0},
    {"yrs", 12, 0, 0},
    {"yr", 12, 0, 0},
    {"y", 12, 0, 0},
    {"months", 1, 0, 0},
    {"month", 1, 0, 0},
    {"mons", 1, 0, 0},
    {"mon", 1, 0, 0},
    {"weeks", 0, 7, 0},
    {"week", 0, 7, 0},
    {"w", 0, 7, 0},
    {"days", 0, 1, 0},
    {"day", 0, 1, 0},
    {"d", 0, 1, 0},
    {"hours", 0, 0, US_PER_HOUR},
    {"hour", 0, 0, US_PER_HOUR},
    {"hrs", 0, 0, US_PER_HOUR},
    {"hr", 0, 0, US_PER_HOUR},
    {"h", 0, 0, US_PER_HOUR},
    {"minutes", 0, 0, US_PER_MINUTE},
    {"minute", 0, 0, US_PER_MINUTE},
    {"mins", 0, 0, US_PER_MINUTE},
    {"min", 0, 0, US_PER_MINUTE},
    {"m", 0, 0, US_PER_MINUTE},
    {"seconds", 0, 0, US_PER_SECOND},
    {"second", 0, 0, US_PER_SECOND},
    {"secs", 0, 0, US_PER_SECOND},
    {"sec", 0, 0, US_PER_SECOND},
    {"s", 0, 0, US_PER_SECOND},
    {"milliseconds", 0, 0, 1000},
    {"millisecond", 0, 0, 1000},
    {"ms", 0, 0, 1000},
    {"microseconds", 0, 0, 1},
    {"microsecond", 0, 0, 1},
    {"us", 0, 0, 1},
};

static bool
take_unit(struct text_cursor *c, struct sums *sums, struct quantity q)
{
    const uint8_t *start = c->next;
    while (!text_at_end(c) && ((*c->next | 0x20) >= 'a' && (*c->next | 0x20) <= 'z')) {
        c->next++;
    }
    char word[16];
    size_t size = (size_t)(c->next - start);
    if (size >= sizeof word) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        word[i] = (char)(start[i] | 0x20);
    }
    word[size] = '\0';
    for (size_t i = 0; i < COUNT_OF(unit_names); i++) {
        const struct unit_name *unit = &unit_names[i];
        if (strcmp(unit->name, word) == 0) {
            bool fits = !q.has_fraction || unit->us == US_PER_SECOND;
            return fits && add_scaled(&sums->months, q.whole, unit->months) &&
                   add_scaled(&sums->days, q.whole, unit->days) &&
                   add_scaled(&sums->us, q.whole, unit->us) &&
                   add_scaled(&sums->us, q.fraction_us, 1);
        }
    }
    return false;
}

/* "04:05:06.7", perhaps with a sign. */
static bool
take_interval_clock(struct text_cursor *c, struct sums *sums)
{
    bool is_negative = text_take(c, '-');
    if (!is_negative) {
        text_take(c, '+');
    }
    int64_t hour;
    int64_t minute;
    int64_t second = 0;
    int64_t fraction = 0;
    if (!text_take_digits(c, 1, 10, &hour) || !text_take(c, ':') ||
        !text_take_digits(c, 2, 2, &minute) || minute > 59) {
        return false;
    }
    if (text_take(c, ':') && (!text_take_digits(c, 2, 2, &second) || second > 59)) {
        return false;
    }
    if (text_take(c, '.') && !text_take_fraction(c, &fraction)) {
        return false;
    }
    int64_t us = hour * US_PER_HOUR + minute * US_PER_MINUTE + second * US_PER_SECOND + fraction;
    return add_scaled(&sums->us, is_negative ? -us : us, 1);
}

/* "1 year 2 mons -3 days 04:05:06.7 ago" */
static bool
parse_postgres_interval(struct text_cursor *c, struct where_interval *interval_out)
{
    struct sums sums = {0};
    size_t count = 0;
    bool has_clock = false;
    text_take(c, '@');
    for (;;) {
        while (text_take(c, ' ')) {
        }
        if (text_at_end(c)) {
            break;
        }
        if (count > 0 && text_take_word(c, "ago")) {
            sums = (struct sums){-sums.months, -sums.days, -sums.us};
            break;
        }
        struct text_cursor before = *c;
        if (!has_clock && take_interval_clock(c, &sums)) {
            has_clock = true;
            count++;
            continue;
        }
        *c = before;
        struct quantity q;
        if (!take_quantity(c, &q)) {
            return false;
        }
        while (text_take(c, ' ')) {
        }
        /* A number that ends the text counts seconds. */
        bool ok = text_at_end(c) ? add_scaled(&sums.us, q.whole, US_PER_SECOND) &&
                                       add_scaled(&sums.us, q.fraction_us, 1)
                                 : take_unit(c, &sums, q);
        if (!ok) {
            return false;
        }
        count++;
    }
    return count > 0 && text_at_end(c) && finish_interval(sums, interval_out);
}

bool
datetime_parse_interval(struct view text, struct where_interval *interval_out)
{
    struct text_cursor c = text_trimmed(text);
    if (text_take(&c, 'P')) {
        return parse_iso_interval(&c, interval_out);
    }
    return parse_postgres_interval(&c, interval_out);
}

/* 31 bits of months in microseconds do not fit 64. */
__extension__ typedef __int128 wide;

int
datetime_compare_intervals(struct where_interval a, struct where_interval b)
{
    wide left = ((wide)a.months * 30 + a.days) * DATETIME_US_PER_DAY + a.us;
    wide right = ((wide)b.months * 30 + b.days) * DATETIME_US_PER_DAY + b.us;
    return (left > right) - (left < right);
}

static void
print_part(struct buf *buf, int64_t value, char unit)
{
    if (value != 0) {
        buf_printf(buf, "%" PRId64 "%c", value, unit);
    }
}

void
datetime_print_interval(struct buf *buf, struct where_interval interval)
{
    int64_t seconds = interval.us / US_PER_SECOND;
    int64_t us = interval.us % US_PER_SECOND;
    if (interval.months == 0 && interval.days == 0 && interval.us == 0) {
        buf_append_str(buf, "PT0S");
        return;
    }
    buf_append_byte(buf, 'P');
    print_part(buf, interval.months / 12, 'Y');
    print_part(buf, interval.months % 12, 'M');
    print_part(buf, interval.days, 'D');
    if (interval.us == 0) {
        return;
    }
    buf_append_byte(buf, 'T');
    print_part(buf, seconds / 3600, 'H');
    print_part(buf, seconds / 60 % 60, 'M');
    if (us == 0) {
        print_part(buf, seconds % 60, 'S');
        return;
    }
    int64_t rest = seconds % 60;
    buf_printf(buf, "%s%" PRId64 ".%06" PRId64, interval.us < 0 ? "-" : "", rest < 0 ? -rest : rest,
               us < 0 ? -us : us);
    while (buf->bytes[buf->size - 1] == '0') {
        buf->size--;
    }
    buf_append_byte(buf, 'S');
}
