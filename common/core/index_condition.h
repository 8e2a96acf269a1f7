/*
 * index_condition.h - the paths of one condition, without AND and OR.
 *
 * Inside of index_path.c.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_INDEX_CONDITION_H
#define CORE_INDEX_CONDITION_H

#include "common/core/index_path.h"

/* As index_paths_of(). */
NODISCARD bool index_condition(const struct expr *expr, struct index_paths *paths);

/* One more alternative, zeroed but for its kind. */
struct index_path *index_paths_add(struct index_paths *paths, enum path_kind kind);

#endif
