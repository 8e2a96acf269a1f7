/* Figures add up from any thread and come out as Prometheus reads them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/metrics.h"

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

static void
every_name_is_ours_and_has_help(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        const char *help;
    } rows[] = {
#define COUNTER(id, service, name, labels, help)  {name, help},
#define GAUGE(id, service, name, labels, help)    {name, help},
#define DURATION(id, service, name, labels, help) {name, help},
#include "common/metrics.def"
#undef COUNTER
#undef GAUGE
#undef DURATION
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_memory_equal(rows[i].name, "shapewire_", 10);
        bool is_same = i > 0 && strcmp(rows[i].name, rows[i - 1].name) == 0;
        assert_int_equal(rows[i].help[0] == '\0', is_same);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_lost_between_threads),
        cmocka_unit_test(the_text_has_type_help_and_values),
        cmocka_unit_test(every_name_is_ours_and_has_help),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
