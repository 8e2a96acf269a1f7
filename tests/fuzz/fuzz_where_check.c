/*
 * Any clause is a typed tree or an error. A tree survives its own bytes, has the same SQL after
 * them, and Postgres' grammar takes that SQL. Bytes with an error in them are a tree or an error.
 *
 * Covers: common/core/where_check*.c common/core/where_build*.c common/core/where_resolve.c
 *     common/core/where_code.c common/core/where_fn.c common/core/where_sql.c
 */
#include "common/core/where_code.h"
#include "common/core/where_sql.h"
#include "common/sql_parse.h"
#include "tests/lib/where_gen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct where_gen gen;

/* What Postgres gets is one expression to it: nothing breaks out of a literal or a name. */
static void
check_sql(struct view sql, struct arena *mem)
{
    struct err err;
    struct sql_node *tree;
    if (!sql_parse_where(sql, mem, &tree, &err)) {
        ASSERT(err.kind == ERR_LIMIT);
    }
}

static void
check_bytes(struct view bytes, struct arena *mem)
{
    struct err err;
    struct expr *expr;
    struct expr *again;
    struct buf code = {0};
    struct buf sql = {0};
    struct buf again_sql = {0};
    if (where_decode(bytes, &gen.scope, mem, &expr, &err)) {
        where_encode(expr, &code);
        ASSERT(where_decode(buf_view(&code), &gen.scope, mem, &again, &err));
        where_sql(expr, &gen.scope, &sql);
        where_sql(again, &gen.scope, &again_sql);
        ASSERT(view_equal(buf_view(&sql), buf_view(&again_sql)));
    }
    buf_free(&code);
    buf_free(&sql);
    buf_free(&again_sql);
}

static void
check_tree(const struct expr *expr, struct fuzz_input *in, struct arena *mem)
{
    struct err err;
    struct buf code = {0};
    struct buf sql = {0};
    struct buf again_sql = {0};
    struct expr *again;
    where_encode(expr, &code);
    ASSERT(where_decode(buf_view(&code), &gen.scope, mem, &again, &err));
    where_sql(expr, &gen.scope, &sql);
    where_sql(again, &gen.scope, &again_sql);
    ASSERT(view_equal(buf_view(&sql), buf_view(&again_sql)));
    check_sql(buf_view(&sql), mem);
    code.bytes[fuzz_input_u64(in) % code.size] = fuzz_input_byte(in);
    check_bytes(buf_view(&code), mem);
    buf_free(&code);
    buf_free(&sql);
    buf_free(&again_sql);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct arena *mem = arena_new(64u << 20);
    where_gen_init(&gen);
    check_bytes(view_of(data, size), mem);
    const struct expr *expr = where_gen_expr(&gen, &in, mem);
    if (expr != NULL) {
        check_tree(expr, &in, mem);
    }
    arena_free(mem);
    return 0;
}
