#include "common/deflate.h"

#include <zlib.h>

/* Half the time of the usual 6, for bytes that are some percent more. */
#define LEVEL 4

#define STORED_MAX 65535u

/* zlib counts in unsigned int. */
#define STEP_BYTES ((size_t)1 << 30)

struct deflate_sums
deflate_sums(struct view bytes)
{
    return (struct deflate_sums){
        .crc = (uint32_t)crc32_z(0, bytes.bytes, bytes.size),
        .adler =
            (uint32_t)adler32_z(1, bytes.size > 0 ? bytes.bytes : (const uint8_t *)"", bytes.size),
        .size = bytes.size,
    };
}

struct deflate_sums
deflate_sums_join(struct deflate_sums first, struct deflate_sums second)
{
    return (struct deflate_sums){
        .crc = (uint32_t)crc32_combine(first.crc, second.crc, (z_off_t)second.size),
        .adler = (uint32_t)adler32_combine(first.adler, second.adler, (z_off_t)second.size),
        .size = first.size + second.size,
    };
}

void
deflate_append_piece(struct view bytes, struct buf *out)
{
    z_stream stream = {0};
    int done = deflateInit2(&stream, LEVEL, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    ASSERT(done == Z_OK);                             /* else there is no memory */
    stream.next_in = (Bytef *)(uintptr_t)bytes.bytes; /* zlib's old const */
    size_t left = bytes.size;
    do {
        size_t step = left < STEP_BYTES ? left : STEP_BYTES;
        left -= step;
        stream.avail_in = (uInt)step;
        do {
            size_t room = deflateBound(&stream, stream.avail_in) + 16;
            room = room < STEP_BYTES ? room : STEP_BYTES;
            uint8_t *to = buf_grow(out, room);
            stream.next_out = to;
            stream.avail_out = (uInt)room;
            done = deflate(&stream, left > 0 ? Z_NO_FLUSH : Z_SYNC_FLUSH);
            ASSERT(done == Z_OK || done == Z_BUF_ERROR);
            out->size -= stream.avail_out;
        } while (stream.avail_out == 0);
    } while (left > 0);
    deflateEnd(&stream);
}

void
deflate_append_stored(struct view bytes, bool is_last, struct buf *out)
{
    if (bytes.size == 0) {
        bytes = view_str("");
    }
    do {
        size_t size = bytes.size < STORED_MAX ? bytes.size : STORED_MAX;
        bool is_final = is_last && size == bytes.size;
        uint16_t inverted = (uint16_t)~size;
        const uint8_t head[5] = {is_final, (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)inverted,
                                 (uint8_t)(inverted >> 8)};
        buf_append(out, head, sizeof head);
        buf_append(out, bytes.bytes, size);
        bytes.bytes += size;
        bytes.size -= size;
    } while (bytes.size > 0);
}

void
deflate_append_head(bool is_gzip, struct buf *out)
{
    /* No name, no time, an unknown system; 32 KB of window, the fast levels. */
    static const uint8_t gzip[10] = {0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255};
    static const uint8_t zlib[2] = {0x78, 0x5e};
    if (is_gzip) {
        buf_append(out, gzip, sizeof gzip);
    } else {
        buf_append(out, zlib, sizeof zlib);
    }
}

void
deflate_append_tail(bool is_gzip, struct deflate_sums sums, struct buf *out)
{
    uint32_t first = sums.crc;
    uint32_t size = (uint32_t)sums.size;
    if (is_gzip) {
        for (unsigned i = 0; i < 32; i += 8) {
            buf_append_byte(out, (uint8_t)(first >> i));
        }
        for (unsigned i = 0; i < 32; i += 8) {
            buf_append_byte(out, (uint8_t)(size >> i));
        }
        return;
    }
    for (unsigned i = 0; i < 32; i += 8) {
        buf_append_byte(out, (uint8_t)(sums.adler >> (24 - i)));
    }
}
