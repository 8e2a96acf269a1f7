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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is in a subset that was accepted, or its refusal. */
static void
check_subset(const struct subset_query *subset)
{
    struct view refusal = subset->refusal;
    if (refusal.size > 0) {
        ASSERT(refusal.bytes[0] == '{' && refusal.bytes[refusal.size - 1] == '}');
    } else {
        ASSERT((subset->limit == 0 && subset->offset == 0) || subset->order_by.size > 0);
        ASSERT(subset->param_count <= 65536);
    }
}

/* A body begins at the first bracket. */
static void
check(struct view text)
{
    size_t at = 0;
    while (at < text.size && text.bytes[at] != '{' && text.bytes[at] != '[') {
        at++;
    }
    struct view body =
        at < text.size ? (struct view){text.bytes + at, text.size - at} : (struct view){0};
    text.size = at;
    struct shape_query query;
    struct buf out = {0};
    struct arena *mem = arena_new(SHAPE_REQUEST_ARENA);
    if (shape_request_parse(text, body, mem, &query, &out)) {
        ASSERT(out.size == 0 && query.has_table && query.table.name.size > 0);
        ASSERT(query.offset_kind != SHAPE_OFFSET_AT || query.handle.size > 0);
        check_subset(&query.subset);
    } else {
        ASSERT(out.size > 2 && out.bytes[0] == '{' && out.bytes[out.size - 1] == '}');
        for (size_t i = 0; i < out.size; i++) {
            ASSERT(out.bytes[i] >= ' ');
        }
    }
    buf_clear(&out);
    (void)shape_request_parse_delete(text, mem, &query, &out);
    (void)shape_request_secret(text, mem);
    struct reply reply = {.status = 200, .handle = view_str("1-2"), .offset_asked = view_str("-1")};
    (void)reply_is_known(text, &reply);
    ASSERT(reply_cursor(text, 1800000000, 20000, text.size) > 0);
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
