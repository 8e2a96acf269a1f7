/*
 * slot.h - the replication slot: made when missing, its facts, dropped.
 *
 * Threading: the loop's thread.
 */
#ifndef CONNECTION_SLOT_H
#define CONNECTION_SLOT_H

#include "services/connection/lock.h"

struct slot_facts {
    bool is_new;            /* made now */
    uint64_t confirmed_lsn; /* confirmed_flush_lsn of the slot */
    uint64_t flush_lsn;     /* of the server, now */
};

typedef void (*slot_fn)(void *ctx, const struct slot_facts *facts, const struct pg_failure *failed);

/*
 * Makes the slot unless it is there, which waits for every transaction that runs, and reads its
 * facts. Fails with "replication slot ... is lost" when Postgres has invalidated it.
 */
void slot_ensure(struct lock *lock, const char *name, slot_fn fn, void *ctx);

/* A slot that is not there is as good as dropped; `facts` is NULL. */
void slot_drop(struct lock *lock, const char *name, slot_fn fn, void *ctx);

/*
 * Makes Postgres write the record of running transactions that a slot in the making waits for
 * (engine §1.13); what hinders that is logged, once when it is for good.
 */
void slot_heal(struct pool *pool);

#endif
