/*
 * config.h - the settings of a process, from its environment.
 *
 * config.def is the table of all settings; the struct below has a member for
 * each row. What the table does not say is said in config.c: how texts become
 * values, the defaults that depend on other settings, and what a service needs.
 * A variable that is set but empty counts as not set.
 *
 * Threading: filled once, then read by anybody.
 */
#ifndef COMMON_CONFIG_H
#define COMMON_CONFIG_H

#include <stdio.h>

#include "common/err.h"
#include "common/log.h"

/* Of numbers, durations and ports without a default. */
#define CONFIG_UNSET 0u

/* How the API gets at shape logs. */
enum config_api_storage {
    CONFIG_API_STORAGE_AUTO, /* from files when it sees the collector's ID file, else remote */
    CONFIG_API_STORAGE_REMOTE,
};

struct config_request_limits {
    uint32_t initial;
    uint32_t existing;
};

/* The C type of each TYPE of config.def. NULL and CONFIG_UNSET mean not set. */
#define CONFIG_TYPE_STRING         char *
#define CONFIG_TYPE_SECRET         char * /* never logged, never in an error message */
#define CONFIG_TYPE_IDENTIFIER     char * /* lower-case letters, digits and _ */
#define CONFIG_TYPE_ADDRESS        char * /* ipc://path or tcp://host:port */
#define CONFIG_TYPE_BOOL           bool
#define CONFIG_TYPE_NUMBER         uint32_t
#define CONFIG_TYPE_PORT           uint16_t
#define CONFIG_TYPE_DURATION       uint32_t /* ms */
#define CONFIG_TYPE_SECONDS        uint32_t /* s; a bare number is seconds */
#define CONFIG_TYPE_SIZE           uint64_t /* bytes */
#define CONFIG_TYPE_LOG_LEVEL      enum log_level
#define CONFIG_TYPE_API_STORAGE    enum config_api_storage
#define CONFIG_TYPE_REQUEST_LIMITS struct config_request_limits

struct config {
#define GROUP(title)
#define OPTION(member, TYPE, name, preset, min, max, help) CONFIG_TYPE_##TYPE member;
#define ALIAS(name, member)
#define ACCEPTED(name, why)
#include "common/config.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef ACCEPTED

    char *accepted_names; /* what was set and has no effect here, by commas; NULL for none */
    char *unknown_names;  /* ELECTRIC_… and SHAPEWIRE_… that nobody knows, by commas; or NULL */
};

/*
 * Reads `env`, a NULL-terminated list of NAME=value. The caller owns what is in *config_out and
 * ends it with config_free(). Nothing is required here; see the two functions below.
 *
 * Errors: ERR_INVALID; the message names the variable, its value unless secret, and what is
 * allowed.
 */
NODISCARD bool config_load(char *const *env, struct config *config_out, struct err *err);

/* DATABASE_URL is there. For who talks to Postgres, or starts somebody who does. Errors:
 * ERR_INVALID. */
NODISCARD bool config_require_database(const struct config *config, struct err *err);

/* Either ELECTRIC_SECRET or ELECTRIC_INSECURE=true. For who serves clients. Errors: ERR_INVALID. */
NODISCARD bool config_require_access(const struct config *config, struct err *err);

/*
 * Makes the runtime folder (0700) and its folder `control`, or checks that they are ours alone.
 * Errors: ERR_IO, ERR_INVALID (somebody else's).
 */
NODISCARD bool config_make_runtime_dir(const struct config *config, struct err *err);

/* The settings as lines for --help, or as the tables of docs/configuration.md. */
void config_print_help(FILE *file);
void config_print_markdown(FILE *file);

/* A zeroed struct and one that is freed already are accepted. */
void config_free(struct config *config);

#endif
