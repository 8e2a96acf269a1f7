#include "common/core/relation.h"

#include <string.h>

void
relation_columns(const struct db_column *columns, size_t count, struct arena *mem,
                 struct column *columns_out)
{
    for (size_t i = 0; i < count; i++) {
        const struct db_column *from = &columns[i];
        struct view collation = from->collation;
        columns_out[i] = (struct column){
            .name = arena_copy(mem, from->name),
            .type_oid = (uint32_t)from->type_oid,
            .type_mod = (uint32_t)from->type_mod,
            .base_type_oid = (uint32_t)from->base_type_oid,
            .element_type_oid = (uint32_t)from->element_type_oid,
            .enum_oid = (uint32_t)from->enum_oid,
            .enum_labels = arena_copy(mem, from->enum_labels),
            .type_name = arena_copy(mem, from->type_name),
            .type_kind = from->type_kind.size > 0 ? from->type_kind.bytes[0] : 'b',
            .dimensions = (uint32_t)from->dimensions,
            .key_position = (uint32_t)from->key_position,
            .is_not_null = from->is_not_null,
            .is_generated = from->is_generated,
            .has_odd_collation =
                collation.size > 0 && !view_is(collation, "C") && !view_is(collation, "POSIX"),
        };
    }
}

struct relation
relation_from_bus(const struct db_relation *from, struct arena *mem)
{
    struct relation relation = {
        .oid = (uint32_t)from->oid,
        .schema = arena_copy(mem, from->schema),
        .name = arena_copy(mem, from->name),
        .column_count = from->columns_count,
    };
    relation.columns = arena_alloc(mem, from->columns_count + 1, sizeof *relation.columns);
    relation_columns(from->columns, from->columns_count, mem, relation.columns);
    return relation;
}

bool
relation_same_columns(const struct column *a, size_t a_count, const struct column *b,
                      size_t b_count)
{
    if (a_count != b_count) {
        return false;
    }
    for (size_t i = 0; i < a_count; i++) {
        if (!view_equal(a[i].name, b[i].name) || a[i].type_oid != b[i].type_oid ||
            a[i].type_mod != b[i].type_mod || a[i].base_type_oid != b[i].base_type_oid ||
            a[i].key_position != b[i].key_position || a[i].is_generated != b[i].is_generated ||
            a[i].is_not_null != b[i].is_not_null) {
            return false;
        }
    }
    return true;
}

int
relation_find_column(const struct column *columns, size_t count, struct view name)
{
    for (size_t i = 0; i < count; i++) {
        if (view_equal(columns[i].name, name)) {
            return (int)i;
        }
    }
    return -1;
}
