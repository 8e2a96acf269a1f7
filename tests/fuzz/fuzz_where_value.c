/*
 * Any text is a value of a type or not. A value's own text is a value again, equal to it, with the
 * same key, and with that same text; values have one order.
 *
 * Covers: common/core/where_value.c common/core/where_datetime.c common/core/where_decimal.c
 *     common/core/where_interval.c common/core/where_array.c common/core/where_type.c
 *
 */
#include <string.h>

#include "common/buf.h"
#include "common/core/where_array.h"
#include "common/core/where_datetime.h"
#include "common/core/where_decimal.h"
#include "tests/lib/where_gen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const WORDS[] = {
    "{",   "}",   ",",          "\"",       "NULL",   "-",     "+",    ":",
    ".",   " ",   "2024-02-29", "infinity", " BC",    "T",     "Z",    "P",
    "1Y",  "2M",  "3DT",        "4H",       "5.25S",  "1 day", " ago", "NaN",
    "1e5", "\\x", "ff",         "24:00:00", "+08:30", "year",  "mons"};

static int
sign(int order)
{
    return (order > 0) - (order < 0);
}

static void
check_round_trip(struct where_type type, const struct where_value *value, struct arena *mem)
{
    struct err err;
    struct where_value again;
    struct buf text = {0};
    struct buf again_text = {0};
    struct buf key = {0};
    struct buf again_key = {0};
    where_value_print(type, value, &text);
    ASSERT(where_value_parse(type, buf_view(&text), mem, &again, &err));
    ASSERT(type.base == WT_JSON || where_value_compare(type, value, &again) == 0);
    where_value_print(type, &again, &again_text);
    ASSERT(view_equal(buf_view(&text), buf_view(&again_text)));
    where_value_key(type, value, &key);
    where_value_key(type, &again, &again_key);
    ASSERT(view_equal(buf_view(&key), buf_view(&again_key)));
    buf_free(&text);
    buf_free(&again_text);
    buf_free(&key);
    buf_free(&again_key);
}

/* Equal values have equal keys, which the index looks up; different ones, different keys. */
static void
check_keys(struct where_type type, const struct where_value *a, const struct where_value *b)
{
    struct buf key = {0};
    struct buf other = {0};
    where_value_key(type, a, &key);
    where_value_key(type, b, &other);
    bool is_same = view_equal(buf_view(&key), buf_view(&other));
    ASSERT(is_same == (where_value_compare(type, a, b) == 0));
    buf_free(&key);
    buf_free(&other);
}

static void
check_arrays(struct where_type type, const struct where_value *a, const struct where_value *b)
{
    bool overlaps = where_array_overlaps(type, &a->array, &b->array);
    ASSERT(overlaps == where_array_overlaps(type, &b->array, &a->array));
    if (where_array_contains(type, &a->array, &b->array)) {
        ASSERT(overlaps || b->array.count == 0);
    }
}

static void
check_order(struct where_type type, const struct where_value *values, size_t count)
{
    for (size_t a = 0; a < count; a++) {
        for (size_t b = 0; b < count; b++) {
            int order = sign(where_value_compare(type, &values[a], &values[b]));
            ASSERT(order == -sign(where_value_compare(type, &values[b], &values[a])));
            check_keys(type, &values[a], &values[b]);
            if (type.is_array) {
                check_arrays(type, &values[a], &values[b]);
            }
            for (size_t c = 0; c < count; c++) {
                bool rises = order <= 0 && where_value_compare(type, &values[b], &values[c]) <= 0;
                ASSERT(!rises || where_value_compare(type, &values[a], &values[c]) <= 0);
            }
        }
    }
}

/* Sums and products as they are used by evaluation. */
static void
check_arithmetic(struct where_type type, const struct where_value *a, const struct where_value *b,
                 struct arena *mem)
{
    struct where_value result = {0};
    int64_t us;
    if (type.is_array) {
        return;
    }
    if (type.base == WT_NUMERIC) {
        if (decimal_add(&a->decimal, &b->decimal, false, mem, &result.decimal)) {
            check_round_trip(type, &result, mem);
        }
        if (decimal_add(&a->decimal, &b->decimal, true, mem, &result.decimal)) {
            check_round_trip(type, &result, mem);
        }
        if (decimal_multiply(&a->decimal, &b->decimal, mem, &result.decimal)) {
            check_round_trip(type, &result, mem);
        }
    } else if (type.base == WT_INTERVAL) {
        if (datetime_add_interval(0, a->interval, &us)) {
            (void)datetime_add_interval(us, b->interval, &us);
        }
    } else if (type.base == WT_INT8) {
        result.decimal = decimal_from_integer(a->integer, mem);
        check_round_trip((struct where_type){.base = WT_NUMERIC}, &result, mem);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct where_type type = {.base = (enum where_base)fuzz_input_below(&in, WHERE_BASE_COUNT),
                              .is_array = fuzz_input_chance(&in, 4)};
    struct where_value values[3];
    struct arena *mem = arena_new(16u << 20);
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        struct err err;
        struct buf text = {0};
        if (fuzz_input_chance(&in, 2)) {
            fuzz_input_spell(WORDS, COUNT_OF(WORDS), fuzz_input_bytes(&in, 24), &text);
        } else {
            buf_append_view(&text, where_gen_text(&in, type));
        }
        uint8_t *copy = arena_alloc(mem, text.size + 1, 1);
        memcpy(copy, buf_str(&text), text.size);
        count += where_value_parse(type, view_of(copy, text.size), mem, &values[count], &err);
        buf_free(&text);
    }
    /* jsonb knows only equal and not equal here, json not even that. */
    bool has_order = type.base != WT_JSON && type.base != WT_JSONB;
    for (size_t i = 0; i < count; i++) {
        check_round_trip(type, &values[i], mem);
        check_arithmetic(type, &values[i], &values[0], mem);
    }
    check_order(type, values, has_order ? count : 0);
    enum where_base base;
    if (where_type_by_name(view_str(where_type_name(type)), &base)) {
        ASSERT(base == type.base && !type.is_array);
    }
    (void)where_type_by_oid((uint32_t)fuzz_input_below(&in, 4000));
    arena_free(mem);
    return 0;
}
