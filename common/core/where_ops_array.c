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

/* Arrays of one dimension, and empty ones; Postgres can do more, which we refuse. */
IMPL(array_concat)
{
    const struct where_array *a = &args[0].array;
    const struct where_array *b = &args[1].array;
    if (a->count == 0 || b->count == 0) {
        result->array = a->count == 0 ? *b : *a;
        return true;
    }
    if (a->dimension_count != 1 || b->dimension_count != 1) {
        return where_raise(scratch, "arrays of several dimensions cannot be concatenated here");
    }
    struct where_value *items = arena_alloc(scratch->mem, a->count + b->count, sizeof *items);
    memcpy(items, a->items, a->count * sizeof *items);
    memcpy(items + a->count, b->items, b->count * sizeof *items);
    result->array = (struct where_array){
        .count = a->count + b->count,
        .dimension_count = 1,
        .dimensions = {a->count + b->count},
        .items = items,
    };
    return true;
}
