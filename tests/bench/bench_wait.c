/*
 * bench_wait PORT CLIENTS - many clients that wait for one answer, on keep-alive connections.
 *
 * Prints `open` when all are connected to 127.0.0.1:PORT. For each line on stdin, a request target,
 * all send a GET; then `waiting`; and when each has a whole answer, or after 60 s:
 *
 *     done first=NS last=NS ok=N bytes=N cpu=SECONDS
 *
 * first and last on CLOCK_MONOTONIC, ok counts the answers with status 200, cpu is our own since
 * the line. A connection that was closed is opened anew before the next line. EOF ends it.
 */
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/mem.h"

#define EVENTS     512
#define BATCH      200
#define LINE_SIZE  128 /* of a head; what is longer is cut, we need none of it */
#define ANSWER_MS  60000
#define CONNECT_MS 10000
#define NS_PER_SEC UINT64_C(1000000000)
#define NS_PER_MS  UINT64_C(1000000)

enum phase {
    PHASE_IDLE,
    PHASE_STATUS,
    PHASE_HEADERS,
    PHASE_BODY,
    PHASE_CHUNK_SIZE,
    PHASE_CHUNK,
    PHASE_CHUNK_END,
    PHASE_TRAILER,
};

struct client {
    int fd; /* -1: not connected */
    enum phase phase;
    bool is_ok;
    bool is_chunked;
    uint64_t left; /* of the body or the chunk */
    size_t line_size;
    char line[LINE_SIZE];
};

struct crowd {
    int epoll_fd;
    uint16_t port;
    struct client *clients;
    size_t count;

    /* this round */
    size_t pending;
    size_t ok;
    uint64_t bytes;
    uint64_t first_ns;
    uint64_t last_ns;
};

static void
fail(const char *what)
{
    fprintf(stderr, "bench_wait: %s: %s\n", what, strerror(errno));
    exit(EXIT_FAILURE);
}

static uint64_t
now_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

static double
own_cpu_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* ---- connecting */

static void
begin_connect(const struct crowd *crowd, struct client *client)
{
    client->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (client->fd < 0) {
        fail("socket");
    }
    int one = 1;
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(crowd->port),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (connect(client->fd, (struct sockaddr *)&address, sizeof address) != 0 &&
        errno != EINPROGRESS) {
        fail("connect");
    }
}

static void
end_connect(const struct crowd *crowd, struct client *client)
{
    struct pollfd writable = {.fd = client->fd, .events = POLLOUT};
    int error = ETIMEDOUT;
    socklen_t size = sizeof error;
    if (poll(&writable, 1, CONNECT_MS) == 1) {
        getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &error, &size);
    }
    if (error != 0) {
        errno = error;
        fail("connect");
    }
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
    if (epoll_ctl(crowd->epoll_fd, EPOLL_CTL_ADD, client->fd, &event) != 0) {
        fail("epoll_ctl");
    }
    client->phase = PHASE_IDLE;
}

/* In batches, so that no backlog overflows. */
static void
connect_all(const struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count;) {
        struct client *batch[BATCH];
        size_t batch_size = 0;
        for (; i < crowd->count && batch_size < BATCH; i++) {
            if (crowd->clients[i].fd < 0) {
                begin_connect(crowd, &crowd->clients[i]);
                batch[batch_size++] = &crowd->clients[i];
            }
        }
        for (size_t k = 0; k < batch_size; k++) {
            end_connect(crowd, batch[k]);
        }
    }
}

/* ---- reading an answer */

static void
finish(struct crowd *crowd, struct client *client)
{
    client->phase = PHASE_IDLE;
    crowd->pending--;
    crowd->ok += client->is_ok;
    crowd->last_ns = now_ns();
    if (crowd->first_ns == 0) {
        crowd->first_ns = crowd->last_ns;
    }
}

static void
take_header(struct client *client)
{
    if (strncasecmp(client->line, "content-length:", 15) == 0) {
        client->left = strtoull(client->line + 15, NULL, 10);
    } else if (strncasecmp(client->line, "transfer-encoding: chunked", 26) == 0) {
        client->is_chunked = true;
    }
}

/* A whole line, without its end. */
static void
take_line(struct crowd *crowd, struct client *client)
{
    bool is_blank = client->line[0] == '\0';
    switch (client->phase) {
    case PHASE_STATUS:
        client->is_ok = strncmp(client->line, "HTTP/1.1 200", 12) == 0;
        client->phase = PHASE_HEADERS;
        break;
    case PHASE_HEADERS:
        if (!is_blank) {
            take_header(client);
        } else if (client->is_chunked) {
            client->phase = PHASE_CHUNK_SIZE;
        } else if (client->left > 0) {
            client->phase = PHASE_BODY;
        } else {
            finish(crowd, client);
        }
        break;
    case PHASE_CHUNK_SIZE:
        client->left = strtoull(client->line, NULL, 16);
        client->phase = client->left > 0 ? PHASE_CHUNK : PHASE_TRAILER;
        break;
    case PHASE_CHUNK_END:
        client->phase = PHASE_CHUNK_SIZE;
        break;
    case PHASE_TRAILER:
        if (is_blank) {
            finish(crowd, client);
        }
        break;
    case PHASE_IDLE:
    case PHASE_BODY:
    case PHASE_CHUNK:
        BUG("these are not read by lines");
    }
}

/* Takes bytes up to the end of a line; gives how many. */
static size_t
take_line_bytes(struct crowd *crowd, struct client *client, const char *bytes, size_t size)
{
    const char *end = memchr(bytes, '\n', size);
    size_t taken = end != NULL ? (size_t)(end - bytes) : size;
    size_t room = sizeof client->line - 1 - client->line_size;
    size_t kept = taken < room ? taken : room;
    memcpy(client->line + client->line_size, bytes, kept);
    client->line_size += kept;
    if (end == NULL) {
        return taken;
    }
    if (client->line_size > 0 && client->line[client->line_size - 1] == '\r') {
        client->line_size--;
    }
    client->line[client->line_size] = '\0';
    client->line_size = 0;
    take_line(crowd, client);
    return taken + 1;
}

static void
take_bytes(struct crowd *crowd, struct client *client, const char *bytes, size_t size)
{
    while (size > 0 && client->phase != PHASE_IDLE) {
        size_t taken;
        if (client->phase == PHASE_BODY || client->phase == PHASE_CHUNK) {
            taken = size < client->left ? size : (size_t)client->left;
            client->left -= taken;
            if (client->left == 0 && client->phase == PHASE_BODY) {
                finish(crowd, client);
            } else if (client->left == 0) {
                client->phase = PHASE_CHUNK_END;
            }
        } else {
            taken = take_line_bytes(crowd, client, bytes, size);
        }
        bytes += taken;
        size -= taken;
    }
}

static void
on_readable(struct crowd *crowd, struct client *client)
{
    static char bytes[256 * 1024];
    ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
    if (n < 0 && errno == EAGAIN) {
        return;
    }
    if (n <= 0) { /* whatever it still waited for does not come */
        if (client->phase != PHASE_IDLE) {
            client->is_ok = false;
            finish(crowd, client);
        }
        close(client->fd);
        client->fd = -1;
        return;
    }
    crowd->bytes += (uint64_t)n;
    take_bytes(crowd, client, bytes, (size_t)n);
}

/* ---- a round */

/* False when there was nothing. */
static bool
turn(struct crowd *crowd, int timeout_ms)
{
    struct epoll_event events[EVENTS];
    int count = epoll_wait(crowd->epoll_fd, events, EVENTS, timeout_ms);
    for (int i = 0; i < count; i++) {
        on_readable(crowd, events[i].data.ptr);
    }
    return count > 0;
}

/* A late answer would be taken for the next round's. */
static void
close_pending(struct crowd *crowd)
{
    for (size_t i = 0; i < crowd->count; i++) {
        struct client *client = &crowd->clients[i];
        if (client->phase != PHASE_IDLE && client->fd >= 0) {
            close(client->fd);
            client->fd = -1;
        }
    }
}

static void
ask_all(struct crowd *crowd, const struct buf *request)
{
    for (size_t i = 0; i < crowd->count; i++) {
        struct client *client = &crowd->clients[i];
        *client = (struct client){.fd = client->fd, .phase = PHASE_STATUS};
        if (send(client->fd, request->bytes, request->size, MSG_NOSIGNAL) !=
            (ssize_t)request->size) {
            client->phase = PHASE_IDLE; /* closed meanwhile: on_readable() sees it */
            continue;
        }
        crowd->pending++;
    }
}

static void
run_round(struct crowd *crowd, const char *target)
{
    double cpu = own_cpu_seconds();
    struct buf request = {0};
    buf_printf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", target);
    while (turn(crowd, 0)) { /* learns which connections were closed */
    }
    connect_all(crowd);
    crowd->pending = crowd->ok = 0;
    crowd->bytes = crowd->first_ns = crowd->last_ns = 0;
    ask_all(crowd, &request);
    printf("waiting\n");
    (void)fflush(stdout);
    uint64_t give_up_ns = now_ns() + ANSWER_MS * NS_PER_MS;
    while (crowd->pending > 0 && now_ns() < give_up_ns) {
        (void)turn(crowd, 100);
    }
    close_pending(crowd);
    printf("done first=%" PRIu64 " last=%" PRIu64 " ok=%zu bytes=%" PRIu64 " cpu=%f\n",
           crowd->first_ns, crowd->last_ns, crowd->ok, crowd->bytes, own_cpu_seconds() - cpu);
    (void)fflush(stdout);
    buf_free(&request);
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: bench_wait PORT CLIENTS\n");
        return 2;
    }
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files); /* a lower limit shows when it is met */

    struct crowd crowd = {.port = (uint16_t)strtoul(argv[1], NULL, 10),
                          .count = strtoul(argv[2], NULL, 10)};
    crowd.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    crowd.clients = mem_alloc_zero(crowd.count * sizeof(struct client));
    for (size_t i = 0; i < crowd.count; i++) {
        crowd.clients[i].fd = -1;
    }
    connect_all(&crowd);
    printf("open\n");
    (void)fflush(stdout);
    char line[8192];
    while (fgets(line, sizeof line, stdin) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        run_round(&crowd, line);
    }
    mem_free(crowd.clients);
    return EXIT_SUCCESS;
}
