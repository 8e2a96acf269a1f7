/*
 * shape_def_parts.h - steps that building and decoding a definition share.
 *
 * Inside of shape_def.c, shape_def_code.c and shape_frame.c.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_SHAPE_DEF_PARTS_H
#define CORE_SHAPE_DEF_PARTS_H

#include "common/core/shape_def.h"

/* Names and types, or a clause of SQL_TEXT_MAX as a tree. */
#define SHAPE_DEF_ARENA_MAX (64u << 20)

/* Whatever does not depend on the where clause. */
struct shape_frame {
    struct arena *mem;           /* owns what `fields` points at */
    struct shape_frames *frames; /* that it is in; NULL: none */
    size_t refs;
    struct shape_def fields; /* without frame and clause */
    struct item_plan *plan;  /* NULL until it is asked for */
    uint8_t *bytes;          /* once in a set: the encoding up to the clause */
    size_t size;
};

/* Empty, with a frame of its own. */
struct shape_def *shape_def_new(void);

/* Its own frame knows the fields from now on, whoever gets them. */
void shape_def_complete(struct shape_def *def);

/* The clause, copied; `def` moves. */
void shape_def_set_where(struct shape_def **def, struct view sql, struct view code);

/* Is the code a clause over the table's columns? */
NODISCARD bool shape_def_check_code(const struct shape_def *def, struct err *err);

/* A definition in the frame that these bytes begin with, if the set has it; *taken_out is its size.
 * NULL: not in the set. */
struct shape_def *shape_frames_find(struct shape_frames *frames, struct view bytes,
                                    size_t *taken_out);

/* All up to the clause, and what of a definition that is. */
void shape_def_encode_frame(const struct shape_def *def, struct buf *out);

/* What follows from the table's columns alone. */
void shape_def_set_key(struct shape_def *def);
void shape_def_set_scope(struct shape_def *def);

/* What follows from key and selected columns. */
void shape_def_set_fetched(struct shape_def *def);

#endif
