/*
 * where_cast.h - which type becomes which other one, and how.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_CAST_H
#define CORE_WHERE_CAST_H

#include "common/core/where_fn.h"

/* Does Postgres apply this cast by itself in an expression? A type to itself: yes. */
bool where_cast_is_implicit(struct where_type from, struct where_type to);

/* Is there a conversion of values, implicit or not (apart from those by way of text)? */
bool where_cast_exists(struct where_type from, struct where_type to);

/* Errors as Postgres' ("integer out of range"), in scratch->err. */
NODISCARD bool where_cast_convert(struct where_scratch *scratch, struct where_type from,
                                  struct where_type to, const struct where_value *value,
                                  struct where_value *result_out);

/* The output text of a value, as `value::text` gives it. */
NODISCARD bool where_cast_to_text(struct where_scratch *scratch, struct where_type from,
                                  const struct where_value *value, struct where_value *result_out);

#endif
