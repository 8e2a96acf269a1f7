/*
 * where_array.h - Postgres' arrays as text and as values.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_ARRAY_H
#define CORE_WHERE_ARRAY_H

#include "common/buf.h"
#include "common/core/where_value.h"

/* Postgres' MAXDIM. */
#define WHERE_ARRAY_DIMENSIONS 6

/*
 * Reads `{1,NULL,"a b",{…}}`; all dimensions must be uniform. Lower bounds ("[0:2]=…"): no.
 * Errors: ERR_INVALID; the caller names type and text.
 */
NODISCARD bool where_array_parse(struct where_type type, struct view text, struct arena *mem,
                                 struct where_array *array_out, struct err *err);

/* Postgres' array_cmp: element by element (NULL last), then count, then dimensions. */
int where_array_compare(struct where_type type, const struct where_array *a,
                        const struct where_array *b);

void where_array_print(struct where_type type, const struct where_array *array, struct buf *out);

/* Is every element of `b` that is not NULL in `a`, and does `b` have no NULL? (a @> b) */
bool where_array_contains(struct where_type type, const struct where_array *a,
                          const struct where_array *b);

/*
 * a[low:high]… for the first `dimension_count` dimensions, bounds in pairs; the others in full.
 * Nothing where they do not meet.
 */
void where_array_slice(const struct where_array *array, const struct where_value *bounds,
                       size_t dimension_count, struct arena *mem, struct where_array *slice_out);

/* Have they an element that is not NULL in common? (a && b) */
bool where_array_overlaps(struct where_type type, const struct where_array *a,
                          const struct where_array *b);

#endif
