/*
 * Any clause over any row is true, false, unknown or an error with a text, and the same again after
 * the clause went through its bytes; NOT turns it round.
 *
 * Covers: common/core/where_eval.c common/core/where_ops_*.c common/core/where_cast.c
 *     common/core/where_like.c common/core/where_decimal_div.c
 */
#include <string.h>

#include "common/core/where_code.h"
#include "tests/lib/where_gen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum where_truth
evaluate(const struct expr *expr, const struct where_field *fields, struct arena *mem)
{
    struct err err = {0};
    struct where_field copy[WHERE_GEN_COLUMNS];
    struct where_row row = {copy, WHERE_GEN_COLUMNS, mem, NULL};
    memcpy(copy, fields, sizeof copy);
    enum where_truth truth = where_eval_truth(expr, &row, &err);
    ASSERT(truth != WHERE_ERROR || err.msg[0] != '\0');
    return truth;
}

static void
check(const struct expr *expr, const struct where_gen *gen, const struct where_field *fields,
      struct arena *mem)
{
    static const enum where_truth opposite[] = {
        [WHERE_FALSE] = WHERE_TRUE,
        [WHERE_TRUE] = WHERE_FALSE,
        [WHERE_UNKNOWN] = WHERE_UNKNOWN,
        [WHERE_ERROR] = WHERE_ERROR,
    };
    struct err err;
    struct expr *again;
    struct buf code = {0};
    struct expr *args[] = {NULL};
    enum where_truth truth = evaluate(expr, fields, mem);
    where_encode(expr, &code);
    ASSERT(where_decode(buf_view(&code), &gen->scope, mem, &again, &err));
    ASSERT(evaluate(again, fields, mem) == truth);
    args[0] = again;
    struct expr negated = {.kind = EXPR_NOT, .type = expr->type, .arg_count = 1, .args = args};
    ASSERT(evaluate(&negated, fields, mem) == opposite[truth]);
    buf_free(&code);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input_endless(data, size);
    struct where_gen gen;
    struct where_field fields[WHERE_GEN_COLUMNS];
    struct arena *mem = arena_new(64u << 20);
    where_gen_init(&gen);
    const struct expr *expr = where_gen_expr(&gen, &in, mem);
    for (unsigned rows = 0; rows < 3 && expr != NULL; rows++) {
        where_gen_row(&in, mem, fields);
        check(expr, &gen, fields, mem);
    }
    arena_free(mem);
    return 0;
}
