/* What definitions share, and how they come by it. */
#include <string.h>

#include "common/core/log_item.h"
#include "common/core/shape_def_parts.h"
#include "common/core/where_code.h"
#include "common/map.h"
#include "common/mem.h"

struct shape_frames {
    struct map *by_bytes;
    struct shape_frame *last; /* the one asked for last: mostly the next one, too */
};

struct shape_frames *
shape_frames_new(void)
{
    struct shape_frames *frames = mem_alloc_zero(sizeof *frames);
    frames->by_bytes = map_new();
    return frames;
}

void
shape_frames_free(struct shape_frames *frames)
{
    if (frames == NULL) {
        return;
    }
    ASSERT(map_count(frames->by_bytes) == 0);
    map_free(frames->by_bytes);
    mem_free(frames);
}

size_t
shape_frames_count(const struct shape_frames *frames)
{
    return map_count(frames->by_bytes);
}

/* ---- one frame */

static void
unref(struct shape_frame *frame)
{
    if (--frame->refs > 0) {
        return;
    }
    if (frame->frames != NULL) {
        (void)map_remove(frame->frames->by_bytes, view_of(frame->bytes, frame->size));
        frame->frames->last = frame->frames->last == frame ? NULL : frame->frames->last;
    }
    item_plan_free(frame->plan);
    arena_free(frame->mem);
    mem_free(frame->bytes);
    mem_free(frame);
}

static void
use(struct shape_def *def, struct shape_frame *frame)
{
    struct view sql = def->where_sql;
    struct view code = def->where_code;
    frame->refs++;
    *def = frame->fields;
    def->frame = frame;
    def->where_sql = sql;
    def->where_code = code;
}

struct shape_def *
shape_def_new(void)
{
    struct shape_def *def = mem_alloc_zero(sizeof *def);
    struct shape_frame *frame = mem_alloc_zero(sizeof *frame);
    frame->mem = arena_new(SHAPE_DEF_ARENA_MAX);
    frame->refs = 1;
    def->frame = frame;
    return def;
}

void
shape_def_complete(struct shape_def *def)
{
    def->frame->fields = *def;
}

void
shape_def_free(struct shape_def *def)
{
    if (def != NULL) {
        unref(def->frame);
        mem_free(def);
    }
}

const struct item_plan *
shape_def_plan(struct shape_def *def)
{
    struct shape_frame *frame = def->frame;
    if (frame->plan == NULL) {
        frame->plan = item_plan_new(&frame->fields);
    }
    return frame->plan;
}

/* ---- sharing */

void
shape_def_share(struct shape_def *def, struct shape_frames *frames)
{
    struct buf bytes = {0};
    struct shape_frame *own = def->frame;
    if (own->frames == frames) {
        return;
    }
    shape_def_encode_frame(def, &bytes);
    struct shape_frame *shared = map_get(frames->by_bytes, buf_view(&bytes));
    if (shared == NULL) {
        own->frames = frames;
        own->bytes = (uint8_t *)mem_dup_bytes(bytes.bytes, bytes.size);
        own->size = bytes.size;
        (void)map_put(frames->by_bytes, buf_view(&bytes), own);
    } else {
        use(def, shared);
        unref(own);
    }
    frames->last = def->frame;
    buf_free(&bytes);
}

/* No encoding is the beginning of another: it says how much of everything follows. */
struct shape_def *
shape_frames_find(struct shape_frames *frames, struct view bytes, size_t *taken_out)
{
    struct shape_frame *frame = frames->last;
    if (frame == NULL || bytes.size < frame->size ||
        memcmp(bytes.bytes, frame->bytes, frame->size) != 0) {
        return NULL;
    }
    struct shape_def *def = mem_alloc_zero(sizeof *def);
    use(def, frame);
    *taken_out = frame->size;
    return def;
}

/* ---- the clause, behind the struct */

void
shape_def_set_where(struct shape_def **def, struct view sql, struct view code)
{
    uint8_t *bytes = mem_alloc(sizeof **def + sql.size + code.size);
    struct shape_def *moved = (struct shape_def *)(void *)bytes;
    memcpy(bytes, *def, sizeof **def);
    mem_free(*def);
    bytes += sizeof **def;
    if (sql.size > 0) {
        memcpy(bytes, sql.bytes, sql.size);
    }
    if (code.size > 0) {
        memcpy(bytes + sql.size, code.bytes, code.size);
    }
    moved->where_sql = view_of(bytes, sql.size);
    moved->where_code = view_of(bytes + sql.size, code.size);
    *def = moved;
}

bool
shape_def_check_code(const struct shape_def *def, struct err *err)
{
    struct expr *expr;
    if (def->where_code.size == 0) {
        return true;
    }
    struct arena *mem = arena_new(SHAPE_DEF_ARENA_MAX);
    bool ok = where_decode(def->where_code, &def->scope, mem, &expr, err);
    arena_free(mem);
    return ok;
}

const struct expr *
shape_def_where(const struct shape_def *def, struct arena *mem)
{
    struct expr *expr = NULL;
    struct err err;
    bool ok =
        def->where_code.size == 0 || where_decode(def->where_code, &def->scope, mem, &expr, &err);
    ASSERT(ok); /* checked when the definition was made */
    return expr;
}
