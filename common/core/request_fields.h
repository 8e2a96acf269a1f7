/*
 * request_fields.h - the parameters of /v1/shape by name, out of the query and a POST's body.
 *
 * Inside of shape_request.c. Both ways of writing them end in the same fields, so one set of checks
 * decides. A query names a subset's fields `subset__where` and so on; a body holds them in an
 * object `subset`, or at its top if it says neither `table` nor `subset` (http-api [37]).
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_REQUEST_FIELDS_H
#define CORE_REQUEST_FIELDS_H

#include "common/arena.h"
#include "common/err.h"
#include "common/wire.h"

/* What is asked for by name. PARAM_NONE: ignored, so that it makes URLs differ for caches. */
enum param {
    PARAM_NONE,
    PARAM_TABLE,
    PARAM_OFFSET,
    PARAM_HANDLE,
    PARAM_LIVE,
    PARAM_LIVE_SSE,
    PARAM_CURSOR,
    PARAM_WHERE,
    PARAM_PARAMS, /* as one text: only an object in a body may be that */
    PARAM_COLUMNS,
    PARAM_QUERYABLE,
    PARAM_REPLICA,
    PARAM_LOG,
    PARAM_COMPACTION,
    PARAM_SECRET,
    PARAM_API_SECRET,
    PARAM_SUBSET, /* only when it is not an object */
    PARAM_SUBSET_WHERE,
    PARAM_SUBSET_PARAMS,
    PARAM_SUBSET_ORDER_BY,
    PARAM_SUBSET_LIMIT,
    PARAM_SUBSET_OFFSET,
    PARAM_COUNT,
};

/* $1, $2, … to this one: what the bus carries. With a larger number there is a hole. */
#define NUMBERED_MAX 65536u

/* The values of $1, $2, … as they were given. */
struct numbered {
    struct view *values; /* by number - 1 */
    bool *has;
    size_t capacity;
    size_t count; /* distinct numbers */
    size_t max;
    bool is_broken; /* a value that is no text */
    bool is_odd;    /* a key that is no number */
};

/* Nothing is judged yet. */
struct request_fields {
    struct arena *mem;
    bool has[PARAM_COUNT];
    bool is_broken[PARAM_COUNT]; /* a wrong %xx, a NUL, not UTF-8, or no text and no number */
    struct view value[PARAM_COUNT];
    struct numbered params;
    struct numbered subset_params;
    bool has_subset; /* any name of a subset's fields */
};

/* Takes the query apart; the last of several equal names counts. */
void request_fields_take_query(struct request_fields *fields, struct view query, struct arena *mem);

/*
 * Adds a POST's body, which goes before the query; empty: nothing. Secrets are not looked for in
 * it.
 *
 * Errors: ERR_INVALID: not JSON, ERR_PROTOCOL: JSON, but no object.
 */
NODISCARD bool request_fields_take_body(struct request_fields *fields, struct view body,
                                        struct err *err);

/* Given and not blank, which counts as not given. */
bool request_fields_is_given(const struct request_fields *fields, enum param param);

#endif
