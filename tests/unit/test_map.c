/* The map agrees with a plain array over any sequence of puts, gets and removals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/map.h"

#define KEYS  300
#define STEPS 60000

static int values[KEYS];

static uint32_t
next_random(uint32_t *seed)
{
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

static struct view
key_of(char text[32], uint32_t i)
{
    /* Lengths from 1 to 13 meet every tail of the hash. */
    int size = snprintf(text, 32, "%.*s%u", (int)(i % 11), "abcdefghijk", i);
    return view_of(text, (size_t)size);
}

static void
agrees_with_a_model(void **state)
{
    (void)state;
    struct map *map = map_new();
    void *model[KEYS] = {0};
    size_t count = 0;
    uint32_t seed = 1;
    for (unsigned step = 0; step < STEPS; step++) {
        char text[32];
        uint32_t i = next_random(&seed) % KEYS;
        struct view key = key_of(text, i);
        switch (next_random(&seed) % (step / 10000 % 2 == 0 ? 4 : 3)) {
        case 0:
            assert_ptr_equal(map_remove(map, key), model[i]);
            count -= model[i] != NULL;
            model[i] = NULL;
            break;
        case 1:
            assert_ptr_equal(map_get(map, key), model[i]);
            break;
        default: {
            void *value = &values[next_random(&seed) % KEYS];
            assert_ptr_equal(map_put(map, key, value), model[i]);
            count += model[i] == NULL;
            model[i] = value;
        }
        }
        assert_int_equal(map_count(map), count);
    }
    for (uint32_t i = 0; i < KEYS; i++) {
        char text[32];
        assert_ptr_equal(map_get(map, key_of(text, i)), model[i]);
    }
    map_free(map);
}

static void
a_walk_gives_each_entry_once_also_when_it_is_removed(void **state)
{
    (void)state;
    for (uint32_t modulus = 1; modulus < 5; modulus++) {
        struct map *map = map_new();
        int seen[KEYS] = {0};
        for (uint64_t i = 0; i < KEYS; i++) {
            (void)map_put(map, map_key_u64(&i), &seen[i]);
        }
        size_t pos = 0;
        struct view key;
        int *value;
        while ((value = map_next(map, &pos, &key)) != NULL) {
            uint64_t i = (uint64_t)(value - seen);
            assert_true(view_equal(key, map_key_u64(&i)));
            (*value)++;
            if (i % modulus == 0) {
                assert_ptr_equal(map_remove(map, map_key_u64(&i)), value);
            }
        }
        assert_null(map_next(map, &pos, &key));
        for (uint64_t i = 0; i < KEYS; i++) {
            assert_int_equal(seen[i], 1);
            assert_ptr_equal(map_get(map, map_key_u64(&i)), i % modulus == 0 ? NULL : &seen[i]);
        }
        map_free(map);
    }
}

static void
an_empty_map_has_nothing(void **state)
{
    (void)state;
    struct map *map = map_new();
    size_t pos = 0;
    assert_null(map_get(map, view_str("a")));
    assert_null(map_remove(map, view_str("a")));
    assert_null(map_next(map, &pos, NULL));
    assert_null(map_put(map, view_of(NULL, 0), values));
    assert_ptr_equal(map_get(map, view_str("")), values);
    map_free(map);
    map_free(NULL);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(a_walk_gives_each_entry_once_also_when_it_is_removed),
        cmocka_unit_test(an_empty_map_has_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
