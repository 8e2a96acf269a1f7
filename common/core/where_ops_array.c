#include <string.h>

#include "common/core/where_array.h"
#include "common/core/where_ops.h"

IMPL(array_contains)
{
    result->boolean = where_array_contains(scratch->arg_type, &args[0].array, &args[1].array);
    return true;
}

IMPL(array_contained)
{
    result->boolean = where_array_contains(scratch->arg_type, &args[1].array, &args[0].array);
    return true;
}

IMPL(array_overlaps)
{
    result->boolean = where_array_overlaps(scratch->arg_type, &args[0].array, &args[1].array);
    return true;
}

/* Do the dimensions behind the first `skipped` ones of each agree? */
static bool
agree(const struct where_array *a, size_t a_skipped, const struct where_array *b, size_t b_skipped)
{
    for (size_t i = 0; a_skipped + i < a->dimension_count; i++) {
        if (a->dimensions[a_skipped + i] != b->dimensions[b_skipped + i]) {
            return false;
        }
    }
    return true;
}

/* array_cat: two arrays of one depth, or one that is an element of the other. NULL and {} add
 * nothing. */
IMPL(array_concat)
{
    const struct where_array *a = &args[0].array;
    const struct where_array *b = &args[1].array;
    if (args[0].is_null || args[1].is_null) {
        *result = args[0].is_null ? args[1] : args[0];
        return true;
    }
    if (a->count == 0 || b->count == 0) {
        result->array = a->count == 0 ? *b : *a;
        return true;
    }
    struct where_array joined = a->dimension_count >= b->dimension_count ? *a : *b;
    bool fits = false;
    if (a->dimension_count == b->dimension_count) {
        joined.dimensions[0] = a->dimensions[0] + b->dimensions[0];
        fits = agree(a, 1, b, 1);
    } else if (a->dimension_count == b->dimension_count + 1) {
        joined.dimensions[0] = a->dimensions[0] + 1;
        fits = agree(a, 1, b, 0);
    } else if (b->dimension_count == a->dimension_count + 1) {
        joined.dimensions[0] = b->dimensions[0] + 1;
        fits = agree(b, 1, a, 0);
    }
    if (!fits) {
        return where_raise(scratch, "cannot concatenate incompatible arrays");
    }
    struct where_value *items = arena_alloc(scratch->mem, a->count + b->count, sizeof *items);
    memcpy(items, a->items, a->count * sizeof *items);
    memcpy(items + a->count, b->items, b->count * sizeof *items);
    joined.count = a->count + b->count;
    joined.items = items;
    result->array = joined;
    return true;
}
