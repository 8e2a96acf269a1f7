/*
 * where_decimal.h - decimal numbers of any size, as Postgres' numeric.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_DECIMAL_H
#define CORE_WHERE_DECIMAL_H

#include "common/buf.h"
#include "common/core/where_value.h"

/* More digits than this in a product or in a value with an exponent are an error. */
#define DECIMAL_DIGITS_MAX 4096

/* Digits with an optional sign, point and exponent; NaN, Infinity, -Infinity. An exponent needs
 * `mem`. */
NODISCARD bool decimal_parse(struct view text, struct arena *mem,
                             struct where_decimal *decimal_out);

/* Postgres' order: NaN is equal to itself and above everything. */
int decimal_compare(const struct where_decimal *a, const struct where_decimal *b);

/* Exact; the scale is the larger one. False: too many digits. */
NODISCARD bool decimal_add(const struct where_decimal *a, const struct where_decimal *b,
                           bool is_subtraction, struct arena *mem, struct where_decimal *sum_out);

/* Exact; the scale is the sum of both. False: too many digits. */
NODISCARD bool decimal_multiply(const struct where_decimal *a, const struct where_decimal *b,
                                struct arena *mem, struct where_decimal *product_out);

/*
 * The quotient, rounded to the scale that Postgres chooses for it, or cut to a whole number. `b` is
 * not zero. False: too many digits.
 */
NODISCARD bool decimal_divide(const struct where_decimal *a, const struct where_decimal *b,
                              bool is_whole, struct arena *mem, struct where_decimal *quotient_out);

/* What is left of `a`, with its sign; the scale is the larger one. `b` is not zero. False: too many
 * digits. */
NODISCARD bool decimal_modulo(const struct where_decimal *a, const struct where_decimal *b,
                              struct arena *mem, struct where_decimal *rest_out);

enum decimal_rounding {
    DECIMAL_NEAREST, /* a half away from zero */
    DECIMAL_CUT,
    DECIMAL_DOWN, /* floor */
    DECIMAL_UP,   /* ceiling */
};

/* Postgres' limit until 16; from 17 on it is larger. */
#define DECIMAL_ROUND_MAX 2000

/* To `scale` digits behind the point, or zeros before it when below 0. False: too many digits. */
NODISCARD bool decimal_round(const struct where_decimal *d, int64_t scale,
                             enum decimal_rounding rounding, struct arena *mem,
                             struct where_decimal *rounded_out);

/* The digits as they are, trailing zeros included, or without them. */
void decimal_print(const struct where_decimal *decimal, bool with_trailing_zeros, struct buf *out);

/* -9223372036854775808 fits. `text` must live as long as the decimal. */
struct where_decimal decimal_from_integer(int64_t integer, struct arena *mem);

bool decimal_is_zero(const struct where_decimal *decimal);

#endif
