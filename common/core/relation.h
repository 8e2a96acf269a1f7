/*
 * relation.h - a table as Postgres' catalogue describes it.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_RELATION_H
#define CORE_RELATION_H

#include "common/arena.h"
#include "common/core/pgoutput.h"
#include "proto/messages.h"

#define RELATION_NO_TYPE_MOD UINT32_MAX

struct column {
    struct view name;
    uint32_t type_oid;
    uint32_t type_mod;
    uint32_t base_type_oid;    /* of a domain, to the bottom; else type_oid */
    uint32_t element_type_oid; /* of an array; else 0 */
    uint32_t enum_oid; /* of an enum or an array of one; Postgres compares no domain over one */
    struct view enum_labels; /* in their order, as a text[]; empty: too many, or not known */
    struct view type_name;   /* of an array, its element's */
    uint8_t type_kind;       /* pg_type.typtype */
    uint32_t dimensions;     /* at least 1 for an array type */
    uint32_t key_position;   /* in the primary key, from 1; 0: not in it */
    bool is_not_null;
    bool is_generated;
    bool has_odd_collation; /* not the database's default, and not C or POSIX */
};

struct relation {
    uint32_t oid;
    struct view schema;
    struct view name;
    size_t column_count;
    struct column *columns; /* in attnum order */
};

/* Columns as the bus brings them, copied into `mem`. */
void relation_columns(const struct db_column *columns, size_t count, struct arena *mem,
                      struct column *columns_out);

struct relation relation_from_bus(const struct db_relation *from, struct arena *mem);

/* Same names, types and key at the same places: a definition made from one holds for the other. */
bool relation_same_columns(const struct column *a, size_t a_count, const struct column *b,
                           size_t b_count);

/* Place of the column of this name, or -1. */
int relation_find_column(const struct column *columns, size_t count, struct view name);

#endif
