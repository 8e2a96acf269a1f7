/*
 * What the two quoting functions write is one literal and one name to Postgres' grammar, and they
 * say what was put in: in the clause's SQL and in every other statement.
 *
 * Covers: common/core/sql_text.c
 */
#include <string.h>

#include "common/core/sql_text.h"
#include "common/core/where_sql.h"
#include "common/sql_parse.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `name = literal`, and nothing else. */
static void
check(struct view sql, struct view text, struct arena *mem)
{
    struct err err;
    struct sql_node *tree;
    if (!sql_parse_where(sql, mem, &tree, &err)) {
        /* Too many words, or no UTF-8 in an E'' literal: never another reading. */
        ASSERT(err.kind == ERR_LIMIT || strstr(err.msg, "byte sequence") != NULL);
        return;
    }
    ASSERT(tree->kind == SQL_OP && view_is(tree->text, "=") && tree->arg_count == 2);
    ASSERT(tree->args[0]->kind == SQL_COLUMN && tree->args[0]->name_count == 1);
    ASSERT(tree->args[1]->kind == SQL_STRING && view_equal(tree->args[1]->text, text));
    /* Postgres cuts names at 63 bytes; so does its grammar. */
    ASSERT(text.size > 63 || view_equal(tree->args[0]->names[0], text));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf text = {0};
    struct buf sql = {0};
    struct arena *mem = arena_new(64u << 20);
    for (size_t i = 0; i < size && i < 200; i++) { /* no text of Postgres holds a NUL */
        buf_append_byte(&text, data[i] == 0 ? '\'' : data[i]);
    }
    if (text.size == 0) {
        buf_append_byte(&text, '\\');
    }
    sql_quote_name(buf_view(&text), &sql);
    buf_append_str(&sql, " = ");
    sql_quote_literal(buf_view(&text), &sql);
    check(buf_view(&sql), buf_view(&text), mem);
    buf_clear(&sql);
    sql_text_ident(&sql, buf_view(&text));
    buf_append_str(&sql, " = ");
    sql_text_literal(&sql, buf_view(&text));
    check(buf_view(&sql), buf_view(&text), mem);
    buf_clear(&sql);
    sql_text_table(&sql, view_str("public"), buf_view(&text));
    ASSERT(sql.size >= text.size + 9);
    buf_free(&text);
    buf_free(&sql);
    arena_free(mem);
    return 0;
}
