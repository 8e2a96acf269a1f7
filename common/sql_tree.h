/*
 * sql_tree.h - an SQL expression as a tree of our own.
 *
 * What common/sql_parse.h makes of the grammar's output, and the only form of
 * SQL that the core ever sees. One struct for all nodes: `kind` says which
 * fields count, in the comments of the enum. Nothing here is typed yet.
 */
#ifndef COMMON_SQL_TREE_H
#define COMMON_SQL_TREE_H

#include "common/wire.h"

enum sql_kind {
    SQL_NULL,
    SQL_BOOL,         /* number */
    SQL_INT,          /* number: fits 32 bits */
    SQL_FLOAT,        /* text: any other number as it was written */
    SQL_STRING,       /* text */
    SQL_BITSTRING,    /* text */
    SQL_COLUMN,       /* names: column, or qualifiers before it; a star is "*" */
    SQL_PARAM,        /* number: from 1 */
    SQL_OP,           /* text: operator; args: left (NULL for a prefix operator), right */
    SQL_OP_ANY,       /* text, args: left, array */
    SQL_OP_ALL,       /* text, args: left, array */
    SQL_DISTINCT,     /* IS DISTINCT FROM: args: left, right */
    SQL_NOT_DISTINCT, /* args: left, right */
    SQL_NULLIF,       /* args: left, right */
    SQL_IN,           /* args: left, then the list */
    SQL_NOT_IN,       /* args: left, then the list */
    SQL_BETWEEN,      /* args: value, low, high; flags: SQL_NEGATED, SQL_SYMMETRIC */
    SQL_AND,          /* args: two or more */
    SQL_OR,           /* args: two or more */
    SQL_NOT,          /* args: one */
    SQL_IS_NULL,      /* args: one; flags: SQL_NEGATED */
    SQL_IS_TRUE,      /* args: one; flags: SQL_NEGATED */
    SQL_IS_FALSE,     /* args: one; flags: SQL_NEGATED */
    SQL_IS_UNKNOWN,   /* args: one; flags: SQL_NEGATED */
    SQL_CAST,         /* names: type; number: array dimensions; args: value, then type modifiers */
    SQL_FUNC,         /* names: function; args; flags: SQL_AGGREGATE, SQL_VARIADIC */
    SQL_ARRAY,        /* ARRAY[…]: args */
    SQL_INDEX,        /* args: array, an index for each dimension */
    SQL_SLICE,        /* args: array, for each dimension low or NULL and high or NULL */
    SQL_CASE,         /* args: operand or NULL, else or NULL, then pairs of when, result */
    SQL_COALESCE,     /* args */
    SQL_GREATEST,     /* args */
    SQL_LEAST,        /* args */
    SQL_ROW,          /* args */
    SQL_COLLATE,      /* names: collation; args: one */
    SQL_SUBQUERY,     /* a SELECT inside; args: what stands left of it, or none */
    SQL_CLOCK,        /* text: CURRENT_DATE and the like */
    SQL_OTHER,        /* text: the grammar's name of a node that we never accept */
};

/* What stands in front of a clause when it is parsed; subtracted from locations that are shown. */
#define SQL_WHERE_PREFIX "SELECT 1 WHERE "

#define SQL_NEGATED   1u
#define SQL_SYMMETRIC 2u
#define SQL_AGGREGATE 4u /* OVER, FILTER, DISTINCT, ORDER BY, * */
#define SQL_VARIADIC  8u

struct sql_node {
    enum sql_kind kind;
    uint32_t flags;
    int32_t location; /* byte offset in the text that was parsed; -1: not known */
    int64_t number;
    struct view text;
    size_t name_count;
    struct view *names;
    size_t arg_count;
    struct sql_node **args;
};

/* One column of ORDER BY. */
struct sql_sort {
    struct sql_node *node;
    bool is_descending;
    bool has_nulls; /* NULLS FIRST or LAST was said */
    bool nulls_first;
};

#endif
