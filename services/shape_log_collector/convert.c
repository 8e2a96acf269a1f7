#include "services/shape_log_collector/convert.h"

#include <string.h>

#include "common/config.h"

void
convert_init(struct convert *convert, struct shape *shape, void (*done)(void *ctx), void *ctx)
{
    *convert = (struct convert){.shape = shape, .done = done, .ctx = ctx};
    rows_init(&convert->room, shape->def, shape->feed.plan);
}

void
convert_fini(struct convert *convert)
{
    snapshot_writer_close(convert->writer);
    buf_free(&convert->rows);
    buf_free(&convert->end_item);
    buf_free(&convert->items);
    rows_fini(&convert->room);
}

/* Of COPY text: a line feed inside of a value has an escape. */
static uint64_t
count_rows(struct view copied)
{
    uint64_t count = 0;
    if (copied.size == 0) {
        return 0;
    }
    const uint8_t *end = copied.bytes + copied.size;
    for (const uint8_t *at = copied.bytes;
         at < end && (at = memchr(at, '\n', (size_t)(end - at))) != NULL; at++) {
        count++;
    }
    return count;
}

static bool
append_rows(struct convert *convert)
{
    if (convert->items.size > 0) { /* an append that the disk refused: the same items again */
        return snapshot_writer_append(convert->writer, buf_view(&convert->items), &convert->err);
    }
    convert->row_count += count_rows(buf_view(&convert->rows));
    return rows_append(&convert->room, &convert->rows, 0, &convert->items, &convert->err) &&
           (convert->items.size == 0 ||
            snapshot_writer_append(convert->writer, buf_view(&convert->items), &convert->err));
}

static bool
run_step(struct convert *convert)
{
    struct collector *collector = convert->shape->collector;
    bool ok = false;
    switch (convert->step) {
    case CONVERT_OPEN:
        return snapshot_writer_open(collector->dir, collector->epoch, convert->shape->handle,
                                    collector->config->chunk_bytes, &convert->writer,
                                    &convert->err);
    case CONVERT_ROWS:
        ok = append_rows(convert);
        if (ok) {
            buf_clear(&convert->items);
        }
        return ok;
    case CONVERT_FINISH:
        return snapshot_writer_finish(convert->writer, buf_view(&convert->end_item), &convert->err);
    }
    return ok;
}

static void
convert_run(struct worker_task *task)
{
    struct convert *convert = LIST_ITEM(task, struct convert, task);
    convert->err.kind = ERR_NONE;
    convert->ok = run_step(convert);
}

static void
convert_done(struct worker_task *task)
{
    struct convert *convert = LIST_ITEM(task, struct convert, task);
    convert->done(convert->ctx);
}

void
convert_submit(struct convert *convert, struct worker_lane *lane, enum convert_step step)
{
    convert->step = step;
    convert->task.run = convert_run;
    convert->task.done = convert_done;
    worker_submit(lane, &convert->task);
}
