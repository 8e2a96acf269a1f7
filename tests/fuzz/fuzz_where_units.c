/*
 * Any date, time or interval has a value under every function of time or an error, and what is cut
 * off stays cut off: a truncated value is truncated to itself and is not later than what it was.
 *
 * Covers: common/core/where_unit.c common/core/where_ops_extract.c common/core/where_ops_stamp.c
 *     common/core/where_ops_enum.c
 */
#include "common/arena.h"
#include "common/core/where_datetime.h"
#include "common/core/where_ops.h"
#include "tests/lib/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const UNITS[] = {
    "year",    "month",   "day",       "hour",         "minute",       "second",   "epoch",
    "week",    "quarter", "dow",       "isodow",       "doy",          "isoyear",  "decade",
    "century", "julian",  "timezone",  "milliseconds", "microseconds", "MSEC",     "UTC",
    "utc",     "cent",    "timezone_", "millennium",   "parsec",       "Timezone", "",
};

static int64_t
edge(struct fuzz_input *in)
{
    static const int64_t edges[] = {0,
                                    1,
                                    -1,
                                    86400000000,
                                    -86400000000,
                                    INT32_MIN,
                                    INT32_MAX,
                                    -211813488000000000,
                                    INT64_MIN,
                                    INT64_MAX,
                                    9223371331199999999};
    return edges[fuzz_input_below(in, COUNT_OF(edges))];
}

/* A value that the type can have, often at an end of it. */
static struct where_value
value_of(struct fuzz_input *in, enum where_base base)
{
    struct where_value value = {0};
    int64_t number = fuzz_input_chance(in, 2) ? edge(in) : (int64_t)fuzz_input_u64(in);
    switch ((int)base) {
    case WT_TEXT:
        value.text = view_str(UNITS[fuzz_input_below(in, COUNT_OF(UNITS))]);
        break;
    case WT_FLOAT8:
        value.real = fuzz_input_chance(in, 4) ? 0 : (double)number / 1e9;
        break;
    case WT_DATE:
        value.integer = number % INT32_MAX;
        value.integer = value.integer < -2451545 ? INT32_MIN : value.integer;
        value.integer = value.integer >= 2145031949 ? INT32_MAX : value.integer;
        break;
    case WT_TIME:
        value.integer = number % (DATETIME_US_PER_DAY + 1);
        value.integer = value.integer < 0 ? 0 : value.integer;
        break;
    case WT_INTERVAL:
        value.interval = (struct where_interval){(int32_t)edge(in), (int32_t)number, number};
        break;
    default: /* timestamps */
        value.integer = number;
        if (number < -211813488000000000) {
            value.integer = DATETIME_MINUS_INFINITY;
        } else if (number > 9223371331199999999) {
            value.integer = DATETIME_INFINITY;
        }
        break;
    }
    return value;
}

static bool
is_of_time(const struct where_fn *fn)
{
    bool has_time = false;
    for (size_t i = 0; i < fn->arg_count; i++) {
        enum where_base base = fn->args[i];
        bool is_time = base >= WT_DATE && base <= WT_INTERVAL;
        has_time = has_time || is_time;
        if (!is_time && base != WT_TEXT && base != WT_FLOAT8) {
            return false;
        }
    }
    return has_time && fn->kind <= FN_FUNCTION && fn->impl != NULL;
}

static void
check_truncated(struct where_scratch *scratch, const struct where_fn *fn,
                const struct where_value *args, const struct where_value *result)
{
    struct where_value again[WHERE_FN_ARGS] = {args[0], *result};
    struct where_value twice = {0};
    struct where_type type = {.base = fn->result};
    bool is_trunc = fn->impl == trunc_timestamp || fn->impl == trunc_timestamptz;
    if (is_trunc || fn->impl == trunc_interval) {
        ASSERT(fn->impl(scratch, again, &twice));
        ASSERT(where_value_compare(type, result, &twice) == 0);
        ASSERT(!is_trunc || where_value_compare(type, result, &args[1]) <= 0);
    }
}

static void
order_labels(struct fuzz_input *in, struct where_scratch *scratch)
{
    struct where_value labels[2] = {{.text = view_str("a")}, {.text = view_str("b")}};
    struct where_value args[3] = {labels[fuzz_input_below(in, 2)],
                                  {.text = fuzz_input_bytes(in, 1)},
                                  {.array = {.count = 2, .items = labels}}};
    struct where_value less = {0};
    struct where_value more = {0};
    if (enum_lt(scratch, args, &less)) {
        ASSERT(enum_ge(scratch, args, &more) && more.boolean != less.boolean);
        ASSERT(enum_gt(scratch, args, &less) && enum_le(scratch, args, &more));
        ASSERT(more.boolean != less.boolean);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct fuzz_input in = fuzz_input_endless(data, size);
    struct arena *mem = arena_new(1u << 20);
    struct where_scratch scratch = {.mem = mem, .err = &err};
    for (size_t i = 0; i < where_fn_count; i++) {
        const struct where_fn *fn = &where_fns[i];
        if (!is_of_time(fn)) {
            continue;
        }
        struct where_value args[WHERE_FN_ARGS] = {0};
        struct where_value result = {0};
        for (size_t k = 0; k < fn->arg_count; k++) {
            args[k] = value_of(&in, fn->args[k]);
        }
        scratch.arg_type = (struct where_type){.base = fn->args[0]};
        scratch.result = fn->result;
        if (fn->impl(&scratch, args, &result) && !result.is_null) {
            check_truncated(&scratch, fn, args, &result);
        }
    }
    order_labels(&in, &scratch);
    arena_free(mem);
    return 0;
}
