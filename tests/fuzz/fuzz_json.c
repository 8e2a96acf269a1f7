/*
 * What we write as a JSON string, a JSON parser reads back as the same text.
 *
 * Covers: common/json.c
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = {0};
    json_append_string(&text, view_of(data, size));
    json_t *value =
        json_loadb((const char *)text.bytes, text.size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    /* NULL: it was not UTF-8, which Postgres never sends; then json_stringn refuses it as well. */
    json_t *direct = json_stringn((const char *)data, size);
    if ((value == NULL) != (direct == NULL) ||
        (value != NULL && (json_string_length(value) != size ||
                           (size > 0 && memcmp(json_string_value(value), data, size) != 0)))) {
        abort();
    }
    json_decref(value);
    json_decref(direct);
    buf_free(&text);
    return 0;
}
