/*
 * shape_def.h - the checked definition of a shape.
 *
 * Made from a table and a client's wishes, or from the catalogue's bytes; it does not change. Its
 * identity (http-api [9]) is table, where, columns, replica and log mode; the table's other
 * columns are kept to see later whether the table is still the one it was made for.
 *
 * Threading: no state, any thread may read.
 */
#ifndef CORE_SHAPE_DEF_H
#define CORE_SHAPE_DEF_H

#include "common/buf.h"
#include "common/core/relation.h"
#include "common/core/where_expr.h"

struct shape_def {
    struct arena *mem; /* owns all below and the def itself */
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
    struct view where_sql; /* our deparse; empty: all rows */
    struct view where_code;
    struct expr *where;       /* NULL: all rows */
    struct where_scope scope; /* the table's columns for it */
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

/* Errors: ERR_CORRUPT. */
NODISCARD bool shape_def_decode(struct view bytes, struct shape_def **def_out, struct err *err);

/* The bytes that two definitions of one shape share. */
void shape_def_identity(const struct shape_def *def, struct buf *out);

/* NULL is accepted. */
void shape_def_free(struct shape_def *def);

/* The value of electric-schema: JSON of the selected columns. */
void shape_def_schema(const struct shape_def *def, struct buf *out);

/*
 * What became of the shape's table, seen from a relation message of the stream (engine §5.3): true
 * when the shape must end, and why.
 */
bool shape_def_is_outdated(const struct shape_def *def, const struct pgoutput_relation *relation,
                           bool is_root, const char **reason_out);

#endif
