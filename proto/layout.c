#include "proto/layout.h"

/* Messages and items alike, in the order of messages.def. */
enum layout_id {
#define MESSAGE(name, kind, way, what) LAYOUT_##name,
#define ITEM(name, what)               LAYOUT_##name,
#include "proto/messages.def"
};

enum {
    OPT = false,
    REQ = true,
};

/* Fields are in functions because only there can a macro name their struct: `self`. */
#define MESSAGE(name, kind, way, what)                             \
    static const struct field *fields_of_##name(size_t *count_out) \
    {                                                              \
        typedef struct name self;                                  \
        static const struct field fields[] = {
#define ITEM(name, what) MESSAGE(name, "", "", what)
#define FIELD(type, need, member, count, key, max, item) \
    {key, type, need, sizeof(key) - 1, item, max, offsetof(self, member), offsetof(self, count)},
#define U64(need, member, key, what)       FIELD(FIELD_U64, need, member, member, key, 0, 0)
#define BOOL(need, member, key, what)      FIELD(FIELD_BOOL, need, member, member, key, 0, 0)
#define STR(need, member, key, max, what)  FIELD(FIELD_STR, need, member, member, key, max, 0)
#define TEXT(need, member, key, max, what) FIELD(FIELD_TEXT, need, member, member, key, max, 0)
#define BIN(need, member, key, max, what)  FIELD(FIELD_BIN, need, member, member, key, max, 0)
#define LIST(need, member, key, item, max, what) \
    FIELD(FIELD_LIST, need, member, member##_count, key, max, LAYOUT_##item)
#define END                        \
    }                              \
    ;                              \
    *count_out = COUNT_OF(fields); \
    return fields;                 \
    }
#include "proto/messages.def"
#undef FIELD

static const struct layout layouts[] = {
#define MESSAGE(name, kind, way, what) {kind, sizeof(struct name), fields_of_##name},
#define ITEM(name, what)               {#name, sizeof(struct name), fields_of_##name},
#include "proto/messages.def"
};

static const uint8_t layout_ids[PROTO_KIND_COUNT] = {
#define MESSAGE(name, kind, way, what) LAYOUT_##name,
#include "proto/messages.def"
};

const struct layout *
layout_of_message(enum proto_kind kind)
{
    ASSERT(kind < PROTO_KIND_COUNT);
    return &layouts[layout_ids[kind]];
}

const struct layout *
layout_of_item(const struct field *list)
{
    return &layouts[list->item];
}

const struct field *
layout_fields(const struct layout *layout, size_t *count_out)
{
    return layout->fields(count_out);
}
