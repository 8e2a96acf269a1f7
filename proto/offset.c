#include "proto/offset.h"

int
offset_compare(struct log_offset a, struct log_offset b)
{
    if (a.lsn != b.lsn) {
        return a.lsn < b.lsn ? -1 : 1;
    }
    return a.op == b.op ? 0 : a.op < b.op ? -1 : 1;
}

void
offset_append(struct buf *buf, struct log_offset offset)
{
    buf_append_u64(buf, offset.lsn);
    buf_append_byte(buf, '_');
    if (offset.op == OFFSET_OP_INF) {
        buf_append_str(buf, "inf");
    } else {
        buf_append_u64(buf, offset.op);
    }
}

/* Digits from *at on; at least one, at most 64 bits. */
static bool
parse_number(struct view text, size_t *at, uint64_t *number_out)
{
    size_t start = *at;
    uint64_t number = 0;
    for (; *at < text.size && text.bytes[*at] >= '0' && text.bytes[*at] <= '9'; ++*at) {
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.bytes[*at] - '0'), &number)) {
            return false;
        }
    }
    *number_out = number;
    return *at > start;
}

bool
offset_parse(struct view text, struct log_offset *offset_out)
{
    struct log_offset offset;
    size_t at = 0;
    if (!parse_number(text, &at, &offset.lsn) || at == text.size || text.bytes[at] != '_') {
        return false;
    }
    at++;
    if (view_is(view_of(text.bytes + at, text.size - at), "inf")) {
        offset.op = OFFSET_OP_INF;
    } else if (!parse_number(text, &at, &offset.op) || at != text.size ||
               offset.op == OFFSET_OP_INF) {
        return false;
    }
    *offset_out = offset;
    return true;
}
