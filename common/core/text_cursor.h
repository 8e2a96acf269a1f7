/*
 * text_cursor.h - small steps over text that is being read: dates, intervals, arrays.
 *
 * Each text_take…() moves on only over what it was asked for and says whether it was there.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_TEXT_CURSOR_H
#define CORE_TEXT_CURSOR_H

#include <string.h>

#include "common/wire.h"

struct text_cursor {
    const uint8_t *next;
    const uint8_t *end;
};

static inline bool
text_at_end(const struct text_cursor *c)
{
    return c->next == c->end;
}

static inline bool
text_take(struct text_cursor *c, char byte)
{
    if (text_at_end(c) || *c->next != (uint8_t)byte) {
        return false;
    }
    c->next++;
    return true;
}

static inline bool
text_take_word(struct text_cursor *c, const char *word)
{
    size_t size = strlen(word);
    if ((size_t)(c->end - c->next) < size || memcmp(c->next, word, size) != 0) {
        return false;
    }
    c->next += size;
    return true;
}

/* From `min` to `max` digits. */
static inline bool
text_take_digits(struct text_cursor *c, int min, int max, int64_t *value_out)
{
    int64_t value = 0;
    int count = 0;
    while (count < max && !text_at_end(c) && *c->next >= '0' && *c->next <= '9') {
        value = value * 10 + (*c->next++ - '0');
        count++;
    }
    *value_out = value;
    return count >= min;
}

/* What comes after the sixth digit rounds, as Postgres does. */
static inline bool
text_take_fraction(struct text_cursor *c, int64_t *us_out)
{
    int64_t us = 0;
    int64_t unit = INT64_C(1000000);
    bool rounded = false;
    if (text_at_end(c) || *c->next < '0' || *c->next > '9') {
        return false;
    }
    while (!text_at_end(c) && *c->next >= '0' && *c->next <= '9') {
        int64_t digit = *c->next++ - '0';
        if (unit > 1) {
            unit /= 10;
            us += digit * unit;
        } else if (!rounded) {
            us += digit >= 5;
            rounded = true;
        }
    }
    *us_out = us;
    return true;
}

static inline struct text_cursor
text_trimmed(struct view text)
{
    struct text_cursor c = {text.bytes, text.bytes + text.size};
    while (!text_at_end(&c) && *c.next == ' ') {
        c.next++;
    }
    while (!text_at_end(&c) && c.end[-1] == ' ') {
        c.end--;
    }
    return c;
}

#endif
