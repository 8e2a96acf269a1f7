/* What a tree finds for a point is what asking every interval finds, while they come and go. */
#include "common/core/range_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ITEMS 3000

struct interval {
    struct range_item item; /* first: an item is its interval */
    bool is_in;
    bool is_found;
};

static struct interval intervals[ITEMS];
static uint64_t random_state;

static uint64_t
pick(uint64_t below)
{
    random_state = random_state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (random_state >> 33) % below;
}

static void
mark(void *ctx, struct range_item *item, bool is_marked)
{
    struct interval *interval = (struct interval *)item;
    (void)ctx;
    assert_int_equal(is_marked, item->low % 2 == 0);
    assert_false(interval->is_found);
    interval->is_found = true;
}

static void
check_point(const struct range_tree *tree, uint64_t point)
{
    range_tree_find(tree, point, mark, NULL);
    for (size_t i = 0; i < ITEMS; i++) {
        const struct range_item *item = &intervals[i].item;
        bool holds = intervals[i].is_in && item->low <= point && point <= item->high;
        assert_int_equal(intervals[i].is_found, holds);
        intervals[i].is_found = false;
    }
}

static void
set_random(struct range_item *item, unsigned form)
{
    uint64_t low = pick(10000);
    item->low = form == 0 ? 0 : low;
    item->high = form == 1 ? UINT64_MAX : low + pick(form == 2 ? 20 : 5000);
}

static void
test_finds_what_is_there(void **state)
{
    (void)state;
    for (unsigned form = 0; form < 4; form++) {
        struct range_tree tree = {0};
        random_state = form + 1;
        for (size_t step = 0; step < 20000; step++) {
            /* mostly growing, then mostly shrinking */
            struct interval *interval = &intervals[pick(ITEMS)];
            if (!interval->is_in && (step < 10000 || pick(4) == 0)) {
                set_random(&interval->item, form);
                range_tree_add(&tree, &interval->item, interval->item.low % 2 == 0);
                interval->is_in = true;
            } else if (interval->is_in && (step >= 10000 || pick(4) == 0)) {
                range_tree_remove(&tree, &interval->item);
                interval->is_in = false;
            }
            if (step % 100 == 0) {
                check_point(&tree, pick(16000));
                check_point(&tree, 0);
                check_point(&tree, UINT64_MAX);
            }
        }
        for (size_t i = 0; i < ITEMS; i++) {
            if (intervals[i].is_in) {
                range_tree_remove(&tree, &intervals[i].item);
                intervals[i].is_in = false;
            }
        }
        assert_null(tree.root);
    }
}

static void
count(void *ctx, struct range_item *item, bool is_marked)
{
    (void)item;
    (void)is_marked;
    (*(size_t *)ctx)++;
}

static void
test_equal_intervals_are_kept_apart(void **state)
{
    (void)state;
    struct range_tree tree = {0};
    size_t found = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        intervals[i].item = (struct range_item){5, 5};
        range_tree_add(&tree, &intervals[i].item, (i & 1) != 0);
    }
    range_tree_each(&tree, count, &found);
    assert_int_equal(found, ITEMS);
    found = 0;
    range_tree_find(&tree, 5, count, &found);
    assert_int_equal(found, ITEMS);
    for (size_t i = 0; i < ITEMS; i++) {
        range_tree_remove(&tree, &intervals[i * 7 % ITEMS].item);
    }
    assert_null(tree.root);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_is_there),
        cmocka_unit_test(test_equal_intervals_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
