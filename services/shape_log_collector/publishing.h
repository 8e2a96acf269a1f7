/*
 * publishing.h - tables in the publication, and that their old writers were waited for (design
 * §5.2).
 *
 * One record a table, whoever asks: asking is single flight, and goes on though those who asked
 * have left. What was once quiesced stays so (the catalogue knows) until the table leaves the
 * publication, ten minutes after its last shape: first the catalogue forgets it, then Postgres.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_PUBLISHING_H
#define COLLECTOR_PUBLISHING_H

#include "common/err.h"
#include "common/list.h"
#include "common/wire.h"

struct catalogue;
struct db_client;
struct publishing;
struct service;

/* A table without shapes leaves the publication after this. */
#define PUBLISHING_KEEP_MS 600000u

struct publishing *publishing_new(struct service *service, struct db_client *db,
                                  struct catalogue *catalogue);

/* Nobody waits any more. NULL is accepted. */
void publishing_free(struct publishing *publishing);

/* From the catalogue: writers of this table were waited for. */
void publishing_set_quiesced(struct publishing *publishing, uint32_t oid, struct view name);

/* A shape of this table begins or ends; kept in the publication while there is one. */
void publishing_retain(struct publishing *publishing, uint32_t oid, struct view schema,
                       struct view name);
void publishing_release(struct publishing *publishing, uint32_t oid);

/* Lives in its owner's struct. */
struct publishing_waiter {
    struct list node;
    /* Published and quiesced (`failed` NULL), or why not: Postgres' text and sqlstate ("" for
     * none). */
    void (*fn)(void *ctx, const struct err *failed, struct view sqlstate);
    void *ctx;
};

/* Asks for the table, which is retained. `fn` is called once, never from inside. */
void publishing_want(struct publishing *publishing, uint32_t oid, struct publishing_waiter *waiter);

/* The table has a partition more, which wants what the others have. Harmless for other tables. */
void publishing_refresh(struct publishing *publishing, uint32_t oid);

/* No longer wants to know; a waiter that was answered is left alone. */
void publishing_forget(struct publishing_waiter *waiter);

/* What the table waits for now ("writers: pid 12"), or "". Borrowed until the next turn. */
const char *publishing_waiting_for(const struct publishing *publishing, uint32_t oid);

#endif
