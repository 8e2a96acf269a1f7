/*
 * A snapshot is read in chunks while it is written; a chunk ends behind the item that fills it,
 * however the items came in blocks; a complete one is durable, its name too.
 */
#include "services/shape_log_collector/snapshot_file.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/lib/storage_fixture.h"
#include "tests/lib/sys_fault.h"

static struct err err;
static const char end_item[] = "{\"headers\":{\"control\":\"snapshot-end\"}},";

/* `count` items of `size` bytes each, numbered from `first`. */
static struct buf
rows(unsigned first, unsigned count, size_t size)
{
    struct buf buf = {0};
    for (unsigned i = first; i < first + count; i++) {
        size_t before = buf.size;
        buf_printf(&buf, "{\"key\":\"%06u\",\"value\":{\"v\":\"},{", i);
        while (buf.size - before + 4 < size) {
            buf_append_byte(&buf, 'x');
        }
        buf_append_str(&buf, "\"}},");
    }
    return buf;
}

static struct snapshot_writer *
open_writer(struct storage_fixture *f, uint64_t chunk_bytes)
{
    struct snapshot_writer *writer;
    assert_true(snapshot_writer_open(f->dir, FIXTURE_EPOCH, "1-1", chunk_bytes, &writer, &err));
    return writer;
}

static void
append_rows(struct snapshot_writer *writer, unsigned first, unsigned count, size_t size)
{
    struct buf block = rows(first, count, size);
    assert_true(snapshot_writer_append(writer, buf_view(&block), &err));
    buf_free(&block);
}

static void
test_chunks_end_as_in_the_recorded_exchange(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "golden");
    /* Rows of 1132 bytes, 1124 and twice the digits of their number: chunk 0 ends with row 9265. */
    struct snapshot_writer *writer = open_writer(&f, 10485760);
    append_rows(writer, 1, 9, 1126);
    append_rows(writer, 10, 90, 1128);
    append_rows(writer, 100, 900, 1130);
    append_rows(writer, 1000, 9000, 1132);
    append_rows(writer, 10000, 15000, 1134);
    assert_true(snapshot_writer_finish(writer, view_str(end_item), &err));
    struct snapshot snapshot = {0};
    snapshot_publish(&snapshot, writer);
    const uint64_t *ends = snapshot_chunk_ends(&snapshot);
    assert_int_equal(snapshot.chunk_count, 3);
    assert_int_equal(ends[0], 10485767 - 1);           /* the body has [ and ] and one comma less */
    assert_int_equal(ends[1] - ends[0], 10485765 - 1); /* rows 9266 to 18513 */
    assert_int_equal(snapshot_size(&snapshot),
                     ends[1] + (24999 - 18513) * 1134ull + strlen(end_item));
    snapshot_fini(&snapshot);
    snapshot_writer_close(writer);
    storage_fixture_close(&f);
}

static void
test_blocks_of_any_size_give_the_same_chunks(void **state)
{
    (void)state;
    struct buf all = rows(0, 60, 50);
    for (unsigned per_block = 1; per_block <= 60; per_block++) {
        struct storage_fixture f;
        char name[16];
        snprintf(name, sizeof name, "blocks%u", per_block);
        storage_fixture_init(&f, name);
        struct snapshot_writer *writer = open_writer(&f, 230);
        for (unsigned i = 0; i < 60; i += per_block) {
            unsigned count = i + per_block > 60 ? 60 - i : per_block;
            append_rows(writer, i, count, 50);
        }
        assert_true(snapshot_writer_finish(writer, view_str(end_item), &err));
        struct snapshot snapshot = {0};
        snapshot_publish(&snapshot, writer);
        assert_int_equal(snapshot.chunk_count, 13); /* 12 of 5 rows; the end item alone */
        for (unsigned i = 0; i < 12; i++) {
            assert_int_equal(snapshot_chunk_ends(&snapshot)[i], (i + 1) * 250);
        }
        struct buf file = storage_fixture_read(storage_fixture_file(&f, "1-1", "snapshot"));
        assert_memory_equal(file.bytes, all.bytes, all.size);
        assert_int_equal(file.size, all.size + strlen(end_item));
        buf_free(&file);
        snapshot_fini(&snapshot);
        snapshot_writer_close(writer);
        storage_fixture_close(&f);
    }
    buf_free(&all);
}

static void
assert_range(const struct snapshot *snapshot, struct shape_log *log, struct shape_position from,
             enum shape_range_result expected, const char *end)
{
    struct item_range range;
    enum shape_range_result result = shape_range_find(snapshot, log, from, &range, &err);
    assert_int_equal(result, expected);
    if (result == SHAPE_RANGE_OK) {
        struct buf text = {0};
        offset_append(&text, range.end);
        buf_printf(&text, " %llu%s%s", (unsigned long long)range.size, range.is_end ? " end" : "",
                   range.is_fixed ? " fixed" : "");
        assert_string_equal(buf_str(&text), end);
        buf_free(&text);
    }
}

#define START    ((struct shape_position){.is_start = true})
#define AT(l, o) ((struct shape_position){.offset = {l, o}})

static void
test_it_is_read_while_it_is_written_and_then_the_log(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "reading");
    struct snapshot_writer *writer = open_writer(&f, 100);
    struct shape_log *log = shape_log_new(f.store, "1-1", NULL, true);
    struct snapshot snapshot = {0};
    assert_range(&snapshot, log, START, SHAPE_RANGE_PENDING, NULL);
    append_rows(writer, 0, 1, 50);
    snapshot_publish(&snapshot, writer);
    assert_range(&snapshot, log, START, SHAPE_RANGE_PENDING, NULL);
    append_rows(writer, 1, 2, 50);
    snapshot_publish(&snapshot, writer);
    assert_range(&snapshot, log, START, SHAPE_RANGE_OK, "0_0 100 fixed");
    assert_range(&snapshot, log, AT(0, 0), SHAPE_RANGE_PENDING, NULL);
    assert_range(&snapshot, log, AT(0, OFFSET_OP_INF), SHAPE_RANGE_PENDING, NULL);
    append_rows(writer, 3, 3, 50);
    assert_true(snapshot_writer_finish(writer, view_str(end_item), &err));
    snapshot_publish(&snapshot, writer);
    assert_range(&snapshot, log, AT(0, 3), SHAPE_RANGE_PENDING, NULL);
    assert_range(&snapshot, log, AT(7, 0), SHAPE_RANGE_PENDING, NULL);
    snapshot_complete(&snapshot);
    snapshot_writer_close(writer);
    assert_range(&snapshot, log, START, SHAPE_RANGE_OK, "0_0 100 fixed");
    assert_range(&snapshot, log, AT(0, 0), SHAPE_RANGE_OK, "0_1 100 fixed");
    assert_range(&snapshot, log, AT(0, 1), SHAPE_RANGE_OK, "0_2 100 fixed");
    assert_range(&snapshot, log, AT(0, 2), SHAPE_RANGE_OK, "0_3 39 fixed");
    assert_range(&snapshot, log, AT(0, 3), SHAPE_RANGE_OK, "0_inf 0 end");
    assert_range(&snapshot, log, AT(0, OFFSET_OP_INF), SHAPE_RANGE_OK, "0_inf 0 end");
    assert_range(&snapshot, log, AT(9, 0), SHAPE_RANGE_BEYOND, NULL);

    storage_fixture_transaction(log, 100, 2, 80);
    assert_true(log_store_write_out(f.store, &err));
    assert_range(&snapshot, log, AT(0, 3), SHAPE_RANGE_OK, "100_2 160 end");
    assert_range(&snapshot, log, AT(0, 99), SHAPE_RANGE_OK, "100_2 160 end");
    assert_range(&snapshot, log, AT(100, 0), SHAPE_RANGE_OK, "100_2 80 end");

    struct item_range range;
    struct buf bytes = {0};
    assert_int_equal(shape_range_find(&snapshot, log, AT(0, 0), &range, &err), SHAPE_RANGE_OK);
    assert_true(shape_range_read(f.dir, &range, &bytes, &err));
    struct buf expected = rows(2, 2, 50);
    assert_true(view_equal(buf_view(&bytes), buf_view(&expected)));
    range.size += 1000;
    assert_false(shape_range_read(f.dir, &range, &bytes, &err));
    assert_int_equal(err.kind, ERR_CORRUPT);
    buf_free(&expected);
    buf_free(&bytes);
    snapshot_fini(&snapshot);
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_an_empty_table_is_one_chunk(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "empty");
    struct snapshot_writer *writer = open_writer(&f, 100);
    struct shape_log *log = shape_log_new(f.store, "1-1", NULL, true);
    sys_fault_arm(1000, EIO);
    assert_true(snapshot_writer_finish(writer, view_str(end_item), &err));
    assert_string_equal(sys_fault_calls(), "Wdos"); /* items, file, name */
    sys_fault_disarm();
    struct snapshot snapshot = {0};
    snapshot_publish(&snapshot, writer);
    assert_range(&snapshot, log, START, SHAPE_RANGE_OK, "0_0 39 fixed");
    snapshot_fini(&snapshot);
    snapshot_writer_close(writer);
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_a_full_disk_lets_the_same_block_come_again(void **state)
{
    (void)state;
    sys_fault_short_writes(37);
    for (int calls = 0;; calls++) {
        struct storage_fixture f;
        char name[16];
        snprintf(name, sizeof name, "full%d", calls);
        storage_fixture_init(&f, name);
        struct snapshot_writer *writer = open_writer(&f, 60);
        struct buf block = rows(0, 4, 50);
        sys_fault_arm(calls, ENOSPC);
        bool ok = snapshot_writer_append(writer, buf_view(&block), &err);
        bool has_fired = sys_fault_disarm();
        assert_int_equal(ok, !has_fired);
        if (has_fired) {
            assert_int_equal(err.kind, ERR_FULL);
            assert_true(snapshot_writer_append(writer, buf_view(&block), &err));
        }
        struct snapshot snapshot = {0};
        snapshot_publish(&snapshot, writer);
        assert_int_equal(snapshot.chunk_count, 2);
        struct buf file = storage_fixture_read(storage_fixture_file(&f, "1-1", "snapshot"));
        assert_true(view_equal(buf_view(&file), buf_view(&block)));
        buf_free(&file);
        buf_free(&block);
        snapshot_fini(&snapshot);
        snapshot_writer_close(writer);
        storage_fixture_close(&f);
        if (!has_fired) {
            break;
        }
    }
    sys_fault_short_writes(SIZE_MAX);
}

static void
test_a_sync_that_failed_is_not_believed_later(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "sync");
    struct snapshot_writer *writer = open_writer(&f, 100);
    sys_fault_arm(1, ENOSPC);
    assert_false(snapshot_writer_finish(writer, view_str(end_item), &err));
    sys_fault_disarm();
    assert_int_equal(err.kind, ERR_IO);
    snapshot_writer_close(writer);
    storage_fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chunks_end_as_in_the_recorded_exchange),
        cmocka_unit_test(test_blocks_of_any_size_give_the_same_chunks),
        cmocka_unit_test(test_it_is_read_while_it_is_written_and_then_the_log),
        cmocka_unit_test(test_an_empty_table_is_one_chunk),
        cmocka_unit_test(test_a_full_disk_lets_the_same_block_come_again),
        cmocka_unit_test(test_a_sync_that_failed_is_not_believed_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
