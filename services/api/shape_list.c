#include "services/api/shape_list.h"

#include <string.h>

#include "common/bus.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/mem.h"
#include "services/api/definitions.h"
#include "services/api/live.h"
#include "services/api/replies.h"

#define DEADLINE_MS 5000u

#define COUNT_DEFAULT 100u
#define COUNT_MAX     1000u

/* Of an answer with 1,000 definitions. */
#define ANSWER_ARENA_MAX (16u << 20)

struct listing {
    struct api *api;
    struct api_request *request;
    struct bus_call *call;
};

/* The raw value of a parameter; none of ours needs escapes. */
static struct view
parameter(struct view query, const char *name)
{
    size_t name_size = strlen(name);
    for (size_t at = 0; at < query.size;) {
        const uint8_t *end = memchr(query.bytes + at, '&', query.size - at);
        size_t size = end != NULL ? (size_t)(end - query.bytes) - at : query.size - at;
        if (size > name_size && memcmp(query.bytes + at, name, name_size) == 0 &&
            query.bytes[at + name_size] == '=') {
            return view_of(query.bytes + at + name_size + 1, size - name_size - 1);
        }
        at += size + 1;
    }
    return (struct view){0};
}

/* False: it is no number from 1 to COUNT_MAX. */
static bool
parse_limit(struct view text, uint64_t *limit_out)
{
    uint64_t limit = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || limit > COUNT_MAX) {
            return false;
        }
        limit = limit * 10 + (uint64_t)(text.bytes[i] - '0');
    }
    *limit_out = text.size == 0 ? COUNT_DEFAULT : limit;
    return *limit_out > 0 && *limit_out <= COUNT_MAX;
}

/* As far as its letters go; empty: from the start. */
static bool
is_handle(struct view text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] != '-' && (text.bytes[i] < '0' || text.bytes[i] > '9')) {
            return false;
        }
    }
    return text.size < HANDLE_SIZE_MAX;
}

static void
member(struct buf *out, const char *name, struct view text)
{
    buf_printf(out, ",\"%s\":", name);
    json_append_string(out, text);
}

static void
append_shape(struct api *api, const struct shape_summary *shape, uint64_t now_us, struct buf *out)
{
    buf_append_str(out, "{\"handle\":");
    json_append_string(out, shape->handle);
    member(out, "table", shape->table);
    buf_append_str(out, ",\"definition\":");
    if (shape->definition.size > 0) {
        buf_append_view(out, shape->definition);
    } else {
        buf_append_str(out, "null"); /* too long to be shown */
    }
    member(out, "state", shape->state);
    buf_append_str(out, ",\"rows\":");
    if (shape->has_rows) {
        buf_append_u64(out, shape->rows);
    } else {
        buf_append_str(out, "null");
    }
    buf_printf(out, ",\"bytes\":%llu,\"readers\":%zu", (unsigned long long)shape->bytes,
               live_reader_count(api->live, shape->handle));
    uint64_t age_us = now_us > shape->created_us ? now_us - shape->created_us : 0;
    buf_printf(out, ",\"age_s\":%llu", (unsigned long long)(age_us / 1000000u));
    if (shape->last_read_us > 0) {
        uint64_t idle_us = now_us > shape->last_read_us ? now_us - shape->last_read_us : 0;
        buf_printf(out, ",\"idle_s\":%llu}", (unsigned long long)(idle_us / 1000000u));
    } else {
        buf_append_str(out, ",\"idle_s\":null}");
    }
}

static void
answer(struct api *api, struct api_request *request, const struct shape_listed *listed)
{
    struct buf body = {0};
    uint64_t now_us = clock_wall_us();
    buf_printf(&body, "{\"total\":%llu,\"shapes\":[", (unsigned long long)listed->total);
    for (size_t i = 0; i < listed->shapes_count; i++) {
        buf_append_str(&body, i > 0 ? "," : "");
        append_shape(api, &listed->shapes[i], now_us, &body);
    }
    buf_append_str(&body, "],\"next\":");
    if (listed->is_last || listed->shapes_count == 0) {
        buf_append_str(&body, "null}");
    } else {
        json_append_string(&body, listed->shapes[listed->shapes_count - 1].handle);
        buf_append_byte(&body, '}');
    }
    reply_send(api, request, &(struct reply){.status = 200, .kind = REPLY_HEALTH}, buf_view(&body));
    buf_free(&body);
}

static void
on_reply(void *ctx, struct view message, const struct err *failed)
{
    struct listing *listing = ctx;
    struct api *api = listing->api;
    struct api_request *request = listing->request;
    struct shape_listed listed;
    struct err err;
    request->user = NULL;
    request->on_gone = NULL;
    mem_free(listing);
    struct arena *mem = arena_new(ANSWER_ARENA_MAX);
    if (failed == NULL && proto_decode(message, PROTO_shape_listed, mem, &listed, &err)) {
        answer(api, request, &listed);
    } else {
        reply_send_unavailable(api, request, "Timeout waiting for shape data to be loaded", 5,
                               false);
    }
    arena_free(mem);
}

static void
on_gone(struct api_request *request)
{
    struct listing *listing = request->user;
    bus_call_cancel(listing->call);
    mem_free(listing);
}

void
shape_list(struct api *api, struct api_request *request)
{
    struct shape_list message = {.after = parameter(request->query, "after")};
    struct buf body = {0};
    if (!parse_limit(parameter(request->query, "limit"), &message.count_max)) {
        shape_request_refuse(&body, "limit", view_str("must be a number from 1 to 1000"));
    } else if (!is_handle(message.after)) {
        shape_request_refuse(&body, "after", view_str("is invalid"));
    }
    if (body.size > 0) {
        reply_send_error(api, request, 400, buf_view(&body), 0, false);
        buf_free(&body);
        return;
    }
    struct listing *listing = mem_alloc_zero(sizeof *listing);
    struct envelope envelope = service_envelope(api->service, PROTO_shape_list);
    *listing = (struct listing){.api = api, .request = request};
    request->user = listing;
    request->on_gone = on_gone;
    proto_encode(&envelope, &message, &body);
    listing->call = bus_ask(api->bus, &body, DEADLINE_MS, on_reply, listing);
    buf_free(&body);
}
