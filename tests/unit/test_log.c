/* A line has its time, level and service, stays one line, and is cut when it is too long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/log.h"

static char line[8192];

/* Points stderr at a pipe while `write_one` runs and keeps what came out. */
static size_t
captured(void (*write_one)(void))
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    int before = dup(STDERR_FILENO);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    close(ends[1]);
    write_one();
    assert_true(dup2(before, STDERR_FILENO) >= 0);
    close(before);
    ssize_t n = read(ends[0], line, sizeof line - 1);
    assert_true(n >= 0);
    close(ends[0]);
    line[n] = '\0';
    return (size_t)n;
}

static void
write_slot(void)
{
    log_info("event=slot_created slot=%s", "s1\nlevel=error\x7f");
}

static void
write_debug(void)
{
    log_debug("event=hidden");
}

static void
write_long(void)
{
    log_error("event=long text=%05000d", 1);
}

static void
a_line_has_time_level_and_service(void **state)
{
    (void)state;
    log_init("collector", LOG_LEVEL_INFO);
    captured(write_slot);
    static const char pattern[] = "time=dddd-dd-ddTdd:dd:dd.dddZ ";
    for (size_t i = 0; i < sizeof pattern - 1; i++) {
        bool is_digit = line[i] >= '0' && line[i] <= '9';
        assert_true(pattern[i] == 'd' && i > 4 ? is_digit : line[i] == pattern[i]);
    }
    assert_string_equal(line + sizeof pattern - 1,
                        "level=info service=collector event=slot_created slot=s1 level=error \n");
}

static void
a_level_that_is_off_writes_nothing(void **state)
{
    (void)state;
    log_init("collector", LOG_LEVEL_INFO);
    assert_int_equal(captured(write_debug), 0);
    log_init("collector", LOG_LEVEL_DEBUG);
    assert_true(captured(write_debug) > 0);
    log_init("collector", LOG_LEVEL_WARN);
    assert_int_equal(captured(write_slot), 0);
}

static void
a_long_line_is_cut_and_says_so(void **state)
{
    (void)state;
    log_init("collector", LOG_LEVEL_INFO);
    size_t size = captured(write_long);
    assert_true(size <= 2048);
    assert_string_equal(line + size - 4, "...\n");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_time_level_and_service),
        cmocka_unit_test(a_level_that_is_off_writes_nothing),
        cmocka_unit_test(a_long_line_is_cut_and_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
