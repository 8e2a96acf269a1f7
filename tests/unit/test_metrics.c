/*
 * Figures add up from any thread and come out as Prometheus reads them; docs/metrics.md says what
 * the table says (UPDATE_DOCS=1 in the environment writes it).
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/metrics.h"

#define DOC     "docs/metrics.md"
#define THREADS 4
#define ROUNDS  10000

static void *
count_up(void *ctx)
{
    (void)ctx;
    for (unsigned i = 0; i < ROUNDS; i++) {
        metrics_add(METRIC_LOG_ERRORS, 2);
    }
    return NULL;
}

static void
nothing_is_lost_between_threads(void **state)
{
    (void)state;
    uint64_t before = metrics_value(METRIC_LOG_ERRORS);
    pthread_t threads[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, NULL), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_int_equal(metrics_value(METRIC_LOG_ERRORS) - before, THREADS * ROUNDS * 2);
}

static void
has_line(struct buf *text, const char *line)
{
    const char *at = strstr(buf_str(text), line);
    assert_non_null(at);
    assert_true(at == buf_str(text) || at[-1] == '\n');
}

static void
the_text_has_type_help_and_values(void **state)
{
    (void)state;
    metrics_set(METRIC_LOOP_WATCHES, 7);
    metrics_set(METRIC_LOOP_WATCHES, 5);
    metrics_observe_us(METRIC_LOOP_TURN, 0);
    metrics_observe_us(METRIC_LOOP_TURN, 100);
    metrics_observe_us(METRIC_LOOP_TURN, 2000001);
    metrics_observe_us(METRIC_LOOP_TURN, 90000000);
    assert_int_equal(metrics_value(METRIC_LOOP_TURN), 4);

    struct buf text = {0};
    metrics_print("api", &text);
    has_line(&text, "# HELP shapewire_log_lines_total Lines logged, by level.\n"
                    "# TYPE shapewire_log_lines_total counter\n"
                    "shapewire_log_lines_total{level=\"error\"} 80000\n"
                    "shapewire_log_lines_total{level=\"warning\"} 0\n");
    has_line(&text, "# TYPE shapewire_loop_descriptors gauge\nshapewire_loop_descriptors 5\n");
    has_line(&text, "# TYPE shapewire_loop_turn_seconds histogram\n"
                    "shapewire_loop_turn_seconds_bucket{le=\"0.0001\"} 2\n");
    has_line(&text, "shapewire_loop_turn_seconds_bucket{le=\"1\"} 2\n"
                    "shapewire_loop_turn_seconds_bucket{le=\"5\"} 3\n");
    has_line(&text, "shapewire_loop_turn_seconds_bucket{le=\"+Inf\"} 4\n"
                    "shapewire_loop_turn_seconds_sum 92.000101\n"
                    "shapewire_loop_turn_seconds_count 4\n");
    buf_free(&text);
}

struct row {
    const char *service;
    const char *name;
    const char *labels;
    const char *help;
    const char *type;
};

static const struct row rows[] = {
#define COUNTER(id, service, name, labels, help)  {service, name, labels, help, "counter"},
#define GAUGE(id, service, name, labels, help)    {service, name, labels, help, "gauge"},
#define DURATION(id, service, name, labels, help) {service, name, labels, help, "histogram"},
#include "common/metrics.def"
#undef COUNTER
#undef GAUGE
#undef DURATION
};

static bool
has_the_name_before(size_t i)
{
    return i > 0 && strcmp(rows[i].name, rows[i - 1].name) == 0;
}

static void
every_name_is_ours_and_has_help(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_memory_equal(rows[i].name, "shapewire_", 10);
        assert_int_equal(rows[i].help[0] == '\0', has_the_name_before(i));
    }
}

#define DOC_HEAD                                                                                  \
    "# Figures\n\n"                                                                               \
    "What `/metrics` gives, in the Prometheus text format. Durations are histograms from 0.1 ms " \
    "to "                                                                                         \
    "60 s.\nWritten from common/metrics.def: `UPDATE_DOCS=1 build/release/bin/test_metrics`.\n\n" \
    "| name | labels | type | service | meaning |\n|---|---|---|---|---|\n"

static void
the_documentation_is_the_table(void **state)
{
    (void)state;
    struct buf expected = {0};
    buf_append_str(&expected, DOC_HEAD);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const char *quote = rows[i].labels[0] != '\0' ? "`" : "";
        buf_printf(&expected, "| `%s` | %s%s%s | %s | %s | %s |\n", rows[i].name, quote,
                   rows[i].labels, quote, rows[i].type,
                   rows[i].service[0] != '\0' ? rows[i].service : "all",
                   has_the_name_before(i) ? "" : rows[i].help);
    }
    FILE *file;
    if (getenv("UPDATE_DOCS") != NULL) {
        file = fopen(DOC, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(expected.bytes, 1, expected.size, file), expected.size);
        assert_int_equal(fclose(file), 0);
    }
    file = fopen(DOC, "r"); /* tests run at the top of the tree */
    assert_non_null(file);
    struct buf doc = {0};
    doc.size = fread(buf_reserve(&doc, 1 << 20), 1, 1 << 20, file);
    (void)fclose(file);
    assert_string_equal(buf_str(&doc), buf_str(&expected));
    buf_free(&doc);
    buf_free(&expected);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_between_threads),
        cmocka_unit_test(the_text_has_type_help_and_values),
        cmocka_unit_test(every_name_is_ours_and_has_help),
        cmocka_unit_test(the_documentation_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
