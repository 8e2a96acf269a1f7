/*
 * snapshots.h - db.snapshot_*: the rows of a table as one snapshot sees them,
 * in blocks that the collector pulls.
 *
 *     session > begin (lock, marks, L) > flush (until L is on Postgres' disk) > COPY > rows ... >
 * done
 *
 * One read-only transaction on a pool session, SET LOCAL only. At most two
 * blocks are read ahead. A snapshot belongs to the collector that asked for it;
 * it ends when that one is gone, or asks for nothing for 30 s.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_SNAPSHOTS_H
#define CONNECTION_SNAPSHOTS_H

#include "services/connection/db_request.h"

struct snapshots;

struct snapshots *snapshots_new(const struct db_env *env);

/* Every snapshot ends. NULL is accepted. */
void snapshots_free(struct snapshots *snapshots);

void snapshots_begin(struct snapshots *snapshots, struct db_request *request,
                     const struct db_snapshot_begin *wanted);
void snapshots_next(struct snapshots *snapshots, struct db_request *request,
                    const struct db_snapshot_next *wanted);
void snapshots_cancel(struct snapshots *snapshots, struct db_request *request,
                      const struct db_snapshot_cancel *wanted);

/* Those of collectors before this one end. */
void snapshots_keep_only(struct snapshots *snapshots, struct incarnation collector);

#endif
