/*
 * Any text is a document or none. A jsonb document is equal to what it is printed as, contains
 * itself, and every operator gives something of it. The first byte picks json or jsonb.
 */
#include <stdlib.h>
#include <string.h>

#include "common/core/where_json.h"
#include "common/core/where_ops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
ask(struct where_json json, bool is_binary, struct arena *mem)
{
    static const where_fn_impl by_text[] = {json_get_member, json_get_member_text, jsonb_exists};
    static const where_fn_impl by_place[] = {json_get_element, json_get_element_text};
    static const where_fn_impl by_path[] = {json_get_path, json_get_path_text, jsonb_exists_any,
                                            jsonb_exists_all};
    struct err err;
    struct where_scratch scratch = {
        .mem = mem, .err = &err, .arg_type = {.base = is_binary ? WT_JSONB : WT_JSON}};
    struct where_value path[2] = {{.text = view_str("a")}, {.text = view_str("-1")}};
    struct where_value args[2] = {{.json = json}, {.text = view_str("a")}};
    struct where_value result;
    for (size_t i = 0; i < COUNT_OF(by_text); i++) {
        result = (struct where_value){0};
        (void)by_text[i](&scratch, args, &result);
    }
    for (int64_t place = -2; place < 2; place++) {
        args[1] = (struct where_value){.integer = place};
        for (size_t i = 0; i < COUNT_OF(by_place); i++) {
            result = (struct where_value){0};
            (void)by_place[i](&scratch, args, &result);
        }
    }
    for (size_t count = 0; count <= 2; count++) {
        args[1] = (struct where_value){.array = {.count = count, .items = path}};
        for (size_t i = 0; i < COUNT_OF(by_path); i++) {
            result = (struct where_value){0};
            (void)by_path[i](&scratch, args, &result);
        }
    }
    (void)json_type_of(&scratch, args, &result);
    (void)json_array_length(&scratch, args, &result);
}

static void
round_trip(struct where_json json, struct arena *mem)
{
    struct buf text = {0};
    struct where_json again;
    json_print(json.root, false, &text);
    if (!json_parse(buf_view(&text), true, mem, &again) || !json_is_equal(json.root, again.root) ||
        !json_contains(json.root, again.root)) {
        abort();
    }
    buf_clear(&text);
    json_print(json.root, true, &text);
    if (!json_parse(buf_view(&text), true, mem, &again) || !json_is_equal(json.root, again.root)) {
        abort();
    }
    const struct json_node *child = json_element(json.root, 0);
    if (child != NULL && json_contains(child, json.root) && json_is_equal(child, json.root)) {
        abort(); /* nothing is equal to a part of itself */
    }
    buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct where_json json;
    struct arena *mem = arena_new(16u << 20);
    bool is_binary = size > 0 && data[0] % 4 != 0;
    if (size > 0 && json_parse((struct view){data + 1, size - 1}, is_binary, mem, &json)) {
        ask(json, is_binary, mem);
        if (is_binary) {
            round_trip(json, mem);
        }
    }
    arena_free(mem);
    return 0;
}
