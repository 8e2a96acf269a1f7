/* http-api [5], [37], [39]: a subset's fields and a body's parameters, and what is wrong with them.
 */
#include "common/core/shape_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN "table=t&offset=-1"

static struct arena *mem;
static struct shape_query query;
static struct buf errors;

static bool
parse(const char *text, const char *body)
{
    arena_reset(mem);
    buf_clear(&errors);
    return shape_request_parse(view_str(text), view_str(body), mem, &query, &errors);
}

/* A subset that is checked, and right. */
static void
accept(const char *text, const char *body)
{
    assert_true(parse(text, body));
    assert_true(query.has_subset);
    assert_int_equal(query.subset.refusal.size, 0);
}

static void
test_fields_of_the_query(void **state)
{
    (void)state;
    accept(BEGIN "&subset__where=n%3E$1&subset__params={\"1\":\"5\"}&subset__order_by=id"
                 "&subset__limit=2&subset__offset=3",
           "");
    assert_true(view_is(query.subset.where, "n>$1"));
    assert_int_equal(query.subset.param_count, 1);
    assert_true(view_is(query.subset.params[0], "5"));
    assert_true(view_is(query.subset.order_by, "id"));
    assert_int_equal(query.subset.limit, 2);
    assert_int_equal(query.subset.offset, 3);
    accept(BEGIN "&subset__where_expr={}", "");
    accept(BEGIN "&subset__where=", "");
    accept(BEGIN "&subset__offset=0&subset__order_by=a", "");
    assert_true(parse(BEGIN, ""));
    assert_false(query.has_subset);
}

static void
test_fields_of_a_body(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"where\":\"n\",\"params\":{\"2\":true,\"1\":5.0},\"order_by\":\"id\",\"limit\":2,"
        "\"offset\":\"3\"}",
        "{\"subset\":{\"where\":\"n\",\"params\":{\"1\":\"5.0\",\"2\":\"true\"},\"order_by\":"
        "\"id\","
        "\"limit\":\"2\",\"offset\":3,\"order_by_expr\":[1]}}",
        "{\"where\":\"x\",\"where\":\"n\",\"params\":\"{\\\"1\\\":5.0,\\\"2\\\":true}\","
        "\"order_by\":\"id\",\"limit\":2,\"offset\":3}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        accept(BEGIN, bodies[i]);
        assert_true(view_is(query.subset.where, "n"));
        assert_int_equal(query.subset.param_count, 2);
        assert_true(view_is(query.subset.params[0], "5.0"));
        assert_true(view_is(query.subset.params[1], "true"));
        assert_true(view_is(query.subset.order_by, "id"));
        assert_int_equal(query.subset.limit, 2);
        assert_int_equal(query.subset.offset, 3);
        assert_int_equal(query.where.size, 0);
        assert_int_equal(query.offset_kind, SHAPE_OFFSET_START);
    }
}

static void
test_a_definition_in_a_body(void **state)
{
    (void)state;
    assert_true(parse("", "{\"table\":\"s.t\",\"offset\":\"now\",\"where\":\"a=$1\",\"columns\":"
                          "\"a,b\",\"params\":{\"1\":\"x\"},\"replica\":\"full\",\"live\":false,"
                          "\"handle\":null,\"subset\":null,\"unknown\":[{}]}"));
    assert_false(query.has_subset);
    assert_true(view_is(query.table.schema, "s") && view_is(query.table.name, "t"));
    assert_int_equal(query.offset_kind, SHAPE_OFFSET_NOW);
    assert_true(view_is(query.where, "a=$1"));
    assert_int_equal(query.param_count, 1);
    assert_true(view_is(query.params[0], "x"));
    assert_int_equal(query.column_count, 2);
    assert_true(query.is_replica_full);
    assert_true(parse(BEGIN "&where=a&params[1]=q", "{\"log\":\"changes_only\"}"));
    assert_true(query.is_changes_only && view_is(query.where, "a"));
    assert_true(view_is(query.params[0], "q"));
    assert_true(parse(BEGIN, "{}"));
    assert_false(query.has_subset);
}

static void
test_the_body_goes_before_the_query(void **state)
{
    (void)state;
    accept(BEGIN "&where=a&subset__where=b&params[1]=x&params[2]=y",
           "{\"subset\":{\"where\":\"c\"},\"where\":\"d\",\"params\":{\"1\":\"z\"}}");
    assert_true(view_is(query.where, "d") && view_is(query.subset.where, "c"));
    assert_int_equal(query.param_count, 1);
    assert_true(view_is(query.params[0], "z"));
}

static void
test_the_definition_is_the_same_from_both(void **state)
{
    (void)state;
    assert_true(parse(BEGIN "&where=a=$1&params[1]=x&log=full", ""));
    struct buf key = {0};
    buf_append_view(&key, query.definition);
    assert_true(parse("", "{\"table\":\"t\",\"offset\":\"-1\",\"where\":\"a=$1\",\"params\":"
                          "{\"1\":\"x\"},\"log\":\"full\"}"));
    assert_true(view_equal(query.definition, buf_view(&key)));
    buf_free(&key);
}

static void
refuse(const char *text, const char *body, const char *fields)
{
    bool is_checked = parse(text, body);
    struct buf expected = {0};
    struct buf said = {0};
    buf_append_view(&said, is_checked ? query.subset.refusal : buf_view(&errors));
    buf_printf(&expected, "{\"message\":\"Invalid request\",\"errors\":{%s}}", fields);
    assert_string_equal(buf_str(&said), buf_str(&expected));
    buf_free(&expected);
    buf_free(&said);
}

static void
test_refusals(void **state)
{
    (void)state;
#define NEEDS_ORDER "\"order_by\":[\"order_by is required when limit or offset is present\"]"
    refuse(BEGIN "&subset__limit=2", "", "\"subset\":{" NEEDS_ORDER "}");
    refuse(BEGIN "&subset__offset=0", "", "\"subset\":{" NEEDS_ORDER "}");
    refuse(BEGIN "&subset__limit=0&subset__order_by=a", "",
           "\"subset\":{\"limit\":[\"must be greater than 0\"]}");
    refuse(
        BEGIN, "{\"limit\":-1,\"offset\":-2}",
        "\"subset\":{\"limit\":[\"must be greater than 0\"],\"offset\":[\"must be greater than or "
        "equal to 0\"]," NEEDS_ORDER "}");
    refuse(BEGIN "&subset__limit=1.5", "", "\"subset\":{\"limit\":[\"is invalid\"]}");
    refuse(BEGIN "&subset__limit=1234567890123456789", "",
           "\"subset\":{\"limit\":[\"is invalid\"]}");
    refuse(BEGIN "&subset__where=%ff&subset__offset=-", "",
           "\"subset\":{\"where\":[\"is invalid\"],\"offset\":[\"is invalid\"]}");
    refuse(BEGIN "&subset__params=[1]", "", "\"subset\":{\"params\":[\"is invalid\"]}");
    refuse(BEGIN "&subset__params={", "", "\"subset\":{\"params\":[\"is invalid\"]}");
    refuse(BEGIN, "{\"params\":{\"1\":[]}}", "\"subset\":{\"params\":[\"is invalid\"]}");
    refuse(BEGIN, "{\"params\":{\"1\":\"\\u0000\"}}", "\"subset\":{\"params\":[\"is invalid\"]}");
    refuse(BEGIN, "{\"order_by\":{\"a\":1}}", "\"subset\":{\"order_by\":[\"is invalid\"]}");
    refuse(BEGIN, "{\"subset\":7}", "\"subset\":[\"is invalid\"]");
#define UNNUMBERED "\"params\":[\"Parameters must be numbered sequentially, starting from 1\"]"
    refuse(BEGIN, "{\"params\":{\"2\":\"a\"}}", "\"subset\":{" UNNUMBERED "}");
    refuse(BEGIN, "{\"params\":{\"0\":\"a\"}}", "\"subset\":{" UNNUMBERED "}");
    refuse(BEGIN, "{\"params\":{\"99999999999999999999\":\"a\"}}", "\"subset\":{" UNNUMBERED "}");
    refuse(BEGIN, "{\"params\":{\"x\":\"a\"}}",
           "\"subset\":{\"params\":[\"Parameters can only use numbers as keys\"]}");
    refuse("", "{\"table\":\"t\",\"offset\":\"-1\",\"params\":{\"\":\"a\"}}",
           "\"params\":[\"Parameters can only use numbers as keys\"]");
    refuse("", "{\"table\":[1],\"offset\":\"-1\",\"params\":\"{}\"}",
           "\"table\":[\"is invalid\"],\"params\":[\"is invalid\"]");
    refuse(BEGIN "&replica=x&subset__limit=x", "",
           "\"replica\":[\"is invalid\"],\"subset\":{\"limit\":[\"is invalid\"]}");
    /* The definition is judged first. */
    refuse("table=a.b.c&offset=-1&subset__limit=0", "",
           "\"table\":[\"Invalid relation identifier, too many delimiters: a.b.c\"]");
}

static void
test_what_is_too_long(void **state)
{
    (void)state;
    struct buf body = {0};
    buf_append_str(&body, "{\"subset\":{\"where\":\"");
    memset(buf_grow(&body, (1u << 20) + 1), 'a', (1u << 20) + 1);
    buf_append_str(&body, "\",\"params\":{\"1\":\"");
    memset(buf_grow(&body, (1u << 20) + 1), 'a', (1u << 20) + 1);
    buf_append_str(&body, "\"}},\"where\":\"");
    memset(buf_grow(&body, (1u << 20) + 1), 'a', (1u << 20) + 1);
    buf_append_str(&body, "\"}");
    refuse(
        BEGIN, buf_str(&body),
        "\"where\":[\"is too long\"],\"subset\":{\"where\":[\"is too long\"],\"params\":[\"is too "
        "long\"]}");
    /* As many numbers as the bus carries, and no more. */
    for (unsigned count = 65536; count <= 65537; count++) {
        buf_clear(&body);
        for (unsigned i = 1; i <= count; i++) {
            buf_printf(&body, "%s\"%u\":1", i == 1 ? "{\"params\":{" : ",", i);
        }
        buf_append_str(&body, "}}");
        assert_true(parse(BEGIN, buf_str(&body)));
        assert_int_equal(query.subset.refusal.size > 0, count > 65536);
    }
    buf_free(&body);
}

static void
test_bodies_that_are_no_object(void **state)
{
    (void)state;
    assert_false(parse(BEGIN, "[1]"));
    assert_true(query.is_body_refused);
    assert_string_equal(buf_str(&errors), "{\"error\":\"Request body must be a JSON object\"}");
    assert_false(parse(BEGIN, "{oops"));
    assert_true(query.is_body_refused);
    assert_string_equal(buf_str(&errors),
                        "{\"error\":\"Invalid JSON in request body\",\"details\":\"unexpected byte "
                        "at position 1: 0x6F (\\\"o\\\")\"}");
    assert_false(parse("offset=x", "{}"));
    assert_false(query.is_body_refused);
}

static void
test_a_secret_in_a_body_is_none(void **state)
{
    (void)state;
    assert_true(parse(BEGIN, "{\"secret\":\"x\",\"api_secret\":\"y\"}"));
    assert_int_equal(shape_request_secret(view_str(BEGIN), mem).size, 0);
}

static void
test_a_refusal_from_elsewhere(void **state)
{
    (void)state;
    buf_clear(&errors);
    shape_request_refuse_subset(&errors, "where", view_str("no \"x\""));
    assert_string_equal(buf_str(&errors), "{\"message\":\"Invalid request\",\"errors\":{\"subset\":"
                                          "{\"where\":[\"no \\\"x\\\"\"]}}}");
}

static int
begin(void **state)
{
    (void)state;
    mem = arena_new(SHAPE_REQUEST_ARENA);
    return 0;
}

static int
end(void **state)
{
    (void)state;
    arena_free(mem);
    buf_free(&errors);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields_of_the_query),
        cmocka_unit_test(test_fields_of_a_body),
        cmocka_unit_test(test_a_definition_in_a_body),
        cmocka_unit_test(test_the_body_goes_before_the_query),
        cmocka_unit_test(test_the_definition_is_the_same_from_both),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_is_too_long),
        cmocka_unit_test(test_bodies_that_are_no_object),
        cmocka_unit_test(test_a_secret_in_a_body_is_none),
        cmocka_unit_test(test_a_refusal_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
