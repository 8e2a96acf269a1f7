/*
 * Any text is a tree or an error that the client can read, as a condition and as ORDER BY; a tree
 * is not deeper than it may be.
 *
 * Covers: common/sql_parse.c common/sql_guard.c
 */
#include <string.h>

#include "common/sql_guard.h"
#include "common/sql_parse.h"
#include "tests/lib/where_gen.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_depth(const struct sql_node *node, unsigned depth)
{
    ASSERT(depth <= SQL_DEPTH_MAX + 1);
    for (size_t i = 0; node != NULL && i < node->arg_count; i++) {
        check_depth(node->args[i], depth + 1);
    }
}

static void
parse(struct view text)
{
    struct err err = {0};
    struct sql_node *tree;
    struct sql_sort *sorts;
    size_t count;
    struct arena *mem = arena_new(64u << 20);
    if (sql_parse_where(text, mem, &tree, &err)) {
        check_depth(tree, 0);
    } else {
        ASSERT(err.msg[0] != '\0' && (err.kind == ERR_INVALID || err.kind == ERR_LIMIT));
    }
    if (sql_parse_order_by(text, mem, &sorts, &count, &err)) {
        ASSERT(count > 0);
        for (size_t i = 0; i < count; i++) {
            check_depth(sorts[i].node, 0);
        }
    }
    arena_free(mem);
}

/* Brackets within brackets: refused before the grammar's stack ends. */
static void
parse_nested(struct fuzz_input *in)
{
    static const char *const opening[] = {"(", "NOT ", "-", "ARRAY[", "(SELECT "};
    struct buf text = {0};
    const char *word = opening[fuzz_input_below(in, COUNT_OF(opening))];
    for (size_t count = fuzz_input_below(in, 256) * fuzz_input_below(in, 256); count > 0; count--) {
        buf_append_str(&text, word);
    }
    buf_append_byte(&text, '1');
    parse(buf_view(&text));
    buf_free(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct buf text = {0};
    sql_guard_prepare_stack();
    switch (fuzz_input_below(&in, 4)) {
    case 0:
        buf_append(&text, in.next, (size_t)(in.end - in.next));
        break;
    case 1:
        where_gen_clause(&in, &text);
        break;
    case 2:
        where_gen_words(&in, &text);
        break;
    default:
        if (fuzz_input_chance(&in, 16)) {
            parse_nested(&in);
        }
        where_gen_clause(&in, &text);
        where_gen_words(&in, &text);
    }
    parse(buf_view(&text));
    buf_free(&text);
    return 0;
}
