#include "services/shape_log_collector/hints.h"

#include <string.h>

#include "common/arena.h"
#include "common/bus.h"
#include "common/mem.h"
#include "common/service.h"

#define BEAT_MS 200

/* Bytes and hints that go out in one message at most, roughly. */
#define MESSAGE_BYTES_MAX (4u << 20)
#define MESSAGE_HINTS_MAX 20000

struct hints {
    struct hints_options options;
    struct bus_publisher *publisher;
    struct loop_timer beat;
    uint64_t seq;
    struct arena *mem; /* of what waits to be sent */
    size_t bytes;
    size_t count;
    struct log_hint *items; /* MESSAGE_HINTS_MAX of them */
};

static void
send_message(struct hints *hints)
{
    struct envelope envelope = service_envelope(hints->options.service, PROTO_log_hints);
    struct log_hints message = {
        .seq = ++hints->seq,
        .processed_lsn = hints->options.processed_lsn(hints->options.ctx),
        .hints = hints->items,
        .hints_count = hints->count,
    };
    struct buf bytes = {0};
    envelope.epoch = hints->options.epoch(hints->options.ctx);
    proto_encode(&envelope, &message, &bytes);
    bus_publish(hints->publisher, &bytes);
    buf_free(&bytes);
    hints->count = 0;
    hints->bytes = 0;
    arena_reset(hints->mem);
    loop_timer_set(&hints->beat, BEAT_MS);
}

static void
on_beat(void *ctx)
{
    send_message(ctx);
}

bool
hints_open(const struct hints_options *options, struct hints **hints_out, struct err *err)
{
    struct hints *hints = mem_alloc_zero(sizeof *hints);
    hints->options = *options;
    struct loop *loop = service_loop(options->service);
    if (!bus_publisher_open(loop, options->url, &hints->publisher, err)) {
        mem_free(hints);
        return err_wrap(err, "publish hints at %s", options->url);
    }
    hints->items = mem_alloc_zero(MESSAGE_HINTS_MAX * sizeof *hints->items);
    hints->mem = arena_new(2 * MESSAGE_BYTES_MAX + MESSAGE_HINTS_MAX * 64);
    loop_timer_init(&hints->beat, loop, on_beat, hints);
    loop_timer_set(&hints->beat, BEAT_MS);
    *hints_out = hints;
    return true;
}

void
hints_close(struct hints *hints)
{
    if (hints == NULL) {
        return;
    }
    loop_timer_clear(&hints->beat);
    bus_publisher_close(hints->publisher);
    arena_free(hints->mem);
    mem_free(hints->items);
    mem_free(hints);
}

static struct view
keep(struct hints *hints, struct view view)
{
    uint8_t *copy = arena_alloc(hints->mem, view.size + 1, 1);
    if (view.size > 0) {
        memcpy(copy, view.bytes, view.size);
    }
    hints->bytes += view.size;
    return (struct view){copy, view.size};
}

static struct log_hint *
add(struct hints *hints, struct view handle)
{
    if (hints->count == MESSAGE_HINTS_MAX || hints->bytes >= MESSAGE_BYTES_MAX) {
        send_message(hints);
    }
    struct log_hint *hint = &hints->items[hints->count++];
    *hint = (struct log_hint){.handle = keep(hints, handle)};
    return hint;
}

void
hints_advanced(struct hints *hints, struct view handle, struct log_offset from,
               struct log_offset to, struct view items)
{
    struct log_hint *hint = add(hints, handle);
    hint->lsn = to.lsn;
    hint->op = to.op;
    hint->from_lsn = from.lsn;
    hint->from_op = from.op;
    if (items.size <= HINTS_ITEMS_MAX) {
        hint->bytes = keep(hints, items);
    }
}

void
hints_gone(struct hints *hints, struct view handle)
{
    add(hints, handle)->is_gone = true;
}

void
hints_flush(struct hints *hints)
{
    if (hints->count > 0) {
        send_message(hints);
    }
}
