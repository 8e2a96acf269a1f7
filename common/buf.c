#include "common/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

#define CAPACITY_MIN 64

uint8_t *
buf_reserve(struct buf *buf, size_t more)
{
    if (more > buf->capacity - buf->size || buf->bytes == NULL) {
        ASSERT(more <= SIZE_MAX / 4 && buf->size <= SIZE_MAX / 4);
        size_t capacity = buf->capacity < CAPACITY_MIN ? CAPACITY_MIN : buf->capacity;
        while (capacity < buf->size + more) {
            capacity *= 2;
        }
        buf->bytes = mem_realloc(buf->bytes, capacity);
        buf->capacity = capacity;
    }
    return buf->bytes + buf->size;
}

void
buf_append_view(struct buf *buf, struct view view)
{
    buf_append(buf, view.bytes, view.size);
}

void
buf_append_str(struct buf *buf, const char *s)
{
    buf_append(buf, s, strlen(s));
}

void
buf_append_u64(struct buf *buf, uint64_t v)
{
    char digits[20]; /* 2^64 - 1 has twenty */
    size_t start = sizeof digits;
    do {
        digits[--start] = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    buf_append(buf, digits + start, sizeof digits - start);
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    va_list again;
    va_copy(again, ap);
    size_t room = buf->capacity - buf->size;
    int size = vsnprintf(room > 0 ? (char *)buf->bytes + buf->size : NULL, room, fmt, ap);
    ASSERT(size >= 0);
    if ((size_t)size >= room) {
        uint8_t *end = buf_reserve(buf, (size_t)size + 1);
        (void)vsnprintf((char *)end, (size_t)size + 1, fmt, again); /* the same length again */
    }
    va_end(again);
    va_end(ap);
    buf->size += (size_t)size;
}

struct view
buf_view(const struct buf *buf)
{
    return view_of(buf->bytes, buf->size);
}

void
buf_clear(struct buf *buf)
{
    buf->size = 0;
}

void
buf_free(struct buf *buf)
{
    mem_free(buf->bytes);
    *buf = (struct buf){0};
}

const char *
buf_str(struct buf *buf)
{
    *buf_reserve(buf, 1) = '\0';
    return (const char *)buf->bytes;
}
