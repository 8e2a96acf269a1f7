/*
 * Any text is a clause or an error. A clause survives its own bytes, has the same SQL after them,
 * and gives a row some truth. The second half of the input is tried as stored bytes.
 *
 * Covers: common/core/where_check.c common/core/where_build.c common/core/where_code.c
 *     common/core/where_sql.c common/core/where_eval.c common/sql_parse.c
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/where_code.h"
#include "common/core/where_eval.h"
#include "common/core/where_sql.h"
#include "common/sql_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *name;
    uint32_t oid;
    const char *text;
} table[] = {
    {"a", 23, "10"},
    {"b", 16, "t"},
    {"t", 25, "abc"},
    {"n", 1700, "1.50"},
    {"f", 701, "0.1"},
    {"d", 1082, "2024-02-29"},
    {"z", 1184, "2024-01-02 01:04:05+00"},
    {"i", 1186, "P1DT2H"},
    {"r", 1009, "{a,NULL}"},
    {"u", 2950, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
};

#define COLUMNS (sizeof table / sizeof table[0])

static void
evaluate(const struct expr *expr, struct arena *mem)
{
    struct err err;
    struct where_field fields[COLUMNS] = {0};
    struct where_row row = {fields, COLUMNS, mem};
    for (size_t i = 0; i < COLUMNS; i++) {
        fields[i].text = view_str(table[i].text);
    }
    (void)where_eval_truth(expr, &row, &err);
}

static void
round_trip(const struct expr *expr, const struct where_scope *scope, struct arena *mem)
{
    struct err err;
    struct buf code = {0};
    struct buf sql = {0};
    struct buf again_sql = {0};
    struct expr *again;
    where_encode(expr, &code);
    if (!where_decode(buf_view(&code), scope, mem, &again, &err)) {
        abort();
    }
    where_sql(expr, scope, &sql);
    where_sql(again, scope, &again_sql);
    if (!view_equal(buf_view(&sql), buf_view(&again_sql))) {
        abort();
    }
    evaluate(again, mem);
    buf_free(&code);
    buf_free(&sql);
    buf_free(&again_sql);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct err err;
    struct sql_node *tree;
    struct expr *expr;
    struct where_column columns[COLUMNS];
    struct where_param param = {true, view_str("10")};
    struct where_scope scope = {columns, COLUMNS, &param, 1, {0}};
    struct arena *mem = arena_new(64u << 20);
    for (size_t i = 0; i < COLUMNS; i++) {
        columns[i] =
            (struct where_column){view_str(table[i].name), where_type_by_oid(table[i].oid), false};
    }
    if (size > 0 && data[0] == 0) {
        if (where_decode((struct view){data + 1, size - 1}, &scope, mem, &expr, &err)) {
            evaluate(expr, mem);
        }
    } else if (sql_parse_where((struct view){data, size}, mem, &tree, &err) &&
               where_check_tree(tree, &scope, mem, &expr, &err)) {
        round_trip(expr, &scope, mem);
    }
    arena_free(mem);
    return 0;
}
