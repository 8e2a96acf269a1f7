/*
 * collector.h - the parts of the collector, as they know each other.
 *
 * main.c makes them in this order and ends them backwards. Whatever a part needs of another one it
 * takes from here.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_COLLECTOR_H
#define COLLECTOR_COLLECTOR_H

#include "common/list.h"
#include "common/loop.h"
#include "services/shape_log_collector/storage_dir.h"

struct catalogue;
struct checkpoint;
struct config;
struct db_client;
struct hints;
struct ingest;
struct janitor;
struct log_store;
struct publishing;
struct reclaim;
struct registry;
struct relation_cache;
struct repl_server;
struct routing;
struct service;
struct shape_server;
struct worker_pool;

struct collector {
    struct service *service;
    struct loop *loop;
    const struct config *config;
    struct worker_pool *pool;
    struct storage_dir *dir;
    struct catalogue *catalogue;
    uint64_t epoch;
    struct log_store *logs;
    struct checkpoint *checkpoint;
    struct reclaim *reclaim;
    struct routing *routing;
    struct ingest *ingest;
    struct db_client *db;
    struct relation_cache *relations;
    struct publishing *publishing;
    struct hints *hints;
    struct registry *registry;
    struct repl_server *repl;
    struct shape_server *shapes;
    struct janitor *janitor;

    struct list creations; /* shapes that are not complete yet */
    bool is_read_only;     /* another engine writes: nothing is made, cut or deleted */
};

#endif
