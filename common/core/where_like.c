/* LIKE and ILIKE, in time that grows with text times pattern and never faster. */
#include "common/core/where_fn.h"
#include "common/core/where_utf8.h"

static uint8_t
folded(uint8_t b, bool ignore_case)
{
    return ignore_case && b >= 'A' && b <= 'Z' ? b | 0x20 : b;
}

/* One step of the pattern that is not %: how far text and pattern move on; false: no match here. */
static bool
match_one(struct view text, size_t *t, struct view pattern, size_t *p, bool ignore_case)
{
    size_t at = *p;
    if (pattern.bytes[at] == '_') {
        *t += utf8_size_at(text, *t);
        *p = at + 1;
        return true;
    }
    if (pattern.bytes[at] == '\\' && at + 1 < pattern.size) {
        at++;
    }
    if (folded(text.bytes[*t], ignore_case) != folded(pattern.bytes[at], ignore_case)) {
        return false;
    }
    *t += 1;
    *p = at + 1;
    return true;
}

/* Behind a %: further % say nothing more, each _ takes one character. False: the text is over. */
static bool
skip_wildcards(struct view text, size_t *t, struct view pattern, size_t *p)
{
    while (*p < pattern.size && (pattern.bytes[*p] == '%' || pattern.bytes[*p] == '_')) {
        if (pattern.bytes[*p] == '_') {
            if (*t >= text.size) {
                return false;
            }
            *t += utf8_size_at(text, *t);
        }
        ++*p;
    }
    return true;
}

/* A backslash that has nothing to take as it is: Postgres minds when it gets there, not before. */
static bool
is_dangling(struct view pattern, size_t p)
{
    return p + 1 == pattern.size && pattern.bytes[p] == '\\';
}

bool
where_like(struct view text, struct view pattern, bool ignore_case, bool *matches_out)
{
    size_t t = 0;
    size_t p = 0;
    size_t retry_p = SIZE_MAX; /* behind the last %, and where in the text it has been tried */
    size_t retry_t = 0;
    *matches_out = false;
    while (t < text.size) {
        if (p < pattern.size && pattern.bytes[p] == '%') {
            if (!skip_wildcards(text, &t, pattern, &p)) {
                return true;
            }
            retry_p = p;
            retry_t = t;
            if (is_dangling(pattern, p)) {
                return false;
            }
            continue;
        }
        if (is_dangling(pattern, p)) {
            return false;
        }
        if (p < pattern.size && match_one(text, &t, pattern, &p, ignore_case)) {
            continue;
        }
        if (retry_p == SIZE_MAX) {
            return true;
        }
        retry_t += utf8_size_at(text, retry_t);
        t = retry_t;
        p = retry_p;
    }
    while (p < pattern.size && pattern.bytes[p] == '%') {
        p++;
    }
    *matches_out = p == pattern.size;
    return true;
}
