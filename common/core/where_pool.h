/*
 * where_pool.h - the clauses of many shapes as one graph: equal parts are one node, and a node that
 * several clauses use is evaluated once for each row.
 *
 * Threading: a pool and its trees belong to one thread.
 */
#ifndef CORE_WHERE_POOL_H
#define CORE_WHERE_POOL_H

#include "common/core/where_expr.h"

struct where_pool;

struct where_pool *where_pool_new(void);

/* Everything was given back before. NULL is accepted. */
void where_pool_free(struct where_pool *pool);

/* The same tree out of shared nodes; `expr` is not needed any more. */
const struct expr *where_pool_take(struct where_pool *pool, const struct expr *expr);
void where_pool_give_back(struct where_pool *pool, const struct expr *expr);

/* Another row comes: what was evaluated for the last one is forgotten. */
void where_pool_next_row(struct where_pool *pool);

/* Nodes, each counted once. */
size_t where_pool_count(const struct where_pool *pool);

#endif
