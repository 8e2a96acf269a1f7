#include "common/core/visibility.h"

#include <string.h>

#include "common/mem.h"

/* Modular order of 32-bit transaction ids. */
static bool
precedes(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

bool
marks_see(const struct marks *marks, uint32_t xid)
{
    if (precedes(xid, (uint32_t)marks->xmin)) {
        return true;
    }
    if (!precedes(xid, (uint32_t)marks->xmax)) {
        return false;
    }
    for (size_t i = 0; i < marks->xip_count; i++) {
        if ((uint32_t)marks->xip[i] == xid) {
            return false;
        }
    }
    return true;
}

bool
marks_see_all(const struct marks *marks, struct view ids)
{
    for (size_t i = 0; i < ids.size; i += sizeof(uint32_t)) {
        uint32_t xid;
        memcpy(&xid, ids.bytes + i, sizeof xid);
        if (!marks_see(marks, xid)) {
            return false;
        }
    }
    return true;
}

struct marks
marks_copy(const struct marks *marks)
{
    struct marks copy = *marks;
    copy.xip = mem_alloc((marks->xip_count + 1) * sizeof *copy.xip);
    if (marks->xip_count > 0) {
        memcpy(copy.xip, marks->xip, marks->xip_count * sizeof *copy.xip);
    }
    return copy;
}

void
marks_free(struct marks *marks)
{
    mem_free(marks->xip);
    *marks = (struct marks){0};
}

static void
put_u64(struct buf *out, uint64_t v)
{
    wire_put_u64(buf_grow(out, 8), v);
}

void
marks_encode(const struct marks *marks, struct buf *out)
{
    put_u64(out, marks->xmin);
    put_u64(out, marks->xmax);
    wire_put_u32(buf_grow(out, 4), (uint32_t)marks->xip_count);
    for (size_t i = 0; i < marks->xip_count; i++) {
        put_u64(out, marks->xip[i]);
    }
}

bool
marks_decode(struct view bytes, struct marks *marks_out, struct err *err)
{
    if (bytes.size < 20) {
        return err_set(err, ERR_CORRUPT, "marks of %zu bytes", bytes.size);
    }
    uint32_t count = wire_get_u32(bytes.bytes + 16);
    if (count > MARKS_XIP_MAX || bytes.size != 20 + (size_t)count * 8) {
        return err_set(err, ERR_CORRUPT, "marks with %u ids in %zu bytes", count, bytes.size);
    }
    struct marks marks = {.xmin = wire_get_u64(bytes.bytes), .xmax = wire_get_u64(bytes.bytes + 8)};
    marks.xip_count = count;
    marks.xip = mem_alloc((count + (size_t)1) * sizeof *marks.xip);
    for (size_t i = 0; i < count; i++) {
        marks.xip[i] = wire_get_u64(bytes.bytes + 20 + 8 * i);
    }
    *marks_out = marks;
    return true;
}

void
marks_append_item(const struct marks *marks, struct buf *out)
{
    buf_append_str(out, "{\"headers\":{\"control\":\"snapshot-end\",\"xmin\":\"");
    buf_append_u64(out, marks->xmin);
    buf_append_str(out, "\",\"xmax\":\"");
    buf_append_u64(out, marks->xmax);
    buf_append_str(out, "\",\"xip_list\":[");
    for (size_t i = 0; i < marks->xip_count; i++) {
        buf_append_str(out, i > 0 ? ",\"" : "\"");
        buf_append_u64(out, marks->xip[i]);
        buf_append_byte(out, '"');
    }
    buf_append_str(out, "]}},");
}
