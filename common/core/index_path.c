#include "common/core/index_path.h"

#include <string.h>

#include "common/core/index_condition.h"

/* What a boolean expression's value stands for in AND: the higher, the fewer rows it lets through.
 */
static int
rank(const struct index_paths *paths)
{
    const struct index_path *first = &paths->items[0];
    bool is_one_of_two = first->kind == PATH_EQUAL && first->source_count == 1 &&
                         first->sources[0]->type.base == WT_BOOL;
    bool is_closed = first->low > 0 && first->high < UINT64_MAX;
    int one = 0;
    switch (first->kind) {
    case PATH_EQUAL:
        one = is_one_of_two ? 12 : 60;
        break;
    case PATH_PREFIX:
        one = 50;
        break;
    case PATH_ELEMENT:
    case PATH_NAME:
        one = 45;
        break;
    case PATH_RANGE:
        one = is_closed ? 40 : 20;
        break;
    case PATH_PART:
        one = 30;
        break;
    case PATH_NULL:
        one = 10;
        break;
    }
    return paths->count == 1 ? one : one - 3;
}

/* ---- OR: all of its parts, or none */

static void
append(struct index_paths *paths, const struct index_paths *part)
{
    for (size_t i = 0; i < part->count; i++) {
        *index_paths_add(paths, part->items[i].kind) = part->items[i];
    }
    paths->is_exact = paths->is_exact && part->is_exact;
}

static bool
or_paths(const struct expr *expr, struct index_paths *paths)
{
    for (size_t i = 0; i < expr->arg_count; i++) {
        struct index_paths part = {.mem = paths->mem};
        if (!index_paths_of(expr->args[i], &part) || paths->count + part.count > PATHS_MAX) {
            return false;
        }
        append(paths, &part);
    }
    return true;
}

/* ---- AND: the best of its parts, equalities joined, ranges of one source met */

/* Beyond that, joining lists with equalities takes more memory than it spares evaluations. */
#define JOINED_MAX 1000

static bool
all_are_equal(const struct index_paths *paths)
{
    for (size_t i = 0; i < paths->count; i++) {
        if (paths->items[i].kind != PATH_EQUAL) {
            return false;
        }
    }
    return true;
}

/* n = 1 AND n = 2 cannot be joined: either will do, and the other is evaluated. */
static bool
can_join(const struct index_path *all, const struct index_path *one)
{
    if (all->source_count + one->source_count > PATH_SOURCES_MAX) {
        return false;
    }
    for (size_t i = 0; i < all->source_count; i++) {
        for (size_t k = 0; k < one->source_count; k++) {
            if (view_equal(all->codes[i], one->codes[k])) {
                return false;
            }
        }
    }
    return true;
}

static void
join(struct index_path *all, const struct index_path *one)
{
    for (size_t k = 0; k < one->source_count; k++) {
        size_t place = all->source_count++;
        while (place > 0 && view_compare(all->codes[place - 1], one->codes[k]) > 0) {
            all->codes[place] = all->codes[place - 1];
            all->keys[place] = all->keys[place - 1];
            all->sources[place] = all->sources[place - 1];
            place--;
        }
        all->codes[place] = one->codes[k];
        all->keys[place] = one->keys[k];
        all->sources[place] = one->sources[k];
    }
}

/* One of them is a single equality: each alternative of the other one gets it. */
static bool
join_all(struct index_paths *best, const struct index_paths *part)
{
    const struct index_paths *single = part->count == 1 ? part : best;
    struct index_paths many = part->count == 1 ? *best : *part;
    if (single->count != 1 || many.count > JOINED_MAX || !all_are_equal(single) ||
        !all_are_equal(&many)) {
        return false;
    }
    struct index_path one = single->items[0];
    for (size_t i = 0; i < many.count; i++) {
        if (!can_join(&many.items[i], &one)) {
            return false;
        }
    }
    for (size_t i = 0; i < many.count; i++) {
        join(&many.items[i], &one);
    }
    many.is_exact = best->is_exact && part->is_exact;
    *best = many;
    return true;
}

static bool
meet(struct index_paths *best, const struct index_paths *part)
{
    struct index_path *all = &best->items[0];
    const struct index_path *one = &part->items[0];
    if (best->count != 1 || part->count != 1 || all->kind != PATH_RANGE ||
        one->kind != PATH_RANGE || !view_equal(all->codes[0], one->codes[0])) {
        return false;
    }
    all->low = all->low > one->low ? all->low : one->low;
    all->high = all->high < one->high ? all->high : one->high;
    best->is_exact = best->is_exact && part->is_exact;
    if (all->low > all->high) {
        best->count = 0; /* true for no row */
    }
    return true;
}

/* What the index does not prove, as a clause. */
static void
leave_rest(const struct expr *expr, const bool *is_proved, struct index_paths *paths)
{
    struct expr *rest = arena_alloc(paths->mem, 1, sizeof *rest);
    *rest = *expr;
    rest->arg_count = 0;
    rest->args = arena_alloc(paths->mem, expr->arg_count, sizeof *rest->args);
    for (size_t i = 0; i < expr->arg_count; i++) {
        if (!is_proved[i]) {
            rest->args[rest->arg_count++] = expr->args[i];
        }
    }
    paths->is_exact = rest->arg_count == 0;
    paths->rest = rest->arg_count == 1 ? rest->args[0] : rest;
}

static bool
and_paths(const struct expr *expr, struct index_paths *paths)
{
    struct index_paths best = {.mem = paths->mem};
    bool *is_proved = arena_alloc(paths->mem, expr->arg_count, sizeof *is_proved);
    bool found = false;
    for (size_t i = 0; i < expr->arg_count; i++) {
        struct index_paths part = {.mem = paths->mem};
        if (!index_paths_of(expr->args[i], &part)) {
            continue;
        }
        bool is_exact = part.is_exact;
        if (part.count == 0) {
            paths->is_exact = true;
            return true; /* never true, whatever the others say */
        }
        if (!found) {
            best = part;
        } else if (!join_all(&best, &part) && !meet(&best, &part)) {
            if (rank(&part) <= rank(&best)) {
                continue;
            }
            best = part;
            memset(is_proved, 0, expr->arg_count * sizeof *is_proved);
        }
        is_proved[i] = is_exact;
        found = true;
        if (best.count == 0) {
            return true;
        }
    }
    append(paths, &best);
    leave_rest(expr, is_proved, paths);
    return found;
}

bool
index_paths_of(const struct expr *expr, struct index_paths *paths)
{
    paths->is_exact = true;
    switch ((int)expr->kind) {
    case EXPR_OR:
        return or_paths(expr, paths);
    case EXPR_AND:
        return and_paths(expr, paths);
    case EXPR_IS_TRUE:
        return !expr->is_negated && index_paths_of(expr->args[0], paths);
    default:
        return index_condition(expr, paths);
    }
}
