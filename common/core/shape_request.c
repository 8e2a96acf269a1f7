#include "common/core/shape_request.h"

#include <string.h>

#include "common/json.h"

#define UNNUMBERED "Parameters must be numbered sequentially, starting from 1"

/* What is asked for by name. PARAM_NONE: ignored, so that it makes URLs differ for caches. */
enum param {
    PARAM_NONE,
    PARAM_TABLE,
    PARAM_OFFSET,
    PARAM_HANDLE,
    PARAM_LIVE,
    PARAM_LIVE_SSE,
    PARAM_CURSOR,
    PARAM_WHERE,
    PARAM_PARAMS, /* as one text: only an object in a body may be that */
    PARAM_COLUMNS,
    PARAM_QUERYABLE,
    PARAM_REPLICA,
    PARAM_LOG,
    PARAM_COMPACTION,
    PARAM_SECRET,
    PARAM_API_SECRET,
    PARAM_COUNT,
};

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

/* The query taken apart; nothing is judged yet. */
struct fields {
    struct arena *mem;
    bool has[PARAM_COUNT];
    bool is_broken[PARAM_COUNT]; /* a wrong %xx, a NUL, or not UTF-8 */
    struct view value[PARAM_COUNT];
    size_t pair_count;
    size_t numbered_count; /* distinct numbers of params[n] */
    size_t number_max;
    bool is_number_broken;
    struct view *numbered; /* by number - 1; has a place for each pair */
    bool *has_number;
    bool has_subset;
};

/* The errors of the 400 answer, by field. */
struct errors {
    struct buf *out;
    size_t count;
};

static void
add_error(struct errors *errors, const char *field, struct view text)
{
    buf_append_str(errors->out,
                   errors->count == 0 ? "{\"message\":\"Invalid request\",\"errors\":{" : ",");
    json_append_string(errors->out, view_str(field));
    buf_append_str(errors->out, ":[");
    json_append_string(errors->out, text);
    buf_append_byte(errors->out, ']');
    errors->count++;
}

/* False when there are any. */
static bool
end_errors(struct errors *errors)
{
    if (errors->count > 0) {
        buf_append_str(errors->out, "}}");
    }
    return errors->count == 0;
}

static bool
refuse(struct errors *errors, const char *field, const char *text)
{
    add_error(errors, field, view_str(text));
    return end_errors(errors);
}

void
shape_request_refuse(struct buf *out, const char *field, struct view text)
{
    struct errors errors = {out, 0};
    add_error(&errors, field, text);
    (void)end_errors(&errors);
}

/* ---- taking the query apart */

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

/* n of "params[n]"; 0 for another name, also for one that is no number. */
static size_t
param_number(struct view name, size_t max)
{
    static const char begin[] = "params[";
    size_t at = sizeof begin - 1;
    size_t number = 0;
    if (name.size < at + 2 || memcmp(name.bytes, begin, at) != 0 ||
        name.bytes[name.size - 1] != ']') {
        return 0;
    }
    for (; at < name.size - 1; at++) {
        uint8_t c = name.bytes[at];
        if (c < '0' || c > '9') {
            return 0;
        }
        /* Beyond max there is a hole whatever the number is. */
        number = number > max ? number : number * 10 + (size_t)(c - '0');
    }
    return number;
}

static bool
begins_with(struct view text, const char *prefix)
{
    size_t size = strlen(prefix);
    return text.size >= size && memcmp(text.bytes, prefix, size) == 0;
}

static void
take_number(struct fields *fields, size_t number, struct view value, bool is_right)
{
    fields->is_number_broken = fields->is_number_broken || !is_right;
    fields->number_max = number > fields->number_max ? number : fields->number_max;
    if (number > fields->pair_count) {
        return;
    }
    fields->numbered_count += !fields->has_number[number - 1];
    fields->has_number[number - 1] = true;
    fields->numbered[number - 1] = value;
}

/* The last of several equal ones counts. */
static void
take_pair(struct fields *fields, struct view pair)
{
    struct view name;
    struct view value;
    struct view rest = pair;
    if (!decode(cut(&rest, '='), fields->mem, &name)) {
        return;
    }
    bool is_right = decode(rest, fields->mem, &value);
    size_t number = param_number(name, fields->pair_count);
    if (number > 0) {
        take_number(fields, number, value, is_right);
    }
    fields->has_subset = fields->has_subset || begins_with(name, "subset__");
    for (size_t i = 0; i < COUNT_OF(NAMES); i++) {
        if (view_is(name, NAMES[i].name)) {
            enum param param = NAMES[i].param;
            fields->has[param] = true;
            fields->is_broken[param] = !is_right;
            fields->value[param] = value;
        }
    }
}

static void
take_query(struct fields *fields, struct view query, struct arena *mem)
{
    *fields = (struct fields){.mem = mem, .pair_count = 1};
    for (size_t i = 0; i < query.size; i++) {
        fields->pair_count += query.bytes[i] == '&';
    }
    fields->numbered = arena_alloc(mem, fields->pair_count, sizeof *fields->numbered);
    fields->has_number = arena_alloc(mem, fields->pair_count, sizeof *fields->has_number);
    struct view rest = query;
    while (rest.size > 0) {
        take_pair(fields, cut(&rest, '&'));
    }
}

/* Given and not blank, which counts as not given. */
static bool
is_given(const struct fields *fields, enum param param)
{
    return fields->has[param] && fields->value[param].size > 0;
}

/* Switches are on for anything but "false". */
static bool
is_on(const struct fields *fields, enum param param)
{
    return fields->has[param] && !view_is(fields->value[param], "false");
}

/* ---- the checks, in the order of [7] */

/* One of two words, the first when it is not given. */
static bool
read_choice(const struct fields *fields, enum param param, const char *first, const char *second)
{
    return !is_given(fields, param) || view_is(fields->value[param], first) ||
           view_is(fields->value[param], second);
}

static bool
check_casts(const struct fields *fields, struct errors *errors)
{
    static const struct {
        enum param param;
        const char *field;
    } texts[] = {{PARAM_TABLE, "table"},     {PARAM_OFFSET, "offset"},
                 {PARAM_HANDLE, "handle"},   {PARAM_WHERE, "where"},
                 {PARAM_COLUMNS, "columns"}, {PARAM_QUERYABLE, "queryable_columns"},
                 {PARAM_REPLICA, "replica"}, {PARAM_LOG, "log"}};
    bool is_replica = read_choice(fields, PARAM_REPLICA, "default", "full");
    bool is_log = read_choice(fields, PARAM_LOG, "full", "changes_only");
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        enum param param = texts[i].param;
        bool is_wrong = fields->is_broken[param] || (param == PARAM_REPLICA && !is_replica) ||
                        (param == PARAM_LOG && !is_log);
        if (is_wrong) {
            add_error(errors, texts[i].field, view_str("is invalid"));
        }
    }
    if (is_given(fields, PARAM_PARAMS) || fields->is_number_broken) {
        add_error(errors, "params", view_str("is invalid"));
    }
    if (is_given(fields, PARAM_COMPACTION) &&
        !read_choice(fields, PARAM_COMPACTION, "true", "false") &&
        !read_choice(fields, PARAM_COMPACTION, "1", "0")) {
        add_error(errors, "experimental_compaction", view_str("is invalid"));
    }
    return end_errors(errors);
}

static bool
check_offset(const struct fields *fields, struct shape_query *query, struct errors *errors)
{
    struct view text = fields->value[PARAM_OFFSET];
    if (!is_given(fields, PARAM_OFFSET)) {
        return refuse(errors, "offset", "can't be blank");
    }
    query->offset_text = text;
    if (view_is(text, "-1")) {
        query->offset_kind = SHAPE_OFFSET_START;
    } else if (view_is(text, "now")) {
        query->offset_kind = SHAPE_OFFSET_NOW;
    } else if (offset_parse(text, &query->offset)) {
        query->offset_kind = SHAPE_OFFSET_AT;
    } else {
        return refuse(errors, "offset", "has invalid format");
    }
    return true;
}

static bool
check_handle(const struct fields *fields, struct shape_query *query, struct errors *errors)
{
    if (query->offset_kind != SHAPE_OFFSET_AT) {
        return true; /* -1 and now need none and ignore one */
    }
    if (!is_given(fields, PARAM_HANDLE)) {
        return refuse(errors, "handle", "can't be blank when offset != -1");
    }
    query->handle = fields->value[PARAM_HANDLE];
    return true;
}

static bool
check_live(const struct fields *fields, struct shape_query *query, struct errors *errors)
{
    query->is_live = is_on(fields, PARAM_LIVE);
    query->is_sse = is_on(fields, PARAM_LIVE_SSE);
    query->cursor = fields->value[PARAM_CURSOR];
    if (query->is_live && query->offset_kind == SHAPE_OFFSET_START) {
        return refuse(errors, "live", "can't be true when offset == -1");
    }
    if (query->is_live && query->offset_kind == SHAPE_OFFSET_NOW) {
        return refuse(errors, "live", "can't be true when offset is 'now'");
    }
    if (query->is_sse && !query->is_live) {
        return refuse(errors, "live_sse", "can't be true unless live is also true");
    }
    return true;
}

static bool
check_table(const struct fields *fields, struct shape_query *query, struct errors *errors)
{
    struct err err;
    if (!is_given(fields, PARAM_TABLE)) {
        return refuse(errors, "table", "can't be blank");
    }
    query->has_table = true;
    return ident_parse_table(fields->value[PARAM_TABLE], fields->mem, &query->table, &err) ||
           refuse(errors, "table", err.msg);
}

static bool
check_columns(const struct fields *fields, struct shape_query *query, struct errors *errors)
{
    struct err err;
    query->has_columns = is_given(fields, PARAM_COLUMNS);
    query->has_queryable = is_given(fields, PARAM_QUERYABLE);
    if (query->has_columns && !ident_parse_list(fields->value[PARAM_COLUMNS], fields->mem,
                                                &query->columns, &query->column_count, &err)) {
        return refuse(errors, "columns", err.msg);
    }
    if (query->has_queryable &&
        !ident_parse_list(fields->value[PARAM_QUERYABLE], fields->mem, &query->queryable,
                          &query->queryable_count, &err)) {
        return refuse(errors, "queryable_columns", err.msg);
    }
    return true;
}

static bool
check_definition(const struct fields *fields, struct shape_query *query, struct errors *errors)
{
    if (!check_table(fields, query, errors)) {
        return false;
    }
    query->where = fields->value[PARAM_WHERE];
    query->params = fields->numbered;
    query->param_count = fields->numbered_count;
    query->is_replica_full = view_is(fields->value[PARAM_REPLICA], "full");
    query->is_changes_only = view_is(fields->value[PARAM_LOG], "changes_only");
    if (fields->number_max != fields->numbered_count) {
        return refuse(errors, "params", UNNUMBERED);
    }
    return check_columns(fields, query, errors);
}

/* No value holds a NUL, so the NUL-ended values one after the other are a key. */
static struct view
definition_key(const struct fields *fields)
{
    static const enum param parts[] = {PARAM_TABLE,     PARAM_WHERE,   PARAM_COLUMNS,
                                       PARAM_QUERYABLE, PARAM_REPLICA, PARAM_LOG};
    size_t size = COUNT_OF(parts) + fields->numbered_count;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size += fields->value[parts[i]].size;
    }
    for (size_t i = 0; i < fields->numbered_count; i++) {
        size += fields->numbered[i].size;
    }
    uint8_t *key = arena_alloc(fields->mem, size, 1);
    size_t at = 0;
    for (size_t i = 0; i < COUNT_OF(parts) + fields->numbered_count; i++) {
        struct view part =
            i < COUNT_OF(parts) ? fields->value[parts[i]] : fields->numbered[i - COUNT_OF(parts)];
        if (part.size > 0) {
            memcpy(key + at, part.bytes, part.size);
        }
        at += part.size + 1;
    }
    return (struct view){key, size};
}

bool
shape_request_parse(struct view query, struct arena *mem, struct shape_query *query_out,
                    struct buf *errors_out)
{
    ASSERT(query.size <= SHAPE_REQUEST_MAX);
    struct errors errors = {errors_out, 0};
    struct fields fields;
    *query_out = (struct shape_query){0};
    take_query(&fields, query, mem);
    if (!check_casts(&fields, &errors) || !check_offset(&fields, query_out, &errors) ||
        !check_handle(&fields, query_out, &errors) || !check_live(&fields, query_out, &errors) ||
        !check_definition(&fields, query_out, &errors)) {
        return false;
    }
    query_out->has_subset = fields.has_subset;
    query_out->definition = definition_key(&fields);
    return true;
}

bool
shape_request_parse_delete(struct view query, struct arena *mem, struct shape_query *query_out,
                           struct buf *errors_out)
{
    ASSERT(query.size <= SHAPE_REQUEST_MAX);
    struct errors errors = {errors_out, 0};
    struct fields fields;
    *query_out = (struct shape_query){0};
    take_query(&fields, query, mem);
    if (!check_casts(&fields, &errors)) {
        return false;
    }
    if (is_given(&fields, PARAM_HANDLE)) {
        query_out->handle = fields.value[PARAM_HANDLE];
    }
    if (!is_given(&fields, PARAM_TABLE)) {
        return query_out->handle.size > 0 ||
               refuse(&errors, "handle", "can't be blank when shape definition is missing");
    }
    if (!check_definition(&fields, query_out, &errors)) {
        return false;
    }
    query_out->definition = definition_key(&fields);
    return true;
}

struct view
shape_request_secret(struct view query, struct arena *mem)
{
    ASSERT(query.size <= SHAPE_REQUEST_MAX);
    struct fields fields;
    take_query(&fields, query, mem);
    enum param param = fields.has[PARAM_SECRET] ? PARAM_SECRET : PARAM_API_SECRET;
    return fields.is_broken[param] ? (struct view){0} : fields.value[param];
}
