/*
 * Whatever decodes must come out of its own encoding as the same message. Half of the inputs are
 * read as they are; the others choose a message that is filled by chance and then broken by one
 * byte.
 *
 * Covers: proto/codec.c proto/layout.c common/pack.c
 */
#include <stdlib.h>
#include <string.h>

#include "tests/lib/messages.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(struct view bytes)
{
    struct err err;
    struct envelope envelope;
    if (!proto_peek(bytes, &envelope, &err)) {
        return;
    }
    struct arena *mem = arena_new(2 * PROTO_DECODE_MAX);
    struct buf again = {0};
    union any_message first, second;
    if (proto_decode(bytes, envelope.kind, mem, &first, &err)) {
        proto_encode(&envelope, &first, &again);
        if (!proto_decode(buf_view(&again), envelope.kind, mem, &second, &err) ||
            !messages_equal(layout_of_message(envelope.kind), &first, &second)) {
            abort();
        }
    }
    buf_free(&again);
    arena_free(mem);
}

static void
check_broken(const uint8_t *data, size_t size)
{
    uint64_t seed = 0;
    memcpy(&seed, data, size < sizeof seed ? size : sizeof seed);
    enum proto_kind kind = (enum proto_kind)(data[0] % PROTO_KIND_COUNT);
    struct envelope envelope = {.kind = kind, .sender = view_str("fuzz")};
    struct arena *mem = arena_new(PROTO_DECODE_MAX);
    struct buf buf = {0};
    union any_message message;
    messages_fill(layout_of_message(kind), &seed, false, mem, &message);
    proto_encode(&envelope, &message, &buf);
    check(buf_view(&buf));
    buf.bytes[seed % buf.size] = data[size - 1];
    check(buf_view(&buf));
    buf_free(&buf);
    arena_free(mem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check(view_of(data, size));
    if (size > 0) {
        check_broken(data, size);
    }
    return 0;
}
