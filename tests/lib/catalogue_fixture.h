/*
 * catalogue_fixture.h - a storage folder's catalogue with its loop and worker, and
 * what is in it as one line of text.
 */
#ifndef TESTS_CATALOGUE_FIXTURE_H
#define TESTS_CATALOGUE_FIXTURE_H

#include "common/buf.h"
#include "common/loop.h"
#include "common/worker.h"
#include "services/shape_log_collector/catalogue.h"
#include "services/shape_log_collector/storage_dir.h"

struct catalogue_fixture {
    struct loop *loop;
    struct worker_pool *pool;
    struct storage_dir *dir;
    struct catalogue *catalogue;
    struct buf text; /* of the load at the open */
};

/* Opens folder and catalogue, loads and starts it. */
void catalogue_fixture_open(struct catalogue_fixture *fixture, const char *path);
void catalogue_fixture_close(struct catalogue_fixture *fixture);

/* Commits and runs the loop until that is durable. */
void catalogue_fixture_commit(struct catalogue_fixture *fixture);

/* A shape with everything, made of the number. */
void catalogue_fixture_put(struct catalogue_fixture *fixture, unsigned number);

/* "system/timeline/slot checkpoint unseen | shapes | tables"; the caller frees it. */
struct buf catalogue_fixture_load(struct catalogue *catalogue);

#endif
