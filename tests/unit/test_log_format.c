/*
 * A log ends behind its last intact commit, whatever a crash has left behind it; what was durable
 * and is damaged is noticed and never cut away in silence; an item is found by its structure.
 */
#include "common/core/log_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/buf.h"

/* A log of transactions with one item each, a chunk end behind every third. */
struct built {
    struct buf log;
    struct buf index;
    struct log_point head;
};

static void
add_record(struct built *built, enum log_record_kind kind, uint64_t lsn, size_t item_size)
{
    struct log_record record = {
        .kind = kind,
        .lsn = lsn,
        .end = built->log.size,
        .op = 0,
        .chunk = built->head.chunk + (kind == LOG_RECORD_CHUNK_END ? 1 : 0),
        .bytes_crc = wire_crc32c(built->log.bytes + built->log.size - item_size, item_size),
    };
    log_record_encode(&record, buf_grow(&built->index, LOG_RECORD_SIZE));
    built->head = log_point_behind(&built->head, &record);
}

static struct built
build(unsigned transactions)
{
    struct built built = {0};
    for (unsigned i = 1; i <= transactions; i++) {
        size_t before = built.log.size;
        buf_printf(&built.log, "{\"key\":\"%u\",\"headers\":{\"op_position\":0}},", i * 7919);
        size_t size = built.log.size - before;
        bool ends_chunk = i % 3 == 0;
        if (ends_chunk) {
            add_record(&built, LOG_RECORD_CHUNK_END, i * 10, size);
        }
        add_record(&built, LOG_RECORD_COMMIT, i * 10, ends_chunk ? 0 : size);
    }
    return built;
}

static void
free_built(struct built *built)
{
    buf_free(&built->log);
    buf_free(&built->index);
}

static struct view
head_of(const struct buf *buf, size_t size)
{
    return view_of(buf->bytes, size < buf->size ? size : buf->size);
}

static void
test_a_record_comes_back(void **state)
{
    (void)state;
    struct log_record record = {
        .kind = LOG_RECORD_CHUNK_END,
        .lsn = 0x0123456789abcdef,
        .end = 1ull << 40,
        .op = 0xfffffffe,
        .chunk = LOG_CHUNKS_MAX,
        .bytes_crc = 0xdeadbeef,
    };
    uint8_t bytes[LOG_RECORD_SIZE];
    struct log_record again;
    log_record_encode(&record, bytes);
    assert_true(log_record_decode(bytes, &again));
    assert_int_equal(again.kind, record.kind);
    assert_int_equal(again.lsn, record.lsn);
    assert_int_equal(again.end, record.end);
    assert_int_equal(again.op, record.op);
    assert_int_equal(again.chunk, record.chunk);
    assert_int_equal(again.bytes_crc, record.bytes_crc);
    assert_int_equal(log_record_offset(&again).op, 0xfffffffe);
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] ^= 0x40;
        assert_false(log_record_decode(bytes, &again));
        bytes[i] ^= 0x40;
    }
}

static void
test_a_whole_log_ends_where_it_was_written(void **state)
{
    (void)state;
    struct err err;
    struct log_point end;
    struct built built = build(10);
    assert_true(log_recover(buf_view(&built.index), buf_view(&built.log), 0, &end, &err));
    assert_int_equal(end.end, built.log.size);
    assert_int_equal(end.record_count, 13);
    assert_int_equal(end.lsn, 100);
    assert_int_equal(end.chunk, 3);
    free_built(&built);
}

/* Where the log may end, if of index and log only so much is left. */
static uint64_t
expected_end(const struct built *built, size_t index_size, size_t log_size)
{
    uint64_t end = 0;
    for (size_t i = 0; (i + 1) * LOG_RECORD_SIZE <= index_size; i++) {
        struct log_record record;
        assert_true(log_record_decode(built->index.bytes + i * LOG_RECORD_SIZE, &record));
        if (record.end > log_size) {
            break;
        }
        end = record.kind == LOG_RECORD_COMMIT ? record.end : end;
    }
    return end;
}

static void
test_cut_anywhere_it_ends_behind_the_last_whole_commit(void **state)
{
    (void)state;
    struct err err;
    struct log_point end;
    struct built built = build(7);
    for (size_t index_size = 0; index_size <= built.index.size; index_size++) {
        for (size_t log_size = 0; log_size <= built.log.size; log_size += 3) {
            assert_true(log_recover(head_of(&built.index, index_size),
                                    head_of(&built.log, log_size), 0, &end, &err));
            assert_int_equal(end.end, expected_end(&built, index_size, log_size));
        }
    }
    free_built(&built);
}

static void
test_a_flipped_bit_is_a_torn_tail_or_damage(void **state)
{
    (void)state;
    struct err err;
    struct log_point end;
    struct built built = build(5);
    for (size_t i = 0; i < built.log.size + built.index.size; i++) {
        bool is_log = i < built.log.size;
        uint8_t *byte = is_log ? &built.log.bytes[i] : &built.index.bytes[i - built.log.size];
        *byte ^= 0x10;
        /* Nothing was durable: everything behind the flaw goes. */
        assert_true(log_recover(buf_view(&built.index), buf_view(&built.log), 0, &end, &err));
        assert_true(end.end < built.log.size);
        if (is_log) {
            assert_true(end.end <= i);
        }
        /* All was durable: it must not go. The very last record alone cannot be told from none. */
        bool is_last = !is_log && i >= built.log.size + built.index.size - LOG_RECORD_SIZE;
        bool ok = log_recover(buf_view(&built.index), buf_view(&built.log), 1000, &end, &err);
        assert_true(ok == is_last);
        assert_true(ok || err.kind == ERR_CORRUPT);
        *byte ^= 0x10;
    }
    free_built(&built);
}

static void
test_a_chunk_end_alone_moves_nothing(void **state)
{
    (void)state;
    struct err err;
    struct log_point end;
    struct built built = build(3); /* records: commit, commit, chunk end, commit */
    struct view index = head_of(&built.index, 3 * LOG_RECORD_SIZE);
    assert_true(log_recover(index, buf_view(&built.log), 0, &end, &err));
    assert_int_equal(end.record_count, 2);
    assert_int_equal(end.lsn, 20);
    free_built(&built);
}

static void
test_records_that_go_back_do_not_count(void **state)
{
    (void)state;
    struct err err;
    struct log_point end;
    struct built built = build(2);
    struct built older = build(1);
    buf_append_view(&built.index, buf_view(&older.index)); /* left of an earlier, longer index */
    assert_true(log_recover(buf_view(&built.index), buf_view(&built.log), 0, &end, &err));
    assert_int_equal(end.record_count, 2);
    free_built(&built);
    free_built(&older);
}

static const char items[] =
    "{\"key\":\"a\\\"},{\\\\\",\"value\":{\"op_position\":\"7\",\"headers\":\"x\"},"
    "\"headers\":{\"relation\":[\"s\",\"t}\"],\"op_position\":0}},"
    "{\"key\":\"b\",\"headers\":{\"op_position\":2,\"txids\":[1,2],\"last\":true}},"
    "{\"headers\":{\"event\":\"x\"}},"
    "{\"headers\":{\"op_position\":1844674407370955161}},";

static void
test_items_are_found_by_structure(void **state)
{
    (void)state;
    struct view rest = view_str(items);
    size_t count = 0;
    for (; rest.size > 0; count++) {
        size_t size = log_item_size(rest);
        assert_true(size > 2 && rest.bytes[size - 1] == ',' && rest.bytes[size - 2] == '}');
        rest = view_of(rest.bytes + size, rest.size - size);
    }
    assert_int_equal(count, 4);
    assert_int_equal(log_item_size(view_str("{\"a\":[1,2]}")), 0); /* no comma yet */
    assert_int_equal(log_item_size(view_str("{\"a\":\"")), 0);
    assert_int_equal(log_item_size(view_str("{\"a\":\"\\")), 0);
}

static void
test_op_is_that_of_the_headers(void **state)
{
    (void)state;
    uint64_t op;
    assert_true(log_item_op(view_str(items), &op));
    assert_int_equal(op, 0);
    assert_false(log_item_op(view_str("{\"value\":{\"op_position\":3},\"headers\":{}},"), &op));
    assert_false(log_item_op(view_str("{\"headers\":{\"op_position\":\"3\"}},"), &op));
    assert_false(log_item_op(view_str("{\"headers\":{\"op_position\":"), &op));
    assert_false(
        log_item_op(view_str("{\"headers\":{\"op_position\":99999999999999999999}}"), &op));
}

static void
test_the_first_item_behind_an_op(void **state)
{
    (void)state;
    struct view all = view_str(items);
    size_t first = log_item_size(all);
    assert_int_equal(log_items_after(all, 0), first);
    assert_int_equal(log_items_after(all, 1), first);
    assert_true(log_items_after(all, 2) > first && log_items_after(all, 2) < all.size);
    assert_int_equal(log_items_after(all, UINT64_MAX), all.size);
    assert_int_equal(log_items_after((struct view){0}, 0), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_record_comes_back),
        cmocka_unit_test(test_a_whole_log_ends_where_it_was_written),
        cmocka_unit_test(test_cut_anywhere_it_ends_behind_the_last_whole_commit),
        cmocka_unit_test(test_a_flipped_bit_is_a_torn_tail_or_damage),
        cmocka_unit_test(test_a_chunk_end_alone_moves_nothing),
        cmocka_unit_test(test_records_that_go_back_do_not_count),
        cmocka_unit_test(test_items_are_found_by_structure),
        cmocka_unit_test(test_op_is_that_of_the_headers),
        cmocka_unit_test(test_the_first_item_behind_an_op),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
