/*
 * Recovery of any bytes: it ends inside them, behind a whole commit, and says the same when it is
 * given only what it kept. The walk over items stays inside them and only goes forward.
 *
 * Covers: common/core/log_format.c
 */
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/core/log_format.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void
recover(struct view index, struct view log, uint64_t checkpoint_lsn)
{
    struct err err;
    struct log_point end;
    struct log_point again;
    if (!log_recover(index, log, checkpoint_lsn, &end, &err)) {
        check(err.kind == ERR_CORRUPT);
        return;
    }
    check(end.end <= log.size && end.record_count * LOG_RECORD_SIZE <= index.size);
    check(log_recover(view_of(index.bytes, (size_t)end.record_count * LOG_RECORD_SIZE),
                      view_of(log.bytes, (size_t)end.end), checkpoint_lsn, &again, &err));
    check(memcmp(&end, &again, sizeof end) == 0);
}

/* Random bytes never have a good CRC: records made of them, each flawed in one way or none. */
static void
recover_made(struct view log)
{
    struct buf index = {0};
    struct log_point head = {0};
    for (size_t at = 0; at + 4 <= log.size && index.size < 64 * LOG_RECORD_SIZE; at += 4) {
        const uint8_t *p = log.bytes + at;
        uint64_t end = head.end + p[0] % 8;
        size_t bytes = end <= log.size ? (size_t)(end - head.end) : 0;
        struct log_record record = {
            .kind = p[1] & 1 ? LOG_RECORD_COMMIT : LOG_RECORD_CHUNK_END,
            .lsn = head.lsn + (p[1] >> 1 & 3),
            .end = end,
            .op = p[2],
            .chunk = head.chunk + (p[1] & 1 ? 0 : 1),
            .bytes_crc = wire_crc32c(log.bytes + (bytes > 0 ? head.end : 0), bytes),
        };
        record.bytes_crc ^= p[3] == 1;
        record.chunk ^= p[3] == 2;
        record.lsn -= p[3] == 3;
        log_record_encode(&record, buf_grow(&index, LOG_RECORD_SIZE));
        index.bytes[index.size - 1] ^= p[3] == 4;
        head = log_point_behind(&head, &record);
    }
    recover(buf_view(&index), log, log.size > 0 ? log.bytes[0] % 16 : 0);
    buf_free(&index);
}

static void
walk(struct view items)
{
    uint64_t op;
    check(log_items_after(items, 3) <= items.size);
    while (items.size > 0) {
        size_t size = log_item_size(items);
        check(size <= items.size);
        if (size == 0) {
            break;
        }
        check(items.bytes[size - 1] == ',');
        (void)!log_item_op(view_of(items.bytes, size), &op);
        items = view_of(items.bytes + size, items.size - size);
    }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t index_size = size > 0 ? data[0] % 4 * LOG_RECORD_SIZE : 0;
    if (index_size < size) {
        recover(view_of(data, index_size), view_of(data + index_size, size - index_size), 1 << 20);
    }
    recover_made(view_of(data, size));
    walk(view_of(data, size));
    return 0;
}
