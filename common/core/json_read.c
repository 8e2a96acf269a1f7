#include "common/core/json_read.h"

#include <string.h>

/* What may come next while a text is checked. */
enum expected {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, /* behind `[` */
    EXPECT_NAME,
    EXPECT_NAME_OR_END, /* behind `{` */
    EXPECT_COLON,
    EXPECT_COMMA_OR_END,
};

struct scanner {
    const uint8_t *bytes;
    size_t size;
    size_t at;
    size_t depth;
    char open[JSON_DEPTH_MAX]; /* `{` or `[` */
};

/* The next byte, or -1 at the end. */
static int
peek(const struct scanner *s)
{
    return s->at < s->size ? s->bytes[s->at] : -1;
}

static bool
is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
skip_blanks(struct scanner *s)
{
    while (is_blank(peek(s))) {
        s->at++;
    }
}

static bool
fail_here(const struct scanner *s, struct err *err)
{
    int c = peek(s);
    if (c < 0) {
        return err_set(err, ERR_INVALID, "unexpected end of input at position %zu", s->at);
    }
    if (c < ' ' || c >= 0x7f) {
        return err_set(err, ERR_INVALID, "unexpected byte at position %zu: 0x%X", s->at,
                       (unsigned)c);
    }
    return err_set(err, ERR_INVALID, "unexpected byte at position %zu: 0x%X (\"%s%c\")", s->at,
                   (unsigned)c, c == '"' || c == '\\' ? "\\" : "", c);
}

/* ---- strings and numbers */

static bool
is_hex(int c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

static bool
scan_escape(struct scanner *s)
{
    s->at++;
    int c = peek(s);
    if (c == 'u') {
        s->at++;
        for (int i = 0; i < 4; i++) {
            if (!is_hex(peek(s))) {
                return false;
            }
            s->at++;
        }
        return true;
    }
    if (c <= 0 || strchr("\"\\/bfnrt", c) == NULL) {
        return false;
    }
    s->at++;
    return true;
}

/* From quote to quote. Whether its bytes are UTF-8 is for whoever uses the text. */
static bool
scan_string(struct scanner *s)
{
    s->at++;
    for (;;) {
        int c = peek(s);
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c < ' ') { /* the end, too */
            return false;
        }
        if (c != '\\') {
            s->at++;
        } else if (!scan_escape(s)) {
            return false;
        }
    }
}

static bool
scan_digits(struct scanner *s)
{
    size_t begin = s->at;
    while (peek(s) >= '0' && peek(s) <= '9') {
        s->at++;
    }
    return s->at > begin;
}

static bool
scan_number(struct scanner *s)
{
    s->at += peek(s) == '-';
    if (peek(s) == '0') {
        s->at++;
    } else if (!scan_digits(s)) {
        return false;
    }
    if (peek(s) == '.') {
        s->at++;
        if (!scan_digits(s)) {
            return false;
        }
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        s->at += peek(s) == '-' || peek(s) == '+';
        return scan_digits(s);
    }
    return true;
}

static bool
scan_word(struct scanner *s, const char *word)
{
    for (; *word != 0; word++) {
        if (peek(s) != *word) {
            return false;
        }
        s->at++;
    }
    return true;
}

/* ---- the whole text */

static bool
scan_scalar(struct scanner *s)
{
    switch (peek(s)) {
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        return scan_number(s);
    }
}

static bool
is_too_deep(const struct scanner *s, int c)
{
    return (c == '{' || c == '[') && s->depth >= JSON_DEPTH_MAX;
}

/* A value begins: what is expected behind its first token. False: nothing of that kind is here. */
static bool
scan_value(struct scanner *s, enum expected *expected)
{
    int c = peek(s);
    if (c == '{' || c == '[') {
        s->open[s->depth++] = (char)c;
        s->at++;
        *expected = c == '{' ? EXPECT_NAME_OR_END : EXPECT_VALUE_OR_END;
        return true;
    }
    *expected = EXPECT_COMMA_OR_END;
    return scan_scalar(s);
}

static bool
scan_close(struct scanner *s, enum expected *expected)
{
    char open = s->open[s->depth - 1];
    if (peek(s) != (open == '{' ? '}' : ']')) {
        return false;
    }
    s->at++;
    s->depth--;
    *expected = EXPECT_COMMA_OR_END;
    return true;
}

static bool
scan_separator(struct scanner *s, enum expected *expected)
{
    if (peek(s) != ',') {
        return scan_close(s, expected);
    }
    s->at++;
    *expected = s->open[s->depth - 1] == '{' ? EXPECT_NAME : EXPECT_VALUE;
    return true;
}

static bool
scan_name(struct scanner *s, enum expected *expected)
{
    *expected = EXPECT_COLON;
    return peek(s) == '"' && scan_string(s);
}

/* One token. */
static bool
scan_step(struct scanner *s, enum expected *expected)
{
    switch (*expected) {
    case EXPECT_VALUE:
        return scan_value(s, expected);
    case EXPECT_VALUE_OR_END:
        return peek(s) == ']' ? scan_close(s, expected) : scan_value(s, expected);
    case EXPECT_NAME:
        return scan_name(s, expected);
    case EXPECT_NAME_OR_END:
        return peek(s) == '}' ? scan_close(s, expected) : scan_name(s, expected);
    case EXPECT_COLON:
        *expected = EXPECT_VALUE;
        return peek(s) == ':' && ++s->at > 0;
    case EXPECT_COMMA_OR_END:
        return scan_separator(s, expected);
    }
    return false;
}

/* Moves over one value. */
static bool
scan(struct scanner *s, struct err *err)
{
    enum expected expected = EXPECT_VALUE;
    do {
        skip_blanks(s);
        if (is_too_deep(s, peek(s))) {
            return err_set(err, ERR_LIMIT, "more than %d levels at position %zu", JSON_DEPTH_MAX,
                           s->at);
        }
        if (!scan_step(s, &expected)) {
            return fail_here(s, err);
        }
    } while (s->depth > 0 || expected != EXPECT_COMMA_OR_END);
    return true;
}

/* ---- what a checked value means */

static uint32_t
hex4(const uint8_t *digits)
{
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) {
        uint32_t c = digits[i];
        value = value * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    }
    return value;
}

static size_t
put_utf8(uint8_t *to, uint32_t code)
{
    if (code < 0x80) {
        to[0] = (uint8_t)code;
        return 1;
    }
    size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        to[i] = (uint8_t)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    to[0] = (uint8_t)(first[size] | code);
    return size;
}

/* What stands behind `\`; a half of a pair alone becomes bytes that are not UTF-8. */
static size_t
unescape(const uint8_t **from, const uint8_t *end, uint8_t *to)
{
    static const char names[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const uint8_t *at = *from;
    if (*at != 'u') {
        const char *name = strchr(names, *at);
        *to = name != NULL ? (uint8_t)meanings[name - names] : *at;
        *from = at + 1;
        return 1;
    }
    uint32_t code = hex4(at + 1);
    at += 5;
    bool is_high = code >= 0xd800 && code < 0xdc00;
    if (is_high && end - at >= 6 && at[0] == '\\' && at[1] == 'u') {
        uint32_t low = hex4(at + 2);
        if (low >= 0xdc00 && low < 0xe000) {
            code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
            at += 6;
        }
    }
    *from = at;
    return put_utf8(to, code);
}

/* `quoted` with its quotes. */
static struct view
string_text(struct view quoted, struct arena *mem)
{
    struct view inside = {quoted.bytes + 1, quoted.size - 2};
    if (inside.size == 0 || memchr(inside.bytes, '\\', inside.size) == NULL) {
        return inside;
    }
    uint8_t *text = arena_alloc(mem, inside.size, 1); /* an escape is never shorter than its text */
    const uint8_t *end = inside.bytes + inside.size;
    size_t size = 0;
    for (const uint8_t *at = inside.bytes; at < end;) {
        if (*at == '\\') {
            at++;
            size += unescape(&at, end, text + size);
        } else {
            text[size++] = *at++;
        }
    }
    return (struct view){text, size};
}

static struct json_value
meaning(struct view bytes, struct arena *mem)
{
    switch (bytes.bytes[0]) {
    case '"':
        return (struct json_value){JSON_KIND_STRING, string_text(bytes, mem)};
    case '{':
        return (struct json_value){JSON_KIND_OBJECT, bytes};
    case '[':
        return (struct json_value){JSON_KIND_ARRAY, bytes};
    case 'n':
        return (struct json_value){JSON_KIND_NULL, bytes};
    case 't':
    case 'f':
        return (struct json_value){JSON_KIND_BOOL, bytes};
    default:
        return (struct json_value){JSON_KIND_NUMBER, bytes};
    }
}

bool
json_read(struct view text, struct arena *mem, struct json_value *value_out, struct err *err)
{
    struct scanner s = {.bytes = text.bytes, .size = text.size};
    skip_blanks(&s);
    size_t begin = s.at;
    if (!scan(&s, err)) {
        return false;
    }
    size_t end = s.at;
    skip_blanks(&s);
    if (s.at < s.size) {
        return fail_here(&s, err);
    }
    *value_out = meaning((struct view){text.bytes + begin, end - begin}, mem);
    return true;
}

bool
json_next_member(struct view *rest, struct arena *mem, struct view *name_out,
                 struct json_value *value_out)
{
    struct err err;
    struct scanner s = {.bytes = rest->bytes, .size = rest->size, .at = 1}; /* over `{` or `,` */
    skip_blanks(&s);
    if (peek(&s) != '"') {
        return false; /* an empty object */
    }
    size_t begin = s.at;
    bool is_right = scan_string(&s);
    *name_out = string_text((struct view){rest->bytes + begin, s.at - begin}, mem);
    skip_blanks(&s);
    s.at++; /* the colon */
    skip_blanks(&s);
    begin = s.at;
    is_right = is_right && scan(&s, &err);
    ASSERT(is_right); /* json_read() has checked it */
    *value_out = meaning((struct view){rest->bytes + begin, s.at - begin}, mem);
    skip_blanks(&s);
    *rest = (struct view){rest->bytes + s.at, rest->size - s.at};
    return true;
}

size_t
json_members_max(const struct json_value *object)
{
    size_t count = 1;
    for (size_t i = 0; i < object->text.size; i++) {
        count += object->text.bytes[i] == ',';
    }
    return count;
}
