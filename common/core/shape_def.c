#include "common/core/shape_def.h"

#include <stdlib.h>
#include <string.h>

#include "common/core/shape_def_parts.h"
#include "common/core/where_code.h"
#include "common/core/where_sql.h"

/* ---- places of columns */

/* Insertion sort by name: lists are short, and mostly in order already. */
static void
sort_by_name(const struct relation *table, uint16_t *places, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        uint16_t place = places[i];
        size_t k = i;
        while (k > 0 &&
               view_compare(table->columns[places[k - 1]].name, table->columns[place].name) > 0) {
            places[k] = places[k - 1];
            k--;
        }
        places[k] = place;
    }
}

static bool
has_place(const uint16_t *places, size_t count, uint16_t place)
{
    for (size_t i = 0; i < count; i++) {
        if (places[i] == place) {
            return true;
        }
    }
    return false;
}

void
shape_def_set_key(struct shape_def *def)
{
    size_t count = def->table.column_count;
    def->key = arena_alloc(def->frame->mem, count + 1, sizeof *def->key);
    for (size_t i = 0; i < count; i++) {
        uint32_t position = def->table.columns[i].key_position;
        if (position > 0 && position <= count) {
            def->key[position - 1] = (uint16_t)i;
            def->key_count++;
        }
    }
    def->has_primary_key = def->key_count > 0;
    for (size_t i = 0; i < count && !def->has_primary_key; i++) {
        if (!def->table.columns[i].is_generated) {
            def->key[def->key_count++] = (uint16_t)i;
        }
    }
}

void
shape_def_set_fetched(struct shape_def *def)
{
    def->fetched = arena_alloc(def->frame->mem, def->selected_count + def->key_count + 1,
                               sizeof *def->fetched);
    memcpy(def->fetched, def->selected, def->selected_count * sizeof *def->fetched);
    def->fetched_count = def->selected_count;
    for (size_t i = 0; i < def->key_count; i++) {
        if (!has_place(def->selected, def->selected_count, def->key[i])) {
            def->fetched[def->fetched_count++] = def->key[i];
        }
    }
    sort_by_name(&def->table, def->fetched, def->fetched_count);
}

void
shape_def_set_scope(struct shape_def *def)
{
    size_t count = def->table.column_count;
    struct where_column *columns = arena_alloc(def->frame->mem, count + 1, sizeof *columns);
    for (size_t i = 0; i < count; i++) {
        const struct column *column = &def->table.columns[i];
        columns[i].name = column->name;
        columns[i].type = where_type_by_oid(column->base_type_oid);
        columns[i].is_c_collated = column->has_odd_collation;
        if (column->enum_oid != 0) {
            columns[i].type = (struct where_type){.base = WT_ENUM,
                                                  .is_array = column->element_type_oid != 0,
                                                  .oid = column->enum_oid};
        }
    }
    def->scope =
        (struct where_scope){.columns = columns, .column_count = count, .table = def->table.name};
}

/* ---- building */

/* What a column list may say wrong; `what` is "columns" or "queryable columns". */
static bool
missing_key(const struct shape_def *def, const uint16_t *places, size_t count, const char *what,
            struct err *err)
{
    struct buf names = {0};
    for (size_t i = 0; i < def->key_count && def->has_primary_key; i++) {
        if (!has_place(places, count, def->key[i])) {
            buf_append_str(&names, names.size > 0 ? ", " : "");
            buf_append_view(&names, def->table.columns[def->key[i]].name);
        }
    }
    bool is_missing = names.size > 0;
    if (is_missing) {
        err_set(err, ERR_INVALID,
                "The list of %s must include all primary key columns, missing: %s", what,
                buf_str(&names));
    }
    buf_free(&names);
    return is_missing;
}

static bool
has_generated(const struct shape_def *def, const uint16_t *places, size_t count, const char *what,
              bool is_implicit, struct err *err)
{
    struct buf names = {0};
    for (size_t i = 0; i < count; i++) {
        if (def->table.columns[places[i]].is_generated) {
            buf_append_str(&names, names.size > 0 ? ", " : "");
            buf_append_view(&names, def->table.columns[places[i]].name);
        }
    }
    bool found = names.size > 0;
    if (found) {
        err_set(err, ERR_INVALID,
                "The following %s are generated and cannot be included in the shape: %s%s", what,
                buf_str(&names),
                is_implicit ? ". You can exclude them from the shape by explicitly listing which "
                              "columns to fetch in the 'columns' query param"
                            : "");
    }
    buf_free(&names);
    return found;
}

static bool
resolve_list(const struct shape_def *def, const struct view *names, size_t count, const char *what,
             uint16_t *places, size_t *place_count, struct err *err)
{
    struct buf unknown = {0};
    *place_count = 0;
    for (size_t i = 0; i < count; i++) {
        int place = relation_find_column(def->table.columns, def->table.column_count, names[i]);
        if (place < 0) {
            buf_append_str(&unknown, unknown.size > 0 ? ", " : "");
            buf_append_view(&unknown, names[i]);
        } else if (!has_place(places, *place_count, (uint16_t)place)) {
            places[(*place_count)++] = (uint16_t)place;
        }
    }
    bool ok = !missing_key(def, places, *place_count, what, err);
    if (ok && unknown.size > 0) {
        ok = err_set(err, ERR_INVALID, "The following %s are not found on the table: %s", what,
                     buf_str(&unknown));
    }
    buf_free(&unknown);
    return ok && !has_generated(def, places, *place_count, what, false, err);
}

static bool
select_columns(struct shape_def *def, const struct shape_wish *wish, const char **field,
               struct err *err)
{
    size_t count = def->table.column_count;
    def->selected = arena_alloc(def->frame->mem, count + 1, sizeof *def->selected);
    uint16_t *queryable = arena_alloc(def->frame->mem, count + 1, sizeof *queryable);
    size_t queryable_count = 0;
    *field = "queryable_columns";
    if (wish->has_queryable &&
        !resolve_list(def, wish->queryable, wish->queryable_count, "queryable columns", queryable,
                      &queryable_count, err)) {
        return false;
    }
    *field = "columns";
    if (wish->has_columns) {
        return resolve_list(def, wish->columns, wish->column_count, "columns", def->selected,
                            &def->selected_count, err);
    }
    if (wish->has_queryable) {
        memcpy(def->selected, queryable, queryable_count * sizeof *queryable);
        def->selected_count = queryable_count;
        return true;
    }
    def->selects_all = true;
    for (size_t i = 0; i < count; i++) {
        def->selected[def->selected_count++] = (uint16_t)i;
    }
    return !has_generated(def, def->selected, def->selected_count, "columns", true, err);
}

/* The definition outlives what the client sent: the tree is read back from bytes of its own. */
static bool
keep_where(struct shape_def **def, const struct expr *expr, struct err *err)
{
    struct buf sql = {0};
    struct buf code = {0};
    if (expr->kind == EXPR_CONST && !expr->value.is_null && expr->value.boolean) {
        return true; /* WHERE true is no WHERE */
    }
    where_sql(expr, &(*def)->scope, &sql);
    where_encode(expr, &code);
    bool fits = sql.size <= WHERE_SQL_MAX;
    if (fits) {
        shape_def_set_where(def, buf_view(&sql), buf_view(&code));
    } else {
        err_set(err, ERR_INVALID, "the clause has more than %u bytes", WHERE_SQL_MAX);
    }
    buf_free(&sql);
    buf_free(&code);
    return fits && shape_def_check_code(*def, err);
}

/* A generated column is not in the stream: what depends on it cannot be evaluated there. */
struct generated_search {
    const struct shape_def *def;
    const struct column *found;
};

static void
look_for_generated(void *ctx, uint32_t place)
{
    struct generated_search *search = ctx;
    const struct column *column = &search->def->table.columns[place];
    search->found = column->is_generated ? column : search->found;
}

static bool
check_generated(const struct shape_def *def, const struct expr *expr, struct err *err)
{
    struct generated_search search = {.def = def};
    expr_each_column(expr, look_for_generated, &search);
    if (search.found != NULL) {
        return err_set(err, ERR_INVALID, "generated column %.*s cannot be used in a where clause",
                       (int)search.found->name.size, (const char *)search.found->name.bytes);
    }
    return true;
}

/* Borrowed from the table. */
static const struct view *
labels_of(const struct relation *table, struct arena *mem)
{
    struct view *labels = arena_alloc(mem, table->column_count + 1, sizeof *labels);
    for (size_t i = 0; i < table->column_count; i++) {
        labels[i] = table->columns[i].enum_labels;
    }
    return labels;
}

static bool
check_where(struct shape_def **def, const struct relation *table, const struct shape_wish *wish,
            struct err *err)
{
    struct expr *expr;
    struct arena *tmp = arena_new(SHAPE_DEF_ARENA_MAX);
    struct where_scope scope = (*def)->scope;
    scope.params = wish->params;
    scope.param_count = wish->param_count;
    scope.enum_labels = labels_of(table, tmp);
    bool ok = where_check_tree(wish->where, &scope, tmp, &expr, err);
    ok = ok && check_generated(*def, expr, err) && keep_where(def, expr, err);
    arena_free(tmp);
    return ok;
}

static struct relation
copy_relation(const struct relation *from, struct arena *mem)
{
    struct relation copy = *from;
    copy.schema = arena_copy(mem, from->schema);
    copy.name = arena_copy(mem, from->name);
    copy.columns = arena_alloc(mem, from->column_count + 1, sizeof *copy.columns);
    for (size_t i = 0; i < from->column_count; i++) {
        copy.columns[i] = from->columns[i];
        copy.columns[i].name = arena_copy(mem, from->columns[i].name);
        copy.columns[i].type_name = arena_copy(mem, from->columns[i].type_name);
        copy.columns[i].enum_labels = (struct view){0}; /* a clause has those that it needs */
    }
    return copy;
}

bool
shape_def_build(const struct relation *table, const struct shape_wish *wish,
                struct shape_def **def_out, const char **field_out, struct err *err)
{
    struct shape_def *def = shape_def_new();
    def->table = copy_relation(table, def->frame->mem);
    def->is_replica_full = wish->is_replica_full;
    def->is_changes_only = wish->is_changes_only;
    shape_def_set_key(def);
    shape_def_set_scope(def);
    if (!select_columns(def, wish, field_out, err)) {
        shape_def_free(def);
        return false;
    }
    sort_by_name(&def->table, def->selected, def->selected_count);
    shape_def_set_fetched(def);
    shape_def_complete(def);
    *field_out = "where";
    if (wish->where != NULL && !check_where(&def, table, wish, err)) {
        shape_def_free(def);
        return false;
    }
    *def_out = def;
    return true;
}
