/*
 * storage_fixture.h - a storage folder with a log store, for tests: made, closed
 * and opened again as a crashed process would.
 */
#ifndef TESTS_STORAGE_FIXTURE_H
#define TESTS_STORAGE_FIXTURE_H

#include "services/shape_log_collector/log_store.h"
#include "services/shape_log_collector/shape_log.h"
#include "services/shape_log_collector/storage_dir.h"

#define FIXTURE_EPOCH 7

struct storage_fixture {
    char path[128];
    struct storage_dir *dir;
    struct log_store *store;
    uint64_t checkpoint_lsn; /* for the next open */
    uint64_t chunk_bytes;
    unsigned descriptors_max;
    bool is_read_only;

    /* what the store has told */
    size_t advanced_count;
    struct log_advance advance; /* the last one; its items are copied below */
    struct buf advanced_items;
    size_t failed_count;
    void *failed_owner;
    struct err failure;
    struct shape_log **frees_on_failure; /* freed and set to NULL inside `failed` */
};

/* A fresh folder; chunks of 10 MiB, 64 descriptors. */
void storage_fixture_init(struct storage_fixture *fixture, const char *name);
void storage_fixture_open(struct storage_fixture *fixture);

/* As a crash: what is in buffers is gone. The logs are freed before. */
void storage_fixture_close(struct storage_fixture *fixture);

/* One item of `size` bytes, its comma included, and its offset; not the commit. */
void storage_fixture_add(struct shape_log *log, uint64_t lsn, uint64_t op, size_t size);

/* A whole transaction of `items` such items. */
void storage_fixture_transaction(struct shape_log *log, uint64_t lsn, unsigned items, size_t size);

/* Path of a file of a shape; valid until the next call. */
const char *storage_fixture_file(const struct storage_fixture *fixture, const char *handle,
                                 const char *suffix);

/* All bytes of a file; empty when it is not there. */
struct buf storage_fixture_read(const char *path);

/* The bytes of all ranges from `after` to the end; *ranges_out, if not NULL: how many there were.
 */
struct buf storage_fixture_follow(struct storage_fixture *fixture, struct shape_log *log,
                                  struct log_offset after, size_t *ranges_out);

#endif
