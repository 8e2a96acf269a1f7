/*
 * client.h - what front.c and client.c share: one connection of a client and its request.
 *
 *     READING -> BODY -> PARSING -> SERVING -> WRITING -> READING ...
 *                                      `-> STREAMING -^       `-> LINGERING -> DEAD
 *
 * A client is in one list of front->deadlines: it reads (no request for so long),
 * writes (nothing taken for so long), lingers, or waits for us.
 */
#ifndef API_CLIENT_H
#define API_CLIENT_H

#include "services/api/front.h"
#include "services/api/links.h"
#include "services/api/writer.h"

/* What all clients together may have sent without being answered; a further one gets 503. */
#define FRONT_HELD_BYTES_MAX (64u << 20)

enum client_state {
    CLIENT_READING, /* idle, or a part of a head is here */
    CLIENT_BODY,
    CLIENT_PARSING, /* civetweb has the head */
    CLIENT_SERVING, /* the logic has the request */
    CLIENT_WRITING,
    CLIENT_STREAMING,
    CLIENT_LINGERING, /* our side is shut; the client may still read */
    CLIENT_DEAD,      /* closed; freed at the turn's end */
    CLIENT_STATES,
};

enum client_deadline {
    CLIENT_READS,
    CLIENT_WRITES,
    CLIENT_LINGERS,
    CLIENT_NO_DEADLINE, /* it waits for us */
    CLIENT_DEADLINES,
};

struct request {
    struct api_request api; /* first: the logic gives it back */
    struct client *client;
    struct http_parsed *parsed; /* holds query and headers */
    struct buf path;
    struct buf body;
    size_t head_size; /* in client->in, while the body is collected */
    enum http_body body_kind;
    uint64_t body_size;
    struct http_chunks chunks;
};

struct client {
    struct front *front;
    struct list node; /* in a list of front->deadlines, or in front->dead */
    struct list ready_node;
    struct loop_fd *watch;
    int fd;
    enum client_state state;
    enum client_deadline deadline; /* its list */
    uint64_t since_ms;             /* in its list */
    struct buf in;                 /* read and not used yet */
    size_t scanned;
    struct request *request;
    struct links_entry *entry; /* while PARSING */
    struct writer writer;
    bool keeps_alive;
    bool is_head;
    bool is_1_0;
    bool is_ended;  /* it says nothing more, and may still read what it asked for */
    bool is_failed; /* its socket; closed at the turn's end, so that the logic is not told inside a
                       call of its own */
};

struct front {
    struct front_options options;
    struct loop *loop;
    struct links *links;
    struct loop_fd *listen_watch; /* NULL: not accepting */
    struct loop_timer accept_again;
    struct loop_timer deadline;
    struct list deadlines[CLIENT_DEADLINES];
    struct list ready; /* have bytes of a next request */
    struct list dead;
    size_t count[CLIENT_STATES];
    size_t held_bytes;
    bool is_stopping;
};

/* Takes over an accepted socket. */
void client_accept(struct front *front, int fd);

/* Goes on with what it has sent already, behind an answer. */
void client_continue(struct client *client);

/* Closes it; the logic is told when it had the request. Freed at the turn's end. */
void client_close(struct client *client);

/* Answers what the logic never sees, and closes behind it. */
void client_refuse(struct client *client, unsigned status, const char *why);

/* Sends what the writer has; on an error the client is closed, at once or at the turn's end. */
void client_send(struct client *client);
void client_send_later_closed(struct client *client);

/* Ends the request; state is WRITING from then on. */
void client_free_request(struct client *client);

void client_set_state(struct client *client, enum client_state state);

/* Puts it into the list of those that must do this in time; anew when it is in it already. */
void client_expect(struct client *client, enum client_deadline deadline);

/* 0: none. */
uint64_t client_timeout_ms(const struct front *front, enum client_deadline deadline);

/* Frees those that were closed. */
void client_free_dead(struct front *front);

#endif
