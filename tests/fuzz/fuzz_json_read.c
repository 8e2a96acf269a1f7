/*
 * What jansson takes for JSON we take too, and it means the same; whatever we take can be walked
 * to its last member.
 *
 * Covers: common/core/json_read.c
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/core/json_read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
walk(const struct json_value *value, const json_t *theirs, struct arena *mem)
{
    struct view name;
    struct json_value member;
    struct view rest = value->text;
    if (value->kind == JSON_KIND_STRING && json_is_string(theirs) &&
        !view_equal(value->text, view_of(json_string_value(theirs), json_string_length(theirs)))) {
        abort();
    }
    if (value->kind != JSON_KIND_OBJECT) {
        return;
    }
    size_t count = 0;
    while (json_next_member(&rest, mem, &name, &member)) {
        count++;
        walk(&member, NULL, mem);
    }
    if (count > json_members_max(value) || (theirs != NULL && json_object_size(theirs) > count)) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct json_value value;
    json_error_t error;
    if (size > 0 && memchr(data, 0, size) != NULL) {
        return 0; /* ends the text for jansson */
    }
    struct arena *mem = arena_new(64u << 20);
    json_t *theirs = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    bool is_ours = json_read((struct view){data, size}, mem, &value, &err);
    if (is_ours) {
        walk(&value, theirs, mem);
    } else if (theirs != NULL && err.kind != ERR_LIMIT) {
        abort();
    }
    json_decref(theirs);
    arena_free(mem);
    return 0;
}
