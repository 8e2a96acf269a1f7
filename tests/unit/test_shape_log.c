/*
 * One shape's log: what was committed and written out can be read from any offset, before and after
 * a restart; what was not committed is nowhere; chunks are cut by bytes alone.
 */
#include "services/shape_log_collector/shape_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/core/log_format.h"
#include "tests/lib/storage_fixture.h"
#include "tests/lib/sys_fault.h"

static struct err err;

static struct shape_log *
open_log(struct storage_fixture *fixture, const char *handle, bool is_new)
{
    struct shape_log *log = shape_log_new(fixture->store, handle, NULL, is_new);
    assert_true(shape_log_open(log, &err));
    return log;
}

static void
reopen(struct storage_fixture *fixture, struct shape_log **log, const char *handle)
{
    shape_log_free(*log);
    storage_fixture_close(fixture);
    storage_fixture_open(fixture);
    *log = open_log(fixture, handle, false);
}

static void
assert_offset(struct log_offset offset, uint64_t lsn, uint64_t op)
{
    assert_int_equal(offset.lsn, lsn);
    assert_int_equal(offset.op, op);
}

static void
test_an_empty_log_has_no_files_and_ends_behind_the_snapshot(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "empty");
    struct shape_log *log = open_log(&f, "1-1", false);
    struct item_range range;
    assert_offset(shape_log_end(log), 0, OFFSET_OP_INF);
    assert_int_equal(shape_log_range(log, OFFSET_SNAPSHOT_END, &range, &err), SHAPE_RANGE_OK);
    assert_true(range.is_end && range.size == 0 && !range.is_fixed);
    assert_int_equal(shape_log_range(log, (struct log_offset){1, 0}, &range, &err),
                     SHAPE_RANGE_BEYOND);
    assert_true(log_store_write_out(f.store, &err));
    assert_int_equal(access(storage_fixture_file(&f, "1-1", "log"), F_OK), -1);
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_a_commit_is_seen_when_it_is_written_out(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "commit");
    struct shape_log *log = open_log(&f, "1-1", true);
    storage_fixture_transaction(log, 100, 3, 80);
    assert_offset(shape_log_end(log), 0, OFFSET_OP_INF);
    assert_int_equal(shape_log_commit_lsn(log), 100);
    assert_true(log_store_write_out(f.store, &err));
    assert_offset(shape_log_end(log), 100, 4);
    assert_int_equal(f.advanced_count, 1);
    assert_offset(f.advance.from, 0, OFFSET_OP_INF);
    assert_offset(f.advance.to, 100, 4);
    assert_true(f.advance.is_in_one_chunk);
    struct buf file = storage_fixture_read(storage_fixture_file(&f, "1-1", "log"));
    assert_true(view_equal(buf_view(&file), buf_view(&f.advanced_items)));
    assert_int_equal(log_store_buffered(f.store), 0);
    buf_free(&file);

    reopen(&f, &log, "1-1");
    assert_offset(shape_log_end(log), 100, 4);
    assert_int_equal(shape_log_commit_lsn(log), 100);
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_the_last_item_of_an_open_transaction_can_still_change(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "held");
    struct shape_log *log = open_log(&f, "1-1", true);
    storage_fixture_add(log, 100, 0, 80);
    storage_fixture_add(log, 100, 2, 80);
    assert_true(log_store_write_out(f.store, &err));
    assert_int_equal(f.advanced_count, 0);
    struct buf file = storage_fixture_read(storage_fixture_file(&f, "1-1", "log"));
    assert_int_equal(file.size, 80);
    buf_free(&file);

    struct buf *items = shape_log_items(log);
    items->size -= 3;
    buf_append_str(items, ",\"last\":true}},");
    shape_log_commit(log, 100);
    assert_true(log_store_write_out(f.store, &err));
    assert_int_equal(f.advanced_count, 1);
    assert_int_equal(f.advance.items.size, 0); /* a part was written before: not at hand */
    struct buf all = storage_fixture_follow(&f, log, OFFSET_SNAPSHOT_END, NULL);
    assert_int_equal(all.size, 80 + 80 + 12);
    assert_non_null(strstr(buf_str(&all), ",\"last\":true}},"));
    buf_free(&all);
    assert_int_equal(log_store_buffered(f.store), 0);

    reopen(&f, &log, "1-1");
    assert_int_equal(shape_log_size(log), 172);
    shape_log_free(log);
    storage_fixture_close(&f);
}

/* The ends of all chunks that can be read, as text. */
static struct buf
chunk_ends(struct shape_log *log)
{
    struct buf ends = {0};
    struct item_range range = {.end = OFFSET_SNAPSHOT_END};
    do {
        assert_int_equal(shape_log_range(log, range.end, &range, &err), SHAPE_RANGE_OK);
        if (range.is_fixed) {
            offset_append(&ends, range.end);
            buf_append_byte(&ends, ' ');
        }
    } while (range.is_fixed);
    return ends;
}

/* Three committed items, then an open transaction, aborted in each state of being written. */
static void
test_an_aborted_transaction_leaves_nothing(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct storage_fixture f;
        storage_fixture_init(&f, way == 0 ? "a0" : way == 1 ? "a1" : way == 2 ? "a2" : "a3");
        storage_fixture_close(&f);
        f.chunk_bytes = 200; /* chunk ends inside the transaction, too */
        storage_fixture_open(&f);
        struct shape_log *log = open_log(&f, "1-1", true);
        storage_fixture_transaction(log, 100, 3, 80);
        if (way >= 1) {
            assert_true(log_store_write_out(f.store, &err));
        }
        for (unsigned i = 0; i < 10; i++) {
            storage_fixture_add(log, 200, 2 * i, 80);
            if (way >= 2 && i == 5) {
                assert_true(log_store_write_out(f.store, &err));
            }
        }
        if (way == 3) {
            assert_true(log_store_write_out(f.store, &err));
        }
        assert_true(shape_log_abort(log, &err));
        assert_int_equal(shape_log_commit_lsn(log), 100);
        assert_true(log_store_write_out(f.store, &err));
        assert_offset(shape_log_end(log), 100, 4);
        assert_int_equal(log_store_buffered(f.store), 0);
        struct buf file = storage_fixture_read(storage_fixture_file(&f, "1-1", "log"));
        assert_int_equal(file.size, 240);
        buf_free(&file);

        /* It comes again, and the log is as if it had come once. */
        storage_fixture_transaction(log, 200, 10, 80);
        assert_true(log_store_write_out(f.store, &err));
        struct buf before = storage_fixture_follow(&f, log, OFFSET_SNAPSHOT_END, NULL);
        assert_int_equal(before.size, 13 * 80);
        struct buf ends = chunk_ends(log);
        assert_string_equal(buf_str(&ends), "100_4 200_4 200_10 200_16 ");
        buf_free(&ends);
        reopen(&f, &log, "1-1");
        assert_offset(shape_log_end(log), 200, 18);
        struct buf after = storage_fixture_follow(&f, log, OFFSET_SNAPSHOT_END, NULL);
        assert_true(view_equal(buf_view(&before), buf_view(&after)));
        buf_free(&before);
        buf_free(&after);
        shape_log_free(log);
        storage_fixture_close(&f);
    }
}

static void
test_chunks_are_cut_by_bytes_alone(void **state)
{
    (void)state;
    struct buf expected = {0};
    for (unsigned period = 1; period <= 9; period++) { /* written out at different times */
        struct storage_fixture f;
        char name[16] = "chunks0";
        name[6] = (char)('0' + period);
        storage_fixture_init(&f, name);
        storage_fixture_close(&f);
        f.chunk_bytes = 200;
        storage_fixture_open(&f);
        struct shape_log *log = open_log(&f, "1-1", true);
        unsigned added = 0;
        for (uint64_t lsn = 10; lsn <= 60; lsn += 10) {
            for (unsigned i = 0; i < lsn / 10 + 2; i++) {
                storage_fixture_add(log, lsn, 2 * i, 80 + i);
                if (++added % period == 0) {
                    assert_true(log_store_write_out(f.store, &err));
                }
            }
            shape_log_commit(log, lsn);
        }
        assert_true(log_store_write_out(f.store, &err));
        struct buf ends = chunk_ends(log);
        reopen(&f, &log, "1-1");
        struct buf again = chunk_ends(log);
        assert_true(view_equal(buf_view(&ends), buf_view(&again)));
        if (period == 1) {
            assert_string_equal(buf_str(&ends),
                                "10_4 20_4 30_2 30_8 40_4 40_10 50_4 50_10 60_2 60_8 60_14 ");
            expected = ends;
        } else {
            assert_string_equal(buf_str(&ends), buf_str(&expected));
            buf_free(&ends);
        }
        buf_free(&again);
        shape_log_free(log);
        storage_fixture_close(&f);
    }
    buf_free(&expected);
}

static void
test_an_open_chunk_goes_on_after_a_restart(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "goes_on");
    storage_fixture_close(&f);
    f.chunk_bytes = 200;
    storage_fixture_open(&f);
    struct shape_log *log = open_log(&f, "1-1", true);
    for (uint64_t lsn = 10; lsn <= 100; lsn += 10) {
        storage_fixture_transaction(log, lsn, 1, 70);
        assert_true(log_store_write_out(f.store, &err));
        reopen(&f, &log, "1-1");
    }
    struct buf ends = chunk_ends(log);
    assert_string_equal(buf_str(&ends), "30_0 60_0 90_0 ");
    buf_free(&ends);
    shape_log_free(log);
    storage_fixture_close(&f);
}

/* Every offset of interest, also between items, gives exactly what comes after it. */
static void
test_any_offset_gives_what_comes_after_it(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "offsets");
    storage_fixture_close(&f);
    f.chunk_bytes = 500;
    storage_fixture_open(&f);
    struct shape_log *log = open_log(&f, "1-1", true);
    for (uint64_t lsn = 10; lsn <= 50; lsn += 10) {
        storage_fixture_transaction(log, lsn, 20, 70);
    }
    assert_true(log_store_write_out(f.store, &err));
    struct buf all = storage_fixture_follow(&f, log, OFFSET_SNAPSHOT_END, NULL);
    assert_int_equal(all.size, 100 * 70);
    for (uint64_t lsn = 9; lsn <= 50; lsn++) {
        for (uint64_t op = 0; op <= 40; op++) {
            struct log_offset after = {lsn, op == 40 ? OFFSET_OP_INF : op};
            if (lsn == 50 && after.op > 38) {
                continue;
            }
            uint64_t skipped = lsn < 10 ? 0 : (lsn - 10) / 10 * 20;
            skipped += lsn < 10 ? 0 : lsn % 10 != 0 || op == 40 ? 20 : op / 2 + 1;
            struct buf rest = storage_fixture_follow(&f, log, after, NULL);
            assert_int_equal(rest.size, all.size - skipped * 70);
            assert_memory_equal(rest.bytes, all.bytes + skipped * 70, rest.size);
            buf_free(&rest);
        }
    }
    struct item_range range;
    assert_int_equal(shape_log_range(log, (struct log_offset){50, 39}, &range, &err),
                     SHAPE_RANGE_BEYOND);
    assert_int_equal(shape_log_range(log, (struct log_offset){50, OFFSET_OP_INF}, &range, &err),
                     SHAPE_RANGE_BEYOND);
    buf_free(&all);
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_a_long_index_is_searched(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "long");
    storage_fixture_close(&f);
    f.chunk_bytes = 10000;
    f.checkpoint_lsn = 15000; /* half of it is believed at the next open */
    storage_fixture_open(&f);
    struct shape_log *log = open_log(&f, "1-1", true);
    for (uint64_t lsn = 10; lsn <= 30000; lsn += 10) {
        storage_fixture_transaction(log, lsn, 1, 80);
    }
    assert_true(log_store_write_out(f.store, &err));
    reopen(&f, &log, "1-1");
    for (uint64_t lsn = 10; lsn <= 30000; lsn += 170) {
        struct item_range range;
        assert_int_equal(shape_log_range(log, (struct log_offset){lsn, 0}, &range, &err),
                         SHAPE_RANGE_OK);
        assert_int_equal(range.position, lsn / 10 * 80);
        assert_true(range.is_end || range.end.lsn > lsn);
        assert_int_equal((range.position + range.size) % 10000 == 0, range.is_fixed);
    }
    shape_log_free(log);
    storage_fixture_close(&f);
}

/* A crash of the machine: of both files any prefix may be left, at least what was synced. */
static void
test_a_power_cut_leaves_whole_transactions(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "power");
    storage_fixture_close(&f);
    f.chunk_bytes = 250;
    storage_fixture_open(&f);
    struct shape_log *log = open_log(&f, "1-1", true);
    for (uint64_t lsn = 10; lsn <= 120; lsn += 10) {
        storage_fixture_transaction(log, lsn, (unsigned)(lsn / 10 % 4 + 1), 80);
        assert_true(log_store_write_out(f.store, &err));
    }
    storage_fixture_add(log, 130, 0, 80);
    storage_fixture_add(log, 130, 2, 80);
    assert_true(log_store_write_out(f.store, &err));
    struct buf log_file = storage_fixture_read(storage_fixture_file(&f, "1-1", "log"));
    struct buf index = storage_fixture_read(storage_fixture_file(&f, "1-1", "index"));
    uint64_t durable_lsn = 50;
    struct log_point durable;
    assert_true(log_recover(view_of(index.bytes, 6 * LOG_RECORD_SIZE), buf_view(&log_file), 0,
                            &durable, &err));
    assert_int_equal(durable.lsn, durable_lsn - 10);
    shape_log_free(log);
    storage_fixture_close(&f);
    f.checkpoint_lsn = durable_lsn;

    srand(1);
    for (int round = 0; round < 300; round++) {
        size_t index_min = (size_t)durable.record_count * LOG_RECORD_SIZE;
        size_t index_size = index_min + (size_t)rand() % (index.size - index_min + 1);
        size_t log_size =
            (size_t)durable.end + (size_t)rand() % (log_file.size - (size_t)durable.end + 1);
        FILE *file = fopen(storage_fixture_file(&f, "1-1", "log"), "wb");
        fwrite(log_file.bytes, 1, log_size, file);
        fclose(file);
        file = fopen(storage_fixture_file(&f, "1-1", "index"), "wb");
        fwrite(index.bytes, 1, index_size, file);
        fclose(file);

        struct log_point expected;
        assert_true(log_recover(view_of(index.bytes, index_size), view_of(log_file.bytes, log_size),
                                durable_lsn, &expected, &err));
        storage_fixture_open(&f);
        log = open_log(&f, "1-1", false);
        assert_int_equal(shape_log_size(log), expected.end);
        assert_true(expected.end >= durable.end);

        /* The stream sends the rest again: the same bytes at the same places. */
        for (uint64_t lsn = durable_lsn; lsn <= 120; lsn += 10) {
            if (lsn > shape_log_commit_lsn(log)) {
                storage_fixture_transaction(log, lsn, (unsigned)(lsn / 10 % 4 + 1), 80);
            }
        }
        assert_true(log_store_write_out(f.store, &err));
        struct buf all = storage_fixture_follow(&f, log, OFFSET_SNAPSHOT_END, NULL);
        assert_memory_equal(all.bytes, log_file.bytes, all.size);
        assert_int_equal(all.size, shape_log_size(log));
        struct buf again = storage_fixture_read(storage_fixture_file(&f, "1-1", "index"));
        assert_memory_equal(again.bytes, index.bytes, again.size);
        buf_free(&all);
        buf_free(&again);
        shape_log_free(log);
        storage_fixture_close(&f);
    }
    buf_free(&log_file);
    buf_free(&index);
}

static void
flip(const char *path, long position)
{
    FILE *file = fopen(path, "r+b");
    fseek(file, position, SEEK_SET);
    int byte = fgetc(file);
    fseek(file, position, SEEK_SET);
    fputc(byte ^ 1, file);
    fclose(file);
}

static void
test_damage_of_what_was_durable_is_an_error_that_names_the_file(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "damage");
    struct shape_log *log = open_log(&f, "1-1", true);
    for (uint64_t lsn = 10; lsn <= 50; lsn += 10) {
        storage_fixture_transaction(log, lsn, 1, 80);
    }
    assert_true(log_store_write_out(f.store, &err));
    shape_log_free(log);
    storage_fixture_close(&f);
    f.checkpoint_lsn = 1000;
    storage_fixture_open(&f);

    flip(storage_fixture_file(&f, "1-1", "index"), 40);
    log = shape_log_new(f.store, "1-1", NULL, false);
    assert_false(shape_log_open(log, &err));
    assert_int_equal(err.kind, ERR_CORRUPT);
    assert_non_null(strstr(err.msg, storage_fixture_file(&f, "1-1", "log")));
    flip(storage_fixture_file(&f, "1-1", "index"), 40);
    assert_true(shape_log_open(log, &err));
    shape_log_free(log);

    assert_int_equal(truncate(storage_fixture_file(&f, "1-1", "log"), 399), 0);
    log = shape_log_new(f.store, "1-1", NULL, false);
    assert_false(shape_log_open(log, &err));
    assert_int_equal(err.kind, ERR_CORRUPT);
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_a_reader_beside_the_writer_follows_it_and_changes_nothing(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "reader");
    struct shape_log *log = open_log(&f, "1-1", true);
    struct storage_fixture r = f;
    r.is_read_only = true;
    storage_fixture_open(&r);
    struct shape_log *reading = open_log(&r, "1-1", false);
    struct item_range range;
    for (uint64_t lsn = 10; lsn <= 50; lsn += 10) {
        storage_fixture_transaction(log, lsn, 2, 80);
        storage_fixture_add(log, lsn + 5, 0, 80); /* an open transaction: never seen */
        storage_fixture_add(log, lsn + 5, 2, 80);
        assert_true(log_store_write_out(f.store, &err));
        assert_int_equal(
            shape_log_range(reading, (struct log_offset){0, OFFSET_OP_INF}, &range, &err),
            SHAPE_RANGE_OK);
        assert_offset(range.end, lsn, 2);
        assert_int_equal(range.size, lsn / 10 * 160);
        assert_true(shape_log_abort(log, &err));
    }
    /* A power cut has made the log shorter. */
    shape_log_free(log);
    storage_fixture_close(&f);
    assert_int_equal(truncate(storage_fixture_file(&f, "1-1", "index"), 2 * LOG_RECORD_SIZE), 0);
    assert_int_equal(shape_log_range(reading, OFFSET_SNAPSHOT_END, &range, &err), SHAPE_RANGE_OK);
    assert_offset(range.end, 20, 2);
    shape_log_free(reading);
    storage_fixture_close(&r);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_empty_log_has_no_files_and_ends_behind_the_snapshot),
        cmocka_unit_test(test_a_commit_is_seen_when_it_is_written_out),
        cmocka_unit_test(test_the_last_item_of_an_open_transaction_can_still_change),
        cmocka_unit_test(test_an_aborted_transaction_leaves_nothing),
        cmocka_unit_test(test_chunks_are_cut_by_bytes_alone),
        cmocka_unit_test(test_an_open_chunk_goes_on_after_a_restart),
        cmocka_unit_test(test_any_offset_gives_what_comes_after_it),
        cmocka_unit_test(test_a_long_index_is_searched),
        cmocka_unit_test(test_a_power_cut_leaves_whole_transactions),
        cmocka_unit_test(test_damage_of_what_was_durable_is_an_error_that_names_the_file),
        cmocka_unit_test(test_a_reader_beside_the_writer_follows_it_and_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
