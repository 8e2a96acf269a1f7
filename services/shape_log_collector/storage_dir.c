#include "services/shape_log_collector/storage_dir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "common/clock.h"
#include "common/fs.h"
#include "common/mem.h"
#include "common/sys.h"
#include "common/wire.h"

#define ID_HEAD   "shapewire storage "
#define ID_DIGITS 32

/* Made and deleted to see whether that can be done. */
#define WRITABLE ".writable"

/* Of <linux/magic.h>: whose syncfs reports what could not be written since the descriptor was
 * opened. */
#define MAGIC_EXT4  0xef53
#define MAGIC_XFS   0x58465342
#define MAGIC_BTRFS 0x9123683e

struct storage_dir {
    char path[STORAGE_PATH_MAX];
    char id[ID_DIGITS + 1];
    int fd;
    int lock_fd;
    bool is_locked;
};

/* Makes the folder and the missing ones above it. */
static bool
make_path(const char *path, struct err *err)
{
    char part[STORAGE_PATH_MAX];
    size_t size = strlen(path);
    for (size_t i = 1; i <= size; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        snprintf(part, sizeof part, "%.*s", (int)i, path);
        if (!fs_make_dir(part, err)) {
            return false;
        }
    }
    return true;
}

/* What in the folder is none of ours, if there is no ID yet; "" if it is empty. */
static bool
find_foreign(const struct storage_dir *dir, char name_out[NAME_MAX + 1], struct err *err)
{
    DIR *list = opendir(dir->path);
    if (list == NULL) {
        return fs_fail(err, "open", dir->path);
    }
    name_out[0] = '\0';
    for (struct dirent *entry; (entry = readdir(list)) != NULL;) {
        const char *name = entry->d_name;
        /* A mount point of ext4 has lost+found; the other two are left by a crash of ours. */
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0 && strcmp(name, "lost+found") != 0 &&
            strcmp(name, "ID.tmp") != 0 && strcmp(name, WRITABLE) != 0) {
            snprintf(name_out, NAME_MAX + 1, "%s", name);
        }
    }
    closedir(list);
    return true;
}

static bool
make_id(struct storage_dir *dir, const char *path, struct err *err)
{
    char foreign[NAME_MAX + 1];
    if (!find_foreign(dir, foreign, err)) {
        return false;
    }
    if (foreign[0] != '\0') {
        return err_set(err, ERR_INVALID,
                       "%s: is not empty and not a storage folder of shapewire (no ID, but %s)",
                       dir->path, foreign);
    }
    char text[128];
    int size = snprintf(text, sizeof text, ID_HEAD "%d\n%016" PRIx64 "%016" PRIx64 "\n",
                        STORAGE_FORMAT, clock_random_u64(), clock_random_u64());
    return fs_replace(path, (const uint8_t *)text, (size_t)size, err);
}

static bool
parse_id(struct storage_dir *dir, const char *text, struct err *err)
{
    if (strncmp(text, ID_HEAD, strlen(ID_HEAD)) != 0) {
        return err_set(err, ERR_INVALID, "%s: ID is not one of shapewire's", dir->path);
    }
    char *end;
    unsigned long format = strtoul(text + strlen(ID_HEAD), &end, 10);
    if (format > STORAGE_FORMAT) {
        return err_set(err, ERR_INVALID,
                       "%s: storage format %lu is newer than ours (%d): use a newer shapewire",
                       dir->path, format, STORAGE_FORMAT);
    }
    if (format == 0 || *end != '\n' || strspn(end + 1, "0123456789abcdef") != ID_DIGITS) {
        return err_set(err, ERR_INVALID, "%s: ID is damaged", dir->path);
    }
    snprintf(dir->id, sizeof dir->id, "%.*s", ID_DIGITS, end + 1);
    return true;
}

/* Under a lock on the folder itself, so that two that start at once agree on one id. */
static bool
read_id(struct storage_dir *dir, struct err *err)
{
    char path[STORAGE_FILE_MAX];
    storage_dir_file(dir, "ID", path);
    uint8_t text[128];
    size_t size;
    for (int attempt = 0;; attempt++) {
        if (!fs_read(path, text, sizeof text - 1, &size, err)) {
            return err_wrap(err, "%s", dir->path);
        }
        if (size > 0 || attempt > 0) {
            break;
        }
        if (!make_id(dir, path, err)) {
            return false;
        }
    }
    text[size] = '\0';
    return parse_id(dir, (const char *)text, err);
}

/* Makes a file and deletes it: what permissions and mount options say is no proof. */
static bool
check_writable(struct storage_dir *dir, struct err *err)
{
    char path[STORAGE_FILE_MAX];
    storage_dir_file(dir, WRITABLE, path);
    int fd = sys_open(path, O_WRONLY | O_CREAT, 0600);
    if (fd < 0) {
        /* A full disk may get room again: it is not what is wrong with the folder. */
        return errno == ENOSPC || errno == EDQUOT ||
               err_set(err, ERR_INVALID, "%s: is not writable: %s", dir->path, strerror(errno));
    }
    sys_close(fd);
    sys_unlink(path);
    return true;
}

static bool
open_folder(struct storage_dir *dir, const char *path, struct err *err)
{
    if (strlen(path) >= STORAGE_PATH_MAX) {
        return err_set(err, ERR_INVALID, "%.100s…: is longer than %d bytes", path,
                       STORAGE_PATH_MAX - 1);
    }
    struct err why;
    if (path[0] == '\0' || !make_path(path, &why)) {
        return err_set(err, ERR_INVALID, "%s: cannot be made: %s", path,
                       path[0] == '\0' ? "the path is empty" : why.msg);
    }
    char *full = realpath(path, NULL);
    if (full == NULL || strlen(full) >= STORAGE_PATH_MAX) {
        free(full);
        return fs_fail(err, "resolve", path);
    }
    snprintf(dir->path, sizeof dir->path, "%s", full);
    free(full);
    dir->fd = sys_open(dir->path, O_RDONLY | O_DIRECTORY, 0);
    if (dir->fd < 0) {
        return err_set(err, ERR_INVALID, "%s: cannot be opened as a folder: %s", dir->path,
                       strerror(errno));
    }
    return check_writable(dir, err);
}

static bool
open_files(struct storage_dir *dir, struct err *err)
{
    if (sys_flock(dir->fd, LOCK_EX) != 0) {
        return fs_fail(err, "lock", dir->path);
    }
    bool ok = read_id(dir, err);
    sys_flock(dir->fd, LOCK_UN);
    if (!ok) {
        return false;
    }
    char path[STORAGE_FILE_MAX];
    storage_dir_file(dir, "LOCK", path);
    dir->lock_fd = sys_open(path, O_RDWR | O_CREAT, 0600);
    return dir->lock_fd >= 0 || fs_fail(err, "open", path);
}

bool
storage_dir_open(const char *path, struct storage_dir **dir_out, struct err *err)
{
    struct storage_dir *dir = mem_alloc_zero(sizeof *dir);
    dir->fd = dir->lock_fd = -1;
    if (!open_folder(dir, path, err) || !open_files(dir, err)) {
        storage_dir_close(dir);
        return false;
    }
    *dir_out = dir;
    return true;
}

void
storage_dir_close(struct storage_dir *dir)
{
    if (dir == NULL) {
        return;
    }
    if (dir->lock_fd >= 0) {
        sys_close(dir->lock_fd); /* and the lock goes */
    }
    if (dir->fd >= 0) {
        sys_close(dir->fd);
    }
    mem_free(dir);
}

const char *
storage_dir_path(const struct storage_dir *dir)
{
    return dir->path;
}

const char *
storage_dir_id(const struct storage_dir *dir)
{
    return dir->id;
}

int
storage_dir_fd(const struct storage_dir *dir)
{
    return dir->fd;
}

bool
storage_dir_can_syncfs(const struct storage_dir *dir)
{
    struct statfs fs;
    struct utsname kernel;
    int major = 0;
    int minor = 0;
    if (fstatfs(dir->fd, &fs) != 0 || uname(&kernel) != 0 ||
        sscanf(kernel.release, "%d.%d", &major, &minor) != 2) {
        return false;
    }
    bool is_recent = major > 5 || (major == 5 && minor >= 8);
    return is_recent &&
           (fs.f_type == MAGIC_EXT4 || fs.f_type == MAGIC_XFS || fs.f_type == MAGIC_BTRFS);
}

bool
storage_dir_lock(struct storage_dir *dir, bool *is_locked_out, struct err *err)
{
    if (sys_flock(dir->lock_fd, LOCK_EX | LOCK_NB) == 0) {
        dir->is_locked = true;
    } else if (errno != EWOULDBLOCK) {
        return fs_fail(err, "lock", dir->path);
    }
    *is_locked_out = dir->is_locked;
    return true;
}

void
storage_dir_unlock(struct storage_dir *dir)
{
    sys_flock(dir->lock_fd, LOCK_UN);
    dir->is_locked = false;
}

bool
storage_dir_is_locked(const struct storage_dir *dir)
{
    return dir->is_locked;
}

bool
storage_dir_read_claim(struct storage_dir *dir, char claim_out[STORAGE_CLAIM_SIZE], struct err *err)
{
    char path[STORAGE_FILE_MAX];
    storage_dir_file(dir, "CLAIM", path);
    uint8_t text[STORAGE_CLAIM_SIZE];
    size_t size;
    if (!fs_read(path, text, sizeof text - 1, &size, err)) {
        return false;
    }
    snprintf(claim_out, STORAGE_CLAIM_SIZE, "%.*s", (int)size, (const char *)text);
    return true;
}

bool
storage_dir_write_claim(struct storage_dir *dir, const char *claim, struct err *err)
{
    ASSERT(strlen(claim) < STORAGE_CLAIM_SIZE);
    char path[STORAGE_FILE_MAX];
    storage_dir_file(dir, "CLAIM", path);
    return fs_replace_unsynced(path, (const uint8_t *)claim, strlen(claim), err);
}

bool
storage_dir_make_epoch(struct storage_dir *dir, uint64_t epoch, struct err *err)
{
    char name[STORAGE_NAME_MAX];
    char path[STORAGE_FILE_MAX];
    char folder[STORAGE_FILE_MAX];
    snprintf(name, sizeof name, "%" PRIu64, epoch);
    storage_dir_file(dir, name, folder);
    if (!fs_make_dir(folder, err)) {
        return false;
    }
    for (unsigned i = 0; i < 256; i++) {
        snprintf(name, sizeof name, "%" PRIu64 "/%02x", epoch, i);
        storage_dir_file(dir, name, path);
        if (!fs_make_dir(path, err)) {
            return false;
        }
    }
    return fs_sync_dir(folder, err) && fs_sync_dir(dir->path, err);
}

unsigned
storage_shape_folder(const char *handle)
{
    return wire_crc32c((const uint8_t *)handle, strlen(handle)) & 0xff;
}

void
storage_shape_name(uint64_t epoch, const char *handle, const char *suffix,
                   char name_out[STORAGE_NAME_MAX])
{
    ASSERT(strlen(handle) <= STORAGE_HANDLE_MAX && strchr(handle, '/') == NULL);
    snprintf(name_out, STORAGE_NAME_MAX, "%" PRIu64 "/%02x/%s.%s", epoch,
             storage_shape_folder(handle), handle, suffix);
}

void
storage_dir_file(const struct storage_dir *dir, const char *name, char path_out[STORAGE_FILE_MAX])
{
    int size = snprintf(path_out, STORAGE_FILE_MAX, "%s/%s", dir->path, name);
    ASSERT(size > 0 && size < STORAGE_FILE_MAX);
}
