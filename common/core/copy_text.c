#include "common/core/copy_text.h"

#include <string.h>

static uint8_t
unescaped(uint8_t b)
{
    switch (b) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'v':
        return '\v';
    default:
        return b; /* a backslash, and what Postgres never escapes */
    }
}

/* Undoes the escapes of [start, end) in place and gives the new end. */
static uint8_t *
unescape(uint8_t *start, uint8_t *end)
{
    uint8_t *from = memchr(start, '\\', (size_t)(end - start));
    if (from == NULL) {
        return end;
    }
    uint8_t *to = from;
    while (from < end) {
        if (*from == '\\' && from + 1 < end) {
            *to++ = unescaped(from[1]);
            from += 2;
        } else {
            *to++ = *from++;
        }
    }
    return to;
}

bool
copy_rows_next(struct copy_rows *rows, struct copy_field *fields, size_t count, struct err *err)
{
    err->kind = ERR_NONE;
    if (rows->next == rows->end) {
        return false;
    }
    uint8_t *line_end = memchr(rows->next, '\n', (size_t)(rows->end - rows->next));
    if (line_end == NULL) {
        return err_set(err, ERR_PROTOCOL, "a block of rows ends inside of one");
    }
    uint8_t *next = rows->next;
    rows->next = line_end + 1;
    for (size_t i = 0; i < count; i++) {
        uint8_t *tab = memchr(next, '\t', (size_t)(line_end - next));
        if ((tab == NULL) != (i + 1 == count)) {
            return err_set(err, ERR_PROTOCOL, "a row has %s than %zu fields",
                           tab == NULL ? "fewer" : "more", count);
        }
        uint8_t *end = tab == NULL ? line_end : tab;
        bool is_null = end - next == 2 && next[0] == '\\' && next[1] == 'N';
        uint8_t *text_end = is_null ? next : unescape(next, end);
        fields[i] = (struct copy_field){{next, (size_t)(text_end - next)}, is_null};
        next = end + 1;
    }
    return true;
}
