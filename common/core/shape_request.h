/*
 * shape_request.h - the parameters of /v1/shape, checked.
 *
 * What depends on the request's text alone is checked here, in the order and with the words of
 * http-api §3 and [7]; what depends on the table (does it exist, its key, the where) is the
 * collector's.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_SHAPE_REQUEST_H
#define CORE_SHAPE_REQUEST_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/core/ident.h"
#include "proto/offset.h"

/* What a request takes from its arena at most: a body's texts twice, lists of names and numbers. */
#define SHAPE_REQUEST_ARENA (96u << 20)

/* Of the query string; front's limit on heads is below it. */
#define SHAPE_REQUEST_MAX (1u << 20)

/* Of a POST's body; the front refuses what is longer (http-api [5]). */
#define SHAPE_BODY_MAX (8u << 20)

enum shape_offset_kind {
    SHAPE_OFFSET_START, /* -1 */
    SHAPE_OFFSET_NOW,
    SHAPE_OFFSET_AT,
};

/* Which of the shape's rows are asked for (http-api §9). */
struct subset_query {
    struct view where;
    struct view *params;
    size_t param_count;
    struct view order_by;
    uint64_t limit; /* 0: none */
    uint64_t offset;
    struct view refusal; /* body of the 400 that the subset alone deserves; empty: none */
};

/* Views are in the arena or borrowed from the query and the body. */
struct shape_query {
    bool has_table; /* only DELETE may come without one */
    struct table_ident table;
    enum shape_offset_kind offset_kind;
    struct log_offset offset; /* SHAPE_OFFSET_AT */
    struct view offset_text;  /* as sent: part of the etag */
    struct view handle;       /* empty: none */
    bool is_live;
    bool is_sse;
    struct view cursor;
    struct view where;   /* empty: none */
    struct view *params; /* $1, $2, … */
    size_t param_count;
    bool has_columns;
    struct view *columns;
    size_t column_count;
    bool has_queryable;
    struct view *queryable;
    size_t queryable_count;
    bool is_replica_full;
    bool is_changes_only;
    bool is_body_refused; /* the errors are about the body's form */
    bool has_subset;
    struct subset_query subset;
    struct view definition; /* the parameters that make the shape, as sent: a key for caches */
};

/*
 * Checks a query (raw, without '?') and, of a POST, the body; else that is empty. On failure
 * *errors_out holds the body of the 400 answer.
 */
NODISCARD bool shape_request_parse(struct view query, struct view body, struct arena *mem,
                                   struct shape_query *query_out, struct buf *errors_out);

/* The same for DELETE: by table, by table and handle, or by handle alone (http-api [41]). */
NODISCARD bool shape_request_parse_delete(struct view query, struct arena *mem,
                                          struct shape_query *query_out, struct buf *errors_out);

/* The value of `secret`, or else of `api_secret`, decoded; empty when neither is there. */
struct view shape_request_secret(struct view query, struct arena *mem);

/* {"message":"Invalid request","errors":{"<field>":["<text>"]}} */
void shape_request_refuse(struct buf *out, const char *field, struct view text);

/* {"message":"Invalid request","errors":{"subset":{"<field>":["<text>"]}}} */
void shape_request_refuse_subset(struct buf *out, const char *field, struct view text);

#endif
