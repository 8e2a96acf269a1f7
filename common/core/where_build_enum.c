/*
 * Enums while a clause is typed. A label is text to us; two of one enum are equal as texts are.
 *
 * Their order is the catalogue's, as it was when the clause was made, and a comparison carries it:
 * ALTER TYPE, ADD VALUE puts new labels between the others and never moves these, and a row with a
 * label that the clause does not know is an error, which ends the shape.
 */
#include "common/core/where_array.h"
#include "common/core/where_build.h"
#include "common/core/where_fn.h"

/* Postgres compares only values of one and the same enum. */
static bool
is_enum_pair(const struct expr *left, const struct expr *right)
{
    bool left_enum = left->type.base == WT_ENUM && !left->type.is_array;
    bool right_enum = right->type.base == WT_ENUM && !right->type.is_array;
    if (left_enum && right_enum) {
        return left->type.oid == right->type.oid;
    }
    return (left_enum && right->type.base == WT_UNKNOWN && !right->type.is_array) ||
           (right_enum && left->type.base == WT_UNKNOWN && !left->type.is_array);
}

/* The labels of an enum in their order: a constant of text[], or NULL when nobody knows them. */
static struct expr *
labels_of(struct where_builder *b, uint32_t oid)
{
    const struct where_scope *scope = b->scope;
    struct err ignored;
    for (size_t i = 0; scope->enum_labels != NULL && i < scope->column_count; i++) {
        struct where_type type = scope->columns[i].type;
        if (type.base != WT_ENUM || type.oid != oid || scope->enum_labels[i].size == 0) {
            continue;
        }
        struct expr *labels = where_make(b, EXPR_CONST, -1, 0);
        labels->type = (struct where_type){.base = WT_TEXT, .is_array = true};
        return where_value_parse(labels->type, scope->enum_labels[i], b->mem, &labels->value,
                                 &ignored)
                   ? labels
                   : NULL;
    }
    return NULL;
}

bool
where_check_label(struct where_builder *b, struct where_type type, const struct where_value *value,
                  int32_t location)
{
    const struct expr *labels = labels_of(b, type.oid);
    size_t count = type.is_array ? value->array.count : 1;
    for (size_t i = 0; i < count && labels != NULL; i++) {
        const struct where_value *item = type.is_array ? &value->array.items[i] : value;
        if (!item->is_null && where_label_place(&labels->value.array, item->text) < 0) {
            where_fail(b, location, "invalid input value for enum: \"%.*s\"",
                       (int)(item->text.size < 64 ? item->text.size : 64),
                       (const char *)item->text.bytes);
            return false;
        }
    }
    return true;
}

struct expr *
where_make_enum_comparison(struct where_builder *b, struct view name, struct expr *left,
                           struct expr *right, int32_t location)
{
    const struct where_fn *fn = where_fn_comparison(name, WT_ENUM);
    struct expr *labels = NULL;
    if (!is_enum_pair(left, right)) {
        return where_fail(b, location, "Could not select an operator overload");
    }
    struct where_type type = left->type.base == WT_ENUM ? left->type : right->type;
    if (fn == NULL) {
        fn = where_fn_enum_order(name);
        labels = labels_of(b, type.oid);
        if (fn == NULL || labels == NULL) {
            return where_fail(b, location, "Could not select an operator overload");
        }
    }
    struct expr *expr = where_make(b, EXPR_CALL, location, fn->arg_count);
    expr->fn = fn;
    expr->type.base = WT_BOOL;
    expr->args[0] = where_coerce(b, left, type);
    expr->args[1] = expr->args[0] == NULL ? NULL : where_coerce(b, right, type);
    if (expr->args[1] == NULL) {
        return NULL;
    }
    if (labels != NULL) {
        expr->args[2] = labels;
    }
    return where_fold(b, expr);
}
