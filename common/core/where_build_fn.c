/* Function calls, typed: those of the table, of arrays, concat(), and types that are called as one.
 */
#include "common/core/where_build.h"
#include "common/core/where_fn.h"

/* concat() takes what a type's output function says: t and f, and the blanks of char(n). */
static struct expr *
concat_arg(struct where_builder *b, struct expr *arg)
{
    const struct where_type text = {.base = WT_TEXT};
    if (arg->type.is_array || arg->type.base != WT_BOOL) {
        bool stays = !arg->type.is_array && arg->type.base == WT_BPCHAR;
        return stays ? arg : where_make_cast(b, arg, text, arg->location);
    }
    struct expr *expr = where_make(b, EXPR_CASE, arg->location, 5);
    expr->type = text;
    expr->args[1] = arg;
    expr->args[3] = where_make_not(b, arg);
    for (size_t i = 0; i < 5; i += 2) {
        expr->args[i] = where_make(b, EXPR_CONST, arg->location, 0);
        expr->args[i]->type = text;
        expr->args[i]->value = (struct where_value){.is_null = i == 0};
    }
    expr->args[2]->value.text = view_str("t");
    expr->args[4]->value.text = view_str("f");
    return where_fold(b, expr);
}

static struct expr *
build_concat(struct where_builder *b, const struct sql_node *node)
{
    struct expr *expr = where_make(b, EXPR_CONCAT, node->location, node->arg_count);
    expr->type.base = WT_TEXT;
    for (size_t i = 0; i < node->arg_count; i++) {
        struct expr *arg = where_build(b, node->args[i]);
        expr->args[i] = arg == NULL ? NULL : concat_arg(b, arg);
        if (expr->args[i] == NULL) {
            return NULL;
        }
    }
    return where_fold(b, expr);
}

/* ---- functions whose value is not the row's alone */

static const char clock_reason[] =
    "it depends on the clock: a row would come and go without a change";
static const char random_reason[] = "its value is another one each time";
static const char session_reason[] = "it depends on the session";
static const char effect_reason[] = "it has effects of its own";

/* now() and random() are not here: what clients get for those is said elsewhere (http-golden). */
static const struct {
    const char *name;
    const char *reason;
} unstable[] = {
    {"clock_timestamp", clock_reason},
    {"statement_timestamp", clock_reason},
    {"timeofday", clock_reason},
    {"transaction_timestamp", clock_reason},
    {"pg_postmaster_start_time", clock_reason},
    {"gen_random_uuid", random_reason},
    {"uuid_generate_v4", random_reason},
    {"random_normal", random_reason},
    {"uuidv4", random_reason},
    {"uuidv7", random_reason},
    {"current_database", session_reason},
    {"current_schema", session_reason},
    {"current_schemas", session_reason},
    {"current_setting", session_reason},
    {"has_table_privilege", session_reason},
    {"inet_client_addr", session_reason},
    {"pg_backend_pid", session_reason},
    {"to_char", session_reason},
    {"to_date", session_reason},
    {"to_timestamp", session_reason},
    {"txid_current", session_reason},
    {"pg_current_xact_id", session_reason},
    {"nextval", effect_reason},
    {"setval", effect_reason},
    {"currval", session_reason},
    {"lastval", session_reason},
    {"set_config", effect_reason},
    {"setseed", effect_reason},
    {"pg_sleep", effect_reason},
    {"pg_advisory_lock", effect_reason},
    {"pg_notify", effect_reason},
};

static const char *
why_unstable(struct view name)
{
    for (size_t i = 0; i < COUNT_OF(unstable); i++) {
        if (view_is(name, unstable[i].name)) {
            return unstable[i].reason;
        }
    }
    return NULL;
}

/* ---- calls */

static struct expr *
refuse_unknown(struct where_builder *b, const struct sql_node *node, struct view name)
{
    return where_fail(b, node->location, "unknown or unsupported function %.*s/%zu", (int)name.size,
                      (const char *)name.bytes, node->arg_count);
}

bool
where_check_unit(struct where_builder *b, const struct where_fn *fn, const struct expr *unit,
                 int32_t location)
{
    struct where_scratch scratch = {.mem = b->mem, .err = b->err};
    struct where_value args[WHERE_FN_ARGS] = {unit->value};
    struct where_value ignored = {0};
    if (unit->kind != EXPR_CONST) {
        where_fail(b, location, "the first argument of %s must be a constant", fn->name);
        return false;
    }
    if (!unit->value.is_null && !fn->impl(&scratch, args, &ignored)) {
        where_fail_err(b, location);
        return false;
    }
    return true;
}

static struct expr *
make_named(struct where_builder *b, struct view name, struct expr **args, size_t count,
           int32_t location)
{
    struct where_type type = {.base = WT_UNKNOWN};
    const struct where_fn *of_array = where_fn_of_array(name, count);
    if (of_array != NULL) {
        return where_make_array_call(b, of_array, args, location);
    }
    if (view_is(name, "array_cat") && count == 2) {
        return where_make_operator(b, view_str("||"), args[0], args[1], location);
    }
    if (view_is(name, "ilike") && count == 2) { /* no function of Postgres' */
        return where_make_operator(b, view_str("~~*"), args[0], args[1], location);
    }
    if (count == 1 && where_type_by_name(name, &type.base)) { /* int4(x) is x::int4 */
        return where_make_cast(b, args[0], type, location);
    }
    return where_make_function(b, name, args, count, location);
}

struct expr *
where_build_function(struct where_builder *b, const struct sql_node *node)
{
    struct view name = node->names[node->name_count - 1];
    if ((node->flags & SQL_AGGREGATE) != 0) {
        return where_fail(b, node->location, "aggregation is not supported in this context");
    }
    if ((node->flags & SQL_VARIADIC) != 0) {
        return where_fail(b, node->location,
                          "explicit VARIADIC function calls are not currently supported");
    }
    if (node->name_count > 1 && !view_is(node->names[0], "pg_catalog")) {
        return refuse_unknown(b, node, name);
    }
    const char *reason = why_unstable(name);
    if (reason != NULL) {
        return where_fail(b, node->location, "function %.*s is not supported: %s", (int)name.size,
                          (const char *)name.bytes, reason);
    }
    if (view_is(name, "concat")) {
        return build_concat(b, node);
    }
    struct expr **args = arena_alloc(b->mem, node->arg_count + 1, sizeof(struct expr *));
    for (size_t i = 0; i < node->arg_count; i++) {
        args[i] = where_build(b, node->args[i]);
        if (args[i] == NULL) {
            return NULL;
        }
    }
    return make_named(b, name, args, node->arg_count, node->location);
}
