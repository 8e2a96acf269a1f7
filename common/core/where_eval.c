#include "common/core/where_eval.h"

#include <string.h>

#include "common/core/where_array.h"
#include "common/core/where_cast.h"
#include "common/core/where_datetime.h"
#include "common/core/where_fn.h"
#include "common/core/where_memo.h"
#include "common/core/where_ops.h"

/* More than a call takes whose result's size the data does not decide: digits of numbers, the
 * states of a regular expression. */
#define CALL_ROOM ((size_t)256 * 1024)

static bool eval(const struct expr *expr, struct where_row *row, struct where_value *out,
                 struct err *err);

static const struct where_value null_value = {.is_null = true};

static struct where_value
truth_value(bool boolean)
{
    return (struct where_value){.boolean = boolean};
}

/* Where what is not kept for the row lives. */
static struct arena *
scratch_mem(const struct where_row *row)
{
    return row->tmp != NULL ? row->tmp : row->mem;
}

static bool
eval_column(const struct expr *expr, struct where_row *row, struct where_value *out,
            struct err *err)
{
    ASSERT(expr->column < row->field_count);
    struct where_field *field = &row->fields[expr->column];
    if (field->is_null) {
        *out = null_value;
        return true;
    }
    if (!field->is_parsed) {
        if (!where_value_parse(expr->type, field->text, row->mem, &field->value, err)) {
            return false;
        }
        field->is_parsed = true;
    }
    *out = field->value;
    return true;
}

/*
 * A date beside a timestamp: Postgres compares the two without making a timestamp of the date, so
 * one behind the last timestamp is no error but later than any.
 */
static bool
eval_compared(const struct expr *expr, struct where_row *row, struct where_value *out,
              struct err *err)
{
    bool is_stamp = expr->type.base == WT_TIMESTAMP || expr->type.base == WT_TIMESTAMPTZ;
    if (expr->kind != EXPR_CONVERT || !expr->is_implicit || !is_stamp ||
        expr->args[0]->type.base != WT_DATE) {
        return eval(expr, row, out, err);
    }
    if (!eval(expr->args[0], row, out, err)) {
        return false;
    }
    if (out->is_null) {
        return true;
    }
    struct err ignored;
    struct where_scratch scratch = {.mem = scratch_mem(row), .err = &ignored};
    if (!where_cast_convert(&scratch, expr->args[0]->type, expr->type, out, out)) {
        out->integer = DATETIME_INFINITY - 1;
    }
    return true;
}

static bool
call(const struct expr *expr, struct where_type arg_type, struct where_row *row,
     const struct where_value *args, struct where_value *out, struct err *err)
{
    struct where_scratch scratch = {.mem = scratch_mem(row),
                                    .err = err,
                                    .arg_type = arg_type,
                                    .result = expr->fn->result,
                                    .regex = expr->regex};
    struct where_value result = {0};
    if (arena_room(scratch.mem) < CALL_ROOM) {
        return err_set(err, ERR_INVALID, "more memory than an evaluation may take");
    }
    if (!expr->fn->impl(&scratch, args, &result)) {
        return false;
    }
    *out = result;
    return true;
}

static bool
eval_call(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    struct where_value args[WHERE_FN_ARGS];
    bool has_null = false;
    bool is_compared = expr->fn->result == WT_BOOL &&
                       (expr->fn->args[0] == WT_TIMESTAMP || expr->fn->args[0] == WT_TIMESTAMPTZ);
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!(is_compared ? eval_compared(expr->args[i], row, &args[i], err)
                          : eval(expr->args[i], row, &args[i], err))) {
            return false;
        }
        has_null = has_null || args[i].is_null;
    }
    if (has_null && (expr->fn->flags & FN_TAKES_NULL) == 0) {
        *out = null_value; /* only now: an argument that fails does so whatever the others are */
        return true;
    }
    return call(expr, expr->args[0]->type, row, args, out, err);
}

/*
 * AND and OR stop at the first value that decides. An error counts only when no other part decides:
 * Postgres may look at the parts in any order.
 */
static bool
eval_junction(const struct expr *expr, struct where_row *row, struct where_value *out,
              struct err *err)
{
    bool deciding = expr->kind == EXPR_OR;
    bool failed = false;
    struct where_value result = truth_value(!deciding);
    for (size_t i = 0; i < expr->arg_count; i++) {
        struct where_value value;
        struct err ignored;
        if (!eval(expr->args[i], row, &value, failed ? &ignored : err)) {
            failed = true;
        } else if (value.is_null) {
            result = null_value;
        } else if (value.boolean == deciding) {
            *out = truth_value(deciding);
            return true;
        }
    }
    *out = result;
    return !failed;
}

static bool
eval_test(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    /* IS NULL asks of a column only whether it is there: a value that we cannot read has an answer
     * too. */
    struct where_value value;
    if (expr->kind == EXPR_IS_NULL && expr->args[0]->kind == EXPR_COLUMN) {
        value = row->fields[expr->args[0]->column].is_null ? null_value : truth_value(true);
    } else if (!eval(expr->args[0], row, &value, err)) {
        return false;
    }
    bool holds = value.is_null;
    if (expr->kind == EXPR_IS_TRUE || expr->kind == EXPR_IS_FALSE) {
        holds = !value.is_null && value.boolean == (expr->kind == EXPR_IS_TRUE);
    }
    *out = truth_value(holds != expr->is_negated);
    return true;
}

static bool
eval_distinct(const struct expr *expr, struct where_row *row, struct where_value *out,
              struct err *err)
{
    struct where_value a;
    struct where_value b;
    if (!eval_compared(expr->args[0], row, &a, err) ||
        !eval_compared(expr->args[1], row, &b, err)) {
        return false;
    }
    bool distinct = a.is_null != b.is_null;
    if (!a.is_null && !b.is_null) {
        distinct = where_value_compare(expr->args[0]->type, &a, &b) != 0;
    }
    *out = truth_value(distinct != expr->is_negated);
    return true;
}

/* op ANY is an OR over the elements, op ALL an AND: a NULL element makes "unknown" unless decided.
 */
static bool
eval_any(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    struct where_value args[2];
    struct where_value array;
    bool deciding = expr->kind == EXPR_ANY;
    if (!eval_compared(expr->args[0], row, &args[0], err) ||
        !eval(expr->args[1], row, &array, err)) {
        return false;
    }
    if (array.is_null) {
        *out = null_value;
        return true;
    }
    struct where_value result = truth_value(!deciding);
    for (size_t i = 0; i < array.array.count; i++) {
        struct where_value one = null_value;
        args[1] = array.array.items[i];
        if (!args[0].is_null && !args[1].is_null &&
            !call(expr, expr->args[0]->type, row, args, &one, err)) {
            return false;
        }
        if (one.is_null) {
            result = null_value;
        } else if (one.boolean == deciding) {
            *out = one;
            return true;
        }
    }
    *out = result;
    return true;
}

static bool
eval_coalesce(const struct expr *expr, struct where_row *row, struct where_value *out,
              struct err *err)
{
    *out = null_value;
    for (size_t i = 0; i < expr->arg_count && out->is_null; i++) {
        if (!eval(expr->args[i], row, out, err)) {
            return false;
        }
    }
    return true;
}

static bool
eval_extreme(const struct expr *expr, struct where_row *row, struct where_value *out,
             struct err *err)
{
    struct where_value best = null_value;
    for (size_t i = 0; i < expr->arg_count; i++) {
        struct where_value value;
        if (!eval(expr->args[i], row, &value, err)) {
            return false;
        }
        if (value.is_null) {
            continue;
        }
        int order = best.is_null ? 0 : where_value_compare(expr->type, &value, &best);
        if (best.is_null || (expr->kind == EXPR_GREATEST ? order > 0 : order < 0)) {
            best = value;
        }
    }
    *out = best;
    return true;
}

static bool
eval_concat(const struct expr *expr, struct where_row *row, struct where_value *out,
            struct err *err)
{
    struct where_value *parts = arena_alloc(scratch_mem(row), expr->arg_count + 1, sizeof *parts);
    size_t size = 0;
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!eval(expr->args[i], row, &parts[i], err)) {
            return false;
        }
        size += parts[i].is_null ? 0 : parts[i].text.size;
    }
    struct where_scratch scratch = {.mem = scratch_mem(row), .err = err};
    uint8_t *bytes;
    if (!where_take(&scratch, size, &bytes)) {
        return false;
    }
    size_t used = 0;
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!parts[i].is_null && parts[i].text.size > 0) {
            memcpy(bytes + used, parts[i].text.bytes, parts[i].text.size);
            used += parts[i].text.size;
        }
    }
    *out = (struct where_value){.text = {bytes, size}};
    return true;
}

static bool
eval_array(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    struct where_value *items = arena_alloc(scratch_mem(row), expr->arg_count + 1, sizeof *items);
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!eval(expr->args[i], row, &items[i], err)) {
            return false;
        }
    }
    *out = (struct where_value){.array = {
                                    .count = expr->arg_count,
                                    .dimension_count = expr->arg_count > 0 ? 1 : 0,
                                    .dimensions = {expr->arg_count},
                                    .items = items,
                                }};
    return true;
}

/* As many subscripts as dimensions, each within bounds; else NULL, as in Postgres. */
static bool
eval_index(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    struct where_value array;
    if (!eval(expr->args[0], row, &array, err)) {
        return false;
    }
    size_t place = 0;
    bool inside = !array.is_null && array.array.dimension_count == expr->arg_count - 1;
    for (size_t i = 1; i < expr->arg_count; i++) {
        struct where_value subscript;
        if (!eval(expr->args[i], row, &subscript, err)) {
            return false;
        }
        inside = inside && !subscript.is_null && subscript.integer >= 1 &&
                 (uint64_t)subscript.integer <= array.array.dimensions[i - 1];
        if (inside) {
            place = place * array.array.dimensions[i - 1] + (size_t)(subscript.integer - 1);
        }
    }
    *out = inside ? array.array.items[place] : null_value;
    return true;
}

/* Bounds beyond the array's are the array's; NULL for a NULL bound, nothing for no overlap. */
static bool
eval_slice(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    struct where_value array;
    struct where_value bounds[2 * WHERE_ARRAY_DIMENSIONS];
    if (!eval(expr->args[0], row, &array, err)) {
        return false;
    }
    bool is_null = array.is_null;
    for (size_t i = 1; i < expr->arg_count; i++) {
        if (!eval(expr->args[i], row, &bounds[i - 1], err)) {
            return false;
        }
        is_null = is_null || bounds[i - 1].is_null;
    }
    *out = null_value;
    if (!is_null) {
        *out = (struct where_value){0};
        if (array.array.count >= arena_room(scratch_mem(row)) / 2 / sizeof array) {
            return err_set(err, ERR_INVALID, "an array of more bytes than an evaluation may take");
        }
        where_array_slice(&array.array, bounds, expr->arg_count / 2, scratch_mem(row), &out->array);
    }
    return true;
}

/* Only what is chosen is evaluated: `CASE WHEN n <> 0 THEN 1 / n END` never fails. */
static bool
eval_case(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    for (size_t i = 1; i + 1 < expr->arg_count; i += 2) {
        struct where_value condition;
        if (!eval(expr->args[i], row, &condition, err)) {
            return false;
        }
        if (!condition.is_null && condition.boolean) {
            return eval(expr->args[i + 1], row, out, err);
        }
    }
    return eval(expr->args[0], row, out, err);
}

/* A column's text is Postgres' own; bool alone is spelled in full by a cast, though not to a name.
 */
static bool
eval_to_text(const struct expr *expr, struct where_row *row, struct where_value *out,
             struct err *err)
{
    const struct expr *arg = expr->args[0];
    bool is_to_name = expr->type.base == WT_NAME;
    bool is_bool = arg->type.base == WT_BOOL && !arg->type.is_array;
    struct where_value value;
    if (arg->kind == EXPR_COLUMN && arg->type.base != WT_BPCHAR && !is_bool) {
        const struct where_field *field = &row->fields[arg->column];
        value = field->is_null ? null_value : (struct where_value){.text = field->text};
    } else if (!eval(arg, row, &value, err)) {
        return false;
    } else if (!value.is_null && is_bool && is_to_name) {
        value = (struct where_value){.text = view_str(value.boolean ? "t" : "f")};
    } else if (!value.is_null) {
        struct where_scratch scratch = {.mem = scratch_mem(row), .err = err};
        if (!where_cast_to_text(&scratch, arg->type, &value, &value)) {
            return false;
        }
    }
    if (is_to_name && !value.is_null) {
        value.text = where_value_name(value.text);
    }
    *out = value;
    return true;
}

static bool
eval_conversion(const struct expr *expr, struct where_row *row, struct where_value *out,
                struct err *err)
{
    struct where_value value;
    if (!eval(expr->args[0], row, &value, err)) {
        return false;
    }
    if (value.is_null) {
        *out = null_value;
        return true;
    }
    if (expr->kind == EXPR_FROM_TEXT) {
        return where_value_parse(expr->type, value.text, scratch_mem(row), out, err);
    }
    struct where_scratch scratch = {
        .mem = scratch_mem(row), .err = err, .arg_type = expr->args[0]->type};
    return where_cast_convert(&scratch, expr->args[0]->type, expr->type, &value, out);
}

static bool
eval_node(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    switch (expr->kind) {
    case EXPR_CONST:
        *out = expr->value;
        return true;
    case EXPR_COLUMN:
        return eval_column(expr, row, out, err);
    case EXPR_CALL:
        return eval_call(expr, row, out, err);
    case EXPR_AND:
    case EXPR_OR:
        return eval_junction(expr, row, out, err);
    case EXPR_NOT:
        if (!eval(expr->args[0], row, out, err)) {
            return false;
        }
        out->boolean = !out->is_null && !out->boolean;
        return true;
    case EXPR_IS_NULL:
    case EXPR_IS_TRUE:
    case EXPR_IS_FALSE:
    case EXPR_IS_UNKNOWN:
        return eval_test(expr, row, out, err);
    case EXPR_DISTINCT:
        return eval_distinct(expr, row, out, err);
    case EXPR_ANY:
    case EXPR_ALL:
        return eval_any(expr, row, out, err);
    case EXPR_COALESCE:
        return eval_coalesce(expr, row, out, err);
    case EXPR_GREATEST:
    case EXPR_LEAST:
        return eval_extreme(expr, row, out, err);
    case EXPR_CONCAT:
        return eval_concat(expr, row, out, err);
    case EXPR_ARRAY:
        return eval_array(expr, row, out, err);
    case EXPR_INDEX:
        return eval_index(expr, row, out, err);
    case EXPR_TO_TEXT:
        return eval_to_text(expr, row, out, err);
    case EXPR_FROM_TEXT:
    case EXPR_CONVERT:
        return eval_conversion(expr, row, out, err);
    case EXPR_CASE:
        return eval_case(expr, row, out, err);
    case EXPR_SLICE:
        return eval_slice(expr, row, out, err);
    }
    return err_set(err, ERR_INVALID, "expression of unknown kind %d", (int)expr->kind);
}

/* A value that lives as long as the row. */
static bool
eval_kept(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    struct arena *tmp = row->tmp;
    row->tmp = NULL;
    bool ok = eval_node(expr, row, out, err);
    row->tmp = tmp;
    return ok;
}

static bool
eval(const struct expr *expr, struct where_row *row, struct where_value *out, struct err *err)
{
    struct expr_memo *memo = expr->memo;
    if (memo == NULL) {
        return eval_node(expr, row, out, err);
    }
    if (memo->row != *memo->current_row) {
        if (!eval_kept(expr, row, &memo->value, err)) {
            return false;
        }
        memo->row = *memo->current_row;
    }
    *out = memo->value;
    return true;
}

bool
where_eval_value(const struct expr *expr, struct where_row *row, struct where_value *value_out,
                 struct err *err)
{
    struct arena *tmp = row->tmp;
    row->tmp = NULL;
    bool ok = eval(expr, row, value_out, err);
    row->tmp = tmp;
    return ok;
}

enum where_truth
where_eval_truth(const struct expr *expr, struct where_row *row, struct err *err)
{
    struct where_value value;
    if (row->tmp != NULL) {
        arena_reset(row->tmp);
    }
    if (!eval(expr, row, &value, err)) {
        return WHERE_ERROR;
    }
    if (value.is_null) {
        return WHERE_UNKNOWN;
    }
    return value.boolean ? WHERE_TRUE : WHERE_FALSE;
}
