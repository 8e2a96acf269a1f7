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
    if (a->count + b->count >= arena_room(scratch->mem) / 2 / sizeof(struct where_value)) {
        return where_raise(scratch, "an array of more bytes than an evaluation may take");
    }
    struct where_value *items = arena_alloc(scratch->mem, a->count + b->count, sizeof *items);
    memcpy(items, a->items, a->count * sizeof *items);
    memcpy(items + a->count, b->items, b->count * sizeof *items);
    joined.count = a->count + b->count;
    joined.items = items;
    result->array = joined;
    return true;
}

/* ---- one element more, and questions about dimensions */

static bool
set_joined(struct where_scratch *scratch, const struct where_value *array,
           const struct where_value *element, bool in_front, struct where_value *result)
{
    size_t count = array->is_null ? 0 : array->array.count;
    if (count > 0 && array->array.dimension_count != 1) {
        return where_raise(scratch, "argument must be empty or one-dimensional array");
    }
    if (count >= arena_room(scratch->mem) / 2 / sizeof(struct where_value)) {
        return where_raise(scratch, "an array of more bytes than an evaluation may take");
    }
    struct where_value *items = arena_alloc(scratch->mem, count + 1, sizeof *items);
    if (count > 0) {
        memcpy(items + in_front, array->array.items, count * sizeof *items);
    }
    items[in_front ? 0 : count] = *element;
    result->array = (struct where_array){
        .count = count + 1,
        .dimension_count = 1,
        .dimensions = {count + 1},
        .items = items,
    };
    return true;
}

IMPL(array_append)
{
    return set_joined(scratch, &args[0], &args[1], false, result);
}

IMPL(array_prepend)
{
    return set_joined(scratch, &args[1], &args[0], true, result);
}

IMPL(array_ndims)
{
    (void)scratch;
    result->is_null = args[0].array.count == 0;
    result->integer = (int64_t)args[0].array.dimension_count;
    return true;
}

IMPL(array_cardinality)
{
    (void)scratch;
    result->integer = (int64_t)args[0].array.count;
    return true;
}

/* Of a dimension that is there; bounds begin at 1 here. */
static void
set_dimension(const struct where_value *args, bool is_size, struct where_value *result)
{
    const struct where_array *array = &args[0].array;
    bool is_there = array->count > 0 && args[1].integer >= 1 &&
                    (uint64_t)args[1].integer <= array->dimension_count;
    result->is_null = !is_there;
    if (is_there) {
        result->integer = is_size ? (int64_t)array->dimensions[args[1].integer - 1] : 1;
    }
}

IMPL(array_length)
{
    (void)scratch;
    set_dimension(args, true, result);
    return true;
}

IMPL(array_lower)
{
    (void)scratch;
    set_dimension(args, false, result);
    return true;
}
