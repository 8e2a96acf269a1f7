/*
 * range_tree.h - intervals of numbers, found by a point.
 *
 * A B+ tree ordered by lower end, whose pages know how far the intervals below them reach: a point
 * is looked up in O(log n + what it hits), and with wide pages that is two to four of them. An
 * interval is added or removed in O(log n).
 *
 * Threading: as any object, a tree belongs to one thread at a time.
 */
#ifndef CORE_RANGE_TREE_H
#define CORE_RANGE_TREE_H

#include "common/base.h"

/* Lives in its owner's struct. Both ends belong to it. */
struct range_item {
    uint64_t low;
    uint64_t high;
};

struct range_page;

/* Zeroed: empty. When it is empty again it holds no memory. */
struct range_tree {
    struct range_page *root;
    unsigned height; /* levels above the leaves */
};

/* `low` and `high` are set before, and stay. The mark is told to who finds it, without a look at
 * the item. */
void range_tree_add(struct range_tree *tree, struct range_item *item, bool is_marked);
void range_tree_remove(struct range_tree *tree, struct range_item *item);

/* Calls `fn` for each interval that holds `point`. */
typedef void (*range_tree_fn)(void *ctx, struct range_item *item, bool is_marked);
void range_tree_find(const struct range_tree *tree, uint64_t point, range_tree_fn fn, void *ctx);

/* Calls `fn` for all of them. */
void range_tree_each(const struct range_tree *tree, range_tree_fn fn, void *ctx);

#endif
