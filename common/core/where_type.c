/* The names and oids of the types that the where language knows. */
#include <string.h>

#include "common/core/where_value.h"

struct type_row {
    enum where_base base;
    const char *name;
    uint32_t oid;
    uint32_t array_oid;
};

/* pg_type.dat: these oids never change. */
static const struct type_row type_rows[] = {
    {WT_UNKNOWN, "unknown", 705, 0},
    {WT_BOOL, "bool", 16, 1000},
    {WT_INT2, "int2", 21, 1005},
    {WT_INT4, "int4", 23, 1007},
    {WT_INT8, "int8", 20, 1016},
    {WT_FLOAT4, "float4", 700, 1021},
    {WT_FLOAT8, "float8", 701, 1022},
    {WT_NUMERIC, "numeric", 1700, 1231},
    {WT_TEXT, "text", 25, 1009},
    {WT_VARCHAR, "varchar", 1043, 1015},
    {WT_BPCHAR, "bpchar", 1042, 1014},
    {WT_NAME, "name", 19, 1003},
    {WT_UUID, "uuid", 2950, 2951},
    {WT_BYTEA, "bytea", 17, 1001},
    {WT_DATE, "date", 1082, 1182},
    {WT_TIME, "time", 1083, 1183},
    {WT_TIMESTAMP, "timestamp", 1114, 1115},
    {WT_TIMESTAMPTZ, "timestamptz", 1184, 1185},
    {WT_INTERVAL, "interval", 1186, 1187},
    {WT_JSON, "json", 114, 199},
    {WT_JSONB, "jsonb", 3802, 3807},
};

bool
where_type_equal(struct where_type a, struct where_type b)
{
    return a.base == b.base && a.is_array == b.is_array && a.oid == b.oid;
}

const char *
where_type_name(struct where_type type)
{
    static const char *const array_names[WHERE_BASE_COUNT] = {
        "unknown[]",  "bool[]",    "int2[]",  "int4[]",    "int8[]",      "float4[]",
        "float8[]",   "numeric[]", "text[]",  "varchar[]", "bpchar[]",    "name[]",
        "uuid[]",     "bytea[]",   "date[]",  "time[]",    "timestamp[]", "timestamptz[]",
        "interval[]", "json[]",    "jsonb[]", "enum[]",    "opaque[]",
    };
    if (type.is_array) {
        return array_names[type.base];
    }
    for (size_t i = 0; i < COUNT_OF(type_rows); i++) {
        if (type_rows[i].base == type.base) {
            return type_rows[i].name;
        }
    }
    return type.base == WT_ENUM ? "enum" : "opaque";
}

/* The grammar has turned integer, boolean, character varying, … into these already. */
bool
where_type_by_name(struct view name, enum where_base *base_out)
{
    for (size_t i = 1; i < COUNT_OF(type_rows); i++) {
        if (view_is(name, type_rows[i].name)) {
            *base_out = type_rows[i].base;
            return true;
        }
    }
    return false;
}

struct where_type
where_type_by_oid(uint32_t oid)
{
    for (size_t i = 1; i < COUNT_OF(type_rows); i++) {
        if (type_rows[i].oid == oid) {
            return (struct where_type){.base = type_rows[i].base};
        }
        if (type_rows[i].array_oid == oid) {
            return (struct where_type){.base = type_rows[i].base, .is_array = true};
        }
    }
    return (struct where_type){.base = WT_OPAQUE, .oid = oid};
}
