/* Text is escaped as Postgres' to_json does, wherever in it the byte stands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/json.h"

static void
check(const char *text, size_t size, const char *expected)
{
    struct buf buf = {0};
    json_append_string(&buf, view_of(text, size));
    assert_string_equal(buf_str(&buf), expected);
    buf_free(&buf);
}

static void
each_control_character_has_its_escape(void **state)
{
    (void)state;
    check("\"\\\b\f\n\r\t", 7, "\"\\\"\\\\\\b\\f\\n\\r\\t\"");
    check("\0\x01\x1f\x7f/", 5, "\"\\u0000\\u0001\\u001f\x7f/\"");
    check("", 0, "\"\"");
    check("gr\xc3\xbc\xc3\x9f", 6, "\"gr\xc3\xbc\xc3\x9f\"");
}

/* Eight bytes are looked at in one go: every byte at every place of a word and behind it. */
static void
every_byte_at_every_place(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        struct buf alone = {0};
        char c = (char)byte;
        json_append_escaped(&alone, view_of(&c, 1));
        bool is_special = byte < 0x20 || byte == '"' || byte == '\\';
        assert_int_equal(alone.size > 1, is_special);
        for (size_t place = 0; place < 20; place++) {
            char text[20];
            memset(text, 0xe9, sizeof text);
            text[place] = c;
            struct buf buf = {0};
            json_append_escaped(&buf, view_of(text, sizeof text));
            assert_int_equal(buf.size, 19 + alone.size);
            assert_memory_equal(buf.bytes + place, alone.bytes, alone.size);

            /* The same with quotes, cut behind the byte: texts of every short length. */
            struct buf quoted = {0};
            json_append_string(&quoted, view_of(text, place + 1));
            assert_int_equal(quoted.size, place + alone.size + 2);
            assert_memory_equal(quoted.bytes + 1, buf.bytes, place + alone.size);
            assert_int_equal(quoted.bytes[0], '"');
            assert_int_equal(quoted.bytes[quoted.size - 1], '"');
            buf_free(&quoted);
            buf_free(&buf);
        }
        buf_free(&alone);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_control_character_has_its_escape),
        cmocka_unit_test(every_byte_at_every_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
