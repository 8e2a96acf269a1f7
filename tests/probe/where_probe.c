/*
 * where_probe - the where language on standard input, for tests that compare it with Postgres.
 *
 *     C name type_oid [e|a [{label,…}]]   a column (e: an enum, a: an array of one)
 *     W clause [ ;; param]…      answers "SQL <what Postgres gets>" or "ERR <text>"
 *     R field<TAB>field…         a row in COPY's text form, \N for NULL: answers t, f, n or "ERR
 * <text>"
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/where_code.h"
#include "common/core/where_eval.h"
#include "common/core/where_sql.h"
#include "common/mem.h"
#include "common/sql_guard.h"
#include "common/sql_parse.h"

#define COLUMNS_MAX 64
#define PARAMS_MAX  16

static struct where_column columns[COLUMNS_MAX];
static struct where_param params[PARAMS_MAX];
static struct view labels[COLUMNS_MAX];
static struct where_scope scope = {.columns = columns, .params = params, .enum_labels = labels};

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
    column->name = view_str(mem_dup_str(name));
    column->type = where_type_by_oid(oid);
    if (kind == 'e' || kind == 'a') {
        column->type = (struct where_type){.base = WT_ENUM, .is_array = kind == 'a', .oid = oid};
        labels[scope.column_count - 1] = view_str(mem_dup_str(used > 0 ? line + used : ""));
    }
}

/* On one line, whatever text it quotes. */
static void
answer_error(const char *where, struct err *err)
{
    for (char *c = err->msg; *c != '\0'; c++) {
        *c = *c == '\n' ? ' ' : *c;
    }
    printf("ERR %s%s\n", where, err->msg);
}

/* Through every form that a clause takes: text, tree, SQL, bytes, tree. */
static struct expr *
check(char *line, struct arena *mem)
{
    scope.param_count = 0;
    for (char *next = strstr(line, " ;; "); next != NULL && scope.param_count < PARAMS_MAX;) {
        *next = '\0';
        char *value = next + 4;
        next = strstr(value, " ;; ");
        params[scope.param_count++] =
            (struct where_param){true, {(const uint8_t *)value, strlen(value)}};
        if (next != NULL) {
            params[scope.param_count - 1].value.size = (size_t)(next - value);
        }
    }
    struct err err;
    struct sql_node *tree;
    struct expr *expr;
    struct expr *again;
    if (!sql_parse_where(view_str(line), mem, &tree, &err) ||
        !where_check_tree(tree, &scope, mem, &expr, &err)) {
        answer_error("", &err);
        return NULL;
    }
    struct buf code = {0};
    where_encode(expr, &code);
    uint8_t *kept = arena_alloc(mem, code.size, 1);
    memcpy(kept, code.bytes, code.size);
    bool ok = where_decode((struct view){kept, code.size}, &scope, mem, &again, &err);
    buf_free(&code);
    if (!ok) {
        answer_error("after encoding: ", &err);
        return NULL;
    }
    struct buf sql = {0};
    where_sql(again, &scope, &sql);
    printf("SQL %s\n", buf_str(&sql));
    buf_free(&sql);
    return again;
}

static void
evaluate(const struct expr *expr, char *line, struct arena *mem)
{
    static const char *const truths[] = {"f", "t", "n"};
    struct where_field fields[COLUMNS_MAX] = {0};
    size_t count = 0;
    for (char *next = line; next != NULL && count < COLUMNS_MAX; count++) {
        char *value = strsep(&next, "\t");
        fields[count].is_null = strcmp(value, "\\N") == 0;
        fields[count].text = view_str(value);
    }
    struct where_row row = {fields, scope.column_count, mem, NULL};
    struct err err;
    enum where_truth truth = where_eval_truth(expr, &row, &err);
    if (truth == WHERE_ERROR) {
        answer_error("", &err);
    } else {
        printf("%s\n", truths[truth]);
    }
}

int
main(void)
{
    sql_guard_prepare_stack();
    struct arena *clause_mem = arena_new(64u << 20);
    struct arena *row_mem = arena_new(64u << 20);
    struct expr *expr = NULL;
    char *line = NULL;
    size_t capacity = 0;
    while (getline(&line, &capacity, stdin) > 0) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == 'C') {
            add_column(line + 2);
        } else if (line[0] == 'W') {
            arena_reset(clause_mem);
            expr = check(line + 2, clause_mem);
        } else if (line[0] == 'R' && expr != NULL) {
            evaluate(expr, line + 2, row_mem);
            arena_reset(row_mem);
        }
        fflush(stdout);
    }
    for (size_t i = 0; i < scope.column_count; i++) {
        mem_free((void *)(uintptr_t)columns[i].name.bytes);
        mem_free((void *)(uintptr_t)labels[i].bytes);
    }
    free(line);
    arena_free(clause_mem);
    arena_free(row_mem);
    return 0;
}
