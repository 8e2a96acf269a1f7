/*
 * Any text: a URL with host, user, port and keywords for libpq, or an error, never a crash.
 *
 * Covers: common/core/conn_url.c
 */
#include "common/core/conn_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct conn_url url;
    struct conn_keywords keywords;
    struct arena *mem = arena_new(CONN_URL_ARENA);
    if (conn_url_parse(view_of(data, size), mem, &url, &err)) {
        ASSERT(url.host[0] && url.user[0] && url.port > 0 && url.database);
        struct conn_options options = {.addresses = conn_url_is_folder(&url) ? NULL : "::1,::2",
                                       .ca_file = size % 2 ? "ca" : NULL,
                                       .is_replication = size % 3 == 0,
                                       .application_name = "fuzz",
                                       .keepalive_idle_s = (uint32_t)(size % 5)};
        if (conn_url_check_ca(&url, options.ca_file, &err))
            conn_url_keywords(&url, &options, mem, &keywords);
    }
    arena_free(mem);
    return 0;
}
