/*
 * relation_cache.h - tables as the database described them last, by name.
 *
 * What is cached may be old: it serves to find shapes that exist. Before a new shape is made the
 * table is asked for afresh.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_RELATION_CACHE_H
#define COLLECTOR_RELATION_CACHE_H

#include "common/core/relation.h"
#include "common/list.h"

struct db_client;
struct relation_cache;

/* Tables that are kept; then the oldest goes. */
#define RELATION_CACHE_MAX 4096

struct relation_cache *relation_cache_new(struct db_client *db);
void relation_cache_free(struct relation_cache *cache);

/* From a shape's definition: what was known before the database can be asked. */
void relation_cache_seed(struct relation_cache *cache, const struct relation *relation);

/* NULL: not known. Borrowed until the next turn. */
const struct relation *relation_cache_find(const struct relation_cache *cache, struct view schema,
                                           struct view name);

void relation_cache_forget(struct relation_cache *cache, struct view schema, struct view name);

enum relation_answer {
    RELATION_OK,
    RELATION_ABSENT,
    RELATION_UNAVAILABLE, /* the database cannot be asked now */
    RELATION_FAILED,      /* it answered with an error */
};

/* Lives in its owner's struct, zeroed. */
struct relation_waiter {
    struct list node;
    /* `relation` is borrowed until the callback returns; `error` is Postgres' text. */
    void (*fn)(void *ctx, enum relation_answer answer, const struct relation *relation,
               struct view error);
    void *ctx;
};

/* Asks the database, once for all who ask meanwhile. `fn` is called once, never from inside. */
void relation_cache_ask(struct relation_cache *cache, struct view schema, struct view name,
                        struct relation_waiter *waiter);

/* `fn` will not be called. */
void relation_cache_cancel(struct relation_waiter *waiter);

#endif
