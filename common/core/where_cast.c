#include "common/core/where_cast.h"

#include <math.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/where_datetime.h"
#include "common/core/where_decimal.h"
#include "common/core/where_ops.h"

struct cast_row {
    enum where_base from;
    enum where_base to;
    bool is_implicit;
};

static const struct cast_row casts[] = {
    {WT_INT2, WT_INT4, true},
    {WT_INT2, WT_INT8, true},
    {WT_INT2, WT_FLOAT4, true},
    {WT_INT2, WT_FLOAT8, true},
    {WT_INT2, WT_NUMERIC, true},
    {WT_INT4, WT_INT8, true},
    {WT_INT4, WT_FLOAT4, true},
    {WT_INT4, WT_FLOAT8, true},
    {WT_INT4, WT_NUMERIC, true},
    {WT_INT8, WT_FLOAT4, true},
    {WT_INT8, WT_FLOAT8, true},
    {WT_INT8, WT_NUMERIC, true},
    {WT_NUMERIC, WT_FLOAT4, true},
    {WT_NUMERIC, WT_FLOAT8, true},
    {WT_FLOAT4, WT_FLOAT8, true},
    {WT_TEXT, WT_VARCHAR, true},
    {WT_TEXT, WT_BPCHAR, true},
    {WT_VARCHAR, WT_TEXT, true},
    {WT_VARCHAR, WT_BPCHAR, true},
    {WT_BPCHAR, WT_TEXT, true},
    {WT_BPCHAR, WT_VARCHAR, true},
    {WT_TEXT, WT_NAME, true},
    {WT_VARCHAR, WT_NAME, true},
    {WT_BPCHAR, WT_NAME, true},
    {WT_NAME, WT_TEXT, true},
    {WT_DATE, WT_TIMESTAMP, true},
    {WT_TIME, WT_INTERVAL, true},
    {WT_BOOL, WT_INT4, false},
    {WT_INT4, WT_BOOL, false},
    {WT_INT4, WT_INT2, false},
    {WT_INT8, WT_INT4, false},
    {WT_INT8, WT_INT2, false},
    {WT_TIMESTAMP, WT_DATE, false},
    {WT_NUMERIC, WT_INT2, false},
    {WT_NUMERIC, WT_INT4, false},
    {WT_NUMERIC, WT_INT8, false},
    {WT_FLOAT4, WT_INT2, false},
    {WT_FLOAT4, WT_INT4, false},
    {WT_FLOAT4, WT_INT8, false},
    {WT_FLOAT8, WT_INT2, false},
    {WT_FLOAT8, WT_INT4, false},
    {WT_FLOAT8, WT_INT8, false},
    {WT_FLOAT8, WT_FLOAT4, false},
    {WT_DATE, WT_TIMESTAMPTZ, true},
    {WT_TIMESTAMP, WT_TIMESTAMPTZ, true},
    {WT_TIMESTAMPTZ, WT_TIMESTAMP, false},
    {WT_TIMESTAMPTZ, WT_DATE, false},
    {WT_TIMESTAMP, WT_TIME, false},
    {WT_TIMESTAMPTZ, WT_TIME, false},
    {WT_INTERVAL, WT_TIME, false},
};

static const struct cast_row *
find(struct where_type from, struct where_type to)
{
    if (from.is_array || to.is_array) {
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(casts); i++) {
        if (casts[i].from == from.base && casts[i].to == to.base) {
            return &casts[i];
        }
    }
    return NULL;
}

bool
where_cast_is_implicit(struct where_type from, struct where_type to)
{
    const struct cast_row *row = find(from, to);
    return where_type_equal(from, to) || (row != NULL && row->is_implicit);
}

bool
where_cast_exists(struct where_type from, struct where_type to)
{
    return where_type_equal(from, to) || find(from, to) != NULL;
}

static bool
is_integer(enum where_base base)
{
    return base == WT_INT2 || base == WT_INT4 || base == WT_INT8;
}

static bool
convert_integer(struct where_scratch *scratch, enum where_base to, int64_t v,
                struct where_value *result)
{
    switch ((int)to) {
    case WT_INT2:
        result->integer = v;
        return (v >= INT16_MIN && v <= INT16_MAX) || where_raise(scratch, "smallint out of range");
    case WT_INT4:
        result->integer = v;
        return (v >= INT32_MIN && v <= INT32_MAX) || where_raise(scratch, "integer out of range");
    case WT_FLOAT4:
        result->real = (double)(float)v;
        return true;
    case WT_FLOAT8:
        result->real = (double)v;
        return true;
    case WT_NUMERIC:
        result->decimal = decimal_from_integer(v, scratch->mem);
        return true;
    case WT_BOOL:
        result->boolean = v != 0;
        return true;
    default: /* int8 */
        result->integer = v;
        return true;
    }
}

/* A half goes away from zero. */
static bool
decimal_to_integer(struct where_scratch *scratch, enum where_base to,
                   const struct where_decimal *decimal, struct where_value *result)
{
    struct where_decimal whole;
    struct where_value wide;
    struct err ignored;
    struct buf text = {0};
    bool ok = decimal->kind == DECIMAL_FINITE &&
              decimal_round(decimal, 0, DECIMAL_NEAREST, scratch->mem, &whole);
    if (ok) {
        decimal_print(&whole, false, &text);
        ok = where_value_parse((struct where_type){.base = WT_INT8}, buf_view(&text), scratch->mem,
                               &wide, &ignored);
        buf_free(&text);
    }
    if (!ok) {
        return where_raise(scratch, "integer out of range");
    }
    return convert_integer(scratch, to, wide.integer, result);
}

/* A half goes to the even neighbour. */
static bool
real_to_integer(struct where_scratch *scratch, enum where_base to, double real,
                struct where_value *result)
{
    double whole = rint(real);
    if (!(whole >= -0x1p63 && whole < 0x1p63)) {
        return where_raise(scratch, "integer out of range");
    }
    return convert_integer(scratch, to, (int64_t)whole, result);
}

static bool
real_to_single(struct where_scratch *scratch, double real, struct where_value *result)
{
    result->real = (double)(float)real;
    if (isinf(result->real) && !isinf(real)) {
        return where_raise(scratch, "value out of range: overflow");
    }
    if (result->real == 0 && real != 0) {
        return where_raise(scratch, "value out of range: underflow");
    }
    return true;
}

/* By way of its digits, as Postgres does. */
static bool
convert_decimal(struct where_scratch *scratch, struct where_type to,
                const struct where_decimal *decimal, struct where_value *result)
{
    if (is_integer(to.base)) {
        return decimal_to_integer(scratch, to.base, decimal, result);
    }
    struct buf text = {0};
    decimal_print(decimal, true, &text);
    bool ok = where_value_parse(to, buf_view(&text), scratch->mem, result, scratch->err);
    buf_free(&text);
    return ok || where_raise(scratch, "value out of range: overflow");
}

/* ---- dates and times: sessions are at UTC, so a timestamp and a timestamptz are one number */

static bool
is_stamp(enum where_base base)
{
    return base == WT_TIMESTAMP || base == WT_TIMESTAMPTZ;
}

static void
convert_stamp(int64_t us, enum where_base to, struct where_value *result)
{
    bool is_infinite = us == DATETIME_INFINITY || us == DATETIME_MINUS_INFINITY;
    if (is_infinite && to == WT_DATE) {
        result->integer = us > 0 ? WHERE_DATE_INFINITY : WHERE_DATE_MINUS_INFINITY;
    } else if (is_infinite && to == WT_TIME) {
        result->is_null = true; /* infinity has no time of day */
    } else if (!is_infinite) {
        int64_t clock;
        int64_t days = datetime_split(us, &clock);
        result->integer = to == WT_DATE ? days : to == WT_TIME ? clock : us;
    }
}

/* False: no such conversion. */
static bool
convert_time(struct where_scratch *scratch, enum where_base from, enum where_base to,
             const struct where_value *value, struct where_value *result, bool *ok)
{
    if (from == WT_DATE && is_stamp(to)) {
        *ok = datetime_from_date(value->integer, &result->integer) ||
              where_raise(scratch, "date out of range for timestamp");
    } else if (is_stamp(from) && from != to) {
        convert_stamp(value->integer, to, result);
    } else if (from == WT_TIME && to == WT_INTERVAL) {
        result->interval = (struct where_interval){.us = value->integer};
    } else if (from == WT_INTERVAL && to == WT_TIME) {
        int64_t us = value->interval.us % DATETIME_US_PER_DAY;
        result->integer = us < 0 ? us + DATETIME_US_PER_DAY : us;
    } else {
        return false;
    }
    return true;
}

static struct view
without_trailing_blanks(struct view text)
{
    while (text.size > 0 && text.bytes[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

bool
where_cast_convert(struct where_scratch *scratch, struct where_type from, struct where_type to,
                   const struct where_value *value, struct where_value *result_out)
{
    struct where_value result = *value;
    bool ok = true;
    if (is_integer(from.base) && to.base != from.base) {
        ok = convert_integer(scratch, to.base, value->integer, &result);
    } else if (from.base == WT_NUMERIC && to.base != WT_NUMERIC) {
        ok = convert_decimal(scratch, to, &value->decimal, &result);
    } else if ((from.base == WT_FLOAT4 || from.base == WT_FLOAT8) && is_integer(to.base)) {
        ok = real_to_integer(scratch, to.base, value->real, &result);
    } else if (from.base == WT_FLOAT8 && to.base == WT_FLOAT4) {
        ok = real_to_single(scratch, value->real, &result);
    } else if (from.base == WT_BOOL && to.base == WT_INT4) {
        result.integer = value->boolean;
    } else if (convert_time(scratch, from.base, to.base, value, &result, &ok)) {
        /* done */
    } else if (from.base == WT_BPCHAR && to.base != WT_BPCHAR) {
        bool is_name = to.base == WT_NAME; /* which is cut before it loses its blanks */
        result.text =
            without_trailing_blanks(is_name ? where_value_name(value->text) : value->text);
    } else if (to.base == WT_NAME) {
        result.text = where_value_name(value->text);
    } /* else: the same value under another name */
    if (ok) {
        *result_out = result;
    }
    return ok;
}

bool
where_cast_to_text(struct where_scratch *scratch, struct where_type from,
                   const struct where_value *value, struct where_value *result_out)
{
    struct buf text = {0};
    if (from.base == WT_BPCHAR && !from.is_array) {
        buf_append_view(&text, without_trailing_blanks(value->text));
    } else {
        where_value_print(from, value, &text);
    }
    uint8_t *copy;
    bool ok = where_take(scratch, text.size, &copy);
    if (ok && text.size > 0) {
        memcpy(copy, text.bytes, text.size);
    }
    if (ok) {
        *result_out = (struct where_value){.text = {copy, text.size}};
    }
    buf_free(&text);
    return ok;
}
