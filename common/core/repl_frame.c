#include "common/core/repl_frame.h"

#define DATA_HEADER 25

static bool
decode(struct view bytes, struct repl_frame *frame, struct err *err)
{
    struct wire_reader r = wire_reader(bytes);
    uint8_t kind = wire_read_u8(&r);
    frame->kind = (enum repl_frame_kind)kind;
    switch (frame->kind) { /* no default: a new kind must be placed here */
    case REPL_FRAME_DATA:
        if (bytes.size <= DATA_HEADER) {
            return err_set(err, ERR_PROTOCOL, "stream data of %zu bytes", bytes.size);
        }
        frame->message = (struct view){bytes.bytes + DATA_HEADER, bytes.size - DATA_HEADER};
        return true;
    case REPL_FRAME_KEEPALIVE:
        frame->wal_end = wire_read_u64_be(&r);
        (void)wire_read_u64_be(&r);
        frame->wants_reply = wire_read_u8(&r) != 0;
        return wire_end(&r, "keepalive", err);
    case REPL_FRAME_TOO_LARGE:
        frame->relation_oid = wire_read_u32_be(&r);
        return wire_end(&r, "oversized change", err);
    }
    return err_set(err, ERR_PROTOCOL, "unknown frame 0x%02x", kind);
}

bool
repl_frame_next(struct view *frames, struct repl_frame *frame_out, struct err *err)
{
    *frame_out = (struct repl_frame){0};
    if (frames->size < 4) {
        return err_set(err, ERR_PROTOCOL, "%zu bytes behind the last frame", frames->size);
    }
    uint32_t size = wire_get_u32(frames->bytes);
    if (size > frames->size - 4) {
        return err_set(err, ERR_PROTOCOL, "a frame of %u bytes where %zu are left", size,
                       frames->size - 4);
    }
    struct view bytes = {frames->bytes + 4, size};
    frames->bytes += 4 + (size_t)size;
    frames->size -= 4 + (size_t)size;
    return decode(bytes, frame_out, err);
}
