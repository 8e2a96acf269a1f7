/*
 * Files of ended shapes and of old epochs go, those of living shapes and of nobody we know stay,
 * and what a crash left behind is found at the next start.
 */
#include "services/shape_log_collector/reclaim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/loop.h"
#include "common/worker.h"
#include "tests/lib/storage_fixture.h"

static struct err err;

static void
put(const char *path)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs("x", file);
    fclose(file);
}

static void
put_shape(struct storage_fixture *f, const char *handle)
{
    put(storage_fixture_file(f, handle, "snapshot"));
    put(storage_fixture_file(f, handle, "log"));
    put(storage_fixture_file(f, handle, "index"));
}

static bool
is_there(struct storage_fixture *f, const char *handle)
{
    int count = 0;
    count += access(storage_fixture_file(f, handle, "snapshot"), F_OK) == 0;
    count += access(storage_fixture_file(f, handle, "log"), F_OK) == 0;
    count += access(storage_fixture_file(f, handle, "index"), F_OK) == 0;
    assert_true(count == 0 || count == 3);
    return count == 3;
}

/* Handles that end in 7 are alive. */
static bool
is_known(void *ctx, const char *handle)
{
    (void)ctx;
    return handle[strlen(handle) - 1] == '7';
}

struct run {
    struct loop *loop;
    struct storage_fixture *f;
    struct loop_timer poll;
    bool (*is_over)(struct storage_fixture *f, struct reclaim *reclaim);
    struct reclaim *reclaim;
};

static void
poll_over(void *ctx)
{
    struct run *run = ctx;
    if (run->is_over(run->f, run->reclaim)) {
        loop_stop(run->loop);
    } else {
        loop_timer_set(&run->poll, 5);
    }
}

static void
run_until(struct storage_fixture *f, bool starts, const char *ended,
          bool (*is_over)(struct storage_fixture *f, struct reclaim *reclaim))
{
    struct run run = {.f = f, .is_over = is_over};
    struct worker_pool *pool;
    assert_true(loop_new(&run.loop, &err));
    assert_true(worker_pool_new(run.loop, 1, &pool, &err));
    run.reclaim = reclaim_new(&(struct reclaim_options){
        .loop = run.loop,
        .pool = pool,
        .dir = f->dir,
        .epoch = FIXTURE_EPOCH,
        .is_known = is_known,
    });
    if (starts) {
        reclaim_start(run.reclaim);
    }
    if (ended != NULL) {
        reclaim_shape(run.reclaim, ended);
    }
    loop_timer_init(&run.poll, run.loop, poll_over, &run);
    loop_timer_set(&run.poll, 1);
    loop_run(run.loop);
    loop_timer_clear(&run.poll);
    worker_pool_free(pool);
    reclaim_free(run.reclaim);
    loop_free(run.loop);
}

static bool
has_no_backlog(struct storage_fixture *f, struct reclaim *reclaim)
{
    (void)f;
    return reclaim_backlog(reclaim) == 0;
}

static void
test_an_ended_shape_loses_its_files_and_only_it(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "ended");
    put_shape(&f, "1-1");
    put_shape(&f, "2-2");
    put_shape(&f, "1-17");
    run_until(&f, false, "1-1", has_no_backlog);
    assert_false(is_there(&f, "1-1"));
    assert_true(is_there(&f, "2-2"));
    assert_true(is_there(&f, "1-17"));
    storage_fixture_close(&f);
}

static const char *
old_epoch(struct storage_fixture *f, const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", f->path, name);
    return path;
}

static bool
is_clean(struct storage_fixture *f, struct reclaim *reclaim)
{
    (void)reclaim;
    return access(old_epoch(f, "6"), F_OK) != 0;
}

static void
test_what_a_crash_left_behind_is_found_and_the_living_stay(void **state)
{
    (void)state;
    struct storage_fixture f;
    storage_fixture_init(&f, "orphans");
    char handle[16];
    for (unsigned i = 0; i < 50; i++) {
        snprintf(handle, sizeof handle, "%u-%u", i, i);
        put_shape(&f, handle);
    }
    put(storage_fixture_file(&f, "5-5", "note")); /* none of our names */
    assert_int_equal(mkdir(old_epoch(&f, "6"), 0700), 0);
    assert_int_equal(mkdir(old_epoch(&f, "6/00"), 0700), 0);
    assert_int_equal(mkdir(old_epoch(&f, "6/ff"), 0700), 0);
    for (unsigned i = 0; i < 130; i++) { /* more than is deleted in one go */
        char name[32];
        snprintf(name, sizeof name, "6/%s/%u.log", i % 2 == 0 ? "00" : "ff", i);
        put(old_epoch(&f, name));
    }
    assert_int_equal(mkdir(old_epoch(&f, "notes"), 0700), 0);
    run_until(&f, true, NULL, is_clean);
    for (unsigned i = 0; i < 50; i++) {
        snprintf(handle, sizeof handle, "%u-%u", i, i);
        assert_int_equal(is_there(&f, handle), i % 10 == 7);
    }
    assert_int_equal(access(storage_fixture_file(&f, "5-5", "note"), F_OK), 0);
    assert_int_equal(access(old_epoch(&f, "notes"), F_OK), 0);
    assert_int_equal(access(old_epoch(&f, "7"), F_OK), 0);
    storage_fixture_close(&f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ended_shape_loses_its_files_and_only_it),
        cmocka_unit_test(test_what_a_crash_left_behind_is_found_and_the_living_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
