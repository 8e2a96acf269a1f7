#include "common/core/request_fields.h"

#include <string.h>

#include "common/core/json_read.h"

static const struct {
    const char *name;
    enum param param;
} NAMES[] = {
    {"table", PARAM_TABLE},
    {"offset", PARAM_OFFSET},
    {"handle", PARAM_HANDLE},
    {"live", PARAM_LIVE},
    {"live_sse", PARAM_LIVE_SSE},
    {"experimental_live_sse", PARAM_LIVE_SSE},
    {"cursor", PARAM_CURSOR},
    {"where", PARAM_WHERE},
    {"params", PARAM_PARAMS},
    {"columns", PARAM_COLUMNS},
    {"queryable_columns", PARAM_QUERYABLE},
    {"replica", PARAM_REPLICA},
    {"log", PARAM_LOG},
    {"experimental_compaction", PARAM_COMPACTION},
    {"secret", PARAM_SECRET},
    {"api_secret", PARAM_API_SECRET},
};

#define SUBSET_PREFIX "subset__"

/* Behind SUBSET_PREFIX, or in a body. PARAM_NONE: the client's own form, which is not read. */
static const struct {
    const char *name;
    enum param param;
} SUBSET_NAMES[] = {
    {"where", PARAM_SUBSET_WHERE},       {"params", PARAM_SUBSET_PARAMS},
    {"order_by", PARAM_SUBSET_ORDER_BY}, {"limit", PARAM_SUBSET_LIMIT},
    {"offset", PARAM_SUBSET_OFFSET},     {"where_expr", PARAM_NONE},
    {"order_by_expr", PARAM_NONE},
};

/* ---- texts */

static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* How many bytes a character that begins with this one has; 0 for none. */
static size_t
utf8_size(uint8_t c)
{
    return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

/* Postgres takes neither NUL nor anything but UTF-8; over-long forms and surrogates included. */
static bool
is_text(struct view text)
{
    for (size_t i = 0; i < text.size;) {
        uint8_t c = text.bytes[i];
        size_t size = utf8_size(c);
        if (c == 0 || size == 0 || size > text.size - i) {
            return false;
        }
        for (size_t n = 1; n < size; n++) {
            if ((text.bytes[i + n] & 0xc0) != 0x80) {
                return false;
            }
        }
        uint8_t second = size > 1 ? text.bytes[i + 1] : 0;
        if ((c == 0xe0 && second < 0xa0) || (c == 0xed && second > 0x9f) ||
            (c == 0xf0 && second < 0x90) || (c == 0xf4 && second > 0x8f)) {
            return false;
        }
        i += size;
    }
    return true;
}

/* `+` is a blank. Gives what it can and false when something is wrong. */
static bool
decode(struct view raw, struct arena *mem, struct view *text_out)
{
    uint8_t *to = arena_alloc(mem, raw.size + 1, 1);
    size_t size = 0;
    bool is_right = true;
    for (size_t i = 0; i < raw.size; i++) {
        uint8_t c = raw.bytes[i] == '+' ? ' ' : raw.bytes[i];
        if (c == '%') {
            bool is_whole = i + 2 < raw.size;
            int high = is_whole ? hex_value(raw.bytes[i + 1]) : -1;
            int low = is_whole ? hex_value(raw.bytes[i + 2]) : -1;
            is_right = is_right && high >= 0 && low >= 0;
            if (high >= 0 && low >= 0) {
                c = (uint8_t)(high * 16 + low);
                i += 2;
            }
        }
        to[size++] = c;
    }
    *text_out = (struct view){to, size};
    return is_right && is_text(*text_out);
}

/* ---- numbered parameters */

static void
numbered_init(struct numbered *numbered, size_t count_max, struct arena *mem)
{
    size_t capacity = count_max < NUMBERED_MAX ? count_max : NUMBERED_MAX;
    *numbered = (struct numbered){.capacity = capacity};
    numbered->values = arena_alloc(mem, capacity, sizeof *numbered->values);
    numbered->has = arena_alloc(mem, capacity, sizeof *numbered->has);
}

static void
numbered_put(struct numbered *numbered, size_t number, struct view value, bool is_right)
{
    numbered->is_broken = numbered->is_broken || !is_right;
    numbered->max = number > numbered->max ? number : numbered->max;
    if (number == 0 || number > numbered->capacity) {
        numbered->max = numbered->capacity + 1; /* a hole, whatever the others are */
        return;
    }
    numbered->count += !numbered->has[number - 1];
    numbered->has[number - 1] = true;
    numbered->values[number - 1] = value;
}

/* False when there is something other than digits. Beyond `max` there is a hole whatever it is. */
static bool
read_number(struct view digits, size_t max, size_t *number_out)
{
    size_t number = 0;
    for (size_t i = 0; i < digits.size; i++) {
        uint8_t c = digits.bytes[i];
        if (c < '0' || c > '9') {
            return false;
        }
        number = number > max ? number : number * 10 + (size_t)(c - '0');
    }
    *number_out = number;
    return digits.size > 0;
}

/* What a value in a body says as text. */
static bool
value_text(const struct json_value *value, struct view *text_out)
{
    *text_out = value->text;
    return value->kind == JSON_KIND_STRING
               ? is_text(value->text)
               : value->kind == JSON_KIND_NUMBER || value->kind == JSON_KIND_BOOL;
}

/* {"1":"a","2":5} */
static void
take_numbered_object(struct numbered *numbered, const struct json_value *object, struct arena *mem)
{
    struct view name;
    struct json_value value;
    struct view rest = object->text;
    numbered_init(numbered, json_members_max(object), mem);
    while (json_next_member(&rest, mem, &name, &value)) {
        size_t number;
        struct view text;
        bool is_right = value_text(&value, &text);
        if (read_number(name, numbered->capacity, &number)) {
            numbered_put(numbered, number, text, is_right);
        } else {
            numbered->is_odd = true;
        }
    }
}

/* ---- the query */

static struct view
cut(struct view *rest, uint8_t separator)
{
    const uint8_t *end = rest->size > 0 ? memchr(rest->bytes, separator, rest->size) : NULL;
    struct view head = {rest->bytes, end != NULL ? (size_t)(end - rest->bytes) : rest->size};
    size_t skipped = head.size + (end != NULL);
    rest->bytes += skipped;
    rest->size -= skipped;
    return head;
}

static bool
begins_with(struct view text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.bytes, prefix, size) == 0;
}

/* n of "params[n]"; 0 for another name, also for one that is no number. */
static size_t
param_number(struct view name, size_t max)
{
    static const char begin[] = "params[";
    size_t size = sizeof begin - 1;
    size_t number;
    if (name.size < size + 2 || !begins_with(name, begin) || name.bytes[name.size - 1] != ']') {
        return 0;
    }
    struct view digits = {name.bytes + size, name.size - size - 1};
    return read_number(digits, max, &number) ? number : 0;
}

static void
put(struct request_fields *fields, enum param param, struct view value, bool is_right)
{
    fields->has[param] = true;
    fields->is_broken[param] = !is_right;
    fields->value[param] = value;
}

static enum param
find_name(struct view name)
{
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        if (view_is(name, NAMES[i].name)) {
            return NAMES[i].param;
        }
    }
    return PARAM_NONE;
}

/* False: it is no name of a subset's fields. */
static bool
find_subset_name(struct view name, enum param *param_out)
{
    *param_out = PARAM_NONE;
    for (size_t i = 0; i < COUNT_OF(SUBSET_NAMES); i++) {
        if (view_is(name, SUBSET_NAMES[i].name)) {
            *param_out = SUBSET_NAMES[i].param;
            return true;
        }
    }
    return false;
}

static void
take_pair(struct request_fields *fields, struct view pair)
{
    struct view name;
    struct view value;
    struct view rest = pair;
    if (!decode(cut(&rest, '='), fields->mem, &name)) {
        return;
    }
    bool is_right = decode(rest, fields->mem, &value);
    size_t number = param_number(name, fields->params.capacity);
    enum param param = find_name(name);
    if (number > 0) {
        numbered_put(&fields->params, number, value, is_right);
    }
    if (begins_with(name, SUBSET_PREFIX)) {
        size_t skipped = sizeof SUBSET_PREFIX - 1;
        fields->has_subset = true;
        (void)find_subset_name((struct view){name.bytes + skipped, name.size - skipped}, &param);
    }
    if (param != PARAM_NONE) {
        put(fields, param, value, is_right);
    }
}

/* In a query they are JSON in a text. */
static void
take_subset_params_text(struct request_fields *fields)
{
    struct err err;
    struct json_value value;
    struct view text = fields->value[PARAM_SUBSET_PARAMS];
    if (text.size == 0 || fields->is_broken[PARAM_SUBSET_PARAMS]) {
        return;
    }
    if (json_read(text, fields->mem, &value, &err) && value.kind == JSON_KIND_OBJECT) {
        take_numbered_object(&fields->subset_params, &value, fields->mem);
    } else {
        fields->is_broken[PARAM_SUBSET_PARAMS] = true;
    }
}

void
request_fields_take_query(struct request_fields *fields, struct view query, struct arena *mem)
{
    size_t pair_count = 1;
    for (size_t i = 0; i < query.size; i++) {
        pair_count += query.bytes[i] == '&';
    }
    *fields = (struct request_fields){.mem = mem};
    numbered_init(&fields->params, pair_count, mem);
    struct view rest = query;
    while (rest.size > 0) {
        take_pair(fields, cut(&rest, '&'));
    }
    take_subset_params_text(fields);
}

/* ---- the body */

static void
put_value(struct request_fields *fields, enum param param, const struct json_value *value)
{
    struct view text;
    bool is_right = value_text(value, &text);
    if (param == PARAM_PARAMS && value->kind == JSON_KIND_OBJECT) {
        take_numbered_object(&fields->params, value, fields->mem);
        put(fields, param, (struct view){0}, true);
    } else if (param == PARAM_SUBSET_PARAMS && value->kind == JSON_KIND_OBJECT) {
        take_numbered_object(&fields->subset_params, value, fields->mem);
        put(fields, param, (struct view){0}, true);
    } else {
        put(fields, param, text, is_right);
        if (param == PARAM_SUBSET_PARAMS) {
            take_subset_params_text(fields);
        }
    }
}

/* Of members with one name the last counts. */
struct body_members {
    bool has[PARAM_COUNT];
    struct json_value value[PARAM_COUNT];
};

static void
remember(struct body_members *members, enum param param, const struct json_value *value)
{
    if (param != PARAM_NONE && value->kind != JSON_KIND_NULL) { /* null: as if it were not there */
        members->has[param] = true;
        members->value[param] = *value;
    }
}

static void
take_subset(struct request_fields *fields, struct body_members *members,
            const struct json_value *subset)
{
    struct view name;
    struct json_value value;
    struct view rest = subset->text;
    fields->has_subset = true;
    if (subset->kind != JSON_KIND_OBJECT) {
        put(fields, PARAM_SUBSET, (struct view){0}, false);
        return;
    }
    while (json_next_member(&rest, fields->mem, &name, &value)) {
        enum param param;
        (void)find_subset_name(name, &param);
        remember(members, param, &value);
    }
}

/* Its subset's fields stand at the top. */
static bool
is_flat(struct view members, struct arena *mem)
{
    struct view name;
    struct json_value value;
    while (json_next_member(&members, mem, &name, &value)) {
        if (view_is(name, "table") || view_is(name, "subset")) {
            return false;
        }
    }
    return true;
}

static void
take_member(struct request_fields *fields, struct body_members *members, struct view name,
            const struct json_value *value, bool may_be_subset)
{
    enum param param;
    if (view_is(name, "subset")) {
        if (value->kind != JSON_KIND_NULL) {
            take_subset(fields, members, value);
        }
        return;
    }
    if (may_be_subset && find_subset_name(name, &param)) {
        fields->has_subset = fields->has_subset || value->kind != JSON_KIND_NULL;
    } else {
        param = find_name(name);
    }
    if (param != PARAM_SECRET && param != PARAM_API_SECRET) {
        remember(members, param, value);
    }
}

bool
request_fields_take_body(struct request_fields *fields, struct view body, struct err *err)
{
    struct json_value object;
    struct json_value value;
    struct view name;
    if (body.size == 0) {
        return true;
    }
    if (!json_read(body, fields->mem, &object, err)) {
        err->kind = ERR_INVALID;
        return false;
    }
    if (object.kind != JSON_KIND_OBJECT) {
        return err_set(err, ERR_PROTOCOL, "Request body must be a JSON object");
    }
    bool may_be_subset = is_flat(object.text, fields->mem);
    struct body_members members = {0};
    struct view rest = object.text;
    while (json_next_member(&rest, fields->mem, &name, &value)) {
        take_member(fields, &members, name, &value, may_be_subset);
    }
    for (enum param param = PARAM_NONE; param < PARAM_COUNT; param++) {
        if (members.has[param]) {
            put_value(fields, param, &members.value[param]);
        }
    }
    return true;
}

bool
request_fields_is_given(const struct request_fields *fields, enum param param)
{
    return fields->has[param] && fields->value[param].size > 0;
}
