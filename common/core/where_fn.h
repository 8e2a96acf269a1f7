/*
 * where_fn.h - the operators and functions of the where language, one table.
 *
 * A row is one Postgres function: name, argument types, result, and our code for it. Overloads are
 * resolved by Postgres' own rules (where_resolve.c) among the rows of a name.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_FN_H
#define CORE_WHERE_FN_H

#include "common/core/where_expr.h"

#define WHERE_FN_ARGS 3

/* What an evaluation works with. */
struct where_scratch {
    struct arena *mem;
    struct err *err;
    struct where_type arg_type;      /* of the first argument: comparisons serve every type */
    enum where_base result;          /* of the row */
    const struct where_regex *regex; /* with FN_REGEX */
};

/* Strict, called without NULLs, but for FN_TAKES_NULL. False: Postgres would raise an error;
 * scratch->err says which. */
typedef bool (*where_fn_impl)(struct where_scratch *scratch, const struct where_value *args,
                              struct where_value *result_out);

enum where_fn_kind {
    FN_OPERATOR, /* binary, or prefix with one argument */
    FN_FUNCTION,
    FN_ARRAY,         /* on two arrays of any one type */
    FN_OF_ARRAY,      /* of an array of any type, and perhaps an int4 */
    FN_ARRAY_ELEMENT, /* an array and an element of its type; another such array */
    FN_ELEMENT_ARRAY, /* the other way round */
};

#define FN_TAKES_NULL  2u   /* not strict: sees NULLs itself */
#define FN_TEXT_ARRAY  8u   /* the second argument is an array of what the row says */
#define FN_LABELS      128u /* a third argument is the order of an enum's labels; not in SQL */
#define FN_UNIT        64u  /* the first argument is a constant name that the code must know */
#define FN_C_COLLATION 1u   /* depends on a collation: Postgres is told to use "C", as we do */

/* The second argument is a regular expression, a constant that is compiled once (where_regex.h). */
#define FN_REGEX         16u
#define FN_REGEX_NO_CASE 32u

struct where_fn {
    const char *name;
    enum where_fn_kind kind;
    uint8_t arg_count;
    enum where_base args[WHERE_FN_ARGS];
    enum where_base result;
    where_fn_impl impl; /* NULL: Postgres has it and we do not; seen when overloads are resolved */
    uint32_t flags;
};

/* All rows; a row's place is its number in stored clauses, so rows are only ever added at the end.
 */
extern const struct where_fn where_fns[];
extern const size_t where_fn_count;

/* The type that a row takes at a place. */
struct where_type where_fn_arg(const struct where_fn *fn, size_t place);

/* The row that compares two values of this type by this operator; NULL: none. */
const struct where_fn *where_fn_comparison(struct view name, enum where_base base);

/* The row that orders two labels of one enum by this operator; NULL: none. Its third argument is a
 * text[] with the enum's labels in their order. */
const struct where_fn *where_fn_enum_order(struct view name);

/* The place of a label among them; -1: none. */
ptrdiff_t where_label_place(const struct where_array *labels, struct view label);

/* The row for two arrays of one type: @> <@ && and ||, whose result is WT_UNKNOWN here; NULL: none.
 */
const struct where_fn *where_fn_array(struct view name);

/* Compiles the pattern of a call with FN_REGEX into `mem`. Errors: ERR_INVALID. */
NODISCARD bool where_fn_compile(struct expr *call, struct arena *mem, struct err *err);

/* The row of one of the last three kinds; NULL: none. */
const struct where_fn *where_fn_of_array(struct view name, size_t arg_count);

/* A row's number in stored clauses, and back; NULL for a number that no row has. */
uint32_t where_fn_number(const struct where_fn *fn);
const struct where_fn *where_fn_by_number(uint32_t number);

/* Does `text` match the LIKE pattern: % and _ (one character), a backslash takes the next one as it
 * is? False where Postgres would raise an error: it came to a backslash that ends the pattern. */
NODISCARD bool where_like(struct view text, struct view pattern, bool ignore_case,
                          bool *matches_out);

#endif
