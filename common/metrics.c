#include "common/metrics.h"

#include <stdatomic.h>
#include <string.h>

enum metric_kind {
    KIND_COUNTER,
    KIND_GAUGE,
    KIND_DURATION,
};

struct row {
    enum metric_kind kind;
    const char *service;
    const char *name;
    const char *labels;
    const char *help;
};

static const struct row rows[] = {
#define COUNTER(id, service, name, labels, help)  {KIND_COUNTER, service, name, labels, help},
#define GAUGE(id, service, name, labels, help)    {KIND_GAUGE, service, name, labels, help},
#define DURATION(id, service, name, labels, help) {KIND_DURATION, service, name, labels, help},
#include "common/metrics.def"
#undef COUNTER
#undef GAUGE
#undef DURATION
};

/* From a tenth of a millisecond to the longest that a request may wait. */
static const struct {
    uint64_t us;
    const char *seconds;
} bounds[] = {
    {100, "0.0001"}, {500, "0.0005"}, {1000, "0.001"},  {5000, "0.005"},
    {10000, "0.01"}, {50000, "0.05"}, {100000, "0.1"},  {500000, "0.5"},
    {1000000, "1"},  {5000000, "5"},  {10000000, "10"}, {60000000, "60"},
};

/* any thread, atomically */
static struct {
    _Atomic uint64_t value; /* of a duration: the sum in µs */
    _Atomic uint64_t
        counts[COUNT_OF(bounds) + 1]; /* of a duration: the last is beyond all bounds */
} cells[METRIC_COUNT];

void
metrics_add(enum metric metric, uint64_t more)
{
    ASSERT(rows[metric].kind == KIND_COUNTER);
    atomic_fetch_add_explicit(&cells[metric].value, more, memory_order_relaxed);
}

void
metrics_set(enum metric metric, uint64_t value)
{
    ASSERT(rows[metric].kind == KIND_GAUGE);
    atomic_store_explicit(&cells[metric].value, value, memory_order_relaxed);
}

void
metrics_observe_us(enum metric metric, uint64_t us)
{
    ASSERT(rows[metric].kind == KIND_DURATION);
    size_t i = 0;
    while (i < COUNT_OF(bounds) && us > bounds[i].us) {
        i++;
    }
    atomic_fetch_add_explicit(&cells[metric].counts[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&cells[metric].value, us, memory_order_relaxed);
}

static uint64_t
value_of(enum metric metric)
{
    return atomic_load_explicit(&cells[metric].value, memory_order_relaxed);
}

static uint64_t
count_of(enum metric metric, size_t bound)
{
    return atomic_load_explicit(&cells[metric].counts[bound], memory_order_relaxed);
}

uint64_t
metrics_value(enum metric metric)
{
    if (rows[metric].kind != KIND_DURATION) {
        return value_of(metric);
    }
    uint64_t count = 0;
    for (size_t i = 0; i <= COUNT_OF(bounds); i++) {
        count += count_of(metric, i);
    }
    return count;
}

static void
print_head(const struct row *row, struct buf *out)
{
    static const char *const types[] = {
        [KIND_COUNTER] = "counter", [KIND_GAUGE] = "gauge", [KIND_DURATION] = "histogram"};
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", row->name, row->help, row->name,
               types[row->kind]);
}

/* `suffix{labels,le="bound"} ` with only what there is. */
static void
print_name(const struct row *row, const char *suffix, const char *bound, struct buf *out)
{
    buf_printf(out, "%s%s", row->name, suffix);
    if (row->labels[0] != '\0' || bound != NULL) {
        buf_printf(out, "{%s%s", row->labels, row->labels[0] != '\0' && bound != NULL ? "," : "");
        if (bound != NULL) {
            buf_printf(out, "le=\"%s\"", bound);
        }
        buf_append_byte(out, '}');
    }
    buf_append_byte(out, ' ');
}

static void
print_duration(enum metric metric, struct buf *out)
{
    const struct row *row = &rows[metric];
    uint64_t count = 0;
    for (size_t i = 0; i <= COUNT_OF(bounds); i++) {
        count += count_of(metric, i);
        print_name(row, "_bucket", i < COUNT_OF(bounds) ? bounds[i].seconds : "+Inf", out);
        buf_append_u64(out, count);
        buf_append_byte(out, '\n');
    }
    print_name(row, "_sum", NULL, out);
    uint64_t sum_us = value_of(metric);
    buf_append_u64(out, sum_us / 1000000);
    buf_printf(out, ".%06u\n", (unsigned)(sum_us % 1000000));
    print_name(row, "_count", NULL, out);
    buf_append_u64(out, count);
    buf_append_byte(out, '\n');
}

void
metrics_print(const char *service, struct buf *out)
{
    const char *last_name = "";
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        const struct row *row = &rows[i];
        if (row->service[0] != '\0' && strcmp(row->service, service) != 0) {
            continue;
        }
        if (strcmp(row->name, last_name) != 0) {
            print_head(row, out);
            last_name = row->name;
        }
        if (row->kind == KIND_DURATION) {
            print_duration((enum metric)i, out);
        } else {
            print_name(row, "", NULL, out);
            buf_append_u64(out, value_of((enum metric)i));
            buf_append_byte(out, '\n');
        }
    }
}
