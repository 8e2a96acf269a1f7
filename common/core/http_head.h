/*
 * http_head.h - where one HTTP request ends and the next begins.
 *
 * The front collects bytes until a request is complete; this core says when, and refuses
 * whatever two readers could understand differently: bare LF, control bytes, folded lines, white
 * space before a colon, two lengths, a length together with chunks, a version that is not 1.0
 * or 1.1. Names and values are borrowed from the bytes that were given.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_HTTP_HEAD_H
#define CORE_HTTP_HEAD_H

#include "common/buf.h"

/* A longer head is refused with 431: URLs with a long where fit, memory per client stays small. */
#define HTTP_HEAD_MAX 32768u

/* Browsers and proxies send 30 at most. */
#define HTTP_HEADERS_MAX 100u

/* Larger bodies are refused with 413 (http-api [5]). */
#define HTTP_BODY_MAX (8u << 20)

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_DELETE,
    HTTP_OPTIONS,
    HTTP_OTHER, /* any other token: the route is not found */
};

enum http_body {
    HTTP_BODY_NONE,
    HTTP_BODY_LENGTH,
    HTTP_BODY_CHUNKED,
};

struct http_header {
    struct view name; /* as sent; compare with http_name_is() */
    struct view value;
};

struct http_head {
    enum http_method method;
    struct view method_name;
    struct view target; /* raw, never empty, begins with / or is * */
    bool is_1_0;
    bool keeps_alive; /* what version and Connection say */
    bool wants_continue;
    enum http_body body;
    uint64_t body_size; /* HTTP_BODY_LENGTH */
    size_t size;        /* of the head with its empty line: the body begins there */
    size_t header_count;
    struct http_header headers[HTTP_HEADERS_MAX];
};

/* What a refused connection is told before it is closed. */
struct http_refusal {
    unsigned status; /* 400, 413, 431, 501 or 505 */
    const char *why;
};

enum http_progress {
    HTTP_MORE, /* not complete: ask again with more bytes */
    HTTP_DONE,
    HTTP_REFUSED,
};

/*
 * Looks for a head at the start of `bytes`. *scanned_io is the caller's memory of how far it has
 * looked, 0 for a new request: so a head that comes byte by byte is not read again each time.
 */
enum http_progress http_head_parse(struct view bytes, size_t *scanned_io,
                                   struct http_head *head_out, struct http_refusal *refusal_out);

/* A header's value, or an empty view; the first of several equal ones. */
struct view http_head_find(const struct http_head *head, const char *name);

/* Names of headers know no case. */
bool http_name_is(struct view name, const char *expected);

/* Takes a chunked body apart. Zeroed: at its start. */
struct http_chunks {
    unsigned state;
    uint64_t left; /* of the chunk that is under way */
    size_t line;   /* bytes of the line that is under way, limited */
};

/*
 * Appends the body's bytes to `body` and says how many of `bytes` it took; HTTP_DONE behind the
 * last chunk and its trailer. A body that grows beyond `max` is refused with 413.
 */
enum http_progress http_chunks_decode(struct http_chunks *chunks, struct view bytes,
                                      size_t *taken_out, struct buf *body, size_t max,
                                      struct http_refusal *refusal_out);

#endif
