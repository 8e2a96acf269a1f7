/*
 * Any bytes: each of the events holds an item, and no line break but its own two.
 *
 * Covers: common/core/sse.c
 */
#include "common/core/sse.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf out = {0};
    bool is_good = sse_append_items(view_of(data, size), &out);
    size_t breaks = 0;
    size_t events = 0;
    for (size_t i = 0; i < out.size; i++) {
        breaks += out.bytes[i] == '\n';
        events += i + 7 <= out.size && memcmp(out.bytes + i, "data: {", 7) == 0 &&
                  (i == 0 || out.bytes[i - 1] == '\n');
    }
    ASSERT(breaks == 2 * events);
    ASSERT(!is_good || out.size == size + 7 * events);
    buf_free(&out);
    return 0;
}
