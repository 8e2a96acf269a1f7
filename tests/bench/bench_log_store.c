/*
 * What a change costs in storage: one item to each of many shapes, written out as a batch; then the
 * sync of all of them; and the first touch of each after a restart.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "services/shape_log_collector/log_store.h"
#include "services/shape_log_collector/shape_log.h"
#include "services/shape_log_collector/storage_dir.h"

#define SHAPES 10000
#define ROUNDS 20

static struct log_store *store;
static struct shape_log *logs[SHAPES];
static char handles[SHAPES][16];

static void
must(bool ok, const struct err *err)
{
    if (!ok) {
        fprintf(stderr, "%s\n", err->msg);
        exit(1);
    }
}

static void
on_failed(void *ctx, void *owner, const struct err *err)
{
    (void)ctx;
    (void)owner;
    must(false, err);
}

static void
open_store(struct storage_dir *dir)
{
    store = log_store_new(&(struct log_store_options){
        .dir = dir,
        .epoch = 1,
        .checkpoint_lsn = 1000,
        .chunk_bytes = 10u << 20,
        .descriptors_max = 800,
        .failed = on_failed,
    });
}

static double
us_each(uint64_t start_us, unsigned count)
{
    return (double)(clock_mono_us() - start_us) / count;
}

static void
write_round(unsigned round)
{
    struct err err;
    char item[200];
    memset(item, 'x', sizeof item);
    for (size_t i = 0; i < SHAPES; i++) {
        must(shape_log_open(logs[i], &err), &err);
        buf_append(shape_log_items(logs[i]), item, sizeof item);
        shape_log_added(logs[i], (struct log_offset){10 + round, 0});
        shape_log_commit(logs[i], 10 + round);
    }
    must(log_store_write_out(store, &err), &err);
}

static void
sync_all(void)
{
    struct err err;
    struct log_sync *sync = log_sync_begin(store);
    must(log_sync_run(sync, &err), &err);
    log_sync_end(sync);
}

static void
open_logs(bool is_new)
{
    for (size_t i = 0; i < SHAPES; i++) {
        snprintf(handles[i], sizeof handles[i], "%zu-%zu", i, i);
        logs[i] = shape_log_new(store, handles[i], NULL, is_new);
    }
}

static void
free_logs(void)
{
    for (size_t i = 0; i < SHAPES; i++) {
        shape_log_free(logs[i]);
    }
    log_store_free(store);
}

int
main(void)
{
    struct err err;
    struct storage_dir *dir;
    char path[] = "build/bench-XXXXXX"; /* mkdtemp() fills in the X */
    if (mkdtemp(path) == NULL) {
        perror(path);
        return 1;
    }
    must(storage_dir_open(path, &dir, &err), &err);
    must(storage_dir_make_epoch(dir, 1, &err), &err);
    open_store(dir);
    open_logs(true);
    uint64_t start_us = clock_mono_us();
    write_round(0);
    printf("log_first_item=%.2f us\n", us_each(start_us, SHAPES));
    start_us = clock_mono_us();
    for (unsigned round = 1; round < ROUNDS; round++) {
        write_round(round);
    }
    printf("log_item_10k_shapes=%.2f us\n", us_each(start_us, SHAPES * (ROUNDS - 1)));
    start_us = clock_mono_us();
    sync_all();
    printf("log_sync_10k_shapes=%.1f ms\n", us_each(start_us, 1000));
    free_logs();

    open_store(dir);
    open_logs(false);
    start_us = clock_mono_us();
    for (size_t i = 0; i < SHAPES; i++) {
        must(shape_log_open(logs[i], &err), &err);
    }
    printf("log_recover=%.2f us\n", us_each(start_us, SHAPES));
    free_logs();
    storage_dir_close(dir);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    return system(command);
}
