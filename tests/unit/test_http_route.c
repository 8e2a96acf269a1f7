/* http-api [1]–[3]: paths after normalising, methods, and the secret on the route that was found.
 */
#include "common/core/http_route.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum http_route
find(enum http_method method, const char *raw)
{
    struct buf path = {0};
    bool is_path = http_path_normalise(view_str(raw), &path);
    enum http_route route = is_path ? http_route_find(method, buf_view(&path)) : ROUTE_NOT_FOUND;
    buf_free(&path);
    return route;
}

static void
test_normalise(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/", "/"},
        {"//", "/"},
        {"/v1/shape", "/v1/shape"},
        {"//v1//shape//", "/v1/shape"},
        {"/v1/%73h%61pe/", "/v1/shape"},
        {"/%2f", "//"}, /* a slash that is part of a name stays one: no route has it */
        {"/a%20b", "/a b"},
        {"/...", "/..."},
        {"", NULL},
        {"v1", NULL},
        {"*", NULL},
        {"/%7", NULL},
        {"/%zz", NULL},
        {"/a%00b", NULL},
        {"/v1/../v1/shape", NULL},
        {"/v1/.", NULL},
        {"/v1/%2e%2e", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out = {0};
        bool is_path = http_path_normalise(view_str(cases[i][0]), &out);
        assert_int_equal(is_path, cases[i][1] != NULL);
        if (is_path) {
            assert_string_equal(buf_str(&out), cases[i][1]);
        }
        buf_free(&out);
    }
}

static void
test_routes(void **state)
{
    (void)state;
    for (enum http_method method = HTTP_GET; method <= HTTP_OPTIONS; method++) {
        assert_int_equal(find(method, "//v1/%73hape/"), ROUTE_SHAPE);
        bool reads = method == HTTP_GET || method == HTTP_HEAD;
        assert_int_equal(find(method, "/"), reads ? ROUTE_ROOT : ROUTE_NOT_FOUND);
        assert_int_equal(find(method, "/v1/health"), reads ? ROUTE_HEALTH : ROUTE_NOT_FOUND);
    }
    assert_int_equal(find(HTTP_OTHER, "/v1/shape"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/V1/shape"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/v1/shape/x"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/v1%2fshape"), ROUTE_SHAPE);
    assert_int_equal(find(HTTP_GET, "/livez"), ROUTE_LIVEZ);
    assert_int_equal(find(HTTP_GET, "/readyz"), ROUTE_READYZ);
    assert_int_equal(find(HTTP_GET, "/startupz"), ROUTE_STARTUPZ);
    assert_int_equal(find(HTTP_GET, "/v1/status"), ROUTE_STATUS);
}

static void
test_shapes(void **state)
{
    (void)state;
    assert_int_equal(find(HTTP_GET, "/v1/shapes"), ROUTE_SHAPES);
    assert_int_equal(find(HTTP_HEAD, "//v1/shapes/"), ROUTE_SHAPES);
    assert_int_equal(find(HTTP_POST, "/v1/shapes"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_DELETE, "/v1/shapes"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_DELETE, "/v1/shapes/1-2"), ROUTE_SHAPES_ONE);
    assert_int_equal(find(HTTP_DELETE, "/v1/shapes/1-2/"), ROUTE_SHAPES_ONE);
    assert_int_equal(find(HTTP_DELETE, "/v1/shapes/1-2/x"), ROUTE_NOT_FOUND);
    assert_int_equal(find(HTTP_GET, "/v1/shapes/1-2"), ROUTE_NOT_FOUND);
    assert_true(view_is(http_route_handle(view_str("/v1/shapes/1-2")), "1-2"));
}

static void
test_bearer(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"Bearer abc", "abc"}, {"bearer  a b", "a b"}, {"BEARER x", "x"}, {"Bearer ", ""},
        {"Bearer", ""},        {"Bearerx", ""},        {"Basic abc", ""}, {"", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        assert_true(view_is(http_route_bearer(view_str(cases[i][0])), cases[i][1]));
    }
}

static void
test_guard(void **state)
{
    (void)state;
    assert_true(http_route_is_guarded(ROUTE_SHAPE, HTTP_GET));
    assert_true(http_route_is_guarded(ROUTE_SHAPE, HTTP_DELETE));
    assert_false(http_route_is_guarded(ROUTE_SHAPE, HTTP_OPTIONS));
    assert_false(http_route_is_guarded(ROUTE_HEALTH, HTTP_GET));
}

static void
test_secret(void **state)
{
    (void)state;
    struct view secret = view_str("abcabc");
    assert_true(http_secret_matches(view_str("abcabc"), secret));
    static const char *const wrong[] = {"", "abc", "abcabcabc", "abcabd", "xbcabc", "abcabcabcabc"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_false(http_secret_matches(view_str(wrong[i]), secret));
        assert_false(http_secret_matches(view_str(wrong[i]), view_str("")));
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalise), cmocka_unit_test(test_routes),
        cmocka_unit_test(test_shapes),    cmocka_unit_test(test_bearer),
        cmocka_unit_test(test_guard),     cmocka_unit_test(test_secret),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
