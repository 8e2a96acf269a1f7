#include "common/config_value.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

struct unit {
    const char *name;
    uint64_t factor;
};

static const struct unit time_units[] = {{"", 1},       {"ms", 1},    {"msec", 1},   {"s", 1000},
                                         {"sec", 1000}, {"m", 60000}, {"min", 60000}};
static const struct unit second_units[] = {
    {"", 1000}, {"s", 1000}, {"sec", 1000}, {"m", 60000}, {"min", 60000}};
static const struct unit size_units[] = {{"", 1},          {"KB", 1000},      {"KiB", 1024},
                                         {"MB", 1000000},  {"MiB", 1u << 20}, {"GB", 1000000000u},
                                         {"GiB", 1u << 30}};

/* Reads digits at *text and moves on. False when there is none, or more than fit. */
static bool
take_digits(const char **text, uint64_t *value_out)
{
    const char *p = *text;
    uint64_t value = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        uint64_t digit = (uint64_t)(*p - '0');
        if (value > (UINT64_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    bool any = p > *text;
    *text = p;
    *value_out = value;
    return any;
}

/* Up to three digits behind the point, as thousandths. */
static bool
take_thousandths(const char **text, uint64_t *thousandths_out)
{
    *thousandths_out = 0;
    if (**text != '.') {
        return true;
    }
    const char *start = ++*text;
    uint64_t value;
    if (!take_digits(text, &value) || *text - start > 3) {
        return false;
    }
    for (ptrdiff_t digits = *text - start; digits < 3; digits++) {
        value *= 10;
    }
    *thousandths_out = value;
    return true;
}

static bool
parse_with_unit(const char *text, const struct unit *units, size_t unit_count, uint64_t *value_out)
{
    uint64_t whole;
    uint64_t thousandths;
    if (!take_digits(&text, &whole) || !take_thousandths(&text, &thousandths)) {
        return false;
    }
    while (*text == ' ') {
        text++;
    }
    for (size_t i = 0; i < unit_count; i++) {
        if (strcasecmp(text, units[i].name) == 0) {
            uint64_t part = thousandths * units[i].factor;
            if (part % 1000 != 0 || whole > UINT64_MAX / units[i].factor - 1) {
                return false;
            }
            *value_out = whole * units[i].factor + part / 1000;
            return true;
        }
    }
    return false;
}

bool
config_parse_number(const char *text, uint64_t *value_out)
{
    uint64_t value;
    if (!take_digits(&text, &value) || *text != '\0') {
        return false;
    }
    *value_out = value;
    return true;
}

bool
config_parse_duration(const char *text, uint64_t *ms_out)
{
    return parse_with_unit(text, time_units, COUNT_OF(time_units), ms_out);
}

bool
config_parse_seconds(const char *text, uint64_t *seconds_out)
{
    uint64_t ms;
    if (!parse_with_unit(text, second_units, COUNT_OF(second_units), &ms) || ms % 1000 != 0) {
        return false;
    }
    *seconds_out = ms / 1000;
    return true;
}

bool
config_parse_size(const char *text, uint64_t *bytes_out)
{
    return parse_with_unit(text, size_units, COUNT_OF(size_units), bytes_out);
}

bool
config_parse_bool(const char *text, bool *value_out)
{
    bool is_true = strcasecmp(text, "true") == 0 || strcmp(text, "1") == 0;
    if (!is_true && strcasecmp(text, "false") != 0 && strcmp(text, "0") != 0) {
        return false;
    }
    *value_out = is_true;
    return true;
}

bool
config_parse_log_level(const char *text, enum log_level *level_out)
{
    static const struct {
        const char *name;
        enum log_level level;
    } levels[] = {
        {"error", LOG_LEVEL_ERROR},     {"warning", LOG_LEVEL_WARN}, {"info", LOG_LEVEL_INFO},
        {"debug", LOG_LEVEL_DEBUG},     {"warn", LOG_LEVEL_WARN},    {"notice", LOG_LEVEL_INFO},
        {"emergency", LOG_LEVEL_ERROR}, {"alert", LOG_LEVEL_ERROR},  {"critical", LOG_LEVEL_ERROR},
        {"none", LOG_LEVEL_ERROR},      {"all", LOG_LEVEL_DEBUG},
    };
    for (size_t i = 0; i < COUNT_OF(levels); i++) {
        if (strcasecmp(text, levels[i].name) == 0) {
            *level_out = levels[i].level;
            return true;
        }
    }
    return false;
}

bool
config_parse_api_storage(const char *text, enum config_api_storage *value_out)
{
    static const char *const names[] = {
        [CONFIG_API_STORAGE_AUTO] = "auto",
        [CONFIG_API_STORAGE_REMOTE] = "remote",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcasecmp(text, names[i]) == 0) {
            *value_out = (enum config_api_storage)i;
            return true;
        }
    }
    return false;
}

/* ---- {"initial": 300, "existing": 10000} */

static void
skip_space(const char **text)
{
    *text += strspn(*text, " \t\r\n");
}

/* One character, with space around it. */
static bool
take_char(const char **text, char c)
{
    skip_space(text);
    if (**text != c) {
        return false;
    }
    ++*text;
    skip_space(text);
    return true;
}

static bool
take_limit(const char **text, struct config_request_limits *limits)
{
    uint32_t *limit;
    if (strncmp(*text, "\"initial\"", 9) == 0) {
        limit = &limits->initial;
        *text += 9;
    } else if (strncmp(*text, "\"existing\"", 10) == 0) {
        limit = &limits->existing;
        *text += 10;
    } else {
        return false;
    }
    uint64_t value;
    if (!take_char(text, ':') || !take_digits(text, &value) || value > UINT32_MAX) {
        return false;
    }
    *limit = (uint32_t)value;
    return true;
}

bool
config_parse_request_limits(const char *text, struct config_request_limits *limits_out)
{
    struct config_request_limits limits = *limits_out;
    if (!take_char(&text, '{')) {
        return false;
    }
    do {
        if (!take_limit(&text, &limits)) {
            return false;
        }
    } while (take_char(&text, ','));
    if (!take_char(&text, '}') || *text != '\0') {
        return false;
    }
    *limits_out = limits;
    return true;
}

/* ---- back to text */

void
config_format_duration(uint64_t ms, char text[CONFIG_TEXT_SIZE])
{
    if (ms > 0 && ms % 60000 == 0) {
        snprintf(text, CONFIG_TEXT_SIZE, "%" PRIu64 "min", ms / 60000);
    } else if (ms > 0 && ms % 1000 == 0) {
        snprintf(text, CONFIG_TEXT_SIZE, "%" PRIu64 "s", ms / 1000);
    } else {
        snprintf(text, CONFIG_TEXT_SIZE, "%" PRIu64 "ms", ms);
    }
}

void
config_format_size(uint64_t bytes, char text[CONFIG_TEXT_SIZE])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB"};
    size_t unit = 0;
    while (unit + 1 < COUNT_OF(units) && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        unit++;
    }
    snprintf(text, CONFIG_TEXT_SIZE, "%" PRIu64 "%s%s", bytes, unit == 0 ? " " : "", units[unit]);
}
