/*
 * front.h - the sockets of the clients: accepts, frames requests, writes answers.
 *
 * A request is handed on when its head and body are complete, so an idle or slow
 * client costs a small struct. Pipelined requests of a connection are handed on
 * one after another, each when the one before is answered. Connection, HTTP/1.0,
 * HEAD and Expect are the front's own business; the logic sees none of them.
 *
 *     socket -> http_head (framing) -> links -> civetweb parses -> on_request()
 *     front_answer() -> writer -> socket
 *
 * Threading: the loop's thread.
 */
#ifndef API_FRONT_H
#define API_FRONT_H

#include "common/blob.h"
#include "common/core/http_head.h"
#include "common/list.h"
#include "common/loop.h"

/* Its views are good as long as the request is: until it is answered or gone. */
struct api_request {
    void *user;                             /* the logic's own */
    void (*on_gone)(struct api_request *);  /* the logic's own: whom to tell that the client left */
    bool (*on_ended)(struct api_request *); /* the logic's own: as in struct front_options */
    bool is_ended;                          /* the client says nothing more: do not wait for it */
    struct list user_node; /* the logic's own; initialised and in no list when it is handed on */

    enum http_method
        method;        /* HEAD is told apart only by the logic that wants to; no body goes out */
    struct view path;  /* decoded and normalised once: "/v1/shape" */
    struct view query; /* raw, without '?' */
    /* Headers; empty: not sent. */
    struct view if_none_match;
    struct view origin;
    struct view request_id;
    struct view accept_encoding;
    struct view content_type;
    struct view authorization;
    struct view access_control_request_headers;
    struct view body; /* complete, with a chunked one decoded */
    uint64_t received_ms;
};

/* Bytes of a blob, of which a reference is taken, or, blob NULL, of a file, whose fd is dup'ed. */
struct answer_part {
    struct blob *blob;
    size_t from; /* in the blob */
    size_t size;
    int fd;
    uint64_t position; /* in the file */
};

#define ANSWER_PARTS_MAX 6
struct answer {
    /*
     * Status line and headers, each with its CRLF; without Connection, Content-Length and the empty
     * line, which the front adds. Taken over and left empty.
     */
    struct buf head;
    struct answer_part parts[ANSWER_PARTS_MAX];
    size_t part_count;
    bool no_body; /* 204 and 304: no Content-Length either */
};

struct front;

struct front_options {
    struct loop *loop;
    int listen_fd;                /* listening and non-blocking; the front's from then on */
    uint64_t tcp_read_timeout_ms; /* a connection without a request for so long is closed */
    uint64_t tcp_send_timeout_ms; /* a client that reads nothing for so long is dropped */
    void *ctx;
    void (*on_request)(void *ctx, struct api_request *request);

    /* The client left before its answer. The request is freed after this; it must not be answered.
     */
    void (*on_gone)(void *ctx, struct api_request *request);

    /*
     * The client has ended its side, or has left, which nobody can tell yet. True: the request was
     * answered, or will be soon; false: it counts as gone. NULL: false.
     */
    bool (*on_ended)(void *ctx, struct api_request *request);
};

/* Starts civetweb and its links as well. Errors: ERR_IO. */
NODISCARD bool front_open(const struct front_options *options, struct front **front_out,
                          struct err *err);

/* Answers a request, exactly once, now or later; the request is freed. */
void front_answer(struct front *front, struct api_request *request, struct answer *answer);

/* ---- an answer without an end (SSE), in place of front_answer() */

/* Sends the head, as in struct answer; the front adds the framing. */
void front_begin_stream(struct front *front, struct api_request *request, struct buf *head);

/* Sends the blob's bytes. False when the client lets too much pile up: end it. */
NODISCARD bool front_stream(struct front *front, struct api_request *request, struct blob *blob);

/* The request is freed. */
void front_end_stream(struct front *front, struct api_request *request);

/* ---- the end */

size_t front_client_count(const struct front *front);

/* Takes no connection and no further request; answers that are begun go out. For a drain. */
void front_stop_accepting(struct front *front);

/* Whether every request is answered and every answer is out. */
bool front_is_idle(const struct front *front);

/*
 * Closes all; on_gone() is called for what was not answered. The loop must not run any more. NULL
 * is accepted.
 */
void front_close(struct front *front);

#endif
