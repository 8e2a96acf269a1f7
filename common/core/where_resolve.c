#include "common/core/where_resolve.h"

#include "common/core/where_cast.h"

#define CANDIDATES_MAX 64

enum category {
    CATEGORY_UNKNOWN,
    CATEGORY_BOOLEAN,
    CATEGORY_NUMBER,
    CATEGORY_STRING,
    CATEGORY_DATETIME,
    CATEGORY_TIMESPAN,
    CATEGORY_USER,
};

struct candidates {
    const struct where_fn *items[CANDIDATES_MAX];
    size_t count;
};

static enum category
category_of(enum where_base base)
{
    switch (base) {
    case WT_UNKNOWN:
        return CATEGORY_UNKNOWN;
    case WT_BOOL:
        return CATEGORY_BOOLEAN;
    case WT_INT2:
    case WT_INT4:
    case WT_INT8:
    case WT_FLOAT4:
    case WT_FLOAT8:
    case WT_NUMERIC:
        return CATEGORY_NUMBER;
    case WT_TEXT:
    case WT_VARCHAR:
    case WT_BPCHAR:
    case WT_NAME:
        return CATEGORY_STRING;
    case WT_DATE:
    case WT_TIME:
    case WT_TIMESTAMP:
    case WT_TIMESTAMPTZ:
        return CATEGORY_DATETIME;
    case WT_INTERVAL:
        return CATEGORY_TIMESPAN;
    case WT_UUID:
    case WT_BYTEA:
    case WT_JSON:
    case WT_JSONB:
    case WT_ENUM:
    case WT_OPAQUE:
        return CATEGORY_USER;
    }
    return CATEGORY_USER;
}

bool
where_is_one_category(enum where_base a, enum where_base b)
{
    return category_of(a) == category_of(b);
}

static bool
is_preferred(enum where_base base)
{
    return base == WT_BOOL || base == WT_FLOAT8 || base == WT_TEXT || base == WT_TIMESTAMPTZ ||
           base == WT_INTERVAL;
}

static bool
is_exact(const struct where_fn *fn, const struct where_type *args, size_t i)
{
    return args[i].is_array == where_fn_arg(fn, i).is_array && args[i].base == fn->args[i];
}

static bool
is_reachable(const struct where_fn *fn, const struct where_type *args)
{
    for (size_t i = 0; i < fn->arg_count; i++) {
        struct where_type wanted = where_fn_arg(fn, i);
        wanted.oid = args[i].oid;
        if (args[i].base != WT_UNKNOWN && !where_cast_is_implicit(args[i], wanted)) {
            return false;
        }
    }
    return true;
}

static bool
is_exact_match(const struct where_fn *fn, const struct where_type *args)
{
    for (size_t i = 0; i < fn->arg_count; i++) {
        if (!is_exact(fn, args, i)) {
            return false;
        }
    }
    return true;
}

/* Keeps the candidates with the highest score, as long as it is above zero anywhere. */
static void
keep_best(struct candidates *c, const struct where_type *args,
          size_t (*score)(const struct where_fn *fn, const struct where_type *args))
{
    size_t best = 0;
    size_t kept = 0;
    for (size_t i = 0; i < c->count; i++) {
        size_t points = score(c->items[i], args);
        if (points > best) {
            best = points;
            kept = 0;
        }
        if (points == best) {
            c->items[kept++] = c->items[i];
        }
    }
    c->count = kept;
}

static size_t
count_exact(const struct where_fn *fn, const struct where_type *args)
{
    size_t count = 0;
    for (size_t i = 0; i < fn->arg_count; i++) {
        count += is_exact(fn, args, i);
    }
    return count;
}

static size_t
count_exact_or_preferred(const struct where_fn *fn, const struct where_type *args)
{
    size_t count = 0;
    for (size_t i = 0; i < fn->arg_count; i++) {
        if (args[i].base != WT_UNKNOWN) {
            count +=
                is_exact(fn, args, i) || (is_preferred(fn->args[i]) &&
                                          category_of(fn->args[i]) == category_of(args[i].base));
        }
    }
    return count;
}

/* The category that the candidates agree on at position `i`; string wins if any of them accepts it.
 */
static bool
agreed_category(const struct candidates *c, size_t i, enum category *category_out)
{
    bool differ = false;
    *category_out = category_of(c->items[0]->args[i]);
    for (size_t k = 0; k < c->count; k++) {
        enum category category = category_of(c->items[k]->args[i]);
        if (category == CATEGORY_STRING) {
            *category_out = CATEGORY_STRING;
            return true;
        }
        differ = differ || category != *category_out;
    }
    return !differ;
}

static void
keep_category(struct candidates *c, size_t i, enum category category)
{
    bool has_preferred = false;
    size_t kept = 0;
    for (size_t k = 0; k < c->count; k++) {
        if (category_of(c->items[k]->args[i]) == category) {
            has_preferred = has_preferred || is_preferred(c->items[k]->args[i]);
            c->items[kept++] = c->items[k];
        }
    }
    c->count = kept;
    kept = 0;
    for (size_t k = 0; k < c->count && has_preferred; k++) {
        if (is_preferred(c->items[k]->args[i])) {
            c->items[kept++] = c->items[k];
        }
    }
    c->count = has_preferred ? kept : c->count;
}

/* True when every unknown position has a category; candidates of other categories are gone then. */
static bool
settle_unknowns(struct candidates *c, const struct where_type *args, size_t arg_count)
{
    enum category categories[WHERE_FN_ARGS];
    for (size_t i = 0; i < arg_count; i++) {
        if (args[i].base == WT_UNKNOWN && !agreed_category(c, i, &categories[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < arg_count && c->count > 0; i++) {
        if (args[i].base == WT_UNKNOWN) {
            keep_category(c, i, categories[i]);
        }
    }
    return true;
}

/* The one type that all known arguments share is assumed for the unknown ones too. */
static const struct where_fn *
assume_known_type(const struct candidates *c, const struct where_type *args, size_t arg_count)
{
    struct where_type assumed[WHERE_FN_ARGS] = {0};
    const struct where_type *known = NULL;
    for (size_t i = 0; i < arg_count; i++) {
        if (args[i].base != WT_UNKNOWN) {
            if (known != NULL && !where_type_equal(*known, args[i])) {
                return NULL;
            }
            known = &args[i];
        }
    }
    if (known == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < arg_count; i++) {
        assumed[i] = *known;
    }
    const struct where_fn *found = NULL;
    for (size_t k = 0; k < c->count; k++) {
        if (is_reachable(c->items[k], assumed)) {
            if (found != NULL) {
                return NULL;
            }
            found = c->items[k];
        }
    }
    return found;
}

/* Binary operators first try the other side's type for an unknown one. */
static const struct where_fn *
find_exact(const struct candidates *all, enum where_fn_kind kind, const struct where_type *args,
           size_t arg_count)
{
    struct where_type tried[WHERE_FN_ARGS] = {0};
    for (size_t i = 0; i < arg_count; i++) {
        tried[i] = args[i];
    }
    if (kind == FN_OPERATOR && arg_count == 2) {
        if (args[0].base == WT_UNKNOWN) {
            tried[0] = args[1];
        } else if (args[1].base == WT_UNKNOWN) {
            tried[1] = args[0];
        }
    }
    for (size_t k = 0; k < all->count; k++) {
        if (is_exact_match(all->items[k], tried)) {
            return all->items[k];
        }
    }
    return NULL;
}

/*
 * Two literals without a type leave Postgres with operators of several categories (numbers,
 * intervals, points, …), of which our table has the numbers only: then nothing is unique. Text
 * operators are.
 */
static bool
is_ambiguous(struct view name, enum where_fn_kind kind, const struct where_type *args,
             size_t arg_count)
{
    static const char *const of_text[] = {"=",   "<>",  "<",    "<=", ">", ">=", "||", "~~",
                                          "!~~", "~~*", "!~~*", "^@", "~", "!~", "~*", "!~*"};
    for (size_t i = 0; i < arg_count; i++) {
        if (args[i].base != WT_UNKNOWN) {
            return false;
        }
    }
    for (size_t i = 0; i < COUNT_OF(of_text); i++) {
        if (view_is(name, of_text[i])) {
            return false;
        }
    }
    /* Postgres' trunc() takes MAC addresses as well. */
    return kind == FN_OPERATOR || view_is(name, "trunc");
}

static bool
collect(struct view name, enum where_fn_kind kind, size_t arg_count, struct candidates *all)
{
    bool is_name_known = false;
    for (size_t i = 0; i < where_fn_count; i++) {
        const struct where_fn *fn = &where_fns[i];
        if (fn->kind != kind || !view_is(name, fn->name)) {
            continue;
        }
        bool fits = fn->arg_count == arg_count;
        is_name_known = is_name_known || fits;
        if (fits && all->count < CANDIDATES_MAX) {
            all->items[all->count++] = fn;
        }
    }
    return is_name_known;
}

enum where_resolution
where_resolve(struct view name, enum where_fn_kind kind, const struct where_type *args,
              size_t arg_count, const struct where_fn **fn_out)
{
    struct candidates c = {.count = 0};
    if (arg_count > WHERE_FN_ARGS || !collect(name, kind, arg_count, &c)) {
        return RESOLVE_NO_NAME;
    }
    if (is_ambiguous(name, kind, args, arg_count)) {
        return RESOLVE_NO_FIT;
    }
    *fn_out = find_exact(&c, kind, args, arg_count);
    if (*fn_out != NULL) {
        return RESOLVED;
    }
    size_t kept = 0;
    for (size_t k = 0; k < c.count; k++) {
        if (is_reachable(c.items[k], args)) {
            c.items[kept++] = c.items[k];
        }
    }
    c.count = kept;
    if (c.count > 1) {
        keep_best(&c, args, count_exact);
    }
    if (c.count > 1) {
        keep_best(&c, args, count_exact_or_preferred);
    }
    if (c.count > 1) {
        struct candidates before = c;
        if (!settle_unknowns(&c, args, arg_count) || c.count != 1) {
            *fn_out = assume_known_type(c.count > 1 ? &c : &before, args, arg_count);
            return *fn_out != NULL ? RESOLVED : RESOLVE_NO_FIT;
        }
    }
    if (c.count != 1) {
        return RESOLVE_NO_FIT;
    }
    *fn_out = c.items[0];
    return RESOLVED;
}
