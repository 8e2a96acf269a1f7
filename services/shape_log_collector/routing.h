/*
 * routing.h - which shapes a change of a table concerns.
 *
 * A table has its feeds (a feed is the stream's side of a shape) in a filter index, one for each
 * layout of columns that its shapes were made with: after an ALTER TABLE there can be two for a
 * while.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_ROUTING_H
#define COLLECTOR_ROUTING_H

#include "common/core/held.h"
#include "common/core/log_item.h"
#include "common/core/shape_gate.h"
#include "common/core/shape_index.h"
#include "common/list.h"
#include "services/shape_log_collector/shape_log.h"

struct routed_layout;
struct routed_table;
struct routing;

/* Lives in struct shape. */
struct shape_feed {
    /* set by the owner before routing_add() */
    const struct shape_def *def;
    const struct item_plan *plan;
    struct shape_log *log;
    void *owner;

    /* ingest.c's */
    struct shape_gate gate;
    struct held held;
    struct index_member member;
    struct routed_layout *layout;
    struct list txn_node;      /* in the open transaction's list while it has something of it */
    uint64_t change_number;    /* the last change that it was found for, and what was found: */
    bool was_in;               /* the old row is in the shape */
    bool is_in;                /* the new row is */
    bool is_unclear;           /* one of them cannot be told */
    uint64_t relation_version; /* of the stream, that it was compared with and fits */
    bool has_ended;            /* end_shape() was called; the owner frees it later */
};

/* Feeds whose shapes were made with the same columns. */
struct routed_layout {
    struct list node;
    struct routed_table *table;
    const struct relation *columns; /* of the first feed's definition, copied */
    struct arena *mem;
    struct shape_index *index;
    size_t feed_count;
    struct where_field *old_row; /* a field for each column, filled for each change */
    struct where_field *new_row;
    uint64_t mapped_version; /* the relation version that `map` is for */
    int16_t *map;            /* place -> position in the stream's rows, or -1 */
    bool is_unfit; /* that relation lacks columns of the layout: the index may miss shapes by it */
};

struct routed_table {
    uint32_t oid;
    struct list layouts;
    uint64_t txn_number; /* the delivery of a transaction that next_op counts in */
    uint64_t next_op;    /* 2 for each change of the table in it (engine §0) */
};

struct routing *routing_new(void);

/* Without feeds. NULL is accepted. */
void routing_free(struct routing *routing);

void routing_add(struct routing *routing, struct shape_feed *feed);
void routing_remove(struct routing *routing, struct shape_feed *feed);

/* NULL: no shape of it. */
struct routed_table *routing_table(const struct routing *routing, uint32_t oid);

size_t routing_count(const struct routing *routing);

/* Calls `fn` for each feed of the table; feeds may be removed meanwhile. */
void routing_each_of_table(struct routed_table *table,
                           void (*fn)(void *ctx, struct shape_feed *feed), void *ctx);

/* The same for each feed there is. */
void routing_each(struct routing *routing, void (*fn)(void *ctx, struct shape_feed *feed),
                  void *ctx);

/* Where the layout's columns stand in the rows of this version of the relation. */
void routed_layout_map(struct routed_layout *layout, const struct pgoutput_relation *relation,
                       uint64_t version);
void routed_layout_each(struct routed_layout *layout,
                        void (*fn)(void *ctx, struct shape_feed *feed), void *ctx);

/* A row of the stream as the layout's fields; `old_row` stands in for TOASTed values left alone. */
void routed_layout_fill(const struct routed_layout *layout, const struct pgoutput_tuple *tuple,
                        const struct where_field *old_row, struct where_field *row);

/* Frees what a feed holds itself: gate and held items. */
void shape_feed_fini(struct shape_feed *feed);

#endif
