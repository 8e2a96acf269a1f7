#include "common/core/where_regex_set.h"

#include <string.h>

#include "common/core/where_utf8.h"

struct range {
    uint32_t first;
    uint32_t last;
};

struct regex_set {
    struct arena *mem;
    bool is_negated;
    size_t count;
    size_t capacity;
    struct range *ranges;
    bool ascii[128]; /* made by regex_set_finish() */
};

struct regex_set *
regex_set_new(struct arena *mem)
{
    struct regex_set *set = arena_alloc(mem, 1, sizeof *set);
    set->mem = mem;
    return set;
}

void
regex_set_add(struct regex_set *set, uint32_t first, uint32_t last)
{
    if (set->count == set->capacity) {
        size_t capacity = set->capacity == 0 ? 2 : 2 * set->capacity;
        struct range *ranges = arena_alloc(set->mem, capacity, sizeof *ranges);
        if (set->count > 0) {
            memcpy(ranges, set->ranges, set->count * sizeof *ranges);
        }
        set->ranges = ranges;
        set->capacity = capacity;
    }
    set->ranges[set->count++] = (struct range){first, last};
}

static bool
in_ranges(const struct regex_set *set, uint32_t code)
{
    for (size_t i = 0; i < set->count; i++) {
        if (code >= set->ranges[i].first && code <= set->ranges[i].last) {
            return true;
        }
    }
    return false;
}

void
regex_set_finish(struct regex_set *set, bool ignore_case)
{
    for (uint32_t code = 0; code < 128; code++) {
        bool is_letter = (code >= 'A' && code <= 'Z') || (code >= 'a' && code <= 'z');
        bool is_in = in_ranges(set, code) ||
                     (ignore_case && is_letter && in_ranges(set, code ^ UINT32_C(0x20)));
        set->ascii[code] = is_in != set->is_negated;
    }
}

bool
regex_set_has(const struct regex_set *set, uint32_t code)
{
    return code < 128 ? set->ascii[code] : in_ranges(set, code) != set->is_negated;
}

/* ---- classes */

static const struct {
    const char *name;
    struct range ranges[4];
} classes[] = {
    {"alpha", {{'A', 'Z'}, {'a', 'z'}}},
    {"digit", {{'0', '9'}}},
    {"alnum", {{'0', '9'}, {'A', 'Z'}, {'a', 'z'}}},
    {"upper", {{'A', 'Z'}}},
    {"lower", {{'a', 'z'}}},
    {"space", {{'\t', '\r'}, {' ', ' '}}},
    {"blank", {{'\t', '\t'}, {' ', ' '}}},
    {"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {"graph", {{'!', '~'}}},
    {"print", {{' ', '~'}}},
    {"xdigit", {{'0', '9'}, {'A', 'F'}, {'a', 'f'}}},
};

static bool
add_class(struct regex_set *set, struct view name)
{
    for (size_t i = 0; i < COUNT_OF(classes); i++) {
        if (view_is(name, classes[i].name)) {
            for (size_t k = 0; k < 4 && classes[i].ranges[k].last != 0; k++) {
                regex_set_add(set, classes[i].ranges[k].first, classes[i].ranges[k].last);
            }
            return true;
        }
    }
    return false;
}

bool
regex_set_add_letter(struct regex_set *set, uint8_t letter)
{
    uint8_t lower = letter | 0x20;
    if (lower == 'd') {
        (void)add_class(set, view_str("digit"));
    } else if (lower == 's') {
        (void)add_class(set, view_str("space"));
    } else if (lower == 'w') {
        (void)add_class(set, view_str("alnum"));
        regex_set_add(set, '_', '_');
    } else {
        return false;
    }
    set->is_negated = letter != lower;
    return true;
}

/* ---- spelled characters */

static bool
fail(struct err *err, const char *reason)
{
    return err_set(err, ERR_INVALID, "invalid regular expression: %s", reason);
}

uint32_t
regex_take_character(struct regex_text *text)
{
    size_t size;
    struct view rest = {text->next, (size_t)(text->end - text->next)};
    uint32_t code = utf8_decode(rest, 0, &size);
    text->next += size;
    return code;
}

static bool
take_hex(struct regex_text *text, size_t digits, uint32_t *code_out)
{
    uint64_t code = 0;
    for (size_t i = 0; i < digits; i++) {
        uint8_t b = text->next < text->end ? *text->next : 0;
        uint8_t lower = b | 0x20;
        if (b >= '0' && b <= '9') {
            code = code * 16 + b - '0';
        } else if (lower >= 'a' && lower <= 'f') {
            code = code * 16 + lower - 'a' + 10;
        } else {
            return false;
        }
        text->next++;
    }
    *code_out = (uint32_t)code;
    return code > 0 && code <= 0x10ffff;
}

static bool
is_alphanumeric(uint8_t b)
{
    uint8_t lower = b | 0x20;
    return (b >= '0' && b <= '9') || (lower >= 'a' && lower <= 'z');
}

bool
regex_take_escaped(struct regex_text *text, uint32_t *code_out, struct err *err)
{
    static const struct {
        char letter;
        char code;
    } letters[] = {{'a', '\a'}, {'e', 033},  {'f', '\f'}, {'n', '\n'},
                   {'r', '\r'}, {'t', '\t'}, {'v', '\v'}};
    if (text->next == text->end) {
        return fail(err, "invalid escape \\ sequence");
    }
    if (!is_alphanumeric(*text->next)) {
        *code_out = regex_take_character(text);
        return true;
    }
    uint8_t letter = *text->next++;
    for (size_t i = 0; i < COUNT_OF(letters); i++) {
        if (letter == (uint8_t)letters[i].letter) {
            *code_out = (uint32_t)letters[i].code;
            return true;
        }
    }
    if (letter == 'u' || letter == 'U') {
        return take_hex(text, letter == 'u' ? 4 : 8, code_out) ||
               fail(err, "invalid escape \\ sequence");
    }
    if (letter >= '0' && letter <= '9') {
        return fail(err, "back references and octal escapes are not supported");
    }
    bool is_known = strchr("bBcxdDsSwWAZmMyY", letter) != NULL;
    return fail(err, is_known ? "this escape is not supported here" : "invalid escape \\ sequence");
}

/* ---- bracket expressions */

static bool
at(const struct regex_text *text, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(text->end - text->next) >= size && memcmp(text->next, word, size) == 0;
}

/* [:name:], behind the colon. Under ~* Postgres takes upper and lower for alpha: so do the other
 * cases that regex_set_finish() adds. */
static bool
take_class(struct regex_text *text, struct regex_set *set, struct err *err)
{
    const uint8_t *start = text->next;
    while (text->next < text->end && is_alphanumeric(*text->next)) {
        text->next++;
    }
    struct view name = {start, (size_t)(text->next - start)};
    if (!at(text, ":]")) {
        return fail(err, "invalid character class");
    }
    text->next += 2;
    return add_class(set, name) || fail(err, "invalid or unsupported character class");
}

/* One end of a range, or a character alone. */
static bool
take_member(struct regex_text *text, uint32_t *code_out, struct err *err)
{
    if (at(text, "[.") || at(text, "[=")) {
        return fail(err, "collating elements [.x.] and [=x=] are not supported");
    }
    if (at(text, "\\")) {
        text->next++;
        return regex_take_escaped(text, code_out, err);
    }
    *code_out = regex_take_character(text);
    return true;
}

static bool
take_class_escape(struct regex_text *text, struct regex_set *set)
{
    if (text->end - text->next >= 2 && text->next[0] == '\\' &&
        (text->next[1] == 'd' || text->next[1] == 's' || text->next[1] == 'w')) {
        text->next += 2;
        return regex_set_add_letter(set, text->next[-1]);
    }
    return false;
}

static bool
take_item(struct regex_text *text, bool ignore_case, struct regex_set *set, struct err *err)
{
    if (at(text, "[:")) {
        text->next += 2;
        return take_class(text, set, err);
    }
    if (take_class_escape(text, set)) {
        return !at(text, "-") || at(text, "-]") || fail(err, "invalid character range");
    }
    uint32_t first;
    uint32_t last;
    if (!take_member(text, &first, err)) {
        return false;
    }
    last = first;
    if (at(text, "-") && !at(text, "-]")) {
        text->next++;
        if (text->next == text->end || at(text, "[:") || at(text, "-")) {
            return fail(err, "invalid character range");
        }
        if (!take_member(text, &last, err)) {
            return false;
        }
    }
    if (last < first) {
        return fail(err, "invalid character range");
    }
    if (ignore_case && utf8_may_have_case(first, last)) {
        return fail(err, REGEX_CASE_ERROR);
    }
    regex_set_add(set, first, last);
    return true;
}

bool
regex_take_bracket(struct regex_text *text, bool ignore_case, struct regex_set *set,
                   struct err *err)
{
    bool is_negated = at(text, "^");
    text->next += is_negated;
    bool is_first = true;
    while (is_first || !at(text, "]")) {
        if (text->next == text->end) {
            return fail(err, "brackets [] not balanced");
        }
        if (!is_first && at(text, "-") && !at(text, "-]")) { /* [a-c-e], [[:digit:]-x] */
            return fail(err, "invalid character range");
        }
        if (!take_item(text, ignore_case, set, err)) {
            return false;
        }
        is_first = false;
    }
    text->next++;
    set->is_negated = is_negated;
    return true;
}
