/*
 * shape_reply.h - the heads and small bodies of answers (http-api §2, §5, §8, §11).
 *
 * Head means status line and header lines, each ended by CRLF, without Connection, Content-Length
 * and the empty line, which the front adds. Time comes in as an argument.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_SHAPE_REPLY_H
#define CORE_SHAPE_REPLY_H

#include "common/buf.h"
#include "common/core/http_head.h"
#include "proto/offset.h"

enum reply_kind {
    REPLY_PLAIN,  /* root, not found: no-store or private */
    REPLY_HEALTH, /* never kept by anyone */
    REPLY_SHAPE,  /* an answer of /v1/shape, errors included */
};

enum reply_offset {
    REPLY_OFFSET_OTHER,
    REPLY_OFFSET_START, /* the request asked -1 */
};

/* What every answer says beside its own headers. */
struct reply_client {
    enum http_method method;
    bool is_shape_route; /* decides access-control-allow-methods */
    struct view origin;
    struct view request_id; /* the client's; taken over when it has 20 to 200 characters */
    struct view own_request_id;
    int64_t date_s; /* since 1970 */
};

struct reply {
    unsigned status;
    enum reply_kind kind;
    const char *content_type; /* NULL: application/json; charset=utf-8 */

    /* /v1/shape */
    bool is_live;
    bool is_sse;
    bool is_subset;
    bool is_known_error; /* electric-internal-known-error */
    enum reply_offset asked;
    struct view handle;       /* empty: none */
    struct view offset_asked; /* text as sent, for the etag */
    bool has_offset;
    struct log_offset offset;
    struct view schema; /* JSON; empty: not sent */
    bool is_up_to_date;
    bool has_data;         /* 200 and 304 say electric-has-data */
    bool is_unchanged;     /* a time-out or offset=now: the etag never revalidates */
    uint64_t monotonic_us; /* for that */
    bool has_cursor;
    uint64_t cursor;
    unsigned retry_after_s; /* 0: not sent */
    unsigned max_age_s;     /* ELECTRIC_CACHE_MAX_AGE, _STALE_AGE */
    unsigned stale_age_s;
    unsigned sse_timeout_s;
};

/* Appends the head. */
void reply_head(const struct reply_client *client, const struct reply *reply, struct buf *out);

/* OPTIONS /v1/shape: 204 with what a browser asks before. */
void reply_options(const struct reply_client *client, struct view headers_asked, struct buf *out);

/* The etag as in the head, with its quotes. Empty without a handle. */
void reply_etag(const struct reply *reply, struct buf *out);

/* Whether If-None-Match (a list, quotes optional, or *) names this answer's etag (http-api [6]). */
bool reply_is_known(struct view if_none_match, const struct reply *reply);

/* The next cursor (http-api [27]). `random` is any number; `sent` empty when none was sent. */
uint64_t reply_cursor(struct view sent, uint64_t now_s, uint64_t long_poll_ms, uint64_t random);

/* {"headers":{"control":"up-to-date","global_last_seen_lsn":"…"}} */
void reply_up_to_date(uint64_t last_seen_lsn, struct buf *out);

#define REPLY_MUST_REFETCH "[{\"headers\":{\"control\":\"must-refetch\"}}]"
#define REPLY_NOT_FOUND    "Not found"
#define REPLY_UNAUTHORIZED "{\"message\":\"Unauthorized - Invalid API secret\"}"
#define REPLY_INTERNAL     "{\"error\":\"Internal server error\"}"
#define REPLY_NO_DELETE    "{\"message\":\"DELETE not allowed\"}"
#define REPLY_NO_ADMIN     "{\"message\":\"Unauthorized - Invalid admin secret\"}"
#define REPLY_NO_SHAPE     "{\"message\":\"No existing shape found\"}"

/* {"message":"…"} */
void reply_message(struct view text, struct buf *out);

#endif
