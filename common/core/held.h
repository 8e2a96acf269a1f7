/*
 * held.h - what a shape gets between joining and its snapshot's marks (design §5.3).
 *
 * Finished items, by transaction; the marks then say of each transaction whether it counts.
 *
 * Threading: the loop's; no I/O.
 */
#ifndef CORE_HELD_H
#define CORE_HELD_H

#include "common/buf.h"
#include "proto/offset.h"

/* More than that, and the snapshot is taken again. */
#define HELD_BYTES_MAX (64u << 20)

struct held_item {
    size_t end; /* in `items` */
    struct log_offset offset;
};

struct held_txn {
    uint64_t commit_lsn;
    uint32_t xid;
    bool is_committed;
    const char *end_reason; /* the shape ends in it, if it counts; NULL: it does not */
    size_t item_end;        /* its items go up to this one */
};

/* Zeroed: empty, and no more than a pointer: most shapes never hold anything. */
struct held_parts;
struct held {
    struct held_parts *parts;
};

/* The transaction that what is added next belongs to; the same one as before, or a new one. */
void held_begin(struct held *held, uint64_t commit_lsn, uint32_t xid);

/* Where to append one item; then comes held_added(). */
struct buf *held_items(struct held *held);
void held_added(struct held *held, struct log_offset offset);

/* `reason` must live as long as `held`. */
void held_end_shape(struct held *held, const char *reason);
void held_commit(struct held *held);

/* In the order of the stream. NULL at the end. */
const struct held_txn *held_txn_at(const struct held *held, size_t number);

/* Item `number` of all: its bytes and offset. */
struct view held_item_at(const struct held *held, size_t number, struct log_offset *offset_out);

size_t held_size(const struct held *held);
void held_clear(struct held *held);

#endif
