/*
 * Division and rounding of decimals. Digits are gathered into limbs of nine, divided as in Knuth's
 * algorithm D, and spelled as digits again.
 */
#include "common/core/where_decimal.h"

#include <string.h>

#define LIMB_DIGITS 9
#define LIMB_BASE   UINT64_C(1000000000)

/* Postgres' numeric.c; its "digit" is of base 10,000. */
#define SIGNIFICANT_DIGITS_MIN 16
#define SCALE_MAX              1000
#define PG_DIGITS              4

struct limbs {
    size_t count; /* least significant first; none is zero at the top */
    uint32_t *items;
};

/* The digits of a number without its point, and `zeros` behind them. */
static struct limbs
gather(const struct where_decimal *d, size_t zeros, struct arena *mem)
{
    size_t size = d->whole.size + d->fraction.size + zeros;
    struct limbs limbs = {.count = size / LIMB_DIGITS + 1};
    limbs.items = arena_alloc(mem, limbs.count + 1, sizeof *limbs.items);
    for (size_t i = 0; i < d->whole.size + d->fraction.size; i++) {
        uint32_t digit = (uint32_t)(i < d->whole.size ? d->whole.bytes[i]
                                                      : d->fraction.bytes[i - d->whole.size]) -
                         '0';
        size_t place = size - 1 - i;
        for (size_t k = place % LIMB_DIGITS; k > 0; k--) {
            digit *= 10;
        }
        limbs.items[place / LIMB_DIGITS] += digit;
    }
    while (limbs.count > 0 && limbs.items[limbs.count - 1] == 0) {
        limbs.count--;
    }
    return limbs;
}

/* Becomes limbs * factor + carry; the room for one more limb is there. */
static void
scale_up(struct limbs *limbs, uint32_t factor)
{
    uint64_t carry = 0;
    for (size_t i = 0; i < limbs->count; i++) {
        uint64_t product = (uint64_t)limbs->items[i] * factor + carry;
        limbs->items[i] = (uint32_t)(product % LIMB_BASE);
        carry = product / LIMB_BASE;
    }
    limbs->items[limbs->count] = (uint32_t)carry;
}

static void
scale_down(struct limbs *limbs, uint32_t divisor)
{
    uint64_t rest = 0;
    for (size_t i = limbs->count; i-- > 0;) {
        uint64_t part = rest * LIMB_BASE + limbs->items[i];
        limbs->items[i] = (uint32_t)(part / divisor);
        rest = part % divisor;
    }
}

/* Takes `times` the divisor from the limbs at `place`; true when that was once too often. */
static bool
subtract_at(struct limbs *a, size_t place, const struct limbs *b, uint64_t times)
{
    int64_t borrow = 0;
    for (size_t i = 0; i <= b->count; i++) {
        uint64_t product = (i < b->count ? (uint64_t)b->items[i] : 0) * times;
        int64_t limb = (int64_t)a->items[place + i] - borrow - (int64_t)(product % LIMB_BASE);
        borrow = (int64_t)(product / LIMB_BASE);
        if (limb < 0) {
            limb += (int64_t)LIMB_BASE;
            borrow++;
            if (limb < 0) { /* two borrows: a borrowed limb may be nearly a whole base */
                limb += (int64_t)LIMB_BASE;
                borrow++;
            }
        }
        a->items[place + i] = (uint32_t)limb;
    }
    return borrow != 0;
}

static void
add_at(struct limbs *a, size_t place, const struct limbs *b)
{
    uint64_t carry = 0;
    for (size_t i = 0; i <= b->count; i++) {
        uint64_t sum = a->items[place + i] + carry + (i < b->count ? b->items[i] : 0);
        a->items[place + i] = (uint32_t)(sum % LIMB_BASE);
        carry = sum / LIMB_BASE;
    }
}

/* a becomes the remainder; gives the quotient. b is not zero, and a has room for one more limb. */
static struct limbs
divide(struct limbs *a, struct limbs *b, struct arena *mem)
{
    struct limbs quotient = {.count = a->count >= b->count ? a->count - b->count + 1 : 0};
    quotient.items = arena_alloc(mem, quotient.count + 1, sizeof *quotient.items);
    if (quotient.count == 0) {
        return quotient;
    }
    uint32_t normal = (uint32_t)(LIMB_BASE / (b->items[b->count - 1] + UINT64_C(1)));
    scale_up(a, normal);
    scale_up(b, normal);
    for (size_t place = quotient.count; place-- > 0;) {
        size_t top = place + b->count;
        uint64_t head = a->items[top] * LIMB_BASE + a->items[top - 1];
        uint64_t first = b->items[b->count - 1];
        uint64_t guess = head / first;
        uint64_t rest = head % first;
        while (guess >= LIMB_BASE ||
               (b->count > 1 && rest < LIMB_BASE &&
                guess * b->items[b->count - 2] > rest * LIMB_BASE + a->items[top - 2])) {
            guess--;
            rest += first;
            if (rest >= LIMB_BASE) {
                break;
            }
        }
        if (subtract_at(a, place, b, guess)) {
            guess--;
            add_at(a, place, b);
        }
        quotient.items[place] = (uint32_t)guess;
    }
    a->count = b->count;
    scale_down(a, normal);
    scale_down(b, normal);
    return quotient;
}

static void
increment(struct limbs *limbs) /* with room for a carry */
{
    for (size_t i = 0;; i++) {
        if (i == limbs->count) {
            limbs->items[limbs->count++] = 1;
            return;
        }
        if (limbs->items[i] + 1 < LIMB_BASE) {
            limbs->items[i]++;
            return;
        }
        limbs->items[i] = 0;
    }
}

static struct where_decimal
spell(const struct limbs *limbs, size_t scale, bool is_negative, struct arena *mem)
{
    size_t size = limbs->count * LIMB_DIGITS;
    size = size < scale ? scale : size;
    uint8_t *digits = arena_alloc(mem, size + 1, 1);
    memset(digits, '0', size);
    for (size_t i = 0; i < limbs->count; i++) {
        uint32_t limb = limbs->items[i];
        for (size_t k = 0; k < LIMB_DIGITS && limb > 0; k++) {
            digits[size - 1 - i * LIMB_DIGITS - k] = (uint8_t)('0' + limb % 10);
            limb /= 10;
        }
    }
    struct where_decimal d = {
        .kind = DECIMAL_FINITE,
        .is_negative = is_negative,
        .whole = {digits, size - scale},
        .fraction = {digits + size - scale, scale},
    };
    while (d.whole.size > 0 && d.whole.bytes[0] == '0') {
        d.whole.bytes++;
        d.whole.size--;
    }
    return d;
}

static bool
is_half(const struct limbs *rest, const struct limbs *divisor)
{
    uint64_t carry = 0;
    int order = 0; /* of 2 * rest and divisor, by the limbs so far */
    size_t count = rest->count > divisor->count ? rest->count : divisor->count;
    for (size_t i = 0; i < count; i++) {
        uint64_t twice = (i < rest->count ? 2 * (uint64_t)rest->items[i] : 0) + carry;
        uint64_t other = i < divisor->count ? divisor->items[i] : 0;
        carry = twice / LIMB_BASE;
        twice %= LIMB_BASE;
        order = twice != other ? (twice > other ? 1 : -1) : order;
    }
    return carry > 0 || order >= 0;
}

/* Place and value of the first digit of base 10,000, counted from the point: Postgres'
 * select_div_scale. */
static void
leading_digit(const struct where_decimal *d, int64_t *weight_out, int *digit_out)
{
    int64_t at = 0; /* of the first digit that is not zero, before the point from the left */
    size_t whole = d->whole.size;
    *weight_out = 0;
    *digit_out = 0;
    if (decimal_is_zero(d)) {
        return;
    }
    if (whole > 0) {
        *weight_out = ((int64_t)whole - 1) / PG_DIGITS;
        at = -(int64_t)whole;
    } else {
        size_t zeros = 0;
        while (d->fraction.bytes[zeros] == '0') {
            zeros++;
        }
        *weight_out = -(int64_t)(zeros / PG_DIGITS) - 1;
        at = (int64_t)(zeros / PG_DIGITS * PG_DIGITS);
    }
    int64_t end = -*weight_out * PG_DIGITS; /* where that digit ends, from the point */
    for (; at < end; at++) {
        int digit = 0;
        if (at < 0) {
            digit = d->whole.bytes[(int64_t)whole + at] - '0';
        } else if (at < (int64_t)d->fraction.size) {
            digit = d->fraction.bytes[at] - '0';
        }
        *digit_out = *digit_out * 10 + digit;
    }
}

static size_t
quotient_scale(const struct where_decimal *a, const struct where_decimal *b)
{
    int64_t weights[2];
    int digits[2];
    leading_digit(a, &weights[0], &digits[0]);
    leading_digit(b, &weights[1], &digits[1]);
    int64_t weight = weights[0] - weights[1] - (digits[0] <= digits[1]);
    int64_t scale = SIGNIFICANT_DIGITS_MIN - weight * PG_DIGITS;
    scale = scale < (int64_t)a->fraction.size ? (int64_t)a->fraction.size : scale;
    scale = scale < (int64_t)b->fraction.size ? (int64_t)b->fraction.size : scale;
    scale = scale < 0 ? 0 : scale;
    return (size_t)(scale > SCALE_MAX ? SCALE_MAX : scale);
}

static bool
have_few_digits(const struct where_decimal *a, const struct where_decimal *b)
{
    return a->whole.size + a->fraction.size <= DECIMAL_DIGITS_MAX &&
           b->whole.size + b->fraction.size <= DECIMAL_DIGITS_MAX;
}

/* Both finite, b not zero. */
static bool
divide_to_scale(const struct where_decimal *a, const struct where_decimal *b, size_t scale,
                bool rounds, struct arena *mem, struct where_decimal *quotient_out)
{
    if (!have_few_digits(a, b)) {
        return false;
    }
    size_t up = scale + b->fraction.size;
    size_t down = a->fraction.size;
    struct limbs rest = gather(a, up > down ? up - down : 0, mem);
    struct limbs divisor = gather(b, down > up ? down - up : 0, mem);
    struct limbs quotient = divide(&rest, &divisor, mem);
    if (rounds && is_half(&rest, &divisor)) {
        increment(&quotient);
    }
    *quotient_out = spell(&quotient, scale, a->is_negative != b->is_negative, mem);
    return true;
}

bool
decimal_divide(const struct where_decimal *a, const struct where_decimal *b, bool is_whole,
               struct arena *mem, struct where_decimal *quotient_out)
{
    bool a_infinite = a->kind == DECIMAL_PLUS_INFINITY || a->kind == DECIMAL_MINUS_INFINITY;
    if (a->kind == DECIMAL_FINITE && b->kind == DECIMAL_FINITE) {
        return divide_to_scale(a, b, is_whole ? 0 : quotient_scale(a, b), !is_whole, mem,
                               quotient_out);
    }
    if (a->kind == DECIMAL_NAN || b->kind != DECIMAL_FINITE) {
        bool is_zero = a->kind == DECIMAL_FINITE && b->kind != DECIMAL_NAN; /* n / infinity */
        *quotient_out =
            is_zero ? decimal_from_integer(0, mem) : (struct where_decimal){.kind = DECIMAL_NAN};
        return true;
    }
    ASSERT(a_infinite);
    bool is_negative = (a->kind == DECIMAL_MINUS_INFINITY) != b->is_negative;
    *quotient_out = (struct where_decimal){.kind = is_negative ? DECIMAL_MINUS_INFINITY
                                                               : DECIMAL_PLUS_INFINITY};
    return true;
}

bool
decimal_modulo(const struct where_decimal *a, const struct where_decimal *b, struct arena *mem,
               struct where_decimal *rest_out)
{
    if (a->kind != DECIMAL_FINITE || b->kind != DECIMAL_FINITE) {
        bool is_own = a->kind == DECIMAL_FINITE && b->kind != DECIMAL_NAN; /* n % infinity */
        *rest_out = is_own ? *a : (struct where_decimal){.kind = DECIMAL_NAN};
        return true;
    }
    if (!have_few_digits(a, b)) {
        return false;
    }
    size_t scale = a->fraction.size > b->fraction.size ? a->fraction.size : b->fraction.size;
    struct limbs rest = gather(a, scale - a->fraction.size, mem);
    struct limbs divisor = gather(b, scale - b->fraction.size, mem);
    (void)divide(&rest, &divisor, mem);
    *rest_out = spell(&rest, scale, a->is_negative, mem);
    return true;
}

/* One more in the last place of digits that have a zero in front. */
static void
increment_digits(uint8_t *digits, size_t size)
{
    while (digits[--size] == '9') {
        digits[size] = '0';
    }
    digits[size]++;
}

bool
decimal_round(const struct where_decimal *d, int64_t scale, enum decimal_rounding rounding,
              struct arena *mem, struct where_decimal *rounded_out)
{
    *rounded_out = *d;
    if (d->kind != DECIMAL_FINITE) {
        return true;
    }
    if (!have_few_digits(d, d) || scale > DECIMAL_ROUND_MAX ||
        (scale < -DECIMAL_ROUND_MAX && d->whole.size > DECIMAL_ROUND_MAX)) {
        return false;
    }
    size_t shown = scale < 0 ? 0 : (size_t)scale;
    size_t size = d->whole.size + shown + 1;       /* and a zero in front, for a carry */
    int64_t kept = (int64_t)d->whole.size + scale; /* digits of the number */
    uint8_t *digits = arena_alloc(mem, size + 1, 1);
    memset(digits, '0', size);
    bool loses = false; /* anything but zeros */
    uint8_t next = '0'; /* the first digit that goes */
    for (size_t i = 0; i < d->whole.size + d->fraction.size; i++) {
        uint8_t digit =
            i < d->whole.size ? d->whole.bytes[i] : d->fraction.bytes[i - d->whole.size];
        if ((int64_t)i < kept) {
            digits[1 + i] = digit;
        } else {
            next = (int64_t)i == kept ? digit : next;
            loses = loses || digit != '0';
        }
    }
    bool away = (rounding == DECIMAL_NEAREST && next >= '5') ||
                (rounding == DECIMAL_DOWN && loses && d->is_negative) ||
                (rounding == DECIMAL_UP && loses && !d->is_negative);
    if (away && kept >= 0) {
        increment_digits(digits, (size_t)kept + 1);
    }
    struct view whole = {digits, d->whole.size + 1};
    while (whole.size > 0 && whole.bytes[0] == '0') {
        whole.bytes++;
        whole.size--;
    }
    rounded_out->whole = whole;
    rounded_out->fraction = (struct view){digits + d->whole.size + 1, shown};
    return true;
}
