/*
 * where_resolve.h - which row of the table an operator or function with these arguments means.
 *
 * Postgres' algorithm (its manual, "Type Conversion"): exact match, then what implicit casts
 * reach, most exact matches, preferred types, the category of unknown literals, and last the one
 * known type.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_RESOLVE_H
#define CORE_WHERE_RESOLVE_H

#include "common/core/where_fn.h"

/* No row of this name; none that fits, or more than one. */
enum where_resolution {
    RESOLVED,
    RESOLVE_NO_NAME,
    RESOLVE_NO_FIT,
};

/* Numbers, texts, dates and times, …: Postgres looks for a common type inside of one only. */
bool where_is_one_category(enum where_base a, enum where_base b);

enum where_resolution where_resolve(struct view name, enum where_fn_kind kind,
                                    const struct where_type *args, size_t arg_count,
                                    const struct where_fn **fn_out);

#endif
