#include "common/core/range_tree.h"

#include <string.h>

#include "common/mem.h"

#define PAGE_SLOTS 32

/* Below that, a page goes into a neighbour that has room for it. */
#define PAGE_FEW 8

/* A slot is an interval in a leaf, a page further up: then its ends are the outermost below it. */
struct range_page {
    size_t count;
    uint64_t low[PAGE_SLOTS];
    uint64_t high[PAGE_SLOTS];
    uint64_t reach[PAGE_SLOTS];           /* the highest of high[0..i] */
    struct range_item *first[PAGE_SLOTS]; /* of a leaf: the interval itself */
    struct range_page *child[PAGE_SLOTS];
};

/* ---- order: by low, high, and then by address, so that each interval has one place */

static bool
is_behind(const struct range_page *page, size_t i, const struct range_item *item)
{
    if (page->low[i] != item->low) {
        return page->low[i] > item->low;
    }
    const struct range_item *first = page->first[i];
    return first->high != item->high ? first->high > item->high
                                     : (uintptr_t)first > (uintptr_t)item;
}

/* How many slots are not behind `item`. */
static size_t
place_of(const struct range_page *page, const struct range_item *item)
{
    size_t below = 0;
    size_t end = page->count;
    while (below < end) {
        size_t middle = (below + end) / 2;
        if (is_behind(page, middle, item)) {
            end = middle;
        } else {
            below = middle + 1;
        }
    }
    return below;
}

/* ---- slots */

static void
update_reach(struct range_page *page, size_t from)
{
    for (size_t i = from; i < page->count; i++) {
        uint64_t before = i == 0 ? 0 : page->reach[i - 1];
        page->reach[i] = page->high[i] > before ? page->high[i] : before;
    }
}

static void
move_slots(struct range_page *to, size_t to_slot, const struct range_page *from, size_t slot,
           size_t count)
{
    memmove(to->low + to_slot, from->low + slot, count * sizeof *to->low);
    memmove(to->high + to_slot, from->high + slot, count * sizeof *to->high);
    memmove(to->first + to_slot, from->first + slot, count * sizeof(struct range_item *));
    memmove(to->child + to_slot, from->child + slot, count * sizeof(struct range_page *));
}

/* What the slot says of the page below it. */
static void
describe(struct range_page *page, size_t slot)
{
    const struct range_page *child = page->child[slot];
    page->low[slot] = child->low[0];
    page->high[slot] = child->reach[child->count - 1];
    page->first[slot] = child->first[0];
}

static void
open_slot(struct range_page *page, size_t slot)
{
    move_slots(page, slot + 1, page, slot, page->count - slot);
    page->count++;
}

static void
close_slot(struct range_page *page, size_t slot)
{
    move_slots(page, slot, page, slot + 1, page->count - slot - 1);
    page->count--;
    update_reach(page, slot);
}

/* The upper half of a full page, as a page of its own. */
static struct range_page *
split(struct range_page *page)
{
    struct range_page *right = mem_alloc_zero(sizeof *right);
    right->count = PAGE_SLOTS / 2;
    page->count -= right->count;
    move_slots(right, 0, page, page->count, right->count);
    update_reach(right, 0);
    return right;
}

/* ---- adding */

static void
put_item(struct range_page *leaf, struct range_item *item)
{
    size_t slot = place_of(leaf, item);
    open_slot(leaf, slot);
    leaf->low[slot] = item->low;
    leaf->high[slot] = item->high;
    leaf->first[slot] = item;
    leaf->child[slot] = NULL;
    update_reach(leaf, slot);
}

/* Gives the new right neighbour, or NULL. */
static struct range_page *
add(struct range_page *page, unsigned height, struct range_item *item)
{
    struct range_page *right = page->count == PAGE_SLOTS ? split(page) : NULL;
    struct range_page *target = right != NULL && !is_behind(right, 0, item) ? right : page;
    if (height == 0) {
        put_item(target, item);
        return right;
    }
    size_t slot = place_of(target, item);
    slot -= slot > 0;
    struct range_page *added = add(target->child[slot], height - 1, item);
    describe(target, slot);
    if (added != NULL) {
        open_slot(target, slot + 1);
        target->child[slot + 1] = added;
        describe(target, slot + 1);
    }
    update_reach(target, slot);
    return right;
}

static void
set_root(struct range_tree *tree, struct range_page *left, struct range_page *right)
{
    struct range_page *root = mem_alloc_zero(sizeof *root);
    root->count = 2;
    root->child[0] = left;
    root->child[1] = right;
    describe(root, 0);
    describe(root, 1);
    update_reach(root, 0);
    tree->root = root;
    tree->height++;
}

void
range_tree_add(struct range_tree *tree, struct range_item *item)
{
    ASSERT(item->low <= item->high);
    if (tree->root == NULL) {
        tree->root = mem_alloc_zero(sizeof *tree->root);
    }
    struct range_page *right = add(tree->root, tree->height, item);
    if (right != NULL) {
        set_root(tree, tree->root, right);
    }
}

/* ---- removing */

/* Joins the page in `slot` with the one in front of it or behind it, if they fit into one. */
static void
merge(struct range_page *page, size_t slot)
{
    size_t left = slot > 0 ? slot - 1 : slot;
    if (left + 1 >= page->count) {
        return;
    }
    struct range_page *into = page->child[left];
    struct range_page *from = page->child[left + 1];
    if (into->count + from->count > PAGE_SLOTS) {
        return;
    }
    size_t before = into->count;
    move_slots(into, before, from, 0, from->count);
    into->count += from->count;
    update_reach(into, before);
    mem_free(from);
    close_slot(page, left + 1);
    describe(page, left);
    update_reach(page, left);
}

static void
take(struct range_page *page, unsigned height, struct range_item *item)
{
    size_t slot = place_of(page, item);
    ASSERT(slot > 0);
    slot--;
    if (height == 0) {
        ASSERT(page->first[slot] == item);
        close_slot(page, slot);
        return;
    }
    struct range_page *child = page->child[slot];
    take(child, height - 1, item);
    if (child->count == 0) {
        mem_free(child);
        close_slot(page, slot);
        return;
    }
    describe(page, slot);
    update_reach(page, slot);
    if (child->count < PAGE_FEW) {
        merge(page, slot);
    }
}

void
range_tree_remove(struct range_tree *tree, struct range_item *item)
{
    take(tree->root, tree->height, item);
    while (tree->height > 0 && tree->root->count == 1) {
        struct range_page *only = tree->root->child[0];
        mem_free(tree->root);
        tree->root = only;
        tree->height--;
    }
    if (tree->root->count == 0) {
        mem_free(tree->root);
        *tree = (struct range_tree){0};
    }
}

/* ---- asking */

/* How many slots begin at or before `point`. */
static size_t
begun(const struct range_page *page, uint64_t point)
{
    size_t below = 0;
    size_t left = page->count;
    while (left > 0) {
        size_t half = left / 2;
        bool is_begun = page->low[below + half] <= point;
        below = is_begun ? below + half + 1 : below;
        left = is_begun ? left - half - 1 : half;
    }
    return below;
}

static void
find(const struct range_page *page, unsigned height, uint64_t point,
     void (*fn)(void *ctx, struct range_item *item), void *ctx)
{
    for (size_t i = begun(page, point); i > 0 && page->reach[i - 1] >= point; i--) {
        if (page->high[i - 1] < point) {
            continue;
        }
        if (height == 0) {
            fn(ctx, page->first[i - 1]);
        } else {
            find(page->child[i - 1], height - 1, point, fn, ctx);
        }
    }
}

void
range_tree_find(const struct range_tree *tree, uint64_t point,
                void (*fn)(void *ctx, struct range_item *item), void *ctx)
{
    if (tree->root != NULL) {
        find(tree->root, tree->height, point, fn, ctx);
    }
}

static void
each(const struct range_page *page, unsigned height, void (*fn)(void *ctx, struct range_item *item),
     void *ctx)
{
    for (size_t i = 0; i < page->count; i++) {
        if (height == 0) {
            fn(ctx, page->first[i]);
        } else {
            each(page->child[i], height - 1, fn, ctx);
        }
    }
}

void
range_tree_each(const struct range_tree *tree, void (*fn)(void *ctx, struct range_item *item),
                void *ctx)
{
    if (tree->root != NULL) {
        each(tree->root, tree->height, fn, ctx);
    }
}
