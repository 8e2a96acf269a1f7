/*
 * range_tree.h - intervals of values of one type, found by a point.
 *
 * A treap ordered by lower bound that knows the highest upper bound below each node: a point is
 * looked up in O(log n + what it hits), an interval added or removed in O(log n).
 *
 * Threading: as any object, a tree belongs to one thread at a time.
 */
#ifndef CORE_RANGE_TREE_H
#define CORE_RANGE_TREE_H

#include "common/core/where_value.h"

struct range_bound {
    bool is_open; /* no bound on this side; `value` does not count */
    bool is_exclusive;
    struct where_value value; /* borrowed from whoever adds the interval, until it is removed */
};

/* Lives in its owner's struct. */
struct range_node {
    struct range_node *left;
    struct range_node *right;
    struct range_bound low;
    struct range_bound high;
    const struct range_bound *high_max; /* of the node and all below it */
    uint64_t priority;
};

struct range_tree {
    struct range_node *root;
    struct where_type type;
    uint64_t seed;
};

/* `low` and `high` are set before. */
void range_tree_add(struct range_tree *tree, struct range_node *node);
void range_tree_remove(struct range_tree *tree, struct range_node *node);

/* Calls `fn` for each interval that holds `point`. */
void range_tree_find(const struct range_tree *tree, const struct where_value *point,
                     void (*fn)(void *ctx, struct range_node *node), void *ctx);

/* Calls `fn` for all of them. */
void range_tree_each(const struct range_tree *tree, void (*fn)(void *ctx, struct range_node *node),
                     void *ctx);

#endif
