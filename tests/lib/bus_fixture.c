#include "tests/lib/bus_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "tests/lib/tmp_path.h"

struct loop *test_loop;
char test_url[256];

int
bus_set_up(void **state)
{
    (void)state;
    struct err err;
    assert_true(loop_new(&test_loop, &err));
    snprintf(test_url, sizeof test_url, "ipc://%s", tmp_path("bus"));
    return 0;
}

/* Jobs of what was closed free themselves; ASan finds what they leave. */
int
bus_tear_down(void **state)
{
    (void)state;
    loop_free(test_loop);
    return 0;
}

static void
stop(void *ctx)
{
    (void)ctx;
    loop_stop(test_loop);
}

void
bus_run_for(uint64_t ms)
{
    struct loop_timer timer;
    loop_timer_init(&timer, test_loop, stop, NULL);
    loop_timer_set(&timer, ms);
    loop_run(test_loop);
    loop_timer_clear(&timer);
}
