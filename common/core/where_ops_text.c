#include <string.h>

#include "common/core/where_ops.h"

bool
where_raise(struct where_scratch *scratch, const char *text)
{
    return err_set(scratch->err, ERR_INVALID, "%s", text);
}

/* Half of what is left: what comes later and is small finds room. */
bool
where_take(struct where_scratch *scratch, size_t size, uint8_t **bytes_out)
{
    if (size >= arena_room(scratch->mem) / 2) {
        return where_raise(scratch, "a text of more bytes than an evaluation may take");
    }
    *bytes_out = arena_alloc(scratch->mem, size + 1, 1);
    return true;
}

/* ---- comparison, for every type */

static int
compare(const struct where_scratch *scratch, const struct where_value *args)
{
    return where_value_compare(scratch->arg_type, &args[0], &args[1]);
}

IMPL(fn_eq)
{
    result->boolean = compare(scratch, args) == 0;
    return true;
}

IMPL(fn_ne)
{
    result->boolean = compare(scratch, args) != 0;
    return true;
}

IMPL(fn_lt)
{
    result->boolean = compare(scratch, args) < 0;
    return true;
}

IMPL(fn_le)
{
    result->boolean = compare(scratch, args) <= 0;
    return true;
}

IMPL(fn_gt)
{
    result->boolean = compare(scratch, args) > 0;
    return true;
}

IMPL(fn_ge)
{
    result->boolean = compare(scratch, args) >= 0;
    return true;
}

/* ---- text */

IMPL(text_concat)
{
    size_t size = args[0].text.size + args[1].text.size;
    uint8_t *bytes;
    if (!where_take(scratch, size, &bytes)) {
        return false;
    }
    if (args[0].text.size > 0) {
        memcpy(bytes, args[0].text.bytes, args[0].text.size);
    }
    if (args[1].text.size > 0) {
        memcpy(bytes + args[0].text.size, args[1].text.bytes, args[1].text.size);
    }
    result->text = (struct view){bytes, size};
    return true;
}

static bool
map_case(struct where_scratch *scratch, struct view text, char first, char last,
         struct where_value *result)
{
    uint8_t *bytes;
    if (!where_take(scratch, text.size, &bytes)) {
        return false;
    }
    for (size_t i = 0; i < text.size; i++) {
        bool is_mapped = text.bytes[i] >= (uint8_t)first && text.bytes[i] <= (uint8_t)last;
        bytes[i] = is_mapped ? text.bytes[i] ^ 0x20 : text.bytes[i];
    }
    result->text = (struct view){bytes, text.size};
    return true;
}

IMPL(text_lower)
{
    return map_case(scratch, args[0].text, 'A', 'Z', result);
}

IMPL(text_upper)
{
    return map_case(scratch, args[0].text, 'a', 'z', result);
}

static bool
match(struct where_scratch *scratch, const struct where_value *args, bool ignore_case,
      bool *matches)
{
    return where_like(args[0].text, args[1].text, ignore_case, matches) ||
           where_raise(scratch, "LIKE pattern must not end with escape character");
}

IMPL(text_like)
{
    return match(scratch, args, false, &result->boolean);
}

IMPL(text_not_like)
{
    bool ok = match(scratch, args, false, &result->boolean);
    result->boolean = !result->boolean;
    return ok;
}

IMPL(text_ilike)
{
    return match(scratch, args, true, &result->boolean);
}

IMPL(text_not_ilike)
{
    bool ok = match(scratch, args, true, &result->boolean);
    result->boolean = !result->boolean;
    return ok;
}
