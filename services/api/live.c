#include "services/api/live.h"

#include <string.h>

#include "common/blob.h"
#include "common/config.h"
#include "common/core/sse.h"
#include "common/log.h"
#include "common/map.h"
#include "common/mem.h"
#include "services/api/definitions.h"

struct live {
    struct api *api;
    struct map *shapes; /* handle -> struct live_shape */
    /* By deadline, the next one first; those of one patience come in nearly in order. */
    struct list deadlines[LIVE_PATIENCES];
    struct loop_timer timer;
    size_t parked_count;
};

struct live_shape {
    size_t refs; /* who watches, and who walks over `parked` */
    struct list parked;
    struct log_offset newest; /* end of the log as last heard; {0, 0}: nothing */
    char handle[HANDLE_SIZE_MAX];
};

static void on_timer(void *ctx);

struct live *
live_new(struct api *api)
{
    struct live *live = mem_alloc_zero(sizeof *live);
    live->api = api;
    live->shapes = map_new();
    for (size_t i = 0; i < LIVE_PATIENCES; i++) {
        list_init(&live->deadlines[i]);
    }
    loop_timer_init(&live->timer, api->loop, on_timer, live);
    return live;
}

static void
shape_unref(struct live *live, struct live_shape *shape)
{
    if (--shape->refs == 0) {
        (void)map_remove(live->shapes, view_str(shape->handle));
        mem_free(shape);
    }
}

void
live_watch(struct live *live, struct live_wait *wait, struct view handle, live_fn fn, void *ctx)
{
    ASSERT(wait->shape == NULL && handle.size < HANDLE_SIZE_MAX);
    struct live_shape *shape = map_get(live->shapes, handle);
    if (shape == NULL) {
        shape = mem_alloc_zero(sizeof *shape);
        list_init(&shape->parked);
        memcpy(shape->handle, handle.bytes, handle.size);
        (void)map_put(live->shapes, handle, shape);
    }
    shape->refs++;
    *wait = (struct live_wait){.shape = shape, .fn = fn, .ctx = ctx};
    list_init(&wait->node);
    list_init(&wait->deadline_node);
}

/* ---- parking */

static void
set_timer(struct live *live)
{
    uint64_t next_ms = UINT64_MAX;
    for (size_t i = 0; i < LIVE_PATIENCES; i++) {
        if (!list_is_empty(&live->deadlines[i])) {
            struct live_wait *wait =
                LIST_ITEM(live->deadlines[i].next, struct live_wait, deadline_node);
            next_ms = wait->deadline_ms < next_ms ? wait->deadline_ms : next_ms;
        }
    }
    if (next_ms == UINT64_MAX) {
        loop_timer_clear(&live->timer);
        return;
    }
    if (!loop_timer_is_set(&live->timer) || live->timer.deadline_ms > next_ms) {
        uint64_t now_ms = loop_now_ms(live->api->loop);
        loop_timer_set(&live->timer, next_ms > now_ms ? next_ms - now_ms : 0);
    }
}

/* From the back: most deadlines are later than all that are there. */
static void
add_deadline(struct list *deadlines, struct live_wait *wait)
{
    struct list *before = deadlines->prev;
    while (before != deadlines &&
           LIST_ITEM(before, struct live_wait, deadline_node)->deadline_ms > wait->deadline_ms) {
        before = before->prev;
    }
    list_push_front(before, &wait->deadline_node);
}

static uint64_t
time_of(const struct live *live, enum live_patience patience)
{
    uint64_t long_poll_ms = live->api->config->long_poll_ms;
    switch (patience) {
    case LIVE_WHOLE:
        return long_poll_ms;
    case LIVE_HALF:
        return (long_poll_ms + 1) / 2;
    case LIVE_EVENTS:
        return (uint64_t)LIVE_EVENTS_S * 1000;
    case LIVE_PATIENCES:
        break;
    }
    BUG("an unknown patience");
}

bool
live_park(struct live *live, struct live_wait *wait, struct log_offset at, enum live_takes takes,
          uint64_t received_ms, enum live_patience patience)
{
    ASSERT(wait->shape != NULL && !wait->is_parked);
    if (offset_compare(wait->shape->newest, at) > 0) {
        return false;
    }
    wait->at = at;
    wait->takes = takes;
    wait->deadline_ms = received_ms + time_of(live, patience);
    wait->is_parked = true;
    live->parked_count++;
    list_push_back(&wait->shape->parked, &wait->node);
    add_deadline(&live->deadlines[patience], wait);
    set_timer(live);
    return true;
}

struct log_offset
live_newest(const struct live_wait *wait)
{
    return wait->shape->newest;
}

static void
unpark(struct live *live, struct live_wait *wait)
{
    if (wait->is_parked) {
        wait->is_parked = false;
        live->parked_count--;
        list_remove(&wait->node);
        list_remove(&wait->deadline_node);
    }
}

void
live_leave(struct live *live, struct live_wait *wait)
{
    if (wait->shape != NULL) {
        struct live_shape *shape = wait->shape;
        unpark(live, wait);
        wait->shape = NULL;
        shape_unref(live, shape);
    }
}

/* ---- waking */

static void
wake(struct live *live, struct live_wait *wait, enum live_event event, const struct live_news *news)
{
    unpark(live, wait);
    wait->fn(wait->ctx, event, news); /* it may be parked again, or be no more */
}

static void
on_timer(void *ctx)
{
    struct live *live = ctx;
    uint64_t now_ms = loop_now_ms(live->api->loop);
    for (size_t i = 0; i < LIVE_PATIENCES; i++) {
        struct list *deadlines = &live->deadlines[i];
        while (!list_is_empty(deadlines)) {
            struct live_wait *wait = LIST_ITEM(deadlines->next, struct live_wait, deadline_node);
            if (wait->deadline_ms > now_ms) {
                break;
            }
            wake(live, wait, LIVE_TIMEOUT, NULL);
        }
    }
    set_timer(live);
}

/* Takes all who are parked at the shape off its list: so one who is parked again is not met twice.
 */
static void
take_parked(struct live_shape *shape, struct list *taken)
{
    list_init(taken);
    if (!list_is_empty(&shape->parked)) {
        list_push_front(&shape->parked, taken);
        list_remove(&shape->parked);
    }
}

static void
wake_all(struct live *live, struct live_shape *shape, enum live_event event)
{
    struct list taken;
    shape->refs++;
    take_parked(shape, &taken);
    while (!list_is_empty(&taken)) {
        wake(live, LIST_ITEM(taken.next, struct live_wait, node), event, NULL);
    }
    shape_unref(live, shape);
}

static struct blob *
body_of(enum live_takes takes, struct view items, struct log_offset end)
{
    struct buf body = {0};
    struct buf last = {0};
    reply_up_to_date(end.lsn, &last);
    if (takes == LIVE_TAKES_BODY) {
        buf_append_byte(&body, '[');
        buf_append_view(&body, items);
        buf_append_view(&body, buf_view(&last));
        buf_append_byte(&body, ']');
    } else {
        buf_append_byte(&last, ',');
        if (!sse_append_items(items, &body) || !sse_append_items(buf_view(&last), &body)) {
            log_error("event=items_refused size=%zu", items.size);
        }
    }
    buf_free(&last);
    struct blob *blob = blob_new(buf_view(&body));
    buf_free(&body);
    return blob;
}

void
live_advanced(struct live *live, struct view handle, struct log_offset from, struct log_offset to,
              struct view items)
{
    struct live_shape *shape = map_get(live->shapes, handle);
    struct blob *bodies[LIVE_TAKES_COUNT] = {NULL};
    struct list taken;
    if (shape == NULL) {
        return;
    }
    if (offset_compare(to, shape->newest) > 0) {
        shape->newest = to;
    }
    shape->refs++;
    take_parked(shape, &taken);
    while (!list_is_empty(&taken)) {
        struct live_wait *wait = LIST_ITEM(taken.next, struct live_wait, node);
        if (offset_compare(wait->at, to) >= 0) {
            list_remove(&wait->node);
            list_push_back(&shape->parked, &wait->node);
        } else if (wait->takes != LIVE_TAKES_NOTHING && items.size > 0 &&
                   offset_compare(wait->at, from) == 0) {
            struct blob **body = &bodies[wait->takes];
            *body = *body != NULL ? *body : body_of(wait->takes, items, to);
            wake(live, wait, LIVE_ITEMS, &(struct live_news){*body, to});
        } else {
            wake(live, wait, LIVE_CHANGED, NULL);
        }
    }
    blob_unref(bodies[LIVE_TAKES_BODY]);
    blob_unref(bodies[LIVE_TAKES_EVENTS]);
    shape_unref(live, shape);
}

void
live_gone(struct live *live, struct view handle)
{
    struct live_shape *shape = map_get(live->shapes, handle);
    if (shape != NULL) {
        wake_all(live, shape, LIVE_GONE);
    }
}

/* By deadline: so those who are parked again come back in order. */
static void
wake_everybody(struct live *live, enum live_event event)
{
    for (size_t i = 0; i < LIVE_PATIENCES; i++) {
        struct list taken;
        list_init(&taken);
        if (!list_is_empty(&live->deadlines[i])) {
            list_push_front(&live->deadlines[i], &taken);
            list_remove(&live->deadlines[i]);
        }
        while (!list_is_empty(&taken)) {
            wake(live, LIST_ITEM(taken.next, struct live_wait, deadline_node), event, NULL);
        }
    }
    set_timer(live);
}

void
live_missed(struct live *live)
{
    wake_everybody(live, LIVE_CHANGED);
}

void
live_drain(struct live *live)
{
    wake_everybody(live, LIVE_TIMEOUT);
}

size_t
live_reader_count(const struct live *live, struct view handle)
{
    const struct live_shape *shape = map_get(live->shapes, handle);
    return shape == NULL ? 0 : shape->refs;
}

size_t
live_parked_count(const struct live *live)
{
    return live->parked_count;
}

void
live_free(struct live *live)
{
    if (live == NULL) {
        return;
    }
    ASSERT(map_count(live->shapes) == 0);
    loop_timer_clear(&live->timer);
    map_free(live->shapes);
    mem_free(live);
}
