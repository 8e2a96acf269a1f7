/*
 * The index is right: whatever clauses are in it, it finds for any row each one that is true, once,
 * and no other but those that cannot be evaluated; after some have left, it finds those that
 * stayed. (One that cannot be evaluated need not be found when it is not true anyway.)
 *
 * Covers: common/core/shape_index*.c common/core/index_*.c
 */
#include "common/core/shape_index.h"

#include <string.h>

#include "common/list.h"
#include "tests/lib/where_gen.h"

#define CLAUSES 10
#define ROWS    3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct clause {
    struct index_member member;
    const struct expr *expr; /* NULL: every row */
    bool is_in;
    unsigned found;
    enum where_truth truth;
};

static const struct expr *
clause_of(void *ctx, struct index_member *member, struct arena *mem)
{
    (void)ctx;
    (void)mem;
    return LIST_ITEM(member, struct clause, member)->expr;
}

static void
on_found(void *ctx, struct index_member *member, enum where_truth truth, const struct err *err)
{
    (void)ctx;
    struct clause *clause = LIST_ITEM(member, struct clause, member);
    ASSERT(truth == WHERE_TRUE || err->msg[0] != '\0');
    clause->found++;
    clause->truth = truth;
}

static void
check_row(struct shape_index *index, struct clause *clauses, const struct where_field *fields,
          struct arena *mem)
{
    struct where_field copy[WHERE_GEN_COLUMNS];
    struct where_row row = {copy, WHERE_GEN_COLUMNS, mem, NULL};
    memcpy(copy, fields, sizeof copy);
    for (size_t i = 0; i < CLAUSES; i++) {
        clauses[i].found = 0;
    }
    shape_index_match(index, &row, on_found, NULL);
    for (size_t i = 0; i < CLAUSES; i++) {
        struct err err;
        struct clause *clause = &clauses[i];
        enum where_truth truth =
            clause->expr == NULL ? WHERE_TRUE : where_eval_truth(clause->expr, &row, &err);
        bool may_be = clause->is_in && (truth == WHERE_TRUE || truth == WHERE_ERROR);
        bool must_be = clause->is_in && truth == WHERE_TRUE;
        ASSERT(clause->found <= (may_be ? 1 : 0) && clause->found >= (must_be ? 1 : 0));
        ASSERT(clause->found == 0 || clause->truth == truth);
    }
}

static void
check_rows(struct shape_index *index, struct clause *clauses, struct fuzz_input *in,
           struct arena *mem)
{
    struct where_field fields[WHERE_GEN_COLUMNS];
    size_t count = 0;
    for (size_t i = 0; i < CLAUSES; i++) {
        count += clauses[i].is_in;
    }
    ASSERT(shape_index_count(index) == count);
    for (size_t i = 0; i < ROWS; i++) {
        where_gen_row(in, mem, fields);
        check_row(index, clauses, fields, mem);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input_endless(data, size);
    struct where_gen gen;
    struct clause clauses[CLAUSES] = {0};
    struct arena *mem = arena_new(64u << 20);
    struct shape_index *index = shape_index_new(&(struct shape_index_options){.clause = clause_of});
    where_gen_init(&gen);
    enum where_base base = (enum where_base)(1 + fuzz_input_below(&in, WT_OPAQUE - 1));
    for (size_t i = 0; i < CLAUSES; i++) {
        struct buf text = {0};
        where_gen_filter(&in, base, &text);
        clauses[i].expr = where_gen_check(&gen, buf_view(&text), mem);
        clauses[i].is_in = clauses[i].expr != NULL || fuzz_input_chance(&in, 8);
        if (clauses[i].is_in) {
            shape_index_add(index, &clauses[i].member);
        }
        buf_free(&text);
    }
    check_rows(index, clauses, &in, mem);
    for (size_t i = 0; i < CLAUSES; i++) {
        if (clauses[i].is_in && fuzz_input_chance(&in, 2)) {
            shape_index_remove(index, &clauses[i].member);
            clauses[i].is_in = false;
        }
    }
    check_rows(index, clauses, &in, mem);
    for (size_t i = 0; i < CLAUSES; i++) {
        if (clauses[i].is_in) {
            shape_index_remove(index, &clauses[i].member);
        }
    }
    shape_index_free(index);
    arena_free(mem);
    return 0;
}
