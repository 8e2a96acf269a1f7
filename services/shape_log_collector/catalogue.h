/*
 * catalogue.h - what the collector knows besides the shapes' files: catalogue.sqlite.
 *
 * Read once at the start, on the loop's thread; from then on the collector's
 * memory is the truth and the catalogue only follows: changes are recorded here
 * in order, and a commit makes all that were recorded durable, in one SQLite
 * transaction on a worker. Commits asked for meanwhile share the next one. So
 * whatever was recorded before something else is never missing where the other
 * is there: a shape that ended leaves before a checkpoint that passes its end.
 *
 *     meta      key, value             format, system_id, timeline, slot, epoch, checkpoint_lsn,
 *                                      unseen, last_created_us
 *     quiesced  oid, name              tables whose old writers were waited for
 *     shapes    handle, definition, created_us, lsn, marks, chunk_ends      complete ones only
 *
 * synchronous=FULL, WAL where the file system can (a commit is then one fsync
 * instead of four, and a waiting collector reads beside the writer).
 *
 * A full disk keeps the changes and tries again each second; a damaged file
 * is set aside under another name and the store starts anew with a new epoch.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_CATALOGUE_H
#define COLLECTOR_CATALOGUE_H

#include "common/wire.h"

struct catalogue;
struct loop;
struct worker_pool;
struct storage_dir;

struct catalogue_identity {
    char system_id[33]; /* empty: none stored, this is the first start */
    char slot[65];
    uint64_t timeline;
};

struct catalogue_meta {
    struct catalogue_identity identity;
    uint64_t epoch; /* 0 only when read-only and nobody has written yet */
    uint64_t checkpoint_lsn;
    uint64_t shapes_version;  /* grows with every commit that adds or removes shapes */
    uint64_t last_created_us; /* no handle was ever given a later time */
    struct view unseen;       /* ids not yet seen visible, as unseen_encode() gave them */
};

/* A shape whose snapshot is complete. Views are copied when it is recorded. */
struct catalogue_shape {
    struct view handle;
    struct view definition; /* canonical, binary */
    struct view marks;      /* of its snapshot, binary */
    uint64_t lsn;           /* L: from here on the marks no longer matter */
    uint64_t created_us;
    const uint64_t *chunk_ends; /* of the snapshot file */
    uint32_t chunk_count;
};

struct catalogue_quiesced {
    uint32_t oid;
    struct view name; /* for people */
};

/*
 * Opens the catalogue of a folder whose lock we hold (is_read_only: of which we do not; nothing is
 * then made, and one that is not there is empty). Blocks for an integrity check: about 0.2 s for
 * 100,000 shapes.
 *
 * Errors: ERR_INVALID: a newer format. ERR_IO, ERR_FULL. ERR_CORRUPT only when read-only; a writer
 * logs it, sets the file aside as catalogue.sqlite.damaged-TIME and starts anew.
 */
NODISCARD bool catalogue_open(struct storage_dir *dir, bool is_read_only,
                              struct catalogue **catalogue_out, struct err *err);

/* Read at the open; what is recorded later is seen here at once. `unseen` is borrowed. */
const struct catalogue_meta *catalogue_meta(const struct catalogue *catalogue);

/*
 * Gives every shape and every quiesced table, in the order of their creation, and reads the meta
 * anew. Views are good for the call. Before catalogue_start().
 */
NODISCARD bool catalogue_load(struct catalogue *catalogue, void *ctx,
                              void (*shape)(void *ctx, const struct catalogue_shape *shape),
                              void (*quiesced)(void *ctx, const struct catalogue_quiesced *table),
                              struct err *err);

/*
 * Read-only: whether there is something to load anew: the writer has added or removed shapes, or
 * reset the store (then the meta has another epoch). Cheap when not.
 */
bool catalogue_has_changed(struct catalogue *catalogue);

/* From now on changes may be recorded; they are written on a lane of `pool`. */
void catalogue_start(struct catalogue *catalogue, struct loop *loop, struct worker_pool *pool);

/* Recording: takes effect in the file with the next commit, in this order. */
void catalogue_put_shape(struct catalogue *catalogue, const struct catalogue_shape *shape);
void catalogue_remove_shape(struct catalogue *catalogue, struct view handle);
void catalogue_put_quiesced(struct catalogue *catalogue, const struct catalogue_quiesced *table);
void catalogue_remove_quiesced(struct catalogue *catalogue, uint32_t oid);
void catalogue_set_checkpoint(struct catalogue *catalogue, uint64_t lsn, struct view unseen);

/* First start: the identity, with its checkpoint, before anything is streamed. */
void catalogue_set_identity(struct catalogue *catalogue, const struct catalogue_identity *identity,
                            uint64_t checkpoint_lsn);

/* Shapes, quiesced tables and unseen ids deleted, new identity and checkpoint, a later epoch. */
void catalogue_reset(struct catalogue *catalogue, const struct catalogue_identity *identity,
                     uint64_t checkpoint_lsn, uint64_t now_us);

/*
 * The time of a new handle: `now_us`, or one more than the last one given, if that is later.
 * It is stored with the next commit.
 */
uint64_t catalogue_next_created_us(struct catalogue *catalogue, uint64_t now_us);

/*
 * Makes durable what was recorded up to now, then calls `done` on the loop (NULL: nobody asks).
 * Never fails: what cannot be written is tried again each second and at the next commit, and
 * catalogue_error() says why.
 */
void catalogue_commit(struct catalogue *catalogue, void (*done)(void *ctx), void *ctx);

/* Why commits do not get through now; NULL while they do. */
const char *catalogue_error(const struct catalogue *catalogue);

/*
 * The file turned out to be damaged while it was written: nothing gets through any more. The
 * process should end; the next start sets the file aside.
 */
bool catalogue_is_damaged(const struct catalogue *catalogue);

/* Whether everything recorded and committed is durable. */
bool catalogue_is_idle(const struct catalogue *catalogue);

/* After the pool has ended. What is not durable by then is lost. NULL is accepted. */
void catalogue_close(struct catalogue *catalogue);

#endif
