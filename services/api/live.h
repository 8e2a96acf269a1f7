/*
 * live.h - the requests that wait, and what wakes them.
 *
 * Whoever is about to wait for a shape first watches it and reads then, so that no hint
 * falls between: live_park() says when something newer was heard meanwhile. The items of a
 * hint are one body for all who wait at its beginning.
 *
 * Threading: the loop's.
 */
#ifndef API_LIVE_H
#define API_LIVE_H

#include "proto/offset.h"
#include "services/api/api.h"

/* How long a stream of events lives. */
#define LIVE_EVENTS_S 60u

struct live;
struct live_shape;

enum live_event {
    LIVE_ITEMS,   /* `news` has them */
    LIVE_CHANGED, /* the log is longer, or may be: read again */
    LIVE_GONE,    /* the shape is */
    LIVE_TIMEOUT,
};

/* What a waiter takes of the items that come with a hint. */
enum live_takes {
    LIVE_TAKES_NOTHING,
    LIVE_TAKES_BODY,   /* `[…items, up-to-date]` */
    LIVE_TAKES_EVENTS, /* the same as server-sent events */
    LIVE_TAKES_COUNT,
};

/* LIVE_ITEMS: what was to be taken, and the offset behind the items. */
struct live_news {
    struct blob *body;
    struct log_offset end;
};

typedef void (*live_fn)(void *ctx, enum live_event event, const struct live_news *news);

/* One who waits; lives in its owner's struct, zeroed. */
struct live_wait {
    struct live_shape *shape; /* NULL: watches none */
    struct list node;         /* of those who are parked at the shape */
    struct list deadline_node;
    struct log_offset at;
    uint64_t deadline_ms;
    enum live_takes takes;
    bool is_parked;
    live_fn fn;
    void *ctx;
};

enum live_patience {
    LIVE_WHOLE,  /* the long-poll time */
    LIVE_HALF,   /* half of it: an offset that may not exist */
    LIVE_EVENTS, /* a stream's life (http-api [29]) */
    LIVE_PATIENCES,
};

struct live *live_new(struct api *api);

/* From now on what is heard of the shape is remembered for this one. */
void live_watch(struct live *live, struct live_wait *wait, struct view handle, live_fn fn,
                void *ctx);

/*
 * Waits for something behind `at`, until the request's time is over; `fn` is called once, later.
 * False, and not parked: the log is known to be longer, so read again.
 */
bool live_park(struct live *live, struct live_wait *wait, struct log_offset at,
               enum live_takes takes, uint64_t received_ms, enum live_patience patience);

/* The end of the log as last heard by hints; {0, 0}: nothing yet. */
struct log_offset live_newest(const struct live_wait *wait);

/* Neither watches nor waits any more. Harmless when it does not. */
void live_leave(struct live *live, struct live_wait *wait);

/* The log of `handle` ends at `to`. `items`: all between `from` and there, or empty. */
void live_advanced(struct live *live, struct view handle, struct log_offset from,
                   struct log_offset to, struct view items);
void live_gone(struct live *live, struct view handle);

/* Hints may have been lost: everybody reads again. */
void live_missed(struct live *live);

/* Everybody is told that time is over. */
void live_drain(struct live *live);

/* Requests under way for the handle, parked ones and others. */
size_t live_reader_count(const struct live *live, struct view handle);

size_t live_parked_count(const struct live *live);

/* Nobody waits any more. NULL is accepted. */
void live_free(struct live *live);

#endif
