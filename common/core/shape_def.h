/*
 * shape_def.h - the checked definition of a shape.
 *
 * Made from a table and a client's wishes, or from the catalogue's bytes; it does not change. Its
 * identity (http-api [9]) is table, where, columns, replica and log mode; the table's other
 * columns are kept to see later whether the table is still the one it was made for.
 *
 * Threading: any thread may read a definition; see shape_frames_new() for those that share.
 */
#ifndef CORE_SHAPE_DEF_H
#define CORE_SHAPE_DEF_H

#include "common/buf.h"
#include "common/core/relation.h"
#include "common/core/where_expr.h"

struct item_plan;
struct shape_frame;

/* Definitions that differ in their where clause alone share the rest: see shape_def_share(). */
struct shape_def {
    struct shape_frame *frame; /* owns what the fields up to `scope` point at */
    struct relation table;
    size_t key_count; /* of the primary key; without one, all columns that are not generated */
    uint16_t *key;    /* places in table.columns, in key order */
    bool has_primary_key;
    size_t selected_count;
    uint16_t *selected; /* places, sorted by name */
    bool selects_all;   /* neither columns nor queryable_columns were given */
    size_t fetched_count;
    uint16_t *fetched; /* selected and key columns, sorted by name: what a snapshot asks for */
    bool is_replica_full;
    bool is_changes_only;
    struct where_scope scope; /* the table's columns for where clauses */
    struct view where_sql;    /* our deparse; empty: all rows */
    struct view where_code;   /* the same, checked: shape_def_where() reads it */
};

/* What a client asked for. */
struct shape_wish {
    bool has_columns;
    const struct view *columns;
    size_t column_count;
    bool has_queryable;
    const struct view *queryable;
    size_t queryable_count;
    const struct sql_node *where; /* parsed; NULL for none */
    const struct where_param *params;
    size_t param_count;
    bool is_replica_full;
    bool is_changes_only;
};

/*
 * Checks the wish against the table. *field_out names the parameter that an error stands under.
 * The caller owns *def_out and ends it with shape_def_free().
 *
 * Errors: ERR_INVALID, the text that the client gets.
 */
NODISCARD bool shape_def_build(const struct relation *table, const struct shape_wish *wish,
                               struct shape_def **def_out, const char **field_out, struct err *err);

/* Canonical bytes; the same definition always gives the same. */
void shape_def_encode(const struct shape_def *def, struct buf *out);

/* `frames` as in shape_def_share(), or NULL. Errors: ERR_CORRUPT. */
struct shape_frames;
NODISCARD bool shape_def_decode(struct view bytes, struct shape_frames *frames,
                                struct shape_def **def_out, struct err *err);

/* The clause as a tree in `mem`, which borrows from the definition; NULL: all rows. */
const struct expr *shape_def_where(const struct shape_def *def, struct arena *mem);

/* The bytes that two definitions of one shape share. */
void shape_def_identity(const struct shape_def *def, struct buf *out);

/* NULL is accepted. */
void shape_def_free(struct shape_def *def);

/*
 * Frames by their content. A hundred thousand shapes of one table have one frame, and an item plan
 * with it; it goes with the last of them. One thread owns a set and frees its definitions.
 */
struct shape_frames *shape_frames_new(void);
void shape_frames_free(struct shape_frames *frames); /* all definitions were freed before */
size_t shape_frames_count(const struct shape_frames *frames);

/* The definition gives up its own frame for an equal one of the set, or adds it to the set. */
void shape_def_share(struct shape_def *def, struct shape_frames *frames);

/* How rows become items; made when it is first asked for, the frame's. Not from two threads. */
const struct item_plan *shape_def_plan(struct shape_def *def);

/* The value of electric-schema: JSON of the selected columns. */
void shape_def_schema(const struct shape_def *def, struct buf *out);

/*
 * What became of the shape's table, seen from a relation message of the stream (engine §5.3): true
 * when the shape must end, and why.
 */
bool shape_def_is_outdated(const struct shape_def *def, const struct pgoutput_relation *relation,
                           bool is_root, const char **reason_out);

#endif
