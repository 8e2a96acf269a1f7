/* http-api §3 and [7]: every parameter, its rules, the words of its errors, and their order. */
#include "common/core/shape_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct arena *mem;
static struct shape_query query;
static struct buf errors;

static bool
parse(const char *text)
{
    arena_reset(mem);
    buf_clear(&errors);
    return shape_request_parse(view_str(text), (struct view){0}, mem, &query, &errors);
}

static void
refuse(const char *text, const char *fields)
{
    assert_false(parse(text));
    struct buf expected = {0};
    buf_printf(&expected, "{\"message\":\"Invalid request\",\"errors\":{%s}}", fields);
    assert_string_equal(buf_str(&errors), buf_str(&expected));
    buf_free(&expected);
}

static void
test_refusals(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "\"offset\":[\"can't be blank\"]"},
        {"offset=-1", "\"table\":[\"can't be blank\"]"},
        {"table=&offset=-1", "\"table\":[\"can't be blank\"]"},
        {"table=t", "\"offset\":[\"can't be blank\"]"},
        {"table=t&offset=", "\"offset\":[\"can't be blank\"]"},
        {"table=t&offset=abc", "\"offset\":[\"has invalid format\"]"},
        {"table=t&offset=-2", "\"offset\":[\"has invalid format\"]"},
        {"table=t&offset=1", "\"offset\":[\"has invalid format\"]"},
        {"table=t&offset=1_", "\"offset\":[\"has invalid format\"]"},
        {"table=t&offset=0_0", "\"handle\":[\"can't be blank when offset != -1\"]"},
        {"table=t&offset=0_0&handle=", "\"handle\":[\"can't be blank when offset != -1\"]"},
        {"table=t&offset=-1&live=true", "\"live\":[\"can't be true when offset == -1\"]"},
        {"table=t&offset=now&live", "\"live\":[\"can't be true when offset is 'now'\"]"},
        {"table=t&offset=-1&live_sse=true",
         "\"live_sse\":[\"can't be true unless live is also true\"]"},
        {"table=t&offset=-1&experimental_live_sse=1",
         "\"live_sse\":[\"can't be true unless live is also true\"]"},
        {"table=G%20W&offset=-1",
         "\"table\":[\"Invalid unquoted identifier contains special characters: G W\"]"},
        {"table=%22%22&offset=-1", "\"table\":[\"Invalid zero-length delimited identifier\"]"},
        {"table=a.b.c&offset=-1",
         "\"table\":[\"Invalid relation identifier, too many delimiters: a.b.c\"]"},
        {"table=t&offset=-1&columns=id,%22v",
         "\"columns\":[\"Invalid unquoted identifier contains special characters: id,\\\"v\"]"},
        {"table=t&offset=-1&replica=x", "\"replica\":[\"is invalid\"]"},
        {"table=t&offset=-1&log=x&replica=y",
         "\"replica\":[\"is invalid\"],\"log\":[\"is invalid\"]"},
        {"replica=y", "\"replica\":[\"is invalid\"]"}, /* casts come before all else */
        {"table=t&offset=-1&params=10", "\"params\":[\"is invalid\"]"},
        {"table=t&offset=-1&params=%7B%7D", "\"params\":[\"is invalid\"]"},
        {"table=t&offset=-1&params[2]=10",
         "\"params\":[\"Parameters must be numbered sequentially, starting from 1\"]"},
        {"table=t&offset=-1&params[1]=1&params[3]=3",
         "\"params\":[\"Parameters must be numbered sequentially, starting from 1\"]"},
        {"table=t&offset=-1&params[99999999999999999999999]=1",
         "\"params\":[\"Parameters must be numbered sequentially, starting from 1\"]"},
        {"table=t%00&offset=-1", "\"table\":[\"is invalid\"]"},
        {"table=%c3x&offset=-1", "\"table\":[\"is invalid\"]"},
        {"table=t&offset=-1&queryable_columns=a%20b",
         "\"queryable_columns\":[\"Invalid unquoted identifier contains special characters: a "
         "b\"]"},
        {"table=%ff&offset=-1", "\"table\":[\"is invalid\"]"},
        {"table=%c0%80&offset=-1", "\"table\":[\"is invalid\"]"},
        {"table=%ed%a0%80&offset=-1", "\"table\":[\"is invalid\"]"},
        {"table=%4&offset=-1", "\"table\":[\"is invalid\"]"},
        {"table=t&offset=-1&where=%zz", "\"where\":[\"is invalid\"]"},
        {"table=t&offset=-1&params[1]=%ff", "\"params\":[\"is invalid\"]"},
        {"table=t&offset=-1&experimental_compaction=perhaps",
         "\"experimental_compaction\":[\"is invalid\"]"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        refuse(cases[i][0], cases[i][1]);
    }
}

static void
test_offsets(void **state)
{
    (void)state;
    assert_true(parse("table=t&offset=-1&handle=x"));
    assert_int_equal(query.offset_kind, SHAPE_OFFSET_START);
    assert_int_equal(query.handle.size, 0);
    assert_true(parse("offset=now&table=t"));
    assert_int_equal(query.offset_kind, SHAPE_OFFSET_NOW);
    assert_true(parse("table=t&offset=18446744073709551615_inf&handle=1-2&live=false"));
    assert_int_equal(query.offset_kind, SHAPE_OFFSET_AT);
    assert_true(query.offset.lsn == UINT64_MAX && query.offset.op == OFFSET_OP_INF);
    assert_true(view_is(query.handle, "1-2") && !query.is_live);
    assert_true(view_is(query.offset_text, "18446744073709551615_inf"));
    assert_true(parse("table=t&offset=5_2&handle=1-2&live=true&cursor=9&live_sse=true"));
    assert_true(query.is_live && query.is_sse && view_is(query.cursor, "9"));
    assert_true(parse("table=t&offset=7_0&handle=1-2&live"));
    assert_true(query.is_live && !query.is_sse);
}

static void
test_definition(void **state)
{
    (void)state;
    assert_true(parse("table=%22G%22.Items&offset=-1&where=n+%3D+%241&params%5B1%5D=10&params[2]="
                      "&columns=Id,%22B%22&queryable_columns=id&replica=full&log=changes_only"));
    assert_true(query.has_table);
    assert_true(view_is(query.table.schema, "G") && view_is(query.table.name, "items"));
    assert_true(view_is(query.where, "n = $1"));
    assert_int_equal(query.param_count, 2);
    assert_true(view_is(query.params[0], "10") && query.params[1].size == 0);
    assert_int_equal(query.column_count, 2);
    assert_true(view_is(query.columns[0], "id") && view_is(query.columns[1], "B"));
    assert_true(query.has_queryable && query.queryable_count == 1);
    assert_true(query.is_replica_full && query.is_changes_only && !query.has_subset);
    assert_true(parse("table=t&offset=-1&columns=&where=&replica=&log=full&subset__limit=1&x=%00"));
    assert_false(query.has_columns || query.has_queryable || query.is_replica_full);
    assert_true(query.has_subset && query.where.size == 0);
    assert_true(parse("&&table=x&table=y&offset=-1&=&"));
    assert_true(view_is(query.table.name, "y")); /* the last one counts */
}

/* The key of two queries for one definition is the same, of others it is not. */
static void
test_definition_key(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "table=t&offset=-1",
        "table=t&offset=-1&columns=a",
        "table=t&offset=-1&where=a",
        "table=t&offset=-1&queryable_columns=a",
        "table=t&offset=-1&replica=full",
        "table=t&offset=-1&log=changes_only",
        "table=t&offset=-1&params[1]=a",
        "table=t&offset=-1&params[1]=",
        "table=t&offset=-1&params[1]=&params[2]=",
        "table=ta&offset=-1",
    };
    struct buf keys[COUNT_OF(texts)] = {0};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_true(parse(texts[i]));
        buf_append_view(&keys[i], query.definition);
        for (size_t n = 0; n < i; n++) {
            assert_false(view_equal(buf_view(&keys[n]), buf_view(&keys[i])));
        }
    }
    assert_true(parse("offset=0_0&live=true&handle=1&secret=x&cursor=3&table=%74"));
    assert_true(view_equal(query.definition, buf_view(&keys[0])));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        buf_free(&keys[i]);
    }
}

static void
test_delete(void **state)
{
    (void)state;
    arena_reset(mem);
    buf_clear(&errors);
    assert_true(shape_request_parse_delete(view_str("handle=1-2"), mem, &query, &errors));
    assert_true(view_is(query.handle, "1-2") && !query.has_table);
    assert_true(shape_request_parse_delete(view_str("table=t"), mem, &query, &errors));
    assert_true(query.has_table && query.handle.size == 0);
    assert_false(shape_request_parse_delete(view_str("log=x"), mem, &query, &errors));
    assert_false(shape_request_parse_delete(view_str("table=a.b.c"), mem, &query, &errors));
    buf_clear(&errors);
    assert_false(shape_request_parse_delete(view_str(""), mem, &query, &errors));
    assert_string_equal(buf_str(&errors),
                        "{\"message\":\"Invalid request\",\"errors\":{\"handle\":"
                        "[\"can't be blank when shape definition is missing\"]}}");
}

static void
test_names_that_are_no_parameters(void **state)
{
    (void)state;
    arena_reset(mem);
    buf_clear(&errors);
    const char *text = "table=t&offset=-1&params[x]=1&params[1x]=1&%ff=1&params[]=1&tables=u";
    assert_true(shape_request_parse(view_str(text), (struct view){0}, mem, &query, &errors));
    assert_int_equal(query.param_count, 0);
    assert_true(view_is(query.table.name, "t"));
}

static void
test_a_refusal_from_elsewhere(void **state)
{
    (void)state;
    buf_clear(&errors);
    shape_request_refuse(&errors, "table", view_str("\"x\" is not there"));
    assert_string_equal(buf_str(&errors), "{\"message\":\"Invalid request\",\"errors\":{\"table\":"
                                          "[\"\\\"x\\\" is not there\"]}}");
}

static void
test_secret(void **state)
{
    (void)state;
    arena_reset(mem);
    assert_true(view_is(shape_request_secret(view_str("a=b&secret=x%20y"), mem), "x y"));
    assert_true(view_is(shape_request_secret(view_str("api_secret=z"), mem), "z"));
    assert_true(view_is(shape_request_secret(view_str("api_secret=z&secret=x"), mem), "x"));
    assert_int_equal(shape_request_secret(view_str("secretx=1"), mem).size, 0);
    assert_int_equal(shape_request_secret(view_str("secret=%ff"), mem).size, 0);
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
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_definition),
        cmocka_unit_test(test_definition_key),
        cmocka_unit_test(test_delete),
        cmocka_unit_test(test_secret),
        cmocka_unit_test(test_names_that_are_no_parameters),
        cmocka_unit_test(test_a_refusal_from_elsewhere),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
