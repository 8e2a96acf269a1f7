/*
 * index_path.h - the ways by which a clause can be found, taken from the clause.
 *
 * Inside of shape_index.c. A path is a condition on the row that holds whenever the clause is true;
 * the paths of a clause are alternatives: one of them holds.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_INDEX_PATH_H
#define CORE_INDEX_PATH_H

#include "common/buf.h"
#include "common/core/range_tree.h"
#include "common/core/where_eval.h"

/* Columns of one equality; what is beyond is left to evaluation. */
#define PATH_COLUMNS_MAX 4

/* Alternatives of one clause; beyond them it is asked for every row. */
#define PATHS_MAX 100000

enum path_kind {
    PATH_EQUAL,   /* columns = key */
    PATH_ELEMENT, /* an array column has the element `key` */
    PATH_NULL,    /* a column is NULL */
    PATH_RANGE,   /* a column lies between low and high */
};

struct index_path {
    enum path_kind kind;
    size_t column_count;
    uint32_t columns[PATH_COLUMNS_MAX];               /* ascending */
    struct where_type column_types[PATH_COLUMNS_MAX]; /* as the row has them */
    struct where_type types[PATH_COLUMNS_MAX]; /* as they are compared; of an element, its own */
    struct view key;        /* EQUAL, ELEMENT; of a prefix RANGE, its upper bound */
    struct range_bound low; /* RANGE; values borrow from the clause */
    struct range_bound high;
};

struct index_paths {
    struct arena *mem;
    size_t count;
    size_t capacity;
    struct index_path *items;
};

/* Adds the clause's alternatives. False: it has no condition that an index knows. */
NODISCARD bool index_paths_of(const struct expr *expr, struct index_paths *paths);

/* Same kind, columns and types: look-ups for both are one. */
bool index_path_is_same_kind(const struct index_path *a, const struct index_path *b);

/* The row's value in the path's column `i`, as the type that is compared. False: it cannot be read.
 */
NODISCARD bool index_path_value(const struct index_path *path, size_t i, struct where_row *row,
                                struct where_value *value_out, struct err *err);

/* Appends a value so that keys of several columns cannot run into each other. */
void index_key_append(struct where_type type, const struct where_value *value, struct buf *key);

#endif
