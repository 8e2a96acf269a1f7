/*
 * Any intervals that come and go: the tree finds for a point each that holds it, once, with its
 * mark, as a look at every one of them does; an empty tree holds no memory.
 *
 * Covers: common/core/range_tree.c
 */
#include "common/core/range_tree.h"

#include "common/list.h"
#include "tests/lib/fuzz_input.h"

#define INTERVALS 2000
#define STEPS     6000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct interval {
    struct range_item item;
    bool is_in;
    bool is_marked;
    unsigned found;
};

static struct interval intervals[INTERVALS];

static void
on_found(void *ctx, struct range_item *item, bool is_marked)
{
    (void)ctx;
    struct interval *interval = LIST_ITEM(item, struct interval, item);
    ASSERT(interval->is_in && interval->is_marked == is_marked);
    interval->found++;
}

static void
check_point(const struct range_tree *tree, uint64_t point)
{
    range_tree_find(tree, point, on_found, NULL);
    for (size_t i = 0; i < INTERVALS; i++) {
        struct interval *interval = &intervals[i];
        bool holds = interval->item.low <= point && point <= interval->item.high;
        ASSERT(interval->found == (interval->is_in && holds ? 1 : 0));
        interval->found = 0;
    }
}

static void
step(struct range_tree *tree, struct fuzz_input *in, uint64_t spread, bool grows)
{
    size_t place = fuzz_input_u64(in) % INTERVALS;
    struct interval *interval = &intervals[place];
    if (interval->is_in && (!grows || fuzz_input_byte(in) < 40)) {
        range_tree_remove(tree, &interval->item);
        interval->is_in = false;
    } else if (!interval->is_in && grows) {
        uint64_t low = fuzz_input_u64(in) % spread;
        uint64_t width = fuzz_input_byte(in) == 0 ? UINT64_MAX - low : fuzz_input_byte(in) % 20;
        interval->item = (struct range_item){low, low + width};
        interval->is_marked = (low & 1) != 0;
        interval->is_in = true;
        range_tree_add(tree, &interval->item, interval->is_marked);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input_endless(data, size);
    struct range_tree tree = {0};
    uint64_t spread = 1 + (fuzz_input_u64(&in) >> fuzz_input_below(&in, 64));
    size_t steps = (fuzz_input_byte(&in) + 1u) * STEPS / 256;
    for (size_t i = 0; i < 2 * steps; i++) {
        step(&tree, &in, spread, i < steps);
        if (i % (steps / 8 + 1) == 0) {
            check_point(&tree, fuzz_input_u64(&in) % spread);
        }
    }
    check_point(&tree, UINT64_MAX);
    range_tree_each(&tree, on_found, NULL);
    for (size_t i = 0; i < INTERVALS; i++) {
        ASSERT(intervals[i].found == (intervals[i].is_in ? 1 : 0));
        if (intervals[i].is_in) {
            range_tree_remove(&tree, &intervals[i].item);
        }
        intervals[i] = (struct interval){0};
    }
    ASSERT(tree.root == NULL);
    return 0;
}
