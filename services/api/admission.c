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

static bool
has_names(struct api *api, struct api_request *request, const struct shape_query *query)
{
    struct buf text = {0};
    const char *field = NULL;
    bool is_possible = has_possible_names(query, &field, &text);
    if (!is_possible) {
        refuse_early(api, request, field, buf_view(&text));
    }
    buf_free(&text);
    return is_possible;
}

void
admission_refuse(struct api *api, struct api_request *request, enum admission_limit limit)
{
    bool is_initial = limit == ADMISSION_INITIAL;
    uint32_t count = is_initial ? api->config->max_concurrent_requests.initial
                                : api->config->max_concurrent_requests.existing;
    struct buf body = {0};
    buf_printf(&body,
               "{\"code\":\"concurrent_request_limit_exceeded\",\"message\":\"Concurrent %s "
               "request limit exceeded (limit: %u), please retry\"}",
               is_initial ? "initial" : "existing", count);
    reply_send_error(api, request, 503, buf_view(&body), 6 + (unsigned)(clock_mono_us() % 5), true);
    buf_free(&body);
}

bool
admission_check(struct api *api, struct api_request *request, const struct shape_query *query)
{
    if (!has_names(api, request, query)) {
        return false;
    }
    if (api->request_count >= api->config->max_concurrent_requests.existing) {
        admission_refuse(api, request, ADMISSION_EXISTING);
        return false;
    }
    return true;
}
