/*
 * oracle_probe - the where language on standard input, for tests that compare it with Postgres.
 *
 * A line is a letter, a blank and fields between tabs, written as COPY's text form writes them
 * (\t \n \r \\ escaped, \N for NULL):
 *
 *     C name type_oid [e|a {label,…}]    a column (e: an enum, a: an array of one)
 *     R field…               a row, kept; "R" alone forgets all rows
 *     T                      the operators, functions and casts that there are, until an empty line
 *     W clause param…        its truth for every row: "OK uses truths sql", or "ERR text"
 *     V expression param…    its value for every row: "OK uses sql value…", or as above
 *     I clause param…        its identity: "OK sql", or "ERR text"
 *
 * Truths are one letter for each row: t, f, n or e for an error. Values are fields; an error is \E.
 * Uses name what the typed clause is made of: f3 row 3 of the table, c:int4>int8 a cast, s:IN a
 * form of the grammar.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/copy_text.h"
#include "common/core/where_cast.h"
#include "common/core/where_code.h"
#include "common/core/where_eval.h"
#include "common/core/where_sql.h"
#include "common/mem.h"
#include "common/sql_guard.h"
#include "common/sql_parse.h"

#define COLUMNS_MAX 96
#define ROWS_MAX    1024
#define FIELDS_MAX  96

static struct where_column columns[COLUMNS_MAX];
static struct where_param params[FIELDS_MAX];
static struct view labels[COLUMNS_MAX];
static struct where_scope scope = {.columns = columns, .params = params, .enum_labels = labels};

static struct where_field *rows[ROWS_MAX];
static size_t row_count;
static struct arena *rows_mem;
static struct arena *clause_mem;
static struct arena *row_mem;

/* ---- lines */

static size_t
split(char *line, struct copy_field *fields)
{
    size_t count = 1;
    for (const char *c = line; *c != '\0'; c++) {
        count += *c == '\t';
    }
    struct copy_rows all = {(uint8_t *)line, (uint8_t *)line + strlen(line)};
    *all.end++ = '\n';
    struct err err;
    if (count > FIELDS_MAX || !copy_rows_next(&all, fields, count, &err)) {
        fprintf(stderr, "oracle_probe: bad line\n");
        exit(2);
    }
    return count;
}

static void
print_field(struct view text)
{
    for (size_t i = 0; i < text.size; i++) {
        switch (text.bytes[i]) {
        case '\\':
            fputs("\\\\", stdout);
            break;
        case '\t':
            fputs("\\t", stdout);
            break;
        case '\n':
            fputs("\\n", stdout);
            break;
        case '\r':
            fputs("\\r", stdout);
            break;
        default:
            putchar(text.bytes[i]);
        }
    }
}

static struct view
keep(struct view text, struct arena *mem)
{
    uint8_t *copy = arena_alloc(mem, text.size + 1, 1);
    if (text.size > 0) {
        memcpy(copy, text.bytes, text.size);
    }
    return (struct view){copy, text.size};
}

static void
add_column(const char *line)
{
    char name[64];
    unsigned oid;
    char kind = 0;
    int used = 0;
    if (scope.column_count == COLUMNS_MAX ||
        sscanf(line, "%63s %u %c %n", name, &oid, &kind, &used) < 2) {
        exit(2);
    }
    struct where_column *column = &columns[scope.column_count++];
    column->name = keep(view_str(name), rows_mem);
    column->type = where_type_by_oid(oid);
    if (kind == 'e' || kind == 'a') {
        column->type = (struct where_type){.base = WT_ENUM, .is_array = kind == 'a', .oid = oid};
        labels[scope.column_count - 1] = keep(view_str(used > 0 ? line + used : ""), rows_mem);
    }
}

static void
add_row(char *line)
{
    struct copy_field fields[FIELDS_MAX];
    if (line[0] == '\0') {
        row_count = 0;
        return;
    }
    size_t count = split(line + 1, fields);
    if (row_count == ROWS_MAX || count != scope.column_count) {
        exit(2);
    }
    struct where_field *row = arena_alloc(rows_mem, count, sizeof *row);
    for (size_t i = 0; i < count; i++) {
        row[i].is_null = fields[i].is_null;
        row[i].text = keep(fields[i].text, rows_mem);
    }
    rows[row_count++] = row;
}

/* ---- the table */

static void
print_table(void)
{
    static const char *const kinds[] = {
        [FN_OPERATOR] = "operator",
        [FN_FUNCTION] = "function",
        [FN_ARRAY] = "array",
        [FN_OF_ARRAY] = "of array",
        [FN_ARRAY_ELEMENT] = "array, element",
        [FN_ELEMENT_ARRAY] = "element, array",
    };
    for (size_t i = 0; i < where_fn_count; i++) {
        const struct where_fn *fn = &where_fns[i];
        if (fn->impl == NULL) {
            continue;
        }
        printf("F\t%zu\t%s\t%s\t%s", i, kinds[fn->kind], fn->name,
               where_type_name((struct where_type){.base = fn->result}));
        size_t shown = (fn->flags & FN_LABELS) != 0 ? 2u : fn->arg_count;
        for (size_t k = 0; k < shown; k++) {
            bool is_element = (fn->kind == FN_ARRAY_ELEMENT && k == 1) ||
                              (fn->kind == FN_ELEMENT_ARRAY && k == 0);
            printf("\t%s", is_element ? "element" : where_type_name(where_fn_arg(fn, k)));
        }
        putchar('\n');
    }
    for (int from = WT_BOOL; from < WHERE_BASE_COUNT; from++) {
        for (int to = WT_BOOL; to < WHERE_BASE_COUNT; to++) {
            struct where_type types[] = {{.base = (enum where_base)from},
                                         {.base = (enum where_base)to}};
            if (from != to && where_cast_exists(types[0], types[1])) {
                printf("K\t%s\t%s\n", where_type_name(types[0]), where_type_name(types[1]));
            }
        }
    }
    putchar('\n');
}

/* ---- what a clause is made of */

static const char *const form_names[] = {
    [SQL_PARAM] = "$n",
    [SQL_DISTINCT] = "IS DISTINCT FROM",
    [SQL_NOT_DISTINCT] = "IS NOT DISTINCT FROM",
    [SQL_OP_ANY] = "ANY",
    [SQL_OP_ALL] = "ALL",
    [SQL_NULLIF] = "NULLIF",
    [SQL_IN] = "IN",
    [SQL_NOT_IN] = "NOT IN",
    [SQL_BETWEEN] = "BETWEEN",
    [SQL_AND] = "AND",
    [SQL_OR] = "OR",
    [SQL_NOT] = "NOT",
    [SQL_IS_NULL] = "IS NULL",
    [SQL_IS_TRUE] = "IS TRUE",
    [SQL_IS_FALSE] = "IS FALSE",
    [SQL_IS_UNKNOWN] = "IS UNKNOWN",
    [SQL_CASE] = "CASE",
    [SQL_COALESCE] = "COALESCE",
    [SQL_GREATEST] = "GREATEST",
    [SQL_LEAST] = "LEAST",
    [SQL_ROW] = "ROW",
    [SQL_ARRAY] = "ARRAY[]",
    [SQL_INDEX] = "array[i]",
    [SQL_SLICE] = "array[i:j]",
    [SQL_OTHER] = NULL,
};

static void
add_use(struct buf *uses, const char *use)
{
    buf_append_byte(uses, uses->size > 0 ? ',' : ' ');
    buf_append_str(uses, use);
}

static void
forms_of(const struct sql_node *node, struct buf *uses)
{
    char use[64];
    if (form_names[node->kind] != NULL) {
        bool is_negated = (node->flags & SQL_NEGATED) != 0;
        bool is_symmetric = (node->flags & SQL_SYMMETRIC) != 0;
        snprintf(use, sizeof use, "s:%s%s%s", form_names[node->kind], is_negated ? " (not)" : "",
                 is_symmetric ? " (symmetric)" : "");
        add_use(uses, use);
    } else if (node->kind == SQL_FUNC) {
        struct view name = node->names[node->name_count - 1];
        snprintf(use, sizeof use, "n:%.*s", (int)name.size, (const char *)name.bytes);
        add_use(uses, use);
    }
    for (size_t i = 0; i < node->arg_count; i++) {
        if (node->args[i] != NULL) {
            forms_of(node->args[i], uses);
        }
    }
}

static void
functions_of(const struct expr *expr, struct buf *uses)
{
    char use[64];
    if (expr->fn != NULL) {
        snprintf(use, sizeof use, "f%u", where_fn_number(expr->fn));
        add_use(uses, use);
    }
    if (expr->kind == EXPR_TO_TEXT || expr->kind == EXPR_FROM_TEXT || expr->kind == EXPR_CONVERT) {
        snprintf(use, sizeof use, "c:%s>%s", where_type_name(expr->args[0]->type),
                 where_type_name(expr->type));
        add_use(uses, use);
    }
    for (size_t i = 0; i < expr->arg_count; i++) {
        functions_of(expr->args[i], uses);
    }
}

/* ---- asking */

/* Through every form that a clause takes: text, tree, bytes, tree. NULL: the error is printed. */
static struct expr *
check(struct view text, struct buf *uses)
{
    struct err err;
    struct sql_node *tree;
    struct expr *expr;
    struct expr *again;
    if (!sql_parse_where(text, clause_mem, &tree, &err) ||
        !where_check_tree(tree, &scope, clause_mem, &expr, &err)) {
        fputs("ERR\t", stdout);
        print_field(view_str(err.msg));
        return NULL;
    }
    struct buf code = {0};
    where_encode(expr, &code);
    struct view kept = keep(buf_view(&code), clause_mem);
    buf_free(&code);
    if (!where_decode(kept, &scope, clause_mem, &again, &err)) {
        printf("ERR\tafter encoding: %s", err.msg);
        return NULL;
    }
    forms_of(tree, uses);
    functions_of(again, uses);
    return again;
}

static struct where_row
row_at(size_t i)
{
    static struct where_field fields[COLUMNS_MAX];
    arena_reset(row_mem);
    for (size_t k = 0; k < scope.column_count; k++) {
        fields[k] = rows[i][k];
    }
    return (struct where_row){fields, scope.column_count, row_mem, NULL};
}

static void
print_sql(const struct expr *expr)
{
    struct buf sql = {0};
    where_sql(expr, &scope, &sql);
    print_field(buf_view(&sql));
    buf_free(&sql);
}

static void
ask_truths(struct view clause)
{
    struct buf uses = {0};
    const struct expr *expr = check(clause, &uses);
    if (expr != NULL) {
        printf("OK\t%s\t", uses.size > 0 ? buf_str(&uses) + 1 : "");
        for (size_t i = 0; i < row_count; i++) {
            struct err err;
            struct where_row row = row_at(i);
            putchar("ftne"[where_eval_truth(expr, &row, &err)]);
        }
        putchar('\t');
        print_sql(expr);
    }
    buf_free(&uses);
}

static void
print_value(const struct expr *expr, size_t i)
{
    struct err err;
    struct where_value value;
    struct where_value text;
    struct where_row row = row_at(i);
    struct where_scratch scratch = {.mem = row_mem, .err = &err};
    bool is_known = where_eval_value(expr, &row, &value, &err);
    if (is_known && value.is_null) {
        fputs("\\N", stdout);
    } else if (is_known && where_cast_to_text(&scratch, expr->type, &value, &text)) {
        print_field(text.text);
    } else {
        fputs("\\E", stdout);
    }
}

/* Only a condition can be parsed: `(expression) IS NULL` holds it. */
static void
ask_values(struct view expression)
{
    struct buf uses = {0};
    struct buf clause = {0};
    buf_append_byte(&clause, '(');
    buf_append_view(&clause, expression);
    buf_append_str(&clause, ") IS NULL");
    const struct expr *expr = check(buf_view(&clause), &uses);
    if (expr != NULL && expr->kind != EXPR_IS_NULL) {
        fputs("CONST", stdout);
    } else if (expr != NULL) {
        printf("OK\t%s\t", uses.size > 0 ? buf_str(&uses) + 1 : "");
        print_sql(expr->args[0]);
        for (size_t i = 0; i < row_count; i++) {
            putchar('\t');
            print_value(expr->args[0], i);
        }
    }
    buf_free(&uses);
    buf_free(&clause);
}

static void
ask(char *line)
{
    struct copy_field fields[FIELDS_MAX];
    char letter = line[0];
    size_t count = split(line + 2, fields);
    arena_reset(clause_mem);
    scope.param_count = count - 1;
    for (size_t i = 1; i < count; i++) {
        params[i - 1] = (struct where_param){!fields[i].is_null, keep(fields[i].text, clause_mem)};
    }
    struct view text = keep(fields[0].text, clause_mem);
    if (letter == 'W') {
        ask_truths(text);
    } else if (letter == 'V') {
        ask_values(text);
    } else {
        struct buf uses = {0};
        const struct expr *expr = check(text, &uses);
        if (expr != NULL) {
            fputs("OK\t", stdout);
            print_sql(expr);
        }
        buf_free(&uses);
    }
    putchar('\n');
}

int
main(void)
{
    sql_guard_prepare_stack();
    rows_mem = arena_new(64u << 20);
    clause_mem = arena_new(64u << 20);
    row_mem = arena_new(64u << 20);
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'C') {
            add_column(line + 2);
        } else if (line[0] == 'R') {
            add_row(line + 1);
        } else if (line[0] == 'T') {
            print_table();
        } else if (line[0] != '\0' && line[1] == ' ') {
            ask(line);
        }
        fflush(stdout);
    }
    free(line);
    arena_free(rows_mem);
    arena_free(clause_mem);
    arena_free(row_mem);
    return 0;
}
