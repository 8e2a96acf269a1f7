/*
 * pack.h - msgpack, written and read piece by piece.
 *
 * The reader walks over a message in place and allocates nothing: text and
 * bytes are views into it, and a claimed count that the bytes left over could
 * not hold is refused when it is read. So whoever allocates for a list of
 * `count` things has seen at least `count` bytes of it.
 *
 * Threading: no state, any thread.
 */
#ifndef COMMON_PACK_H
#define COMMON_PACK_H

#include "common/buf.h"

void pack_put_map(struct buf *out, uint32_t count);
void pack_put_array(struct buf *out, uint32_t count);
void pack_put_u64(struct buf *out, uint64_t v);
void pack_put_bool(struct buf *out, bool v);
void pack_put_str(struct buf *out, struct view text);
void pack_put_bin(struct buf *out, struct view bytes);

struct pack_reader {
    const uint8_t *next;
    const uint8_t *end;
};

struct pack_reader pack_reader(struct view message);

/*
 * Each reads one value of its type. The views borrow from the message.
 * Errors: ERR_PROTOCOL (too short, or another type: "text where a number belongs").
 */
NODISCARD bool pack_read_map(struct pack_reader *r, uint32_t *count_out, struct err *err);
NODISCARD bool pack_read_array(struct pack_reader *r, uint32_t *count_out, struct err *err);
NODISCARD bool pack_read_u64(struct pack_reader *r, uint64_t *v_out, struct err *err);
NODISCARD bool pack_read_bool(struct pack_reader *r, bool *v_out, struct err *err);
NODISCARD bool pack_read_str(struct pack_reader *r, struct view *text_out, struct err *err);
NODISCARD bool pack_read_bin(struct pack_reader *r, struct view *bytes_out, struct err *err);

/* Passes over one value of any type, with all that is in it, however deep. Errors: ERR_PROTOCOL. */
NODISCARD bool pack_skip(struct pack_reader *r, struct err *err);

/* Errors: ERR_PROTOCOL when bytes are left over. */
NODISCARD bool pack_end(const struct pack_reader *r, struct err *err);

#endif
