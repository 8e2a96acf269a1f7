#include "common/zstd_frame.h"

#include <string.h>
#include <zstd.h>

#define LEVEL 3

/* The head of a frame without size, checksum and dictionary: magic, descriptor, window. */
#define HEAD_SIZE 6u

static const uint8_t MAGIC[4] = {0x28, 0xb5, 0x2f, 0xfd};

void
zstd_frame_append_piece(struct view bytes, struct buf *out, uint8_t *window_out)
{
    ZSTD_CCtx *ctx = ZSTD_createCCtx();
    ASSERT(ctx != NULL);                                               /* else there is no memory */
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_compressionLevel, LEVEL); /* all are in its bounds */
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_contentSizeFlag, 0);
    (void)ZSTD_CCtx_setParameter(ctx, ZSTD_c_checksumFlag, 0);
    (void)ZSTD_CCtx_setPledgedSrcSize(ctx, bytes.size); /* a window no larger than needed */
    struct buf frame = {0};
    ZSTD_inBuffer in = {bytes.bytes, bytes.size, 0};
    size_t left;
    do {
        size_t room = ZSTD_compressBound(bytes.size - in.pos) + HEAD_SIZE + 64;
        ZSTD_outBuffer to = {buf_grow(&frame, room), room, 0};
        left = ZSTD_compressStream2(ctx, &to, &in, ZSTD_e_flush); /* so no block is the last */
        ASSERT(!ZSTD_isError(left));
        frame.size -= room - to.pos;
    } while (left > 0 || in.pos < in.size);
    ZSTD_freeCCtx(ctx);
    if (frame.size == 0) { /* no bytes, no blocks, no head */
        *window_out = 0;
        return;
    }
    ASSERT(frame.size >= HEAD_SIZE && memcmp(frame.bytes, MAGIC, sizeof MAGIC) == 0 &&
           frame.bytes[4] == 0);
    *window_out = frame.bytes[5];
    buf_append(out, frame.bytes + HEAD_SIZE, frame.size - HEAD_SIZE);
    buf_free(&frame);
}

void
zstd_frame_append_head(uint8_t window, struct buf *out)
{
    buf_append(out, MAGIC, sizeof MAGIC);
    buf_append_byte(out, 0);
    buf_append_byte(out, window);
}

void
zstd_frame_append_stored(struct view bytes, bool is_last, struct buf *out)
{
    if (bytes.size == 0) {
        bytes = view_str("");
    }
    do {
        size_t size = bytes.size < ZSTD_FRAME_STORED_MAX ? bytes.size : ZSTD_FRAME_STORED_MAX;
        bool is_final = is_last && size == bytes.size;
        uint32_t head = (uint32_t)size << 3 | is_final; /* type 0: raw */
        for (unsigned i = 0; i < 24; i += 8) {
            buf_append_byte(out, (uint8_t)(head >> i));
        }
        buf_append(out, bytes.bytes, size);
        bytes.bytes += size;
        bytes.size -= size;
    } while (bytes.size > 0);
}
