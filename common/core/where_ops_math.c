/* Functions on numbers: only those whose results are the same on every machine. */
#include <math.h>

#include "common/core/where_decimal.h"
#include "common/core/where_ops.h"

/* ---- numeric */

static bool
too_many_digits(struct where_scratch *scratch)
{
    return where_raise(scratch, "numeric has too many digits");
}

static bool
set_round(struct where_scratch *scratch, const struct where_value *args, int64_t scale,
          enum decimal_rounding rounding, struct where_value *result)
{
    return decimal_round(&args[0].decimal, scale, rounding, scratch->mem, &result->decimal) ||
           too_many_digits(scratch);
}

static bool
set_quotient(struct where_scratch *scratch, const struct where_value *args, bool is_whole,
             struct where_value *result)
{
    if (decimal_is_zero(&args[1].decimal) && args[0].decimal.kind != DECIMAL_NAN) {
        return where_raise(scratch, "division by zero");
    }
    if (decimal_is_zero(&args[1].decimal)) {
        result->decimal = args[0].decimal;
        return true;
    }
    return decimal_divide(&args[0].decimal, &args[1].decimal, is_whole, scratch->mem,
                          &result->decimal) ||
           too_many_digits(scratch);
}

IMPL(numeric_div)
{
    return set_quotient(scratch, args, false, result);
}

IMPL(numeric_div_whole)
{
    return set_quotient(scratch, args, true, result);
}

IMPL(numeric_mod)
{
    if (decimal_is_zero(&args[1].decimal) && args[0].decimal.kind != DECIMAL_NAN) {
        return where_raise(scratch, "division by zero");
    }
    if (decimal_is_zero(&args[1].decimal)) {
        result->decimal = args[0].decimal;
        return true;
    }
    return decimal_modulo(&args[0].decimal, &args[1].decimal, scratch->mem, &result->decimal) ||
           too_many_digits(scratch);
}

IMPL(numeric_round)
{
    return set_round(scratch, args, 0, DECIMAL_NEAREST, result);
}

IMPL(numeric_round_to)
{
    return set_round(scratch, args, args[1].integer, DECIMAL_NEAREST, result);
}

IMPL(numeric_trunc)
{
    return set_round(scratch, args, 0, DECIMAL_CUT, result);
}

IMPL(numeric_trunc_to)
{
    return set_round(scratch, args, args[1].integer, DECIMAL_CUT, result);
}

IMPL(numeric_floor)
{
    return set_round(scratch, args, 0, DECIMAL_DOWN, result);
}

IMPL(numeric_ceil)
{
    return set_round(scratch, args, 0, DECIMAL_UP, result);
}

IMPL(numeric_sign)
{
    const struct where_decimal *d = &args[0].decimal;
    bool is_below = d->kind == DECIMAL_MINUS_INFINITY || d->is_negative;
    if (d->kind == DECIMAL_NAN) {
        result->decimal = *d;
    } else {
        result->decimal = decimal_from_integer(decimal_is_zero(d) ? 0
                                               : is_below         ? -1
                                                                  : 1,
                                               scratch->mem);
    }
    return true;
}

/* ---- reals: exact in IEEE arithmetic */

IMPL(real_round)
{
    (void)scratch;
    result->real = rint(args[0].real);
    return true;
}

IMPL(real_trunc)
{
    (void)scratch;
    result->real = trunc(args[0].real);
    return true;
}

IMPL(real_floor)
{
    (void)scratch;
    result->real = floor(args[0].real);
    return true;
}

IMPL(real_ceil)
{
    (void)scratch;
    result->real = ceil(args[0].real);
    return true;
}

IMPL(real_sign)
{
    (void)scratch;
    result->real = (double)((args[0].real > 0) - (args[0].real < 0));
    return true;
}
