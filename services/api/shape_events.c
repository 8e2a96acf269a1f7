#include "services/api/shape_events.h"

#include "common/blob.h"
#include "common/clock.h"
#include "common/core/sse.h"
#include "common/fs.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/api/replies.h"

#define CONTENT_TYPE  "text/event-stream"
#define KEEP_ALIVE_MS 21000u

struct events {
    struct get *get;
    struct loop_timer keep_alive;
};

/* ---- items as events */

/* NULL: they could not be read. */
static struct blob *
events_of(const struct log_range *range, bool is_up_to_date)
{
    struct buf read = {0};
    struct buf out = {0};
    const struct answer_part *part = &range->items;
    struct view items = {0};
    bool is_good = true;
    if (part->blob != NULL) {
        items = view_of(part->blob->bytes + part->from, part->size);
    } else if (part->size > 0) {
        uint8_t *room = buf_grow(&read, part->size);
        is_good = fs_pread(part->fd, room, part->size, part->position) == (ssize_t)part->size;
        items = buf_view(&read);
    }
    is_good = is_good && sse_append_items(items, &out);
    if (is_up_to_date) {
        buf_clear(&read);
        reply_up_to_date(range->end.lsn, &read);
        buf_append_byte(&read, ',');
        is_good = is_good && sse_append_items(buf_view(&read), &out);
    }
    struct blob *blob = is_good ? blob_new(buf_view(&out)) : NULL;
    buf_free(&read);
    buf_free(&out);
    return blob;
}

/* ---- a stream */

static bool
push(struct get *get, struct blob *blob)
{
    if (!front_stream(get->api->front, get->request, blob)) {
        events_end(get); /* it reads too slowly: it comes again from where it is */
        return false;
    }
    loop_timer_set(&get->events->keep_alive, KEEP_ALIVE_MS);
    return true;
}

static void
on_keep_alive(void *ctx)
{
    struct events *events = ctx;
    struct blob *blob = blob_new(view_str(SSE_KEEP_ALIVE));
    (void)push(events->get, blob);
    blob_unref(blob);
}

static void
begin(struct get *get)
{
    struct buf asked = {0};
    struct reply reply = get_ok_reply(get, get->offset, &asked);
    reply.content_type = CONTENT_TYPE;
    reply.is_up_to_date = true;
    reply.is_unchanged = true;
    reply.monotonic_us = clock_mono_us();
    get->events = mem_alloc_zero(sizeof *get->events);
    get->events->get = get;
    loop_timer_init(&get->events->keep_alive, get->api->loop, on_keep_alive, get->events);
    loop_timer_set(&get->events->keep_alive, KEEP_ALIVE_MS);
    reply_begin_stream(get->api, get->request, &reply);
    buf_free(&asked);
}

static void
wait_for_more(struct get *get)
{
    if (get->request->method == HTTP_HEAD) {
        events_end(get);
        return;
    }
    get_park(get, get->offset, LIVE_TAKES_EVENTS, LIVE_EVENTS);
}

void
events_end(struct get *get)
{
    struct api *api = get->api;
    if (get->events == NULL) {
        begin(get);
    }
    front_end_stream(api->front, get_end(get));
}

void
events_free(struct events *events)
{
    if (events != NULL) {
        loop_timer_clear(&events->keep_alive);
        mem_free(events);
    }
}

/* ---- what comes */

/* There was something at once: one answer, to the chunk's end. */
static void
answer_whole(struct get *get, const struct log_range *range, struct blob *blob)
{
    struct buf asked = {0};
    struct reply reply = get_ok_reply(get, range->end, &asked);
    reply.content_type = CONTENT_TYPE;
    reply.is_up_to_date = range->is_end;
    get_send_ok(get, &reply, &(struct answer_part){.blob = blob, .size = blob->size, .fd = -1}, 1);
    buf_free(&asked);
}

static void
stream_on(struct get *get, const struct log_range *range, struct blob *blob)
{
    bool is_end = range->is_end;
    get->offset = range->end;
    if (!push(get, blob)) {
        return;
    }
    if (is_end) {
        wait_for_more(get);
    } else {
        get_read(get);
    }
}

void
events_on_range(struct get *get, const struct log_range *range)
{
    if (get_is_at_end(get, range)) {
        if (get->events == NULL) {
            begin(get);
        }
        wait_for_more(get);
        return;
    }
    struct blob *blob = events_of(range, range->is_end);
    if (blob == NULL) {
        log_error("event=items_refused handle=%s size=%zu", get->handle, range->items.size);
        get_fail(get);
    } else if (get->events == NULL) {
        answer_whole(get, range, blob);
    } else {
        stream_on(get, range, blob);
    }
    blob_unref(blob);
}

void
events_on_news(struct get *get, const struct live_news *news)
{
    get->offset = news->end;
    if (push(get, news->body)) {
        wait_for_more(get);
    }
}
