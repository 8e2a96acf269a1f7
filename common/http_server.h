/*
 * http_server.h - HTTP by civetweb, in two forms. The only file with civetweb is http_server.c.
 *
 * Plain: few clients, for probes and figures. A civetweb thread waits while the
 * loop answers.
 *
 * Parser: for the API, whose loop owns the sockets of the clients (design §5a).
 * It listens on the loopback interface alone; complete heads arrive one behind
 * the other on a few links, civetweb parses and decodes them, and its handler
 * writes nothing and posts what it read to the loop. A head without the secret
 * is answered 403.
 *
 * Threading: the loop's thread; callbacks run there too.
 */
#ifndef COMMON_HTTP_SERVER_H
#define COMMON_HTTP_SERVER_H

#include "common/buf.h"
#include "common/loop.h"

struct http_server;

/* ---- plain */

/* `body` is empty and `status` 404 before; content_type is a literal. */
struct http_reply {
    unsigned status;
    const char *content_type;
    struct buf body;
};
typedef void (*http_plain_fn)(void *ctx, const char *method, const char *path,
                              struct http_reply *reply);

/* On all addresses; port 0 is any free one. Errors: ERR_IO; the message names the port. */
NODISCARD bool http_server_plain(struct loop *loop, uint16_t port, http_plain_fn fn, void *ctx,
                                 struct http_server **server_out, struct err *err);

/* ---- parser */

/* The headers that are handed on, in this order in http_parsed.headers. */
enum http_used_header {
    HTTP_IF_NONE_MATCH,
    HTTP_ORIGIN,
    HTTP_REQUEST_ID,
    HTTP_ACCEPT_ENCODING,
    HTTP_CONTENT_TYPE,
    HTTP_AUTHORIZATION,
    HTTP_ACCESS_CONTROL_REQUEST_HEADERS,
    HTTP_HEADER_COUNT,
};

/* As it stands on the wire, in lower case. */
const char *http_header_name(enum http_used_header header);

/* A head, as civetweb read it: one block with all it views, to be freed with mem_free(). */
struct http_parsed {
    struct loop_job job; /* http_server.c's */
    struct http_server *server;
    uint64_t connection; /* what the first header said */
    uint64_t number;
    struct view raw_path; /* as on the wire, without the query */
    struct view query;    /* raw, without '?' */
    struct view headers[HTTP_HEADER_COUNT];
};

/* Owns `parsed`. */
typedef void (*http_parsed_fn)(void *ctx, struct http_parsed *parsed);

/* The longest head that a link takes, its tag included. */
#define HTTP_PARSER_HEAD_MAX 36864

/* `threads`: how many links it serves at a time. Errors: ERR_IO. */
NODISCARD bool http_server_parser(struct loop *loop, unsigned threads, http_parsed_fn fn, void *ctx,
                                  struct http_server **server_out, struct err *err);

/* The first header of a head on a link: the secret, then who asks. With its CRLF. */
void http_parser_append_tag(const struct http_server *server, uint64_t connection, uint64_t number,
                            struct buf *head);

/* ---- both */

uint16_t http_server_port(const struct http_server *server);

/* Waits for its threads. No callback comes after it. NULL is accepted. */
void http_server_close(struct http_server *server);

#endif
