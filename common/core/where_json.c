#include "common/core/where_json.h"

#include <string.h>

#include "common/core/text_cursor.h"
#include "common/core/where_decimal.h"
#include "common/json.h"

int
json_compare_keys(struct view a, struct view b)
{
    if (a.size != b.size) {
        return a.size < b.size ? -1 : 1;
    }
    return a.size == 0 ? 0 : memcmp(a.bytes, b.bytes, a.size);
}

/* ---- comparison */

static struct where_decimal
number_of(const struct json_node *node)
{
    struct where_decimal decimal = {.kind = DECIMAL_FINITE};
    bool ok = decimal_parse(node->text, NULL, &decimal); /* no exponent: no memory */
    ASSERT(ok);
    return decimal;
}

static bool
is_equal_scalar(const struct json_node *a, const struct json_node *b)
{
    if (a->kind == JSON_NUMBER) {
        struct where_decimal left = number_of(a);
        struct where_decimal right = number_of(b);
        return decimal_compare(&left, &right) == 0;
    }
    return a->kind == JSON_NULL || (a->kind == JSON_BOOL && a->boolean == b->boolean) ||
           (a->kind == JSON_STRING && view_equal(a->text, b->text));
}

static bool
is_container(const struct json_node *node)
{
    return node->kind == JSON_ARRAY || node->kind == JSON_OBJECT;
}

bool
json_is_equal(const struct json_node *a, const struct json_node *b)
{
    if (a->kind != b->kind) {
        return false;
    }
    if (!is_container(a)) {
        return is_equal_scalar(a, b);
    }
    if (a->count != b->count) {
        return false;
    }
    const struct json_node *left = a->first;
    for (const struct json_node *right = b->first; right != NULL; right = right->next) {
        if ((a->kind == JSON_OBJECT && !view_equal(left->key, right->key)) ||
            !json_is_equal(left, right)) {
            return false;
        }
        left = left->next;
    }
    return true;
}

static bool
element_contains(const struct json_node *array, const struct json_node *wanted)
{
    for (const struct json_node *element = array->first; element != NULL; element = element->next) {
        if (element->kind == wanted->kind &&
            (is_container(wanted) ? json_contains(element, wanted)
                                  : is_equal_scalar(element, wanted))) {
            return true;
        }
    }
    return false;
}

/* Both are objects, keys in order: one walk along `a`. */
static bool
members_contain(const struct json_node *a, const struct json_node *b)
{
    const struct json_node *left = a->first;
    for (const struct json_node *right = b->first; right != NULL; right = right->next) {
        while (left != NULL && json_compare_keys(left->key, right->key) < 0) {
            left = left->next;
        }
        if (left == NULL || !view_equal(left->key, right->key) || left->kind != right->kind ||
            !(is_container(left) ? json_contains(left, right) : is_equal_scalar(left, right))) {
            return false;
        }
    }
    return true;
}

bool
json_contains(const struct json_node *a, const struct json_node *b)
{
    if (a->kind == JSON_ARRAY && !is_container(b)) {
        return element_contains(a, b); /* Postgres' exception: an array has its elements */
    }
    if (a->kind != b->kind) {
        return false;
    }
    if (a->kind == JSON_OBJECT) {
        return members_contain(a, b);
    }
    if (a->kind != JSON_ARRAY) {
        return is_equal_scalar(a, b);
    }
    for (const struct json_node *wanted = b->first; wanted != NULL; wanted = wanted->next) {
        if (!element_contains(a, wanted)) {
            return false;
        }
    }
    return true;
}

/* ---- looking inside */

const struct json_node *
json_member(const struct json_node *node, struct view key)
{
    const struct json_node *found = NULL;
    for (const struct json_node *member = node->kind == JSON_OBJECT ? node->first : NULL;
         member != NULL; member = member->next) {
        found = view_equal(member->key, key) ? member : found;
    }
    return found;
}

const struct json_node *
json_element(const struct json_node *node, int64_t place)
{
    if (node->kind != JSON_ARRAY) {
        return NULL;
    }
    place += place < 0 ? (int64_t)node->count : 0;
    const struct json_node *element = place < 0 ? NULL : node->first;
    for (; element != NULL && place > 0; place--) {
        element = element->next;
    }
    return element;
}

/* strtol's idea of a whole number of 32 bits: blanks and a sign may stand before it. */
static bool
read_place(struct view text, int64_t *place_out)
{
    struct text_cursor c = {text.bytes, text.bytes + text.size};
    while (!text_at_end(&c) && *c.next != 0 && strchr(" \t\n\v\f\r", *c.next) != NULL) {
        c.next++;
    }
    bool is_negative = text_take(&c, '-');
    if (!is_negative) {
        (void)text_take(&c, '+');
    }
    while (c.end - c.next > 1 && *c.next == '0') {
        c.next++;
    }
    if (!text_take_digits(&c, 1, 10, place_out) || !text_at_end(&c)) {
        return false;
    }
    *place_out = is_negative ? -*place_out : *place_out;
    return *place_out > INT32_MIN && *place_out <= INT32_MAX;
}

/*
 * In json a key may be there twice, and Postgres follows the path into each of them: what it finds
 * last counts, even if a later namesake has nothing at the path's end.
 */
static void
follow(const struct json_node *node, const struct where_array *path, size_t step,
       const struct json_node **found)
{
    int64_t place;
    if (step == path->count) {
        *found = node;
    } else if (node->kind == JSON_OBJECT) {
        for (const struct json_node *member = node->first; member != NULL; member = member->next) {
            if (view_equal(member->key, path->items[step].text)) {
                follow(member, path, step + 1, found);
            }
        }
    } else if (node->kind == JSON_ARRAY && read_place(path->items[step].text, &place)) {
        const struct json_node *element = json_element(node, place);
        if (element != NULL) {
            follow(element, path, step + 1, found);
        }
    }
}

const struct json_node *
json_at_path(const struct json_node *root, const struct where_array *path)
{
    const struct json_node *found = NULL;
    follow(root, path, 0, &found);
    return found;
}

/* ---- text */

static void
print_children(const struct json_node *node, bool as_key, struct buf *out)
{
    for (const struct json_node *child = node->first; child != NULL; child = child->next) {
        buf_append_str(out, child == node->first ? "" : ", ");
        if (node->kind == JSON_OBJECT) {
            json_append_string(out, child->key);
            buf_append_str(out, ": ");
        }
        json_print(child, as_key, out);
    }
}

void
json_print(const struct json_node *node, bool as_key, struct buf *out)
{
    struct where_decimal number;
    switch (node->kind) {
    case JSON_NULL:
        buf_append_str(out, "null");
        return;
    case JSON_BOOL:
        buf_append_str(out, node->boolean ? "true" : "false");
        return;
    case JSON_NUMBER:
        number = number_of(node);
        decimal_print(&number, !as_key, out);
        return;
    case JSON_STRING:
        json_append_string(out, node->text);
        return;
    case JSON_ARRAY:
        buf_append_byte(out, '[');
        print_children(node, as_key, out);
        buf_append_byte(out, ']');
        return;
    case JSON_OBJECT:
        buf_append_byte(out, '{');
        print_children(node, as_key, out);
        buf_append_byte(out, '}');
        return;
    }
}
