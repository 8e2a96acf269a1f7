/*
 * Any table and any wish: a definition or an error. Its bytes bring it back, and whatever one byte
 * of them may become is a definition or an error too, whose own bytes bring it back.
 *
 * Covers: common/core/shape_def.c common/core/shape_def_code.c common/core/relation.c
 */
#include "common/core/shape_def.h"

#include "common/sql_parse.h"
#include "tests/lib/fuzz_input.h"

#define COLUMNS 5

static const uint32_t OIDS[] = {16,   20,   21,   23,   25,   700,  701,   1042,
                                1043, 1082, 1083, 1114, 1184, 1186, 1266,  1560,
                                1562, 1700, 2950, 3802, 1009, 1007, 16400, 17};
static const char *const NAMES[] = {"id", "a", "b", "c", "", "long name", "A"};
static const char *const CLAUSES[] = {
    "id = '1'", "true",      "a IS NULL",    "b > '1' AND c < '2'",
    "id = $1",  "missing=1", "b IN ($1,'')", "(c = 'x') IS TRUE"};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
take_columns(struct fuzz_input *in, struct db_column *columns)
{
    static const char kinds[] = {'b', 'e', 'd', 'p'};
    for (size_t i = 0; i < COLUMNS; i++) {
        uint32_t oid = OIDS[fuzz_input_below(in, COUNT_OF(OIDS))];
        uint8_t flags = fuzz_input_byte(in);
        columns[i] = (struct db_column){
            .name = view_str(NAMES[(i + (flags >> 7) * fuzz_input_below(in, 2)) % COUNT_OF(NAMES)]),
            .type_oid = oid,
            .type_mod = flags & 1 ? RELATION_NO_TYPE_MOD : fuzz_input_u64(in) >> 32,
            .base_type_oid = flags & 64 ? 23 : oid,
            .element_type_oid = flags & 2 ? OIDS[fuzz_input_below(in, COUNT_OF(OIDS))] : 0,
            .type_name = view_str("some_type"),
            .type_kind = view_of(&kinds[fuzz_input_below(in, COUNT_OF(kinds))], 1),
            .dimensions = fuzz_input_below(in, 3),
            .key_position = flags & 4 ? fuzz_input_below(in, COLUMNS + 2) : 0,
            .is_not_null = flags & 8,
            .is_generated = (flags & 48) == 48,
            .collation = view_str(flags & 128 ? "de-x-icu" : ""),
        };
    }
}

static size_t
take_names(struct fuzz_input *in, struct view *names)
{
    size_t count = fuzz_input_below(in, COLUMNS + 1);
    for (size_t i = 0; i < count; i++) {
        names[i] = view_str(NAMES[fuzz_input_below(in, COUNT_OF(NAMES))]);
    }
    return count;
}

static struct shape_def *
build(struct fuzz_input *in, struct arena *mem)
{
    struct err err;
    const char *field;
    struct shape_def *def;
    struct db_column columns[COLUMNS];
    struct view names[2][COLUMNS];
    struct sql_node *where = NULL;
    struct where_param param = {true, view_str("7")};
    take_columns(in, columns);
    struct relation table = relation_from_bus(&(struct db_relation){.oid = 7,
                                                                    .schema = view_str("public"),
                                                                    .name = view_str("t"),
                                                                    .columns = columns,
                                                                    .columns_count = COLUMNS},
                                              mem);
    uint8_t flags = fuzz_input_byte(in);
    struct shape_wish wish = {
        .has_columns = flags & 1,
        .columns = names[0],
        .column_count = take_names(in, names[0]),
        .has_queryable = flags & 2,
        .queryable = names[1],
        .queryable_count = take_names(in, names[1]),
        .params = &param,
        .param_count = 1,
        .is_replica_full = flags & 4,
        .is_changes_only = flags & 8,
    };
    if (flags & 16) {
        const char *clause = CLAUSES[fuzz_input_below(in, COUNT_OF(CLAUSES))];
        ASSERT(sql_parse_where(view_str(clause), mem, &where, &err));
        wish.where = where;
    }
    return shape_def_build(&table, &wish, &def, &field, &err) ? def : NULL;
}

/* The stream's view of the table, a little off now and then. */
static void
check_outdated(const struct shape_def *def, struct fuzz_input *in)
{
    struct pgoutput_column columns[COLUMNS + 1] = {0};
    struct pgoutput_relation relation = {.schema = def->table.schema, .name = def->table.name};
    size_t count = def->table.column_count < COLUMNS ? def->table.column_count : COLUMNS;
    const char *reason;
    for (size_t i = 0; i < count; i++) {
        columns[relation.column_count].name = def->table.columns[i].name;
        columns[relation.column_count].type_oid =
            def->table.columns[i].type_oid + fuzz_input_chance(in, 8);
        relation.column_count += !fuzz_input_chance(in, 8);
    }
    relation.columns = columns;
    if (fuzz_input_chance(in, 8)) {
        relation.name = view_str("renamed");
    }
    bool is_outdated = shape_def_is_outdated(def, &relation, fuzz_input_chance(in, 2), &reason);
    ASSERT(is_outdated == (reason != NULL));
}

static void
check_bytes(struct view bytes, struct fuzz_input *in)
{
    struct err err;
    struct shape_def *def;
    if (!shape_def_decode(bytes, NULL, &def, &err)) {
        return;
    }
    struct buf first = {0};
    struct buf again = {0};
    struct shape_def *back;
    shape_def_encode(def, &first);
    ASSERT(shape_def_decode(buf_view(&first), NULL, &back, &err));
    shape_def_encode(back, &again);
    ASSERT(view_equal(buf_view(&first), buf_view(&again)));
    buf_clear(&again);
    shape_def_identity(def, &again);
    shape_def_schema(def, &again);
    check_outdated(def, in);
    shape_def_free(back);
    shape_def_free(def);
    buf_free(&first);
    buf_free(&again);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct arena *mem = arena_new(1u << 20);
    check_bytes(view_of(data, size), &in);
    struct shape_def *def = build(&in, mem);
    if (def != NULL) {
        struct buf bytes = {0};
        shape_def_encode(def, &bytes);
        check_bytes(buf_view(&bytes), &in);
        ASSERT(relation_same_columns(def->table.columns, COLUMNS, def->table.columns, COLUMNS));
        bytes.bytes[fuzz_input_below(&in, bytes.size)] = fuzz_input_byte(&in);
        check_bytes(buf_view(&bytes), &in);
        shape_def_free(def);
        buf_free(&bytes);
    }
    arena_free(mem);
    return 0;
}
