/*
 * bench_epoll PORT - a bare epoll responder: the limit of answering many waiting clients.
 *
 * It parks every request it reads. A line on stdin is a number of body bytes: all that are waiting
 * get a 200 with so many, one write each from one shared buffer, and when the last byte is out a
 * line says how many there were and the CPU seconds since the line before. EOF ends it.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"

#define EVENTS  512
#define BACKLOG 16384

enum client_state {
    CLIENT_IDLE,
    CLIENT_WAITING,   /* its request is here */
    CLIENT_ANSWERING, /* the socket was full; it goes on with EPOLLOUT */
    CLIENT_STATES,
};

struct client {
    int fd;
    enum client_state state;
    unsigned matched; /* bytes of the blank line that ends a head */
    size_t sent;
};

struct responder {
    int epoll_fd;
    int listen_fd;
    struct client **clients; /* by descriptor */
    size_t client_max;
    struct buf answer;
    size_t count[CLIENT_STATES];
    bool has_line; /* on stdin */
};

static void
fail(const char *what)
{
    fprintf(stderr, "bench_epoll: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static double
own_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static void
watch(struct responder *r, int op, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};
    if (epoll_ctl(r->epoll_fd, op, fd, &event) != 0) {
        fail("epoll_ctl");
    }
}

static void
set_state(struct responder *r, struct client *client, enum client_state state)
{
    r->count[client->state]--;
    r->count[state]++;
    client->state = state;
}

static void
drop(struct responder *r, struct client *client)
{
    r->count[client->state]--;
    r->clients[client->fd] = NULL;
    close(client->fd);
    mem_free(client);
}

static void
accept_all(struct responder *r)
{
    int fd;
    while ((fd = accept4(r->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        int one = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        ASSERT((size_t)fd < r->client_max);
        struct client *client = mem_alloc_zero(sizeof *client);
        client->fd = fd;
        r->clients[fd] = client;
        r->count[CLIENT_IDLE]++;
        watch(r, EPOLL_CTL_ADD, fd, EPOLLIN);
    }
}

static void
read_requests(struct responder *r, struct client *client)
{
    static char bytes[65536];
    ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        drop(r, client);
        return;
    }
    for (ssize_t i = 0; i < n; i++) {
        bool goes_on = bytes[i] == "\r\n\r\n"[client->matched];
        client->matched = goes_on ? client->matched + 1 : bytes[i] == '\r';
        if (client->matched == 4) {
            client->matched = 0;
            set_state(r, client, CLIENT_WAITING);
        }
    }
}

/* The whole answer in one write where the socket takes it. */
static void
send_answer(struct responder *r, struct client *client)
{
    ssize_t n = send(client->fd, r->answer.bytes + client->sent, r->answer.size - client->sent,
                     MSG_NOSIGNAL);
    if (n < 0 && errno != EAGAIN) {
        drop(r, client);
        return;
    }
    client->sent += n > 0 ? (size_t)n : 0;
    bool was_answering = client->state == CLIENT_ANSWERING;
    bool is_answering = client->sent < r->answer.size;
    if (was_answering != is_answering) {
        watch(r, EPOLL_CTL_MOD, client->fd, is_answering ? EPOLLIN | EPOLLOUT : EPOLLIN);
    }
    client->sent = is_answering ? client->sent : 0;
    set_state(r, client, is_answering ? CLIENT_ANSWERING : CLIENT_IDLE);
}

/* False on the end of stdin. */
static bool
read_body_size(size_t *size_out)
{
    char line[64];
    ssize_t n = read(STDIN_FILENO, line, sizeof line - 1);
    if (n <= 0) {
        return false;
    }
    line[n] = '\0';
    *size_out = strtoul(line, NULL, 10);
    return true;
}

static void
build_answer(struct buf *answer, size_t body_size)
{
    buf_clear(answer);
    buf_printf(answer,
               "HTTP/1.1 200 OK\r\ncontent-type: application/json; charset=utf-8\r\n"
               "content-length: %zu\r\n\r\n",
               body_size);
    memset(buf_grow(answer, body_size), 'x', body_size);
}

/* One turn; false when there was nothing. */
static bool
turn(struct responder *r, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(r->epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++) {
        int fd = events[i].data.fd;
        if (fd == r->listen_fd) {
            accept_all(r);
        } else if (fd == STDIN_FILENO) {
            r->has_line = true;
        } else if ((events[i].events & EPOLLOUT) != 0) {
            send_answer(r, r->clients[fd]);
        } else {
            read_requests(r, r->clients[fd]);
        }
    }
    return count > 0;
}

static void
answer_all(struct responder *r, size_t body_size)
{
    build_answer(&r->answer, body_size);
    while (turn(r, 0)) { /* requests that were sent before the line was written are answered too */
    }
    size_t count = r->count[CLIENT_WAITING];
    for (size_t fd = 0; fd < r->client_max; fd++) {
        struct client *client = r->clients[fd];
        if (client != NULL && client->state == CLIENT_WAITING) {
            send_answer(r, client);
        }
    }
    while (r->count[CLIENT_ANSWERING] > 0) {
        (void)turn(r, -1);
    }
    static double cpu_before;
    double cpu = own_cpu_seconds();
    printf("done count=%zu cpu=%f\n", count, cpu - cpu_before);
    (void)fflush(stdout);
    cpu_before = cpu;
}

static void
start(struct responder *r, uint16_t port)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files); /* a lower limit shows when it is met */
    r->client_max = files.rlim_cur < (1u << 20) ? (size_t)files.rlim_cur : 1u << 20;
    r->clients = mem_alloc_zero(r->client_max * sizeof(struct client *));
    r->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int one = 1;
    (void)setsockopt(r->listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(r->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(r->listen_fd, BACKLOG) != 0) {
        fail("listen");
    }
    watch(r, EPOLL_CTL_ADD, r->listen_fd, EPOLLIN);
    watch(r, EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN);
}

int
main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_epoll PORT\n");
        return 2;
    }
    struct responder r = {0};
    start(&r, (uint16_t)strtoul(argv[1], NULL, 10));
    size_t body_size;
    for (;;) {
        (void)turn(&r, -1);
        if (r.has_line) {
            r.has_line = false;
            if (!read_body_size(&body_size)) {
                return EXIT_SUCCESS;
            }
            answer_all(&r, body_size);
        }
    }
}
