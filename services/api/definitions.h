/*
 * definitions.h - which shape a definition is: shape.open, and what it said, kept.
 *
 * Definitions are kept as the client wrote them, so a known one costs no message; that
 * its shape still lives shows when it is read. Equal questions at the same time are
 * one message.
 *
 * Threading: the loop's.
 */
#ifndef API_DEFINITIONS_H
#define API_DEFINITIONS_H

#include "common/core/shape_request.h"
#include "common/list.h"
#include "services/api/api.h"

/* As in messages.def, with the NUL. */
#define HANDLE_SIZE_MAX 65

struct definitions;

struct definition_known {
    struct view handle;
    struct blob *schema; /* the value of electric-schema; borrowed */
};

enum definition_result {
    DEFINITION_OK,
    DEFINITION_INVALID,     /* 400: `error` under `field` */
    DEFINITION_UNAVAILABLE, /* 503 */
    DEFINITION_FAILED,      /* 500 */
    DEFINITION_REFUSED,     /* 503: too many shapes are being made already (http-api [43]) */
};

struct definition_answer {
    enum definition_result result;
    struct definition_known known; /* DEFINITION_OK */
    struct view field;
    struct view error;
    bool is_known_error;
    uint64_t retry_after_s;
};

/* Views are good for the call. */
typedef void (*definition_fn)(void *ctx, const struct definition_answer *answer);

/* One who waits for an answer; lives in its owner's struct, zeroed. */
struct definition_wait {
    struct list node;
    definition_fn fn; /* NULL: not waiting */
    void *ctx;
};

struct definitions *definitions_new(struct api *api);

/* False when it was not asked yet, or forgotten. */
bool definitions_find(struct definitions *self, const struct shape_query *query,
                      struct definition_known *known_out);

/*
 * Asks the collector; `fn` is called exactly once, later, unless the wait is cancelled. While as
 * many questions are under way as requests may need a new snapshot, nothing new is made.
 */
void definitions_ask(struct definitions *self, const struct shape_query *query,
                     uint32_t deadline_ms, struct definition_wait *wait, definition_fn fn,
                     void *ctx);
void definitions_cancel(struct definition_wait *wait);

/* The shape is gone. */
void definitions_forget(struct definitions *self, struct view handle);

/* What was heard may have missed something. */
void definitions_forget_all(struct definitions *self);

/* The fields of shape.open; its lists are in `mem`. */
struct shape_open definitions_message(const struct shape_query *query, struct arena *mem);

/* Cancels what is open. NULL is accepted. */
void definitions_free(struct definitions *self);

#endif
