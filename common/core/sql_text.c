#include "common/core/sql_text.h"

#include <string.h>

static void
append_doubled(struct buf *out, struct view text, const char *doubled)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] != 0 && strchr(doubled, text.bytes[i]))
            buf_append_byte(out, text.bytes[i]);
        buf_append_byte(out, text.bytes[i]);
    }
}

void
sql_text_ident(struct buf *out, struct view name)
{
    buf_append_byte(out, '"');
    append_doubled(out, name, "\"");
    buf_append_byte(out, '"');
}

void
sql_text_table(struct buf *out, struct view schema, struct view name)
{
    sql_text_ident(out, schema);
    buf_append_byte(out, '.');
    sql_text_ident(out, name);
}

void
sql_text_literal(struct buf *out, struct view value)
{
    if (value.size > 0 && memchr(value.bytes, '\\', value.size))
        buf_append_byte(out, 'E');
    buf_append_byte(out, '\'');
    append_doubled(out, value, "'\\");
    buf_append_byte(out, '\'');
}
