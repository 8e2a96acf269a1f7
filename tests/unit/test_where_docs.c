/*
 * docs/where.md lists every operator, function and cast that there is (UPDATE_DOCS=1 in the
 * environment writes it).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/buf.h"
#include "common/core/where_cast.h"
#include "common/core/where_fn.h"

#define DOC "docs/where.md"
#define MARKER \
    "<!-- written from the table in code: UPDATE_DOCS=1 build/release/bin/test_where_docs -->\n"

static bool
is_word(const struct where_fn *fn)
{
    return fn->name[0] >= 'a' && fn->name[0] <= 'z';
}

static const char *
arg_name(const struct where_fn *fn, size_t place)
{
    bool is_array = fn->kind == FN_ARRAY || (fn->kind == FN_ELEMENT_ARRAY) == (place == 1);
    if (fn->args[place] == WT_UNKNOWN) {
        return is_array ? "any[]" : "any";
    }
    return where_type_name(where_fn_arg(fn, place));
}

/* int4, int4: what takes two of it and gives it or a truth; else arguments and result. */
static void
append_signature(const struct where_fn *fn, struct buf *out)
{
    const char *result = fn->result == WT_UNKNOWN
                             ? "any[]"
                             : where_type_name((struct where_type){.base = fn->result});
    bool is_plain = fn->kind == FN_OPERATOR && fn->arg_count == 2 && fn->args[0] == fn->args[1] &&
                    (fn->result == fn->args[0] || fn->result == WT_BOOL) &&
                    (fn->flags & FN_TEXT_ARRAY) == 0;
    if (is_plain) {
        buf_append_str(out, arg_name(fn, 0));
        return;
    }
    buf_append_byte(out, '(');
    for (size_t i = 0; i < fn->arg_count; i++) {
        buf_append_str(out, i > 0 ? ", " : "");
        buf_append_str(out, arg_name(fn, i));
    }
    buf_printf(out, ") → %s", result);
}

static void
append_name(const char *name, struct buf *out)
{
    buf_append_byte(out, '`');
    for (; *name != '\0'; name++) {
        buf_append_str(out, *name == '|' ? "\\" : "");
        buf_append_byte(out, (uint8_t)*name);
    }
    buf_append_byte(out, '`');
}

static bool
is_first_of_name(size_t place, bool words)
{
    for (size_t i = 0; i < place; i++) {
        if (where_fns[i].impl != NULL && strcmp(where_fns[i].name, where_fns[place].name) == 0) {
            return false;
        }
    }
    return where_fns[place].impl != NULL && is_word(&where_fns[place]) == words;
}

static void
append_rows(bool words, struct buf *out)
{
    buf_printf(out, "| %s | types |\n|---|---|\n", words ? "function" : "operator");
    for (size_t i = 0; i < where_fn_count; i++) {
        if (!is_first_of_name(i, words)) {
            continue;
        }
        buf_append_str(out, "| ");
        append_name(where_fns[i].name, out);
        const char *between = " | ";
        for (size_t k = i; k < where_fn_count; k++) {
            if (where_fns[k].impl != NULL && strcmp(where_fns[k].name, where_fns[i].name) == 0) {
                buf_append_str(out, between);
                append_signature(&where_fns[k], out);
                between = "; ";
            }
        }
        buf_append_str(out, " |\n");
    }
}

static void
append_cast_row(enum where_base from, struct buf *out)
{
    static const char *const titles[] = {" | ", " | "};
    buf_printf(out, "| %s", where_type_name((struct where_type){.base = from}));
    for (size_t implicit = 0; implicit < 2; implicit++) {
        const char *between = titles[implicit];
        for (enum where_base to = WT_BOOL; to < WT_ENUM; to++) {
            struct where_type types[2] = {{.base = from}, {.base = to}};
            bool is_one = from != to && where_cast_exists(types[0], types[1]) &&
                          where_cast_is_implicit(types[0], types[1]) == (implicit == 0);
            if (is_one) {
                buf_printf(out, "%s%s", between, where_type_name(types[1]));
                between = ", ";
            }
        }
        buf_append_str(out, between == titles[implicit] ? " |" : "");
    }
    buf_append_str(out, " |\n");
}

static void
append_casts(struct buf *out)
{
    buf_append_str(out, "| from | by itself to | when it is written, also to |\n|---|---|---|\n");
    for (enum where_base from = WT_BOOL; from < WT_ENUM; from++) {
        append_cast_row(from, out);
    }
}

static void
the_document_lists_what_there_is(void **state)
{
    (void)state;
    struct buf expected = {0};
    buf_append_str(&expected, "\n");
    append_rows(false, &expected);
    buf_append_str(&expected, "\n");
    append_rows(true, &expected);
    buf_append_str(&expected, "\n");
    append_casts(&expected);

    static char doc[1 << 18];
    FILE *file = fopen(DOC, "r+"); /* tests run at the top of the tree */
    assert_non_null(file);
    size_t size = fread(doc, 1, sizeof doc - 1, file);
    doc[size] = '\0';
    char *table = strstr(doc, MARKER);
    assert_non_null(table);
    table += strlen(MARKER);
    if (getenv("UPDATE_DOCS") != NULL) {
        assert_int_equal(fseek(file, table - doc, SEEK_SET), 0);
        (void)fputs(buf_str(&expected), file);
        assert_int_equal(fflush(file), 0);
        assert_int_equal(ftruncate(fileno(file), ftell(file)), 0);
    } else {
        assert_string_equal(table, buf_str(&expected));
    }
    (void)fclose(file);
    buf_free(&expected);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_document_lists_what_there_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
