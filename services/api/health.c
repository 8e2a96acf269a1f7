#include "services/api/health.h"

#include "common/core/status_json.h"
#include "common/json.h"
#include "services/api/replies.h"

/* The board's word, or "starting" when none was heard yet. */
static struct view
state_of(const struct api *api)
{
    const struct status_board *board = service_board(api->service);
    return board != NULL ? board->service : view_str("starting");
}

static void
send_state(struct api *api, struct api_request *request, unsigned status, struct view state)
{
    struct buf body = {0};
    buf_append_str(&body, "{\"status\":");
    json_append_string(&body, state);
    buf_append_byte(&body, '}');
    reply_send(api, request, &(struct reply){.status = status, .kind = REPLY_HEALTH},
               buf_view(&body));
    buf_free(&body);
}

/* Sleeping is active: a request wakes the engine. */
static void
send_health(struct api *api, struct api_request *request)
{
    struct view state = state_of(api);
    bool is_active = view_is(state, "active") || view_is(state, "sleeping");
    send_state(api, request, is_active ? 200 : 202, is_active ? view_str("active") : state);
}

/* Ready means: can serve reads, whatever Postgres does. */
static bool
can_read(const struct api *api)
{
    const struct status_board *board = service_board(api->service);
    return board != NULL && (view_is(board->shapes, "up") || view_is(board->shapes, "read_only"));
}

static void
send_status(struct api *api, struct api_request *request)
{
    const struct status_board *board = service_board(api->service);
    struct buf body = {0};
    if (board == NULL) {
        send_state(api, request, 503, view_str("unknown"));
        return;
    }
    status_json_append(board, &body);
    reply_send(api, request, &(struct reply){.status = 200, .kind = REPLY_HEALTH}, buf_view(&body));
    buf_free(&body);
}

void
health_answer(struct api *api, struct api_request *request, enum http_route route)
{
    bool is_up = true;
    switch (route) {
    case ROUTE_HEALTH:
        send_health(api, request);
        return;
    case ROUTE_STATUS:
        send_status(api, request);
        return;
    case ROUTE_LIVEZ:
        break;
    case ROUTE_READYZ:
        is_up = can_read(api) && !api->is_draining;
        break;
    case ROUTE_STARTUPZ:
        is_up = service_board(api->service) != NULL;
        break;
    case ROUTE_NOT_FOUND:
    case ROUTE_ROOT:
    case ROUTE_SHAPE:
    case ROUTE_SHAPES:
    case ROUTE_SHAPES_ONE:
        BUG("a route that is not about health");
    }
    send_state(api, request, is_up ? 200 : 503, is_up ? view_str("ok") : state_of(api));
}
