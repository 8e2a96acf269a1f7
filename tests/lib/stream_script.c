#include "tests/lib/stream_script.h"

#include <string.h>

const char SCRIPT_UNCHANGED[] = "unchanged";

static void
put_be(struct buf *out, uint64_t v, unsigned bytes)
{
    while (bytes-- > 0) {
        buf_append_byte(out, (uint8_t)(v >> (8 * bytes)));
    }
}

static void
put_cstr(struct buf *out, const char *s)
{
    buf_append(out, s, strlen(s) + 1);
}

/* Appends and empties `payload`. */
static void
put_frame(struct buf *frames, struct buf *payload)
{
    wire_put_u32(buf_grow(frames, 4), (uint32_t)payload->size);
    buf_append_view(frames, buf_view(payload));
    buf_free(payload);
}

static struct buf
begin_data(char kind)
{
    struct buf payload = {0};
    buf_append_byte(&payload, 'w');
    put_be(&payload, 0, 8);
    put_be(&payload, 0, 8);
    put_be(&payload, 0, 8);
    buf_append_byte(&payload, (uint8_t)kind);
    return payload;
}

void
script_begin(struct buf *frames, uint64_t commit_lsn, uint32_t xid)
{
    struct buf payload = begin_data('B');
    put_be(&payload, commit_lsn, 8);
    put_be(&payload, 1, 8);
    put_be(&payload, xid, 4);
    put_frame(frames, &payload);
}

void
script_commit(struct buf *frames, uint64_t commit_lsn, uint64_t end_lsn)
{
    struct buf payload = begin_data('C');
    put_be(&payload, 0, 1);
    put_be(&payload, commit_lsn, 8);
    put_be(&payload, end_lsn, 8);
    put_be(&payload, 1, 8);
    put_frame(frames, &payload);
}

void
script_relation(struct buf *frames, const struct script_table *table)
{
    struct buf payload = begin_data('R');
    put_be(&payload, table->oid, 4);
    put_cstr(&payload, table->schema);
    put_cstr(&payload, table->name);
    buf_append_byte(&payload, 'f');
    put_be(&payload, table->column_count, 2);
    for (size_t i = 0; i < table->column_count; i++) {
        put_be(&payload, 1, 1);
        put_cstr(&payload, table->columns[i].name);
        put_be(&payload, table->columns[i].type_oid, 4);
        put_be(&payload, UINT32_MAX, 4);
    }
    put_frame(frames, &payload);
}

static void
put_row(struct buf *out, const struct script_table *table, const char *const *row)
{
    put_be(out, table->column_count, 2);
    for (size_t i = 0; i < table->column_count; i++) {
        if (row[i] == NULL) {
            buf_append_byte(out, 'n');
        } else if (row[i] == SCRIPT_UNCHANGED) {
            buf_append_byte(out, 'u');
        } else {
            buf_append_byte(out, 't');
            put_be(out, strlen(row[i]), 4);
            buf_append_str(out, row[i]);
        }
    }
}

void
script_insert(struct buf *frames, const struct script_table *table, const char *const *row)
{
    struct buf payload = begin_data('I');
    put_be(&payload, table->oid, 4);
    buf_append_byte(&payload, 'N');
    put_row(&payload, table, row);
    put_frame(frames, &payload);
}

void
script_update(struct buf *frames, const struct script_table *table, const char *const *old_row,
              const char *const *row)
{
    struct buf payload = begin_data('U');
    put_be(&payload, table->oid, 4);
    if (old_row != NULL) {
        buf_append_byte(&payload, 'O');
        put_row(&payload, table, old_row);
    }
    buf_append_byte(&payload, 'N');
    put_row(&payload, table, row);
    put_frame(frames, &payload);
}

void
script_delete(struct buf *frames, const struct script_table *table, char kind,
              const char *const *row)
{
    struct buf payload = begin_data('D');
    put_be(&payload, table->oid, 4);
    buf_append_byte(&payload, (uint8_t)kind);
    put_row(&payload, table, row);
    put_frame(frames, &payload);
}

void
script_truncate(struct buf *frames, const uint32_t *oids, size_t count)
{
    struct buf payload = begin_data('T');
    put_be(&payload, count, 4);
    put_be(&payload, 0, 1);
    for (size_t i = 0; i < count; i++) {
        put_be(&payload, oids[i], 4);
    }
    put_frame(frames, &payload);
}

void
script_keepalive(struct buf *frames, uint64_t wal_end, bool wants_reply)
{
    struct buf payload = {0};
    buf_append_byte(&payload, 'k');
    put_be(&payload, wal_end, 8);
    put_be(&payload, 0, 8);
    put_be(&payload, wants_reply, 1);
    put_frame(frames, &payload);
}

void
script_too_large(struct buf *frames, uint32_t oid)
{
    struct buf payload = {0};
    buf_append_byte(&payload, 'x');
    put_be(&payload, oid, 4);
    put_frame(frames, &payload);
}
