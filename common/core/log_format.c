#include "common/core/log_format.h"

#include <string.h>

void
log_record_encode(const struct log_record *record, uint8_t bytes[LOG_RECORD_SIZE])
{
    ASSERT(record->chunk <= LOG_CHUNKS_MAX);
    wire_put_u64(bytes, record->lsn);
    wire_put_u64(bytes + 8, record->end);
    wire_put_u32(bytes + 16, record->op);
    wire_put_u32(bytes + 20, (uint32_t)record->kind | record->chunk << 8);
    wire_put_u32(bytes + 24, record->bytes_crc);
    wire_put_u32(bytes + 28, wire_crc32c(bytes, 28));
}

bool
log_record_decode(const uint8_t bytes[LOG_RECORD_SIZE], struct log_record *record_out)
{
    uint8_t kind = bytes[20];
    if ((kind != LOG_RECORD_COMMIT && kind != LOG_RECORD_CHUNK_END) ||
        wire_get_u32(bytes + 28) != wire_crc32c(bytes, 28)) {
        return false;
    }
    *record_out = (struct log_record){
        .kind = (enum log_record_kind)kind,
        .lsn = wire_get_u64(bytes),
        .end = wire_get_u64(bytes + 8),
        .op = wire_get_u32(bytes + 16),
        .chunk = wire_get_u32(bytes + 20) >> 8,
        .bytes_crc = wire_get_u32(bytes + 24),
    };
    return true;
}

struct log_offset
log_record_offset(const struct log_record *record)
{
    return (struct log_offset){record->lsn, record->op};
}

struct log_point
log_point_behind(const struct log_point *before, const struct log_record *record)
{
    return (struct log_point){
        .record_count = before->record_count + 1,
        .end = record->end,
        .lsn = record->lsn,
        .op = record->op,
        .chunk = record->chunk,
    };
}

struct log_scan
log_scan_from(struct log_point start)
{
    return (struct log_scan){.head = start, .commit = start};
}

/* Whether `record` can stand behind `head`: nothing goes back, and chunks are counted one by one.
 */
static bool
goes_on(const struct log_point *head, const struct log_record *record)
{
    bool is_chunk_end = record->kind == LOG_RECORD_CHUNK_END;
    return record->end >= head->end && record->lsn >= head->lsn &&
           (record->lsn > head->lsn || record->op >= head->op) &&
           record->chunk == head->chunk + (is_chunk_end ? 1u : 0u);
}

bool
log_scan_record(struct log_scan *scan, const uint8_t bytes[LOG_RECORD_SIZE], uint64_t log_size,
                struct log_record *record_out)
{
    scan->crc = 0;
    return log_record_decode(bytes, record_out) && record_out->end <= log_size &&
           goes_on(&scan->head, record_out);
}

void
log_scan_bytes(struct log_scan *scan, struct view bytes)
{
    scan->crc = wire_crc32c_extend(scan->crc, bytes.bytes, bytes.size);
}

bool
log_scan_accept(struct log_scan *scan, const struct log_record *record)
{
    if (scan->crc != record->bytes_crc) {
        return false;
    }
    scan->head = log_point_behind(&scan->head, record);
    if (record->kind == LOG_RECORD_COMMIT) {
        scan->commit = scan->head;
    }
    return true;
}

bool
log_record_is_durable(const uint8_t bytes[LOG_RECORD_SIZE], uint64_t checkpoint_lsn)
{
    struct log_record record;
    return log_record_decode(bytes, &record) && record.lsn < checkpoint_lsn;
}

bool
log_recover(struct view index, struct view log, uint64_t checkpoint_lsn, struct log_point *end_out,
            struct err *err)
{
    size_t record_count = index.size / LOG_RECORD_SIZE;
    size_t at = 0;
    struct log_scan scan = log_scan_from((struct log_point){0});
    struct log_record record;
    for (; at < record_count; at++) {
        const uint8_t *bytes = index.bytes + at * LOG_RECORD_SIZE;
        uint64_t start = scan.head.end;
        if (!log_scan_record(&scan, bytes, log.size, &record)) {
            break;
        }
        log_scan_bytes(&scan, view_of(log.bytes + start, (size_t)(record.end - start)));
        if (!log_scan_accept(&scan, &record)) {
            break;
        }
    }
    for (; at < record_count; at++) {
        if (log_record_is_durable(index.bytes + at * LOG_RECORD_SIZE, checkpoint_lsn)) {
            return err_set(err, ERR_CORRUPT, "record %zu was durable and is damaged, or its bytes",
                           at);
        }
    }
    if (scan.head.record_count > scan.commit.record_count && scan.head.lsn < checkpoint_lsn) {
        return err_set(err, ERR_CORRUPT, "a transaction that was durable has lost its commit");
    }
    *end_out = scan.commit;
    return true;
}

/*
 * A walk over the JSON of one item. Only strings and nesting matter: commas, quotes and braces in
 * strings do not count.
 */

/* Behind the string that begins at `at` (a quote); `size` if it does not end. */
static size_t
skip_string(struct view json, size_t at)
{
    for (at++; at < json.size; at++) {
        if (json.bytes[at] == '\\') {
            at++;
        } else if (json.bytes[at] == '"') {
            return at + 1;
        }
    }
    return json.size;
}

size_t
log_item_size(struct view items)
{
    size_t depth = 0;
    for (size_t at = 0; at < items.size;) {
        switch (items.bytes[at]) {
        case '"':
            at = skip_string(items, at);
            continue;
        case '{':
        case '[':
            depth++;
            break;
        case '}':
        case ']':
            depth -= depth > 0 ? 1 : 0;
            break;
        case ',':
            if (depth == 0) {
                return at + 1;
            }
            break;
        }
        at++;
    }
    return 0;
}

/* Where the value of member `name` of the object that begins at `at` begins; json.size: none. */
static size_t
find_member(struct view json, size_t at, const char *name)
{
    size_t depth = 0;
    while (at < json.size) {
        uint8_t c = json.bytes[at];
        if (c == '"') {
            size_t end = skip_string(json, at);
            if (depth == 1 && end < json.size && json.bytes[end] == ':' &&
                view_is(view_of(json.bytes + at + 1, end - at - 2), name)) {
                return end + 1;
            }
            at = end;
            continue;
        }
        if (c == '{' || c == '[') {
            depth++;
        } else if (c == '}' || c == ']') {
            if (depth <= 1) {
                break;
            }
            depth--;
        }
        at++;
    }
    return json.size;
}

bool
log_item_op(struct view item, uint64_t *op_out)
{
    size_t headers = find_member(item, 0, "headers");
    size_t at = find_member(item, headers, "op_position");
    uint64_t op = 0;
    size_t digits = 0;
    for (; at < item.size && item.bytes[at] >= '0' && item.bytes[at] <= '9'; at++, digits++) {
        op = op * 10 + (uint64_t)(item.bytes[at] - '0');
    }
    if (digits == 0 || digits > 19) {
        return false;
    }
    *op_out = op;
    return true;
}

size_t
log_items_after(struct view items, uint64_t op)
{
    size_t at = 0;
    while (at < items.size) {
        struct view rest = view_of(items.bytes + at, items.size - at);
        size_t size = log_item_size(rest);
        uint64_t item_op = 0;
        bool has_op = size > 0 && log_item_op(view_of(rest.bytes, size), &item_op);
        if (size == 0) {
            return items.size;
        }
        if (has_op && item_op > op) {
            return at;
        }
        at += size;
    }
    return items.size;
}
