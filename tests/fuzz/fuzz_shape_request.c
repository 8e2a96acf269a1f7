/* Any query: a checked one, or a 400 body that is one JSON object in one line, never a crash. */
#include "common/core/shape_reply.h"
#include "common/core/shape_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view text = {data, size};
    struct shape_query query;
    struct buf out = {0};
    if (size > 4096) {
        return 0;
    }
    struct arena *mem = arena_new(SHAPE_REQUEST_ARENA);
    if (shape_request_parse(text, mem, &query, &out)) {
        ASSERT(out.size == 0 && query.has_table && query.table.name.size > 0);
        ASSERT(query.offset_kind != SHAPE_OFFSET_AT || query.handle.size > 0);
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
    ASSERT(reply_cursor(text, 1800000000, 20000, size) > 0);
    buf_free(&out);
    arena_free(mem);
    return 0;
}
