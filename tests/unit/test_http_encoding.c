#include "common/core/http_encoding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_choice(void **state)
{
    (void)state;
    static const struct {
        const char *accepted;
        enum http_encoding chosen;
    } cases[] = {
        {"", HTTP_IDENTITY},
        {"gzip", HTTP_GZIP},
        {"GZip", HTTP_GZIP},
        {"x-gzip", HTTP_GZIP},
        {"deflate", HTTP_DEFLATE},
        {"zstd", HTTP_ZSTD},
        {"br", HTTP_IDENTITY},
        {"gzip, deflate, br, zstd", HTTP_ZSTD},
        {"gzip, deflate, br", HTTP_GZIP},
        {"deflate,gzip", HTTP_GZIP},
        {"gzip;q=0.5, deflate;q=0.8", HTTP_DEFLATE},
        {"gzip;q=0.5,\tdeflate ; q=0.8 , zstd;q=0", HTTP_DEFLATE},
        {"gzip;Q=0.001", HTTP_GZIP},
        {"gzip;q=0", HTTP_IDENTITY},
        {"gzip;q=0.000", HTTP_IDENTITY},
        {"gzip;q=1.000", HTTP_GZIP},
        {"gzip;q=1.001", HTTP_IDENTITY}, /* no q-value at all */
        {"gzip;q=2", HTTP_IDENTITY},
        {"gzip;q=", HTTP_IDENTITY},
        {"gzip;q=x", HTTP_IDENTITY},
        {"gzip;q=0.12345", HTTP_IDENTITY},
        {"gzip;level=9", HTTP_GZIP},
        {"identity", HTTP_IDENTITY},
        {"identity, gzip;q=0.5", HTTP_IDENTITY},
        {"identity;q=0.5, gzip", HTTP_GZIP},
        {"identity;q=0", HTTP_IDENTITY}, /* nothing is left: better than no answer */
        {"*", HTTP_ZSTD},
        {"*;q=0", HTTP_IDENTITY},
        {"*;q=0, gzip", HTTP_GZIP},
        {"zstd;q=0, *", HTTP_GZIP},
        {",, ,gzip,", HTTP_GZIP},
        {";q=1", HTTP_IDENTITY},
        {"gzi p", HTTP_IDENTITY},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        enum http_encoding chosen = http_encoding_choose(view_str(cases[i].accepted));
        if (chosen != cases[i].chosen) {
            fail_msg("\"%s\" gives %s", cases[i].accepted, http_encoding_name(chosen));
        }
    }
}

static void
test_names(void **state)
{
    (void)state;
    assert_string_equal(http_encoding_name(HTTP_IDENTITY), "identity");
    assert_string_equal(http_encoding_name(HTTP_DEFLATE), "deflate");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_choice), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
