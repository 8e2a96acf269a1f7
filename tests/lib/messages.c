#include "tests/lib/messages.h"

#include <string.h>

/* splitmix64 */
static uint64_t
chance(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static size_t
less_than(uint64_t *seed, size_t bound)
{
    return (size_t)(chance(seed) % bound);
}

static struct view
fill_view(const struct field *field, uint64_t *seed, bool is_full, struct arena *mem)
{
    size_t size = is_full + less_than(seed, field->max < 40 ? field->max : 40);
    uint8_t *bytes = arena_alloc(mem, size + 1, 1);
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(field->type == FIELD_BIN ? chance(seed) : 'a' + less_than(seed, 26));
    }
    return (struct view){bytes, size};
}

static void
fill_field(const struct field *field, uint64_t *seed, bool is_full, struct arena *mem, char *self)
{
    char *at = self + field->offset;
    switch (field->type) {
    case FIELD_U64:
        /* of every width */
        *(uint64_t *)(void *)at = (chance(seed) >> less_than(seed, 64)) | is_full;
        return;
    case FIELD_BOOL:
        *(bool *)at = is_full || less_than(seed, 2) == 1;
        return;
    case FIELD_STR:
    case FIELD_TEXT:
    case FIELD_BIN:
        *(struct view *)(void *)at = fill_view(field, seed, is_full, mem);
        return;
    case FIELD_LIST: {
        const struct layout *item = layout_of_item(field);
        size_t count = is_full + less_than(seed, 4);
        char *items = count > 0 ? arena_alloc(mem, count, item->struct_size) : NULL;
        for (size_t i = 0; i < count; i++) {
            messages_fill(item, seed, is_full, mem, items + i * item->struct_size);
        }
        *(char **)(void *)at = items;
        *(size_t *)(void *)(self + field->count_offset) = count;
        return;
    }
    }
}

void
messages_fill(const struct layout *layout, uint64_t *seed, bool is_full, struct arena *mem,
              void *message_out)
{
    size_t count;
    const struct field *fields = layout_fields(layout, &count);
    memset(message_out, 0, layout->struct_size);
    for (size_t i = 0; i < count; i++) {
        if (is_full || fields[i].is_required || less_than(seed, 2) == 1) {
            fill_field(&fields[i], seed, is_full, mem, message_out);
        }
    }
}

static bool
fields_equal(const struct field *field, const char *a, const char *b)
{
    switch (field->type) {
    case FIELD_U64:
        return memcmp(a + field->offset, b + field->offset, sizeof(uint64_t)) == 0;
    case FIELD_BOOL:
        return *(const bool *)(a + field->offset) == *(const bool *)(b + field->offset);
    case FIELD_STR:
    case FIELD_TEXT:
    case FIELD_BIN:
        return view_equal(*(const struct view *)(const void *)(a + field->offset),
                          *(const struct view *)(const void *)(b + field->offset));
    case FIELD_LIST: {
        const struct layout *item = layout_of_item(field);
        size_t count = *(const size_t *)(const void *)(a + field->count_offset);
        if (count != *(const size_t *)(const void *)(b + field->count_offset)) {
            return false;
        }
        const char *a_items = *(const char *const *)(const void *)(a + field->offset);
        const char *b_items = *(const char *const *)(const void *)(b + field->offset);
        for (size_t i = 0; i < count; i++) {
            if (!messages_equal(item, a_items + i * item->struct_size,
                                b_items + i * item->struct_size)) {
                return false;
            }
        }
        return true;
    }
    }
    return false;
}

bool
messages_equal(const struct layout *layout, const void *a, const void *b)
{
    size_t count;
    const struct field *fields = layout_fields(layout, &count);
    for (size_t i = 0; i < count; i++) {
        if (!fields_equal(&fields[i], a, b)) {
            return false;
        }
    }
    return true;
}
