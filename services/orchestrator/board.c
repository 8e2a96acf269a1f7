#include "services/orchestrator/board.h"

#include <stdio.h>
#include <unistd.h>

#include "common/bus.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/mem.h"

#define PERIOD_MS       1000u
#define BOARD_ARENA_MAX (1u << 20)

struct board {
    struct service *service;
    struct loop *loop;
    struct status *status;
    struct bus_server *reports;
    struct bus_publisher *publisher;
    struct loop_timer timer;
    struct arena *mem; /* of `now` */
    struct status_board now;
    char shown[32]; /* state of the whole engine that was logged last */
};

static void
log_state(struct board *board, const struct status_board *now)
{
    if (!view_is(now->service, board->shown)) {
        snprintf(board->shown, sizeof board->shown, "%.*s", (int)now->service.size,
                 (const char *)now->service.bytes);
        log_info("event=engine_state state=%s connection=%.*s shapes=%.*s", board->shown,
                 (int)now->connection.size, (const char *)now->connection.bytes,
                 (int)now->shapes.size, (const char *)now->shapes.bytes);
    }
}

const struct status_board *
board_fill(struct board *board)
{
    arena_reset(board->mem);
    status_board_fill(board->status, loop_now_ms(board->loop), board->mem, &board->now);
    return &board->now;
}

bool
board_can_read(const struct status_board *now)
{
    bool has_api = false;
    bool has_catalogue = false;
    for (size_t i = 0; i < now->services_count; i++) {
        const struct board_service *row = &now->services[i];
        has_api = has_api || (view_is(row->service, "api") && view_is(row->state, "up"));
        for (size_t j = 0; j < row->conditions_count; j++) {
            has_catalogue = has_catalogue || (row->conditions[j].met &&
                                              status_condition_by_name(row->conditions[j].name) ==
                                                  STATUS_SHAPE_METADATA_READY);
        }
    }
    return has_api && has_catalogue;
}

static void
publish(void *ctx)
{
    struct board *board = ctx;
    (void)status_tick(board->status, loop_now_ms(board->loop), clock_wall_us());
    const struct status_board *now = board_fill(board);
    log_state(board, now);
    struct envelope envelope = service_envelope(board->service, PROTO_status_board);
    struct buf message = {0};
    proto_encode(&envelope, now, &message);
    bus_publish(board->publisher, &message);
    buf_free(&message);
    loop_timer_set(&board->timer, PERIOD_MS);
}

static void
on_report(void *ctx, struct bus_request *request, struct view message)
{
    struct board *board = ctx;
    struct err err;
    bool changed = false;
    if (!status_report(board->status, message, loop_now_ms(board->loop), clock_wall_us(), &changed,
                       &err)) {
        if (err.kind == ERR_CANCELED) {
            log_debug("event=report_ignored reason=\"%s\"", err.msg);
        } else {
            log_warn("event=report_refused error=\"%s\"", err.msg);
        }
    }
    if (changed) {
        board_changed(board);
    }
    struct report_ack ack = {.now_us = clock_wall_us()};
    struct envelope envelope = service_envelope(board->service, PROTO_report_ack);
    struct buf reply = {0};
    proto_encode(&envelope, &ack, &reply);
    bus_reply(request, &reply);
    buf_free(&reply);
}

bool
board_open(struct service *service, struct board **board_out, struct err *err)
{
    const struct config *config = service_config(service);
    struct board *board = mem_alloc_zero(sizeof *board);
    board->service = service;
    board->loop = service_loop(service);
    board->status = status_new(service_is_watching(service), loop_now_ms(board->loop));
    board->mem = arena_new(BOARD_ARENA_MAX);
    loop_timer_init(&board->timer, board->loop, publish, board);
    status_set_self(board->status, "orchestrator", service_incarnation(service), (uint64_t)getpid(),
                    clock_wall_us());
    if (!bus_serve(board->loop, config->bus_report, on_report, board, &board->reports, err) ||
        !bus_publisher_open(board->loop, config->bus_status, &board->publisher, err)) {
        board_close(board);
        return false;
    }
    loop_timer_set(&board->timer, 0);
    *board_out = board;
    return true;
}

struct status *
board_status(struct board *board)
{
    return board->status;
}

/* What changes in one turn goes out in one message. */
void
board_changed(struct board *board)
{
    loop_timer_set(&board->timer, 0);
}

void
board_close(struct board *board)
{
    if (board == NULL) {
        return;
    }
    loop_timer_clear(&board->timer);
    if (board->publisher != NULL) {
        bus_publisher_close(board->publisher);
    }
    bus_server_close(board->reports);
    arena_free(board->mem);
    status_free(board->status);
    mem_free(board);
}
