/* Any bytes as reports, of the living and of strangers: the board stays one that can be sent. */
#include <stdlib.h>
#include <string.h>

#include "common/core/status.h"
#include "common/core/status_json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A board that was filled in must be encoded and decoded without loss. */
static void
check_board(const struct status *status, uint64_t now_ms)
{
    struct arena *mem = arena_new(PROTO_DECODE_MAX + (1u << 20));
    struct status_board board;
    struct status_board back;
    struct err err;
    status_board_fill(status, now_ms, mem, &board);
    struct envelope envelope = {.kind = PROTO_status_board, .sender = view_str("orchestrator")};
    struct buf bytes = {0};
    proto_encode(&envelope, &board, &bytes);
    if (!proto_decode(buf_view(&bytes), PROTO_status_board, mem, &back, &err) ||
        back.services_count != board.services_count) {
        abort();
    }
    struct buf json = {0};
    status_json_append(&back, &json);
    buf_free(&json);
    buf_free(&bytes);
    arena_free(mem);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct status *status = status_new((data[0] & 1) != 0, 0);
    uint64_t now_ms = 0;
    status_started(status, "connection", 0, 1, (data[0] & 2) != 0, 1);
    status_started(status, "shape_log_collector", 0, 2, false, 1);
    for (const uint8_t *p = data + 1, *end = data + size; p + 2 < end;) {
        size_t length = (size_t)p[0] | (size_t)(p[1] & 3) << 8;
        length = length < (size_t)(end - p - 2) ? length : (size_t)(end - p - 2);
        bool changed;
        struct err err;
        (void)status_report(status, view_of(p + 2, length), now_ms, now_ms * 1000, &changed, &err);
        if ((p[1] & 4) != 0) {
            status_ended(status, "connection", 0, false, "x", now_ms);
        }
        if ((p[1] & 8) != 0) {
            status_started(status, "connection", 0, p[0], false, now_ms);
        }
        now_ms += (uint64_t)(p[1] >> 4) * 1000;
        (void)status_tick(status, now_ms, now_ms * 1000);
        p += 2 + length;
    }
    check_board(status, now_ms);
    status_free(status);
    return 0;
}
