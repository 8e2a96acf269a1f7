/* Reading json and jsonb. */
#include "common/core/where_json.h"

#include <string.h>

#include "common/core/text_cursor.h"
#include "common/core/where_decimal.h"

/* numeric's own: more digits before or behind the point overflow its format. */
#define WHOLE_DIGITS_MAX    131072
#define FRACTION_DIGITS_MAX 16383

/* What other values of the row or the clause still need. */
#define ROOM_RESERVED (1u << 20)

struct parsing {
    struct text_cursor c;
    struct arena *mem;
    bool is_binary;
    unsigned depth;
    size_t nodes;
};

static struct json_node *parse_value(struct parsing *p);

static void
skip_blanks(struct text_cursor *c)
{
    while (!text_at_end(c) &&
           (*c->next == ' ' || *c->next == '\t' || *c->next == '\n' || *c->next == '\r')) {
        c->next++;
    }
}

/* ---- strings */

static bool
take_hex4(struct text_cursor *c, uint32_t *code_out)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        if (text_at_end(c)) {
            return false;
        }
        uint8_t b = *c->next++;
        uint8_t lower = b | 0x20;
        if (b >= '0' && b <= '9') {
            code = code * 16 + (uint32_t)(b - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            code = code * 16 + (uint32_t)(lower - 'a' + 10);
        } else {
            return false;
        }
    }
    *code_out = code;
    return true;
}

/* Two \u of a surrogate pair are one character; half a pair is an error, and so is NUL. */
static bool
take_code_point(struct text_cursor *c, uint32_t *code_out)
{
    uint32_t low;
    if (!take_hex4(c, code_out) || *code_out == 0 || (*code_out >= 0xdc00 && *code_out <= 0xdfff)) {
        return false;
    }
    if (*code_out < 0xd800 || *code_out > 0xdbff) {
        return true;
    }
    if (!text_take_word(c, "\\u") || !take_hex4(c, &low) || low < 0xdc00 || low > 0xdfff) {
        return false;
    }
    *code_out = 0x10000 + ((*code_out & 0x3ff) << 10) + (low & 0x3ff);
    return true;
}

static size_t
put_utf8(uint32_t code, uint8_t *out)
{
    if (code < 0x80) {
        out[0] = (uint8_t)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (uint8_t)(0xc0 | code >> 6);
        out[1] = (uint8_t)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (uint8_t)(0xe0 | code >> 12);
        out[1] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
        out[2] = (uint8_t)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (uint8_t)(0xf0 | code >> 18);
    out[1] = (uint8_t)(0x80 | (code >> 12 & 0x3f));
    out[2] = (uint8_t)(0x80 | (code >> 6 & 0x3f));
    out[3] = (uint8_t)(0x80 | (code & 0x3f));
    return 4;
}

static bool
take_escape(struct text_cursor *c, uint8_t *out, size_t *size)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    uint32_t code;
    if (text_at_end(c)) {
        return false;
    }
    uint8_t letter = *c->next++;
    if (letter == 'u') {
        if (!take_code_point(c, &code)) {
            return false;
        }
        *size += put_utf8(code, out + *size);
        return true;
    }
    const char *found = letter == 0 ? NULL : strchr(letters, letter);
    if (found == NULL) {
        return false;
    }
    out[(*size)++] = (uint8_t)meanings[found - letters];
    return true;
}

/* The end of the string that begins behind the opening quote; NULL: none. */
static const uint8_t *
find_end(const struct text_cursor *c, bool *has_escapes_out)
{
    *has_escapes_out = false;
    for (const uint8_t *next = c->next; next < c->end; next++) {
        if (*next == '"') {
            return next;
        }
        if (*next < 0x20) {
            return NULL;
        }
        if (*next == '\\') {
            *has_escapes_out = true;
            next++;
        }
    }
    return NULL;
}

static bool
take_string(struct parsing *p, struct view *text_out)
{
    bool has_escapes;
    if (!text_take(&p->c, '"')) {
        return false;
    }
    const uint8_t *end = find_end(&p->c, &has_escapes);
    if (end == NULL) {
        return false;
    }
    size_t written = (size_t)(end - p->c.next);
    if (!has_escapes) {
        *text_out = (struct view){p->c.next, written};
        p->c.next = end + 1;
        return true;
    }
    if (written + ROOM_RESERVED > arena_room(p->mem)) {
        return false;
    }
    struct text_cursor c = {p->c.next, end};
    uint8_t *text = arena_alloc(p->mem, written, 1); /* no escape is shorter than its meaning */
    size_t size = 0;
    while (!text_at_end(&c)) {
        uint8_t b = *c.next++;
        if (b != '\\') {
            text[size++] = b;
        } else if (!take_escape(&c, text, &size)) {
            return false;
        }
    }
    *text_out = (struct view){text, size};
    p->c.next = end + 1;
    return true;
}

/* ---- numbers */

static size_t
skip_digits(struct text_cursor *c)
{
    const uint8_t *start = c->next;
    while (!text_at_end(c) && *c->next >= '0' && *c->next <= '9') {
        c->next++;
    }
    return (size_t)(c->next - start);
}

/* JSON's grammar: no leading zero, no bare point. */
static bool
skip_number(struct text_cursor *c, bool *has_exponent_out)
{
    *has_exponent_out = false;
    text_take(c, '-');
    const uint8_t *start = c->next;
    size_t whole = skip_digits(c);
    size_t fraction = 1;
    if (whole == 0 || (whole > 1 && *start == '0')) {
        return false;
    }
    if (text_take(c, '.')) {
        fraction = skip_digits(c);
    }
    if (fraction == 0 || whole > WHOLE_DIGITS_MAX || fraction > FRACTION_DIGITS_MAX) {
        return false;
    }
    if (text_take(c, 'e') || text_take(c, 'E')) {
        *has_exponent_out = true;
        (void)(text_take(c, '-') || text_take(c, '+'));
        return skip_digits(c) > 0;
    }
    return true;
}

/* The digits of a jsonb number with an exponent, which numeric never prints. */
static bool
without_exponent(struct parsing *p, struct view *number)
{
    struct where_decimal decimal;
    struct buf text = {0};
    if (arena_room(p->mem) < ROOM_RESERVED || !decimal_parse(*number, p->mem, &decimal)) {
        return false;
    }
    decimal_print(&decimal, true, &text);
    uint8_t *copy = arena_alloc(p->mem, text.size, 1);
    memcpy(copy, text.bytes, text.size);
    *number = (struct view){copy, text.size};
    buf_free(&text);
    return true;
}

static bool
take_number(struct parsing *p, struct json_node *node)
{
    bool has_exponent;
    const uint8_t *start = p->c.next;
    node->kind = JSON_NUMBER;
    if (!skip_number(&p->c, &has_exponent)) {
        return false;
    }
    node->text = (struct view){start, (size_t)(p->c.next - start)};
    return !has_exponent || !p->is_binary || without_exponent(p, &node->text);
}

/* ---- arrays and objects */

static bool
take_array(struct parsing *p, struct json_node *node)
{
    struct json_node **link = &node->first;
    node->kind = JSON_ARRAY;
    skip_blanks(&p->c);
    if (text_take(&p->c, ']')) {
        return true;
    }
    do {
        *link = parse_value(p);
        if (*link == NULL) {
            return false;
        }
        link = &(*link)->next;
        node->count++;
        skip_blanks(&p->c);
    } while (text_take(&p->c, ','));
    return text_take(&p->c, ']');
}

/* Cuts `size` members off the front of *rest. */
static struct json_node *
cut(struct json_node **rest, size_t size)
{
    struct json_node *run = *rest;
    struct json_node **link = rest;
    while (size > 0 && *link != NULL) {
        link = &(*link)->next;
        size--;
    }
    struct json_node *after = *link;
    *link = NULL;
    if (link == rest) {
        run = NULL;
    }
    *rest = after;
    return run;
}

/* Appends two sorted runs merged; of equal keys those of `a` come first. Gives the new end. */
static struct json_node **
merge(struct json_node *a, struct json_node *b, struct json_node **link)
{
    while (a != NULL || b != NULL) {
        bool takes_a = b == NULL || (a != NULL && json_compare_keys(a->key, b->key) <= 0);
        struct json_node **from = takes_a ? &a : &b;
        *link = *from;
        *from = (*from)->next;
        link = &(*link)->next;
    }
    *link = NULL;
    return link;
}

/* A merge sort from below: stable, without memory of its own. */
static void
sort_members(struct json_node *object)
{
    for (size_t size = 1; size < object->count; size *= 2) {
        struct json_node *rest = object->first;
        struct json_node **link = &object->first;
        while (rest != NULL) {
            struct json_node *a = cut(&rest, size);
            struct json_node *b = cut(&rest, size);
            link = merge(a, b, link);
        }
    }
}

static void
drop_earlier_duplicates(struct json_node *object)
{
    struct json_node **link = &object->first;
    while (*link != NULL) {
        struct json_node *member = *link;
        if (member->next != NULL && json_compare_keys(member->key, member->next->key) == 0) {
            *link = member->next;
            object->count--;
        } else {
            link = &member->next;
        }
    }
}

static bool
is_in_order(const struct json_node *object)
{
    for (const struct json_node *m = object->first; m != NULL && m->next != NULL; m = m->next) {
        if (json_compare_keys(m->key, m->next->key) >= 0) {
            return false;
        }
    }
    return true;
}

static bool
take_object(struct parsing *p, struct json_node *node)
{
    struct json_node **link = &node->first;
    node->kind = JSON_OBJECT;
    skip_blanks(&p->c);
    if (text_take(&p->c, '}')) {
        return true;
    }
    do {
        struct view key;
        skip_blanks(&p->c);
        if (!take_string(p, &key)) {
            return false;
        }
        skip_blanks(&p->c);
        *link = text_take(&p->c, ':') ? parse_value(p) : NULL;
        if (*link == NULL) {
            return false;
        }
        (*link)->key = key;
        link = &(*link)->next;
        node->count++;
        skip_blanks(&p->c);
    } while (text_take(&p->c, ','));
    if (p->is_binary && !is_in_order(node)) { /* Postgres prints them in order */
        sort_members(node);
        drop_earlier_duplicates(node);
    }
    return text_take(&p->c, '}');
}

static bool
take_content(struct parsing *p, struct json_node *node)
{
    if (text_at_end(&p->c)) {
        return false;
    }
    switch (*p->c.next) {
    case '{':
        p->c.next++;
        return take_object(p, node);
    case '[':
        p->c.next++;
        return take_array(p, node);
    case '"':
        node->kind = JSON_STRING;
        return take_string(p, &node->text);
    case 'n':
        return text_take_word(&p->c, "null");
    case 't':
        node->kind = JSON_BOOL;
        node->boolean = true;
        return text_take_word(&p->c, "true");
    case 'f':
        node->kind = JSON_BOOL;
        return text_take_word(&p->c, "false");
    default:
        return take_number(p, node);
    }
}

static struct json_node *
parse_value(struct parsing *p)
{
    if (p->depth >= JSON_DEPTH_MAX || p->nodes >= JSON_NODES_MAX ||
        arena_room(p->mem) < ROOM_RESERVED) {
        return NULL;
    }
    struct json_node *node = arena_alloc(p->mem, 1, sizeof *node);
    p->nodes++;
    p->depth++;
    skip_blanks(&p->c);
    const uint8_t *start = p->c.next;
    bool ok = take_content(p, node);
    node->raw = (struct view){start, (size_t)(p->c.next - start)};
    p->depth--;
    return ok ? node : NULL;
}

bool
json_parse(struct view text, bool is_binary, struct arena *mem, struct where_json *json_out)
{
    if (text.size == 0) {
        return false;
    }
    struct parsing p = {
        .c = {text.bytes, text.bytes + text.size}, .mem = mem, .is_binary = is_binary};
    const struct json_node *root = parse_value(&p);
    skip_blanks(&p.c);
    *json_out = (struct where_json){.root = root, .text = text};
    return root != NULL && text_at_end(&p.c);
}
