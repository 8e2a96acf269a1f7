#include "common/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/metrics.h"

/* The longest error is 256 bytes, a line has a few; PIPE_BUF is 4096: such a write is one piece. */
#define LINE_MAX_BYTES 2048
#define SERVICE_SIZE   48

/* Set once before threads start. */
static char log_service[SERVICE_SIZE] = "?";
static enum log_level log_level_max = LOG_LEVEL_INFO;

static const char *
level_name(enum log_level level)
{
    switch (level) {
    case LOG_LEVEL_ERROR:
        return "error";
    case LOG_LEVEL_WARN:
        return "warning";
    case LOG_LEVEL_INFO:
        return "info";
    case LOG_LEVEL_DEBUG:
        return "debug";
    }
    return "?";
}

void
log_init(const char *service, enum log_level level)
{
    snprintf(log_service, sizeof log_service, "%s", service);
    log_level_max = level;
}

bool
log_is_on(enum log_level level)
{
    return level <= log_level_max;
}

/* `time=2026-01-31T12:00:00.123Z level=info service=api `; gives its length. */
static size_t
write_head(char *line, size_t size, enum log_level level)
{
    uint64_t now_us = clock_wall_us();
    time_t seconds = (time_t)(now_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t used = strftime(line, size, "time=%Y-%m-%dT%H:%M:%S", &tm);
    int more = snprintf(line + used, size - used, ".%03uZ level=%s service=%s ",
                        (unsigned)(now_us / 1000 % 1000), level_name(level), log_service);
    ASSERT(more > 0 && (size_t)more < size - used);
    return used + (size_t)more;
}

void
log_write(enum log_level level, const char *fmt, ...)
{
    if (!log_is_on(level)) {
        return;
    }
    if (level <= LOG_LEVEL_WARN) {
        metrics_add(level == LOG_LEVEL_ERROR ? METRIC_LOG_ERRORS : METRIC_LOG_WARNINGS, 1);
    }
    int saved_errno = errno; /* a caller may log between a failing call and its own look at it */
    char line[LINE_MAX_BYTES];
    size_t room = sizeof line - 1; /* for the newline */
    size_t head = write_head(line, room, level);

    va_list ap;
    va_start(ap, fmt);
    int size = vsnprintf(line + head, room - head, fmt, ap);
    va_end(ap);
    ASSERT(size >= 0);

    size_t end = head + (size_t)size;
    if (end >= room) { /* cut, and seen to be */
        end = room - 1;
        memset(line + end - 3, '.', 3);
    }
    for (size_t i = head; i < end; i++) {
        unsigned char c = (unsigned char)line[i];
        if (c < 0x20 || c == 0x7f) {
            line[i] = ' ';
        }
    }
    line[end++] = '\n';
    ssize_t n;
    do { /* a log that nobody can read stops nothing */
        n = write(STDERR_FILENO, line, end);
    } while (n < 0 && errno == EINTR);
    errno = saved_errno;
}
