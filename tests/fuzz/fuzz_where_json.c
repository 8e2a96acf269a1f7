/*
 * Any text is json or not. What is printed is read back as the same value; equality and containment
 * keep their laws; a path finds what its steps find one by one.
 *
 * Covers: common/core/where_json*.c
 */
#include "common/core/where_json.h"

#include "common/core/where_array.h"
#include "tests/lib/fuzz_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const WORDS[32] = {
    "{",      "}",       "[",         "]",       ":",   ",",       "\"a\"",   "\"b\"",
    "null",   "true",    "false",     " ",       "1",   "-0",      "1.50",    "1e3",
    "\"\"",   "\\u0041", "\\ud83d",   "\\udc18", "\\n", "\"",      "{\"a\":", "[1,",
    "1.5e-2", "\"a\":1", "\"a\":[2,", "{}",      "[]",  "\\u0000", "-",       "\"b\":{\"a\":",
};

static void
check_pair(const struct json_node *a, const struct json_node *b)
{
    bool is_equal = json_is_equal(a, b);
    ASSERT(json_is_equal(b, a) == is_equal);
    if (is_equal) {
        ASSERT(json_contains(a, b) && json_contains(b, a));
    }
    struct buf key = {0};
    struct buf other = {0};
    json_print(a, true, &key);
    json_print(b, true, &other);
    ASSERT(view_equal(buf_view(&key), buf_view(&other)) == is_equal);
    buf_free(&key);
    buf_free(&other);
}

static void
check_again(const struct json_node *root, struct arena *mem)
{
    struct where_json again;
    struct buf text = {0};
    json_print(root, false, &text);
    ASSERT(json_parse(buf_view(&text), true, mem, &again));
    ASSERT(json_is_equal(root, again.root));
    buf_free(&text);
}

/* Every member and element is found by itself, by a path, and is contained. */
static void
check_parts(const struct json_node *root, struct arena *mem)
{
    int64_t place = 0;
    for (const struct json_node *node = root->kind < JSON_ARRAY ? NULL : root->first; node != NULL;
         node = node->next, place++) {
        struct buf number = {0};
        buf_append_u64(&number, (uint64_t)place);
        bool is_object = root->kind == JSON_OBJECT;
        struct where_value step = {.text = is_object ? node->key : buf_view(&number)};
        struct where_array path = {
            .count = 1, .dimension_count = 1, .dimensions = {1}, .items = &step};
        const struct json_node *found =
            is_object ? json_member(root, node->key) : json_element(root, place);
        ASSERT(found != NULL && json_at_path(root, &path) == found);
        ASSERT(is_object || json_element(root, place - (int64_t)root->count) == node);
        buf_free(&number);
        if (place < 3) {
            check_parts(node, mem);
        }
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct arena *mem = arena_new(64u << 20);
    struct where_json json[2];
    struct buf text[2] = {0};
    bool is_binary = !fuzz_input_chance(&in, 3);
    bool is_read[2];
    for (size_t i = 0; i < 2; i++) {
        fuzz_input_spell(WORDS, COUNT_OF(WORDS), fuzz_input_bytes(&in, 60), &text[i]);
        is_read[i] = json_parse(buf_view(&text[i]), is_binary, mem, &json[i]);
        if (is_read[i]) {
            if (is_binary) {
                check_again(json[i].root, mem);
            }
            check_parts(json[i].root, mem);
        }
    }
    if (is_read[0] && is_read[1] && is_binary) {
        check_pair(json[0].root, json[1].root);
        check_pair(json[0].root, json[0].root);
    }
    buf_free(&text[0]);
    buf_free(&text[1]);
    arena_free(mem);
    return 0;
}
