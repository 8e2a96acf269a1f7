/*
 * What was committed is there after any crash, whole and in order; a reset is one step; a full disk
 * delays and loses nothing; a damaged file is set aside, a newer one left alone.
 */
#include "services/shape_log_collector/catalogue.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "common/db.h"
#include "tests/lib/catalogue_fixture.h"
#include "tests/lib/tmp_path.h"

static struct err err;
static const struct catalogue_identity identity = {"7123", "electric_slot_default", 1};
static const struct catalogue_identity other = {"8456", "electric_slot_default", 2};

static const char *
fresh(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s", tmp_path(name));
    return path;
}

static void
assert_text(struct catalogue_fixture *f, const char *expected)
{
    assert_string_equal(buf_str(&f->text), expected);
}

static void
reopen(struct catalogue_fixture *f)
{
    char path[300];
    snprintf(path, sizeof path, "%s", storage_dir_path(f->dir));
    catalogue_fixture_close(f);
    catalogue_fixture_open(f, path);
}

static void
test_a_new_one_is_empty_and_has_an_epoch(void **state)
{
    (void)state;
    struct catalogue_fixture f;
    catalogue_fixture_open(&f, fresh("new"));
    assert_text(&f, "/0/ 0 | | ");
    uint64_t epoch = catalogue_meta(f.catalogue)->epoch;
    assert_true(epoch > 0 && epoch <= clock_wall_us());
    reopen(&f);
    assert_int_equal(catalogue_meta(f.catalogue)->epoch, epoch);
    catalogue_fixture_close(&f);
}

static void
test_what_was_recorded_comes_back(void **state)
{
    (void)state;
    struct catalogue_fixture f;
    catalogue_fixture_open(&f, fresh("all"));
    catalogue_set_identity(f.catalogue, &identity, UINT64_MAX);
    catalogue_fixture_put(&f, 5);
    catalogue_fixture_put(&f, 399); /* 100 chunks */
    catalogue_fixture_put(&f, 1);
    catalogue_put_quiesced(f.catalogue,
                           &(struct catalogue_quiesced){4000000000u, view_str("public.t")});
    catalogue_put_quiesced(f.catalogue, &(struct catalogue_quiesced){17, view_str("u")});
    catalogue_fixture_commit(&f);
    catalogue_remove_shape(f.catalogue, view_str("5-5"));
    catalogue_remove_shape(f.catalogue, view_str("no such"));
    catalogue_remove_quiesced(f.catalogue, 17);
    catalogue_set_checkpoint(f.catalogue, 99, view_str("ids"));
    catalogue_fixture_commit(&f);
    assert_true(catalogue_is_idle(f.catalogue));
    reopen(&f);
    assert_text(&f, "7123/1/electric_slot_default 99 ids| 399-399 1-1 | 4000000000=public.t ");
    catalogue_fixture_close(&f);
}

static void
test_what_was_not_committed_is_not_there(void **state)
{
    (void)state;
    struct catalogue_fixture f;
    catalogue_fixture_open(&f, fresh("none"));
    catalogue_fixture_put(&f, 5);
    reopen(&f);
    assert_text(&f, "/0/ 0 | | ");
    catalogue_fixture_close(&f);
}

static void
test_handle_times_only_grow(void **state)
{
    (void)state;
    struct catalogue_fixture f;
    catalogue_fixture_open(&f, fresh("times"));
    assert_int_equal(catalogue_next_created_us(f.catalogue, 1000), 1000);
    assert_int_equal(catalogue_next_created_us(f.catalogue, 1000), 1001);
    assert_int_equal(catalogue_next_created_us(f.catalogue, 5), 1002);
    catalogue_fixture_put(&f, 1);
    catalogue_fixture_commit(&f);
    reopen(&f);
    assert_int_equal(catalogue_next_created_us(f.catalogue, 7), 1003);
    catalogue_fixture_close(&f);
}

static void
test_a_reset_leaves_nothing_of_the_old_and_a_later_epoch(void **state)
{
    (void)state;
    struct catalogue_fixture f;
    catalogue_fixture_open(&f, fresh("reset"));
    uint64_t epoch = catalogue_meta(f.catalogue)->epoch;
    catalogue_set_identity(f.catalogue, &identity, 10);
    catalogue_fixture_put(&f, 1);
    catalogue_put_quiesced(f.catalogue, &(struct catalogue_quiesced){17, view_str("u")});
    catalogue_set_checkpoint(f.catalogue, 20, view_str("ids"));
    catalogue_fixture_commit(&f);
    catalogue_reset(f.catalogue, &other, 500, 1); /* a clock that went back */
    catalogue_fixture_commit(&f);
    reopen(&f);
    assert_text(&f, "8456/2/electric_slot_default 500 | | ");
    assert_int_equal(catalogue_meta(f.catalogue)->epoch, epoch + 1);
    catalogue_reset(f.catalogue, &identity, 600, epoch + 1000);
    assert_int_equal(catalogue_meta(f.catalogue)->epoch, epoch + 1000);
    catalogue_fixture_close(&f);
}

/* ---- the system calls of SQLite's own files */

static bool is_counting;
static int calls_left = -1; /* -1: none is counted */
static int call_error;      /* 0: the process is killed */

static ssize_t
counted_pwrite(int fd, const void *bytes, size_t size, off_t position)
{
    if (calls_left == 0 && call_error == 0) {
        kill(getpid(), SIGKILL);
    }
    if (calls_left == 0) {
        errno = call_error;
        return -1;
    }
    calls_left -= calls_left > 0 ? 1 : 0;
    return pwrite(fd, bytes, size, position);
}

static void
count_calls(int calls, int error)
{
    if (!is_counting) {
        is_counting = true;
        sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
        sqlite3_syscall_ptr call = (sqlite3_syscall_ptr)counted_pwrite;
        vfs->xSetSystemCall(vfs, "pwrite", call); /* a SQLite uses one of the two */
        vfs->xSetSystemCall(vfs, "pwrite64", call);
    }
    calls_left = calls;
    call_error = error;
}

static void
say(int fd, char step)
{
    ssize_t n = write(fd, &step, 1);
    assert_int_equal(n, 1);
}

/* What a collector does, a byte to the pipe behind every step that is durable. */
static void
child_life(const char *path, int pipe_fd, int calls)
{
    struct catalogue_fixture f;
    count_calls(calls, 0);
    catalogue_fixture_open(&f, path);
    say(pipe_fd, '0');
    catalogue_set_identity(f.catalogue, &identity, 10);
    catalogue_fixture_commit(&f);
    say(pipe_fd, '1');
    catalogue_fixture_put(&f, 1);
    catalogue_put_quiesced(f.catalogue, &(struct catalogue_quiesced){17, view_str("u")});
    catalogue_fixture_commit(&f);
    say(pipe_fd, '2');
    catalogue_remove_shape(f.catalogue, view_str("1-1"));
    catalogue_fixture_put(&f, 2);
    catalogue_set_checkpoint(f.catalogue, 20, view_str("ids"));
    catalogue_fixture_commit(&f);
    say(pipe_fd, '3');
    catalogue_reset(f.catalogue, &other, 500, clock_wall_us());
    catalogue_fixture_commit(&f);
    say(pipe_fd, '4');
    catalogue_fixture_close(&f); /* moves the WAL into the file */
    say(pipe_fd, '5');
    _exit(0);
}

static const char *const after_step[] = {
    "/0/ 0 | | ",
    "7123/1/electric_slot_default 10 | | ",
    "7123/1/electric_slot_default 10 | 1-1 | 17=u ",
    "7123/1/electric_slot_default 20 ids| 2-2 | 17=u ",
    "8456/2/electric_slot_default 500 | | ",
};

/* The last step that was said to be durable; 0 when none was. */
static int
last_step(int pipe_fd)
{
    char step = '0';
    char next;
    while (read(pipe_fd, &next, 1) == 1) {
        step = next;
    }
    return step == '5' ? 4 : step - '0';
}

static void
test_killed_at_any_write_it_has_all_that_was_durable_and_no_half(void **state)
{
    (void)state;
    bool has_ended = false;
    int calls = 0;
    for (; !has_ended; calls++) {
        char path[200];
        char name[16];
        int fds[2];
        snprintf(name, sizeof name, "kill%d", calls);
        snprintf(path, sizeof path, "%s", tmp_path(name));
        assert_int_equal(pipe(fds), 0);
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0) {
            child_life(path, fds[1], calls);
        }
        close(fds[1]);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        has_ended = WIFEXITED(status);
        assert_true(has_ended ? WEXITSTATUS(status) == 0 : WTERMSIG(status) == SIGKILL);
        int step = last_step(fds[0]);
        close(fds[0]);

        struct catalogue_fixture f;
        catalogue_fixture_open(&f, path);
        const char *text = buf_str(&f.text);
        bool is_next = step < 4 && strcmp(text, after_step[step + 1]) == 0;
        if (strcmp(text, after_step[step]) != 0 && !is_next) {
            fail_msg("killed at write %d behind step %d it holds \"%s\"", calls, step, text);
        }
        catalogue_fixture_close(&f);
    }
    assert_true(calls > 20);
}

static void
note(void *ctx)
{
    ++*(int *)ctx;
}

static bool is_settling;

static void
on_turn_end(void *ctx)
{
    struct catalogue_fixture *f = ctx;
    if (is_settling && (catalogue_error(f->catalogue) != NULL || catalogue_is_idle(f->catalogue))) {
        loop_stop(f->loop);
    }
}

/* Commits with the call `calls` failing, until that has failed or is durable. True: durable. */
static bool
commit_with_fault(struct catalogue_fixture *f, int calls, int error)
{
    int done = 0;
    count_calls(calls, error);
    is_settling = true;
    loop_on_turn_end(f->loop, on_turn_end, f);
    catalogue_commit(f->catalogue, note, &done);
    loop_run(f->loop);
    is_settling = false;
    count_calls(-1, 0);
    if (done == 0) {
        assert_non_null(catalogue_error(f->catalogue));
        assert_false(catalogue_is_idle(f->catalogue));
        assert_false(catalogue_is_damaged(f->catalogue));
        catalogue_fixture_put(f, 3);
        catalogue_fixture_commit(f); /* tries what had failed again, and then this */
        assert_int_equal(done, 1);
        assert_null(catalogue_error(f->catalogue));
        return false;
    }
    return true;
}

static void
test_a_full_disk_or_an_error_at_any_write_loses_nothing(void **state)
{
    (void)state;
    static const int errors[] = {ENOSPC, EIO};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        bool is_durable = false;
        for (int calls = 0; !is_durable; calls++) {
            struct catalogue_fixture f;
            char name[16];
            snprintf(name, sizeof name, "w%d-%d", errors[i], calls);
            catalogue_fixture_open(&f, fresh(name));
            catalogue_fixture_put(&f, 1);
            catalogue_fixture_put(&f, 2);
            catalogue_remove_shape(f.catalogue, view_str("1-1"));
            is_durable = commit_with_fault(&f, calls, errors[i]);
            reopen(&f);
            assert_text(&f, is_durable ? "/0/ 0 | 2-2 | " : "/0/ 0 | 2-2 3-3 | ");
            catalogue_fixture_close(&f);
        }
    }
}

static void
overwrite(const char *folder, size_t position, const char *bytes, size_t size)
{
    char path[300];
    snprintf(path, sizeof path, "%s/catalogue.sqlite", folder);
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    fseek(file, (long)position, SEEK_SET);
    fwrite(bytes, 1, size, file);
    fclose(file);
}

static size_t
count_damaged(const char *folder)
{
    char command[300];
    snprintf(command, sizeof command, "ls %s | grep -c '^catalogue.sqlite.damaged-[0-9]*$'",
             folder);
    FILE *pipe = popen(command, "r");
    size_t count = 0;
    assert_int_equal(fscanf(pipe, "%zu", &count), 1);
    pclose(pipe);
    return count;
}

static void
test_a_damaged_file_is_set_aside_and_the_store_starts_anew(void **state)
{
    (void)state;
    for (size_t position = 0; position <= 4096; position += 4096) { /* header; a page of a table */
        struct catalogue_fixture f;
        char path[200];
        snprintf(path, sizeof path, "%s", tmp_path(position == 0 ? "dam0" : "dam1"));
        catalogue_fixture_open(&f, path);
        uint64_t epoch = catalogue_meta(f.catalogue)->epoch;
        for (unsigned i = 1; i < 50; i++) {
            catalogue_fixture_put(&f, i);
        }
        catalogue_fixture_commit(&f);
        catalogue_fixture_close(&f);
        overwrite(path, position, "garbagegarbagegarbagegarbage", 28);

        struct storage_dir *dir;
        struct catalogue *reading;
        assert_true(storage_dir_open(path, &dir, &err));
        assert_false(catalogue_open(dir, true, &reading, &err)); /* a reader leaves it as it is */
        assert_int_equal(err.kind, ERR_CORRUPT);
        assert_int_equal(count_damaged(path), 0);
        storage_dir_close(dir);

        catalogue_fixture_open(&f, path);
        assert_text(&f, "/0/ 0 | | ");
        assert_true(catalogue_meta(f.catalogue)->epoch > epoch);
        assert_int_equal(count_damaged(path), 1);
        catalogue_fixture_put(&f, 1);
        catalogue_fixture_commit(&f);
        reopen(&f);
        assert_text(&f, "/0/ 0 | 1-1 | ");
        catalogue_fixture_close(&f);
    }
}

static void
test_a_newer_format_is_left_alone(void **state)
{
    (void)state;
    struct catalogue_fixture f;
    char path[200];
    char file[300];
    snprintf(path, sizeof path, "%s", tmp_path("newer"));
    catalogue_fixture_open(&f, path);
    catalogue_fixture_close(&f);
    struct db *db;
    snprintf(file, sizeof file, "%s/catalogue.sqlite", path);
    assert_true(db_open(file, DB_WRITE, &db, &err));
    assert_true(db_exec(db, "PRAGMA user_version = 9", &err));
    db_close(db);
    struct storage_dir *dir;
    struct catalogue *catalogue;
    assert_true(storage_dir_open(path, &dir, &err));
    assert_false(catalogue_open(dir, false, &catalogue, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_non_null(strstr(err.msg, "format 9 is newer than ours (1)"));
    storage_dir_close(dir);
}

static void
test_a_reader_sees_what_the_writer_commits(void **state)
{
    (void)state;
    struct catalogue_fixture f;
    struct storage_dir *dir;
    struct catalogue *reading;
    char path[200];
    snprintf(path, sizeof path, "%s", tmp_path("reader"));
    assert_true(storage_dir_open(path, &dir, &err));
    assert_true(catalogue_open(dir, true, &reading, &err)); /* before there is one */
    assert_int_equal(catalogue_meta(reading)->epoch, 0);
    assert_false(catalogue_has_changed(reading));

    catalogue_fixture_open(&f, path);
    assert_true(catalogue_has_changed(reading));
    struct buf text = catalogue_fixture_load(reading);
    assert_string_equal(buf_str(&text), "/0/ 0 | | ");
    buf_free(&text);
    assert_int_equal(catalogue_meta(reading)->epoch, catalogue_meta(f.catalogue)->epoch);
    assert_false(catalogue_has_changed(reading));

    catalogue_fixture_put(&f, 1);
    catalogue_fixture_commit(&f);
    assert_true(catalogue_has_changed(reading));
    text = catalogue_fixture_load(reading);
    assert_string_equal(buf_str(&text), "/0/ 0 | 1-1 | ");
    buf_free(&text);
    catalogue_set_checkpoint(f.catalogue, 5, view_str("ids")); /* nothing to load for that */
    catalogue_fixture_commit(&f);
    assert_false(catalogue_has_changed(reading));
    assert_int_equal(catalogue_meta(reading)->checkpoint_lsn, 5);
    catalogue_remove_shape(f.catalogue, view_str("1-1"));
    catalogue_fixture_commit(&f);
    assert_true(catalogue_has_changed(reading));
    catalogue_reset(f.catalogue, &other, 500, clock_wall_us());
    catalogue_fixture_commit(&f);
    assert_true(catalogue_has_changed(reading));
    assert_int_equal(catalogue_meta(reading)->epoch, catalogue_meta(f.catalogue)->epoch);
    catalogue_fixture_close(&f);
    catalogue_close(reading);
    storage_dir_close(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_new_one_is_empty_and_has_an_epoch),
        cmocka_unit_test(test_what_was_recorded_comes_back),
        cmocka_unit_test(test_what_was_not_committed_is_not_there),
        cmocka_unit_test(test_handle_times_only_grow),
        cmocka_unit_test(test_a_reset_leaves_nothing_of_the_old_and_a_later_epoch),
        cmocka_unit_test(test_killed_at_any_write_it_has_all_that_was_durable_and_no_half),
        cmocka_unit_test(test_a_full_disk_or_an_error_at_any_write_loses_nothing),
        cmocka_unit_test(test_a_damaged_file_is_set_aside_and_the_store_starts_anew),
        cmocka_unit_test(test_a_newer_format_is_left_alone),
        cmocka_unit_test(test_a_reader_sees_what_the_writer_commits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
