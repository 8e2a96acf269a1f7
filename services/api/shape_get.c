#include "services/api/shape_get.h"

#include <stdio.h>
#include <string.h>

#include "common/blob.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/mem.h"
#include "services/api/admission.h"
#include "services/api/hints_client.h"
#include "services/api/replies.h"
#include "services/api/shape_events.h"
#include "services/api/shape_subset.h"
#include "services/api/waker.h"

/* How long a request waits for a shape or a chunk before it gets 503 (http-api [34]). */
#define DEADLINE_MS 5000u

/* A client that is told of no new handle finds it itself: not worth a long wait. */
#define ROTATED_DEADLINE_MS 2000u

/* A shape that is gone each time it is read is in trouble. */
#define TRIES_MAX 4u

#define CURSOR_SIZE_MAX 20u
#define OFFSET_TEXT_MAX 44u

static void on_live(void *ctx, enum live_event event, const struct live_news *news);

/* ---- beginning and end */

static void
get_free(struct get *get)
{
    definitions_cancel(&get->opening);
    if (get->read != NULL) {
        log_read_cancel(get->read);
    }
    subset_cancel(get);
    live_leave(get->api->live, &get->wait);
    events_free(get->events);
    blob_unref(get->schema);
    get->api->request_count--;
    mem_free(get);
}

/* Its answer is about to go out. Gives the request, which is the front's again. */
struct api_request *
get_end(struct get *get)
{
    struct api_request *request = get->request;
    request->user = NULL;
    get_free(get);
    return request;
}

void
shape_get_gone(struct api_request *request)
{
    if (request->user != NULL) {
        get_free(request->user);
    }
}

/* ---- answers */

static void
answer_unavailable(struct get *get, struct view text, unsigned retry_after_s, bool is_known)
{
    struct api *api = get->api;
    if (get->events != NULL) {
        events_end(get);
        return;
    }
    char message[1024];
    snprintf(message, sizeof message, "%.*s", (int)text.size,
             text.size > 0 ? (const char *)text.bytes : "");
    reply_send_unavailable(api, get_end(get), message, retry_after_s, is_known);
}

static void
answer_failed(struct get *get, struct view text)
{
    struct api *api = get->api;
    if (get->events != NULL) {
        events_end(get);
        return;
    }
    struct buf body = {0};
    if (text.size > 0) {
        reply_message(text, &body);
    } else {
        buf_append_str(&body, REPLY_INTERNAL);
    }
    reply_send_error(api, get_end(get), 500, buf_view(&body), 0, false);
    buf_free(&body);
}

void
get_fail(struct get *get)
{
    answer_failed(get, (struct view){0});
}

static void
answer_invalid(struct get *get, struct view field, struct view text)
{
    struct api *api = get->api;
    char name[64];
    struct buf body = {0};
    snprintf(name, sizeof name, "%.*s", (int)field.size, (const char *)field.bytes);
    shape_request_refuse(&body, name, text);
    reply_send_error(api, get_end(get), 400, buf_view(&body), 0, false);
    buf_free(&body);
}

static void
answer_refetch(struct get *get, struct view handle)
{
    char copy[HANDLE_SIZE_MAX] = {0};
    struct api *api = get->api;
    if (handle.size > 0) {
        memcpy(copy, handle.bytes, handle.size);
    }
    reply_send_refetch(api, get_end(get), view_str(copy));
}

static void
offset_text(const struct get *get, struct buf *out)
{
    switch (get->asked) {
    case SHAPE_OFFSET_START:
        buf_append_str(out, "-1");
        return;
    case SHAPE_OFFSET_NOW:
        buf_append_str(out, "now");
        return;
    case SHAPE_OFFSET_AT:
        offset_append(out, get->offset);
        return;
    }
    BUG("an unknown kind of offset");
}

/* A 200 with the shape's headers; what differs is the caller's to set. */
struct reply
get_ok_reply(struct get *get, struct log_offset end, struct buf *asked)
{
    const struct config *config = get->api->config;
    struct reply reply = {
        .status = 200,
        .kind = REPLY_SHAPE,
        .is_live = get->is_live,
        .is_sse = get->is_sse,
        .sse_timeout_s = LIVE_EVENTS_S,
        .asked = get->asked == SHAPE_OFFSET_START ? REPLY_OFFSET_START : REPLY_OFFSET_OTHER,
        .handle = view_str(get->handle),
        .has_offset = true,
        .offset = end,
        .schema = blob_view(get->schema),
        .has_data = true,
        .max_age_s = config->cache_max_age_s,
        .stale_age_s = config->cache_stale_age_s,
        .has_cursor = get->is_live,
    };
    offset_text(get, asked);
    reply.offset_asked = buf_view(asked);
    if (get->is_live) {
        reply.cursor =
            reply_cursor(view_of(get->cursor, get->cursor_size), clock_wall_us() / 1000000u,
                         config->long_poll_ms, clock_mono_us() * 2654435761u >> 7);
    }
    return reply;
}

void
get_send_ok(struct get *get, const struct reply *reply, const struct answer_part *parts,
            size_t count)
{
    struct api *api = get->api;
    struct api_request *request = get->request;
    /* The reply's views are in `get`, so the answer goes first. */
    request->user = NULL;
    reply_send_parts(api, request, reply, parts, count);
    get_free(get);
}

/* The answer's bytes around the items: `[` before; behind them the up-to-date item and `]`. */
static void
answer_items(struct get *get, const struct answer_part *items, struct log_offset end,
             bool is_up_to_date, uint64_t last_seen_lsn)
{
    struct buf asked = {0};
    struct buf tail = {0};
    struct reply reply = get_ok_reply(get, end, &asked);
    reply.is_up_to_date = is_up_to_date;
    if (is_up_to_date) {
        reply_up_to_date(last_seen_lsn, &tail);
    }
    buf_append_byte(&tail, ']');
    struct blob *open = blob_new(view_str("["));
    struct blob *close = blob_new(buf_view(&tail));
    struct answer_part parts[3] = {{.blob = open, .size = 1, .fd = -1}};
    size_t count = 1;
    if (items->size > 0) {
        parts[count] = *items;
        parts[count].size -= !is_up_to_date; /* the last comma */
        count++;
    }
    parts[count++] = (struct answer_part){.blob = close, .size = close->size, .fd = -1};
    get_send_ok(get, &reply, parts, count);
    blob_unref(open);
    blob_unref(close);
    buf_free(&tail);
    buf_free(&asked);
}

/* Nothing came: a time-out, or offset=now. */
static void
answer_nothing(struct get *get, struct log_offset end, uint64_t seen_lsn)
{
    struct buf asked = {0};
    struct buf body = {0};
    struct reply reply = get_ok_reply(get, end, &asked);
    reply.has_data = false;
    reply.is_up_to_date = true;
    reply.is_unchanged = true;
    reply.monotonic_us = clock_mono_us();
    buf_append_byte(&body, '[');
    reply_up_to_date(seen_lsn, &body);
    buf_append_byte(&body, ']');
    struct blob *blob = blob_new(buf_view(&body));
    get_send_ok(get, &reply, &(struct answer_part){.blob = blob, .size = blob->size, .fd = -1}, 1);
    blob_unref(blob);
    buf_free(&body);
    buf_free(&asked);
}

/* ---- which shape is it? */

/* Only a POST's body counts. */
static bool
parse(struct api *api, const struct api_request *request, struct shape_query *query,
      struct buf *errors)
{
    bool has_body = request->method == HTTP_POST;
    arena_reset(api->scratch);
    return shape_request_parse(request->query, has_body ? request->body : (struct view){0},
                               api->scratch, query, errors);
}

void
get_query(struct get *get, struct shape_query *query)
{
    struct buf errors = {0};
    bool is_right = parse(get->api, get->request, query, &errors);
    ASSERT(is_right); /* it was right before */
    buf_free(&errors);
}

static void
take_known(struct get *get, const struct definition_known *known)
{
    blob_unref(get->schema);
    get->schema = blob_ref(known->schema);
    memset(get->handle, 0, sizeof get->handle);
    memcpy(get->handle, known->handle.bytes, known->handle.size);
}

/* The shape is known. */
static void
go_on(struct get *get)
{
    if (get->is_subset) {
        subset_ask(get);
    } else {
        get_read(get);
    }
}

static void
on_definition(void *ctx, const struct definition_answer *answer)
{
    struct get *get = ctx;
    bool is_ok = answer->result == DEFINITION_OK;
    if (get->is_rotated) {
        if (answer->result == DEFINITION_INVALID) {
            answer_invalid(get, answer->field, answer->error);
        } else {
            answer_refetch(get, is_ok ? answer->known.handle : (struct view){0});
        }
        return;
    }
    switch (answer->result) {
    case DEFINITION_OK:
        if (get->asked == SHAPE_OFFSET_AT && !view_is(answer->known.handle, get->handle)) {
            answer_refetch(get, answer->known.handle);
            return;
        }
        take_known(get, &answer->known);
        go_on(get);
        return;
    case DEFINITION_INVALID:
        answer_invalid(get, answer->field, answer->error);
        return;
    case DEFINITION_UNAVAILABLE:
        answer_unavailable(get, answer->error,
                           answer->retry_after_s > 0 ? (unsigned)answer->retry_after_s : 5,
                           answer->is_known_error);
        return;
    case DEFINITION_FAILED:
        answer_failed(get, answer->error);
        return;
    case DEFINITION_REFUSED: {
        struct api *api = get->api;
        admission_refuse(api, get_end(get), ADMISSION_INITIAL);
        return;
    }
    }
    BUG("an unknown result of a definition");
}

static void
ask_definition(struct get *get, uint32_t deadline_ms)
{
    struct shape_query query;
    get_query(get, &query);
    definitions_ask(get->api->definitions, &query, deadline_ms, &get->opening, on_definition, get);
}

void
get_shape_gone(struct get *get)
{
    definitions_forget(get->api->definitions, view_str(get->handle));
    log_reader_forget(get->api->reader, view_str(get->handle));
    live_leave(get->api->live, &get->wait);
    if (get->events != NULL) {
        events_end(get); /* the next request is told (http-api [30]) */
        return;
    }
    get->is_rotated = get->asked == SHAPE_OFFSET_AT;
    if (get->is_rotated && get->was_parked) {
        answer_refetch(get, (struct view){0}); /* it asks itself: nothing is made for it */
        return;
    }
    if (++get->tries >= TRIES_MAX) {
        answer_unavailable(get, view_str("The shape is changing, please retry"), 1, true);
        return;
    }
    ask_definition(get, get->is_rotated ? ROTATED_DEADLINE_MS : DEADLINE_MS);
}

/* ---- reading */

/* Virtual offsets, behind a chunk of the snapshot: there is always something after them. */
static bool
is_virtual(struct log_offset offset)
{
    return offset.lsn == 0 && offset.op != OFFSET_OP_INF;
}

void
get_park(struct get *get, struct log_offset at, enum live_takes takes, enum live_patience patience)
{
    get->was_parked = true;
    if (get->request->is_ended) {
        get_time_out(get);
        return;
    }
    waker_ask(get->api->waker);
    if (!live_park(get->api->live, &get->wait, at, takes, get->request->received_ms, patience)) {
        get_read(get);
    }
}

/* Nothing follows the offset. */
bool
get_is_at_end(const struct get *get, const struct log_range *range)
{
    return range->is_end && range->items.size == 0 && offset_compare(range->end, get->offset) == 0;
}

static void
on_items(struct get *get, const struct log_range *range)
{
    if (get->asked == SHAPE_OFFSET_NOW) {
        if (range->is_kept) { /* it does not say where the end is: go on behind it */
            get->offset = range->end;
            get_read(get);
        } else {
            answer_nothing(get, range->log_end, range->processed_lsn);
        }
        return;
    }
    if (get->is_sse) {
        events_on_range(get, range);
        return;
    }
    if (get->is_live && get_is_at_end(get, range)) {
        get_park(get, get->offset, LIVE_TAKES_BODY, LIVE_WHOLE);
        return;
    }
    bool is_up_to_date =
        range->is_end && get->asked != SHAPE_OFFSET_START && !is_virtual(range->end);
    /* As it was when the range was read: what was heard since may lie behind its end (a client that
     * is told a larger LSN forgets what it knows of a subset's snapshot). */
    uint64_t seen_lsn = range->processed_lsn;
    if (get->is_live || range->end.lsn > seen_lsn) {
        seen_lsn = range->end.lsn;
    }
    answer_items(get, &range->items, range->end, is_up_to_date, seen_lsn);
}

static void
on_unavailable(struct get *get, const struct log_range *range)
{
    if (get->is_live && !get->api->is_draining) {
        /* What was heard of the log is no reason to ask at once again. */
        struct log_offset newest = live_newest(&get->wait);
        bool is_longer = offset_compare(newest, get->offset) > 0;
        get->is_beyond = false;
        get_park(get, is_longer ? newest : get->offset, LIVE_TAKES_NOTHING,
                 get->is_sse ? LIVE_EVENTS : LIVE_WHOLE);
        return;
    }
    answer_unavailable(get, view_str(range->error != NULL ? range->error : "The log is not ready"),
                       5, false);
}

static void
on_range(void *ctx, const struct log_range *range)
{
    struct get *get = ctx;
    get->read = NULL;
    switch (range->result) {
    case LOG_RANGE:
        on_items(get, range);
        return;
    case LOG_GONE:
        get_shape_gone(get);
        return;
    case LOG_BEYOND:
        get->is_beyond = true;
        get->is_behind = range->is_behind;
        get_park(get, range->log_end, LIVE_TAKES_NOTHING, LIVE_HALF);
        return;
    case LOG_UNAVAILABLE:
        on_unavailable(get, range);
        return;
    case LOG_UNMADE:
        definitions_forget(get->api->definitions, view_str(get->handle));
        if (range->retry_after_s > 0) {
            answer_unavailable(get, view_str(range->error), range->retry_after_s,
                               range->is_known_error);
        } else {
            answer_failed(get, view_str(range->error));
        }
        return;
    case LOG_FAILED:
        answer_failed(get, (struct view){0});
        return;
    }
    BUG("an unknown result of a read");
}

void
get_read(struct get *get)
{
    struct api *api = get->api;
    struct log_position from = {.is_start = get->asked == SHAPE_OFFSET_START,
                                .offset = get->offset};
    if (get->wait.shape == NULL) {
        live_watch(api->live, &get->wait, view_str(get->handle), on_live, get);
    }
    /* What is kept is given before this returns, and then `get` may be no more. */
    struct log_read *read =
        log_reader_read(api->reader, view_str(get->handle), from, DEADLINE_MS, on_range, get);
    if (read != NULL) {
        get->read = read;
    }
}

/* ---- waking */

void
get_time_out(struct get *get)
{
    if (get->is_sse && (get->events != NULL || !get->is_beyond)) {
        events_end(get);
    } else if (get->is_beyond && get->is_behind) {
        answer_unavailable(get, view_str("Timeout waiting for shape data to be loaded"), 5, false);
    } else if (get->is_beyond) {
        answer_invalid(get, view_str("offset"), view_str("out of bounds for this shape"));
    } else {
        answer_nothing(get, get->offset, hints_client_processed(get->api->hints));
    }
}

static void
on_live(void *ctx, enum live_event event, const struct live_news *news)
{
    struct get *get = ctx;
    switch (event) {
    case LIVE_ITEMS: {
        if (get->is_sse) {
            events_on_news(get, news);
            return;
        }
        struct buf asked = {0};
        struct reply reply = get_ok_reply(get, news->end, &asked);
        reply.is_up_to_date = true;
        get_send_ok(get, &reply,
                    &(struct answer_part){.blob = news->body, .size = news->body->size, .fd = -1},
                    1);
        buf_free(&asked);
        return;
    }
    case LIVE_CHANGED:
        get->is_beyond = false;
        get_read(get);
        return;
    case LIVE_GONE:
        get_shape_gone(get);
        return;
    case LIVE_TIMEOUT:
        get_time_out(get);
        return;
    }
    BUG("an unknown event");
}

/* ---- the request */

static struct get *
get_new(struct api *api, struct api_request *request, const struct shape_query *query)
{
    struct get *get = mem_alloc_zero(sizeof *get);
    *get = (struct get){.api = api,
                        .request = request,
                        .asked = query->offset_kind,
                        .offset = query->offset,
                        .is_subset = query->has_subset,
                        .is_live = query->is_live,
                        .is_sse = query->is_sse};
    if (query->offset_kind == SHAPE_OFFSET_NOW) {
        get->offset = OFFSET_SNAPSHOT_END;
    }
    if (query->cursor.size < CURSOR_SIZE_MAX) {
        get->cursor_size = query->cursor.size;
        memcpy(get->cursor, query->cursor.size > 0 ? (const void *)query->cursor.bytes : "",
               query->cursor.size);
    }
    /* A longer handle is none of ours; cut, it is still none. */
    size_t handle_size =
        query->handle.size < HANDLE_SIZE_MAX ? query->handle.size : HANDLE_SIZE_MAX - 1;
    memcpy(get->handle, handle_size > 0 ? (const void *)query->handle.bytes : "", handle_size);
    request->user = get;
    request->on_gone = shape_get_gone;
    request->on_ended = shape_get_ended;
    api->request_count++;
    return get;
}

void
shape_get(struct api *api, struct api_request *request)
{
    struct shape_query query;
    struct definition_known known;
    struct buf errors = {0};
    bool is_right = parse(api, request, &query, &errors);
    if (!is_right && query.is_body_refused) {
        reply_send(api, request, &(struct reply){.status = 400, .kind = REPLY_PLAIN},
                   buf_view(&errors));
    } else if (!is_right) {
        reply_send_error(api, request, 400, buf_view(&errors), 0, false);
    }
    buf_free(&errors);
    if (!is_right || !admission_check(api, request, &query)) {
        return;
    }
    struct get *get = get_new(api, request, &query);
    bool is_known = definitions_find(api->definitions, &query, &known);
    if (is_known && query.offset_kind == SHAPE_OFFSET_AT && !view_is(known.handle, get->handle)) {
        is_known = false; /* ours may be an old one */
    }
    if (is_known) {
        take_known(get, &known);
        go_on(get);
        return;
    }
    definitions_ask(api->definitions, &query, DEADLINE_MS, &get->opening, on_definition, get);
}
