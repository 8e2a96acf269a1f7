#include "common/core/where_value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/text_cursor.h"
#include "common/core/where_array.h"
#include "common/core/where_datetime.h"
#include "common/core/where_decimal.h"
#include "common/core/where_json.h"

#define NAME_SIZE 64u /* Postgres' NAMEDATALEN */

static bool
parse_integer(struct view text, int64_t min, int64_t max, int64_t *integer_out)
{
    struct text_cursor c = text_trimmed(text);
    bool is_negative = text_take(&c, '-');
    if (!is_negative) {
        (void)text_take(&c, '+');
    }
    int64_t value = 0;
    const uint8_t *start = c.next;
    for (; !text_at_end(&c); c.next++) {
        int64_t digit = *c.next - '0';
        if (digit < 0 || digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
            __builtin_sub_overflow(value, digit,
                                   &value)) { /* below zero there is room for the minimum */
            return false;
        }
    }
    if (c.next == start || (!is_negative && value == INT64_MIN)) {
        return false;
    }
    *integer_out = is_negative ? value : -value;
    return *integer_out >= min && *integer_out <= max;
}

/* A word or digits that are not all zero: what strtod must not turn into infinity or zero. */
static bool
is_infinity_word(const char *text)
{
    text += *text == '-' || *text == '+';
    return *text == 'i' || *text == 'I';
}

static bool
has_nonzero_digit(const char *text)
{
    for (; *text != '\0' && *text != 'e' && *text != 'E'; text++) {
        if (*text >= '1' && *text <= '9') {
            return true;
        }
    }
    return false;
}

/* Postgres' float input: strtod without hex, and what is out of range is an error. */
static bool
parse_real(struct view text, bool is_single, double *real_out)
{
    char copy[512];
    struct text_cursor c = text_trimmed(text);
    size_t size = (size_t)(c.end - c.next);
    if (size == 0 || size >= sizeof copy) {
        return false;
    }
    memcpy(copy, c.next, size);
    copy[size] = '\0';
    if (strpbrk(copy, "xX(") != NULL) {
        return false;
    }
    char *end;
    double value = is_single ? (double)strtof(copy, &end) : strtod(copy, &end);
    if (*end != '\0' || end == copy || (isinf(value) && !is_infinity_word(copy)) ||
        (value == 0 && has_nonzero_digit(copy))) {
        return false;
    }
    *real_out = value;
    return true;
}

/* As Postgres: a word or its beginning in any case; "o" could be on and off. */
static bool
parse_bool(struct view text, bool *boolean_out)
{
    static const struct {
        const char *word;
        size_t least;
        bool boolean;
    } words[] = {
        {"true", 1, true}, {"false", 1, false}, {"yes", 1, true}, {"no", 1, false},
        {"on", 2, true},   {"off", 2, false},   {"1", 1, true},   {"0", 1, false},
    };
    struct text_cursor c = text_trimmed(text);
    size_t size = (size_t)(c.end - c.next);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        bool is_same = size >= words[i].least && size <= strlen(words[i].word);
        for (size_t k = 0; k < size && is_same; k++) {
            uint8_t b = c.next[k];
            is_same = (b >= 'A' && b <= 'Z' ? b | 0x20 : b) == (uint8_t)words[i].word[k];
        }
        if (is_same) {
            *boolean_out = words[i].boolean;
            return true;
        }
    }
    return false;
}

static int
hex_digit(uint8_t b)
{
    if (b >= '0' && b <= '9') {
        return b - '0';
    }
    uint8_t lower = b | 0x20;
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Braces around it and a hyphen behind any group of four digits are allowed, as in Postgres. */
static bool
parse_uuid(struct view text, struct arena *mem, struct view *uuid_out)
{
    struct text_cursor c = {text.bytes, text.bytes + text.size};
    bool braced = text_take(&c, '{');
    uint8_t *uuid = arena_alloc(mem, 16, 1);
    for (size_t i = 0; i < 16; i++) {
        if (c.end - c.next < 2 || hex_digit(c.next[0]) < 0 || hex_digit(c.next[1]) < 0) {
            return false;
        }
        uuid[i] = (uint8_t)(hex_digit(c.next[0]) << 4 | hex_digit(c.next[1]));
        c.next += 2;
        if (i % 2 == 1 && i < 15) {
            (void)text_take(&c, '-');
        }
    }
    if (braced && !text_take(&c, '}')) {
        return false;
    }
    *uuid_out = (struct view){uuid, 16};
    return text_at_end(&c);
}

/* "\xdead beef": blanks may stand between bytes. */
static bool
parse_hex(struct view text, uint8_t *bytes, size_t *size)
{
    for (size_t i = 0; i < text.size;) {
        if (strchr(" \n\t\r", text.bytes[i]) != NULL && text.bytes[i] != 0) {
            i++;
            continue;
        }
        if (i + 1 == text.size || hex_digit(text.bytes[i]) < 0 ||
            hex_digit(text.bytes[i + 1]) < 0) {
            return false;
        }
        bytes[(*size)++] = (uint8_t)(hex_digit(text.bytes[i]) << 4 | hex_digit(text.bytes[i + 1]));
        i += 2;
    }
    return true;
}

static bool
is_octal(struct view text, size_t i)
{
    return text.size - i >= 4 && text.bytes[i + 1] >= '0' && text.bytes[i + 1] <= '3' &&
           text.bytes[i + 2] >= '0' && text.bytes[i + 2] <= '7' && text.bytes[i + 3] >= '0' &&
           text.bytes[i + 3] <= '7';
}

/* The older form: bytes as they are, two backslashes for one, one before three octal digits. */
static bool
parse_escaped(struct view text, uint8_t *bytes, size_t *size)
{
    for (size_t i = 0; i < text.size;) {
        if (text.bytes[i] != '\\') {
            bytes[(*size)++] = text.bytes[i++];
        } else if (is_octal(text, i)) {
            bytes[(*size)++] =
                (uint8_t)((text.bytes[i + 1] - '0') << 6 | (text.bytes[i + 2] - '0') << 3 |
                          (text.bytes[i + 3] - '0'));
            i += 4;
        } else if (i + 1 < text.size && text.bytes[i + 1] == '\\') {
            bytes[(*size)++] = '\\';
            i += 2;
        } else {
            return false;
        }
    }
    return true;
}

static bool
parse_bytea(struct view text, struct arena *mem, struct view *bytes_out)
{
    uint8_t *bytes = arena_alloc(mem, text.size + 1, 1);
    size_t size = 0;
    bool is_hex = text.size >= 2 && text.bytes[0] == '\\' && text.bytes[1] == 'x';
    bool ok = is_hex ? parse_hex((struct view){text.bytes + 2, text.size - 2}, bytes, &size)
                     : parse_escaped(text, bytes, &size);
    *bytes_out = (struct view){bytes, size};
    return ok;
}

struct view
where_value_name(struct view text)
{
    if (text.size >= NAME_SIZE) {
        text.size = NAME_SIZE - 1;
        while (text.size > 0 && (text.bytes[text.size] & 0xc0) == 0x80) {
            text.size--;
        }
    }
    return text;
}

static bool
parse_scalar(enum where_base base, struct view text, struct arena *mem, struct where_value *value)
{
    switch (base) {
    case WT_BOOL:
        return parse_bool(text, &value->boolean);
    case WT_INT2:
        return parse_integer(text, INT16_MIN, INT16_MAX, &value->integer);
    case WT_INT4:
        return parse_integer(text, INT32_MIN, INT32_MAX, &value->integer);
    case WT_INT8:
        return parse_integer(text, INT64_MIN, INT64_MAX, &value->integer);
    case WT_FLOAT4:
        return parse_real(text, true, &value->real);
    case WT_FLOAT8:
        return parse_real(text, false, &value->real);
    case WT_NUMERIC:
        return decimal_parse(text, mem, &value->decimal);
    case WT_UUID:
        return parse_uuid(text, mem, &value->text);
    case WT_BYTEA:
        return parse_bytea(text, mem, &value->text);
    case WT_DATE:
        return datetime_parse_date(text, &value->integer);
    case WT_TIME:
        return datetime_parse_time(text, &value->integer);
    case WT_TIMESTAMP:
    case WT_TIMESTAMPTZ:
        return datetime_parse_timestamp(text, base == WT_TIMESTAMPTZ, &value->integer);
    case WT_INTERVAL:
        return datetime_parse_interval(text, &value->interval);
    case WT_JSON:
    case WT_JSONB:
        return json_parse(text, base == WT_JSONB, mem, &value->json);
    case WT_NAME:
        value->text = where_value_name(text);
        return true;
    case WT_UNKNOWN:
    case WT_TEXT:
    case WT_VARCHAR:
    case WT_BPCHAR:
    case WT_ENUM:
    case WT_OPAQUE:
        value->text = text;
        return true;
    }
    return false;
}

bool
where_value_parse(struct where_type type, struct view text, struct arena *mem,
                  struct where_value *value_out, struct err *err)
{
    struct where_value value = {0};
    bool ok = type.is_array ? where_array_parse(type, text, mem, &value.array, err)
                            : parse_scalar(type.base, text, mem, &value);
    if (!ok) {
        return err_set(err, ERR_INVALID, "invalid syntax for type %s: %.*s", where_type_name(type),
                       (int)(text.size < 128 ? text.size : 128), (const char *)text.bytes);
    }
    *value_out = value;
    return true;
}

/* ---- order */

static int
compare_reals(double a, double b)
{
    if (isnan(a) || isnan(b)) {
        return (int)!!isnan(a) - (int)!!isnan(b);
    }
    return (a > b) - (a < b);
}

static struct view
without_trailing_blanks(struct view text)
{
    while (text.size > 0 && text.bytes[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

static int
compare_scalars(enum where_base base, const struct where_value *a, const struct where_value *b)
{
    switch (base) {
    case WT_BOOL:
        return (int)a->boolean - (int)b->boolean;
    case WT_INT2:
    case WT_INT4:
    case WT_INT8:
    case WT_DATE:
    case WT_TIME:
    case WT_TIMESTAMP:
    case WT_TIMESTAMPTZ:
        return (a->integer > b->integer) - (a->integer < b->integer);
    case WT_FLOAT4:
    case WT_FLOAT8:
        return compare_reals(a->real, b->real);
    case WT_NUMERIC:
        return decimal_compare(&a->decimal, &b->decimal);
    case WT_INTERVAL:
        return datetime_compare_intervals(a->interval, b->interval);
    case WT_BPCHAR:
        return view_compare(without_trailing_blanks(a->text), without_trailing_blanks(b->text));
    case WT_JSONB:
        return json_is_equal(a->json.root, b->json.root) ? 0 : 1;
    case WT_JSON: /* has no operator that compares */
        return view_compare(a->json.text, b->json.text);
    case WT_UNKNOWN:
    case WT_TEXT:
    case WT_VARCHAR:
    case WT_NAME:
    case WT_UUID:
    case WT_BYTEA:
    case WT_ENUM:
    case WT_OPAQUE:
        return view_compare(a->text, b->text);
    }
    return 0;
}

int
where_value_compare(struct where_type type, const struct where_value *a,
                    const struct where_value *b)
{
    return type.is_array ? where_array_compare(type, &a->array, &b->array)
                         : compare_scalars(type.base, a, b);
}

/* ---- text and keys */

static void
print_hex(struct view bytes, struct buf *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.size; i++) {
        buf_append_byte(out, (uint8_t)digits[bytes.bytes[i] >> 4]);
        buf_append_byte(out, (uint8_t)digits[bytes.bytes[i] & 15]);
    }
}

static void
print_uuid(struct view uuid, struct buf *out)
{
    static const size_t groups[] = {4, 2, 2, 2, 6};
    const uint8_t *next = uuid.bytes;
    for (size_t i = 0; i < COUNT_OF(groups); i++) {
        buf_append_str(out, i > 0 ? "-" : "");
        print_hex((struct view){next, groups[i]}, out);
        next += groups[i];
    }
}

/* Does the text read back to this number, and not because it lies just between two and rounds so?
 */
static bool
is_between_neighbours(const char *text, double real, bool is_single)
{
    long double read = strtold(text, NULL);
    long double below = is_single ? (long double)nextafterf((float)real, -INFINITY)
                                  : (long double)nextafter(real, -INFINITY);
    long double above = is_single ? (long double)nextafterf((float)real, INFINITY)
                                  : (long double)nextafter(real, INFINITY);
    if (isinf(below) || isinf(above)) {
        return is_single ? strtof(text, NULL) == (float)real : strtod(text, NULL) == real;
    }
    return read > (below + (long double)real) / 2 && read < (above + (long double)real) / 2;
}

/* One more in the last digit of "-1.25e-07". False: it would need another digit. */
static bool
round_up(char *text)
{
    for (char *digit = strchr(text, 'e') - 1; digit >= text && *digit != '-'; digit--) {
        if (*digit == '.') {
            continue;
        }
        if (*digit != '9') {
            ++*digit;
            return true;
        }
        *digit = '0';
    }
    return false;
}

/* Postgres' text with extra_float_digits = 1: the shortest digits that read back to the same value.
 */
static void
print_real(double real, bool is_single, struct buf *out)
{
    if (isnan(real)) {
        buf_append_str(out, "NaN");
        return;
    }
    if (isinf(real)) {
        buf_append_str(out, real > 0 ? "Infinity" : "-Infinity");
        return;
    }
    char text[32];
    int digits = 0;
    bool is_same = false;
    while (!is_same) {
        snprintf(text, sizeof text, "%.*e", digits, real);
        /* Below a power of two the numbers lie closer: the digits above may be nearer. */
        is_same = is_between_neighbours(text, real, is_single) ||
                  (round_up(text) && is_between_neighbours(text, real, is_single));
        digits++;
    }
    long exponent = strtol(strchr(text, 'e') + 1, NULL, 10);
    if (exponent >= -4 && exponent < (is_single ? 6 : 15)) {
        int decimals = digits - 1 - (int)exponent;
        buf_printf(out, "%.*Lf", decimals > 0 ? decimals : 0, strtold(text, NULL));
    } else {
        buf_append_str(out, text);
    }
}

static void
print_scalar(enum where_base base, const struct where_value *value, struct buf *out)
{
    switch (base) {
    case WT_BOOL:
        buf_append_str(out, value->boolean ? "true" : "false");
        return;
    case WT_INT2:
    case WT_INT4:
    case WT_INT8:
        buf_printf(out, "%lld", (long long)value->integer);
        return;
    case WT_FLOAT4:
    case WT_FLOAT8:
        print_real(value->real, base == WT_FLOAT4, out);
        return;
    case WT_NUMERIC:
        decimal_print(&value->decimal, true, out);
        return;
    case WT_UUID:
        print_uuid(value->text, out);
        return;
    case WT_BYTEA:
        buf_append_str(out, "\\x");
        print_hex(value->text, out);
        return;
    case WT_DATE:
        datetime_print_date(out, value->integer);
        return;
    case WT_TIME:
        datetime_print_time(out, value->integer);
        return;
    case WT_TIMESTAMP:
    case WT_TIMESTAMPTZ:
        datetime_print_timestamp(out, value->integer, base == WT_TIMESTAMPTZ);
        return;
    case WT_INTERVAL:
        datetime_print_interval(out, value->interval);
        return;
    case WT_JSON:
        buf_append_view(out, value->json.text);
        return;
    case WT_JSONB:
        json_print(value->json.root, false, out);
        return;
    case WT_UNKNOWN:
    case WT_TEXT:
    case WT_VARCHAR:
    case WT_BPCHAR:
    case WT_NAME:
    case WT_ENUM:
    case WT_OPAQUE:
        buf_append_view(out, value->text);
        return;
    }
}

void
where_value_print(struct where_type type, const struct where_value *value, struct buf *out)
{
    if (type.is_array) {
        where_array_print(type, &value->array, out);
    } else {
        print_scalar(type.base, value, out);
    }
}

/* Two spellings of one number (1.0 and 1.00, -0 and 0, 1 day and 24 hours) have one key. */
static void
append_scalar_key(enum where_base base, const struct where_value *value, struct buf *key)
{
    if (base == WT_NUMERIC) {
        decimal_print(&value->decimal, false, key);
    } else if (base == WT_FLOAT4 || base == WT_FLOAT8) {
        print_real(value->real == 0 ? 0 : value->real, false, key);
    } else if (base == WT_JSONB) {
        json_print(value->json.root, true, key);
    } else if (base == WT_BPCHAR) {
        buf_append_view(key, without_trailing_blanks(value->text));
    } else if (base == WT_INTERVAL) {
        int64_t days = (int64_t)value->interval.months * 30 + value->interval.days;
        int64_t whole = value->interval.us / DATETIME_US_PER_DAY;
        int64_t rest = value->interval.us % DATETIME_US_PER_DAY;
        if (rest < 0) {
            rest += DATETIME_US_PER_DAY;
            whole--;
        }
        buf_printf(key, "%lld.%lld", (long long)(days + whole), (long long)rest);
    } else {
        print_scalar(base, value, key);
    }
}

void
where_value_key(struct where_type type, const struct where_value *value, struct buf *key)
{
    if (type.is_array) {
        where_array_print(type, &value->array, key);
    } else {
        append_scalar_key(type.base, value, key);
    }
}
