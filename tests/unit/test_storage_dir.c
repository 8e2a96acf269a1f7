/*
 * A storage folder is ours or refused, with its path and the reason; one collector writes; a crash
 * at any call of the first start leaves a folder that the next start takes.
 */
#include "services/shape_log_collector/storage_dir.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/lib/sys_fault.h"
#include "tests/lib/tmp_path.h"

static struct err err;

static void
put(const char *folder, const char *name, const char *text)
{
    char path[300];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void
assert_refused(const char *path, const char *why)
{
    struct storage_dir *dir;
    assert_false(storage_dir_open(path, &dir, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_int_equal(strncmp(err.msg, path, strlen(path)), 0);
    if (strstr(err.msg, why) == NULL) {
        fail_msg("\"%s\" does not say \"%s\"", err.msg, why);
    }
}

static void
test_it_is_made_and_keeps_its_id(void **state)
{
    (void)state;
    struct storage_dir *dir;
    char path[200];
    char id[64];
    snprintf(path, sizeof path, "%s", tmp_path("new/a/b"));
    assert_true(storage_dir_open(path, &dir, &err));
    snprintf(id, sizeof id, "%s", storage_dir_id(dir));
    assert_int_equal(strlen(id), 32);
    assert_string_equal(storage_dir_path(dir), path);
    storage_dir_close(dir);
    assert_true(storage_dir_open(path, &dir, &err));
    assert_string_equal(storage_dir_id(dir), id);
    storage_dir_close(dir);
}

static void
test_what_is_not_ours_is_refused(void **state)
{
    (void)state;
    char path[200];
    snprintf(path, sizeof path, "%s", tmp_path("foreign"));
    assert_int_equal(mkdir(path, 0700), 0);
    put(path, "photo.jpg", "x");
    assert_refused(path, "not empty and not a storage folder of shapewire (no ID, but photo.jpg)");

    put(path, "ID", "something else\n");
    assert_refused(path, "ID is not one of shapewire's");
    put(path, "ID", "shapewire storage 2\n00112233445566778899aabbccddeeff\n");
    assert_refused(path, "storage format 2 is newer than ours (1)");
    put(path, "ID", "shapewire storage 1\n0011\n");
    assert_refused(path, "ID is damaged");
    put(path, "ID", "shapewire storage 1\n00112233445566778899aabbccddeeff\n");
    struct storage_dir *dir;
    assert_true(storage_dir_open(path, &dir, &err));
    assert_string_equal(storage_dir_id(dir), "00112233445566778899aabbccddeeff");
    storage_dir_close(dir);

    char file[200];
    snprintf(file, sizeof file, "%s", tmp_path("file"));
    put(tmp_path(""), "file", "x");
    assert_refused(file, "cannot be opened as a folder: Not a directory");
    assert_refused("", "the path is empty");
    assert_refused("/proc/nothing", "cannot be made");
}

static void
test_an_unwritable_folder_is_refused(void **state)
{
    (void)state;
    static const int errors[] = {EACCES, EROFS, EPERM};
    for (size_t i = 0; i < COUNT_OF(errors); i++) {
        char path[200];
        snprintf(path, sizeof path, "%s", tmp_path("locked"));
        sys_fault_arm(4, errors[i]); /* mkdir /, /tmp, folder; open; then the first write */
        (void)mkdir(path, 0700);
        struct storage_dir *dir;
        bool ok = storage_dir_open(path, &dir, &err);
        assert_true(sys_fault_disarm());
        assert_false(ok);
        assert_non_null(strstr(err.msg, "is not writable: "));
    }
}

static void
test_any_failing_call_of_the_first_start_leaves_it_usable(void **state)
{
    (void)state;
    for (int calls = 0;; calls++) {
        struct storage_dir *dir;
        char path[200];
        char name[16];
        snprintf(name, sizeof name, "fault%d", calls);
        snprintf(path, sizeof path, "%s", tmp_path(name));
        sys_fault_arm(calls, EIO);
        bool ok = storage_dir_open(path, &dir, &err);
        bool has_fired = sys_fault_disarm();
        if (ok) {
            storage_dir_close(dir);
        }
        assert_true(storage_dir_open(path, &dir, &err));
        storage_dir_close(dir);
        if (!has_fired) {
            break;
        }
    }
}

static void
test_one_collector_writes(void **state)
{
    (void)state;
    struct storage_dir *first;
    struct storage_dir *second;
    bool is_locked;
    char path[200];
    snprintf(path, sizeof path, "%s", tmp_path("lock"));
    assert_true(storage_dir_open(path, &first, &err));
    assert_true(storage_dir_open(path, &second, &err));
    assert_true(storage_dir_lock(first, &is_locked, &err));
    assert_true(is_locked && storage_dir_is_locked(first));
    assert_true(storage_dir_lock(second, &is_locked, &err));
    assert_false(is_locked);
    storage_dir_unlock(first);
    assert_false(storage_dir_is_locked(first));
    assert_true(storage_dir_lock(second, &is_locked, &err));
    assert_true(is_locked);
    storage_dir_close(second); /* as its process' death */
    assert_true(storage_dir_lock(first, &is_locked, &err));
    assert_true(is_locked);
    storage_dir_close(first);
}

static void
test_a_claim_is_replaced_whole(void **state)
{
    (void)state;
    struct storage_dir *dir;
    char claim[STORAGE_CLAIM_SIZE];
    assert_true(storage_dir_open(tmp_path("claim"), &dir, &err));
    assert_true(storage_dir_read_claim(dir, claim, &err));
    assert_string_equal(claim, "");
    assert_true(storage_dir_write_claim(dir, "engine-a", &err));
    for (int calls = 0;; calls++) {
        sys_fault_arm(calls, ENOSPC);
        bool ok = storage_dir_write_claim(dir, "engine-b", &err);
        bool has_fired = sys_fault_disarm();
        assert_true(storage_dir_read_claim(dir, claim, &err));
        assert_true(strcmp(claim, "engine-b") == 0 || (!ok && strcmp(claim, "engine-a") == 0));
        if (!has_fired) {
            break;
        }
    }
    storage_dir_close(dir);
}

static void
test_an_epoch_has_256_folders_that_are_durable(void **state)
{
    (void)state;
    struct storage_dir *dir;
    char path[200];
    snprintf(path, sizeof path, "%s", tmp_path("epoch"));
    assert_true(storage_dir_open(path, &dir, &err));
    sys_fault_arm(100000, EIO);
    assert_true(storage_dir_make_epoch(dir, 12, &err));
    sys_fault_disarm();
    assert_true(storage_dir_make_epoch(dir, 12, &err));
    char name[STORAGE_NAME_MAX];
    char file[STORAGE_FILE_MAX];
    storage_shape_name(12, "123-456", "log", name);
    assert_string_equal(name, "12/6d/123-456.log");
    storage_dir_file(dir, "12/6d", file);
    assert_int_equal(access(file, W_OK), 0);
    for (int calls = 257; calls < 261; calls++) { /* open and fsync of both */
        sys_fault_arm(calls, EIO);
        assert_false(storage_dir_make_epoch(dir, 12, &err));
        assert_true(sys_fault_disarm());
    }
    storage_dir_close(dir);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_is_made_and_keeps_its_id),
        cmocka_unit_test(test_what_is_not_ours_is_refused),
        cmocka_unit_test(test_an_unwritable_folder_is_refused),
        cmocka_unit_test(test_any_failing_call_of_the_first_start_leaves_it_usable),
        cmocka_unit_test(test_one_collector_writes),
        cmocka_unit_test(test_a_claim_is_replaced_whole),
        cmocka_unit_test(test_an_epoch_has_256_folders_that_are_durable),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
