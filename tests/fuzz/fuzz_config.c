/*
 * Any environment: every setting is taken or refused by name; what is taken is in its range, and
 * said again as text it is the same.
 *
 * Covers: common/config.c common/config_value.c
 */
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/config_table.h"
#include "common/config_value.h"
#include "common/mem.h"
#include "tests/lib/fuzz_input.h"

#define SETTINGS 6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const WORDS[32] = {
    "0",
    "1",
    "20",
    "s",
    "ms",
    "min",
    " ",
    ".5",
    "KiB",
    "MB",
    "GB",
    "true",
    "false",
    "debug",
    "warning",
    "auto",
    "remote",
    "{\"initial\":",
    "\"existing\":",
    ",",
    "}",
    "ipc:///x",
    "tcp://h:1",
    "../a/./b",
    "msec",
    "sec",
    "m",
    "bytes",
    "300",
    "65536",
    "notice",
    "99999999999999999999",
};

static char *
take_setting(struct fuzz_input *in)
{
    struct buf setting = {0};
    size_t choice = fuzz_input_below(in, config_row_count + 1);
    if (choice == config_row_count || config_rows[choice].kind == CONFIG_ROW_GROUP) {
        buf_append_str(&setting, "SHAPEWIRE_UNKNOWN");
    } else {
        buf_append_str(&setting, config_rows[choice].name);
    }
    buf_append_byte(&setting, '=');
    fuzz_input_spell(WORDS, COUNT_OF(WORDS), fuzz_input_bytes(in, 80), &setting);
    char *text = mem_dup_str(buf_str(&setting));
    buf_free(&setting);
    return text;
}

static void
check_duration(uint64_t ms)
{
    char text[CONFIG_TEXT_SIZE];
    uint64_t again;
    config_format_duration(ms, text);
    ASSERT(config_parse_duration(text, &again) && again == ms);
}

static void
check_size(uint64_t bytes)
{
    char text[CONFIG_TEXT_SIZE];
    uint64_t again;
    config_format_size(bytes, text);
    bool is_for_people = strstr(text, " bytes") != NULL;
    ASSERT(is_for_people || (config_parse_size(text, &again) && again == bytes));
}

static void
check_taken(struct config *config)
{
    struct err err;
    ASSERT(config->long_poll_ms >= 1 && config->long_poll_ms <= 300000);
    ASSERT(config->chunk_bytes >= 1024 && config->chunk_bytes <= 67108864);
    ASSERT(config->max_concurrent_requests.initial >= 1);
    ASSERT(config->runtime_dir != NULL && config->bus_log != NULL);
    check_duration(config->long_poll_ms);
    check_size(config->chunk_bytes);
    ASSERT(config_require_database(config, &err) == (config->database_url != NULL));
    ASSERT(config_require_access(config, &err) == ((config->secret != NULL) != config->insecure));
    config_free(config);
}

/* The message names one of the variables. */
static void
check_refused(char *const *env, const struct err *err)
{
    bool is_named = false;
    ASSERT(err->kind == ERR_INVALID);
    for (; *env != NULL; env++) {
        is_named = is_named || strncmp(err->msg, *env, strcspn(*env, "=")) == 0;
    }
    ASSERT(is_named);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    char *env[SETTINGS + 1] = {0};
    for (size_t i = 0; i < SETTINGS && !fuzz_input_is_empty(&in); i++) {
        env[i] = take_setting(&in);
    }
    struct config config = {0};
    struct err err = {0};
    if (config_load(env, &config, &err)) {
        check_taken(&config);
    } else {
        check_refused(env, &err);
    }
    check_duration(fuzz_input_u64(&in) >> 30);
    check_size(fuzz_input_u64(&in) >> 20);
    for (size_t i = 0; i < SETTINGS; i++) {
        mem_free(env[i]);
    }
    return 0;
}
