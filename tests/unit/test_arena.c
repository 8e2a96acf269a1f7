/* What an arena gives is zeroed, aligned and apart from all else it gave, before and after a reset.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "common/arena.h"

static void
pieces_of_any_size_do_not_overlap(void **state)
{
    (void)state;
    struct arena *arena = arena_new(64u << 20);
    for (size_t round = 0; round < 20; round++) {
        uint8_t *pieces[400];
        for (size_t i = 0; i < 400; i++) {
            size_t size = i % 40 == 39 ? 20000 * (1 + round) : 1 + i * 7 % 300;
            pieces[i] = arena_alloc(arena, size, 1);
            assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
            for (size_t k = 0; k < size; k++) {
                assert_int_equal(pieces[i][k], 0);
            }
            memset(pieces[i], (int)(i & 0xff), size);
        }
        for (size_t i = 0; i < 400; i++) {
            size_t size = i % 40 == 39 ? 20000 * (1 + round) : 1 + i * 7 % 300;
            assert_int_equal(pieces[i][0], i & 0xff);
            assert_int_equal(pieces[i][size - 1], i & 0xff);
        }
        arena_reset(arena);
    }
    arena_free(arena);
}

static void
nothing_is_never_null(void **state)
{
    (void)state;
    struct arena *arena = arena_new(100);
    assert_non_null(arena_alloc(arena, 0, 8));
    assert_non_null(arena_alloc(arena, 100, 1));
    assert_non_null(arena_alloc(arena, 0, 8));
    arena_reset(arena);
    assert_non_null(arena_alloc(arena, 1, 100));
    arena_free(arena);
    arena_free(NULL);
}

static void
a_copy_is_its_own_and_ends_with_a_nul(void **state)
{
    (void)state;
    struct arena *arena = arena_new(1000);
    uint8_t text[] = {'a', 0, 'b'};
    struct view copy = arena_copy(arena, view_of(text, sizeof text));
    text[0] = 'x';
    assert_int_equal(copy.size, 3);
    assert_memory_equal(copy.bytes, "a\0b", 4);
    struct view empty = arena_copy(arena, (struct view){0});
    assert_int_equal(empty.size, 0);
    assert_int_equal(empty.bytes[0], 0);
    arena_free(arena);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_do_not_overlap),
        cmocka_unit_test(nothing_is_never_null),
        cmocka_unit_test(a_copy_is_its_own_and_ends_with_a_nul),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
