/*
 * where_expr.h - a where clause, typed: what is evaluated, stored and sent to Postgres.
 *
 * where_check() makes it from the grammar's tree: every name is resolved, every operator and
 * function is one row of where_fn.c's table, every literal has a type, constants are folded. So one
 * tree has one meaning, here and in Postgres, and its SQL (where_sql.h) is also its identity.
 *
 * Threading: no state, any thread; a tree does not change once it is made.
 */
#ifndef CORE_WHERE_EXPR_H
#define CORE_WHERE_EXPR_H

#include "common/core/where_value.h"

enum expr_kind {
    EXPR_CONST,      /* value */
    EXPR_COLUMN,     /* column */
    EXPR_CALL,       /* fn; args */
    EXPR_AND,        /* args: two or more */
    EXPR_OR,         /* args: two or more */
    EXPR_NOT,        /* args: one */
    EXPR_IS_NULL,    /* args: one; is_negated */
    EXPR_IS_TRUE,    /* args: one; is_negated */
    EXPR_IS_FALSE,   /* args: one; is_negated */
    EXPR_IS_UNKNOWN, /* args: one; is_negated */
    EXPR_DISTINCT,   /* args: two of one type; is_negated */
    EXPR_ANY,        /* fn; args: left, array */
    EXPR_ALL,        /* fn; args: left, array */
    EXPR_COALESCE,   /* args of one type */
    EXPR_GREATEST,   /* args of one type */
    EXPR_LEAST,      /* args of one type */
    EXPR_CONCAT,     /* args: text; NULLs are skipped */
    EXPR_ARRAY,      /* args: elements of one type, or arrays of it */
    EXPR_INDEX,      /* args: array, then an int4 for each dimension */
    EXPR_TO_TEXT,    /* args: one; its output text */
    EXPR_FROM_TEXT,  /* args: one text, read as `type` */
    EXPR_CONVERT,    /* args: one; its value as `type` (where_cast.h) */
    EXPR_CASE,       /* args: what else, then pairs: condition, result; all results of one type */
    EXPR_SLICE,      /* args: array, then low and high, each an int4, for each dimension */
};

#define EXPR_KIND_COUNT (EXPR_SLICE + 1)

/* What a typed clause may hold, spelled out: casts, rows and simple CASEs take more than one node.
 */
#define WHERE_NODES_MAX 65536u
#define WHERE_DEPTH_MAX 256u
#define WHERE_ROW_MAX   32u
#define WHERE_LIST_MAX  10000u /* elements of IN and ARRAY[…] */
#define WHERE_PARAM_MAX 10000u

struct where_fn;
struct where_regex;
struct expr_memo;

struct expr {
    enum expr_kind kind;
    bool is_negated;
    bool is_implicit; /* a cast that Postgres adds by itself */
    struct where_type type;
    int32_t location;
    uint32_t column; /* place in the table's columns */
    const struct where_fn *fn;
    const struct where_regex *regex; /* of a call with FN_REGEX: its pattern, compiled */
    struct where_value value;
    size_t arg_count;
    struct expr **args;
    struct expr_memo *memo; /* of a node that several clauses share (where_pool.h); else NULL */
};

/* A column that a clause may name. */
struct where_column {
    struct view name;
    struct where_type type; /* of a domain, its base type */
    bool is_c_collated; /* text whose equality is not bytewise in Postgres: compared under "C" */
};

struct where_param {
    bool is_given;
    struct view value;
};

/* What a clause is checked against. */
struct where_scope {
    const struct where_column *columns;
    size_t column_count;
    const struct where_param *params; /* $1 is params[0] */
    size_t param_count;
    struct view table; /* for the hint of `this.column` */
    /* For each column the labels of its enum in their order, as Postgres writes a text[]; empty:
     * not known, or no enum. NULL: of none are they known. Needed only while a clause is checked.
     */
    const struct view *enum_labels;
};

struct sql_node;

/*
 * Resolves and folds what sql_parse_where() made. The typed tree lives in `mem`.
 *
 * Errors, ERR_INVALID: the text that the client gets under `where`, as in http-golden
 * ("At location 4: parameter $1 was not provided", "WHERE clause must return a boolean", …).
 */
NODISCARD bool where_check_tree(const struct sql_node *tree, const struct where_scope *scope,
                                struct arena *mem, struct expr **expr_out, struct err *err);

/* Calls `fn` for every column that the tree names. */
void expr_each_column(const struct expr *expr, void (*fn)(void *ctx, uint32_t column), void *ctx);

#endif
