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

/* The digits as they are, trailing zeros included, or without them. */
void decimal_print(const struct where_decimal *decimal, bool with_trailing_zeros, struct buf *out);

/* -9223372036854775808 fits. `text` must live as long as the decimal. */
struct where_decimal decimal_from_integer(int64_t integer, struct arena *mem);

bool decimal_is_zero(const struct where_decimal *decimal);

#endif
