/* Functions and `||` on an array of any type, typed: their elements have the array's own type. */
#include "common/core/where_build.h"
#include "common/core/where_fn.h"

static struct where_type
element_of(struct where_type array)
{
    array.is_array = false;
    return array;
}

static struct expr *
no_overload(struct where_builder *b, const struct where_fn *fn, struct expr *const *args,
            int32_t location)
{
    return where_fail(b, location, "Could not select a function overload for %s(%s%s%s)", fn->name,
                      where_type_name(args[0]->type), fn->arg_count > 1 ? ", " : "",
                      fn->arg_count > 1 ? where_type_name(args[1]->type) : "");
}

static bool
is_string(struct where_type type)
{
    return type.base == WT_TEXT || type.base == WT_VARCHAR || type.base == WT_BPCHAR ||
           type.base == WT_NAME;
}

/*
 * Strings become one another either way: there Postgres takes the type that it meets first, and
 * with an element before its array the array would become one of another type.
 */
static bool
turns_array(const struct where_fn *fn, struct expr *const *args)
{
    return fn->kind == FN_ELEMENT_ARRAY && is_string(args[0]->type) && is_string(args[1]->type) &&
           args[0]->type.base != args[1]->type.base;
}

struct expr *
where_make_array_call(struct where_builder *b, const struct where_fn *fn, struct expr *const *args,
                      int32_t location)
{
    size_t place = fn->kind == FN_ELEMENT_ARRAY ? 1 : 0; /* of the array */
    struct where_type array = args[place]->type;
    if (!array.is_array || turns_array(fn, args)) {
        return no_overload(b, fn, args, location);
    }
    struct expr *expr = where_make(b, EXPR_CALL, location, fn->arg_count);
    expr->fn = fn;
    expr->type = array;
    if (fn->kind == FN_OF_ARRAY) {
        expr->type = (struct where_type){.base = fn->result};
    }
    for (size_t i = 0; i < fn->arg_count; i++) {
        struct where_type wanted =
            fn->kind == FN_OF_ARRAY ? (struct where_type){.base = WT_INT4} : element_of(array);
        /* NOLINTNEXTLINE(clang-analyzer-core.CallAndMessage): the row's arguments are all given */
        expr->args[i] = i == place ? args[i] : where_coerce(b, args[i], wanted);
        if (expr->args[i] == NULL) {
            return NULL;
        }
    }
    return where_fold(b, expr);
}

struct expr *
where_make_element_concat(struct where_builder *b, struct expr *left, struct expr *right,
                          int32_t location)
{
    struct expr *const args[2] = {left, right};
    const char *name = left->type.is_array ? "array_append" : "array_prepend";
    return where_make_array_call(b, where_fn_of_array(view_str(name), 2), args, location);
}
