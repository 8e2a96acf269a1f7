/*
 * index_path.h - the ways by which a clause can be found, taken from the clause.
 *
 * Inside of shape_index.c. A path is a condition on the row that holds whenever the clause is true;
 * the paths of a clause are alternatives: one of them holds. What a path looks at is any expression
 * over the row (its source), mostly a column: `lower(name) = 'x'` is found as `name = 'x'` is.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_INDEX_PATH_H
#define CORE_INDEX_PATH_H

#include "common/core/where_eval.h"

/* Sources of one equality; what is beyond is left to evaluation. */
#define PATH_SOURCES_MAX 4

/* Alternatives of one clause; beyond them it is asked for every row. */
#define PATHS_MAX 100000

enum path_kind {
    PATH_EQUAL,   /* the sources have these values */
    PATH_ELEMENT, /* an array has the element `key` */
    PATH_NAME,    /* a jsonb has the key, or the string in its array, `key` */
    PATH_PREFIX,  /* a text begins with `key` */
    PATH_PART,    /* a text has `key` somewhere in it */
    PATH_NULL,    /* a column is NULL */
    PATH_RANGE,   /* the source's word lies between low and high */
};

struct index_path {
    enum path_kind kind;
    bool is_folded; /* PART: text and key in small ASCII letters */
    size_t source_count;
    const struct expr *sources[PATH_SOURCES_MAX]; /* borrowed from the clause, or in the arena */
    struct view codes[PATH_SOURCES_MAX];          /* what makes two sources the same; ascending */
    struct view keys[PATH_SOURCES_MAX];           /* of EQUAL one for each; else the first */
    uint64_t low;                                 /* RANGE: both ends belong to it */
    uint64_t high;
};

struct index_paths {
    struct arena *mem;
    size_t count;
    size_t capacity;
    struct index_path *items;
    bool is_exact; /* the clause is true whenever one of the paths holds: nothing is left to ask */
    const struct expr *rest; /* else, of an AND: what is left, in the arena; NULL: all of it */
};

/*
 * Fills in the clause's alternatives; none: it is true for no row. False: it has no condition that
 * an index knows. `paths` is zeroed but for `mem`.
 */
NODISCARD bool index_paths_of(const struct expr *expr, struct index_paths *paths);

#endif
