#include "services/api/admission.h"

#include "common/clock.h"
#include "common/config.h"
#include "services/api/replies.h"

/* Postgres' names have 63 bytes at most, its tables 1,600 columns. */
#define NAME_SIZE_MAX 64u
#define NAMES_MAX     1600u

static void
refuse_early(struct api *api, struct api_request *request, const char *field, struct view text)
{
    struct buf body = {0};
    shape_request_refuse(&body, field, text);
    reply_send_error(api, request, 400, buf_view(&body), 0, false);
    buf_free(&body);
}

/* Names that no table and no column can have: the bus does not carry them. */
static bool
has_possible_names(const struct shape_query *query, const char **field_out, struct buf *text)
{
    const struct view *lists[] = {query->columns, query->queryable};
    const size_t counts[] = {query->column_count, query->queryable_count};
    const char *const fields[] = {"columns", "queryable_columns"};
    if (query->table.schema.size > NAME_SIZE_MAX || query->table.name.size > NAME_SIZE_MAX) {
        *field_out = "table";
        buf_printf(text, "Table \"%.*s\".\"%.*s\" does not exist.", (int)query->table.schema.size,
                   (const char *)query->table.schema.bytes, (int)query->table.name.size,
                   (const char *)query->table.name.bytes);
        return false;
    }
    for (size_t list = 0; list < COUNT_OF(lists); list++) {
        *field_out = fields[list];
        if (counts[list] > NAMES_MAX) {
            buf_printf(text, "There may be at most %u columns", NAMES_MAX);
            return false;
        }
        for (size_t i = 0; i < counts[list]; i++) {
            if (lists[list][i].size > NAME_SIZE_MAX) {
                buf_printf(text, "The following columns are not found on the table: %.*s",
                           (int)lists[list][i].size, (const char *)lists[list][i].bytes);
                return false;
            }
        }
    }
    return true;
}

/* What this version does not do yet, clearly. */
static bool
is_served(struct api *api, struct api_request *request, const struct shape_query *query)
{
    struct buf text = {0};
    const char *field = NULL;
    if (query->has_subset) {
        field = "subset";
        buf_append_str(&text, "is not supported yet");
    } else if (query->is_sse) {
        field = "live_sse";
        buf_append_str(&text, "is not supported yet");
    } else if (has_possible_names(query, &field, &text)) {
        field = NULL;
    }
    if (field != NULL) {
        refuse_early(api, request, field, buf_view(&text));
    }
    buf_free(&text);
    return field == NULL;
}

/* http-api [43] */
static bool
is_admitted(struct api *api, struct api_request *request)
{
    uint32_t limit = api->config->max_concurrent_requests.existing;
    struct buf body = {0};
    if (api->request_count < limit) {
        return true;
    }
    buf_printf(&body,
               "{\"code\":\"concurrent_request_limit_exceeded\",\"message\":\"Concurrent existing "
               "request limit exceeded (limit: %u), please retry\"}",
               limit);
    reply_send_error(api, request, 503, buf_view(&body), 6 + (unsigned)(clock_mono_us() % 5), true);
    buf_free(&body);
    return false;
}

bool
admission_check(struct api *api, struct api_request *request, const struct shape_query *query)
{
    return is_served(api, request, query) && is_admitted(api, request);
}
