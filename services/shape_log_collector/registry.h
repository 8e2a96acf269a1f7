/*
 * registry.h - all shapes there are, by handle and by definition, and how they end.
 *
 *     CREATING -> ANNOUNCED -> COMPLETE           ENDED from any of them
 *
 * CREATING: nobody can read it. ANNOUNCED: readers get what is written of its snapshot.
 * COMPLETE: the catalogue knows it, so it outlives the process. An ended shape leaves both maps and
 * the catalogue at once, and everything else at the end of the turn.
 *
 * Threading: the loop's.
 */
#ifndef COLLECTOR_REGISTRY_H
#define COLLECTOR_REGISTRY_H

#include "services/shape_log_collector/collector.h"
#include "services/shape_log_collector/routing.h"
#include "services/shape_log_collector/snapshot_file.h"

enum shape_state {
    SHAPE_CREATING,
    SHAPE_ANNOUNCED,
    SHAPE_COMPLETE,
    SHAPE_ENDED,
};

struct creation;

struct shape {
    struct collector *collector;
    char handle[STORAGE_HANDLE_MAX + 1];
    enum shape_state state;
    struct shape_def *def;
    struct shape_feed feed;
    struct shape_log *log;
    struct snapshot snapshot;
    bool counts_rows;       /* made by this process, and not for changes only */
    uint64_t snapshot_rows; /* counts_rows */
    uint64_t created_us;
    uint64_t last_read_ms;
    struct creation *creation; /* until it is complete */
    struct list parked;        /* shape_server.c's readers of a chunk that is being written */
    struct list waiting;       /* shape_server.c's requests that wait until it is announced */
    struct list ended_node;
    unsigned load_number; /* of the load that found it in the catalogue last */
    unsigned refs;        /* its own, and one for a worker that uses it */
};

struct registry *registry_new(struct collector *collector);

/* Ends no shape: they stay in the catalogue. */
void registry_free(struct registry *registry);

/* Loads all shapes and quiesced tables of the catalogue. */
NODISCARD bool registry_load(struct registry *registry, struct err *err);

/* Read-only: what the writer has added and ended since the last load. */
NODISCARD bool registry_refresh(struct registry *registry, struct err *err);

struct shape *registry_by_handle(const struct registry *registry, struct view handle);
struct shape *registry_by_definition(const struct registry *registry, const struct shape_def *def);

/* A new one, CREATING, with a handle of its own. Takes the definition over. */
struct shape *registry_add(struct registry *registry, struct shape_def *def);

/* The shape can be read; who waited for it is answered. */
void registry_announce(struct shape *shape);

/*
 * The shape ends. `reason` is for the log; `failed` is what waiting requests get, NULL: they find
 * the shape gone and open it anew.
 */
struct open_failure;
void registry_end(struct shape *shape, const char *reason, const struct open_failure *failed);

void shape_ref(struct shape *shape);
void shape_unref(struct shape *shape);

size_t registry_count(const struct registry *registry);

/* Calls `fn` for each shape; shapes may end meanwhile, none may be added. */
void registry_each(struct registry *registry, void (*fn)(void *ctx, struct shape *shape),
                   void *ctx);

#endif
