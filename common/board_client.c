#include "common/board_client.h"

#include <string.h>

#include "common/bus.h"
#include "common/log.h"
#include "common/mem.h"

/* 64 services with 16 conditions and 64 facts each, all as long as they may be, are less. */
#define BOARD_SIZE_MAX (8u << 20)

/* One message and what was decoded from it. */
struct heard {
    uint8_t *bytes;
    struct arena *mem;
    struct status_board board;
};

struct board_client {
    struct bus_subscriber *bus;
    struct heard *now; /* NULL: nothing yet */
    size_t watcher_count;
    struct {
        void (*fn)(void *ctx);
        void *ctx;
    } watchers[BOARD_CLIENT_WATCHERS_MAX];
};

static void
heard_free(struct heard *heard)
{
    if (heard != NULL) {
        arena_free(heard->mem);
        mem_free(heard->bytes);
        mem_free(heard);
    }
}

static struct heard *
heard_new(struct view message, struct err *err)
{
    if (message.size > BOARD_SIZE_MAX) {
        (void)err_set(err, ERR_LIMIT, "a status board of %zu bytes", message.size);
        return NULL;
    }
    struct heard *heard = mem_alloc_zero(sizeof *heard);
    heard->mem = arena_new(PROTO_DECODE_MAX);
    heard->bytes = mem_alloc(message.size);
    memcpy(heard->bytes, message.bytes, message.size);
    if (!proto_decode(view_of(heard->bytes, message.size), PROTO_status_board, heard->mem,
                      &heard->board, err)) {
        heard_free(heard);
        return NULL;
    }
    return heard;
}

static bool
rows_differ(const struct board_service *a, const struct board_service *b)
{
    if (a->incarnation_us != b->incarnation_us || a->incarnation_salt != b->incarnation_salt ||
        a->pid != b->pid || !view_equal(a->service, b->service) ||
        !view_equal(a->state, b->state) || a->conditions_count != b->conditions_count) {
        return true;
    }
    for (size_t i = 0; i < a->conditions_count; i++) {
        const struct condition *x = &a->conditions[i];
        const struct condition *y = &b->conditions[i];
        if (x->met != y->met || !view_equal(x->name, y->name) || !view_equal(x->error, y->error)) {
            return true;
        }
    }
    return false;
}

/* Facts apart, which change with every board. */
static bool
boards_differ(const struct status_board *a, const struct status_board *b)
{
    if (!view_equal(a->connection, b->connection) || !view_equal(a->shapes, b->shapes) ||
        !view_equal(a->service, b->service) || a->services_count != b->services_count) {
        return true;
    }
    for (size_t i = 0; i < a->services_count; i++) {
        if (rows_differ(&a->services[i], &b->services[i])) {
            return true;
        }
    }
    return false;
}

static void
on_hint(void *ctx, struct view message)
{
    struct board_client *client = ctx;
    if (message.size == 0) { /* a pipe was lost or made: the next board comes within a second */
        return;
    }
    struct err err;
    struct heard *heard = heard_new(message, &err);
    if (heard == NULL) {
        log_warn("event=status_board_refused error=\"%s\"", err.msg);
        return;
    }
    struct heard *before = client->now;
    if (before != NULL &&
        (view_is(heard->board.connection, "unknown") || view_is(heard->board.shapes, "unknown"))) {
        heard_free(heard);
        return;
    }
    client->now = heard;
    if (before == NULL || boards_differ(&before->board, &heard->board)) {
        for (size_t i = 0; i < client->watcher_count; i++) {
            client->watchers[i].fn(client->watchers[i].ctx);
        }
    }
    heard_free(before);
}

bool
board_client_open(struct loop *loop, const char *url, struct board_client **client_out,
                  struct err *err)
{
    struct board_client *client = mem_alloc_zero(sizeof *client);
    if (!bus_subscribe(loop, url, on_hint, client, &client->bus, err)) {
        mem_free(client);
        return false;
    }
    *client_out = client;
    return true;
}

const struct status_board *
board_client_board(const struct board_client *client)
{
    return client->now == NULL ? NULL : &client->now->board;
}

/* The youngest that lives, or NULL. */
static const struct board_service *
find_row(const struct board_client *client, const char *service)
{
    const struct board_service *found = NULL;
    for (size_t i = 0; client->now != NULL && i < client->now->board.services_count; i++) {
        const struct board_service *row = &client->now->board.services[i];
        if (row->incarnation_us != 0 && view_is(row->service, service) &&
            (found == NULL || row->incarnation_us > found->incarnation_us)) {
            found = row;
        }
    }
    return found;
}

static struct incarnation
row_incarnation(const struct board_service *row)
{
    return (struct incarnation){row->incarnation_us, row->incarnation_salt};
}

bool
board_client_is_met(const struct board_client *client, enum status_condition condition,
                    struct incarnation *by_out)
{
    const struct board_service *row = find_row(client, status_condition_owner(condition));
    for (size_t i = 0; row != NULL && i < row->conditions_count; i++) {
        if (view_is(row->conditions[i].name, status_condition_name(condition)) &&
            row->conditions[i].met) {
            if (by_out != NULL) {
                *by_out = row_incarnation(row);
            }
            return true;
        }
    }
    return false;
}

struct incarnation
board_client_current(const struct board_client *client, const char *service)
{
    const struct board_service *row = find_row(client, service);
    return row == NULL ? (struct incarnation){0} : row_incarnation(row);
}

void
board_client_watch(struct board_client *client, void (*fn)(void *ctx), void *ctx)
{
    ASSERT(client->watcher_count < BOARD_CLIENT_WATCHERS_MAX);
    client->watchers[client->watcher_count].fn = fn;
    client->watchers[client->watcher_count].ctx = ctx;
    client->watcher_count++;
}

void
board_client_close(struct board_client *client)
{
    if (client != NULL) {
        bus_subscriber_close(client->bus);
        heard_free(client->now);
        mem_free(client);
    }
}
