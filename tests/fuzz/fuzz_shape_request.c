/*
 * Any query: a checked one, or a 400 body that is one JSON object in one line, never a crash.
 *
 * Covers: common/core/shape_request.c
 */
#include "common/core/shape_reply.h"
#include "common/core/shape_request.h"
#include "tests/lib/fuzz_input.h"

/* Control bytes stand for words: so that queries that mean something are found from nothing. */
static const char *const WORDS[32] = {
    "&offset=",
    "-1",
    "now",
    "0_0",
    "0_inf",
    "5_2",
    "&handle=",
    "1-2",
    "&table=",
    "items",
    "public.",
    "&live=true",
    "&live=",
    "&live_sse=",
    "false",
    "&cursor=",
    "&where=",
    "id%3D$1",
    "&params[1]=",
    "&params%5B2%5D=",
    "&params=",
    "&columns=",
    "id,v",
    "%22a%22",
    "&queryable_columns=",
    "&replica=",
    "full",
    "&log=",
    "changes_only",
    "&subset__limit=",
    "&secret=",
    "&experimental_compaction=",
};

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size <= 4096) {
        fuzz_input_check_both(WORDS, COUNT_OF(WORDS), view_of(data, size), check);
    }
    return 0;
}
