/*
 * Any batch: frames and what pgoutput says in them, or an error; nothing is read beyond the end.
 *
 * Covers: common/core/repl_frame.c
 */

#include "common/core/pgoutput.h"
#include "common/core/repl_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct view frames = {data, size};
    struct repl_frame frame;
    while (frames.size > 0 && repl_frame_next(&frames, &frame, &err)) {
        if (frame.kind == REPL_FRAME_DATA) {
            (void)pgoutput_change_oid(frame.message);
        }
    }
    return 0;
}
