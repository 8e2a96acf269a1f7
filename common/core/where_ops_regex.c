/* ~ and its kin: the pattern has been compiled with the clause. */
#include "common/core/where_ops.h"
#include "common/core/where_regex.h"

bool
where_fn_compile(struct expr *call, struct arena *mem, struct err *err)
{
    const struct expr *pattern = call->args[1];
    if (pattern->kind != EXPR_CONST) {
        return err_set(err, ERR_INVALID, "a regular expression must be a constant");
    }
    return pattern->value.is_null ||
           where_regex_compile(pattern->value.text, (call->fn->flags & FN_REGEX_NO_CASE) != 0, mem,
                               &call->regex, err);
}

IMPL(regex_match)
{
    ASSERT(scratch->regex != NULL);
    result->boolean = where_regex_matches(scratch->regex, args[0].text, scratch->mem);
    return true;
}

IMPL(regex_no_match)
{
    ASSERT(scratch->regex != NULL);
    result->boolean = !where_regex_matches(scratch->regex, args[0].text, scratch->mem);
    return true;
}
