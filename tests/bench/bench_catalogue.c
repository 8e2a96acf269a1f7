/*
 * What a start with 100,000 shapes costs: opening the catalogue with its integrity check, loading
 * every shape; and what a commit costs.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/loop.h"
#include "common/worker.h"
#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/storage_dir.h"

#define SHAPES 100000

static void
must(bool ok, const struct err *err)
{
    if (!ok) {
        fprintf(stderr, "%s\n", err->msg);
        exit(1);
    }
}

static void
on_commit(void *ctx)
{
    loop_stop(ctx);
}

static void
commit(struct catalogue *catalogue, struct loop *loop)
{
    catalogue_commit(catalogue, on_commit, loop);
    loop_run(loop);
}

static void
fill(struct storage_dir *dir)
{
    struct err err;
    struct loop *loop;
    struct worker_pool *pool;
    struct catalogue *catalogue;
    must(loop_new(&loop, &err), &err);
    must(worker_pool_new(loop, 1, &pool, &err), &err);
    must(catalogue_open(dir, false, &catalogue, &err), &err);
    catalogue_start(catalogue, loop, pool);
    uint8_t definition[250] = {0};
    uint64_t end = 300;
    for (uint64_t i = 0; i < SHAPES; i++) {
        char handle[48];
        snprintf(handle, sizeof handle, "%" PRIu64 "-%" PRIu64, i * 42949 % 4294967296u,
                 1795469328340794 + i);
        memcpy(definition, &i, sizeof i);
        catalogue_put_shape(catalogue, &(struct catalogue_shape){
                                           .handle = view_str(handle),
                                           .definition = view_of(definition, sizeof definition),
                                           .marks = view_of(definition, 24),
                                           .lsn = i,
                                           .created_us = i,
                                           .chunk_ends = &end,
                                           .chunk_count = 1,
                                       });
    }
    commit(catalogue, loop);
    uint64_t start_us = clock_mono_us();
    for (uint64_t i = 0; i < 100; i++) {
        catalogue_set_checkpoint(catalogue, i, (struct view){0});
        commit(catalogue, loop);
    }
    printf("catalogue_checkpoint_commit=%.2f ms\n",
           (double)(clock_mono_us() - start_us) / 100 / 1000);
    worker_pool_free(pool);
    catalogue_close(catalogue);
    loop_free(loop);
}

static void
on_shape(void *ctx, const struct catalogue_shape *shape)
{
    *(uint64_t *)ctx += shape->handle.size > 0;
}

static void
on_quiesced(void *ctx, const struct catalogue_quiesced *table)
{
    (void)ctx;
    (void)table;
}

int
main(void)
{
    struct err err;
    struct storage_dir *dir;
    struct catalogue *catalogue;
    char path[] = "build/bench-XXXXXX"; /* mkdtemp() fills in the X */
    if (mkdtemp(path) == NULL) {
        perror(path);
        return 1;
    }
    must(storage_dir_open(path, &dir, &err), &err);
    fill(dir);
    uint64_t start_us = clock_mono_us();
    must(catalogue_open(dir, false, &catalogue, &err), &err);
    uint64_t opened_us = clock_mono_us();
    uint64_t count = 0;
    must(catalogue_load(catalogue, &count, on_shape, on_quiesced, &err), &err);
    uint64_t loaded_us = clock_mono_us();
    printf("catalogue_open_100k_shapes=%.1f ms\n", (double)(opened_us - start_us) / 1000);
    printf("catalogue_load_100k_shapes=%.1f ms\n", (double)(loaded_us - opened_us) / 1000);
    catalogue_close(catalogue);
    storage_dir_close(dir);
    char command[64];
    snprintf(command, sizeof command, "rm -rf '%s'", path);
    return count == SHAPES && system(command) == 0 ? 0 : 1;
}
