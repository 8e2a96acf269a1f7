#include "common/json.h"

#include <string.h>

/* What follows the backslash; 'u' for a control character without a letter of its own. */
static char
escape_of(uint8_t byte)
{
    switch (byte) {
    case '"':
    case '\\':
        return (char)byte;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return byte < 0x20 ? 'u' : '\0';
    }
}

#define ONES  UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Not 0 when one of eight bytes has to be escaped; the well-known test for a zero byte in a word.
 */
static uint64_t
has_escape(uint64_t word)
{
    uint64_t quote = word ^ (ONES * '"');
    uint64_t backslash = word ^ (ONES * '\\');
    return ((word - ONES * 0x20) | (quote - ONES) | (backslash - ONES)) & ~word & HIGHS;
}

static uint64_t
word_at(const uint8_t *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/* How many bytes from `bytes` on pass unchanged. */
static size_t
plain_prefix(const uint8_t *bytes, size_t size)
{
    size_t i = 0;
    while (i + 8 <= size && has_escape(word_at(bytes + i)) == 0) {
        i += 8;
    }
    /* The last word may overlap the one before. */
    if (i + 8 > size && size >= 8 && has_escape(word_at(bytes + size - 8)) == 0) {
        return size;
    }
    while (i < size && bytes[i] >= 0x20 && bytes[i] != '"' && bytes[i] != '\\') {
        i++;
    }
    return i;
}

static void
append_escape(struct buf *buf, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    char letter = escape_of(byte);
    buf_append_byte(buf, '\\');
    buf_append_byte(buf, (uint8_t)letter);
    if (letter == 'u') {
        const char code[] = {'0', '0', hex[byte >> 4], hex[byte & 15]};
        buf_append(buf, code, sizeof code);
    }
}

void
json_append_escaped(struct buf *buf, struct view text)
{
    size_t i = 0;
    while (i < text.size) {
        size_t plain = plain_prefix(text.bytes + i, text.size - i);
        buf_append(buf, text.bytes + i, plain);
        i += plain;
        if (i < text.size) {
            append_escape(buf, text.bytes[i++]);
        }
    }
}

void
json_append_string(struct buf *buf, struct view text)
{
    uint8_t *start = buf_reserve(buf, text.size + 2);
    if (plain_prefix(text.bytes, text.size) == text.size) { /* nearly every text */
        start[0] = '"';
        if (text.size > 0) {
            memcpy(start + 1, text.bytes, text.size);
        }
        start[text.size + 1] = '"';
        buf->size += text.size + 2;
        return;
    }
    buf_append_byte(buf, '"');
    json_append_escaped(buf, text);
    buf_append_byte(buf, '"');
}
