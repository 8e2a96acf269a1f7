#include "services/api/shape_delete.h"

#include "common/bus.h"
#include "common/mem.h"
#include "services/api/definitions.h"
#include "services/api/hints_client.h"
#include "services/api/replies.h"

#define DEADLINE_MS 5000u

#define REPLY_ARENA_MAX 4096u

struct deletion {
    struct api *api;
    struct api_request *request;
    struct bus_call *call;
};

static void
send_plain(struct api *api, struct api_request *request, unsigned status, struct view body)
{
    reply_send(api, request,
               &(struct reply){.status = status, .kind = REPLY_SHAPE, .has_data = true}, body);
}

static void
on_reply(void *ctx, struct view message, const struct err *failed)
{
    struct deletion *deletion = ctx;
    struct api *api = deletion->api;
    struct api_request *request = deletion->request;
    struct shape_deleted deleted;
    struct err err;
    request->user = NULL;
    request->on_gone = NULL;
    mem_free(deletion);
    arena_reset(api->scratch);
    if (failed != NULL ||
        !proto_decode(message, PROTO_shape_deleted, api->scratch, &deleted, &err) ||
        view_is(deleted.result, "unavailable")) {
        reply_send_unavailable(api, request, "Timeout waiting for shape data to be loaded", 5,
                               false);
    } else if (view_is(deleted.result, "ok")) {
        /* Who is told that it is gone finds it gone. */
        hints_client_gone(api, deleted.handle);
        send_plain(api, request, 202, (struct view){0});
    } else {
        send_plain(api, request, 404, view_str(REPLY_NO_SHAPE));
    }
}

static void
ask(struct api *api, struct api_request *request, const struct shape_query *query)
{
    struct deletion *deletion = mem_alloc_zero(sizeof *deletion);
    struct envelope envelope = service_envelope(api->service, PROTO_shape_delete);
    struct envelope inner = service_envelope(api->service, PROTO_shape_open);
    struct shape_delete message = {.handle = query->handle, .has_definition = query->has_table};
    struct buf definition = {0};
    struct buf bytes = {0};
    if (query->has_table) {
        struct shape_open open = definitions_message(query, api->scratch);
        proto_encode(&inner, &open, &definition);
        message.definition = buf_view(&definition);
    }
    *deletion = (struct deletion){.api = api, .request = request};
    request->user = deletion;
    request->on_gone = shape_delete_gone;
    proto_encode(&envelope, &message, &bytes);
    deletion->call = bus_ask(api->bus, &bytes, DEADLINE_MS, on_reply, deletion);
    buf_free(&definition);
    buf_free(&bytes);
}

void
shape_delete(struct api *api, struct api_request *request, bool is_allowed)
{
    struct shape_query query;
    struct buf errors = {0};
    if (!is_allowed) {
        send_plain(api, request, 405, view_str(REPLY_NO_DELETE));
        return;
    }
    arena_reset(api->scratch);
    if (!shape_request_parse_delete(request->query, api->scratch, &query, &errors)) {
        send_plain(api, request, 400, buf_view(&errors));
    } else if (query.handle.size >= HANDLE_SIZE_MAX) {
        send_plain(api, request, 404, view_str(REPLY_NO_SHAPE));
    } else {
        ask(api, request, &query);
    }
    buf_free(&errors);
}

void
shape_delete_handle(struct api *api, struct api_request *request, struct view handle)
{
    struct shape_query query = {.handle = handle};
    if (handle.size >= HANDLE_SIZE_MAX) {
        send_plain(api, request, 404, view_str(REPLY_NO_SHAPE));
        return;
    }
    arena_reset(api->scratch);
    ask(api, request, &query);
}

void
shape_delete_gone(struct api_request *request)
{
    struct deletion *deletion = request->user;
    if (deletion != NULL) {
        bus_call_cancel(deletion->call);
        mem_free(deletion);
    }
}
