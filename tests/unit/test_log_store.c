/*
 * Any call may fail: a full disk keeps everything and goes on when there is room; another error
 * ends that shape alone; nothing is called durable that was not synced; descriptors stay within the
 * cap.
 */
#include "services/shape_log_collector/log_store.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "common/core/log_format.h"
#include "services/shape_log_collector/log_internal.h"
#include "tests/lib/storage_fixture.h"
#include "tests/lib/sys_fault.h"

static struct err err;

static struct shape_log *
new_log(struct storage_fixture *fixture, const char *handle)
{
    struct shape_log *log = shape_log_new(fixture->store, handle, NULL, true);
    log->owner = log;
    assert_true(shape_log_open(log, &err));
    return log;
}

/* One transaction of 3 items, in two write-outs, with a chunk end inside. */
static bool
write_transaction(struct storage_fixture *f, struct shape_log *log, uint64_t lsn)
{
    storage_fixture_add(log, lsn, 0, 80);
    storage_fixture_add(log, lsn, 2, 80);
    bool ok = log_store_write_out(f->store, &err);
    storage_fixture_add(log, lsn, 4, 80);
    shape_log_commit(log, lsn);
    return log_store_write_out(f->store, &err) && ok;
}

static void
test_a_full_disk_at_any_call_loses_nothing(void **state)
{
    (void)state;
    sys_fault_short_writes(50); /* a write may be part done when the next fails */
    for (int calls = 0;; calls++) {
        struct storage_fixture f;
        char name[16];
        snprintf(name, sizeof name, "full%d", calls);
        storage_fixture_init(&f, name);
        storage_fixture_close(&f);
        f.chunk_bytes = 100;
        storage_fixture_open(&f);
        struct shape_log *log = new_log(&f, "1-1");

        sys_fault_arm(calls, ENOSPC);
        bool ok = write_transaction(&f, log, 100);
        bool has_fired = sys_fault_disarm();
        assert_int_equal(ok, !has_fired);
        if (!has_fired) {
            /* Names, items, record; items, records. */
            assert_string_equal(sys_fault_calls(), "ooWWWWWWWW");
        }
        assert_true(log_store_write_out(f.store, &err));
        assert_false(log_store_is_blocked(f.store));
        assert_int_equal(f.failed_count, 0);
        assert_int_equal(f.advanced_count, 1);
        assert_int_equal(log_store_buffered(f.store), 0);
        struct buf all = storage_fixture_follow(&f, log, OFFSET_SNAPSHOT_END, NULL);
        assert_int_equal(all.size, 240);
        buf_free(&all);
        shape_log_free(log);
        storage_fixture_close(&f);
        if (!has_fired) {
            break;
        }
    }
    sys_fault_short_writes(SIZE_MAX);
}

static void
test_while_the_disk_is_full_the_visible_end_stays(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "blocked");
    struct shape_log *log = new_log(&f, "1-1");
    assert_true(write_transaction(&f, log, 100));
    storage_fixture_transaction(log, 200, 1, 80);
    sys_fault_arm(0, EDQUOT);
    assert_false(log_store_write_out(f.store, &err));
    sys_fault_disarm();
    assert_int_equal(err.kind, ERR_FULL);
    assert_non_null(strstr(err.msg, "1-1.log"));
    assert_true(log_store_is_blocked(f.store));
    assert_int_equal(shape_log_end(log).lsn, 100);
    struct buf all = storage_fixture_follow(&f, log, OFFSET_SNAPSHOT_END, NULL); /* reads go on */
    assert_int_equal(all.size, 240);
    buf_free(&all);
    assert_true(log_store_write_out(f.store, &err));
    assert_int_equal(shape_log_end(log).lsn, 200);
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_an_error_at_any_call_ends_that_shape_alone(void **state)
{
    (void)state;
    for (int calls = 0;; calls++) {
        struct storage_fixture f;
        char name[16];
        snprintf(name, sizeof name, "eio%d", calls);
        storage_fixture_init(&f, name);
        struct shape_log *logs[3] = {new_log(&f, "1-1"), new_log(&f, "2-2"), new_log(&f, "3-3")};
        for (size_t i = 0; i < COUNT_OF(logs); i++) {
            storage_fixture_transaction(logs[i], 100, 2, 80);
        }
        sys_fault_arm(calls, EIO);
        assert_true(log_store_write_out(f.store, &err));
        bool has_fired = sys_fault_disarm();
        assert_int_equal(f.failed_count, has_fired ? 1 : 0);
        assert_int_equal(f.advanced_count, has_fired ? 2 : 3);
        for (size_t i = 0; i < COUNT_OF(logs); i++) {
            bool is_the_one = has_fired && f.failed_owner == logs[i];
            assert_int_equal(shape_log_end(logs[i]).lsn, is_the_one ? 0 : 100);
            assert_true(!is_the_one || strstr(f.failure.msg, logs[i]->handle) != NULL);
            shape_log_free(logs[i]);
        }
        assert_int_equal(log_store_buffered(f.store), 0);
        storage_fixture_close(&f);
        if (!has_fired) {
            break;
        }
    }
}

static void
test_no_record_is_written_before_its_items(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "order");
    struct shape_log *log = new_log(&f, "1-1");
    storage_fixture_transaction(log, 100, 1, 80);
    sys_fault_arm(3, EIO); /* two opens, the first write; the second fails */
    assert_true(log_store_write_out(f.store, &err));
    assert_true(sys_fault_disarm());
    assert_int_equal(f.failed_count, 1);
    struct buf items = storage_fixture_read(storage_fixture_file(&f, "1-1", "log"));
    struct buf index = storage_fixture_read(storage_fixture_file(&f, "1-1", "index"));
    assert_int_equal(items.size, 80);
    assert_int_equal(index.size, 0);
    buf_free(&items);
    buf_free(&index);
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_a_shape_may_be_freed_when_it_is_reported(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "freed");
    struct shape_log *log = new_log(&f, "1-1");
    struct shape_log *other = new_log(&f, "2-2");
    f.frees_on_failure = &log;
    storage_fixture_transaction(log, 100, 1, 80);
    storage_fixture_transaction(other, 100, 1, 80);
    sys_fault_arm(0, EIO);
    assert_true(log_store_write_out(f.store, &err));
    sys_fault_disarm();
    assert_null(log);
    assert_int_equal(shape_log_end(other).lsn, 100);
    shape_log_free(other);
    storage_fixture_close(&f);
}

static bool
sync_all(struct storage_fixture *f)
{
    struct log_sync *sync = log_sync_begin(f->store);
    bool ok = log_sync_run(sync, &err);
    log_sync_end(sync);
    return ok;
}

static void
test_few_files_are_synced_one_by_one_and_their_names(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "few");
    struct shape_log *log = new_log(&f, "1-1");
    sys_fault_arm(1000, EIO);
    assert_true(sync_all(&f));
    assert_string_equal(sys_fault_calls(), "");
    assert_false(log_store_needs_sync(f.store));

    storage_fixture_transaction(log, 100, 1, 80);
    assert_true(log_store_write_out(f.store, &err));
    assert_true(log_store_needs_sync(f.store));
    assert_int_equal(log_store_dirty_count(f.store), 1);
    sys_fault_arm(1000, EIO);
    assert_true(sync_all(&f));
    assert_string_equal(sys_fault_calls(), "ddos"); /* log, index; then the folder */
    assert_false(log_store_needs_sync(f.store));

    storage_fixture_transaction(log, 200, 1, 80);
    assert_true(log_store_write_out(f.store, &err));
    sys_fault_arm(1000, EIO);
    assert_true(sync_all(&f));
    assert_string_equal(sys_fault_calls(), "dd"); /* the name is durable already */
    sys_fault_disarm();
    shape_log_free(log);
    storage_fixture_close(&f);
}

#define MANY 40

static void
make_many(struct storage_fixture *f, char handles[MANY][16], struct shape_log *logs[MANY])
{
    for (unsigned i = 0; i < MANY; i++) {
        snprintf(handles[i], 16, "%u-%u", i, i);
        logs[i] = new_log(f, handles[i]);
        storage_fixture_transaction(logs[i], 100, 1, 80);
    }
    assert_true(log_store_write_out(f->store, &err));
}

static void
free_many(struct shape_log *logs[MANY])
{
    for (unsigned i = 0; i < MANY; i++) {
        shape_log_free(logs[i]);
    }
}

static void
test_many_files_are_synced_by_one_syncfs_and_one_by_one_when_it_fails(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "many");
    storage_fixture_close(&f);
    f.descriptors_max = 1000;
    storage_fixture_open(&f);
    f.store->can_syncfs = true; /* whatever the test runs on */
    char handles[MANY][16];
    struct shape_log *logs[MANY];
    make_many(&f, handles, logs);
    sys_fault_arm(1000, EIO);
    assert_true(sync_all(&f));
    assert_string_equal(sys_fault_calls(), "S");

    for (unsigned i = 0; i < MANY; i++) {
        storage_fixture_transaction(logs[i], 200, 1, 80);
    }
    assert_true(log_store_write_out(f.store, &err));
    sys_fault_arm(0, EIO);
    assert_true(sync_all(&f));
    assert_true(sys_fault_disarm());
    assert_int_equal(strlen(sys_fault_calls()), 1 + 2 * MANY);
    assert_int_equal(f.failed_count, 0);
    free_many(logs);
    storage_fixture_close(&f);
}

static void
test_only_the_file_that_cannot_be_synced_ends_its_shape(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "one");
    struct shape_log *log = new_log(&f, "1-1");
    struct shape_log *other = new_log(&f, "2-2");
    storage_fixture_transaction(log, 100, 1, 80);
    storage_fixture_transaction(other, 100, 1, 80);
    assert_true(log_store_write_out(f.store, &err));
    sys_fault_arm(1, EIO);
    assert_true(sync_all(&f));
    sys_fault_disarm();
    assert_int_equal(f.failed_count, 1);
    assert_ptr_equal(f.failed_owner, log);
    shape_log_free(log);
    shape_log_free(other);
    storage_fixture_close(&f);
}

static void
test_a_sync_refused_by_a_full_disk_is_repeated_and_then_not_trusted(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "refused");
    struct shape_log *log = new_log(&f, "1-1");
    storage_fixture_transaction(log, 100, 1, 80);
    assert_true(log_store_write_out(f.store, &err));
    for (int i = 0; i < 3; i++) {
        sys_fault_arm(0, ENOSPC);
        assert_false(sync_all(&f));
        sys_fault_disarm();
        assert_int_equal(err.kind, ERR_FULL);
        assert_int_equal(f.failed_count, 0);
        assert_true(log_store_needs_sync(f.store));
    }
    assert_true(sync_all(&f));
    assert_int_equal(f.failed_count, 1); /* the kernel may have dropped the pages it refused */
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_names_that_could_not_be_synced_are_synced_again(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "names");
    struct shape_log *log = new_log(&f, "1-1");
    storage_fixture_transaction(log, 100, 1, 80);
    assert_true(log_store_write_out(f.store, &err));
    sys_fault_arm(3, EIO);
    assert_false(sync_all(&f));
    sys_fault_disarm();
    assert_true(log_store_needs_sync(f.store));
    sys_fault_arm(1000, EIO);
    assert_true(sync_all(&f));
    assert_string_equal(sys_fault_calls(), "os");
    sys_fault_disarm();
    shape_log_free(log);
    storage_fixture_close(&f);
}

static void
test_what_is_written_during_a_sync_is_synced_by_the_next(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "during");
    struct shape_log *log = new_log(&f, "1-1");
    struct shape_log *ended = new_log(&f, "2-2");
    storage_fixture_transaction(log, 100, 1, 80);
    storage_fixture_transaction(ended, 100, 1, 80);
    assert_true(log_store_write_out(f.store, &err));
    struct log_sync *sync = log_sync_begin(f.store);
    storage_fixture_transaction(log, 200, 1, 80);
    assert_true(log_store_write_out(f.store, &err));
    shape_log_free(ended); /* its descriptors stay the sync's */
    assert_true(log_sync_run(sync, &err));
    log_sync_end(sync);
    assert_int_equal(log_store_dirty_count(f.store), 1);
    assert_true(sync_all(&f));
    assert_false(log_store_needs_sync(f.store));
    shape_log_free(log);
    storage_fixture_close(&f);
}

static unsigned
count_descriptors(struct shape_log *logs[MANY])
{
    unsigned count = 0;
    for (unsigned i = 0; i < MANY; i++) {
        count += logs[i]->open->files.log_fd >= 0 ? 2 : 0;
    }
    return count;
}

static void
test_descriptors_stay_within_the_cap(void **state)
{
    (void)state;
    for (int can_syncfs = 0; can_syncfs <= 1; can_syncfs++) {
        struct storage_fixture f;
        storage_fixture_init(&f, can_syncfs == 1 ? "cap1" : "cap0");
        storage_fixture_close(&f);
        f.descriptors_max = 10;
        storage_fixture_open(&f);
        f.store->can_syncfs = can_syncfs == 1;
        char handles[MANY][16];
        struct shape_log *logs[MANY];
        sys_fault_arm(1000000, EIO);
        make_many(&f, handles, logs);
        /* Closed while dirty: synced at once, or by the next syncfs. */
        assert_int_equal(strchr(sys_fault_calls(), 'd') != NULL, can_syncfs == 0);
        sys_fault_disarm();
        assert_true(count_descriptors(logs) <= 10);
        assert_int_equal(log_store_dirty_count(f.store), can_syncfs == 1 ? MANY : 5);

        for (unsigned i = 0; i < MANY; i++) {
            struct buf all = storage_fixture_follow(&f, logs[i], OFFSET_SNAPSHOT_END, NULL);
            assert_int_equal(all.size, 80);
            buf_free(&all);
            assert_true(count_descriptors(logs) <= 10);
        }
        assert_true(sync_all(&f));
        assert_false(log_store_needs_sync(f.store));
        free_many(logs);
        storage_fixture_close(&f);
    }
}

static void
test_what_was_closed_unsynced_fails_with_a_failed_syncfs(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "unseen");
    storage_fixture_close(&f);
    f.descriptors_max = 10;
    storage_fixture_open(&f);
    f.store->can_syncfs = true;
    char handles[MANY][16];
    struct shape_log *logs[MANY];
    make_many(&f, handles, logs);
    sys_fault_arm(0, EIO);
    assert_true(sync_all(&f));
    assert_true(sys_fault_disarm());
    assert_int_equal(f.failed_count, MANY - 5);
    free_many(logs);
    storage_fixture_close(&f);
}

static void
test_without_descriptors_others_are_closed_or_all_wait(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "emfile");
    struct shape_log *log = new_log(&f, "1-1");
    storage_fixture_transaction(log, 100, 1, 80);
    sys_fault_arm(0, EMFILE);
    assert_false(log_store_write_out(f.store, &err)); /* there is no other to close */
    sys_fault_disarm();
    assert_int_equal(f.failed_count, 0);
    assert_true(log_store_write_out(f.store, &err));

    struct shape_log *second = new_log(&f, "2-2");
    storage_fixture_transaction(second, 100, 1, 80);
    sys_fault_arm(0, EMFILE);
    assert_true(log_store_write_out(f.store, &err));
    assert_true(sys_fault_disarm());
    shape_log_free(log);
    shape_log_free(second);
    storage_fixture_close(&f);
}

static void
test_an_untouched_log_is_small(void **state)
{
    (void)state;
    assert_true(sizeof(struct shape_log) < 200);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_full_disk_at_any_call_loses_nothing),
        cmocka_unit_test(test_while_the_disk_is_full_the_visible_end_stays),
        cmocka_unit_test(test_an_error_at_any_call_ends_that_shape_alone),
        cmocka_unit_test(test_no_record_is_written_before_its_items),
        cmocka_unit_test(test_a_shape_may_be_freed_when_it_is_reported),
        cmocka_unit_test(test_few_files_are_synced_one_by_one_and_their_names),
        cmocka_unit_test(test_many_files_are_synced_by_one_syncfs_and_one_by_one_when_it_fails),
        cmocka_unit_test(test_only_the_file_that_cannot_be_synced_ends_its_shape),
        cmocka_unit_test(test_a_sync_refused_by_a_full_disk_is_repeated_and_then_not_trusted),
        cmocka_unit_test(test_names_that_could_not_be_synced_are_synced_again),
        cmocka_unit_test(test_what_is_written_during_a_sync_is_synced_by_the_next),
        cmocka_unit_test(test_descriptors_stay_within_the_cap),
        cmocka_unit_test(test_what_was_closed_unsynced_fails_with_a_failed_syncfs),
        cmocka_unit_test(test_without_descriptors_others_are_closed_or_all_wait),
        cmocka_unit_test(test_an_untouched_log_is_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
