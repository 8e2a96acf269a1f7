/*
 * shape_def_parts.h - steps that building and decoding a definition share.
 *
 * Inside of shape_def.c and shape_def_code.c.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_SHAPE_DEF_PARTS_H
#define CORE_SHAPE_DEF_PARTS_H

#include "common/core/shape_def.h"

/* Empty, with its arena. */
struct shape_def *shape_def_new(void);

/* What follows from the table's columns alone. */
void shape_def_set_key(struct shape_def *def);
void shape_def_set_scope(struct shape_def *def);

/* What follows from key and selected columns. */
void shape_def_set_fetched(struct shape_def *def);

#endif
