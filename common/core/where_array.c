#include "common/core/where_array.h"

#include <string.h>

#include "common/core/text_cursor.h"

struct parsing {
    struct text_cursor c;
    struct where_type element;
    struct arena *mem;
    struct err *err;
    struct where_value *items;
    size_t count;
    size_t capacity;
    size_t depth_max; /* depth of the first element: all others must have it too */
    size_t dimensions[WHERE_ARRAY_DIMENSIONS];
    bool dimension_known[WHERE_ARRAY_DIMENSIONS];
};

static void
skip_blanks(struct text_cursor *c)
{
    while (!text_at_end(c) && strchr(" \t\n\r\v\f", *c->next) != NULL && *c->next != 0) {
        c->next++;
    }
}

/* False: more elements than the arena has room for. The data decides how many there are. */
static bool
add_item(struct parsing *p, struct where_value value)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity == 0 ? 8 : 2 * p->capacity;
        if (capacity >= arena_room(p->mem) / 2 / sizeof *p->items) {
            return false;
        }
        struct where_value *items = arena_alloc(p->mem, capacity, sizeof *items);
        if (p->count > 0) {
            memcpy(items, p->items, p->count * sizeof *items);
        }
        p->items = items;
        p->capacity = capacity;
    }
    p->items[p->count++] = value;
    return true;
}

/* Up to the quote that ends it; copied only when something in it is escaped. */
static bool
take_quoted(struct parsing *p, struct view *text_out)
{
    const uint8_t *start = p->c.next;
    size_t escapes = 0;
    while (!text_at_end(&p->c) && *p->c.next != '"') {
        bool is_escape = *p->c.next == '\\';
        if (is_escape && p->c.end - p->c.next < 2) {
            return false;
        }
        escapes += is_escape;
        p->c.next += is_escape ? 2 : 1;
    }
    const uint8_t *end = p->c.next;
    if (!text_take(&p->c, '"')) {
        return false;
    }
    *text_out = (struct view){start, (size_t)(end - start)};
    if (escapes == 0) {
        return true;
    }
    uint8_t *text = arena_alloc(p->mem, text_out->size - escapes + 1, 1);
    size_t size = 0;
    for (const uint8_t *next = start; next < end; next++) {
        next += *next == '\\';
        text[size++] = *next;
    }
    *text_out = (struct view){text, size};
    return true;
}

static bool
take_bare(struct parsing *p, struct view *text_out)
{
    const uint8_t *start = p->c.next;
    while (!text_at_end(&p->c) && *p->c.next != ',' && *p->c.next != '}') {
        if (*p->c.next == '{' || *p->c.next == '"' || *p->c.next == '\\') {
            return false; /* an escape outside quotes: Postgres never writes it */
        }
        p->c.next++;
    }
    const uint8_t *end = p->c.next;
    while (end > start && end[-1] != 0 && strchr(" \t\n\r\v\f", end[-1]) != NULL) {
        end--;
    }
    *text_out = (struct view){start, (size_t)(end - start)};
    return end > start;
}

static bool
is_null_word(struct view text)
{
    return text.size == 4 && (text.bytes[0] | 0x20) == 'n' && (text.bytes[1] | 0x20) == 'u' &&
           (text.bytes[2] | 0x20) == 'l' && (text.bytes[3] | 0x20) == 'l';
}

static bool
take_element(struct parsing *p, size_t depth)
{
    struct view text;
    if (p->depth_max != 0 && p->depth_max != depth) {
        return false;
    }
    p->depth_max = depth;
    if (text_take(&p->c, '"')) {
        if (!take_quoted(p, &text)) {
            return false;
        }
    } else {
        if (!take_bare(p, &text)) {
            return false;
        }
        if (is_null_word(text)) {
            return add_item(p, (struct where_value){.is_null = true});
        }
    }
    struct where_value value;
    if (!where_value_parse(p->element, text, p->mem, &value, p->err)) {
        return false;
    }
    return add_item(p, value);
}

static bool
take_array(struct parsing *p, size_t depth)
{
    size_t count = 0;
    if (depth > WHERE_ARRAY_DIMENSIONS || !text_take(&p->c, '{')) {
        return false;
    }
    skip_blanks(&p->c);
    if (text_take(&p->c, '}')) {
        return depth == 1; /* only an empty array has empty braces */
    }
    for (;;) {
        skip_blanks(&p->c);
        bool is_nested = !text_at_end(&p->c) && *p->c.next == '{';
        if (is_nested ? !take_array(p, depth + 1) : !take_element(p, depth)) {
            return false;
        }
        count++;
        skip_blanks(&p->c);
        if (text_take(&p->c, '}')) {
            break;
        }
        if (!text_take(&p->c, ',')) {
            return false;
        }
    }
    if (p->dimension_known[depth - 1] && p->dimensions[depth - 1] != count) {
        return false;
    }
    p->dimension_known[depth - 1] = true;
    p->dimensions[depth - 1] = count;
    return true;
}

bool
where_array_parse(struct where_type type, struct view text, struct arena *mem,
                  struct where_array *array_out, struct err *err)
{
    struct parsing p = {
        .c = text_trimmed(text),
        .element = {.base = type.base, .oid = type.oid},
        .mem = mem,
        .err = err,
    };
    if (!take_array(&p, 1) || !text_at_end(&p.c)) {
        return err_set(err, ERR_INVALID, "malformed array");
    }
    *array_out =
        (struct where_array){.count = p.count, .dimension_count = p.depth_max, .items = p.items};
    memcpy(array_out->dimensions, p.dimensions, sizeof array_out->dimensions);
    return true;
}

static int
compare_elements(struct where_type element, const struct where_value *a,
                 const struct where_value *b)
{
    if (a->is_null || b->is_null) {
        return (int)a->is_null - (int)b->is_null;
    }
    return where_value_compare(element, a, b);
}

int
where_array_compare(struct where_type type, const struct where_array *a,
                    const struct where_array *b)
{
    struct where_type element = {.base = type.base, .oid = type.oid};
    size_t shared = a->count < b->count ? a->count : b->count;
    for (size_t i = 0; i < shared; i++) {
        int order = compare_elements(element, &a->items[i], &b->items[i]);
        if (order != 0) {
            return order;
        }
    }
    if (a->count != b->count) {
        return a->count < b->count ? -1 : 1;
    }
    if (a->dimension_count != b->dimension_count) {
        return a->dimension_count < b->dimension_count ? -1 : 1;
    }
    for (size_t i = 0; i < a->dimension_count; i++) {
        if (a->dimensions[i] != b->dimensions[i]) {
            return a->dimensions[i] < b->dimensions[i] ? -1 : 1;
        }
    }
    return 0;
}

static bool
has_element(struct where_type element, const struct where_array *array,
            const struct where_value *value)
{
    for (size_t i = 0; i < array->count; i++) {
        if (!array->items[i].is_null &&
            where_value_compare(element, &array->items[i], value) == 0) {
            return true;
        }
    }
    return false;
}

bool
where_array_contains(struct where_type type, const struct where_array *a,
                     const struct where_array *b)
{
    struct where_type element = {.base = type.base, .oid = type.oid};
    for (size_t i = 0; i < b->count; i++) {
        if (b->items[i].is_null || !has_element(element, a, &b->items[i])) {
            return false;
        }
    }
    return true;
}

bool
where_array_overlaps(struct where_type type, const struct where_array *a,
                     const struct where_array *b)
{
    struct where_type element = {.base = type.base, .oid = type.oid};
    for (size_t i = 0; i < b->count; i++) {
        if (!b->items[i].is_null && has_element(element, a, &b->items[i])) {
            return true;
        }
    }
    return false;
}

/* As Postgres' array_out does it, so that the text of an array is Postgres' too. */
static bool
needs_quotes(struct view text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] != 0 && strchr("\"\\{}, \t\n\r\v\f", text.bytes[i]) != NULL) {
            return true;
        }
    }
    return text.size == 0 || is_null_word(text);
}

static void
print_element(struct view text, struct buf *out)
{
    if (!needs_quotes(text)) {
        buf_append_view(out, text);
        return;
    }
    buf_append_byte(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] == '"' || text.bytes[i] == '\\') {
            buf_append_byte(out, '\\');
        }
        buf_append_byte(out, text.bytes[i]);
    }
    buf_append_byte(out, '"');
}

static void
print_level(struct where_type element, const struct where_array *array, size_t depth, size_t *next,
            struct buf *out)
{
    buf_append_byte(out, '{');
    for (size_t i = 0; i < array->dimensions[depth]; i++) {
        buf_append_str(out, i > 0 ? "," : "");
        if (depth + 1 < array->dimension_count) {
            print_level(element, array, depth + 1, next, out);
            continue;
        }
        const struct where_value *item = &array->items[(*next)++];
        if (item->is_null) {
            buf_append_str(out, "NULL");
            continue;
        }
        if (element.base == WT_BOOL) { /* bool's output function; a cast alone spells it in full */
            buf_append_str(out, item->boolean ? "t" : "f");
            continue;
        }
        struct buf text = {0};
        where_value_print(element, item, &text);
        print_element(buf_view(&text), out);
        buf_free(&text);
    }
    buf_append_byte(out, '}');
}

void
where_array_print(struct where_type type, const struct where_array *array, struct buf *out)
{
    size_t next = 0;
    if (array->count == 0) {
        buf_append_str(out, "{}");
        return;
    }
    print_level((struct where_type){.base = type.base, .oid = type.oid}, array, 0, &next, out);
}

void
where_array_slice(const struct where_array *array, const struct where_value *bounds,
                  size_t dimension_count, struct arena *mem, struct where_array *slice_out)
{
    size_t low[WHERE_ARRAY_DIMENSIONS] = {0};
    struct where_array slice = {.count = 1, .dimension_count = array->dimension_count};
    *slice_out = (struct where_array){0};
    if (array->dimension_count < dimension_count || array->count == 0) {
        return;
    }
    for (size_t i = 0; i < array->dimension_count; i++) {
        int64_t size = (int64_t)array->dimensions[i];
        int64_t first = i < dimension_count ? bounds[2 * i].integer : 1;
        int64_t last = i < dimension_count ? bounds[2 * i + 1].integer : size;
        first = first < 1 ? 1 : first;
        last = last > size ? size : last;
        if (first > last) {
            return;
        }
        low[i] = (size_t)(first - 1);
        slice.dimensions[i] = (size_t)(last - first + 1);
        slice.count *= slice.dimensions[i];
    }
    struct where_value *items = arena_alloc(mem, slice.count, sizeof *items);
    for (size_t k = 0; k < slice.count; k++) {
        size_t rest = k; /* the place within the slice becomes one within the array */
        size_t place = 0;
        size_t unit = 1;
        for (size_t i = slice.dimension_count; i-- > 0;) {
            place += (low[i] + rest % slice.dimensions[i]) * unit;
            rest /= slice.dimensions[i];
            unit *= array->dimensions[i];
        }
        items[k] = array->items[place];
    }
    slice.items = items;
    *slice_out = slice;
}
