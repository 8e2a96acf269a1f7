#include "common/core/range_tree.h"

/* Orders lower bounds: open first; of equal values the inclusive one. Ties by address, so that a
 * node can be found. */
static int
compare_low(const struct range_tree *tree, const struct range_node *a, const struct range_node *b)
{
    if (a->low.is_open != b->low.is_open) {
        return a->low.is_open ? -1 : 1;
    }
    int order = a->low.is_open ? 0 : where_value_compare(tree->type, &a->low.value, &b->low.value);
    if (order == 0 && !a->low.is_open && a->low.is_exclusive != b->low.is_exclusive) {
        order = a->low.is_exclusive ? 1 : -1;
    }
    if (order == 0 && a != b) {
        order = (uintptr_t)a < (uintptr_t)b ? -1 : 1;
    }
    return order;
}

static const struct range_bound *
higher(const struct range_tree *tree, const struct range_bound *a, const struct range_bound *b)
{
    if (a->is_open || b->is_open) {
        return a->is_open ? a : b;
    }
    int order = where_value_compare(tree->type, &a->value, &b->value);
    if (order == 0) {
        return a->is_exclusive ? b : a;
    }
    return order > 0 ? a : b;
}

static void
update(const struct range_tree *tree, struct range_node *node)
{
    node->high_max = &node->high;
    if (node->left != NULL) {
        node->high_max = higher(tree, node->high_max, node->left->high_max);
    }
    if (node->right != NULL) {
        node->high_max = higher(tree, node->high_max, node->right->high_max);
    }
}

/* Everything below `node` goes left, the rest right. */
static void
split(const struct range_tree *tree, struct range_node *root, const struct range_node *node,
      struct range_node **left_out, struct range_node **right_out)
{
    if (root == NULL) {
        *left_out = *right_out = NULL;
        return;
    }
    if (compare_low(tree, root, node) < 0) {
        split(tree, root->right, node, &root->right, right_out);
        *left_out = root;
    } else {
        split(tree, root->left, node, left_out, &root->left);
        *right_out = root;
    }
    update(tree, root);
}

static struct range_node *
merge(const struct range_tree *tree, struct range_node *left, struct range_node *right)
{
    if (left == NULL || right == NULL) {
        return left != NULL ? left : right;
    }
    if (left->priority > right->priority) {
        left->right = merge(tree, left->right, right);
        update(tree, left);
        return left;
    }
    right->left = merge(tree, left, right->left);
    update(tree, right);
    return right;
}

/* splitmix64: balance needs no secret, only numbers that do not follow the keys. */
static uint64_t
next_priority(struct range_tree *tree)
{
    uint64_t z = tree->seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void
range_tree_add(struct range_tree *tree, struct range_node *node)
{
    struct range_node *left;
    struct range_node *right;
    node->left = node->right = NULL;
    node->priority = next_priority(tree);
    update(tree, node);
    split(tree, tree->root, node, &left, &right);
    tree->root = merge(tree, merge(tree, left, node), right);
}

static struct range_node *
removed(const struct range_tree *tree, struct range_node *root, const struct range_node *node)
{
    ASSERT(root != NULL);
    if (root == node) {
        return merge(tree, root->left, root->right);
    }
    if (compare_low(tree, node, root) < 0) {
        root->left = removed(tree, root->left, node);
    } else {
        root->right = removed(tree, root->right, node);
    }
    update(tree, root);
    return root;
}

void
range_tree_remove(struct range_tree *tree, struct range_node *node)
{
    tree->root = removed(tree, tree->root, node);
}

static bool
is_above_low(const struct range_tree *tree, const struct range_bound *low,
             const struct where_value *point)
{
    int order = low->is_open ? 1 : where_value_compare(tree->type, point, &low->value);
    return order > 0 || (order == 0 && !low->is_exclusive);
}

static bool
is_below_high(const struct range_tree *tree, const struct range_bound *high,
              const struct where_value *point)
{
    int order = high->is_open ? -1 : where_value_compare(tree->type, point, &high->value);
    return order < 0 || (order == 0 && !high->is_exclusive);
}

static void
find(const struct range_tree *tree, struct range_node *root, const struct where_value *point,
     void (*fn)(void *ctx, struct range_node *node), void *ctx)
{
    while (root != NULL && is_below_high(tree, root->high_max, point)) {
        find(tree, root->left, point, fn, ctx);
        if (!is_above_low(tree, &root->low, point)) {
            return; /* all to the right begin even later */
        }
        if (is_below_high(tree, &root->high, point)) {
            fn(ctx, root);
        }
        root = root->right;
    }
}

void
range_tree_find(const struct range_tree *tree, const struct where_value *point,
                void (*fn)(void *ctx, struct range_node *node), void *ctx)
{
    find(tree, tree->root, point, fn, ctx);
}

static void
each(struct range_node *root, void (*fn)(void *ctx, struct range_node *node), void *ctx)
{
    if (root != NULL) {
        each(root->left, fn, ctx);
        fn(ctx, root);
        each(root->right, fn, ctx);
    }
}

void
range_tree_each(const struct range_tree *tree, void (*fn)(void *ctx, struct range_node *node),
                void *ctx)
{
    each(tree->root, fn, ctx);
}
