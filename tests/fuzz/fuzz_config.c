/* Any value of any setting is taken or refused by name; what is taken is in its range. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/config.h"
#include "common/config_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
    "ELECTRIC_PORT",
    "ELECTRIC_LONG_POLL_TIMEOUT",
    "ELECTRIC_CACHE_MAX_AGE",
    "ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD",
    "ELECTRIC_MAX_CONCURRENT_REQUESTS",
    "ELECTRIC_LOG_LEVEL",
    "ELECTRIC_INSECURE",
    "SHAPEWIRE_API_STORAGE",
    "ELECTRIC_REPLICATION_STREAM_ID",
    "SHAPEWIRE_BUS_DB",
    "ELECTRIC_STORAGE_DIR",
    "ELECTRIC_SECRET",
};

static void
require(bool cond)
{
    if (!cond) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 3000) {
        return 0;
    }
    const char *name = names[data[0] % COUNT_OF(names)];
    char setting[4096];
    int head = snprintf(setting, sizeof setting, "%s=", name);
    memcpy(setting + head, data + 1, size - 1);
    setting[(size_t)head + size - 1] = '\0';

    char *env[] = {setting, NULL};
    struct config config = {0};
    struct err err = {0};
    if (config_load(env, &config, &err)) {
        require(config.long_poll_ms >= 1 && config.long_poll_ms <= 300000);
        require(config.chunk_bytes >= 1024 && config.chunk_bytes <= 67108864);
        require(config.max_concurrent_requests.initial >= 1);
        char text[CONFIG_TEXT_SIZE];
        uint64_t again;
        config_format_duration(config.long_poll_ms, text);
        require(config_parse_duration(text, &again) && again == config.long_poll_ms);
        config_free(&config);
    } else {
        require(err.kind == ERR_INVALID && strncmp(err.msg, name, strlen(name)) == 0);
    }
    return 0;
}
