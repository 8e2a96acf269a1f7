/*
 * buf.h - owned bytes that grow.
 *
 * A zeroed struct buf is an empty one. What is put in comes out unchanged; the
 * pointer moves when the buffer grows.
 *
 * Threading: as any object, a buffer belongs to one thread at a time.
 */
#ifndef COMMON_BUF_H
#define COMMON_BUF_H

#include <string.h>

#include "common/wire.h"

struct buf {
    uint8_t *bytes;
    size_t size;
    size_t capacity;
};

/* Makes room for `more` bytes behind the end and gives a pointer to it. */
uint8_t *buf_reserve(struct buf *buf, size_t more);

/* `more` bytes longer, the new ones not set; gives a pointer to them. */
static inline uint8_t *
buf_grow(struct buf *buf, size_t more)
{
    /* Inline, as the two below: every log item is put together by them. */
    uint8_t *end =
        more < buf->capacity - buf->size ? buf->bytes + buf->size : buf_reserve(buf, more);
    buf->size += more;
    return end;
}

static inline void
buf_append(struct buf *buf, const void *bytes, size_t size)
{
    if (size > 0) {
        memcpy(buf_grow(buf, size), bytes, size);
    }
}

static inline void
buf_append_byte(struct buf *buf, uint8_t byte)
{
    *buf_grow(buf, 1) = byte;
}

void buf_append_view(struct buf *buf, struct view view);
void buf_append_str(struct buf *buf, const char *s);

/* In decimal digits. */
void buf_append_u64(struct buf *buf, uint64_t v);

void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF(2, 3);

/* Borrowed until the buffer changes. */
struct view buf_view(const struct buf *buf);

/* Empties it and keeps the memory; buf_free() gives the memory back as well. */
void buf_clear(struct buf *buf);
void buf_free(struct buf *buf);

/* The bytes with a NUL behind them, which does not count. Borrowed until the buffer changes. */
const char *buf_str(struct buf *buf);

#endif
