/* The order of an enum's labels, which every call brings with it. */
#include "common/core/where_ops.h"

ptrdiff_t
where_label_place(const struct where_array *labels, struct view label)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (view_equal(labels->items[i].text, label)) {
            return (ptrdiff_t)i;
        }
    }
    return -1;
}

static bool
compare(struct where_scratch *scratch, const struct where_value *args, ptrdiff_t *order_out)
{
    ptrdiff_t places[2];
    for (size_t i = 0; i < 2; i++) {
        places[i] = where_label_place(&args[2].array, args[i].text);
        if (places[i] < 0) {
            return err_set(scratch->err, ERR_INVALID,
                           "enum label \"%.*s\" is newer than the clause",
                           (int)(args[i].text.size < 64 ? args[i].text.size : 64),
                           (const char *)args[i].text.bytes);
        }
    }
    *order_out = places[0] - places[1];
    return true;
}

#define COMPARE(name, op)                      \
    IMPL(name)                                 \
    {                                          \
        ptrdiff_t order;                       \
        if (!compare(scratch, args, &order)) { \
            return false;                      \
        }                                      \
        result->boolean = order op 0;          \
        return true;                           \
    }

COMPARE(enum_lt, <)
COMPARE(enum_le, <=)
COMPARE(enum_gt, >)
COMPARE(enum_ge, >=)
