/* A replaced file has the old or the new content whichever call fails, and is durable after. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/fs.h"
#include "common/wire.h"
#include "tests/lib/sys_fault.h"
#include "tests/lib/tmp_path.h"

static const struct view old_text = {(const uint8_t *)"the old content", 15};
static const struct view new_text = {(const uint8_t *)"something new", 13};

static bool
replace(const char *path, struct view text, struct err *err)
{
    return fs_replace(path, text.bytes, text.size, err);
}

static bool
has(const char *path, struct view text)
{
    uint8_t bytes[64];
    size_t size = 0;
    struct err err;
    assert_true(fs_read(path, bytes, sizeof bytes, &size, &err));
    return view_equal(view_of(bytes, size), text);
}

static void
any_failing_call_leaves_old_or_new(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s", tmp_path("replaced"));
    struct err err;
    for (int calls = 0;; calls++) {
        assert_true(replace(path, old_text, &err));
        sys_fault_arm(calls, ENOSPC);
        bool ok = replace(path, new_text, &err);
        if (!sys_fault_disarm()) {
            assert_true(ok);
            /* written in pieces, synced, moved, the directory synced */
            assert_string_equal(sys_fault_calls(), "owwwsmos");
            assert_true(has(path, new_text));
            return;
        }
        assert_false(ok);
        assert_int_equal(err.kind, ERR_FULL);
        assert_true(has(path, old_text) || has(path, new_text));
    }
}

static void
a_missing_file_is_empty_and_a_long_one_refused(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s", tmp_path("read"));
    struct err err;
    uint8_t bytes[15];
    size_t size = 1;
    assert_false(fs_exists(path));
    assert_true(fs_read(path, bytes, sizeof bytes, &size, &err));
    assert_int_equal(size, 0);

    assert_true(replace(path, old_text, &err));
    assert_true(fs_exists(path));
    assert_true(fs_read(path, bytes, sizeof bytes, &size, &err));
    assert_int_equal(size, 15);
    assert_false(fs_read(path, bytes, 14, &size, &err));
    assert_int_equal(err.kind, ERR_LIMIT);

    for (int calls = 0; calls < 2; calls++) {
        sys_fault_arm(calls, EIO);
        assert_false(fs_read(path, bytes, sizeof bytes, &size, &err));
        assert_true(sys_fault_disarm());
        assert_int_equal(err.kind, ERR_IO);
    }
}

static void
a_path_that_is_too_long_is_refused(void **state)
{
    (void)state;
    char path[PATH_MAX];
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    struct err err;
    assert_false(replace(path, new_text, &err));
    assert_int_equal(err.kind, ERR_LIMIT);
}

static void
directories_are_made_once_for_us_alone(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s", tmp_path("dir"));
    struct err err;
    struct stat stat_of;
    assert_false(fs_sync_dir(path, &err));
    assert_true(fs_make_dir(path, &err));
    assert_true(fs_make_dir(path, &err));
    assert_int_equal(stat(path, &stat_of), 0);
    assert_int_equal(stat_of.st_mode & 0777, 0700);
    assert_true(fs_sync_dir(path, &err));
    for (int calls = 0; calls < 2; calls++) {
        sys_fault_arm(calls, EROFS);
        assert_false(fs_sync_dir(path, &err));
        assert_true(sys_fault_disarm());
        assert_int_equal(err.kind, ERR_FULL);
    }
    sys_fault_arm(0, EACCES);
    assert_false(fs_make_dir(path, &err));
    assert_true(sys_fault_disarm());
    assert_int_equal(err.kind, ERR_IO);
}

static void
a_piece_is_read_to_the_end_that_there_is(void **state)
{
    (void)state;
    uint8_t bytes[64];
    struct err err;
    const char *path = tmp_path("piece");
    assert_true(replace(path, old_text, &err));
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0);
    assert_int_equal(fs_pread(fd, bytes, 3, 4), 3);
    assert_memory_equal(bytes, "old", 3);
    assert_int_equal(fs_pread(fd, bytes, sizeof bytes, 8), 7);
    assert_memory_equal(bytes, "content", 7);
    assert_int_equal(fs_pread(fd, bytes, sizeof bytes, 100), 0);
    sys_fault_arm(0, EINTR);
    assert_int_equal(fs_pread(fd, bytes, 3, 4), 3);
    assert_true(sys_fault_disarm());
    sys_fault_arm(0, EIO);
    assert_int_equal(fs_pread(fd, bytes, 3, 4), -1);
    assert_int_equal(errno, EIO);
    assert_true(sys_fault_disarm());
    close(fd);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_failing_call_leaves_old_or_new),
        cmocka_unit_test(a_missing_file_is_empty_and_a_long_one_refused),
        cmocka_unit_test(a_path_that_is_too_long_is_refused),
        cmocka_unit_test(a_piece_is_read_to_the_end_that_there_is),
        cmocka_unit_test(directories_are_made_once_for_us_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
