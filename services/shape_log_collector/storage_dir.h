/*
 * storage_dir.h - the storage folder: whose it is, and where things lie in it.
 *
 *     ID                       "shapewire storage 1\n" and 32 hex digits: format and random id
 *     LOCK                     flock of the one collector that writes
 *     CLAIM                    name of the engine whose connection holds the advisory lock
 *     catalogue.sqlite         (catalogue.h)
 *     EPOCH/xx/HANDLE.snapshot, .log, .index      xx: low byte of the handle's CRC-32C in hex
 *
 * Threading: the loop's, but for storage_shape_path(), which has no state.
 */
#ifndef COLLECTOR_STORAGE_DIR_H
#define COLLECTOR_STORAGE_DIR_H

#include "common/err.h"

#define STORAGE_FORMAT 1

/* Longest storage folder; longest path below it. */
#define STORAGE_PATH_MAX 1024
#define STORAGE_NAME_MAX 160

/* Longest handle that makes a file name; the API's are shorter. */
#define STORAGE_HANDLE_MAX 64

struct storage_dir;

/*
 * Opens the folder and makes it with its ID if it is not there or empty. The
 * message of every error begins with the path and says what is wrong with it.
 *
 * Errors: ERR_INVALID: not a folder, not writable, of a newer format, or holds
 * files but no ID of ours. ERR_IO, ERR_FULL.
 */
NODISCARD bool storage_dir_open(const char *path, struct storage_dir **dir_out, struct err *err);
void storage_dir_close(struct storage_dir *dir);

/* The path as opened, absolute. */
const char *storage_dir_path(const struct storage_dir *dir);

/* 32 hex digits: who reads the same shares the folder. */
const char *storage_dir_id(const struct storage_dir *dir);

/* A descriptor of the folder, open since the start: for syncfs, which then reports every error. */
int storage_dir_fd(const struct storage_dir *dir);

/* Whether one syncfs is as good as an fdatasync of each file: ext4, xfs, btrfs; Linux 5.8 or later.
 */
bool storage_dir_can_syncfs(const struct storage_dir *dir);

/* Takes the writer's lock if it is free; does not wait. Errors: ERR_IO. */
NODISCARD bool storage_dir_lock(struct storage_dir *dir, bool *is_locked_out, struct err *err);
void storage_dir_unlock(struct storage_dir *dir);
bool storage_dir_is_locked(const struct storage_dir *dir);

/* The claiming engine's name, at most 127 bytes; "" when nobody ever claimed. Errors: ERR_IO. */
#define STORAGE_CLAIM_SIZE 128
NODISCARD bool storage_dir_read_claim(struct storage_dir *dir, char claim_out[STORAGE_CLAIM_SIZE],
                                      struct err *err);

/* Durable when it returns; blocks for two fsyncs. Errors: ERR_IO, ERR_FULL. */
NODISCARD bool storage_dir_write_claim(struct storage_dir *dir, const char *claim, struct err *err);

/* Makes EPOCH and its 256 folders, durably, if they are not there. Errors: ERR_IO, ERR_FULL. */
NODISCARD bool storage_dir_make_epoch(struct storage_dir *dir, uint64_t epoch, struct err *err);

/* The number of the folder in EPOCH that holds a handle's files, 0 to 255. */
unsigned storage_shape_folder(const char *handle);

/* "EPOCH/xx/HANDLE.SUFFIX": below the folder, as the bus names it. */
void storage_shape_name(uint64_t epoch, const char *handle, const char *suffix,
                        char name_out[STORAGE_NAME_MAX]);

/* The folder and that. */
#define STORAGE_FILE_MAX (STORAGE_PATH_MAX + STORAGE_NAME_MAX)
void storage_dir_file(const struct storage_dir *dir, const char *name,
                      char path_out[STORAGE_FILE_MAX]);

#endif
