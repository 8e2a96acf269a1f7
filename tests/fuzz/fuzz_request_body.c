/*
 * Any query and body of a POST: a checked request, or a 400 body that is one JSON object in one
 * line. What was accepted is within what the bus carries.
 *
 * Covers: common/core/request_fields.c
 */
#include "common/core/shape_request.h"
#include "tests/lib/fuzz_input.h"

#define VALUE_MAX (1u << 20)

/* Control bytes stand for words. */
static const char *const WORDS[32] = {
    "{\"table\":\"t\",\"offset\":\"-1\",",
    "\"subset\":{",
    "\"where\":\"a\"",
    "\"where\":",
    "\"params\":{",
    "\"params\":",
    "\"1\":\"x\"",
    "\"2\":5",
    "\"0\":",
    "\"order_by\":\"id\"",
    "\"order_by\":",
    "\"limit\":",
    "\"limit\":2",
    "\"offset\":",
    "\"offset\":\"3\"",
    "&subset__params={\"1\":\"",
    "\"columns\":\"a,b\"",
    "\"replica\":\"full\"",
    "\"live\":",
    "\"log\":\"changes_only\"",
    "table=t&offset=-1&params[1]=",
    "%ff&where=",
    "null",
    "true",
    "{}",
    "[]",
    "\\u0000",
    "\\ud83d\\ude00",
    "\"{\\\"1\\\":2}\"",
    "}}",
    ",",
    "{",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_values(const struct view *values, size_t count)
{
    ASSERT(count <= 65536);
    for (size_t i = 0; i < count; i++) {
        ASSERT(values[i].size <= VALUE_MAX);
    }
}

/* The body begins at the first bracket, if there is a query before it; else there is one anyway. */
static void
check(struct view text)
{
    size_t at = 0;
    while (at < text.size && text.bytes[at] != '{' && text.bytes[at] != '[') {
        at++;
    }
    struct view begin =
        at > 0 ? (struct view){text.bytes, at} : view_str("table=t&offset=-1&params[1]=a");
    struct view body =
        at < text.size ? (struct view){text.bytes + at, text.size - at} : (struct view){0};
    struct shape_query query;
    struct buf out = {0};
    struct arena *mem = arena_new(SHAPE_REQUEST_ARENA);
    if (shape_request_parse(begin, body, mem, &query, &out)) {
        struct view refusal = query.subset.refusal;
        ASSERT(out.size == 0 && query.has_table && query.where.size <= VALUE_MAX);
        ASSERT(refusal.size == 0 || refusal.bytes[refusal.size - 1] == '}');
        ASSERT(refusal.size > 0 || (query.subset.limit == 0 && query.subset.offset == 0) ||
               query.subset.order_by.size > 0);
        if (refusal.size == 0) {
            check_values(query.subset.params, query.subset.param_count);
        }
        check_values(query.params, query.param_count);
    } else {
        ASSERT(out.size > 2 && out.bytes[0] == '{' && out.bytes[out.size - 1] == '}');
        for (size_t i = 0; i < out.size; i++) {
            ASSERT(out.bytes[i] >= ' ');
        }
    }
    buf_free(&out);
    arena_free(mem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 4096) {
        fuzz_input_check_both(WORDS, COUNT_OF(WORDS), view_of(data, size), check);
    }
    return 0;
}
