#include "common/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/config_table.h"
#include "common/config_value.h"
#include "common/fs.h"
#include "common/mem.h"

#define IPC "ipc://"

#define REPLICATION_IDLE_MIN_MS 30000u

const struct config_row config_rows[] = {
#define GROUP(title) {.kind = CONFIG_ROW_GROUP, .name = (title)},
#define OPTION(member, TYPE, variable, standard, least, most, text) \
    {.kind = CONFIG_ROW_OPTION,                                     \
     .name = (variable),                                            \
     .type = CONFIG_IS_##TYPE,                                      \
     .offset = offsetof(struct config, member),                     \
     .preset = (standard),                                          \
     .min = (least),                                                \
     .max = (most),                                                 \
     .help = (text)},
#define ALIAS(variable, member) \
    {.kind = CONFIG_ROW_ALIAS, .name = (variable), .offset = offsetof(struct config, member)},
#define ACCEPTED(variable, why) {.kind = CONFIG_ROW_ACCEPTED, .name = (variable), .help = (why)},
#include "common/config.def"
#undef GROUP
#undef OPTION
#undef ALIAS
#undef ACCEPTED
};
const size_t config_row_count = COUNT_OF(config_rows);

/* ---- one value */

static bool
is_text(enum config_type type)
{
    return type == CONFIG_IS_STRING || type == CONFIG_IS_SECRET || type == CONFIG_IS_IDENTIFIER ||
           type == CONFIG_IS_ADDRESS;
}

static bool
has_prefix(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static bool
text_is_allowed(const struct config_row *row, const char *text)
{
    size_t size = strlen(text);
    if (size < row->min || size > row->max) {
        return false;
    }
    if (row->type == CONFIG_IS_IDENTIFIER) {
        return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789_") == size;
    }
    if (row->type == CONFIG_IS_ADDRESS) {
        return has_prefix(text, IPC) || has_prefix(text, "tcp://");
    }
    return true;
}

static bool
parse_u64(const struct config_row *row, const char *text, uint64_t *value_out)
{
    bool ok = row->type == CONFIG_IS_DURATION  ? config_parse_duration(text, value_out)
              : row->type == CONFIG_IS_SECONDS ? config_parse_seconds(text, value_out)
              : row->type == CONFIG_IS_SIZE    ? config_parse_size(text, value_out)
                                               : config_parse_number(text, value_out);
    return ok && *value_out >= row->min && *value_out <= row->max;
}

static bool
limits_are_allowed(const struct config_row *row, const struct config_request_limits *limits)
{
    return limits->initial >= row->min && limits->initial <= row->max &&
           limits->existing >= row->min && limits->existing <= row->max;
}

/* False when the text is not allowed; the member is then as before. */
static bool
set_member(const struct config_row *row, const char *text, struct config *config)
{
    void *member = (char *)config + row->offset;
    uint64_t number = 0;
    switch (row->type) {
    case CONFIG_IS_STRING:
    case CONFIG_IS_SECRET:
    case CONFIG_IS_IDENTIFIER:
    case CONFIG_IS_ADDRESS: {
        if (!text_is_allowed(row, text)) {
            return false;
        }
        char **string = member;
        mem_free(*string);
        *string = mem_dup_str(text);
        return true;
    }
    case CONFIG_IS_BOOL:
        return config_parse_bool(text, member);
    case CONFIG_IS_LOG_LEVEL:
        return config_parse_log_level(text, member);
    case CONFIG_IS_API_STORAGE:
        return config_parse_api_storage(text, member);
    case CONFIG_IS_REQUEST_LIMITS: {
        struct config_request_limits limits = *(struct config_request_limits *)member;
        if (!config_parse_request_limits(text, &limits) || !limits_are_allowed(row, &limits)) {
            return false;
        }
        *(struct config_request_limits *)member = limits;
        return true;
    }
    case CONFIG_IS_PORT:
        if (!parse_u64(row, text, &number)) {
            return false;
        }
        *(uint16_t *)member = (uint16_t)number;
        return true;
    case CONFIG_IS_SIZE:
        return parse_u64(row, text, member);
    case CONFIG_IS_NUMBER:
    case CONFIG_IS_DURATION:
    case CONFIG_IS_SECONDS:
        if (!parse_u64(row, text, &number)) {
            return false;
        }
        *(uint32_t *)member = (uint32_t)number;
        return true;
    }
    return false;
}

static bool
set_from(const struct config_row *row, const char *name, const char *text, struct config *config,
         struct err *err)
{
    if (set_member(row, text, config)) {
        return true;
    }
    char allowed[CONFIG_ALLOWED_SIZE];
    config_allowed(row, allowed);
    if (row->type == CONFIG_IS_SECRET) {
        return err_set(err, ERR_INVALID, "%s must be %s", name, allowed);
    }
    return err_set(err, ERR_INVALID, "%s is \"%.64s\" but must be %s", name, text, allowed);
}

/* ---- the environment */

/* NULL when not set, or set to nothing. */
static const char *
look_up(char *const *env, const char *name)
{
    size_t size = strlen(name);
    for (; *env != NULL; env++) {
        if (strncmp(*env, name, size) == 0 && (*env)[size] == '=') {
            const char *value = *env + size + 1;
            return *value != '\0' ? value : NULL;
        }
    }
    return NULL;
}

static const struct config_row *
option_of(const struct config_row *alias)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (row->kind == CONFIG_ROW_OPTION && row->offset == alias->offset) {
            return row;
        }
    }
    BUG("every alias has its option");
}

static void
add_name(struct buf *names, const char *name, size_t size)
{
    if (names->size > 0) {
        buf_append_byte(names, ',');
    }
    buf_append(names, name, size);
}

static char *
take_names(struct buf *names)
{
    char *text = names->size > 0 ? mem_dup_bytes(names->bytes, names->size) : NULL;
    buf_free(names);
    return text;
}

static bool
is_known(const char *name, size_t size)
{
    for (size_t i = 0; i < config_row_count; i++) {
        if (config_rows[i].kind != CONFIG_ROW_GROUP && strlen(config_rows[i].name) == size &&
            memcmp(config_rows[i].name, name, size) == 0) {
            return true;
        }
    }
    return false;
}

static void
note_names(char *const *env, struct config *config)
{
    struct buf accepted = {0};
    for (size_t i = 0; i < config_row_count; i++) {
        if (config_rows[i].kind == CONFIG_ROW_ACCEPTED &&
            look_up(env, config_rows[i].name) != NULL) {
            add_name(&accepted, config_rows[i].name, strlen(config_rows[i].name));
        }
    }
    struct buf unknown = {0};
    for (; *env != NULL; env++) {
        size_t size = strcspn(*env, "=");
        if ((has_prefix(*env, "ELECTRIC_") || has_prefix(*env, "SHAPEWIRE_")) &&
            !is_known(*env, size)) {
            add_name(&unknown, *env, size);
        }
    }
    config->accepted_names = take_names(&accepted);
    config->unknown_names = take_names(&unknown);
}

/* First the default, then the older name, then the name itself. */
static bool
read_options(char *const *env, struct config *config, struct err *err)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (row->kind == CONFIG_ROW_OPTION && row->preset != NULL) {
            bool ok = set_member(row, row->preset, config);
            ASSERT(ok);
        }
    }
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        const char *text = row->kind == CONFIG_ROW_ALIAS ? look_up(env, row->name) : NULL;
        if (text != NULL && !set_from(option_of(row), row->name, text, config, err)) {
            return false;
        }
    }
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        const char *text = row->kind == CONFIG_ROW_OPTION ? look_up(env, row->name) : NULL;
        if (text != NULL && !set_from(row, row->name, text, config, err)) {
            return false;
        }
    }
    return true;
}

/* ---- defaults that depend on other settings */

static void
append_part(struct buf *path, const char *part, size_t size)
{
    if (size > 0 && !(size == 1 && part[0] == '.')) {
        buf_append_byte(path, '/');
        buf_append(path, part, size);
    }
}

/* The absolute path, without "." and doubled slashes; the folder need not exist yet. */
static bool
append_absolute(struct buf *path, const char *dir, struct err *err)
{
    if (dir[0] != '/') {
        char *here = getcwd(NULL, 0);
        if (here == NULL) {
            return err_set(err, ERR_IO, "find the working directory: %s", strerror(errno));
        }
        buf_append_str(path, here);
        free(here);
    }
    while (*dir != '\0') {
        size_t size = strcspn(dir, "/");
        append_part(path, dir, size);
        dir += size + (dir[size] == '/');
    }
    return true;
}

/* One engine, one folder: two engines of a user differ in their storage or their port. */
static bool
derive_runtime_dir(struct config *config, struct err *err)
{
    struct buf identity = {0};
    if (!append_absolute(&identity, config->storage_dir, err)) {
        buf_free(&identity);
        return false;
    }
    buf_printf(&identity, "\n%u", config->port);
    char path[64];
    snprintf(path, sizeof path, "/tmp/shapewire-%u-%08x", (unsigned)geteuid(),
             (unsigned)wire_crc32c(identity.bytes, identity.size));
    buf_free(&identity);
    config->runtime_dir = mem_dup_str(path);
    return true;
}

static void
derive_address(char **address, const char *runtime_dir, const char *channel)
{
    if (*address == NULL) {
        struct buf text = {0};
        buf_printf(&text, IPC "%s/%s", runtime_dir, channel);
        *address = take_names(&text);
    }
}

static bool
derive(struct config *config, struct err *err)
{
    if (config->pooled_database_url == NULL && config->database_url != NULL) {
        config->pooled_database_url = mem_dup_str(config->database_url);
    }
    if (config->runtime_dir == NULL && !derive_runtime_dir(config, err)) {
        return false;
    }
    derive_address(&config->bus_report, config->runtime_dir, "report");
    derive_address(&config->bus_status, config->runtime_dir, "status");
    derive_address(&config->bus_repl, config->runtime_dir, "repl");
    derive_address(&config->bus_db, config->runtime_dir, "db");
    derive_address(&config->bus_shape, config->runtime_dir, "shape");
    derive_address(&config->bus_log, config->runtime_dir, "log");
    derive_address(&config->bus_control, config->runtime_dir, "control");
    return true;
}

/* ---- the whole */

/* Engine spec §1.14. */
static bool
check_idle(const struct config *config, struct err *err)
{
    if (config->replication_idle_ms > 0 && config->replication_idle_ms < REPLICATION_IDLE_MIN_MS) {
        return err_set(err, ERR_INVALID,
                       "ELECTRIC_REPLICATION_IDLE_TIMEOUT is %llu ms: minimum supported timeout is "
                       "30sec (0: never)",
                       (unsigned long long)config->replication_idle_ms);
    }
    return true;
}

bool
config_load(char *const *env, struct config *config_out, struct err *err)
{
    struct config config = {0};
    if (!read_options(env, &config, err) || !derive(&config, err) || !check_idle(&config, err)) {
        config_free(&config);
        return false;
    }
    note_names(env, &config);
    *config_out = config;
    return true;
}

bool
config_require_database(const struct config *config, struct err *err)
{
    if (config->database_url == NULL) {
        return err_set(err, ERR_INVALID,
                       "DATABASE_URL is not set: it names the database to sync from, as "
                       "postgresql://user:password@host:5432/name");
    }
    return true;
}

bool
config_require_access(const struct config *config, struct err *err)
{
    if (config->secret == NULL && !config->insecure) {
        return err_set(err, ERR_INVALID,
                       "neither ELECTRIC_SECRET nor ELECTRIC_INSECURE is set: set "
                       "ELECTRIC_SECRET to what clients must send, or ELECTRIC_INSECURE=true to "
                       "serve everybody who reaches the port");
    }
    if (config->secret != NULL && config->insecure) {
        return err_set(err, ERR_INVALID,
                       "ELECTRIC_SECRET and ELECTRIC_INSECURE=true are both set: only one of them "
                       "can hold");
    }
    return true;
}

/* Others may not put sockets of theirs where our services look for each other. */
static bool
make_private_dir(const char *path, struct err *err)
{
    struct stat stat;
    if (mkdir(path, 0700) != 0 && errno != EEXIST) {
        return fs_fail(err, "make the runtime folder", path);
    }
    if (lstat(path, &stat) != 0) {
        return fs_fail(err, "look at the runtime folder", path);
    }
    if (!S_ISDIR(stat.st_mode) || stat.st_uid != geteuid() || (stat.st_mode & 022) != 0) {
        return err_set(err, ERR_INVALID,
                       "the runtime folder %s must be a folder of user %u that no other user can "
                       "write; set SHAPEWIRE_RUNTIME_DIR to another one",
                       path, (unsigned)geteuid());
    }
    return true;
}

bool
config_make_runtime_dir(const struct config *config, struct err *err)
{
    if (!make_private_dir(config->runtime_dir, err)) {
        return false;
    }
    return !has_prefix(config->bus_control, IPC) ||
           make_private_dir(config->bus_control + strlen(IPC), err);
}

void
config_free(struct config *config)
{
    for (size_t i = 0; i < config_row_count; i++) {
        const struct config_row *row = &config_rows[i];
        if (row->kind == CONFIG_ROW_OPTION && is_text(row->type)) {
            mem_free(*(char **)(void *)((char *)config + row->offset));
        }
    }
    mem_free(config->accepted_names);
    mem_free(config->unknown_names);
    *config = (struct config){0};
}
