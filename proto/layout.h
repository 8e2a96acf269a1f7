/*
 * layout.h - messages.def as data: where each field stands in its struct, its
 * key and its limit. For the codec, its tests and its fuzzer.
 *
 * Threading: no state, any thread.
 */
#ifndef PROTO_LAYOUT_H
#define PROTO_LAYOUT_H

#include "proto/codec.h"

enum field_type {
    FIELD_U64,  /* a uint64_t */
    FIELD_BOOL, /* a bool */
    FIELD_STR,  /* a struct view */
    FIELD_TEXT, /* a struct view */
    FIELD_BIN,  /* a struct view */
    FIELD_LIST, /* a pointer to the items, and a size_t */
};

struct field {
    const char *key;
    enum field_type type;
    bool is_required;
    uint8_t key_size;
    uint8_t item;          /* of a list: see layout_of_item() */
    uint32_t max;          /* bytes, or items of a list */
    uint16_t offset;       /* in the struct */
    uint16_t count_offset; /* of a list */
};

struct layout {
    const char *name; /* the kind; of an item, its name */
    size_t struct_size;
    const struct field *(*fields)(size_t *count_out);
};

const struct layout *layout_of_message(enum proto_kind kind);

/* What a list consists of. */
const struct layout *layout_of_item(const struct field *list);

const struct field *layout_fields(const struct layout *layout, size_t *count_out);

#endif
