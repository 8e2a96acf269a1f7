/*
 * Whatever is taken for a row must come out the same when it is written again.
 *
 * Covers: common/core/copy_text.c
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/copy_text.h"

#define FIELDS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
put_field(struct buf *out, const struct copy_field *field)
{
    if (field->is_null) {
        buf_append_str(out, "\\N");
        return;
    }
    for (size_t i = 0; i < field->text.size; i++) {
        uint8_t b = field->text.bytes[i];
        const char *escape = b == '\\' ? "\\\\" : b == '\t' ? "\\t" : b == '\n' ? "\\n" : NULL;
        if (escape != NULL) {
            buf_append_str(out, escape);
        } else {
            buf_append_byte(out, b);
        }
    }
}

static void
check_row(const struct copy_field *fields)
{
    struct err err;
    struct buf text = {0};
    struct copy_field again[FIELDS];
    for (size_t i = 0; i < FIELDS; i++) {
        put_field(&text, &fields[i]);
        buf_append_byte(&text, i + 1 < FIELDS ? '\t' : '\n');
    }
    struct copy_rows rows = {text.bytes, text.bytes + text.size};
    if (!copy_rows_next(&rows, again, FIELDS, &err)) {
        abort();
    }
    for (size_t i = 0; i < FIELDS; i++) {
        if (again[i].is_null != fields[i].is_null || !view_equal(again[i].text, fields[i].text)) {
            abort();
        }
    }
    buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct copy_field fields[FIELDS];
    uint8_t *block = malloc(size + 1);
    memcpy(block, data, size);
    struct copy_rows rows = {block, block + size};
    while (copy_rows_next(&rows, fields, FIELDS, &err)) {
        check_row(fields);
    }
    free(block);
    return 0;
}
