/*
 * where_gen.h - where clauses and rows made of a fuzzer's choices.
 *
 * Operators and functions come out of the table of the language (where_fn.h), so a row that is
 * added there is fuzzed without a word here. Most clauses have fitting types; some do not, and some
 * use what the language refuses.
 */
#ifndef TESTS_WHERE_GEN_H
#define TESTS_WHERE_GEN_H

#include "common/core/where_eval.h"
#include "tests/lib/fuzz_input.h"

/* A column of every type, and one of every array type: c1, c2, ... and a1, a2, ... */
#define WHERE_GEN_COLUMNS (2 * (WHERE_BASE_COUNT - 1))

struct where_gen {
    struct where_column columns[WHERE_GEN_COLUMNS];
    char names[WHERE_GEN_COLUMNS][8];
    struct view labels[WHERE_GEN_COLUMNS]; /* of the enum */
    struct where_param params[3];
    struct where_scope scope;
};

void where_gen_init(struct where_gen *gen);

/* Appends a clause. */
void where_gen_clause(struct fuzz_input *in, struct buf *out);

/*
 * Appends a clause of tests of single columns, most of them of this type, joined by AND and OR:
 * what filters are made of.
 */
void where_gen_filter(struct fuzz_input *in, enum where_base base, struct buf *out);

/* A clause or filter that is parsed and checked; NULL when one of the two refused it. */
struct expr *where_gen_check(const struct where_gen *gen, struct view text, struct arena *mem);

/* A clause, parsed and checked; NULL when one of the two refused it. */
struct expr *where_gen_expr(const struct where_gen *gen, struct fuzz_input *in, struct arena *mem);

/* A text that is a value of the type, most often. Borrowed from the input, or static. */
struct view where_gen_text(struct fuzz_input *in, struct where_type type);

/* A row: most fields are good values. `fields` has WHERE_GEN_COLUMNS; texts live in `mem`. */
void where_gen_row(struct fuzz_input *in, struct arena *mem, struct where_field *fields);

/* Appends words of SQL, most of them no clause. */
void where_gen_words(struct fuzz_input *in, struct buf *out);

#endif
