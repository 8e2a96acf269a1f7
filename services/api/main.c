/*
 * The API: HTTP in front, nothing behind it that cannot be thrown away.
 *
 * The path of a request: front.c (sockets, framing, civetweb) -> on_request() here ->
 * shape_get.c. A new parameter goes into common/core/shape_request.c.
 */
#include "common/bus.h"
#include "common/config.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/api/definitions.h"
#include "services/api/health.h"
#include "services/api/hints_client.h"
#include "services/api/live.h"
#include "services/api/log_reader.h"
#include "services/api/packer.h"
#include "services/api/replies.h"
#include "services/api/shape_delete.h"
#include "services/api/shape_get.h"
#include "services/api/shape_list.h"
#include "services/api/waker.h"

/* How often a drain looks whether everything is answered. */
#define DRAIN_POLL_MS 20u

struct process {
    struct api api;
    struct loop_timer drain;
};

/* ---- routes */

static bool
is_secret(const char *secret, struct view given)
{
    return secret != NULL && http_secret_matches(given, view_str(secret));
}

static bool
is_bearer_admin(const struct api *api, const struct api_request *request)
{
    return is_secret(api->config->admin_secret, http_route_bearer(request->authorization));
}

static void
serve_shape(struct api *api, struct api_request *request)
{
    const struct config *config = api->config;
    if (request->query.size > SHAPE_REQUEST_MAX) {
        reply_send_error(api, request, 400, view_str("{\"error\":\"Query too long\"}"), 0, false);
        return;
    }
    arena_reset(api->scratch);
    struct view given = shape_request_secret(request->query, api->scratch);
    bool is_admin = is_secret(config->admin_secret, given) ||
                    (request->method == HTTP_DELETE && is_bearer_admin(api, request));
    if (!config->insecure && !is_admin && !is_secret(config->secret, given)) {
        reply_send_error(api, request, 401, view_str(REPLY_UNAUTHORIZED), 0, false);
        return;
    }
    if (request->method == HTTP_DELETE) {
        shape_delete(api, request, is_admin || config->allow_delete);
        return;
    }
    shape_get(api, request);
}

static void
send_not_found(struct api *api, struct api_request *request)
{
    reply_send(api, request,
               &(struct reply){
                   .status = 404, .kind = REPLY_PLAIN, .content_type = "text/plain; charset=utf-8"},
               view_str(REPLY_NOT_FOUND));
}

/* The operator's routes: not there without an admin secret, unless everything is open. */
static void
serve_shapes(struct api *api, struct api_request *request, enum http_route route)
{
    const struct config *config = api->config;
    if (config->admin_secret == NULL && !config->insecure) {
        send_not_found(api, request);
    } else if (config->admin_secret != NULL && !is_bearer_admin(api, request)) {
        reply_send_error(api, request, 401, view_str(REPLY_NO_ADMIN), 0, false);
    } else if (route == ROUTE_SHAPES) {
        shape_list(api, request);
    } else {
        shape_delete_handle(api, request, http_route_handle(request->path));
    }
}

static void
on_request(void *ctx, struct api_request *request)
{
    struct api *api = ctx;
    enum http_route route = http_route_find(request->method, request->path);
    switch (route) {
    case ROUTE_ROOT:
        reply_send(api, request, &(struct reply){.status = 200, .kind = REPLY_PLAIN},
                   (struct view){0});
        return;
    case ROUTE_SHAPE:
        if (request->method == HTTP_OPTIONS) {
            reply_send_options(api, request);
        } else {
            serve_shape(api, request);
        }
        return;
    case ROUTE_SHAPES:
    case ROUTE_SHAPES_ONE:
        serve_shapes(api, request, route);
        return;
    case ROUTE_HEALTH:
    case ROUTE_STATUS:
    case ROUTE_LIVEZ:
    case ROUTE_READYZ:
    case ROUTE_STARTUPZ:
        health_answer(api, request, route);
        return;
    case ROUTE_NOT_FOUND:
        send_not_found(api, request);
        return;
    }
    BUG("an unknown route");
}

static void
on_gone(void *ctx, struct api_request *request)
{
    (void)ctx;
    if (request->on_gone != NULL) {
        request->on_gone(request);
    }
}

static bool
on_ended(void *ctx, struct api_request *request)
{
    (void)ctx;
    return request->on_ended == NULL || request->on_ended(request);
}

/* ---- life */

static void
api_fini(void *state)
{
    struct process *process = state;
    struct api *api = &process->api;
    loop_timer_clear(&process->drain);
    front_close(api->front);
    packer_close(api->packer);
    hints_client_close(api->hints);
    waker_free(api->waker);
    definitions_free(api->definitions);
    log_reader_close(api->reader);
    live_free(api->live);
    bus_client_close(api->bus);
    arena_free(api->scratch);
    mem_free(process);
}

static void
on_drain(void *ctx)
{
    struct process *process = ctx;
    if (front_is_idle(process->api.front)) {
        service_exit(process->api.service, SERVICE_EXIT_CLEAN);
        return;
    }
    live_drain(process->api.live);
    loop_timer_set(&process->drain, DRAIN_POLL_MS);
}

static void
api_drain(void *state)
{
    struct process *process = state;
    process->api.is_draining = true;
    front_stop_accepting(process->api.front);
    on_drain(process);
}

static bool
open_front(struct api *api, struct err *err)
{
    const struct config *config = api->config;
    struct front_options options = {
        .loop = api->loop,
        .listen_fd = service_take_listen_fd(api->service),
        .tcp_read_timeout_ms = config->tcp_read_timeout_ms,
        .tcp_send_timeout_ms = config->tcp_send_timeout_ms,
        .ctx = api,
        .on_request = on_request,
        .on_gone = on_gone,
        .on_ended = on_ended,
    };
    if (options.listen_fd < 0 && !listen_open(config->listen_address, config->port,
                                              config->listen_on_ipv6, &options.listen_fd, err)) {
        return false;
    }
    return front_open(&options, &api->front, err);
}

static bool
open_all(struct api *api, struct err *err)
{
    const struct config *config = api->config;
    bool is_remote = config->api_storage == CONFIG_API_STORAGE_REMOTE;
    struct log_reader_options reader = {.loop = api->loop,
                                        .shape_url = config->bus_shape,
                                        .storage_dir = is_remote ? NULL : config->storage_dir,
                                        .from = service_envelope(api->service, PROTO_shape_read)};
    return config_require_access(config, err) &&
           bus_client_open(api->loop, config->bus_shape, &api->bus, err) &&
           log_reader_open(&reader, &api->reader, err) &&
           hints_client_open(api, config->bus_log, &api->hints, err) && open_front(api, err) &&
           packer_open(api->loop, api->front, &api->packer, err);
}

static bool
api_init(struct service *service, void **state_out, struct err *err)
{
    struct process *process = mem_alloc_zero(sizeof *process);
    struct api *api = &process->api;
    api->service = service;
    api->config = service_config(service);
    api->loop = service_loop(service);
    api->scratch = arena_new(SHAPE_REQUEST_ARENA);
    api->definitions = definitions_new(api);
    api->live = live_new(api);
    api->waker = waker_new(api);
    loop_timer_init(&process->drain, api->loop, on_drain, process);
    if (!open_all(api, err)) {
        api_fini(process);
        return false;
    }
    service_set_ready(service, true);
    *state_out = process;
    return true;
}

int
main(int argc, char **argv)
{
    return service_run(argc, argv,
                       &(struct service_def){
                           .name = "api",
                           .summary = "serves shapes to clients over HTTP",
                           .init = api_init,
                           .drain = api_drain,
                           .fini = api_fini,
                       });
}
