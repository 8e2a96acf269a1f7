/*
 * reclaim.h - deletes the files of ended shapes and of old epochs, slowly.
 *
 * Unlinking is dear (a quarter of a millisecond a file), so it is paced and off
 * the loop. Nothing here needs to survive a crash: at the start the folders
 * are listed against the shapes, and what belongs to none is deleted.
 *
 * Threading: the loop's; listing and unlinking on a worker.
 */
#ifndef COLLECTOR_RECLAIM_H
#define COLLECTOR_RECLAIM_H

#include "common/wire.h"

struct loop;
struct reclaim;
struct storage_dir;
struct worker_pool;

struct reclaim_options {
    struct loop *loop;
    struct worker_pool *pool;
    struct storage_dir *dir;
    uint64_t epoch; /* the one that lives; every other folder with a number for a name goes */

    void *ctx;
    /* Whether some shape, complete or being made, has this handle: its files stay. */
    bool (*is_known)(void *ctx, const char *handle);
};

struct reclaim *reclaim_new(const struct reclaim_options *options);

/* Looks for what belongs to nobody: old epochs, and in ours files without a shape. Once. */
void reclaim_start(struct reclaim *reclaim);

/*
 * The files of an ended shape go. Only after the catalogue has durably forgotten it
 * (catalogue_commit()), else a crash would leave a shape without files.
 */
void reclaim_shape(struct reclaim *reclaim, const char *handle);

/* Files that wait to be deleted. */
size_t reclaim_backlog(const struct reclaim *reclaim);

/* What is left is found again at the next start. After the pool has ended. NULL is accepted. */
void reclaim_free(struct reclaim *reclaim);

#endif
