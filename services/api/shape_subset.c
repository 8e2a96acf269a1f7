#include "services/api/shape_subset.h"

#include "common/blob.h"
#include "common/bus.h"
#include "common/log.h"
#include "services/api/replies.h"

#define DEADLINE_MS 60000u

/* Beyond the deadline the collector's answer may still be under way. */
#define GRACE_MS 2000u

#define CANCEL_TIMEOUT_MS 5000u

#define REPLY_ARENA_MAX (4u << 20)

#define UNREACHABLE "{\"code\":\"database_unreachable\",\"error\":\"Database is unreachable\"}"

/* ---- answers */

static void
answer_error(struct get *get, unsigned status, struct buf *body, unsigned retry_after_s,
             bool is_known)
{
    struct api *api = get->api;
    reply_send_error(api, get_end(get), status, buf_view(body), retry_after_s, is_known);
    buf_free(body);
}

static void
answer_invalid(struct get *get, const struct shape_subset_rows *rows)
{
    struct buf body = {0};
    bool is_where = view_is(rows->field, "where");
    shape_request_refuse_subset(&body, is_where ? "where" : "order_by", rows->error);
    answer_error(get, 400, &body, 0, false);
}

static void
answer_unavailable(struct get *get, const struct shape_subset_rows *rows)
{
    struct buf body = {0};
    if (rows->is_lost) {
        buf_append_str(&body, UNREACHABLE);
    } else {
        reply_message(rows->error, &body);
    }
    answer_error(get, 503, &body, 10, !rows->is_lost);
}

static void
answer_failed(struct get *get)
{
    struct buf body = {0};
    buf_append_str(&body, REPLY_INTERNAL);
    answer_error(get, 500, &body, 0, false);
}

static void
append_number(struct buf *out, const char *before, uint64_t number)
{
    buf_append_str(out, before);
    buf_append_u64(out, number);
}

/* The reference's own blanks. */
static void
append_metadata(const struct shape_subset_rows *rows, struct buf *out)
{
    append_number(out, "{\"metadata\":{\"xmin\":\"", rows->xmin);
    append_number(out, "\",\"xmax\":\"", rows->xmax);
    buf_append_str(out, "\",\"xip_list\":[");
    for (size_t i = 0; i < rows->xip_count; i++) {
        append_number(out, i == 0 ? "\"" : ",\"", rows->xip[i].xid);
        buf_append_byte(out, '"');
    }
    append_number(out, "],\"snapshot_mark\":", rows->mark);
    append_number(out, ",\"database_lsn\":\"", rows->database_lsn);
    buf_append_str(out, "\"}, \"data\": [");
}

/* Who reads at an offset goes on there: what lies behind it is not all in these rows. */
static struct log_offset
go_on(const struct get *get, const struct shape_subset_rows *rows)
{
    return get->asked == SHAPE_OFFSET_AT ? get->offset : (struct log_offset){rows->lsn, rows->op};
}

static void
answer_rows(struct get *get, const struct shape_subset_rows *rows)
{
    struct buf body = {0};
    struct buf asked = {0};
    struct reply reply = get_ok_reply(get, go_on(get, rows), &asked);
    reply.is_live = false;
    reply.is_sse = false;
    reply.has_cursor = false;
    reply.is_subset = true;
    append_metadata(rows, &body);
    buf_append(&body, rows->items.bytes, rows->items.size > 0 ? rows->items.size - 1 : 0);
    buf_append_str(&body, "]}");
    struct blob *blob = blob_new(buf_view(&body));
    get_send_ok(get, &reply, &(struct answer_part){.blob = blob, .size = blob->size, .fd = -1}, 1);
    blob_unref(blob);
    buf_free(&body);
    buf_free(&asked);
}

static void
take_rows(struct get *get, const struct shape_subset_rows *rows)
{
    struct buf body = {0};
    if (view_is(rows->result, "ok")) {
        answer_rows(get, rows);
    } else if (view_is(rows->result, "gone")) {
        get_shape_gone(get);
    } else if (view_is(rows->result, "invalid")) {
        answer_invalid(get, rows);
    } else if (view_is(rows->result, "too_large")) {
        reply_message(rows->error, &body);
        answer_error(get, 413, &body, 0, false);
    } else if (view_is(rows->result, "unavailable")) {
        answer_unavailable(get, rows);
    } else {
        answer_failed(get);
    }
}

static void
on_reply(void *ctx, struct view message, const struct err *failed)
{
    struct get *get = ctx;
    struct shape_subset_rows rows = {.error =
                                         view_str("Timeout waiting for shape data to be loaded")};
    struct err err;
    get->subset_call = NULL;
    if (failed != NULL) {
        answer_unavailable(get, &rows);
        return;
    }
    struct arena *mem = arena_new(REPLY_ARENA_MAX);
    if (proto_decode(message, PROTO_shape_subset_rows, mem, &rows, &err)) {
        take_rows(get, &rows);
    } else {
        log_error("event=subset_reply_refused error=\"%s\"", err.msg);
        answer_failed(get);
    }
    arena_free(mem);
}

/* ---- asking */

static struct shape_subset
message_of(const struct get *get, const struct shape_query *query)
{
    const struct subset_query *subset = &query->subset;
    struct arena *mem = get->api->scratch;
    struct shape_open definition = definitions_message(query, mem);
    struct shape_param *params = arena_alloc(mem, subset->param_count + 1, sizeof *params);
    for (size_t i = 0; i < subset->param_count; i++) {
        params[i] = (struct shape_param){.number = i + 1, .value = subset->params[i]};
    }
    return (struct shape_subset){
        .id = get->subset_id,
        .handle = view_str(get->handle),
        .is_start = query->offset_kind == SHAPE_OFFSET_START,
        .is_now = query->offset_kind == SHAPE_OFFSET_NOW,
        .where = subset->where,
        .params = params,
        .params_count = subset->param_count,
        .order_by = subset->order_by,
        .limit = subset->limit,
        .offset = subset->offset,
        .has_queryable = definition.has_queryable,
        .queryable = definition.queryable,
        .queryable_count = definition.queryable_count,
        .deadline_ms = DEADLINE_MS,
    };
}

void
subset_ask(struct get *get)
{
    struct api *api = get->api;
    struct shape_query query;
    struct buf bytes = {0};
    get_query(get, &query);
    if (query.subset.refusal.size > 0) {
        buf_append_view(&bytes, query.subset.refusal);
        answer_error(get, 400, &bytes, 0, false);
        return;
    }
    struct envelope envelope = service_envelope(api->service, PROTO_shape_subset);
    get->subset_id = ++api->subset_number;
    struct shape_subset message = message_of(get, &query);
    proto_encode(&envelope, &message, &bytes);
    get->subset_call = bus_ask(api->bus, &bytes, DEADLINE_MS + GRACE_MS, on_reply, get);
}

static void
ignore_reply(void *ctx, struct view message, const struct err *failed)
{
    (void)ctx;
    (void)message;
    (void)failed;
}

void
subset_cancel(struct get *get)
{
    if (get->subset_call == NULL) {
        return;
    }
    struct shape_subset_cancel message = {.id = get->subset_id};
    struct envelope envelope = service_envelope(get->api->service, PROTO_shape_subset_cancel);
    struct buf bytes = {0};
    bus_call_cancel(get->subset_call);
    get->subset_call = NULL;
    proto_encode(&envelope, &message, &bytes);
    (void)bus_ask(get->api->bus, &bytes, CANCEL_TIMEOUT_MS, ignore_reply, NULL);
}
