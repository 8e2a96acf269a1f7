/*
 * The definition as bytes (little-endian), its identity, its schema, and what makes it outdated.
 *
 *     u8 format, u8 flags (1 selects all, 2 replica full, 4 changes only), u32 oid, text schema,
 * text name u16 count, columns: text name, u32 type_oid, u32 type_mod, u32 base_type_oid, u32
 * element_type_oid, u32 enum_oid, text type_name, u8 type_kind, u8 dimensions, u16 key_position, u8
 * flags (1 not null, 2 generated, 4 odd collation) u16 count, u16 each: selected places text where
 * as SQL, text where as code                      text: u32 size, bytes
 */
#include "common/core/limits.h"
#include "common/core/shape_def_parts.h"
#include "common/core/where_code.h"
#include "common/json.h"

#define FORMAT 2

#define FLAG_SELECTS_ALL  1u
#define FLAG_REPLICA_FULL 2u
#define FLAG_CHANGES_ONLY 4u

#define COLUMN_NOT_NULL      1u
#define COLUMN_GENERATED     2u
#define COLUMN_ODD_COLLATION 4u

static void
put_u16(struct buf *out, size_t v)
{
    buf_append_byte(out, (uint8_t)v);
    buf_append_byte(out, (uint8_t)(v >> 8));
}

static void
put_u32(struct buf *out, uint32_t v)
{
    wire_put_u32(buf_grow(out, 4), v);
}

static void
put_text(struct buf *out, struct view text)
{
    put_u32(out, (uint32_t)text.size);
    buf_append_view(out, text);
}

static void
put_column(struct buf *out, const struct column *column)
{
    put_text(out, column->name);
    put_u32(out, column->type_oid);
    put_u32(out, column->type_mod);
    put_u32(out, column->base_type_oid);
    put_u32(out, column->element_type_oid);
    put_u32(out, column->enum_oid);
    put_text(out, column->type_name);
    buf_append_byte(out, column->type_kind);
    buf_append_byte(out, (uint8_t)column->dimensions);
    put_u16(out, column->key_position);
    buf_append_byte(out, (uint8_t)((column->is_not_null ? COLUMN_NOT_NULL : 0) |
                                   (column->is_generated ? COLUMN_GENERATED : 0) |
                                   (column->has_odd_collation ? COLUMN_ODD_COLLATION : 0)));
}

static uint8_t
flags_of(const struct shape_def *def)
{
    return (uint8_t)((def->selects_all ? FLAG_SELECTS_ALL : 0) |
                     (def->is_replica_full ? FLAG_REPLICA_FULL : 0) |
                     (def->is_changes_only ? FLAG_CHANGES_ONLY : 0));
}

void
shape_def_encode_frame(const struct shape_def *def, struct buf *out)
{
    buf_append_byte(out, FORMAT);
    buf_append_byte(out, flags_of(def));
    put_u32(out, def->table.oid);
    put_text(out, def->table.schema);
    put_text(out, def->table.name);
    put_u16(out, def->table.column_count);
    for (size_t i = 0; i < def->table.column_count; i++) {
        put_column(out, &def->table.columns[i]);
    }
    put_u16(out, def->selected_count);
    for (size_t i = 0; i < def->selected_count; i++) {
        put_u16(out, def->selected[i]);
    }
}

void
shape_def_encode(const struct shape_def *def, struct buf *out)
{
    shape_def_encode_frame(def, out);
    put_text(out, def->where_sql);
    put_text(out, def->where_code);
}

void
shape_def_identity(const struct shape_def *def, struct buf *out)
{
    buf_append_byte(out, flags_of(def));
    put_u32(out, def->table.oid);
    put_text(out, def->table.schema);
    put_text(out, def->table.name);
    put_u16(out, def->selected_count);
    for (size_t i = 0; i < def->selected_count; i++) {
        put_text(out, def->table.columns[def->selected[i]].name);
    }
    put_text(out, def->where_sql);
}

/* ---- decoding */

static uint32_t
take_le(struct wire_reader *r, size_t size)
{
    struct view bytes = wire_read_bytes(r, size);
    uint32_t v = 0;
    for (size_t i = 0; i < bytes.size; i++) {
        v |= (uint32_t)bytes.bytes[i] << (8 * i);
    }
    return v;
}

static struct view
take_text(struct wire_reader *r, struct arena *mem)
{
    struct view text = wire_read_bytes(r, take_le(r, 4));
    uint8_t *copy = arena_alloc(mem, text.size + 1, 1);
    for (size_t i = 0; i < text.size; i++) {
        copy[i] = text.bytes[i];
    }
    return (struct view){copy, text.size};
}

static void
take_column(struct wire_reader *r, struct arena *mem, struct column *column)
{
    column->name = take_text(r, mem);
    column->type_oid = take_le(r, 4);
    column->type_mod = take_le(r, 4);
    column->base_type_oid = take_le(r, 4);
    column->element_type_oid = take_le(r, 4);
    column->enum_oid = take_le(r, 4);
    column->type_name = take_text(r, mem);
    column->type_kind = wire_read_u8(r);
    column->dimensions = wire_read_u8(r);
    column->key_position = take_le(r, 2);
    uint8_t flags = wire_read_u8(r);
    column->is_not_null = (flags & COLUMN_NOT_NULL) != 0;
    column->is_generated = (flags & COLUMN_GENERATED) != 0;
    column->has_odd_collation = (flags & COLUMN_ODD_COLLATION) != 0;
}

static bool
take_selected(struct wire_reader *r, struct shape_def *def)
{
    def->selected_count = take_le(r, 2);
    if (def->selected_count > def->table.column_count) {
        return false;
    }
    def->selected = arena_alloc(def->frame->mem, def->selected_count + 1, sizeof *def->selected);
    for (size_t i = 0; i < def->selected_count; i++) {
        def->selected[i] = (uint16_t)take_le(r, 2);
        if (def->selected[i] >= def->table.column_count) {
            return false;
        }
    }
    return true;
}

/* A key position that is there twice, or not at all, would leave a hole in the key. */
static bool
has_sound_key(const struct shape_def *def)
{
    bool seen[LIMIT_COLUMNS + 1] = {false};
    size_t count = 0;
    for (size_t i = 0; i < def->table.column_count; i++) {
        uint32_t position = def->table.columns[i].key_position;
        if (position > def->table.column_count || (position > 0 && seen[position])) {
            return false;
        }
        seen[position] = position > 0;
        count += position > 0;
    }
    for (size_t position = 1; position <= count; position++) {
        if (!seen[position]) {
            return false;
        }
    }
    return true;
}

static bool
take_frame(struct wire_reader *r, struct shape_def *def, struct err *err)
{
    uint8_t format = wire_read_u8(r);
    uint8_t flags = wire_read_u8(r);
    def->selects_all = (flags & FLAG_SELECTS_ALL) != 0;
    def->is_replica_full = (flags & FLAG_REPLICA_FULL) != 0;
    def->is_changes_only = (flags & FLAG_CHANGES_ONLY) != 0;
    def->table.oid = take_le(r, 4);
    def->table.schema = take_text(r, def->frame->mem);
    def->table.name = take_text(r, def->frame->mem);
    def->table.column_count = take_le(r, 2);
    if (format != FORMAT || def->table.column_count > LIMIT_COLUMNS) {
        return err_set(err, ERR_CORRUPT, "definition of format %u", format);
    }
    def->table.columns =
        arena_alloc(def->frame->mem, def->table.column_count + 1, sizeof *def->table.columns);
    for (size_t i = 0; i < def->table.column_count; i++) {
        take_column(r, def->frame->mem, &def->table.columns[i]);
    }
    if (r->overrun || !take_selected(r, def) || !has_sound_key(def)) {
        return err_set(err, ERR_CORRUPT, "definition with columns that are none");
    }
    if (r->overrun) {
        return err_set(err, ERR_CORRUPT, "definition of the wrong length");
    }
    shape_def_set_key(def);
    shape_def_set_scope(def);
    shape_def_set_fetched(def);
    shape_def_complete(def);
    return true;
}

static bool
take_where(struct wire_reader *r, struct shape_def **def, struct err *err)
{
    struct view sql = wire_read_bytes(r, take_le(r, 4));
    struct view code = wire_read_bytes(r, take_le(r, 4));
    if (r->overrun || r->next != r->end) {
        return err_set(err, ERR_CORRUPT, "definition of the wrong length");
    }
    shape_def_set_where(def, sql, code);
    return shape_def_check_code(*def, err);
}

bool
shape_def_decode(struct view bytes, struct shape_frames *frames, struct shape_def **def_out,
                 struct err *err)
{
    struct wire_reader r = wire_reader(bytes);
    size_t taken = 0;
    struct shape_def *def = frames == NULL ? NULL : shape_frames_find(frames, bytes, &taken);
    if (def != NULL) {
        (void)wire_read_bytes(&r, taken);
    } else {
        def = shape_def_new();
        if (!take_frame(&r, def, err)) {
            shape_def_free(def);
            return false;
        }
    }
    if (!take_where(&r, &def, err)) {
        shape_def_free(def);
        return false;
    }
    if (frames != NULL) {
        shape_def_share(def, frames);
    }
    *def_out = def;
    return true;
}

/* ---- schema */

#define OID_NUMERIC   1700
#define OID_VARCHAR   1043
#define OID_BPCHAR    1042
#define OID_BIT       1560
#define OID_VARBIT    1562
#define OID_TIME      1083
#define OID_TIMETZ    1266
#define OID_TIMESTAMP 1114
#define OID_TSTZ      1184
#define OID_INTERVAL  1186

/* Postgres: atttypmod of varchar, bpchar and numeric counts a header of four bytes. */
#define TYPE_MOD_HEADER 4

static void
append_number(struct buf *out, const char *name, uint32_t v)
{
    buf_printf(out, ",\"%s\":%u", name, v);
}

/* utils/timestamp.h: INTERVAL_MASK of each field in the upper half, precision in the lower. */
static void
append_interval_modifiers(struct buf *out, uint32_t type_mod)
{
    static const struct {
        uint32_t mask;
        const char *name;
    } ranges[] = {
        {0x0004, "YEAR"},
        {0x0002, "MONTH"},
        {0x0008, "DAY"},
        {0x0400, "HOUR"},
        {0x0800, "MINUTE"},
        {0x1000, "SECOND"},
        {0x0006, "YEAR TO MONTH"},
        {0x0408, "DAY TO HOUR"},
        {0x0c08, "DAY TO MINUTE"},
        {0x1c08, "DAY TO SECOND"},
        {0x0c00, "HOUR TO MINUTE"},
        {0x1c00, "HOUR TO SECOND"},
        {0x1800, "MINUTE TO SECOND"},
    };
    for (size_t i = 0; i < COUNT_OF(ranges); i++) {
        if (ranges[i].mask == type_mod >> 16) {
            buf_printf(out, ",\"fields\":\"%s\"", ranges[i].name);
        }
    }
    if ((type_mod & 0xffff) != 0xffff) {
        append_number(out, "precision", type_mod & 0xffff);
    }
}

static void
append_modifiers(struct buf *out, const struct column *column)
{
    uint32_t type = column->element_type_oid != 0 ? column->element_type_oid : column->type_oid;
    uint32_t mod = column->type_mod;
    if (mod == RELATION_NO_TYPE_MOD) {
        return;
    }
    if (type == OID_VARCHAR) {
        append_number(out, "max_length", mod - TYPE_MOD_HEADER);
    } else if (type == OID_BPCHAR) {
        append_number(out, "length", mod - TYPE_MOD_HEADER);
    } else if (type == OID_BIT) {
        append_number(out, "length", mod);
    } else if (type == OID_VARBIT) {
        append_number(out, "max_length", mod);
    } else if (type == OID_NUMERIC) {
        append_number(out, "precision", (mod - TYPE_MOD_HEADER) >> 16);
        uint32_t scale = (mod - TYPE_MOD_HEADER) & 0x7ff;
        buf_printf(out, ",\"scale\":%d", (int)(scale ^ 1024) - 1024); /* eleven bits with a sign */
    } else if (type == OID_TIME || type == OID_TIMETZ || type == OID_TIMESTAMP ||
               type == OID_TSTZ) {
        append_number(out, "precision", mod);
    } else if (type == OID_INTERVAL) {
        append_interval_modifiers(out, mod);
    }
}

static void
append_column_schema(struct buf *out, const struct column *column)
{
    json_append_string(out, column->name);
    buf_append_str(out, ":{\"type\":");
    json_append_string(out, column->type_name);
    if (column->is_not_null) {
        buf_append_str(out, ",\"not_null\":true");
    }
    if (column->key_position > 0) {
        append_number(out, "pk_index", column->key_position - 1);
    }
    if (column->element_type_oid != 0) {
        append_number(out, "dims", column->dimensions > 0 ? column->dimensions : 1);
    }
    append_modifiers(out, column);
    buf_append_byte(out, '}');
}

void
shape_def_schema(const struct shape_def *def, struct buf *out)
{
    buf_append_byte(out, '{');
    for (size_t i = 0; i < def->selected_count; i++) {
        buf_append_str(out, i > 0 ? "," : "");
        append_column_schema(out, &def->table.columns[def->selected[i]]);
    }
    buf_append_byte(out, '}');
}

/* ---- changes of the table */

static bool
column_matches(const struct column *column, const struct pgoutput_relation *relation)
{
    for (size_t i = 0; i < relation->column_count; i++) {
        if (view_equal(relation->columns[i].name, column->name)) {
            return relation->columns[i].type_oid == column->type_oid;
        }
    }
    return false;
}

struct where_columns {
    const struct shape_def *def;
    const struct pgoutput_relation *relation;
    bool matches;
};

static void
match_where_column(void *ctx, uint32_t place)
{
    struct where_columns *columns = ctx;
    columns->matches =
        columns->matches && column_matches(&columns->def->table.columns[place], columns->relation);
}

static void
match_where(struct where_columns *columns)
{
    struct arena *mem = arena_new(SHAPE_DEF_ARENA_MAX);
    const struct expr *where = shape_def_where(columns->def, mem);
    if (where != NULL) {
        expr_each_column(where, match_where_column, columns);
    }
    arena_free(mem);
}

static size_t
streamed_columns(const struct shape_def *def)
{
    size_t count = 0;
    for (size_t i = 0; i < def->table.column_count; i++) {
        count += !def->table.columns[i].is_generated;
    }
    return count;
}

bool
shape_def_is_outdated(const struct shape_def *def, const struct pgoutput_relation *relation,
                      bool is_root, const char **reason_out)
{
    struct where_columns where = {def, relation, true};
    *reason_out = NULL;
    if (is_root && (!view_equal(relation->name, def->table.name) ||
                    !view_equal(relation->schema, def->table.schema))) {
        *reason_out = "the table was renamed";
    } else if (def->selects_all && relation->column_count != streamed_columns(def)) {
        *reason_out = "a column was added or dropped";
    }
    for (size_t i = 0; i < def->fetched_count && *reason_out == NULL; i++) {
        if (!column_matches(&def->table.columns[def->fetched[i]], relation)) {
            *reason_out = "a column was dropped, renamed or has another type";
        }
    }
    match_where(&where);
    if (*reason_out == NULL && !where.matches) {
        *reason_out = "a column of the where clause was dropped, renamed or has another type";
    }
    return *reason_out != NULL;
}
