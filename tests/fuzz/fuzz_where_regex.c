/*
 * Any pattern is compiled or refused. One that is compiled means the same in parentheses and as
 * either of two alternatives, and matches anywhere what it matches as a whole. The first byte of
 * the input is the length of the text.
 *
 * Covers: common/core/where_regex*.c
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/where_regex.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum outcome {
    REFUSED,
    NO_MATCH,
    MATCH,
};

static enum outcome
ask(const char *before, struct view pattern, const char *behind, bool ignore_case, struct view text)
{
    struct err err = {0};
    const struct where_regex *regex;
    struct buf whole = {0};
    struct arena *mem = arena_new(8u << 20);
    enum outcome outcome = REFUSED;
    buf_append_str(&whole, before);
    buf_append_view(&whole, pattern);
    buf_append_str(&whole, behind);
    if (where_regex_compile(buf_view(&whole), ignore_case, mem, &regex, &err)) {
        outcome = where_regex_matches(regex, text, mem) ? MATCH : NO_MATCH;
    } else if (err.msg[0] == '\0') {
        abort();
    }
    buf_free(&whole);
    arena_free(mem);
    return outcome;
}

static void
expect(bool holds)
{
    if (!holds) {
        abort();
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > 400) {
        return 0;
    }
    size_t text_size = data[0] % size;
    struct view text = {data + 1, text_size};
    struct view pattern = {data + 1 + text_size, size - 1 - text_size};
    enum outcome plain = ask("", pattern, "", false, text);
    if (plain == REFUSED) {
        (void)ask("", pattern, "", true, text);
        return 0;
    }
    enum outcome grouped = ask("(?:", pattern, ")", false, text);
    enum outcome either =
        ask("(?:", pattern, "|a\\A)", false, text); /* the other one never matches */
    enum outcome anchored = ask("^(?:", pattern, ")$", false, text);
    (void)ask("", pattern, "", true, text);
    expect(grouped == REFUSED || grouped == plain); /* too deep or too long with them */
    expect(either == REFUSED || either == plain);
    expect(anchored != MATCH || plain == MATCH);
    return 0;
}
