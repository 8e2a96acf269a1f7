#include "common/core/where_code.h"

#include "common/core/where_array.h"
#include "common/core/where_cast.h"
#include "common/core/where_fn.h"

#define FLAG_NEGATED  1u
#define FLAG_IMPLICIT 2u

static void
put_u32(struct buf *out, uint32_t v)
{
    wire_put_u32(buf_grow(out, 4), v);
}

static bool
has_fn(enum expr_kind kind)
{
    return kind == EXPR_CALL || kind == EXPR_ANY || kind == EXPR_ALL;
}

static void
encode_const(const struct expr *expr, struct buf *out)
{
    buf_append_byte(out, expr->value.is_null);
    size_t place = out->size;
    put_u32(out, 0);
    if (!expr->value.is_null) {
        where_value_print(expr->type, &expr->value, out);
    }
    wire_put_u32(out->bytes + place, (uint32_t)(out->size - place - 4));
}

void
where_encode(const struct expr *expr, struct buf *out)
{
    buf_append_byte(out, (uint8_t)expr->kind);
    buf_append_byte(out, (uint8_t)((expr->is_negated ? FLAG_NEGATED : 0) |
                                   (expr->is_implicit ? FLAG_IMPLICIT : 0)));
    buf_append_byte(out, (uint8_t)expr->type.base);
    buf_append_byte(out, expr->type.is_array);
    put_u32(out, expr->type.oid);
    if (expr->kind == EXPR_COLUMN) {
        put_u32(out, expr->column);
    } else if (has_fn(expr->kind)) {
        put_u32(out, where_fn_number(expr->fn));
    } else if (expr->kind == EXPR_CONST) {
        encode_const(expr, out);
    }
    put_u32(out, (uint32_t)expr->arg_count);
    for (size_t i = 0; i < expr->arg_count; i++) {
        where_encode(expr->args[i], out);
    }
}

struct decoding {
    const uint8_t *next;
    const uint8_t *end;
    const struct where_scope *scope;
    struct arena *mem;
    unsigned depth;
    bool overrun;
};

static uint32_t
take_u8(struct decoding *d)
{
    if (d->next == d->end) {
        d->overrun = true;
        return 0;
    }
    return *d->next++;
}

static uint32_t
take_u32(struct decoding *d)
{
    if (d->end - d->next < 4) {
        d->overrun = true;
        d->next = d->end;
        return 0;
    }
    uint32_t v = wire_get_u32(d->next);
    d->next += 4;
    return v;
}

/* ---- types, checked again */

static bool
is_scalar(const struct expr *expr, enum where_base base)
{
    return !expr->type.is_array && expr->type.base == base;
}

static bool
is_text(const struct expr *expr)
{
    return is_scalar(expr, WT_TEXT) || is_scalar(expr, WT_VARCHAR) || is_scalar(expr, WT_BPCHAR) ||
           is_scalar(expr, WT_NAME);
}

static bool
all_of_type(const struct expr *expr, struct where_type type)
{
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!where_type_equal(expr->args[i]->type, type)) {
            return false;
        }
    }
    return true;
}

/* Does the row take this type at this place? Comparisons take arrays and enums of theirs as well.
 */
static bool
fits_fn(const struct where_fn *fn, size_t place, struct where_type type)
{
    struct where_type wanted = where_fn_arg(fn, place);
    return type.base == wanted.base &&
           (type.is_array == wanted.is_array ||
            (type.is_array && where_fn_comparison(view_str(fn->name), type.base) == fn));
}

/* An array with one element more. */
static bool
is_sound_joining(const struct expr *expr)
{
    size_t place = expr->fn->kind == FN_ELEMENT_ARRAY ? 1 : 0;
    struct where_type element = expr->type;
    element.is_array = false;
    return expr->type.is_array && where_type_equal(expr->args[place]->type, expr->type) &&
           where_type_equal(expr->args[1 - place]->type, element);
}

static bool
is_sound_call(const struct expr *expr)
{
    const struct where_fn *fn = expr->fn;
    if (expr->arg_count != fn->arg_count) {
        return false;
    }
    struct where_type first = expr->args[0]->type;
    if (fn->kind == FN_OF_ARRAY) {
        return first.is_array && is_scalar(expr, fn->result) &&
               (expr->arg_count == 1 || is_scalar(expr->args[1], fn->args[1]));
    }
    if (fn->kind == FN_ARRAY_ELEMENT || fn->kind == FN_ELEMENT_ARRAY) {
        return is_sound_joining(expr);
    }
    if (fn->kind == FN_ARRAY) {
        struct where_type result = {.base = WT_BOOL};
        return first.is_array && all_of_type(expr, first) &&
               where_type_equal(expr->type, fn->result == WT_UNKNOWN ? first : result);
    }
    if ((fn->flags & FN_LABELS) != 0) {
        return is_scalar(expr->args[0], WT_ENUM) && is_scalar(expr->args[1], WT_ENUM) &&
               where_type_equal(expr->args[2]->type, where_fn_arg(fn, 2)) &&
               is_scalar(expr, fn->result);
    }
    if ((fn->flags & FN_TEXT_ARRAY) != 0) {
        return where_type_equal(first, where_fn_arg(fn, 0)) &&
               where_type_equal(expr->args[1]->type, where_fn_arg(fn, 1)) &&
               is_scalar(expr, fn->result);
    }
    for (size_t i = 0; i < expr->arg_count; i++) {
        struct where_type type = expr->args[i]->type;
        struct where_type text_array = {.base = WT_TEXT, .is_array = true};
        bool is_text_like_array = type.is_array &&
                                  (type.base == WT_VARCHAR || type.base == WT_NAME) &&
                                  fits_fn(fn, i, text_array);
        if ((!fits_fn(fn, i, type) && !is_text_like_array) || (type.is_array != first.is_array) ||
            (type.is_array && !where_type_equal(type, first))) {
            return false;
        }
    }
    return is_scalar(expr, fn->result);
}

static bool
is_sound_any(const struct expr *expr)
{
    if (expr->arg_count != 2 || expr->fn->arg_count != 2 || expr->fn->kind > FN_FUNCTION ||
        (expr->fn->flags & FN_REGEX) != 0 || (expr->fn->flags & FN_TEXT_ARRAY) != 0 ||
        expr->fn->result != WT_BOOL || !is_scalar(expr, WT_BOOL)) {
        return false;
    }
    struct where_type array = expr->args[1]->type;
    return array.is_array && array.base == expr->fn->args[1] &&
           is_scalar(expr->args[0], expr->fn->args[0]);
}

static bool
is_sound_index(const struct expr *expr)
{
    if (expr->arg_count < 2 || !expr->args[0]->type.is_array) {
        return false;
    }
    for (size_t i = 1; i < expr->arg_count; i++) {
        if (!is_scalar(expr->args[i], WT_INT4)) {
            return false;
        }
    }
    struct where_type element = expr->args[0]->type;
    element.is_array = false;
    return where_type_equal(expr->type, element) && expr->arg_count <= 7;
}

/* char(n) among them: concat() keeps its blanks. */
static bool
are_texts(const struct expr *expr)
{
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!is_scalar(expr->args[i], WT_TEXT) && !is_scalar(expr->args[i], WT_BPCHAR)) {
            return false;
        }
    }
    return true;
}

static bool
is_sound_slice(const struct expr *expr)
{
    for (size_t i = 1; i < expr->arg_count; i++) {
        if (!is_scalar(expr->args[i], WT_INT4)) {
            return false;
        }
    }
    return expr->arg_count >= 3 && expr->arg_count % 2 == 1 &&
           expr->arg_count <= 1 + 2 * WHERE_ARRAY_DIMENSIONS && expr->type.is_array &&
           where_type_equal(expr->args[0]->type, expr->type);
}

static bool
is_sound_case(const struct expr *expr)
{
    for (size_t i = 0; i < expr->arg_count; i++) {
        bool is_condition = i % 2 == 1;
        if (is_condition ? !is_scalar(expr->args[i], WT_BOOL)
                         : !where_type_equal(expr->args[i]->type, expr->type)) {
            return false;
        }
    }
    return expr->arg_count % 2 == 1;
}

static bool
is_sound(const struct expr *expr)
{
    const struct where_type boolean = {.base = WT_BOOL};
    struct where_type element = expr->type;
    element.is_array = false;
    switch (expr->kind) {
    case EXPR_CONST:
    case EXPR_COLUMN:
        return expr->arg_count == 0;
    case EXPR_CALL:
        return is_sound_call(expr);
    case EXPR_ANY:
    case EXPR_ALL:
        return is_sound_any(expr);
    case EXPR_AND:
    case EXPR_OR:
        return is_scalar(expr, WT_BOOL) && all_of_type(expr, boolean);
    case EXPR_NOT:
    case EXPR_IS_TRUE:
    case EXPR_IS_FALSE:
    case EXPR_IS_UNKNOWN:
        return is_scalar(expr, WT_BOOL) && expr->arg_count == 1 && all_of_type(expr, boolean);
    case EXPR_IS_NULL:
        return is_scalar(expr, WT_BOOL) && expr->arg_count == 1;
    case EXPR_DISTINCT:
        return is_scalar(expr, WT_BOOL) && expr->arg_count == 2 &&
               where_type_equal(expr->args[0]->type, expr->args[1]->type);
    case EXPR_COALESCE:
    case EXPR_GREATEST:
    case EXPR_LEAST:
        return all_of_type(expr, expr->type);
    case EXPR_CONCAT:
        return is_scalar(expr, WT_TEXT) && are_texts(expr);
    case EXPR_ARRAY:
        return expr->type.is_array && all_of_type(expr, element);
    case EXPR_INDEX:
        return is_sound_index(expr);
    case EXPR_TO_TEXT:
        return expr->arg_count == 1 && is_text(expr);
    case EXPR_FROM_TEXT:
        return expr->arg_count == 1 && is_text(expr->args[0]);
    case EXPR_CONVERT:
        return expr->arg_count == 1 && where_cast_exists(expr->args[0]->type, expr->type);
    case EXPR_CASE:
        return is_sound_case(expr);
    case EXPR_SLICE:
        return is_sound_slice(expr);
    }
    return false;
}

/* ---- reading */

static bool
decode_const(struct decoding *d, struct expr *expr)
{
    expr->value.is_null = take_u8(d) != 0;
    uint32_t size = take_u32(d);
    if (d->overrun || size > (size_t)(d->end - d->next)) {
        return false;
    }
    struct view text = {d->next, size};
    struct err ignored;
    d->next += size;
    return expr->value.is_null ||
           where_value_parse(expr->type, text, d->mem, &expr->value, &ignored);
}

static bool
decode_own(struct decoding *d, struct expr *expr)
{
    switch ((int)expr->kind) {
    case EXPR_COLUMN:
        expr->column = take_u32(d);
        return expr->column < d->scope->column_count &&
               where_type_equal(expr->type, d->scope->columns[expr->column].type);
    case EXPR_CALL:
    case EXPR_ANY:
    case EXPR_ALL:
        expr->fn = where_fn_by_number(take_u32(d));
        return expr->fn != NULL && expr->fn->impl != NULL;
    case EXPR_CONST:
        return decode_const(d, expr);
    default:
        return true;
    }
}

static struct expr *
decode(struct decoding *d)
{
    if (d->depth >= WHERE_DEPTH_MAX) {
        return NULL;
    }
    struct expr *expr = arena_alloc(d->mem, 1, sizeof *expr);
    uint32_t kind = take_u8(d);
    uint32_t flags = take_u8(d);
    uint32_t base = take_u8(d);
    if (kind >= EXPR_KIND_COUNT || base >= WHERE_BASE_COUNT) {
        return NULL;
    }
    expr->kind = (enum expr_kind)kind;
    expr->is_negated = (flags & FLAG_NEGATED) != 0;
    expr->is_implicit = (flags & FLAG_IMPLICIT) != 0;
    expr->type = (struct where_type){.base = (enum where_base)base, .is_array = take_u8(d) != 0};
    expr->type.oid = take_u32(d);
    if (!decode_own(d, expr)) {
        return NULL;
    }
    expr->arg_count = take_u32(d);
    if (d->overrun || expr->arg_count > (size_t)(d->end - d->next) / 8) {
        return NULL; /* a node takes more than eight bytes */
    }
    expr->args = arena_alloc(d->mem, expr->arg_count + 1, sizeof *expr->args);
    d->depth++;
    for (size_t i = 0; i < expr->arg_count; i++) {
        expr->args[i] = decode(d);
        if (expr->args[i] == NULL) {
            return NULL;
        }
    }
    d->depth--;
    struct err ignored;
    bool ok = is_sound(expr);
    if (ok && expr->kind == EXPR_CALL && (expr->fn->flags & FN_REGEX) != 0) {
        ok = where_fn_compile(expr, d->mem, &ignored);
    }
    return ok ? expr : NULL;
}

bool
where_decode(struct view code, const struct where_scope *scope, struct arena *mem,
             struct expr **expr_out, struct err *err)
{
    struct decoding d = {
        .next = code.bytes,
        .end = code.bytes + code.size,
        .scope = scope,
        .mem = mem,
    };
    struct expr *expr = decode(&d);
    if (expr == NULL || d.overrun || d.next != d.end || !is_scalar(expr, WT_BOOL)) {
        return err_set(err, ERR_CORRUPT, "where clause: %zu bytes that are none", code.size);
    }
    *expr_out = expr;
    return true;
}
