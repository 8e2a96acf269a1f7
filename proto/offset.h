/*
 * offset.h - a position in a shape's log.
 *
 * lsn 0 is the snapshot: {0, n} stands behind its chunk n, {0, inf} behind all
 * of it. Behind that, lsn is a transaction's commit LSN and op counts by 2 per
 * change (engine spec §0). "-1" is before everything and has no number.
 *
 * Threading: no state, any thread.
 */
#ifndef PROTO_OFFSET_H
#define PROTO_OFFSET_H

#include "common/buf.h"

#define OFFSET_OP_INF UINT64_MAX

struct log_offset {
    uint64_t lsn;
    uint64_t op; /* OFFSET_OP_INF: behind all of them */
};

#define OFFSET_SNAPSHOT_END ((struct log_offset){0, OFFSET_OP_INF})

/* Less than, equal to or greater than 0. */
int offset_compare(struct log_offset a, struct log_offset b);

/* "450143224_6", "0_inf". */
void offset_append(struct buf *buf, struct log_offset offset);

/* The form `<int>_<int>` or `<int>_inf`, nothing else. False: another form, or beyond 64 bits. */
NODISCARD bool offset_parse(struct view text, struct log_offset *offset_out);

#endif
