/*
 * zstd_frame.h - zstd bodies that are put together from pieces, as one frame.
 *
 * A piece is the blocks of bytes that were compressed alone; stored bytes may stand before and
 * behind it (RFC 8878). Only <zstd.h> here.
 *
 * Threading: no state, any thread.
 */
#ifndef COMMON_ZSTD_FRAME_H
#define COMMON_ZSTD_FRAME_H

#include "common/buf.h"

/* Of stored bytes at a time: less than the smallest window a frame may have. */
#define ZSTD_FRAME_STORED_MAX 1024u

/* Appends the piece's blocks; *window_out is what its frame's head has to say. */
void zstd_frame_append_piece(struct view bytes, struct buf *out, uint8_t *window_out);

/* Begins a frame around a piece of this window. */
void zstd_frame_append_head(uint8_t window, struct buf *out);

/* Appends bytes as they are; `is_last`: they end the frame, also when there are none. */
void zstd_frame_append_stored(struct view bytes, bool is_last, struct buf *out);

#endif
