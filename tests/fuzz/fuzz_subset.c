/*
 * A subset's where and order_by, one behind the other with a newline between: whatever is accepted
 * stays behind the shape's own clause, parses again to one condition and one list, and is the same
 * when it is written again.
 *
 * Covers: common/core/subset.c
 */
#include <stdlib.h>
#include <string.h>

#include "common/core/subset.h"
#include "common/sql_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define SHAPE_WHERE "a = 1 OR b"

static struct shape_def *
make_def(struct arena *mem)
{
    static const struct {
        const char *name;
        uint32_t oid;
    } table[] = {{"a", 23}, {"b", 16}, {"t", 25}, {"z", 1184}, {"r", 1009}};
    struct err err;
    const char *field;
    struct shape_def *def;
    struct sql_node *tree;
    struct column columns[COUNT_OF(table)] = {0};
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        columns[i] = (struct column){.name = view_str(table[i].name),
                                     .type_oid = table[i].oid,
                                     .base_type_oid = table[i].oid,
                                     .type_mod = RELATION_NO_TYPE_MOD,
                                     .type_name = view_str("t"),
                                     .type_kind = 'b',
                                     .key_position = i == 0};
    }
    struct relation relation = {1, view_str("public"), view_str("t"), COUNT_OF(table), columns};
    if (!sql_parse_where(view_str(SHAPE_WHERE), mem, &tree, &err)) {
        abort();
    }
    struct shape_wish wish = {.where = tree};
    if (!shape_def_build(&relation, &wish, &def, &field, &err)) {
        abort();
    }
    return def;
}

static void
check_where(const struct shape_def *def, struct where_scope *scope, struct view text,
            struct arena *mem)
{
    struct err err;
    struct sql_node *tree;
    struct buf sql = {0};
    static struct where_param param = {true, {(const uint8_t *)"10", 2}};
    scope->params = &param;
    scope->param_count = 1;
    if (sql_parse_where(text, mem, &tree, &err) && subset_where(def, scope, tree, &sql, &err)) {
        size_t own = def->where_sql.size;
        struct sql_node *again;
        if (sql.bytes[0] != '(' || memcmp(sql.bytes + 1, def->where_sql.bytes, own) != 0 ||
            memcmp(sql.bytes + 1 + own, ") AND (", 7) != 0) {
            abort();
        }
        if (sql_parse_where(buf_view(&sql), mem, &again, &err)) {
            if (again->kind != SQL_AND) {
                abort();
            }
        } else if (err.kind != ERR_LIMIT) { /* ours is longer and deeper */
            abort();
        }
    }
    buf_free(&sql);
}

static void
check_order(const struct where_scope *scope, struct view text, struct arena *mem)
{
    struct err err;
    struct sql_sort *sorts;
    size_t count;
    struct buf sql = {0};
    struct buf again = {0};
    if (sql_parse_order_by(text, mem, &sorts, &count, &err) &&
        subset_order(scope, sorts, count, &sql, &err)) {
        if (!sql_parse_order_by(buf_view(&sql), mem, &sorts, &count, &err)) {
            if (err.kind != ERR_LIMIT) {
                abort();
            }
        } else if (!subset_order(scope, sorts, count, &again, &err) ||
                   !view_equal(buf_view(&sql), buf_view(&again))) {
            abort();
        }
    }
    buf_free(&sql);
    buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 4096) {
        return 0;
    }
    struct arena *mem = arena_new(64u << 20);
    struct shape_def *def = make_def(mem);
    const struct view queryable[] = {view_str("a"), view_str("t")};
    const uint8_t *cut = size > 0 ? memchr(data, '\n', size) : NULL;
    struct view where = {data, cut != NULL ? (size_t)(cut - data) : size};
    struct view order = cut != NULL ? (struct view){cut + 1, size - where.size - 1} : where;
    for (int restricted = 0; restricted < 2; restricted++) {
        struct where_scope scope =
            subset_scope(def, restricted != 0, queryable, COUNT_OF(queryable), mem);
        check_where(def, &scope, where, mem);
        check_order(&scope, order, mem);
    }
    shape_def_free(def);
    arena_free(mem);
    return 0;
}
