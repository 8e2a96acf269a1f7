#include "common/core/shape_request.h"

#include <string.h>

#include "common/core/request_fields.h"
#include "common/json.h"

#define UNNUMBERED "Parameters must be numbered sequentially, starting from 1"
#define ODD_NUMBER "Parameters can only use numbers as keys"

/* What the bus carries (messages.def). A query is shorter; a body need not be. */
#define VALUE_MAX (1u << 20)

#define INTEGER_DIGITS_MAX 18u

/* The errors of the 400 answer, by field. */
struct errors {
    struct buf *out;
    size_t count;
};

static void
begin_error(struct errors *errors, const char *field)
{
    buf_append_str(errors->out,
                   errors->count == 0 ? "{\"message\":\"Invalid request\",\"errors\":{" : ",");
    json_append_string(errors->out, view_str(field));
    buf_append_byte(errors->out, ':');
    errors->count++;
}

static void
append_texts(struct buf *out, struct view text)
{
    buf_append_byte(out, '[');
    json_append_string(out, text);
    buf_append_byte(out, ']');
}

static void
add_error(struct errors *errors, const char *field, struct view text)
{
    begin_error(errors, field);
    append_texts(errors->out, text);
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

void
shape_request_refuse_subset(struct buf *out, const char *field, struct view text)
{
    struct errors errors = {out, 0};
    begin_error(&errors, "subset");
    buf_append_byte(out, '{');
    json_append_string(out, view_str(field));
    buf_append_byte(out, ':');
    append_texts(out, text);
    buf_append_byte(out, '}');
    (void)end_errors(&errors);
}

static bool
is_given(const struct request_fields *fields, enum param param)
{
    return request_fields_is_given(fields, param);
}

/* Switches are on for anything but "false". */
static bool
is_on(const struct request_fields *fields, enum param param)
{
    return fields->has[param] && !view_is(fields->value[param], "false");
}

/* ---- subsets (http-api [37], [39]) */

/* Errors below "subset". */
struct subset_errors {
    struct buf text;
};

static void
add_subset_error(struct subset_errors *errors, const char *field, const char *text)
{
    buf_append_byte(&errors->text, errors->text.size == 0 ? '{' : ',');
    json_append_string(&errors->text, view_str(field));
    buf_append_byte(&errors->text, ':');
    append_texts(&errors->text, view_str(text));
}

/* False when there are none. Frees them. */
static bool
move_subset_errors(struct subset_errors *from, struct errors *to)
{
    bool has_any = from->text.size > 0;
    if (has_any) {
        begin_error(to, "subset");
        buf_append_view(to->out, buf_view(&from->text));
        buf_append_byte(to->out, '}');
    }
    buf_free(&from->text);
    return has_any;
}

static bool
read_integer(struct view text, int64_t *number_out)
{
    bool has_sign = text.size > 0 && (text.bytes[0] == '-' || text.bytes[0] == '+');
    int64_t number = 0;
    size_t digits = text.size - has_sign;
    for (size_t i = has_sign; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || digits > INTEGER_DIGITS_MAX) {
            return false;
        }
        number = number * 10 + (text.bytes[i] - '0');
    }
    *number_out = has_sign && text.bytes[0] == '-' ? -number : number;
    return digits > 0;
}

static bool
is_integer_or_blank(const struct request_fields *fields, enum param param)
{
    int64_t number;
    return !fields->is_broken[param] &&
           (!is_given(fields, param) || read_integer(fields->value[param], &number));
}

static void
check_subset_casts(const struct request_fields *fields, struct errors *errors)
{
    struct subset_errors own = {0};
    if (fields->is_broken[PARAM_SUBSET]) {
        add_error(errors, "subset", view_str("is invalid"));
        return;
    }
    if (fields->is_broken[PARAM_SUBSET_WHERE]) {
        add_subset_error(&own, "where", "is invalid");
    }
    if (fields->is_broken[PARAM_SUBSET_ORDER_BY]) {
        add_subset_error(&own, "order_by", "is invalid");
    }
    if (fields->is_broken[PARAM_SUBSET_PARAMS] || fields->subset_params.is_broken) {
        add_subset_error(&own, "params", "is invalid");
    }
    if (!is_integer_or_blank(fields, PARAM_SUBSET_LIMIT)) {
        add_subset_error(&own, "limit", "is invalid");
    }
    if (!is_integer_or_blank(fields, PARAM_SUBSET_OFFSET)) {
        add_subset_error(&own, "offset", "is invalid");
    }
    (void)move_subset_errors(&own, errors);
}

/* NULL, or what is wrong with the numbers. */
static const char *
wrong_numbers(const struct numbered *numbered)
{
    if (numbered->is_odd) {
        return ODD_NUMBER;
    }
    return numbered->max != numbered->count ? UNNUMBERED : NULL;
}

static void
check_subset_values(const struct request_fields *fields, const struct subset_query *subset,
                    int64_t limit, int64_t offset, struct subset_errors *errors)
{
    bool has_limit = is_given(fields, PARAM_SUBSET_LIMIT);
    const char *numbers = wrong_numbers(&fields->subset_params);
    if (numbers != NULL) {
        add_subset_error(errors, "params", numbers);
    }
    if (has_limit && limit <= 0) {
        add_subset_error(errors, "limit", "must be greater than 0");
    }
    if (offset < 0) {
        add_subset_error(errors, "offset", "must be greater than or equal to 0");
    }
    if (subset->order_by.size == 0 && (has_limit || is_given(fields, PARAM_SUBSET_OFFSET))) {
        add_subset_error(errors, "order_by",
                         "order_by is required when limit or offset is present");
    }
}

/* What is wrong is said last of all, after what the table says ([7]). */
static void
read_subset(const struct request_fields *fields, struct shape_query *query)
{
    struct subset_query *subset = &query->subset;
    struct subset_errors own = {0};
    struct buf text = {0};
    struct errors errors = {&text, 0};
    int64_t limit = 0;
    int64_t offset = 0;
    (void)read_integer(fields->value[PARAM_SUBSET_LIMIT], &limit);
    (void)read_integer(fields->value[PARAM_SUBSET_OFFSET], &offset);
    *subset = (struct subset_query){.where = fields->value[PARAM_SUBSET_WHERE],
                                    .params = fields->subset_params.values,
                                    .param_count = fields->subset_params.count,
                                    .order_by = fields->value[PARAM_SUBSET_ORDER_BY]};
    check_subset_values(fields, subset, limit, offset, &own);
    if (move_subset_errors(&own, &errors)) {
        (void)end_errors(&errors);
        uint8_t *copy = arena_alloc(fields->mem, text.size, 1);
        memcpy(copy, text.bytes, text.size);
        subset->refusal = (struct view){copy, text.size};
    } else {
        subset->limit = (uint64_t)limit;
        subset->offset = (uint64_t)offset;
    }
    buf_free(&text);
}

/* ---- the checks, in the order of [7] */

static const struct {
    enum param param;
    const char *field;
} TEXTS[] = {{PARAM_TABLE, "table"},     {PARAM_OFFSET, "offset"},
             {PARAM_HANDLE, "handle"},   {PARAM_WHERE, "where"},
             {PARAM_COLUMNS, "columns"}, {PARAM_QUERYABLE, "queryable_columns"},
             {PARAM_REPLICA, "replica"}, {PARAM_LOG, "log"}};

static bool
has_too_long(const struct numbered *numbered)
{
    for (size_t i = 0; i < numbered->capacity; i++) {
        if (numbered->has[i] && numbered->values[i].size > VALUE_MAX) {
            return true;
        }
    }
    return false;
}

static void
check_sizes(const struct request_fields *fields, struct errors *errors)
{
    struct subset_errors own = {0};
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
        if (fields->value[TEXTS[i].param].size > VALUE_MAX) {
            add_error(errors, TEXTS[i].field, view_str("is too long"));
        }
    }
    if (has_too_long(&fields->params)) {
        add_error(errors, "params", view_str("is too long"));
    }
    if (fields->value[PARAM_SUBSET_WHERE].size > VALUE_MAX) {
        add_subset_error(&own, "where", "is too long");
    }
    if (fields->value[PARAM_SUBSET_ORDER_BY].size > VALUE_MAX) {
        add_subset_error(&own, "order_by", "is too long");
    }
    if (has_too_long(&fields->subset_params)) {
        add_subset_error(&own, "params", "is too long");
    }
    (void)move_subset_errors(&own, errors);
}

/* One of two words, the first when it is not given. */
static bool
read_choice(const struct request_fields *fields, enum param param, const char *first,
            const char *second)
{
    return !is_given(fields, param) || view_is(fields->value[param], first) ||
           view_is(fields->value[param], second);
}

static bool
check_casts(const struct request_fields *fields, struct errors *errors)
{
    bool is_replica = read_choice(fields, PARAM_REPLICA, "default", "full");
    bool is_log = read_choice(fields, PARAM_LOG, "full", "changes_only");
    for (size_t i = 0; i < COUNT_OF(TEXTS); i++) {
        enum param param = TEXTS[i].param;
        bool is_wrong = fields->is_broken[param] || (param == PARAM_REPLICA && !is_replica) ||
                        (param == PARAM_LOG && !is_log);
        if (is_wrong) {
            add_error(errors, TEXTS[i].field, view_str("is invalid"));
        }
    }
    if (is_given(fields, PARAM_PARAMS) || fields->params.is_broken) {
        add_error(errors, "params", view_str("is invalid"));
    }
    if (is_given(fields, PARAM_COMPACTION) &&
        !read_choice(fields, PARAM_COMPACTION, "true", "false") &&
        !read_choice(fields, PARAM_COMPACTION, "1", "0")) {
        add_error(errors, "experimental_compaction", view_str("is invalid"));
    }
    check_subset_casts(fields, errors);
    if (errors->count == 0) {
        check_sizes(fields, errors);
    }
    return end_errors(errors);
}

static bool
check_offset(const struct request_fields *fields, struct shape_query *query, struct errors *errors)
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
check_handle(const struct request_fields *fields, struct shape_query *query, struct errors *errors)
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
check_live(const struct request_fields *fields, struct shape_query *query, struct errors *errors)
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
check_table(const struct request_fields *fields, struct shape_query *query, struct errors *errors)
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
check_columns(const struct request_fields *fields, struct shape_query *query, struct errors *errors)
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
check_definition(const struct request_fields *fields, struct shape_query *query,
                 struct errors *errors)
{
    if (!check_table(fields, query, errors)) {
        return false;
    }
    query->where = fields->value[PARAM_WHERE];
    query->params = fields->params.values;
    query->param_count = fields->params.count;
    query->is_replica_full = view_is(fields->value[PARAM_REPLICA], "full");
    query->is_changes_only = view_is(fields->value[PARAM_LOG], "changes_only");
    const char *numbers = wrong_numbers(&fields->params);
    if (numbers != NULL) {
        return refuse(errors, "params", numbers);
    }
    return check_columns(fields, query, errors);
}

/* No value holds a NUL, so the NUL-ended values one after the other are a key. */
static struct view
definition_key(const struct request_fields *fields)
{
    static const enum param parts[] = {PARAM_TABLE,     PARAM_WHERE,   PARAM_COLUMNS,
                                       PARAM_QUERYABLE, PARAM_REPLICA, PARAM_LOG};
    size_t size = COUNT_OF(parts) + fields->params.count;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        size += fields->value[parts[i]].size;
    }
    for (size_t i = 0; i < fields->params.count; i++) {
        size += fields->params.values[i].size;
    }
    uint8_t *key = arena_alloc(fields->mem, size, 1);
    size_t at = 0;
    for (size_t i = 0; i < COUNT_OF(parts) + fields->params.count; i++) {
        struct view part = i < COUNT_OF(parts) ? fields->value[parts[i]]
                                               : fields->params.values[i - COUNT_OF(parts)];
        if (part.size > 0) {
            memcpy(key + at, part.bytes, part.size);
        }
        at += part.size + 1;
    }
    return (struct view){key, size};
}

/* [5]: what is no JSON object. */
static bool
take_body(struct request_fields *fields, struct view body, struct shape_query *query,
          struct buf *errors_out)
{
    struct err err;
    if (request_fields_take_body(fields, body, &err)) {
        return true;
    }
    query->is_body_refused = true;
    if (err.kind == ERR_PROTOCOL) {
        buf_append_str(errors_out, "{\"error\":");
        json_append_string(errors_out, view_str(err.msg));
    } else {
        buf_append_str(errors_out, "{\"error\":\"Invalid JSON in request body\",\"details\":");
        json_append_string(errors_out, view_str(err.msg));
    }
    buf_append_byte(errors_out, '}');
    return false;
}

bool
shape_request_parse(struct view query, struct view body, struct arena *mem,
                    struct shape_query *query_out, struct buf *errors_out)
{
    ASSERT(query.size <= SHAPE_REQUEST_MAX && body.size <= SHAPE_BODY_MAX);
    struct errors errors = {errors_out, 0};
    struct request_fields fields;
    *query_out = (struct shape_query){0};
    request_fields_take_query(&fields, query, mem);
    if (!take_body(&fields, body, query_out, errors_out)) {
        return false;
    }
    if (!check_casts(&fields, &errors) || !check_offset(&fields, query_out, &errors) ||
        !check_handle(&fields, query_out, &errors) || !check_live(&fields, query_out, &errors) ||
        !check_definition(&fields, query_out, &errors)) {
        return false;
    }
    query_out->has_subset = fields.has_subset;
    if (fields.has_subset) {
        read_subset(&fields, query_out);
    }
    query_out->definition = definition_key(&fields);
    return true;
}

bool
shape_request_parse_delete(struct view query, struct arena *mem, struct shape_query *query_out,
                           struct buf *errors_out)
{
    ASSERT(query.size <= SHAPE_REQUEST_MAX);
    struct errors errors = {errors_out, 0};
    struct request_fields fields;
    *query_out = (struct shape_query){0};
    request_fields_take_query(&fields, query, mem);
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
    struct request_fields fields;
    request_fields_take_query(&fields, query, mem);
    enum param param = fields.has[PARAM_SECRET] ? PARAM_SECRET : PARAM_API_SECRET;
    return fields.is_broken[param] ? (struct view){0} : fields.value[param];
}
