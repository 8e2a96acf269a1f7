/*
 * Any reports, of the living and of strangers, whole ones and broken ones: the board stays one that
 * can be sent, and its JSON is JSON.
 *
 * Covers: common/core/status.c common/core/status_json.c
 */
#include <jansson.h>
#include <string.h>

#include "common/core/status.h"
#include "common/core/status_json.h"
#include "tests/lib/fuzz_input.h"

#define CONDITIONS 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A broken report may hold bytes that are no text, and then no JSON can have them. */
static bool is_all_text;

static const char *const SERVICES[] = {"connection", "shape_log_collector", "api", "orchestrator",
                                       "a name of thirty-one characters"};

/* A board that was filled in must be encoded and decoded without loss. */
static void
check_board(const struct status *status, uint64_t now_ms)
{
    struct arena *mem = arena_new(PROTO_DECODE_MAX + (1u << 20));
    struct status_board board;
    struct status_board back;
    struct err err;
    struct envelope envelope = {.kind = PROTO_status_board, .sender = view_str("orchestrator")};
    struct buf bytes = {0};
    struct buf json = {0};
    status_board_fill(status, now_ms, mem, &board);
    proto_encode(&envelope, &board, &bytes);
    ASSERT(proto_decode(buf_view(&bytes), PROTO_status_board, mem, &back, &err));
    ASSERT(back.services_count == board.services_count);
    status_json_append(&back, &json);
    json_t *read = json_loadb((const char *)json.bytes, json.size, 0, NULL);
    ASSERT(read != NULL || !is_all_text);
    ASSERT(read == NULL ||
           json_array_size(json_object_get(read, "services")) == board.services_count);
    json_decref(read);
    buf_free(&json);
    buf_free(&bytes);
    arena_free(mem);
}

static void
take_report(struct fuzz_input *in, struct buf *bytes)
{
    static const char *const texts[] = {"", "x", "could not \"do\" it\n"};
    uint8_t flags = fuzz_input_byte(in);
    struct condition conditions[CONDITIONS];
    struct fact fact = {view_str("lsn"), view_str("0/1")};
    for (size_t i = 0; i < CONDITIONS; i++) {
        size_t name = fuzz_input_below(in, STATUS_CONDITION_COUNT + 1);
        conditions[i] = (struct condition){
            .name = name == STATUS_CONDITION_COUNT
                        ? view_str("strange")
                        : view_str(status_condition_name((enum status_condition)name)),
            .met = fuzz_input_byte(in) & 1,
            .error = view_str(texts[fuzz_input_below(in, 3)]),
        };
    }
    struct report_state report = {
        .pid = flags & 3,
        .control = view_str("ipc://x"),
        .is_ready = flags & 4,
        .is_draining = flags & 8,
        .is_sleeping = flags & 16,
        .last_error = view_str(texts[flags >> 5 & 1]),
        .conditions = conditions,
        .conditions_count = fuzz_input_below(in, CONDITIONS + 1),
        .facts = &fact,
        .facts_count = flags >> 6 & 1,
    };
    struct envelope envelope = {
        .kind = PROTO_report_state,
        .sender = view_str(SERVICES[fuzz_input_below(in, COUNT_OF(SERVICES))]),
        .sender_incarnation = {fuzz_input_below(in, 4), 0},
    };
    proto_encode(&envelope, &report, bytes);
    if (fuzz_input_chance(in, 8)) {
        bytes->bytes[fuzz_input_below(in, bytes->size)] = fuzz_input_byte(in);
        is_all_text = false;
    }
}

static void
hear(struct status *status, struct view message, uint64_t now_ms)
{
    bool changed;
    struct err err;
    (void)status_report(status, message, now_ms, now_ms * 1000, &changed, &err);
}

static void
step(struct status *status, struct fuzz_input *in, uint64_t now_ms)
{
    struct buf bytes = {0};
    const char *service = SERVICES[fuzz_input_below(in, 3)];
    unsigned slot = (unsigned)fuzz_input_below(in, 2);
    switch (fuzz_input_below(in, 8)) {
    case 0:
        status_ended(status, service, slot, slot == 1, "exit code 1", now_ms);
        break;
    case 1:
        status_started(status, service, slot, fuzz_input_below(in, 4), slot == 1, now_ms);
        break;
    case 2:
        status_set_restarts(status, service, slot, now_ms);
        break;
    case 3:
        hear(status, fuzz_input_bytes(in, 64), now_ms);
        is_all_text = false;
        break;
    default:
        take_report(in, &bytes);
        hear(status, buf_view(&bytes), now_ms);
    }
    struct view control = status_control(status, service, slot);
    ASSERT(control.size == 0 || view_is(control, "ipc://x") || control.size < 256);
    buf_free(&bytes);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = fuzz_input(data, size);
    struct status *status = status_new(fuzz_input_chance(&in, 2), 0);
    struct buf nothing = {0};
    uint64_t now_ms = 0;
    is_all_text = true;
    status_set_self(status, "orchestrator", (struct incarnation){9, 9}, 9, 1);
    while (!fuzz_input_is_empty(&in)) {
        step(status, &in, now_ms);
        now_ms += fuzz_input_below(&in, 8) * fuzz_input_below(&in, 8) * 1000;
        (void)status_tick(status, now_ms, now_ms * 1000);
    }
    check_board(status, now_ms);
    status_json_append(NULL, &nothing);
    status_free(status);
    buf_free(&nothing);
    return 0;
}
