/*
 * where_build.h - the steps of typing a clause that its kinds of nodes share.
 *
 * Inside of where_check.c. Each step gives NULL (or false) after it has put
 * "At location N: …" into the builder's error.
 *
 * Threading: a builder belongs to one thread.
 */
#ifndef CORE_WHERE_BUILD_H
#define CORE_WHERE_BUILD_H

#include "common/core/where_expr.h"
#include "common/sql_tree.h"

struct where_builder {
    const struct where_scope *scope;
    struct arena *mem;
    struct err *err;
    int32_t prefix;                 /* bytes that stand before the clause in what was parsed */
    struct where_type *param_types; /* what each parameter was first used as */
};

struct expr *where_build(struct where_builder *b, const struct sql_node *node);

/* Always NULL, so that `return where_fail(…)` is the whole failure path. */
struct expr *where_fail(struct where_builder *b, int32_t location, const char *fmt, ...)
    PRINTF(3, 4);

/* Puts the location in front of the error that is already there. */
struct expr *where_fail_err(struct where_builder *b, int32_t location);

struct expr *where_make(struct where_builder *b, enum expr_kind kind, int32_t location,
                        size_t arg_count);
struct expr *where_make_bool(struct where_builder *b, int32_t location, bool boolean);
struct expr *where_make_not(struct where_builder *b, struct expr *arg);

/* `left` is NULL for a prefix operator. */
struct expr *where_make_operator(struct where_builder *b, struct view name, struct expr *left,
                                 struct expr *right, int32_t location);
struct expr *where_make_function(struct where_builder *b, struct view name, struct expr **args,
                                 size_t arg_count, int32_t location);
struct expr *where_make_any(struct where_builder *b, enum expr_kind kind, struct view name,
                            struct expr *left, struct expr *right, int32_t location);
struct expr *where_make_in(struct where_builder *b, struct expr *left, struct expr **items,
                           size_t count, int32_t location);

/* An explicit cast. */
struct expr *where_make_cast(struct where_builder *b, struct expr *arg, struct where_type type,
                             int32_t location);

/* As Postgres would do by itself: a literal is read, an implicit cast applied. */
struct expr *where_coerce(struct where_builder *b, struct expr *expr, struct where_type type);

/* Both as operands of `=`. */
bool where_same_type(struct where_builder *b, struct expr **left, struct expr **right,
                     int32_t location);

/* All as one type, the one that the others can become. */
bool where_common_type(struct where_builder *b, const char *what, struct expr **args, size_t count,
                       struct where_type *type_out, int32_t location);

/* AND (`deciding` false) or OR of what is bool: constants that say nothing go, and one that decides
 * stays alone. `args` is consumed. */
struct expr *where_make_junction(struct where_builder *b, bool deciding, struct expr **args,
                                 size_t count, int32_t location);

/* A bool, or an unknown literal read as one. NULL stays NULL. */
struct expr *where_as_bool(struct where_builder *b, struct expr *expr);

struct expr *where_make_is_null(struct where_builder *b, struct expr *arg, bool is_negated,
                                int32_t location);

/* False: a pattern of ILIKE with letters whose case the database's collation decides. */
struct where_fn;
bool where_check_ilike(struct where_builder *b, const struct where_fn *fn, struct view pattern,
                       int32_t location);

/* ---- where_build_enum.c */

struct expr *where_make_enum_comparison(struct where_builder *b, struct view name,
                                        struct expr *left, struct expr *right, int32_t location);

/* Labels (of an array, all of it) that the enum does not have are an error, if its labels are
 * known. */
bool where_check_label(struct where_builder *b, struct where_type type,
                       const struct where_value *value, int32_t location);

/* ---- where_build_fn.c */

struct expr *where_build_function(struct where_builder *b, const struct sql_node *node);

/* The field of extract, the zone of timezone: a constant that the code knows, tried on a value. */
bool where_check_unit(struct where_builder *b, const struct where_fn *fn, const struct expr *unit,
                      int32_t location);

/* ---- where_build_array.c: functions of where_fn_of_array(), and `||` with one element */

struct expr *where_make_array_call(struct where_builder *b, const struct where_fn *fn,
                                   struct expr *const *args, int32_t location);
struct expr *where_make_element_concat(struct where_builder *b, struct expr *left,
                                       struct expr *right, int32_t location);

/* ---- where_build_more.c: CASE, NULLIF, subscripts and rows */

struct expr *where_build_case(struct where_builder *b, const struct sql_node *node);
struct expr *where_build_nullif(struct where_builder *b, const struct sql_node *node);
struct expr *where_build_subscript(struct where_builder *b, const struct sql_node *node);

/* Does an operand of this node say ROW(…)? Then where_build_rows() is for it. */
bool where_has_rows(const struct sql_node *node);
struct expr *where_build_rows(struct where_builder *b, const struct sql_node *node);

/* Evaluates what has constants only. */
struct expr *where_fold(struct where_builder *b, struct expr *expr);

#endif
