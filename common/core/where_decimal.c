#include "common/core/where_decimal.h"

#include <stdio.h>
#include <string.h>

#include "common/core/text_cursor.h"

static bool
is_word(struct view text, const char *word)
{
    size_t size = strlen(word);
    if (text.size != size) {
        return false;
    }
    for (size_t i = 0; i < size; i++) {
        uint8_t b = text.bytes[i];
        if ((b >= 'A' && b <= 'Z' ? b | 0x20 : b) != (uint8_t)word[i]) {
            return false;
        }
    }
    return true;
}

static struct view
take_run(struct text_cursor *c)
{
    const uint8_t *start = c->next;
    while (!text_at_end(c) && *c->next >= '0' && *c->next <= '9') {
        c->next++;
    }
    return (struct view){start, (size_t)(c->next - start)};
}

static struct view
without_leading_zeros(struct view digits)
{
    while (digits.size > 0 && digits.bytes[0] == '0') {
        digits.bytes++;
        digits.size--;
    }
    return digits;
}

/* Moves the point by `exponent` places, writing the digits anew. */
static bool
shift_point(struct where_decimal *d, int64_t exponent, struct arena *mem)
{
    int64_t total = (int64_t)d->whole.size + (int64_t)d->fraction.size;
    int64_t shift = exponent < 0 ? -exponent : exponent;
    if (shift > DECIMAL_DIGITS_MAX || total + shift > DECIMAL_DIGITS_MAX) {
        return false;
    }
    size_t left_zeros = exponent < 0 ? (size_t)shift : 0;
    size_t size = left_zeros + (size_t)total + (exponent > 0 ? (size_t)shift : 0);
    uint8_t *digits = arena_alloc(mem, size + 1, 1);
    memset(digits, '0', size);
    if (d->whole.size > 0) {
        memcpy(digits + left_zeros, d->whole.bytes, d->whole.size);
    }
    if (d->fraction.size > 0) {
        memcpy(digits + left_zeros + d->whole.size, d->fraction.bytes, d->fraction.size);
    }
    size_t point = (size_t)((int64_t)(left_zeros + d->whole.size) + exponent);
    size_t used = left_zeros + (size_t)total;
    d->whole = without_leading_zeros((struct view){digits, point});
    d->fraction =
        point < used ? (struct view){digits + point, used - point} : (struct view){digits, 0};
    return true;
}

static bool
parse_finite(struct text_cursor *c, struct arena *mem, struct where_decimal *d)
{
    d->is_negative = text_take(c, '-');
    if (!d->is_negative) {
        (void)text_take(c, '+');
    }
    d->whole = take_run(c);
    bool has_digits = d->whole.size > 0;
    d->whole = without_leading_zeros(d->whole);
    d->fraction = (struct view){c->next, 0};
    if (text_take(c, '.')) {
        d->fraction = take_run(c);
        has_digits = has_digits || d->fraction.size > 0;
    }
    if (!has_digits) {
        return false;
    }
    if (text_take(c, 'e') || text_take(c, 'E')) {
        bool is_negative = text_take(c, '-');
        if (!is_negative) {
            (void)text_take(c, '+');
        }
        int64_t exponent;
        if (!text_take_digits(c, 1, 9, &exponent) ||
            !shift_point(d, is_negative ? -exponent : exponent, mem)) {
            return false;
        }
    }
    return text_at_end(c);
}

bool
decimal_parse(struct view text, struct arena *mem, struct where_decimal *decimal_out)
{
    struct text_cursor c = text_trimmed(text);
    struct view trimmed = {c.next, (size_t)(c.end - c.next)};
    struct where_decimal d = {.kind = DECIMAL_FINITE};
    if (is_word(trimmed, "nan")) {
        d.kind = DECIMAL_NAN;
    } else if (is_word(trimmed, "infinity") || is_word(trimmed, "+infinity") ||
               is_word(trimmed, "inf")) {
        d.kind = DECIMAL_PLUS_INFINITY;
    } else if (is_word(trimmed, "-infinity") || is_word(trimmed, "-inf")) {
        d.kind = DECIMAL_MINUS_INFINITY;
    } else if (!parse_finite(&c, mem, &d)) {
        return false;
    }
    *decimal_out = d;
    return true;
}

static bool
all_zeros(struct view digits)
{
    return without_leading_zeros(digits).size == 0;
}

bool
decimal_is_zero(const struct where_decimal *decimal)
{
    return decimal->kind == DECIMAL_FINITE && decimal->whole.size == 0 &&
           all_zeros(decimal->fraction);
}

static int
compare_magnitudes(const struct where_decimal *a, const struct where_decimal *b)
{
    if (a->whole.size != b->whole.size) {
        return a->whole.size < b->whole.size ? -1 : 1;
    }
    int order = view_compare(a->whole, b->whole);
    if (order != 0) {
        return order;
    }
    size_t shared = a->fraction.size < b->fraction.size ? a->fraction.size : b->fraction.size;
    order = view_compare((struct view){a->fraction.bytes, shared},
                         (struct view){b->fraction.bytes, shared});
    if (order != 0) {
        return order;
    }
    struct view a_rest = {a->fraction.bytes + shared, a->fraction.size - shared};
    struct view b_rest = {b->fraction.bytes + shared, b->fraction.size - shared};
    return (int)!all_zeros(a_rest) - (int)!all_zeros(b_rest);
}

/* -infinity, finite, infinity, NaN */
static int
rank(const struct where_decimal *d)
{
    switch (d->kind) {
    case DECIMAL_MINUS_INFINITY:
        return 0;
    case DECIMAL_FINITE:
        return 1;
    case DECIMAL_PLUS_INFINITY:
        return 2;
    case DECIMAL_NAN:
        return 3;
    }
    return 3;
}

int
decimal_compare(const struct where_decimal *a, const struct where_decimal *b)
{
    if (a->kind != DECIMAL_FINITE || b->kind != DECIMAL_FINITE) {
        return rank(a) - rank(b);
    }
    bool a_below_zero = a->is_negative && !decimal_is_zero(a);
    bool b_below_zero = b->is_negative && !decimal_is_zero(b);
    if (a_below_zero != b_below_zero) {
        return a_below_zero ? -1 : 1;
    }
    int order = compare_magnitudes(a, b);
    return a_below_zero ? -order : order;
}

/* Digit `place` of a number: 0 stands just before the point, -1 just behind it. */
static int
digit_at(const struct where_decimal *d, int64_t place)
{
    if (place >= 0) {
        return place < (int64_t)d->whole.size
                   ? d->whole.bytes[(int64_t)d->whole.size - 1 - place] - '0'
                   : 0;
    }
    int64_t behind = -place - 1;
    return behind < (int64_t)d->fraction.size ? d->fraction.bytes[behind] - '0' : 0;
}

static struct where_decimal
from_digits(uint8_t *digits, size_t whole, size_t fraction, bool is_negative)
{
    return (struct where_decimal){
        .kind = DECIMAL_FINITE,
        .is_negative = is_negative,
        .whole = without_leading_zeros((struct view){digits, whole}),
        .fraction = {digits + whole, fraction},
    };
}

/* |a| + |b|, or |a| - |b| where |a| >= |b|. */
static struct where_decimal
combine(const struct where_decimal *a, const struct where_decimal *b, bool subtract,
        struct arena *mem)
{
    size_t whole = (a->whole.size > b->whole.size ? a->whole.size : b->whole.size) + 1;
    size_t fraction = a->fraction.size > b->fraction.size ? a->fraction.size : b->fraction.size;
    uint8_t *digits = arena_alloc(mem, whole + fraction, 1);
    int carry = 0;
    for (int64_t place = -(int64_t)fraction; place < (int64_t)whole; place++) {
        int sum =
            digit_at(a, place) + (subtract ? -digit_at(b, place) : digit_at(b, place)) + carry;
        carry = sum < 0 ? -1 : sum / 10;
        digits[(int64_t)whole - 1 - place] = (uint8_t)('0' + (sum < 0 ? sum + 10 : sum % 10));
    }
    return from_digits(digits, whole, fraction, false);
}

static struct where_decimal
special(int kind)
{
    struct where_decimal d = {.kind = DECIMAL_NAN};
    if (kind > 0) {
        d.kind = DECIMAL_PLUS_INFINITY;
    } else if (kind < 0) {
        d.kind = DECIMAL_MINUS_INFINITY;
    }
    return d;
}

/* 1 and -1 for the infinities, 0 for the rest. */
static int
infinity_sign(const struct where_decimal *d)
{
    return (d->kind == DECIMAL_PLUS_INFINITY) - (d->kind == DECIMAL_MINUS_INFINITY);
}

bool
decimal_add(const struct where_decimal *a, const struct where_decimal *b, bool is_subtraction,
            struct arena *mem, struct where_decimal *sum_out)
{
    if (a->kind != DECIMAL_FINITE || b->kind != DECIMAL_FINITE) {
        int left = infinity_sign(a);
        int right = is_subtraction ? -infinity_sign(b) : infinity_sign(b);
        bool is_nan = a->kind == DECIMAL_NAN || b->kind == DECIMAL_NAN || left + right == 0;
        *sum_out = special(is_nan ? 0 : left + right);
        return true;
    }
    if (a->whole.size + a->fraction.size > DECIMAL_DIGITS_MAX ||
        b->whole.size + b->fraction.size > DECIMAL_DIGITS_MAX) {
        return false;
    }
    bool b_negative = b->is_negative != is_subtraction;
    if (a->is_negative == b_negative) {
        *sum_out = combine(a, b, false, mem);
        sum_out->is_negative = a->is_negative;
    } else if (compare_magnitudes(a, b) >= 0) {
        *sum_out = combine(a, b, true, mem);
        sum_out->is_negative = a->is_negative;
    } else {
        *sum_out = combine(b, a, true, mem);
        sum_out->is_negative = b_negative;
    }
    return true;
}

static int
sign_of(const struct where_decimal *d)
{
    if (d->kind != DECIMAL_FINITE) {
        return infinity_sign(d);
    }
    return decimal_is_zero(d) ? 0 : d->is_negative ? -1 : 1;
}

bool
decimal_multiply(const struct where_decimal *a, const struct where_decimal *b, struct arena *mem,
                 struct where_decimal *product_out)
{
    if (a->kind != DECIMAL_FINITE || b->kind != DECIMAL_FINITE) {
        bool is_nan = a->kind == DECIMAL_NAN || b->kind == DECIMAL_NAN;
        *product_out = special(is_nan ? 0 : sign_of(a) * sign_of(b));
        return true;
    }
    size_t fraction = a->fraction.size + b->fraction.size;
    size_t size = a->whole.size + b->whole.size + fraction;
    if (size > DECIMAL_DIGITS_MAX) {
        return false;
    }
    uint32_t *sums = arena_alloc(mem, size + 1, sizeof *sums);
    for (int64_t i = -(int64_t)a->fraction.size; i < (int64_t)a->whole.size; i++) {
        uint32_t digit = (uint32_t)digit_at(a, i);
        for (int64_t k = -(int64_t)b->fraction.size; k < (int64_t)b->whole.size && digit != 0;
             k++) {
            sums[i + k + (int64_t)fraction] += digit * (uint32_t)digit_at(b, k);
        }
    }
    uint8_t *digits = arena_alloc(mem, size + 1, 1);
    uint32_t carry = 0;
    for (size_t i = 0; i < size; i++) {
        uint32_t sum = sums[i] + carry;
        digits[size - 1 - i] = (uint8_t)('0' + sum % 10);
        carry = sum / 10;
    }
    ASSERT(carry == 0);
    *product_out = from_digits(digits, size - fraction, fraction, a->is_negative != b->is_negative);
    return true;
}

void
decimal_print(const struct where_decimal *decimal, bool with_trailing_zeros, struct buf *out)
{
    if (decimal->kind != DECIMAL_FINITE) {
        buf_append_str(out, decimal->kind == DECIMAL_NAN             ? "NaN"
                            : decimal->kind == DECIMAL_PLUS_INFINITY ? "Infinity"
                                                                     : "-Infinity");
        return;
    }
    struct view fraction = decimal->fraction;
    while (!with_trailing_zeros && fraction.size > 0 && fraction.bytes[fraction.size - 1] == '0') {
        fraction.size--;
    }
    buf_append_str(out, decimal->is_negative && !decimal_is_zero(decimal) ? "-" : "");
    if (decimal->whole.size == 0) {
        buf_append_byte(out, '0');
    }
    buf_append_view(out, decimal->whole);
    if (fraction.size > 0) {
        buf_append_byte(out, '.');
        buf_append_view(out, fraction);
    }
}

struct where_decimal
decimal_from_integer(int64_t integer, struct arena *mem)
{
    char text[24];
    int size = snprintf(text, sizeof text, "%lld", (long long)integer);
    uint8_t *copy = arena_alloc(mem, (size_t)size, 1);
    memcpy(copy, text, (size_t)size);
    bool is_negative = copy[0] == '-';
    struct view digits = {copy + is_negative, (size_t)size - is_negative};
    return from_digits((uint8_t *)(uintptr_t)digits.bytes, digits.size, 0, is_negative);
}
