#include <math.h>

#include "common/core/where_decimal.h"
#include "common/core/where_ops.h"

/* ---- integers */

static const char *
integer_range_error(enum where_base base)
{
    return base == WT_INT2   ? "smallint out of range"
           : base == WT_INT4 ? "integer out of range"
                             : "bigint out of range";
}

static bool
fits(enum where_base base, int64_t v)
{
    return base == WT_INT2 ? v >= INT16_MIN && v <= INT16_MAX
                           : base != WT_INT4 || (v >= INT32_MIN && v <= INT32_MAX);
}

static bool
set_integer(struct where_scratch *scratch, bool overflowed, int64_t v, struct where_value *result)
{
    enum where_base base = scratch->result;
    if (overflowed || !fits(base, v)) {
        return where_raise(scratch, integer_range_error(base));
    }
    result->integer = v;
    return true;
}

IMPL(int_add)
{
    int64_t v;
    bool overflowed = __builtin_add_overflow(args[0].integer, args[1].integer, &v);
    return set_integer(scratch, overflowed, v, result);
}

IMPL(int_sub)
{
    int64_t v;
    bool overflowed = __builtin_sub_overflow(args[0].integer, args[1].integer, &v);
    return set_integer(scratch, overflowed, v, result);
}

IMPL(int_mul)
{
    int64_t v;
    bool overflowed = __builtin_mul_overflow(args[0].integer, args[1].integer, &v);
    return set_integer(scratch, overflowed, v, result);
}

IMPL(int_div)
{
    if (args[1].integer == 0) {
        return where_raise(scratch, "division by zero");
    }
    bool overflowed = args[0].integer == INT64_MIN && args[1].integer == -1;
    return set_integer(scratch, overflowed, overflowed ? 0 : args[0].integer / args[1].integer,
                       result);
}

IMPL(int_mod)
{
    if (args[1].integer == 0) {
        return where_raise(scratch, "division by zero");
    }
    result->integer = args[1].integer == -1 ? 0 : args[0].integer % args[1].integer;
    return true;
}

IMPL(int_plus)
{
    (void)scratch;
    result->integer = args[0].integer;
    return true;
}

IMPL(int_minus)
{
    int64_t v;
    bool overflowed = __builtin_sub_overflow((int64_t)0, args[0].integer, &v);
    return set_integer(scratch, overflowed, v, result);
}

IMPL(int_abs)
{
    if (args[0].integer >= 0) {
        return int_plus(scratch, args, result);
    }
    return int_minus(scratch, args, result);
}

IMPL(int_and)
{
    (void)scratch;
    result->integer = args[0].integer & args[1].integer;
    return true;
}

IMPL(int_or)
{
    (void)scratch;
    result->integer = args[0].integer | args[1].integer;
    return true;
}

IMPL(int_xor)
{
    (void)scratch;
    result->integer = args[0].integer ^ args[1].integer;
    return true;
}

IMPL(int_not)
{
    (void)scratch;
    result->integer = ~args[0].integer;
    return true;
}

/* ---- reals: IEEE arithmetic; what becomes infinite or zero by itself is an error, as in Postgres
 */

static bool
set_real(struct where_scratch *scratch, double v, bool may_be_infinite, bool may_be_zero,
         struct where_value *result)
{
    double rounded = scratch->result == WT_FLOAT4 ? (double)(float)v : v;
    if (isinf(rounded) && !may_be_infinite) {
        return where_raise(scratch, "value out of range: overflow");
    }
    if (rounded == 0 && !may_be_zero) {
        return where_raise(scratch, "value out of range: underflow");
    }
    result->real = rounded;
    return true;
}

static bool
any_infinite(const struct where_value *args)
{
    return isinf(args[0].real) || isinf(args[1].real);
}

IMPL(real_add)
{
    return set_real(scratch, args[0].real + args[1].real, any_infinite(args), true, result);
}

IMPL(real_sub)
{
    return set_real(scratch, args[0].real - args[1].real, any_infinite(args), true, result);
}

IMPL(real_mul)
{
    bool has_zero = args[0].real == 0 || args[1].real == 0;
    return set_real(scratch, args[0].real * args[1].real, any_infinite(args), has_zero, result);
}

IMPL(real_div)
{
    if (args[1].real == 0 && !isnan(args[0].real)) {
        return where_raise(scratch, "division by zero");
    }
    bool may_be_zero = args[0].real == 0 || isinf(args[1].real);
    return set_real(scratch, args[0].real / args[1].real, isinf(args[0].real), may_be_zero, result);
}

IMPL(real_plus)
{
    (void)scratch;
    result->real = args[0].real;
    return true;
}

IMPL(real_minus)
{
    (void)scratch;
    result->real = -args[0].real;
    return true;
}

IMPL(real_abs)
{
    (void)scratch;
    result->real = fabs(args[0].real);
    return true;
}

IMPL(real_root)
{
    if (args[0].real < 0) {
        return where_raise(scratch, "cannot take square root of a negative number");
    }
    result->real = sqrt(args[0].real);
    return true;
}

/* ---- numeric */

IMPL(numeric_add)
{
    return decimal_add(&args[0].decimal, &args[1].decimal, false, scratch->mem, &result->decimal) ||
           where_raise(scratch, "numeric has too many digits");
}

IMPL(numeric_sub)
{
    return decimal_add(&args[0].decimal, &args[1].decimal, true, scratch->mem, &result->decimal) ||
           where_raise(scratch, "numeric has too many digits");
}

IMPL(numeric_mul)
{
    return decimal_multiply(&args[0].decimal, &args[1].decimal, scratch->mem, &result->decimal) ||
           where_raise(scratch, "numeric has too many digits");
}

IMPL(numeric_plus)
{
    (void)scratch;
    result->decimal = args[0].decimal;
    return true;
}

IMPL(numeric_minus)
{
    (void)scratch;
    result->decimal = args[0].decimal;
    if (args[0].decimal.kind == DECIMAL_PLUS_INFINITY) {
        result->decimal.kind = DECIMAL_MINUS_INFINITY;
    } else if (args[0].decimal.kind == DECIMAL_MINUS_INFINITY) {
        result->decimal.kind = DECIMAL_PLUS_INFINITY;
    } else {
        result->decimal.is_negative = !args[0].decimal.is_negative;
    }
    return true;
}

IMPL(numeric_abs)
{
    bool is_negative =
        args[0].decimal.is_negative || args[0].decimal.kind == DECIMAL_MINUS_INFINITY;
    return is_negative ? numeric_minus(scratch, args, result) : numeric_plus(scratch, args, result);
}
