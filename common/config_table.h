/*
 * config_table.h - config.def as rows, for config.c and config_print.c alone.
 */
#ifndef COMMON_CONFIG_TABLE_H
#define COMMON_CONFIG_TABLE_H

#include "common/base.h"

enum config_row_kind {
    CONFIG_ROW_GROUP,
    CONFIG_ROW_OPTION,
    CONFIG_ROW_ALIAS,
    CONFIG_ROW_ACCEPTED,
};

enum config_type {
    CONFIG_IS_STRING,
    CONFIG_IS_SECRET,
    CONFIG_IS_IDENTIFIER,
    CONFIG_IS_ADDRESS,
    CONFIG_IS_BOOL,
    CONFIG_IS_NUMBER,
    CONFIG_IS_PORT,
    CONFIG_IS_DURATION,
    CONFIG_IS_SECONDS,
    CONFIG_IS_SIZE,
    CONFIG_IS_LOG_LEVEL,
    CONFIG_IS_API_STORAGE,
    CONFIG_IS_REQUEST_LIMITS,
};

struct config_row {
    enum config_row_kind kind;
    const char *name; /* of the variable, or the group's title */
    enum config_type type;
    size_t offset;      /* of the member in struct config; an alias has its option's */
    const char *preset; /* the default as text; NULL: none */
    uint64_t min;
    uint64_t max;
    const char *help; /* of an accepted variable: why it has no effect */
};

extern const struct config_row config_rows[];
extern const size_t config_row_count;

/* What a value must be, for messages and help: "a duration from 1ms to 5min". */
#define CONFIG_ALLOWED_SIZE 128
void config_allowed(const struct config_row *row, char allowed[CONFIG_ALLOWED_SIZE]);

#endif
