#include "services/shape_log_collector/shape_server.h"

#include <stdlib.h>
#include <string.h>

#include "common/bus.h"
#include "common/clock.h"
#include "common/json.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/service.h"
#include "services/shape_log_collector/db_client.h"
#include "services/shape_log_collector/ingest.h"
#include "services/shape_log_collector/opening.h"
#include "services/shape_log_collector/repl_server.h"
#include "services/shape_log_collector/subsets.h"

#define MESSAGE_ARENA_MAX (8u << 20)

/* A range of this size travels as bytes even where the folder is shared: one open less for the API.
 */
#define SMALL_RANGE (32u << 10)

#define DEADLINE_MAX_MS 60000

#define WAKE_TIMEOUT_MS 5000

struct shape_server {
    struct collector *collector;
    struct bus_server *bus;
    struct list openings;
    struct subsets *subsets;
};

/* A read that waits for a chunk of a snapshot. */
struct parked_read {
    struct list node; /* in shape->parked */
    struct shape *shape;
    struct bus_request *request;
    struct shape_position from;
    bool wants_bytes;
    struct loop_timer deadline;
};

static void
reply(struct shape_server *server, struct bus_request *request, enum proto_kind kind,
      const void *message)
{
    struct envelope envelope = service_envelope(server->collector->service, kind);
    struct buf bytes = {0};
    envelope.epoch = server->collector->epoch;
    proto_encode(&envelope, message, &bytes);
    bus_reply(request, &bytes);
    buf_free(&bytes);
}

/* ---- reading */

static void
reply_range(struct shape_server *server, struct bus_request *request, const char *result,
            const char *error)
{
    struct shape_range message = {
        .result = view_str(result),
        .error = view_str(error),
        .processed_lsn = ingest_received_lsn(server->collector->ingest),
        .is_behind = repl_server_is_behind(server->collector->repl),
    };
    reply(server, request, PROTO_shape_range, &message);
}

/* The shape could not be made: those who read what there was of it are told why. */
static void
reply_unmade(struct shape_server *server, struct bus_request *request,
             const struct open_failure *failed)
{
    struct shape_range message = {
        .result = view_str("unmade"),
        .error = view_str(failed->message),
        .is_known = failed->is_known,
        .retry_after_s = failed->retry_after_s,
    };
    reply(server, request, PROTO_shape_range, &message);
}

static bool
set_bytes(struct shape_server *server, const struct item_range *range, bool wants_bytes,
          struct shape_range *message, struct buf *bytes, struct err *err)
{
    message->size = range->size;
    if (range->size == 0) {
        return true;
    }
    if (wants_bytes || range->size <= SMALL_RANGE) {
        if (!shape_range_read(server->collector->dir, range, bytes, err)) {
            return false;
        }
        message->bytes = buf_view(bytes);
        return true;
    }
    message->storage_id = view_str(storage_dir_id(server->collector->dir));
    message->path = view_str(range->path);
    message->position = range->position;
    return true;
}

static void
reply_found(struct shape_server *server, struct shape *shape, struct bus_request *request,
            const struct item_range *range, bool wants_bytes)
{
    struct err err;
    struct buf bytes = {0};
    struct log_offset end = shape_log_end(shape->log);
    struct shape_range message = {
        .result = view_str("ok"),
        .lsn = range->end.lsn,
        .op = range->end.op,
        .is_end = range->is_end,
        .is_fixed = range->is_fixed,
        .end_lsn = end.lsn,
        .end_op = end.op,
        .processed_lsn = ingest_received_lsn(server->collector->ingest),
        .is_behind = repl_server_is_behind(server->collector->repl),
    };
    if (set_bytes(server, range, wants_bytes, &message, &bytes, &err)) {
        reply(server, request, PROTO_shape_range, &message);
    } else if (err.kind == ERR_FULL) {
        reply_range(server, request, "unavailable", "Too many open files");
    } else {
        log_error("event=read_failed handle=%s error=\"%s\"", shape->handle, err.msg);
        registry_end(shape, err.msg, NULL);
        reply_range(server, request, "gone", "");
    }
    buf_free(&bytes);
}

static void
on_read_deadline(void *ctx)
{
    struct parked_read *read = ctx;
    reply_range(read->shape->collector->shapes, read->request, "unavailable",
                "Timeout waiting for the snapshot");
    list_remove(&read->node);
    mem_free(read);
}

static void
park(struct shape_server *server, struct shape *shape, struct bus_request *request,
     struct shape_position from, bool wants_bytes, uint64_t deadline_ms)
{
    struct parked_read *read = mem_alloc_zero(sizeof *read);
    *read = (struct parked_read){
        .shape = shape, .request = request, .from = from, .wants_bytes = wants_bytes};
    list_push_back(&shape->parked, &read->node);
    loop_timer_init(&read->deadline, server->collector->loop, on_read_deadline, read);
    loop_timer_set(&read->deadline, deadline_ms < DEADLINE_MAX_MS ? deadline_ms : DEADLINE_MAX_MS);
}

/* False: the chunk is still being written. */
static bool
try_read(struct shape_server *server, struct shape *shape, struct bus_request *request,
         struct shape_position from, bool wants_bytes)
{
    struct err err;
    struct item_range range = {0};
    if (!shape_log_open(shape->log, &err)) {
        log_error("event=log_open_failed handle=%s error=\"%s\"", shape->handle, err.msg);
        if (err.kind == ERR_FULL) {
            reply_range(server, request, "unavailable", "The storage is full");
        } else {
            registry_end(shape, err.msg, NULL);
            reply_range(server, request, "gone", "");
        }
        return true;
    }
    switch (shape_range_find(&shape->snapshot, shape->log, from, &range, &err)) {
    case SHAPE_RANGE_OK:
        reply_found(server, shape, request, &range, wants_bytes);
        return true;
    case SHAPE_RANGE_BEYOND:
        reply_range(server, request, "beyond", "");
        return true;
    case SHAPE_RANGE_PENDING:
        return false;
    case SHAPE_RANGE_FAILED:
        if (err.kind == ERR_FULL) { /* no descriptors: it passes */
            reply_range(server, request, "unavailable", "Too many open files");
            return true;
        }
        log_error("event=read_failed handle=%s error=\"%s\"", shape->handle, err.msg);
        registry_end(shape, err.msg, NULL);
        reply_range(server, request, "gone", "");
        return true;
    }
    return true;
}

static void
on_read(struct shape_server *server, struct bus_request *request, const struct shape_read *read)
{
    struct shape *shape = registry_by_handle(server->collector->registry, read->handle);
    struct shape_position from = {
        .is_start = read->from_start,
        .offset = {read->lsn, read->op},
    };
    if (shape == NULL) {
        reply_range(server, request, "gone", "");
        return;
    }
    shape->last_read_ms = loop_now_ms(server->collector->loop);
    if (!try_read(server, shape, request, from, read->wants_bytes)) {
        park(server, shape, request, from, read->wants_bytes, read->deadline_ms);
    }
}

void
shape_server_progressed(struct shape_server *server, struct shape *shape)
{
    LIST_FOREACH (node, &shape->parked) {
        struct parked_read *read = LIST_ITEM(node, struct parked_read, node);
        struct list *next = node->next;
        /* A read that fails ends the shape, and with it all that are parked there. */
        list_remove(node);
        if (!try_read(server, shape, read->request, read->from, read->wants_bytes)) {
            list_push_back(next, node);
            continue;
        }
        loop_timer_clear(&read->deadline);
        mem_free(read);
        if (shape->state == SHAPE_ENDED) {
            return; /* the rest is answered */
        }
    }
}

void
shape_server_announced(struct shape_server *server, struct shape *shape)
{
    (void)server;
    opening_on_announced(shape);
}

void
shape_server_ended(struct shape_server *server, struct shape *shape,
                   const struct open_failure *failed)
{
    LIST_FOREACH (node, &shape->parked) {
        struct parked_read *read = LIST_ITEM(node, struct parked_read, node);
        if (failed != NULL) {
            reply_unmade(server, read->request, failed);
        } else {
            reply_range(server, read->request, "gone", "");
        }
        loop_timer_clear(&read->deadline);
        list_remove(&read->node);
        mem_free(read);
    }
    opening_on_ended(shape, failed);
}

/* ---- deleting and listing */

static void
on_delete(struct shape_server *server, struct bus_request *request,
          const struct shape_delete *message)
{
    struct collector *collector = server->collector;
    struct shape_deleted answer = {.result = view_str("absent")};
    struct shape *shape = NULL;
    if (message->handle.size > 0) {
        shape = registry_by_handle(collector->registry, message->handle);
    }
    if (message->has_definition) {
        struct shape *defined = opening_find(collector, message->definition);
        shape = message->handle.size == 0 || shape == defined ? defined : NULL;
    }
    if (collector->is_read_only) {
        answer.result = view_str("unavailable");
    } else if (shape != NULL) {
        registry_end(shape, "it was deleted by request", NULL);
        answer.result = view_str("ok");
        answer.handle = view_str(shape->handle); /* good until the turn's end */
    }
    reply(server, request, PROTO_shape_deleted, &answer);
}

static const char *
state_name(enum shape_state state)
{
    switch (state) {
    case SHAPE_CREATING:
        return "creating";
    case SHAPE_ANNOUNCED:
        return "copying";
    case SHAPE_COMPLETE:
        return "complete";
    case SHAPE_ENDED:
        return "ended";
    }
    return "";
}

struct listing {
    struct buf shapes; /* struct shape * each */
};

static void
add_to_listing(void *ctx, struct shape *shape)
{
    struct listing *listing = ctx;
    buf_append(&listing->shapes, &shape, sizeof shape);
}

static int
compare_handles(const void *a, const void *b)
{
    const struct shape *const *left = a;
    const struct shape *const *right = b;
    return strcmp((*left)->handle, (*right)->handle);
}

static struct view
describe(const struct shape *shape, struct arena *mem)
{
    struct buf text = {0};
    buf_append_str(&text, "{\"where\":");
    json_append_string(&text, shape->def->where_sql);
    buf_append_str(&text, ",\"columns\":[");
    for (size_t i = 0; i < shape->def->selected_count; i++) {
        buf_append_str(&text, i > 0 ? "," : "");
        json_append_string(&text, shape->def->table.columns[shape->def->selected[i]].name);
    }
    buf_append_str(&text, "],\"replica\":");
    buf_append_str(&text, shape->def->is_replica_full ? "\"full\"" : "\"default\"");
    buf_append_str(&text, ",\"log\":");
    buf_append_str(&text, shape->def->is_changes_only ? "\"changes_only\"}" : "\"full\"}");
    size_t size = text.size <= 4096 ? text.size : 0; /* the message's limit */
    uint8_t *copy = arena_alloc(mem, size + 1, 1);
    memcpy(copy, text.bytes, size);
    buf_free(&text);
    return (struct view){copy, size};
}

static struct shape_summary
summarise(struct shape *shape, struct arena *mem)
{
    struct err err;
    const struct relation *table = &shape->def->table;
    size_t size = table->schema.size + 1 + table->name.size;
    uint8_t *name = arena_alloc(mem, size + 1, 1);
    memcpy(name, table->schema.bytes, table->schema.size);
    name[table->schema.size] = '.';
    memcpy(name + table->schema.size + 1, table->name.bytes, table->name.size);
    struct shape_summary summary = {
        .handle = view_str(shape->handle),
        .table = {name, size},
        .definition = describe(shape, mem),
        .state = view_str(state_name(shape->state)),
        .bytes = snapshot_size(&shape->snapshot),
        .has_rows = shape->counts_rows,
        .created_us = shape->created_us,
        .last_read_us =
            clock_wall_us() - 1000u * (loop_now_ms(shape->collector->loop) - shape->last_read_ms),
    };
    if (shape->counts_rows) {
        int64_t rows = (int64_t)shape->snapshot_rows + shape_log_rows(shape->log);
        summary.rows = rows > 0 ? (uint64_t)rows : 0;
    }
    if (shape_log_open(shape->log, &err)) {
        summary.bytes += shape_log_size(shape->log);
    }
    return summary;
}

static void
on_list(struct shape_server *server, struct bus_request *request, const struct shape_list *message)
{
    struct listing listing = {0};
    struct arena *mem = arena_new(MESSAGE_ARENA_MAX);
    size_t most = message->count_max < 1000 ? (size_t)message->count_max : 1000;
    registry_each(server->collector->registry, add_to_listing, &listing);
    struct shape **shapes = (struct shape **)(void *)listing.shapes.bytes;
    size_t count = listing.shapes.size / sizeof *shapes;
    if (count > 0) {
        qsort(shapes, count, sizeof *shapes, compare_handles);
    }
    struct shape_summary *summaries = arena_alloc(mem, most + 1, sizeof *summaries);
    struct shape_listed answer = {.shapes = summaries, .total = count, .is_last = true};
    for (size_t i = 0; i < count; i++) {
        if (view_compare(view_str(shapes[i]->handle), message->after) <= 0) {
            continue;
        }
        if (answer.shapes_count == most) {
            answer.is_last = false;
            break;
        }
        summaries[answer.shapes_count++] = summarise(shapes[i], mem);
    }
    reply(server, request, PROTO_shape_listed, &answer);
    arena_free(mem);
    buf_free(&listing.shapes);
}

/* ---- waking */

static void
on_woken(void *ctx, const void *reply_, const struct err *failed)
{
    (void)ctx;
    (void)reply_;
    (void)failed; /* who waits for changes asks again */
}

static void
on_wake(struct shape_server *server, struct bus_request *request)
{
    struct collector *collector = server->collector;
    struct shape_woken answer = {.result = view_str("unavailable")};
    if (!collector->is_read_only) {
        struct db_wake message = {0};
        (void)db_ask(collector->db, PROTO_db_wake, &message, PROTO_db_published, WAKE_TIMEOUT_MS,
                     on_woken, NULL);
        answer.result = view_str("ok");
    }
    reply(server, request, PROTO_shape_woken, &answer);
}

/* ---- the channel */

union body {
    struct shape_read read;
    struct shape_delete delete;
    struct shape_list list;
    struct shape_subset subset;
    struct shape_subset_cancel subset_cancel;
    struct shape_wake wake;
};

static bool
is_of_this_channel(enum proto_kind kind)
{
    return kind == PROTO_shape_read || kind == PROTO_shape_delete || kind == PROTO_shape_list ||
           kind == PROTO_shape_subset || kind == PROTO_shape_subset_cancel ||
           kind == PROTO_shape_wake;
}

static void
on_subset_cancel(struct shape_server *server, struct bus_request *request, struct incarnation from,
                 const struct shape_subset_cancel *message)
{
    struct shape_deleted answer = {.result = view_str("ok")};
    subsets_cancel(server->subsets, from, message->id);
    reply(server, request, PROTO_shape_deleted, &answer);
}

static void
dispatch(struct shape_server *server, struct bus_request *request, const struct envelope *envelope,
         const union body *body)
{
    switch (envelope->kind) {
    case PROTO_shape_read:
        on_read(server, request, &body->read);
        return;
    case PROTO_shape_delete:
        on_delete(server, request, &body->delete);
        return;
    case PROTO_shape_subset:
        subsets_start(server->subsets, request, envelope->sender_incarnation, &body->subset);
        return;
    case PROTO_shape_subset_cancel:
        on_subset_cancel(server, request, envelope->sender_incarnation, &body->subset_cancel);
        return;
    case PROTO_shape_wake:
        on_wake(server, request);
        return;
    default: /* of the many kinds of the bus only these come here */
        on_list(server, request, &body->list);
        return;
    }
}

static void
refuse(struct shape_server *server, struct bus_request *request, const char *error)
{
    log_warn("event=message_refused channel=shape error=\"%s\"", error);
    reply_range(server, request, "failed", error);
}

static void
on_request(void *ctx, struct bus_request *request, struct view message)
{
    struct shape_server *server = ctx;
    struct err err;
    struct envelope envelope;
    union body body;
    struct arena *mem = arena_new(MESSAGE_ARENA_MAX);
    bool is_read = proto_peek(message, &envelope, &err);
    if (is_read && envelope.kind == PROTO_shape_open) {
        opening_start(server->collector, &server->openings, request, message);
    } else if (is_read && !is_of_this_channel(envelope.kind)) {
        refuse(server, request, "not a message of this channel");
    } else if (!is_read || !proto_decode(message, envelope.kind, mem, &body, &err)) {
        refuse(server, request, err.msg);
    } else {
        dispatch(server, request, &envelope, &body);
    }
    arena_free(mem);
}

bool
shape_server_open(struct collector *collector, const char *url, struct shape_server **server_out,
                  struct err *err)
{
    struct shape_server *server = mem_alloc_zero(sizeof *server);
    server->collector = collector;
    list_init(&server->openings);
    server->subsets = subsets_new(collector);
    if (!bus_serve(collector->loop, url, on_request, server, &server->bus, err)) {
        subsets_free(server->subsets);
        mem_free(server);
        return err_wrap(err, "shape channel");
    }
    *server_out = server;
    return true;
}

static void
answer_parked(void *ctx, struct shape *shape)
{
    struct shape_server *server = ctx;
    LIST_FOREACH (node, &shape->parked) {
        struct parked_read *read = LIST_ITEM(node, struct parked_read, node);
        reply_range(server, read->request, "unavailable", "the collector leaves");
        loop_timer_clear(&read->deadline);
        list_remove(&read->node);
        mem_free(read);
    }
}

void
shape_server_close(struct shape_server *server)
{
    if (server == NULL) {
        return;
    }
    opening_stop_all(&server->openings);
    subsets_free(server->subsets);
    registry_each(server->collector->registry, answer_parked, server);
    bus_server_close(server->bus);
    mem_free(server);
}
