#include "common/core/index_key.h"

#include <math.h>
#include <string.h>

#include "common/core/where_datetime.h"

#define SIGN (UINT64_C(1) << 63)

enum form {
    FORM_INTEGER, /* value.integer, or a boolean */
    FORM_REAL,
    FORM_TEXT,    /* bytes */
    FORM_BLANKED, /* bytes, blanks at the end do not count */
    FORM_DECIMAL,
    FORM_INTERVAL,
    FORM_JSON, /* equality only */
    FORM_NONE,
};

static enum form
form_of(enum where_base base)
{
    switch (base) {
    case WT_BOOL:
    case WT_INT2:
    case WT_INT4:
    case WT_INT8:
    case WT_DATE:
    case WT_TIME:
    case WT_TIMESTAMP:
    case WT_TIMESTAMPTZ:
        return FORM_INTEGER;
    case WT_FLOAT4:
    case WT_FLOAT8:
        return FORM_REAL;
    case WT_TEXT:
    case WT_VARCHAR:
    case WT_NAME:
    case WT_UUID:
    case WT_BYTEA:
    case WT_ENUM:
        return FORM_TEXT;
    case WT_BPCHAR:
        return FORM_BLANKED;
    case WT_NUMERIC:
        return FORM_DECIMAL;
    case WT_INTERVAL:
        return FORM_INTERVAL;
    case WT_JSONB:
        return FORM_JSON;
    case WT_UNKNOWN:
    case WT_JSON:
    case WT_OPAQUE:
        return FORM_NONE;
    }
    return FORM_NONE;
}

/* Arrays are keyed as they are printed: only where one value has one spelling. */
bool
index_key_is_faithful(struct where_type type)
{
    enum form form = form_of(type.base);
    return type.is_array ? form == FORM_INTEGER || form == FORM_TEXT : form != FORM_NONE;
}

static bool
is_string(enum where_base base)
{
    return base == WT_TEXT || base == WT_VARCHAR || base == WT_NAME;
}

bool
index_key_same_kind(struct where_type a, struct where_type b)
{
    return where_type_equal(a, b) ||
           (a.is_array == b.is_array && is_string(a.base) && is_string(b.base)) ||
           (!a.is_array && !b.is_array && form_of(a.base) == FORM_REAL &&
            form_of(b.base) == FORM_REAL);
}

void
index_key_append(struct where_type type, const struct where_value *value, struct buf *key)
{
    enum form form = form_of(type.base);
    if (!type.is_array && (form == FORM_INTEGER || form == FORM_REAL)) {
        wire_put_u64(buf_grow(key, 8), index_word(type, value));
    } else if (!type.is_array && form == FORM_TEXT) {
        buf_append_view(key, value->text);
    } else {
        where_value_key(type, value, key);
    }
}

bool
index_word_exists(struct where_type type)
{
    enum form form = form_of(type.base);
    return !type.is_array && type.base != WT_ENUM && form != FORM_NONE && form != FORM_JSON;
}

bool
index_word_is_exact(struct where_type type)
{
    enum form form = form_of(type.base);
    return !type.is_array && (form == FORM_INTEGER || form == FORM_REAL);
}

static uint64_t
integer_word(int64_t integer)
{
    return (uint64_t)integer ^ SIGN;
}

/* NaN is above all, and there is one zero. */
static uint64_t
real_word(double real)
{
    uint64_t bits;
    if (isnan(real)) {
        return UINT64_MAX;
    }
    real = real == 0 ? 0 : real;
    memcpy(&bits, &real, sizeof bits);
    return (bits & SIGN) != 0 ? ~bits : bits | SIGN;
}

static uint64_t
text_word(struct view text)
{
    uint64_t word = 0;
    for (size_t i = 0; i < 8; i++) {
        word = word << 8 | (i < text.size ? text.bytes[i] : 0);
    }
    return word;
}

static uint64_t
blanked_word(struct view text)
{
    while (text.size > 0 && text.bytes[text.size - 1] == ' ') {
        text.size--;
    }
    return text_word(text);
}

/* The first digits that are not zero, as many as 44 bits hold, below the place of the first one. */
#define DECIMAL_DIGITS 13
#define DECIMAL_BITS   44

static uint64_t
magnitude_word(const struct where_decimal *decimal)
{
    uint64_t digits = 0;
    size_t taken = 0;
    size_t size = decimal->whole.size + decimal->fraction.size;
    int64_t place = (int64_t)decimal->whole.size;
    for (size_t i = 0; i < size && taken < DECIMAL_DIGITS; i++) {
        uint8_t digit = i < decimal->whole.size ? decimal->whole.bytes[i]
                                                : decimal->fraction.bytes[i - decimal->whole.size];
        if (taken == 0 && digit == '0') {
            place--;
            continue;
        }
        digits = digits * 10 + (digit - '0');
        taken++;
    }
    if (taken == 0) {
        return 0; /* zero */
    }
    for (; taken < DECIMAL_DIGITS; taken++) {
        digits *= 10;
    }
    const int64_t limit = 1 << 18; /* beyond what numeric can hold on either side */
    place = place < 1 - limit ? 1 - limit : place > limit - 1 ? limit - 1 : place;
    return (uint64_t)(place + limit) << DECIMAL_BITS | digits;
}

static uint64_t
decimal_word(const struct where_decimal *decimal)
{
    switch (decimal->kind) {
    case DECIMAL_NAN:
        return UINT64_MAX;
    case DECIMAL_PLUS_INFINITY:
        return UINT64_MAX - 1;
    case DECIMAL_MINUS_INFINITY:
        return 0;
    case DECIMAL_FINITE:
        break;
    }
    uint64_t magnitude = magnitude_word(decimal);
    return decimal->is_negative ? SIGN - magnitude : SIGN + magnitude;
}

/* Whole days: a month has thirty, as Postgres compares. */
static uint64_t
interval_word(struct where_interval interval)
{
    int64_t days = (int64_t)interval.months * 30 + interval.days;
    int64_t whole = interval.us / DATETIME_US_PER_DAY;
    return integer_word(days + whole - (interval.us % DATETIME_US_PER_DAY < 0));
}

uint64_t
index_word(struct where_type type, const struct where_value *value)
{
    switch (form_of(type.base)) {
    case FORM_INTEGER:
        return integer_word(type.base == WT_BOOL ? value->boolean : value->integer);
    case FORM_REAL:
        return real_word(value->real);
    case FORM_TEXT:
        return text_word(value->text);
    case FORM_BLANKED:
        return blanked_word(value->text);
    case FORM_DECIMAL:
        return decimal_word(&value->decimal);
    case FORM_INTERVAL:
        return interval_word(value->interval);
    case FORM_JSON:
    case FORM_NONE:
        break;
    }
    return 0;
}
