#include "common/core/sse.h"

/* The object at the start of `text`, with its braces; empty when there is no whole one. */
static struct view
first_object(struct view text)
{
    size_t depth = 0;
    bool is_string = false;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (c < ' ') {
            break;
        }
        if (is_string) {
            i += c == '\\';
            is_string = c != '"';
        } else if (c == '"') {
            is_string = true;
        } else if (c == '{') {
            depth++;
        } else if (c == '}' && --depth == 0) {
            return (struct view){text.bytes, i + 1};
        }
        if (depth == 0) {
            break; /* it does not begin with a brace */
        }
    }
    return (struct view){0};
}

bool
sse_append_items(struct view items, struct buf *out)
{
    while (items.size > 0) {
        struct view item = first_object(items);
        if (item.size == 0 || item.size == items.size || items.bytes[item.size] != ',') {
            return false;
        }
        buf_append_str(out, "data: ");
        buf_append_view(out, item);
        buf_append(out, "\n\n", 2);
        items.bytes += item.size + 1;
        items.size -= item.size + 1;
    }
    return true;
}
