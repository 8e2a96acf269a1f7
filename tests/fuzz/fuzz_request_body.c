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

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 4096) {
        fuzz_input_check_both(WORDS, COUNT_OF(WORDS), view_of(data, size), check);
    }
    return 0;
}
