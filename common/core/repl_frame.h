/*
 * repl_frame.h - the stream as connection passes it on: frames of CopyData.
 *
 *     u32 size (little-endian), then that many bytes:
 *     'w' u64 start, u64 end, u64 clock, pgoutput message          as Postgres sent it (big-endian)
 *     'k' u64 wal_end, u64 clock, u8 reply requested               as Postgres sent it
 *     'x' u32 relation oid                                         instead of a change larger than
 * LIMIT_FRAME
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_REPL_FRAME_H
#define CORE_REPL_FRAME_H

#include "common/err.h"
#include "common/wire.h"

enum repl_frame_kind {
    REPL_FRAME_DATA = 'w',
    REPL_FRAME_KEEPALIVE = 'k',
    REPL_FRAME_TOO_LARGE = 'x',
};

struct repl_frame {
    enum repl_frame_kind kind;
    struct view message;   /* DATA: the pgoutput message */
    uint64_t wal_end;      /* KEEPALIVE */
    bool wants_reply;      /* KEEPALIVE: Postgres asks how far we are */
    uint32_t relation_oid; /* TOO_LARGE */
};

/*
 * Takes the next frame off the front of `frames`, which is not empty. Views borrow from it.
 * Errors: ERR_PROTOCOL.
 */
NODISCARD bool repl_frame_next(struct view *frames, struct repl_frame *frame_out, struct err *err);

#endif
