/*
 * config_value.h - texts of settings to values and back.
 *
 * Pure. Every parser takes the whole text or gives false and leaves its output untouched.
 */
#ifndef COMMON_CONFIG_VALUE_H
#define COMMON_CONFIG_VALUE_H

#include "common/config.h"

/* Decimal digits alone. */
NODISCARD bool config_parse_number(const char *text, uint64_t *value_out);

/* `20000`, `20s`, `1.5 min`; ms msec s sec m min, no unit: ms. */
NODISCARD bool config_parse_duration(const char *text, uint64_t *ms_out);

/* As a duration, but no unit is seconds; whole seconds only. */
NODISCARD bool config_parse_seconds(const char *text, uint64_t *seconds_out);

/* `1024`, `10MiB`, `1.5 KB`; KB MB GB by 1000, KiB MiB GiB by 1024, no unit: bytes. */
NODISCARD bool config_parse_size(const char *text, uint64_t *bytes_out);

/* true, false, 1 or 0. */
NODISCARD bool config_parse_bool(const char *text, bool *value_out);

/* Electric's names and those of its runtime (warn, notice, critical, …). */
NODISCARD bool config_parse_log_level(const char *text, enum log_level *level_out);

NODISCARD bool config_parse_api_storage(const char *text, enum config_api_storage *value_out);

/* A JSON object with a number for each of "initial" and "existing", in any order; one that is
 * missing keeps what *limits_out says. */
NODISCARD bool config_parse_request_limits(const char *text,
                                           struct config_request_limits *limits_out);

/* In the largest unit that is exact: 90s, 5min, 10MiB. */
#define CONFIG_TEXT_SIZE 32
void config_format_duration(uint64_t ms, char text[CONFIG_TEXT_SIZE]);
void config_format_size(uint64_t bytes, char text[CONFIG_TEXT_SIZE]);

#endif
