/* The operators of json and jsonb. */
#include <string.h>

#include "common/core/where_json.h"
#include "common/core/where_ops.h"

static bool
is_scalar(const struct json_node *node)
{
    return node->kind != JSON_ARRAY && node->kind != JSON_OBJECT;
}

/* What was found, as json or jsonb; NULL when there is nothing. */
static bool
give(const struct json_node *node, struct where_value *result)
{
    if (node == NULL) {
        result->is_null = true;
    } else {
        result->json = (struct where_json){.root = node, .text = node->raw};
    }
    return true;
}

/* Ends `text`. */
static bool
copy_text(struct where_scratch *scratch, struct buf *text, struct where_value *result)
{
    uint8_t *copy;
    bool ok = where_take(scratch, text->size, &copy);
    if (ok && text->size > 0) {
        memcpy(copy, text->bytes, text->size);
    }
    if (ok) {
        result->text = (struct view){copy, text->size};
    }
    buf_free(text);
    return ok;
}

/* As text: a string without quotes, null as NULL, anything else as it is printed. */
static bool
give_text(struct where_scratch *scratch, const struct json_node *node, struct where_value *result)
{
    if (node == NULL || node->kind == JSON_NULL) {
        result->is_null = true;
    } else if (node->kind == JSON_STRING) {
        result->text = node->text;
    } else if (scratch->arg_type.base == WT_JSON) {
        result->text = node->raw;
    } else {
        struct buf text = {0};
        json_print(node, false, &text);
        return copy_text(scratch, &text, result);
    }
    return true;
}

IMPL(json_get_member)
{
    (void)scratch;
    return give(json_member(args[0].json.root, args[1].text), result);
}

IMPL(json_get_member_text)
{
    return give_text(scratch, json_member(args[0].json.root, args[1].text), result);
}

/* jsonb keeps a scalar that stands alone in an array of one, and this operator shows it. */
static const struct json_node *
element_of(const struct where_scratch *scratch, const struct where_value *args)
{
    const struct json_node *root = args[0].json.root;
    int64_t place = args[1].integer;
    if (scratch->arg_type.base == WT_JSONB && is_scalar(root)) {
        return place == 0 || place == -1 ? root : NULL;
    }
    return json_element(root, place);
}

IMPL(json_get_element)
{
    return give(element_of(scratch, args), result);
}

IMPL(json_get_element_text)
{
    return give_text(scratch, element_of(scratch, args), result);
}

static bool
has_null(const struct where_array *array)
{
    for (size_t i = 0; i < array->count; i++) {
        if (array->items[i].is_null) {
            return true;
        }
    }
    return false;
}

static const struct json_node *
at_path(const struct where_value *args)
{
    return has_null(&args[1].array) ? NULL : json_at_path(args[0].json.root, &args[1].array);
}

/* The empty path of a json scalar gives what was written, blanks before it included. */
static bool
is_json_itself(const struct where_scratch *scratch, const struct where_value *args,
               const struct json_node *node, struct view *text_out)
{
    const struct where_json *json = &args[0].json;
    if (scratch->arg_type.base != WT_JSON || node != json->root || !is_scalar(node)) {
        return false;
    }
    *text_out = (struct view){json->text.bytes,
                              (size_t)(node->raw.bytes + node->raw.size - json->text.bytes)};
    return true;
}

IMPL(json_get_path)
{
    struct view text;
    const struct json_node *node = at_path(args);
    if (node != NULL && is_json_itself(scratch, args, node, &text)) {
        result->json = (struct where_json){.root = node, .text = text};
        return true;
    }
    return give(node, result);
}

IMPL(json_get_path_text)
{
    struct view text;
    const struct json_node *node = at_path(args);
    if (node != NULL && node->kind != JSON_STRING && node->kind != JSON_NULL &&
        is_json_itself(scratch, args, node, &text)) {
        result->text = text;
        return true;
    }
    return give_text(scratch, node, result);
}

IMPL(jsonb_contains)
{
    (void)scratch;
    result->boolean = json_contains(args[0].json.root, args[1].json.root);
    return true;
}

IMPL(jsonb_contained)
{
    (void)scratch;
    result->boolean = json_contains(args[1].json.root, args[0].json.root);
    return true;
}

/* A key of an object, a string in an array, or the string itself. */
static bool
has_name(const struct json_node *node, struct view name)
{
    if (node->kind == JSON_OBJECT) {
        return json_member(node, name) != NULL;
    }
    if (node->kind != JSON_ARRAY) {
        return node->kind == JSON_STRING && view_equal(node->text, name);
    }
    for (const struct json_node *element = node->first; element != NULL; element = element->next) {
        if (element->kind == JSON_STRING && view_equal(element->text, name)) {
            return true;
        }
    }
    return false;
}

IMPL(jsonb_exists)
{
    (void)scratch;
    result->boolean = has_name(args[0].json.root, args[1].text);
    return true;
}

/* NULLs in the list are passed over. */
static bool
has_names(const struct where_value *args, bool wants_all)
{
    const struct where_array *names = &args[1].array;
    for (size_t i = 0; i < names->count; i++) {
        if (!names->items[i].is_null &&
            has_name(args[0].json.root, names->items[i].text) != wants_all) {
            return !wants_all;
        }
    }
    return wants_all;
}

IMPL(jsonb_exists_any)
{
    (void)scratch;
    result->boolean = has_names(args, false);
    return true;
}

IMPL(jsonb_exists_all)
{
    (void)scratch;
    result->boolean = has_names(args, true);
    return true;
}

IMPL(json_type_of)
{
    static const char *const names[] = {"null", "boolean", "number", "string", "array", "object"};
    (void)scratch;
    result->text = view_str(names[args[0].json.root->kind]);
    return true;
}

IMPL(json_array_length)
{
    const struct json_node *root = args[0].json.root;
    if (root->kind != JSON_ARRAY) {
        return where_raise(scratch, is_scalar(root) ? "cannot get array length of a scalar"
                                                    : "cannot get array length of a non-array");
    }
    result->integer = root->count;
    return true;
}
