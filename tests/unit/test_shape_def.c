/*
 * A definition selects what the client asked for or says what is wrong with it in the reference's
 * words; its bytes bring the same one back; it knows when its table is no longer the one it was
 * made for.
 */
#include "common/core/shape_def.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/sql_parse.h"

#define V(s)                                \
    {                                       \
        (const uint8_t *)(s), sizeof(s) - 1 \
    }
#define COLUMN_WITH(n, oid, type, mod, ...)                                         \
    {                                                                               \
        .name = V(n), .type_oid = (oid), .base_type_oid = (oid), .type_mod = (mod), \
        .type_kind = 'b', .type_name = V(type), __VA_ARGS__                         \
    }
#define COLUMN_MOD(n, oid, type, mod) COLUMN_WITH(n, oid, type, mod, .key_position = 0)
#define COLUMN(n, oid, type)          COLUMN_MOD(n, oid, type, RELATION_NO_TYPE_MOD)

static struct column items_columns[] = {
    COLUMN("v", 25, "text"),
    COLUMN_WITH("id", 23, "int4", RELATION_NO_TYPE_MOD, .is_not_null = true, .key_position = 1),
    COLUMN("n", 23, "int4")};
static struct relation items = {
    100, {(const uint8_t *)"public", 6}, {(const uint8_t *)"items", 5}, 3, items_columns};

static struct arena *mem;
static struct err err;
static const char *field;

static int
set_up(void **state)
{
    (void)state;
    mem = arena_new(1u << 20);
    return 0;
}

static int
tear_down(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

/* `columns`, `queryable`: names by commas, NULL for none. */
static const struct view *
names(const char *text, size_t *count)
{
    struct view *list = arena_alloc(mem, 8, sizeof *list);
    *count = 0;
    while (text != NULL) {
        const char *comma = strchr(text, ',');
        size_t size = comma == NULL ? strlen(text) : (size_t)(comma - text);
        list[(*count)++] = view_of(text, size);
        text = comma == NULL ? NULL : comma + 1;
    }
    return list;
}

static struct shape_def *
build(const struct relation *table, const char *columns, const char *queryable, const char *where)
{
    struct shape_def *def;
    struct sql_node *tree = NULL;
    struct shape_wish wish = {.has_columns = columns != NULL, .has_queryable = queryable != NULL};
    wish.columns = names(columns, &wish.column_count);
    wish.queryable = names(queryable, &wish.queryable_count);
    if (where != NULL) {
        assert_true(sql_parse_where(view_str(where), mem, &tree, &err));
    }
    wish.where = tree;
    return shape_def_build(table, &wish, &def, &field, &err) ? def : NULL;
}

static void
assert_selected(struct shape_def *def, const char *wanted)
{
    struct buf text = {0};
    assert_non_null(def);
    for (size_t i = 0; i < def->selected_count; i++) {
        buf_append_str(&text, i > 0 ? "," : "");
        buf_append_view(&text, def->table.columns[def->selected[i]].name);
    }
    assert_string_equal(buf_str(&text), wanted);
    buf_free(&text);
    shape_def_free(def);
}

static void
assert_refused(const struct relation *table, const char *columns, const char *queryable,
               const char *wanted_field, const char *message)
{
    assert_null(build(table, columns, queryable, NULL));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_string_equal(field, wanted_field);
    assert_string_equal(err.msg, message);
}

static void
test_selected_columns_are_sorted_by_name(void **state)
{
    (void)state;
    assert_selected(build(&items, NULL, NULL, NULL), "id,n,v");
    assert_selected(build(&items, "v,id", NULL, NULL), "id,v");
    assert_selected(build(&items, "v,id,v", NULL, NULL), "id,v");
    assert_selected(build(&items, NULL, "n,id", NULL), "id,n");
    assert_selected(build(&items, "id", "n,id", NULL), "id");
}

static void
test_wrong_columns_are_refused_in_the_reference_s_words(void **state)
{
    (void)state;
    assert_refused(&items, "v", NULL, "columns",
                   "The list of columns must include all primary key columns, missing: id");
    assert_refused(&items, "id,zzz,y", NULL, "columns",
                   "The following columns are not found on the table: zzz, y");
    assert_refused(
        &items, NULL, "v", "queryable_columns",
        "The list of queryable columns must include all primary key columns, missing: id");
    struct column gen[] = {
        COLUMN_WITH("id", 23, "int4", RELATION_NO_TYPE_MOD, .key_position = 1),
        COLUMN_WITH("w", 23, "int4", RELATION_NO_TYPE_MOD, .is_generated = true)};
    struct relation table = {1, view_str("public"), view_str("g_gen"), 2, gen};
    assert_refused(&table, "id,w", NULL, "columns",
                   "The following columns are generated and cannot be included in the shape: w");
    assert_refused(
        &table, NULL, NULL, "columns",
        "The following columns are generated and cannot be included in the shape: w. You "
        "can exclude them from the shape by explicitly listing which columns to fetch in "
        "the 'columns' query param");
    assert_selected(build(&table, "id", NULL, NULL), "id");
}

static void
assert_schema(const struct relation *table, const char *wanted)
{
    struct buf out = {0};
    struct shape_def *def = build(table, NULL, NULL, NULL);
    assert_non_null(def);
    shape_def_schema(def, &out);
    assert_string_equal(buf_str(&out), wanted);
    buf_free(&out);
    shape_def_free(def);
}

static void
test_schema_of_the_golden_tables(void **state)
{
    (void)state;
    assert_schema(&items, "{\"id\":{\"type\":\"int4\",\"not_null\":true,\"pk_index\":0},"
                          "\"n\":{\"type\":\"int4\"},\"v\":{\"type\":\"text\"}}");
    struct column types[] = {
        COLUMN_MOD("bits", 1560, "bit", 3),
        COLUMN_MOD("ch", 1042, "bpchar", 8),
        COLUMN_WITH("ia", 1007, "int4", RELATION_NO_TYPE_MOD, .element_type_oid = 23,
                    .dimensions = 1),
        COLUMN_WITH("ia2", 1007, "int4", RELATION_NO_TYPE_MOD, .element_type_oid = 23,
                    .dimensions = 2),
        COLUMN("iv", 1186, "interval"),
        COLUMN_MOD("iv2", 1186, "interval", 0x0006ffff),
        COLUMN_MOD("iv3", 1186, "interval", 0x7fff0003),
        COLUMN_MOD("num", 1700, "numeric", (12 << 16) + 3 + 4),
        COLUMN_MOD("num2", 1700, "numeric", (5 << 16) + 2045 + 4),
        COLUMN_MOD("ts", 1114, "timestamp", 3),
        COLUMN_WITH("va", 1015, "varchar", 14, .element_type_oid = 1043),
        COLUMN_MOD("vc", 1043, "varchar", 9),
    };
    struct relation table = {1, view_str("public"), view_str("g_types"), COUNT_OF(types), types};
    assert_schema(
        &table,
        "{\"bits\":{\"type\":\"bit\",\"length\":3},\"ch\":{\"type\":\"bpchar\",\"length\":4},"
        "\"ia\":{\"type\":\"int4\",\"dims\":1},\"ia2\":{\"type\":\"int4\",\"dims\":2},"
        "\"iv\":{\"type\":\"interval\"},\"iv2\":{\"type\":\"interval\",\"fields\":\"YEAR TO "
        "MONTH\"},"
        "\"iv3\":{\"type\":\"interval\",\"precision\":3},"
        "\"num\":{\"type\":\"numeric\",\"precision\":12,\"scale\":3},"
        "\"num2\":{\"type\":\"numeric\",\"precision\":5,\"scale\":-3},"
        "\"ts\":{\"type\":\"timestamp\",\"precision\":3},"
        "\"va\":{\"type\":\"varchar\",\"dims\":1,\"max_length\":10},"
        "\"vc\":{\"type\":\"varchar\",\"max_length\":5}}");
}

static void
test_without_a_key_all_columns_are_fetched(void **state)
{
    (void)state;
    struct column columns[] = {COLUMN("b", 25, "text"), COLUMN("a", 23, "int4")};
    struct relation table = {1, view_str("public"), view_str("g_nopk"), 2, columns};
    struct shape_def *def = build(&table, "b", NULL, NULL);
    assert_int_equal(def->selected_count, 1);
    assert_int_equal(def->key_count, 2);
    assert_int_equal(def->key[0], 0);
    assert_int_equal(def->fetched_count, 2);
    assert_int_equal(def->fetched[0], 1); /* a, b */
    shape_def_free(def);
}

static struct buf
bytes_of(const struct shape_def *def, void (*fn)(const struct shape_def *def, struct buf *out))
{
    struct buf bytes = {0};
    fn(def, &bytes);
    return bytes;
}

static void
test_bytes_bring_the_same_definition_back(void **state)
{
    (void)state;
    static const char *const wheres[] = {NULL, "v = 'a' AND n > 3", "n IS NULL OR v LIKE 'x%'"};
    for (size_t i = 0; i < COUNT_OF(wheres); i++) {
        struct shape_def *back;
        struct shape_def *def = build(&items, i == 0 ? NULL : "id,v", NULL, wheres[i]);
        struct buf bytes = bytes_of(def, shape_def_encode);
        assert_true(shape_def_decode(buf_view(&bytes), NULL, &back, &err));
        struct buf again = bytes_of(back, shape_def_encode);
        assert_true(view_equal(buf_view(&bytes), buf_view(&again)));
        struct buf identity = bytes_of(def, shape_def_identity);
        struct buf identity_back = bytes_of(back, shape_def_identity);
        assert_true(view_equal(buf_view(&identity), buf_view(&identity_back)));
        assert_true((shape_def_where(back, mem) == NULL) == (wheres[i] == NULL));
        for (size_t size = 0; size < bytes.size; size++) {
            struct shape_def *cut;
            assert_false(shape_def_decode(view_of(bytes.bytes, size), NULL, &cut, &err));
            assert_int_equal(err.kind, ERR_CORRUPT);
        }
        buf_free(&bytes);
        buf_free(&again);
        buf_free(&identity);
        buf_free(&identity_back);
        shape_def_free(back);
        shape_def_free(def);
    }
}

/* Whether it was built or read, a definition comes to the frame of the others like it. */
static void
test_definitions_that_differ_in_where_share_a_frame(void **state)
{
    (void)state;
    struct shape_frames *frames = shape_frames_new();
    struct shape_def *defs[4] = {
        build(&items, "id,v", NULL, "n = 1"),
        build(&items, "id,v", NULL, "n = 2"),
        build(&items, "id", NULL, "n = 1"),
    };
    struct buf bytes = bytes_of(defs[1], shape_def_encode);
    for (size_t i = 0; i < 3; i++) {
        shape_def_share(defs[i], frames);
    }
    assert_true(shape_def_decode(buf_view(&bytes), frames, &defs[3], &err));
    assert_int_equal(shape_frames_count(frames), 2);
    assert_ptr_equal(defs[0]->table.columns, defs[1]->table.columns);
    assert_ptr_equal(defs[0]->table.columns, defs[3]->table.columns);
    assert_ptr_equal(shape_def_plan(defs[0]), shape_def_plan(defs[3]));
    assert_ptr_not_equal(defs[0]->selected, defs[2]->selected);
    struct buf again = bytes_of(defs[3], shape_def_encode);
    assert_true(view_equal(buf_view(&bytes), buf_view(&again)));
    shape_def_free(defs[0]);
    shape_def_free(defs[3]);
    assert_int_equal(shape_frames_count(frames), 2);
    struct shape_def *next; /* the frame asked for last may be gone, or another one */
    shape_def_free(defs[1]);
    assert_int_equal(shape_frames_count(frames), 1);
    assert_true(shape_def_decode(buf_view(&bytes), frames, &next, &err));
    assert_true(shape_def_decode(buf_view(&bytes), frames, &defs[0], &err));
    assert_ptr_equal(next->key, defs[0]->key);
    shape_def_free(next);
    shape_def_free(defs[0]);
    shape_def_free(defs[2]);
    assert_int_equal(shape_frames_count(frames), 0);
    shape_frames_free(frames);
    buf_free(&bytes);
    buf_free(&again);
}

static bool
same_identity(struct shape_def *a, struct shape_def *b)
{
    struct buf a_bytes = bytes_of(a, shape_def_identity);
    struct buf b_bytes = bytes_of(b, shape_def_identity);
    bool is_same = view_equal(buf_view(&a_bytes), buf_view(&b_bytes));
    buf_free(&a_bytes);
    buf_free(&b_bytes);
    shape_def_free(a);
    shape_def_free(b);
    return is_same;
}

static void
test_identity_is_what_clients_see(void **state)
{
    (void)state;
    assert_true(
        same_identity(build(&items, "v,id", NULL, NULL), build(&items, "id,v", NULL, NULL)));
    assert_true(
        same_identity(build(&items, NULL, NULL, "n=1"), build(&items, NULL, NULL, "n  = 1")));
    assert_true(same_identity(build(&items, NULL, NULL, NULL), build(&items, NULL, NULL, "true")));
    assert_false(same_identity(build(&items, NULL, NULL, NULL), build(&items, "id,v", NULL, NULL)));
    assert_false(same_identity(build(&items, NULL, NULL, "n=1"), build(&items, NULL, NULL, "n=2")));
    struct relation other = items;
    other.oid = 101; /* dropped and made again */
    assert_false(same_identity(build(&items, NULL, NULL, NULL), build(&other, NULL, NULL, NULL)));
    /* A column more is nothing to a shape that names its own. */
    struct column wide[] = {items_columns[0], items_columns[1], items_columns[2],
                            COLUMN("x", 23, "int4")};
    struct relation wider = {100, items.schema, items.name, 4, wide};
    assert_true(
        same_identity(build(&items, "id,v", NULL, NULL), build(&wider, "id,v", NULL, NULL)));
    assert_false(same_identity(build(&items, NULL, NULL, NULL), build(&wider, NULL, NULL, NULL)));
}

/* A relation message; `columns` as name, type, name, type. */
static const char *
outdated(const struct shape_def *def, const char *name, const struct pgoutput_column *columns,
         size_t count)
{
    const char *reason;
    struct pgoutput_column copy[8];
    memcpy(copy, columns, count * sizeof *columns);
    struct pgoutput_relation relation = {.oid = 100,
                                         .schema = view_str("public"),
                                         .name = view_str(name),
                                         .column_count = count,
                                         .columns = copy};
    return shape_def_is_outdated(def, &relation, true, &reason) ? reason : NULL;
}

#define STREAMED(n, t)                                                 \
    {                                                                  \
        .name = {(const uint8_t *)(n), sizeof(n) - 1}, .type_oid = (t) \
    }

static void
test_what_a_relation_message_ends(void **state)
{
    (void)state;
    static const struct pgoutput_column same[] = {STREAMED("v", 25), STREAMED("id", 23),
                                                  STREAMED("n", 23), STREAMED("more", 23)};
    static const struct pgoutput_column retyped[] = {STREAMED("v", 1043), STREAMED("id", 23),
                                                     STREAMED("n", 20)};
    struct shape_def *all = build(&items, NULL, NULL, NULL);
    struct shape_def *some = build(&items, "id,v", NULL, "n = 1");
    assert_null(outdated(all, "items", same, 3));
    assert_null(outdated(some, "items", same, 3));
    assert_null(outdated(some, "items", same, 4)); /* a column that it does not select was added */
    assert_string_equal(outdated(all, "items", same, 4), "a column was added or dropped");
    assert_string_equal(outdated(all, "items", same, 2), "a column was added or dropped");
    assert_string_equal(outdated(some, "items", same, 1),
                        "a column was dropped, renamed or has another type");
    assert_string_equal(outdated(some, "items", same, 2),
                        "a column of the where clause was dropped, renamed or has another type");
    assert_string_equal(outdated(some, "items", retyped, 3),
                        "a column was dropped, renamed or has another type");
    assert_string_equal(outdated(some, "other", same, 3), "the table was renamed");
    shape_def_free(all);
    shape_def_free(some);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_selected_columns_are_sorted_by_name),
        TEST(test_wrong_columns_are_refused_in_the_reference_s_words),
        TEST(test_schema_of_the_golden_tables),
        TEST(test_without_a_key_all_columns_are_fetched),
        TEST(test_bytes_bring_the_same_definition_back),
        TEST(test_definitions_that_differ_in_where_share_a_frame),
        TEST(test_identity_is_what_clients_see),
        TEST(test_what_a_relation_message_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
