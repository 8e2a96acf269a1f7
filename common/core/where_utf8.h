/*
 * where_utf8.h - the characters of a text from Postgres, which is valid UTF-8.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_UTF8_H
#define CORE_WHERE_UTF8_H

#include "common/wire.h"

/* Bytes of the character at `i`, which is before the end. */
static inline size_t
utf8_size_at(struct view text, size_t i)
{
    size_t size = 1;
    while (i + size < text.size && (text.bytes[i + size] & 0xc0) == 0x80) {
        size++;
    }
    return size;
}

static inline size_t
utf8_count(struct view text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        count += (text.bytes[i] & 0xc0) != 0x80;
    }
    return count;
}

/* Where the first `count` characters end. */
static inline size_t
utf8_bytes_of(struct view text, size_t count)
{
    size_t i = 0;
    while (i < text.size && count > 0) {
        i += utf8_size_at(text, i);
        count--;
    }
    return i;
}

/* The code point at `i`, and how many bytes it takes; a stray byte stands for itself. */
static inline uint32_t
utf8_decode(struct view text, size_t i, size_t *size_out)
{
    static const uint8_t first_bits[5] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    size_t size = utf8_size_at(text, i);
    size = size > 4 ? 4 : size;
    uint32_t code = text.bytes[i] & first_bits[size];
    for (size_t k = 1; k < size; k++) {
        code = code << 6 | (text.bytes[i + k] & 0x3f);
    }
    *size_out = size;
    return code;
}

/*
 * May a character of this range, beyond ASCII, have an upper and a lower case? What that would be
 * is a matter of the database's collation. Blocks that surely have none: scripts without case,
 * symbols.
 */
bool utf8_may_have_case(uint32_t first, uint32_t last);

/* The same of a text's characters. */
bool utf8_any_case(struct view text);

#endif
