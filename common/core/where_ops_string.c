/* Functions on text, by code points; results that are a part of their argument are not copied. */
#include <string.h>

#include "common/core/where_ops.h"
#include "common/core/where_utf8.h"

static struct view
part(struct view text, size_t from, size_t to)
{
    return (struct view){text.bytes + from, to - from};
}

static struct view
without_trailing_blanks(struct view text)
{
    while (text.size > 0 && text.bytes[text.size - 1] == ' ') {
        text.size--;
    }
    return text;
}

/* Place of `wanted`, which is not empty, at or behind `from`; SIZE_MAX for none. */
static size_t
find(struct view text, struct view wanted, size_t from)
{
    if (text.size - from < wanted.size) {
        return SIZE_MAX;
    }
    const uint8_t *at = memmem(text.bytes + from, text.size - from, wanted.bytes, wanted.size);
    return at == NULL ? SIZE_MAX : (size_t)(at - text.bytes);
}

static size_t
count_of(struct view text, struct view wanted)
{
    size_t count = 0;
    for (size_t at = find(text, wanted, 0); at != SIZE_MAX;
         at = find(text, wanted, at + wanted.size)) {
        count++;
    }
    return count;
}

/* ---- sizes and places */

IMPL(text_length)
{
    (void)scratch;
    result->integer = (int64_t)utf8_count(args[0].text);
    return true;
}

IMPL(bpchar_length)
{
    (void)scratch;
    result->integer = (int64_t)utf8_count(without_trailing_blanks(args[0].text));
    return true;
}

IMPL(octet_length)
{
    (void)scratch;
    result->integer = (int64_t)args[0].text.size;
    return true;
}

IMPL(text_position)
{
    (void)scratch;
    size_t at = args[1].text.size == 0 ? 0 : find(args[0].text, args[1].text, 0);
    result->integer = at == SIZE_MAX ? 0 : (int64_t)utf8_count(part(args[0].text, 0, at)) + 1;
    return true;
}

IMPL(text_starts_with)
{
    (void)scratch;
    struct view text = args[0].text;
    struct view prefix = args[1].text;
    result->boolean = text.size >= prefix.size && view_equal(part(text, 0, prefix.size), prefix);
    return true;
}

IMPL(text_ascii)
{
    (void)scratch;
    size_t size;
    result->integer = args[0].text.size == 0 ? 0 : utf8_decode(args[0].text, 0, &size);
    return true;
}

/* ---- parts */

/* How many characters a count means that may be negative: all but so many. */
static size_t
clipped_count(struct view text, int64_t n)
{
    int64_t count = n < 0 ? (int64_t)utf8_count(text) + n : n;
    return count < 0 ? 0 : (size_t)count;
}

IMPL(text_left)
{
    (void)scratch;
    struct view text = args[0].text;
    result->text = part(text, 0, utf8_bytes_of(text, clipped_count(text, args[1].integer)));
    return true;
}

IMPL(text_right)
{
    struct view text = args[0].text;
    int64_t count = (int64_t)utf8_count(text);
    int64_t skipped = args[1].integer < 0 ? -args[1].integer : count - args[1].integer;
    if (args[1].integer ==
        INT32_MIN) { /* Postgres negates it, and versions differ in the outcome */
        return where_raise(scratch, "integer out of range");
    }
    size_t from = utf8_bytes_of(text, skipped < 0 ? 0 : (size_t)skipped);
    result->text = part(text, from, text.size);
    return true;
}

static void
set_substring(struct view text, int64_t start, int64_t end, struct where_value *result)
{
    size_t first = start < 1 ? 1 : (size_t)start;
    size_t from = utf8_bytes_of(text, first - 1);
    size_t count = end > (int64_t)first ? (size_t)(end - (int64_t)first) : 0;
    struct view rest = part(text, from, text.size);
    result->text = part(rest, 0, utf8_bytes_of(rest, count));
}

IMPL(text_substring)
{
    (void)scratch;
    set_substring(args[0].text, args[1].integer, INT64_MAX, result);
    return true;
}

IMPL(text_substring_for)
{
    if (args[2].integer < 0) {
        return where_raise(scratch, "negative substring length not allowed");
    }
    set_substring(args[0].text, args[1].integer, args[1].integer + args[2].integer, result);
    return true;
}

static bool
has_character(struct view set, struct view character)
{
    for (size_t i = 0; i < set.size; i += utf8_size_at(set, i)) {
        if (view_equal(part(set, i, i + utf8_size_at(set, i)), character)) {
            return true;
        }
    }
    return false;
}

static struct view
trim(struct view text, struct view set, bool left, bool right)
{
    size_t from = 0;
    size_t to = text.size;
    while (left && from < to) {
        size_t size = utf8_size_at(text, from);
        if (!has_character(set, part(text, from, from + size))) {
            break;
        }
        from += size;
    }
    while (right && to > from) {
        size_t start = to - 1;
        while (start > from && (text.bytes[start] & 0xc0) == 0x80) {
            start--;
        }
        if (!has_character(set, part(text, start, to))) {
            break;
        }
        to = start;
    }
    return part(text, from, to);
}

IMPL(text_btrim)
{
    (void)scratch;
    result->text = trim(args[0].text, args[1].text, true, true);
    return true;
}

IMPL(text_ltrim)
{
    (void)scratch;
    result->text = trim(args[0].text, args[1].text, true, false);
    return true;
}

IMPL(text_rtrim)
{
    (void)scratch;
    result->text = trim(args[0].text, args[1].text, false, true);
    return true;
}

IMPL(text_btrim_blanks)
{
    (void)scratch;
    result->text = trim(args[0].text, view_str(" "), true, true);
    return true;
}

IMPL(text_ltrim_blanks)
{
    (void)scratch;
    result->text = trim(args[0].text, view_str(" "), true, false);
    return true;
}

IMPL(text_rtrim_blanks)
{
    (void)scratch;
    result->text = trim(args[0].text, view_str(" "), false, true);
    return true;
}

/* Field `number` from 1 on; the whole text is the only field when there is no separator in it. */
static struct view
field_of(struct view text, struct view separator, size_t number)
{
    size_t from = 0;
    for (size_t i = 1;; i++) {
        size_t at = find(text, separator, from);
        if (i == number || at == SIZE_MAX) {
            return i == number ? part(text, from, at == SIZE_MAX ? text.size : at)
                               : part(text, text.size, text.size);
        }
        from = at + separator.size;
    }
}

IMPL(text_split_part)
{
    struct view text = args[0].text;
    struct view separator = args[1].text;
    int64_t number = args[2].integer;
    if (number == 0) {
        return where_raise(scratch, "field position must not be zero");
    }
    if (separator.size == 0) {
        result->text = number == 1 || number == -1 ? text : part(text, 0, 0);
        return true;
    }
    if (number < 0) { /* from the last one */
        number += (int64_t)count_of(text, separator) + 2;
    }
    result->text = number < 1 ? part(text, 0, 0) : field_of(text, separator, (size_t)number);
    return true;
}

/* ---- new texts */

IMPL(text_reverse)
{
    struct view text = args[0].text;
    uint8_t *bytes;
    if (!where_take(scratch, text.size, &bytes)) {
        return false;
    }
    size_t to = text.size;
    for (size_t i = 0; i < text.size;) {
        size_t size = utf8_size_at(text, i);
        to -= size;
        memcpy(bytes + to, text.bytes + i, size);
        i += size;
    }
    result->text = (struct view){bytes, text.size};
    return true;
}

IMPL(text_replace)
{
    struct view text = args[0].text;
    struct view from = args[1].text;
    struct view to = args[2].text;
    size_t count = from.size == 0 ? 0 : count_of(text, from);
    uint8_t *bytes;
    if (count == 0) {
        result->text = text;
        return true;
    }
    size_t size = text.size - count * from.size + count * to.size;
    if (!where_take(scratch, size, &bytes)) {
        return false;
    }
    size_t used = 0;
    size_t next = 0;
    for (size_t at = find(text, from, 0); at != SIZE_MAX; at = find(text, from, next)) {
        memcpy(bytes + used, text.bytes + next, at - next);
        used += at - next;
        if (to.size > 0) {
            memcpy(bytes + used, to.bytes, to.size);
        }
        used += to.size;
        next = at + from.size;
    }
    memcpy(bytes + used, text.bytes + next, text.size - next);
    result->text = (struct view){bytes, size};
    return true;
}

/* Each character of `from` becomes the one at its place in `to`, or nothing where that is shorter.
 */
IMPL(text_translate)
{
    struct view text = args[0].text;
    struct view from = args[1].text;
    struct view to = args[2].text;
    uint8_t *bytes;
    if (!where_take(scratch, text.size * 4, &bytes)) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i < text.size;) {
        struct view character = part(text, i, i + utf8_size_at(text, i));
        size_t place = 0;
        size_t at = 0;
        while (at < from.size &&
               !view_equal(part(from, at, at + utf8_size_at(from, at)), character)) {
            at += utf8_size_at(from, at);
            place++;
        }
        i += character.size;
        if (at < from.size) {
            size_t start = utf8_bytes_of(to, place);
            character = start < to.size ? part(to, start, start + utf8_size_at(to, start))
                                        : part(to, to.size, to.size);
        }
        if (character.size > 0) {
            memcpy(bytes + used, character.bytes, character.size);
        }
        used += character.size;
    }
    result->text = (struct view){bytes, used};
    return true;
}
