/*
 * A checkpoint is recorded after the logs it covers are durable, and said to be durable after it is
 * recorded; while a sync is refused it does not advance; shapes that end leave the catalogue first.
 */
#include "services/shape_log_collector/checkpoint.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/db.h"
#include "services/shape_log_collector/log_internal.h"
#include "tests/lib/catalogue_fixture.h"
#include "tests/lib/storage_fixture.h"
#include "tests/lib/sys_fault.h"

static struct err err;

struct fixture {
    struct catalogue_fixture c;
    struct storage_fixture s;
    struct checkpoint *checkpoint;
    struct shape_log *log;
    uint64_t received;
    const char *unseen;
    size_t take_count;
    size_t durable_count;
    uint64_t durable_lsn;
    size_t done_count;
};

static uint64_t
take(void *ctx, struct buf *unseen_out)
{
    struct fixture *f = ctx;
    f->take_count++;
    buf_append_str(unseen_out, f->unseen);
    return f->received;
}

/* What another process would find now. */
static uint64_t
recorded_lsn(struct fixture *f)
{
    struct catalogue *reading;
    assert_true(catalogue_open(f->c.dir, true, &reading, &err));
    uint64_t lsn = catalogue_meta(reading)->checkpoint_lsn;
    catalogue_close(reading);
    return lsn;
}

static void
durable(void *ctx, uint64_t lsn)
{
    struct fixture *f = ctx;
    f->durable_count++;
    f->durable_lsn = lsn;
    assert_true(recorded_lsn(f) >= lsn);
    assert_int_equal(checkpoint_durable_lsn(f->checkpoint), lsn);
}

static void
set_up(struct fixture *f, const char *name)
{
    *f = (struct fixture){.unseen = ""};
    storage_fixture_init(&f->s, name);
    catalogue_fixture_open(&f->c, f->s.path);
    f->checkpoint = checkpoint_new(
        &(struct checkpoint_options){
            .loop = f->c.loop,
            .pool = f->c.pool,
            .logs = f->s.store,
            .catalogue = f->c.catalogue,
            .ctx = f,
            .take = take,
            .durable = durable,
        },
        0);
    f->log = shape_log_new(f->s.store, "1-1", NULL, true);
    assert_true(shape_log_open(f->log, &err));
}

static void
tear_down(struct fixture *f)
{
    worker_pool_free(f->c.pool);
    checkpoint_free(f->checkpoint);
    catalogue_close(f->c.catalogue);
    storage_dir_close(f->c.dir);
    loop_free(f->c.loop);
    buf_free(&f->c.text);
    shape_log_free(f->log);
    storage_fixture_close(&f->s);
}

static void
write_transaction(struct fixture *f, uint64_t lsn)
{
    storage_fixture_transaction(f->log, lsn, 1, 80);
    assert_true(log_store_write_out(f->s.store, &err));
    f->received = lsn + 8;
}

static void
done(void *ctx)
{
    struct fixture *f = ctx;
    f->done_count++;
    loop_stop(f->c.loop);
}

/* A checkpoint of all that is there now. */
static void
run_checkpoint(struct fixture *f)
{
    checkpoint_wait(f->checkpoint, done, f);
    loop_run(f->c.loop);
}

static void
test_logs_are_durable_before_it_is_recorded_and_that_before_it_is_said(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "order");
    write_transaction(&f, 100);
    f.unseen = "ids";
    sys_fault_arm(1000, EIO);
    run_checkpoint(&f);
    assert_string_equal(sys_fault_calls(), "ddos");
    sys_fault_disarm();
    assert_int_equal(f.durable_lsn, 108);
    assert_int_equal(recorded_lsn(&f), 108);
    assert_true(view_is(catalogue_meta(f.c.catalogue)->unseen, "ids"));
    tear_down(&f);
}

static void
test_nothing_new_means_no_work(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "idle");
    write_transaction(&f, 100);
    run_checkpoint(&f);
    assert_int_equal(f.done_count, 1);
    checkpoint_wait(f.checkpoint, done, &f); /* done at once */
    assert_int_equal(f.done_count, 2);
    assert_int_equal(f.durable_count, 1);
    f.received = 500; /* a keepalive's position */
    run_checkpoint(&f);
    assert_int_equal(f.durable_lsn, 500);
    f.unseen = "other";
    run_checkpoint(&f);
    assert_int_equal(f.durable_count, 2);
    assert_true(view_is(catalogue_meta(f.c.catalogue)->unseen, "other"));
    tear_down(&f);
}

static bool is_polling;

static void
on_turn_end(void *ctx)
{
    struct fixture *f = ctx;
    if (is_polling && checkpoint_error(f->checkpoint) != NULL) {
        loop_stop(f->c.loop);
    }
}

static void
test_while_syncs_are_refused_it_does_not_advance(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "refused");
    loop_on_turn_end(f.c.loop, on_turn_end, &f);
    write_transaction(&f, 100);
    run_checkpoint(&f);
    write_transaction(&f, 200);
    is_polling = true;
    for (int i = 0; i < 5; i++) {
        sys_fault_arm(0, ENOSPC);
        checkpoint_wait(f.checkpoint, done, &f);
        loop_run(f.c.loop);
        assert_true(sys_fault_disarm());
        assert_non_null(strstr(checkpoint_error(f.checkpoint), "No space left"));
        assert_int_equal(f.done_count, 1);
        assert_int_equal(f.durable_lsn, 108);
        assert_int_equal(recorded_lsn(&f), 108);
    }
    is_polling = false;
    /* It works again; what the refused syncs held cannot be trusted, so the shape ends first. */
    run_checkpoint(&f);
    assert_int_equal(f.s.failed_count, 1);
    assert_null(checkpoint_error(f.checkpoint));
    assert_int_equal(f.durable_lsn, 208);
    assert_int_equal(f.done_count, 7);
    tear_down(&f);
}

/* As the registry: the shape of a log that failed leaves the catalogue. */
static struct catalogue *failing_catalogue;

static void
end_shape(void *ctx, void *owner, const struct err *failure)
{
    (void)ctx;
    (void)owner;
    (void)failure;
    catalogue_remove_shape(failing_catalogue, view_str("1-1"));
}

static void
test_a_log_that_cannot_be_synced_leaves_the_catalogue_first(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "leaves");
    /* The store was made by the fixture; its event goes to us. */
    f.s.store->options.failed = end_shape;
    failing_catalogue = f.c.catalogue;
    catalogue_fixture_put(&f.c, 1);
    catalogue_fixture_commit(&f.c);
    write_transaction(&f, 100);
    sys_fault_arm(0, EIO);
    run_checkpoint(&f);
    assert_true(sys_fault_disarm());
    assert_int_equal(f.durable_lsn, 108);
    struct catalogue *reading;
    assert_true(catalogue_open(f.c.dir, true, &reading, &err));
    struct buf text = catalogue_fixture_load(reading);
    assert_string_equal(buf_str(&text), "/0/ 108 | | ");
    buf_free(&text);
    catalogue_close(reading);
    tear_down(&f);
}

static void
test_what_is_asked_for_meanwhile_shares_the_next(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "shared");
    write_transaction(&f, 100);
    checkpoint_request(f.checkpoint);
    assert_int_equal(f.take_count, 1);
    write_transaction(&f, 200); /* while it syncs */
    for (int i = 0; i < 10; i++) {
        checkpoint_wait(f.checkpoint, done, &f);
    }
    loop_run(f.c.loop);
    assert_int_equal(f.done_count, 10);
    assert_int_equal(f.take_count, 2);
    assert_int_equal(f.durable_count, 2);
    assert_int_equal(f.durable_lsn, 208);
    tear_down(&f);
}

static void
test_a_hello_that_begins_anew_does_not_take_it_back(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "hello");
    checkpoint_agreed(f.checkpoint, 50);
    assert_int_equal(checkpoint_durable_lsn(f.checkpoint), 50);
    write_transaction(&f, 100);
    run_checkpoint(&f);
    f.received = 60; /* began again at an older position */
    f.unseen = "x";
    run_checkpoint(&f);
    assert_int_equal(f.durable_lsn, 108);
    assert_int_equal(recorded_lsn(&f), 108);
    tear_down(&f);
}

static void
test_much_unsynced_begins_one_before_its_time(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f, "much");
    checkpoint_on_write(f.checkpoint);
    assert_int_equal(f.take_count, 0);
    for (uint64_t lsn = 100; lsn < 110; lsn++) {
        assert_int_equal(f.take_count, lsn < 108 ? 0 : 1); /* 8 times 9 MiB are more than 64 */
        storage_fixture_transaction(f.log, lsn, 1, 9u << 20);
        assert_true(log_store_write_out(f.s.store, &err));
        f.received = lsn + 1;
        checkpoint_on_write(f.checkpoint);
    }
    run_checkpoint(&f);
    assert_true(f.durable_lsn >= 108);
    tear_down(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logs_are_durable_before_it_is_recorded_and_that_before_it_is_said),
        cmocka_unit_test(test_nothing_new_means_no_work),
        cmocka_unit_test(test_while_syncs_are_refused_it_does_not_advance),
        cmocka_unit_test(test_a_log_that_cannot_be_synced_leaves_the_catalogue_first),
        cmocka_unit_test(test_what_is_asked_for_meanwhile_shares_the_next),
        cmocka_unit_test(test_a_hello_that_begins_anew_does_not_take_it_back),
        cmocka_unit_test(test_much_unsynced_begins_one_before_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
