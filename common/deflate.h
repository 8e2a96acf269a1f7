/*
 * deflate.h - compressed bodies that are put together from pieces (gzip and zlib formats).
 *
 * A piece is compressed once, without reference to what stands before it, and ends at a byte
 * boundary; so a body may be some stored bytes, a piece that is kept, and some stored bytes more.
 * Only <zlib.h> here.
 *
 * Threading: no state, any thread.
 */
#ifndef COMMON_DEFLATE_H
#define COMMON_DEFLATE_H

#include "common/buf.h"

/* Checksums and size of the bytes of a piece, before it was compressed. */
struct deflate_sums {
    uint32_t crc;
    uint32_t adler;
    uint64_t size;
};

struct deflate_sums deflate_sums(struct view bytes);

/* Of the first's bytes with the second's behind them. */
struct deflate_sums deflate_sums_join(struct deflate_sums first, struct deflate_sums second);

/* Appends the piece. */
void deflate_append_piece(struct view bytes, struct buf *out);

/* Appends bytes as they are; `is_last`: nothing but the tail follows, also when it is empty. */
void deflate_append_stored(struct view bytes, bool is_last, struct buf *out);

/* What stands around the pieces: RFC 1952 (is_gzip), RFC 1950. */
void deflate_append_head(bool is_gzip, struct buf *out);
void deflate_append_tail(bool is_gzip, struct deflate_sums sums, struct buf *out);

#endif
