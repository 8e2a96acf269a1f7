/*
 * Items are what the reference sends, member order apart (engine spec 23, http-golden): keys,
 * values in their one spelling, headers of each operation.
 */
#include "common/core/log_item.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#define OID_BOOL 16
#define OID_INT4 23
#define OID_TEXT 25
#define OID_INET 869

static struct shape_def *def;
static struct item_plan *plan;
static struct buf out;

/* name, type, place in the key */
struct col {
    const char *name;
    uint32_t type;
    uint32_t key;
};

static void
make(const char *name, const struct col *cols, size_t count, bool is_replica_full)
{
    struct err err;
    const char *field;
    struct column columns[8] = {0};
    for (size_t i = 0; i < count; i++) {
        columns[i] = (struct column){.name = view_str(cols[i].name),
                                     .type_oid = cols[i].type,
                                     .base_type_oid = cols[i].type,
                                     .type_mod = RELATION_NO_TYPE_MOD,
                                     .type_name = view_str("t"),
                                     .type_kind = 'b',
                                     .key_position = cols[i].key};
    }
    struct relation table = {1, view_str("public"), view_str(name), count, columns};
    struct shape_wish wish = {.is_replica_full = is_replica_full};
    assert_true(shape_def_build(&table, &wish, &def, &field, &err));
    plan = item_plan_new(def);
}

static int
tear_down(void **state)
{
    (void)state;
    item_plan_free(plan);
    shape_def_free(def);
    buf_free(&out);
    return 0;
}

static struct where_field
field(const char *text)
{
    return (struct where_field){.text = view_str(text == NULL ? "" : text),
                                .is_null = text == NULL};
}

#define ROW(...) ((const char *[]){__VA_ARGS__})

static const struct where_field *
row(struct where_field *fields, const char *const *values)
{
    for (size_t i = 0; i < def->table.column_count; i++) {
        fields[i] = field(values[i]); /* NOLINT(clang-analyzer-core.CallAndMessage) */
    }
    return fields;
}

/* The change as ingest makes items of it. */
static void
change(const char *const *old_values, const char *const *new_values, uint64_t op)
{
    struct where_field old_fields[8];
    struct where_field new_fields[8];
    const struct where_field *was = old_values == NULL ? NULL : row(old_fields, old_values);
    const struct where_field *is_now = new_values == NULL ? NULL : row(new_fields, new_values);
    struct item_place place = {{26877408, op}, 742};
    switch (item_classify(plan, was, is_now)) {
    case ITEM_NONE:
        return;
    case ITEM_INSERT:
        item_append_insert(plan, is_now, NULL, place, &out);
        return;
    case ITEM_UPDATE:
        item_append_update(plan, was, is_now, place, &out);
        return;
    case ITEM_DELETE:
        item_append_delete(plan, was, NULL, place, &out);
        return;
    case ITEM_REKEY:
        item_append_delete(plan, was, is_now, place, &out);
        place.offset.op++;
        item_append_insert(plan, is_now, was, place, &out);
        return;
    }
}

/* `out` is these items, each followed by a comma. */
static void
assert_items(const char *wanted)
{
    assert_true(out.size > 0 && out.bytes[out.size - 1] == ',');
    out.bytes[out.size - 1] = ']';
    struct buf text = {0};
    buf_append_byte(&text, '[');
    buf_append_view(&text, buf_view(&out));
    json_t *got = json_loads(buf_str(&text), 0, NULL);
    json_t *want = json_loads(wanted, 0, NULL);
    assert_non_null(got);
    assert_non_null(want);
    if (!json_equal(got, want)) {
        print_error("%s\n", buf_str(&text));
        fail();
    }
    json_decref(got);
    json_decref(want);
    buf_free(&text);
    buf_clear(&out);
}

static const struct col items[] = {{"id", OID_INT4, 1}, {"name", OID_TEXT, 0}};

#define HEAD(op, more)                                                             \
    "\"headers\":{\"lsn\":\"26877408\",\"op_position\":" op ",\"operation\":" more \
    ",\"relation\":[\"public\",\"items\"],\"txids\":[742]}"
#define KEY(id)                "\"key\":" KEY_TEXT(id)
#define KEY_TEXT(id)           "\"\\\"public\\\".\\\"items\\\"/\\\"" id "\\\"\""
#define KEY_TO(id)             ",\"key_change_to\":" KEY_TEXT(id)
#define KEY_FROM(id)           ",\"key_change_from\":" KEY_TEXT(id)
#define ITEM(op, more, id, of) "{" HEAD(op, more) "," KEY(id) ",\"value\":{" of "}}"
#define A_ROW(id, name)        "\"id\":\"" id "\",\"name\":" name

static void
test_the_transaction_of_the_specification(void **state)
{
    (void)state;
    make("items", items, 2, false);
    change(NULL, ROW("1", "a"), 0);
    change(ROW("1", "a"), ROW("1", "b"), 2);
    change(ROW("1", "b"), ROW("2", "b"), 4);
    change(ROW("2", "b"), NULL, 6);
    item_mark_last(&out);
    /* clang-format off */
    assert_items("[" ITEM("0", "\"insert\"", "1", A_ROW("1", "\"a\"")) ","
                 ITEM("2", "\"update\"", "1", A_ROW("1", "\"b\"")) ","
                 ITEM("4", "\"delete\"" KEY_TO("2"), "1", "\"id\":\"1\"") ","
                 ITEM("5", "\"insert\"" KEY_FROM("1"), "2", A_ROW("2", "\"b\"")) ","
                 ITEM("6", "\"delete\",\"last\":true", "2", "\"id\":\"2\"") "]");
    /* clang-format on */
}

static void
test_replica_full_has_all_columns_and_what_changed(void **state)
{
    (void)state;
    make("items", items, 2, true);
    change(ROW("1", "a"), ROW("1", "b"), 2);
    change(ROW("1", "b"), ROW("2", "b"), 4);
    change(ROW("2", NULL), NULL, 6);
    /* clang-format off */
    assert_items("[{" HEAD("2", "\"update\"") "," KEY("1") ",\"value\":{" A_ROW("1", "\"b\"")
                 "},\"old_value\":{\"name\":\"a\"}},"
                 ITEM("4", "\"delete\"" KEY_TO("2"), "1", A_ROW("1", "\"b\"")) ","
                 ITEM("5", "\"insert\"" KEY_FROM("1"), "2", A_ROW("2", "\"b\"")) ","
                 ITEM("6", "\"delete\"", "2", A_ROW("2", "null")) "]");
    /* clang-format on */
}

static void
test_an_update_without_a_change_sends_nothing(void **state)
{
    (void)state;
    make("items", items, 2, true);
    change(ROW("1", "a"), ROW("1", "a"), 2);
    change(ROW("1", NULL), ROW("1", NULL), 4);
    assert_int_equal(out.size, 0);
    change(ROW("1", NULL), ROW("1", ""), 6); /* NULL is not the empty text */
    assert_items("[{" HEAD("6", "\"update\"") "," KEY(
        "1") ",\"value\":{\"id\":\"1\",\"name\":\"\"},\"old_value\":{\"name\":null}}]");
}

static void
test_a_snapshot_row_with_a_key_of_two_columns(void **state)
{
    (void)state;
    static const struct col cols[] = {
        {"Id", OID_INT4, 1}, {"a b", OID_TEXT, 2}, {"q\"q", OID_TEXT, 0}};
    struct where_field fields[8];
    make("G Weird", cols, 3, false);
    item_append_snapshot(plan, row(fields, ROW("1", "x/y", "z")), &out);
    assert_items(
        "[{\"key\":\"\\\"public\\\".\\\"G Weird\\\"/\\\"1\\\"/\\\"x//y\\\"\",\"value\":{\"Id\":"
        "\"1\",\"a b\":\"x/y\",\"q\\\"q\":\"z\"},\"headers\":{\"relation\":[\"public\",\"G "
        "Weird\"],\"operation\":\"insert\"}}]");
}

static void
test_the_order_of_the_key_is_not_that_of_the_columns(void **state)
{
    (void)state;
    static const struct col cols[] = {{"a", OID_TEXT, 2}, {"b", OID_TEXT, 1}};
    struct where_field fields[8];
    make("items", cols, 2, false);
    item_append_snapshot(plan, row(fields, ROW("x/y", "q\"r")), &out);
    assert_non_null(strstr(buf_str(&out), "\\\"items\\\"/\\\"q\\\"r\\\"/\\\"x//y\\\"\""));
}

static void
test_without_a_primary_key_every_column_is_key(void **state)
{
    (void)state;
    static const struct col cols[] = {{"a", OID_INT4, 0}, {"b", OID_TEXT, 0}};
    struct where_field fields[8];
    make("t", cols, 2, false);
    item_append_snapshot(plan, row(fields, ROW("1", NULL)), &out);
    assert_non_null(strstr(buf_str(&out), "{\"key\":\"\\\"public\\\".\\\"t\\\"/\\\"1\\\"/_\","));
    buf_clear(&out);
    change(ROW("1", NULL), ROW("1", "x"), 0); /* any change is a new key */
    change(ROW("1", "x"), NULL, 2);
    const char *text = buf_str(&out);
    assert_non_null(
        strstr(text, "\"key_change_to\":\"\\\"public\\\".\\\"t\\\"/\\\"1\\\"/\\\"x\\\"\""));
    assert_non_null(strstr(text, "\"key_change_from\":\"\\\"public\\\".\\\"t\\\"/\\\"1\\\"/_\""));
    assert_non_null(strstr(text, "\"value\":{\"a\":\"1\",\"b\":null}"));
}

static void
test_one_spelling_in_value_and_key(void **state)
{
    (void)state;
    static const struct col cols[] = {{"b", OID_BOOL, 1}, {"i", OID_INET, 2}, {"t", OID_TEXT, 0}};
    struct where_field fields[8];
    make("s", cols, 3, false);
    item_append_snapshot(plan, row(fields, ROW("t", "10.0.0.1", "t")), &out);
    item_append_snapshot(plan, row(fields, ROW("f", "::1", NULL)), &out);
    item_append_snapshot(plan, row(fields, ROW("f", "10.0.0.1/8", "\"\\\n\x01\xc3\xa9")), &out);
    assert_items(
        "[{\"key\":\"\\\"public\\\".\\\"s\\\"/\\\"true\\\"/\\\"10.0.0.1//32\\\"\",\"value\":{\"b\":"
        "\"true\",\"i\":\"10.0.0.1/32\",\"t\":\"t\"},\"headers\":{\"relation\":[\"public\",\"s\"],"
        "\"operation\":\"insert\"}},"
        "{\"key\":\"\\\"public\\\".\\\"s\\\"/\\\"false\\\"/\\\"::1//"
        "128\\\"\",\"value\":{\"b\":\"false\","
        "\"i\":\"::1/128\",\"t\":null},\"headers\":{\"relation\":[\"public\",\"s\"],\"operation\":"
        "\"insert\"}},"
        "{\"key\":\"\\\"public\\\".\\\"s\\\"/\\\"false\\\"/\\\"10.0.0.1//8\\\"\",\"value\":{\"b\":"
        "\"false\",\"i\":\"10.0.0.1/"
        "8\",\"t\":\"\\\"\\\\\\n\\u0001\\u00e9\"},\"headers\":{\"relation\":"
        "[\"public\",\"s\"],\"operation\":\"insert\"}}]");
}

static void
test_a_key_names_its_table_in_one_spelling(void **state)
{
    (void)state;
    struct where_field fields[8];
    make("a/b.c\"d", items, 2, false);
    item_append_snapshot(plan, row(fields, ROW("1", "x")), &out);
    assert_non_null(
        strstr(buf_str(&out), "{\"key\":\"\\\"public\\\".\\\"a//b..c\\\"d\\\"/\\\"1\\\"\""));
}

static void
test_how_many_rows_an_item_makes(void **state)
{
    (void)state;
    static const struct {
        const char *item;
        int delta;
    } cases[] = {
        {"", 0},
        {"{\"headers\":{\"operation\":\"insert\"}},", 1},
        {"{\"headers\":{\"operation\":\"delete\",\"last\":true}},", -1},
        {"{\"headers\":{\"operation\":\"update\"}},", 0},
        {"{\"value\":{\"operation\":\"delete\"},\"headers\":{\"operation\":\"insert\"}},", 1},
        {"{\"value\":{\"a\":\"\\\"operation\\\":\\\"delete\"},\"headers\":{\"operation\":"
         "\"insert\"}},",
         1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_int_equal(item_row_delta(view_str(cases[i].item)), cases[i].delta);
    }
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_the_transaction_of_the_specification),
        TEST(test_replica_full_has_all_columns_and_what_changed),
        TEST(test_an_update_without_a_change_sends_nothing),
        cmocka_unit_test(test_how_many_rows_an_item_makes),
        TEST(test_a_snapshot_row_with_a_key_of_two_columns),
        TEST(test_the_order_of_the_key_is_not_that_of_the_columns),
        TEST(test_without_a_primary_key_every_column_is_key),
        TEST(test_one_spelling_in_value_and_key),
        TEST(test_a_key_names_its_table_in_one_spelling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
