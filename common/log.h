/*
 * log.h - one line per event: time, level, service, event=…, then key=value.
 *
 *     log_info("event=slot_created slot=%s lsn=%s", slot, lsn);
 *     log_warn("event=connect_failed host=%s error=\"%s\"", host, err.msg);
 *
 * Values that may hold spaces stand in double quotes; control characters are
 * written as a space. An error is logged once, by the one who stops passing it up.
 *
 * Threading: any thread; a line is one write.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include "common/base.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

/* Who writes, and from which level on. Before this call: "?" and info. */
void log_init(const char *service, enum log_level level);
bool log_is_on(enum log_level level);
void log_write(enum log_level level, const char *fmt, ...) PRINTF(2, 3);

#define log_error(...) log_write(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) \
    (log_is_on(LOG_LEVEL_DEBUG) ? log_write(LOG_LEVEL_DEBUG, __VA_ARGS__) : (void)0)

#endif
