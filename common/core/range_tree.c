#include "common/core/range_tree.h"

#include <string.h>

#include "common/mem.h"

/* A leaf is looked at in random places of a large tree, so it is small enough to be fetched at
 * once; pages further up are few, and stay in the cache. */
#define LEAF_SLOTS 16
#define PAGE_SLOTS 32

/* An interval in a leaf, a page further up: then its ends are the outermost below it. */
struct slot {
    uint64_t low;
    uint64_t high;
    uint64_t reach; /* the highest of this slot's and all before it */
    union {
        uintptr_t item; /* its address, and MARK */
        struct range_page *page;
    };
};

#define MARK ((uintptr_t)1)

struct range_page {
    size_t count;
    struct slot slots[];
};

static size_t
slots_max(unsigned height)
{
    return height == 0 ? LEAF_SLOTS : PAGE_SLOTS;
}

static struct range_page *
new_page(unsigned height)
{
    return mem_alloc_zero(sizeof(struct range_page) + slots_max(height) * sizeof(struct slot));
}

/* ---- order: by low, high, and then by address, so that each interval has one place */

static struct range_item *
item_of(const struct slot *slot)
{
    return (struct range_item *)(slot->item & ~MARK);
}

static const struct range_item *
first_below(const struct slot *slot, unsigned height)
{
    for (; height > 0; height--) {
        slot = &slot->page->slots[0];
    }
    return item_of(slot);
}

static bool
is_behind(const struct slot *slot, unsigned height, const struct range_item *item)
{
    if (slot->low != item->low) {
        return slot->low > item->low;
    }
    const struct range_item *first = first_below(slot, height);
    return first->high != item->high ? first->high > item->high
                                     : (uintptr_t)first > (uintptr_t)item;
}

/* How many slots are not behind `item`. */
static size_t
place_of(const struct range_page *page, unsigned height, const struct range_item *item)
{
    size_t below = 0;
    size_t end = page->count;
    while (below < end) {
        size_t middle = (below + end) / 2;
        if (is_behind(&page->slots[middle], height, item)) {
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
        struct slot *slot = &page->slots[i];
        uint64_t before = i == 0 ? 0 : page->slots[i - 1].reach;
        slot->reach = slot->high > before ? slot->high : before;
    }
}

/* What the slot says of the page below it. */
static void
describe(struct slot *slot)
{
    const struct range_page *page = slot->page;
    slot->low = page->slots[0].low;
    slot->high = page->slots[page->count - 1].reach;
}

static struct slot *
open_slot(struct range_page *page, size_t place)
{
    struct slot *slot = &page->slots[place];
    memmove(slot + 1, slot, (page->count - place) * sizeof *slot);
    page->count++;
    return slot;
}

static void
close_slot(struct range_page *page, size_t place)
{
    struct slot *slot = &page->slots[place];
    page->count--;
    memmove(slot, slot + 1, (page->count - place) * sizeof *slot);
    update_reach(page, place);
}

/* The upper half of a full page, as a page of its own. */
static struct range_page *
split(struct range_page *page, unsigned height)
{
    struct range_page *right = new_page(height);
    right->count = page->count / 2;
    page->count -= right->count;
    memcpy(right->slots, page->slots + page->count, right->count * sizeof(struct slot));
    update_reach(right, 0);
    return right;
}

/* ---- adding */

static void
put_item(struct range_page *leaf, struct range_item *item, bool is_marked)
{
    size_t place = place_of(leaf, 0, item);
    struct slot *slot = open_slot(leaf, place);
    slot->low = item->low;
    slot->high = item->high;
    slot->item = (uintptr_t)item | (is_marked ? MARK : 0);
    update_reach(leaf, place);
}

/* Gives the new right neighbour, or NULL. */
static struct range_page *
add(struct range_page *page, unsigned height, struct range_item *item, bool is_marked)
{
    struct range_page *right = page->count == slots_max(height) ? split(page, height) : NULL;
    bool is_right = right != NULL && !is_behind(&right->slots[0], height, item);
    struct range_page *target = is_right ? right : page;
    if (height == 0) {
        put_item(target, item, is_marked);
        return right;
    }
    size_t place = place_of(target, height, item);
    place -= place > 0;
    struct range_page *added = add(target->slots[place].page, height - 1, item, is_marked);
    describe(&target->slots[place]);
    if (added != NULL) {
        struct slot *slot = open_slot(target, place + 1);
        slot->page = added;
        describe(slot);
    }
    update_reach(target, place);
    return right;
}

static void
set_root(struct range_tree *tree, struct range_page *left, struct range_page *right)
{
    tree->height++;
    tree->root = new_page(tree->height);
    tree->root->count = 2;
    tree->root->slots[0].page = left;
    tree->root->slots[1].page = right;
    describe(&tree->root->slots[0]);
    describe(&tree->root->slots[1]);
    update_reach(tree->root, 0);
}

void
range_tree_add(struct range_tree *tree, struct range_item *item, bool is_marked)
{
    ASSERT(item->low <= item->high);
    if (tree->root == NULL) {
        tree->root = new_page(0);
    }
    struct range_page *right = add(tree->root, tree->height, item, is_marked);
    if (right != NULL) {
        set_root(tree, tree->root, right);
    }
}

/* ---- removing */

/* Joins the page in this place with the one in front of it or behind it, if they fit into one. */
static void
merge(struct range_page *page, unsigned height, size_t place)
{
    size_t left = place > 0 ? place - 1 : place;
    if (left + 1 >= page->count) {
        return;
    }
    struct range_page *into = page->slots[left].page;
    struct range_page *from = page->slots[left + 1].page;
    if (into->count + from->count > slots_max(height - 1)) {
        return;
    }
    size_t before = into->count;
    memcpy(into->slots + before, from->slots, from->count * sizeof(struct slot));
    into->count += from->count;
    update_reach(into, before);
    mem_free(from);
    close_slot(page, left + 1);
    describe(&page->slots[left]);
    update_reach(page, left);
}

static void
take(struct range_page *page, unsigned height, struct range_item *item)
{
    size_t place = place_of(page, height, item);
    ASSERT(place > 0);
    place--;
    if (height == 0) {
        ASSERT(item_of(&page->slots[place]) == item);
        close_slot(page, place);
        return;
    }
    struct range_page *below = page->slots[place].page;
    take(below, height - 1, item);
    if (below->count == 0) {
        mem_free(below);
        close_slot(page, place);
        return;
    }
    describe(&page->slots[place]);
    update_reach(page, place);
    if (below->count < slots_max(height - 1) / 4) {
        merge(page, height, place);
    }
}

void
range_tree_remove(struct range_tree *tree, struct range_item *item)
{
    take(tree->root, tree->height, item);
    while (tree->height > 0 && tree->root->count == 1) {
        struct range_page *only = tree->root->slots[0].page;
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
        bool is_begun = page->slots[below + half].low <= point;
        below = is_begun ? below + half + 1 : below;
        left = is_begun ? left - half - 1 : half;
    }
    return below;
}

/* All of a leaf at once: its lines come while one another's are waited for. */
static void
fetch(const struct range_page *leaf)
{
    for (size_t at = 0; at < sizeof *leaf + LEAF_SLOTS * sizeof(struct slot); at += 64) {
        __builtin_prefetch((const uint8_t *)leaf + at);
    }
}

static void
find(const struct range_page *page, unsigned height, uint64_t point, range_tree_fn fn, void *ctx)
{
    for (size_t i = begun(page, point); i > 0 && page->slots[i - 1].reach >= point; i--) {
        const struct slot *slot = &page->slots[i - 1];
        if (slot->high < point) {
            continue;
        }
        if (height == 0) {
            fn(ctx, item_of(slot), (slot->item & MARK) != 0);
            continue;
        }
        if (height == 1) {
            fetch(slot->page);
        }
        find(slot->page, height - 1, point, fn, ctx);
    }
}

void
range_tree_find(const struct range_tree *tree, uint64_t point, range_tree_fn fn, void *ctx)
{
    if (tree->root != NULL) {
        find(tree->root, tree->height, point, fn, ctx);
    }
}

static void
each(const struct range_page *page, unsigned height, range_tree_fn fn, void *ctx)
{
    for (size_t i = 0; i < page->count; i++) {
        const struct slot *slot = &page->slots[i];
        if (height == 0) {
            fn(ctx, item_of(slot), (slot->item & MARK) != 0);
        } else {
            each(slot->page, height - 1, fn, ctx);
        }
    }
}

void
range_tree_each(const struct range_tree *tree, range_tree_fn fn, void *ctx)
{
    if (tree->root != NULL) {
        each(tree->root, tree->height, fn, ctx);
    }
}
