/*
 * apply_internal.h - what apply.c and apply_join.c share.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_APPLY_INTERNAL_H
#define COLLECTOR_APPLY_INTERNAL_H

#include "services/shape_log_collector/apply.h"

struct open_txn {
    uint64_t commit_lsn; /* 0: none is open */
    uint64_t number;     /* grows with every transaction, also when one is delivered again */
    uint32_t xid;
    struct buf tables; /* oids (u32) that it touched, each once */
    struct list feeds; /* that have items of it, or hold some */
};

struct apply {
    struct ingest_options options;
    struct streamed *relations;
    struct open_txn txn;
    struct unseen *unseen;
    uint64_t change_number;
    size_t touches;
    struct arena *mem;      /* of the message in hand */
    struct arena *tmp;      /* of the evaluation of one clause */
    struct buf candidates;  /* struct shape_feed * each */
    struct buf overflowing; /* likewise: hold more than they may, and leave after the message */
};

/* Once; the feed is left alone from then on. */
void apply_end_shape(struct apply *apply, struct shape_feed *feed, const char *reason);

#endif
