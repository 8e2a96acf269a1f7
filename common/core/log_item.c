#include "common/core/log_item.h"

#include <string.h>

#include "common/json.h"
#include "common/mem.h"

#define OID_BOOL 16
#define OID_INET 869

/* How a value's text is spelled (http-api [17]): as Postgres' cast to text would. */
enum spelling {
    SPELL_AS_IS,
    SPELL_BOOL, /* t, f: true, false */
    SPELL_INET, /* a host gets its prefix length */
};

struct plan_column {
    enum spelling spelling;
    struct view name; /* `"name":`, ready to append */
};

struct item_plan {
    const struct shape_def *def;
    struct arena *mem;
    struct plan_column *columns; /* by place */
    struct view key_start;       /* `{"key":"\"schema\".\"table\"` */
    struct view key_text_start;  /* the same inside of another string */
    struct view headers;         /* `},"headers":{"relation":["schema","table"],"operation":"` */
    bool *is_key;                /* by place */
};

static struct view
keep(struct item_plan *plan, struct buf *bytes)
{
    uint8_t *copy = arena_alloc(plan->mem, bytes->size + 1, 1);
    memcpy(copy, bytes->bytes, bytes->size);
    struct view kept = {copy, bytes->size};
    buf_clear(bytes);
    return kept;
}

/* Engine §0: in the key `/` and `.` of names are doubled, quotes are left alone. */
static void
append_key_name(struct buf *out, struct view name)
{
    buf_append_byte(out, '"');
    for (size_t i = 0; i < name.size; i++) {
        if (name.bytes[i] == '/' || name.bytes[i] == '.') {
            buf_append_byte(out, name.bytes[i]);
        }
        buf_append_byte(out, name.bytes[i]);
    }
    buf_append_byte(out, '"');
}

static enum spelling
spelling_of(const struct column *column)
{
    if (column->base_type_oid == OID_BOOL) {
        return SPELL_BOOL;
    }
    return column->base_type_oid == OID_INET ? SPELL_INET : SPELL_AS_IS;
}

static void
plan_columns(struct item_plan *plan)
{
    const struct relation *table = &plan->def->table;
    struct buf bytes = {0};
    plan->columns = arena_alloc(plan->mem, table->column_count + 1, sizeof *plan->columns);
    plan->is_key = arena_alloc(plan->mem, table->column_count + 1, sizeof *plan->is_key);
    for (size_t i = 0; i < table->column_count; i++) {
        json_append_string(&bytes, table->columns[i].name);
        buf_append_byte(&bytes, ':');
        plan->columns[i].name = keep(plan, &bytes);
        plan->columns[i].spelling = spelling_of(&table->columns[i]);
    }
    for (size_t i = 0; i < plan->def->key_count; i++) {
        plan->is_key[plan->def->key[i]] = true;
    }
    buf_free(&bytes);
}

struct item_plan *
item_plan_new(const struct shape_def *def)
{
    struct item_plan *plan = mem_alloc_zero(sizeof *plan);
    struct buf bytes = {0};
    struct buf name = {0};
    plan->def = def;
    plan->mem = arena_new(4u << 20);
    plan_columns(plan);

    append_key_name(&name, def->table.schema);
    buf_append_byte(&name, '.');
    append_key_name(&name, def->table.name);
    json_append_escaped(&bytes, buf_view(&name));
    plan->key_text_start = keep(plan, &bytes);
    buf_append_str(&bytes, "{\"key\":\"");
    buf_append_view(&bytes, plan->key_text_start);
    plan->key_start = keep(plan, &bytes);

    buf_append_str(&bytes, "},\"headers\":{\"relation\":[");
    json_append_string(&bytes, def->table.schema);
    buf_append_byte(&bytes, ',');
    json_append_string(&bytes, def->table.name);
    buf_append_str(&bytes, "],\"operation\":\"");
    plan->headers = keep(plan, &bytes);
    buf_free(&bytes);
    buf_free(&name);
    return plan;
}

void
item_plan_free(struct item_plan *plan)
{
    if (plan != NULL) {
        arena_free(plan->mem);
        mem_free(plan);
    }
}

/* ---- values and keys */

static const char *
inet_suffix(struct view text)
{
    if (text.size > 0 && memchr(text.bytes, '/', text.size) != NULL) {
        return "";
    }
    return text.size > 0 && memchr(text.bytes, ':', text.size) != NULL ? "/128" : "/32";
}

static void
append_spelled(enum spelling spelling, struct view text, struct buf *out)
{
    switch (spelling) {
    case SPELL_AS_IS:
        json_append_escaped(out, text);
        return;
    case SPELL_BOOL:
        buf_append_str(out, text.size > 0 && text.bytes[0] == 't' ? "true" : "false");
        return;
    case SPELL_INET:
        json_append_escaped(out, text);
        buf_append_str(out, inet_suffix(text));
        return;
    }
}

/* In a key a slash inside a value is doubled. */
static void
append_key_value(enum spelling spelling, struct view text, struct buf *out)
{
    const uint8_t *slash = text.size > 0 ? memchr(text.bytes, '/', text.size) : NULL;
    if (slash == NULL && spelling == SPELL_AS_IS) {
        json_append_escaped(out, text);
        return;
    }
    struct buf spelled = {0};
    append_spelled(spelling, text, &spelled);
    for (size_t i = 0; i < spelled.size; i++) {
        if (spelled.bytes[i] == '/') {
            buf_append_byte(out, '/');
        }
        buf_append_byte(out, spelled.bytes[i]);
    }
    buf_free(&spelled);
}

/* The key behind the relation, inside of a JSON string: /"1"/_ */
static void
append_key_values(const struct item_plan *plan, const struct where_field *row, struct buf *out)
{
    const struct shape_def *def = plan->def;
    for (size_t i = 0; i < def->key_count; i++) {
        const struct where_field *field = &row[def->key[i]];
        if (field->is_null) {
            buf_append_str(out, "/_");
            continue;
        }
        buf_append_str(out, "/\\\"");
        append_key_value(plan->columns[def->key[i]].spelling, field->text, out);
        buf_append_str(out, "\\\"");
    }
}

static void
append_key(const struct item_plan *plan, const struct where_field *row, struct buf *out)
{
    buf_append_view(out, plan->key_start);
    append_key_values(plan, row, out);
    buf_append_str(out, "\",\"value\":{");
}

static void
append_value(const struct item_plan *plan, uint16_t place, const struct where_field *row,
             bool is_first, struct buf *out)
{
    const struct where_field *field = &row[place];
    if (!is_first) {
        buf_append_byte(out, ',');
    }
    buf_append_view(out, plan->columns[place].name);
    if (field->is_null) {
        buf_append(out, "null", 4);
        return;
    }
    buf_append_byte(out, '"');
    append_spelled(plan->columns[place].spelling, field->text, out);
    buf_append_byte(out, '"');
}

static void
append_all_values(const struct item_plan *plan, const struct where_field *row, struct buf *out)
{
    for (size_t i = 0; i < plan->def->selected_count; i++) {
        append_value(plan, plan->def->selected[i], row, i == 0, out);
    }
}

static bool
field_equal(const struct where_field *a, const struct where_field *b)
{
    return a->is_null == b->is_null && (a->is_null || view_equal(a->text, b->text));
}

static void
append_headers(const struct item_plan *plan, const char *operation, struct item_place place,
               struct buf *out)
{
    buf_append_view(out, plan->headers);
    buf_append_str(out, operation);
    buf_append_str(out, "\",\"lsn\":\"");
    buf_append_u64(out, place.offset.lsn);
    buf_append_str(out, "\",\"op_position\":");
    buf_append_u64(out, place.offset.op);
    buf_append_str(out, ",\"txids\":[");
    buf_append_u64(out, place.xid);
    buf_append_byte(out, ']');
}

/* `,"key_change_to":"…"` */
static void
append_other_key(const struct item_plan *plan, const char *name, const struct where_field *row,
                 struct buf *out)
{
    if (row == NULL) {
        return;
    }
    buf_append_str(out, name);
    buf_append_view(out, plan->key_text_start);
    append_key_values(plan, row, out);
    buf_append_byte(out, '"');
}

/* ---- items */

static bool
same_key(const struct item_plan *plan, const struct where_field *old_row,
         const struct where_field *new_row)
{
    for (size_t i = 0; i < plan->def->key_count; i++) {
        if (!field_equal(&old_row[plan->def->key[i]], &new_row[plan->def->key[i]])) {
            return false;
        }
    }
    return true;
}

static bool
same_values(const struct item_plan *plan, const struct where_field *old_row,
            const struct where_field *new_row)
{
    for (size_t i = 0; i < plan->def->selected_count; i++) {
        uint16_t place = plan->def->selected[i];
        if (!field_equal(&old_row[place], &new_row[place])) {
            return false;
        }
    }
    return true;
}

enum item_change
item_classify(const struct item_plan *plan, const struct where_field *old_row,
              const struct where_field *new_row)
{
    if (old_row == NULL || new_row == NULL) {
        return old_row != NULL ? ITEM_DELETE : new_row != NULL ? ITEM_INSERT : ITEM_NONE;
    }
    if (!same_key(plan, old_row, new_row)) {
        return ITEM_REKEY;
    }
    return same_values(plan, old_row, new_row) ? ITEM_NONE : ITEM_UPDATE;
}

void
item_append_snapshot(const struct item_plan *plan, const struct where_field *row, struct buf *out)
{
    append_key(plan, row, out);
    append_all_values(plan, row, out);
    buf_append_view(out, plan->headers);
    buf_append_str(out, "insert\"}},");
}

void
item_append_subset(const struct item_plan *plan, const struct where_field *row, uint32_t mark,
                   struct buf *out)
{
    append_key(plan, row, out);
    append_all_values(plan, row, out);
    buf_append_view(out, plan->headers);
    buf_append_str(out, "insert\",\"snapshot_mark\":");
    buf_append_u64(out, mark);
    buf_append_str(out, "}},");
}

void
item_append_insert(const struct item_plan *plan, const struct where_field *row,
                   const struct where_field *old_row, struct item_place place, struct buf *out)
{
    append_key(plan, row, out);
    append_all_values(plan, row, out);
    append_headers(plan, "insert", place, out);
    append_other_key(plan, ",\"key_change_from\":\"", old_row, out);
    buf_append_str(out, "}},");
}

static void
append_old_values(const struct item_plan *plan, const struct where_field *old_row,
                  const struct where_field *new_row, struct buf *out)
{
    bool is_first = true;
    buf_append_str(out, "},\"old_value\":{");
    for (size_t i = 0; i < plan->def->selected_count; i++) {
        uint16_t place = plan->def->selected[i];
        if (!field_equal(&old_row[place], &new_row[place])) {
            append_value(plan, place, old_row, is_first, out);
            is_first = false;
        }
    }
}

void
item_append_update(const struct item_plan *plan, const struct where_field *old_row,
                   const struct where_field *new_row, struct item_place place, struct buf *out)
{
    append_key(plan, new_row, out);
    if (plan->def->is_replica_full) {
        append_all_values(plan, new_row, out);
        append_old_values(plan, old_row, new_row, out);
    } else {
        bool is_first = true;
        for (size_t i = 0; i < plan->def->selected_count; i++) {
            uint16_t column = plan->def->selected[i];
            if (plan->is_key[column] || !field_equal(&old_row[column], &new_row[column])) {
                append_value(plan, column, new_row, is_first, out);
                is_first = false;
            }
        }
    }
    append_headers(plan, "update", place, out);
    buf_append_str(out, "}},");
}

void
item_append_delete(const struct item_plan *plan, const struct where_field *row,
                   const struct where_field *new_row, struct item_place place, struct buf *out)
{
    append_key(plan, row, out);
    if (plan->def->is_replica_full || !plan->def->has_primary_key) {
        append_all_values(plan, row, out);
    } else {
        bool is_first = true;
        for (size_t i = 0; i < plan->def->selected_count; i++) {
            if (plan->is_key[plan->def->selected[i]]) {
                append_value(plan, plan->def->selected[i], row, is_first, out);
                is_first = false;
            }
        }
    }
    append_headers(plan, "delete", place, out);
    append_other_key(plan, ",\"key_change_to\":\"", new_row, out);
    buf_append_str(out, "}},");
}

int
item_row_delta(struct view item)
{
    static const char name[] = "\"operation\":\"";
    size_t size = sizeof name - 1;
    /* The headers come last, and in strings a quote has a backslash before it. */
    for (size_t at = item.size > size ? item.size - size : 0; at > 0; at--) {
        if (memcmp(item.bytes + at - 1, name, size) == 0) {
            uint8_t first = item.bytes[at - 1 + size];
            return (first == 'i') - (first == 'd');
        }
    }
    return 0;
}

void
item_mark_last(struct buf *out)
{
    static const char plain[] = "}},";
    ASSERT(out->size >= 3 && memcmp(out->bytes + out->size - 3, plain, 3) == 0);
    out->size -= 3;
    buf_append_str(out, ",\"last\":true}},");
}
