/*
 * visibility.h - is a transaction of the stream in a snapshot?
 *
 * Marks are pg_current_snapshot(): 64-bit ids. The stream names transactions by 32 bits, so ids
 * are compared modulo 2^32, which is right for ids less than 2^31 apart; from L on nobody asks.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_VISIBILITY_H
#define CORE_VISIBILITY_H

#include "common/buf.h"
#include "common/err.h"

/* Postgres: a snapshot's xip cannot be longer than max_connections + max_prepared_transactions. */
#define MARKS_XIP_MAX 65536

struct marks {
    uint64_t xmin;
    uint64_t xmax;
    size_t xip_count;
    uint64_t *xip; /* owned when it comes from marks_copy() or marks_decode() */
};

/* Does the snapshot see the (committed) transaction? */
bool marks_see(const struct marks *marks, uint32_t xid);

/* Does it see them all? `ids` are u32 each, as they stand in memory. */
bool marks_see_all(const struct marks *marks, struct view ids);

struct marks marks_copy(const struct marks *marks);
void marks_free(struct marks *marks);

/* Bytes for the catalogue: u64 xmin, u64 xmax, u32 count, u64 each. */
void marks_encode(const struct marks *marks, struct buf *out);

/* Errors: ERR_CORRUPT. */
NODISCARD bool marks_decode(struct view bytes, struct marks *marks_out, struct err *err);

/* The snapshot-end item in wire form, with its comma. */
void marks_append_item(const struct marks *marks, struct buf *out);

#endif
