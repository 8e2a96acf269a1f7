#include "services/api/links.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"

/* One thread of civetweb reads 100,000 heads a second; the second link keeps it fed. */
#define LINK_COUNT 2
/* Two more threads than links: a link that just died, and a stranger. */
#define PARSER_THREADS 4
/* What is under way on a link, and has to go out again when it breaks. */
#define IN_FLIGHT_MAX 256
#define OUT_BYTES_MAX ((size_t)64 * 1024)
#define TRIES_MAX     2
/* After a failed connect, which only a host without descriptors or memory has. */
#define RETRY_MS 50

/* From here on the next link gets some too, so that two threads of civetweb read. */
#define IN_FLIGHT_SHARED 64

struct links_entry {
    struct list node; /* in links->waiting or in a link's in_flight */
    bool is_waiting;
    links_fn fn; /* NULL: cancelled */
    void *ctx;
    struct buf head;  /* as it goes out, but for the tag */
    size_t line_size; /* of its request line: the tag stands behind it */
    uint64_t number;
    unsigned tries;
};

struct link {
    struct loop_job settle; /* runs when all that civetweb has posted for this link is through */
    struct list node;       /* in links->broken */
    struct links *links;    /* NULL: they are closed, and settle only frees */
    uint64_t id;
    int fd;
    struct loop_fd *watch;
    struct buf out;
    size_t out_sent;
    struct list in_flight; /* the oldest first */
    size_t in_flight_count;
    uint64_t next_number;
};

struct links {
    struct loop *loop;
    struct http_server *parser;
    struct list waiting;
    struct link *open[LINK_COUNT]; /* NULL: opened when needed */
    struct list broken;
    struct loop_timer retry;
    uint64_t next_id;
};

static void
free_entry(struct links_entry *entry)
{
    list_remove(&entry->node);
    buf_free(&entry->head);
    mem_free(entry);
}

/* ---- a link's life */

static void
free_link(struct link *link)
{
    LIST_FOREACH (node, &link->in_flight) {
        free_entry(LIST_ITEM(node, struct links_entry, node));
    }
    buf_free(&link->out);
    mem_free(link);
}

/* Everything behind the oldest goes out again as it was; civetweb never saw it. */
static void
run_settle(struct loop_job *job)
{
    struct link *link = (struct link *)(void *)job;
    struct links *links = link->links;
    if (links == NULL) {
        free_link(link);
        return;
    }
    list_remove(&link->node);
    links_fn refused = NULL;
    void *ctx = NULL;
    while (!list_is_empty(&link->in_flight)) {
        struct links_entry *entry = LIST_ITEM(link->in_flight.prev, struct links_entry, node);
        list_remove(&entry->node);
        bool is_oldest = list_is_empty(&link->in_flight);
        if (entry->fn != NULL && !(is_oldest && ++entry->tries == TRIES_MAX)) {
            entry->is_waiting = true;
            list_push_front(&links->waiting, &entry->node);
            continue;
        }
        refused = entry->fn;
        ctx = entry->ctx;
        free_entry(entry);
    }
    free_link(link);
    if (refused != NULL) {
        refused(ctx, NULL);
    }
}

static void
break_link(struct link *link)
{
    struct links *links = link->links;
    for (size_t i = 0; i < LINK_COUNT; i++) {
        if (links->open[i] == link) {
            links->open[i] = NULL;
        }
    }
    loop_fd_remove(link->watch);
    close(link->fd);
    link->fd = -1;
    list_push_back(&links->broken, &link->node);
    link->settle.run = run_settle;
    loop_post(links->loop, &link->settle); /* behind what civetweb posted before it closed */
}

static void
write_link(struct link *link)
{
    while (link->out_sent < link->out.size) {
        ssize_t n = send(link->fd, link->out.bytes + link->out_sent,
                         link->out.size - link->out_sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) { /* ENOTCONN: still connecting. What is really wrong shows as EPOLLERR. */
            loop_fd_set(link->watch, EPOLLIN | EPOLLOUT);
            return;
        }
        link->out_sent += (size_t)n;
    }
    link->out_sent = 0;
    buf_clear(&link->out);
    loop_fd_set(link->watch, EPOLLIN);
}

static void
on_link(void *ctx, uint32_t events)
{
    struct link *link = ctx;
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        char refusal[4096]; /* civetweb's words to whoever sent the head; ours are others */
        ssize_t n = recv(link->fd, refusal, sizeof refusal, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
            break_link(link);
            return;
        }
    }
    if ((events & EPOLLOUT) != 0) {
        write_link(link);
        links_flush(link->links);
    }
}

static bool
connect_link(const struct links *links, int fd)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* only slower without */
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(http_server_port(links->parser)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    return connect(fd, (struct sockaddr *)&address, sizeof address) == 0 || errno == EINPROGRESS;
}

/* NULL when it cannot be opened now; then a timer tries again. */
static struct link *
open_link(struct links *links)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || !connect_link(links, fd)) {
        log_warn("event=link_failed error=\"%s\"", strerror(errno));
        if (fd >= 0) {
            close(fd);
        }
        loop_timer_set(&links->retry, RETRY_MS);
        return NULL;
    }
    struct link *link = mem_alloc_zero(sizeof *link);
    link->links = links;
    link->id = ++links->next_id;
    link->fd = fd;
    list_init(&link->node);
    list_init(&link->in_flight);
    link->watch = loop_fd_add(links->loop, fd, EPOLLIN, on_link, link);
    return link;
}

/* ---- what comes back */

static struct link *
find_link(struct links *links, uint64_t id)
{
    for (size_t i = 0; i < LINK_COUNT; i++) {
        if (links->open[i] != NULL && links->open[i]->id == id) {
            return links->open[i];
        }
    }
    LIST_FOREACH (node, &links->broken) {
        struct link *link = LIST_ITEM(node, struct link, node);
        if (link->id == id) {
            return link;
        }
    }
    return NULL;
}

static void
on_parsed(void *ctx, struct http_parsed *parsed)
{
    struct link *link = find_link(ctx, parsed->connection);
    if (link == NULL || list_is_empty(&link->in_flight)) {
        mem_free(parsed);
        return;
    }
    struct links_entry *entry = LIST_ITEM(link->in_flight.next, struct links_entry, node);
    ASSERT(entry->number == parsed->number); /* a link is read in order */
    links_fn fn = entry->fn;
    void *entry_ctx = entry->ctx;
    link->in_flight_count--;
    free_entry(entry);
    if (fn != NULL) {
        fn(entry_ctx, parsed);
    } else {
        mem_free(parsed);
    }
}

/* ---- what goes out */

/*
 * Composed from what was understood; nothing of the client's framing reaches a link. The method is
 * known already, so every head is a GET: civetweb has ways of its own with OPTIONS, with bodies and
 * with methods that it does not know.
 */
static void
compose(struct links_entry *entry, const struct http_head *head)
{
    struct buf *out = &entry->head;
    buf_append_str(out, "GET ");
    if (view_is(head->target, "*")) {
        buf_append_byte(out, '/');
    }
    buf_append_view(out, head->target);
    buf_append_str(out, " HTTP/1.1\r\n");
    entry->line_size = out->size;
    for (size_t i = 0; i < HTTP_HEADER_COUNT; i++) {
        const char *name = http_header_name((enum http_used_header)i);
        struct view value = http_head_find(head, name);
        if (value.size > 0) {
            buf_append_str(out, name);
            buf_append(out, ": ", 2);
            buf_append_view(out, value);
            buf_append(out, "\r\n", 2);
        }
    }
    buf_append(out, "\r\n", 2);
}

struct links_entry *
links_submit(struct links *links, const struct http_head *head, links_fn fn, void *ctx)
{
    struct links_entry *entry = mem_alloc_zero(sizeof *entry);
    entry->fn = fn;
    entry->ctx = ctx;
    entry->is_waiting = true;
    compose(entry, head);
    list_push_back(&links->waiting, &entry->node);
    return entry;
}

void
links_cancel(struct links_entry *entry)
{
    entry->fn = NULL;
    if (entry->is_waiting) {
        free_entry(entry);
    }
}

static void
put(struct link *link, struct links_entry *entry)
{
    entry->is_waiting = false;
    entry->number = link->next_number++;
    list_remove(&entry->node);
    list_push_back(&link->in_flight, &entry->node);
    link->in_flight_count++;
    buf_append(&link->out, entry->head.bytes, entry->line_size);
    http_parser_append_tag(link->links->parser, link->id, entry->number, &link->out);
    buf_append(&link->out, entry->head.bytes + entry->line_size,
               entry->head.size - entry->line_size);
}

/* The first link that is not busy, else the one with the most room; NULL when none has any. */
static struct link *
pick(struct links *links)
{
    struct link *best = NULL;
    for (size_t i = 0; i < LINK_COUNT; i++) {
        if (links->open[i] == NULL && !loop_timer_is_set(&links->retry)) {
            links->open[i] = open_link(links);
        }
        struct link *link = links->open[i];
        if (link == NULL || link->in_flight_count >= IN_FLIGHT_MAX ||
            link->out.size >= OUT_BYTES_MAX) {
            continue;
        }
        if (link->in_flight_count < IN_FLIGHT_SHARED) {
            return link;
        }
        if (best == NULL || link->in_flight_count < best->in_flight_count) {
            best = link;
        }
    }
    return best;
}

void
links_flush(struct links *links)
{
    struct link *link;
    while (!list_is_empty(&links->waiting) && (link = pick(links)) != NULL) {
        put(link, LIST_ITEM(links->waiting.next, struct links_entry, node));
    }
    for (size_t i = 0; i < LINK_COUNT; i++) {
        if (links->open[i] != NULL && links->open[i]->out.size > 0) {
            write_link(links->open[i]);
        }
    }
}

/* ---- start and end */

static void
on_retry(void *ctx)
{
    links_flush(ctx);
}

bool
links_open(struct loop *loop, struct links **links_out, struct err *err)
{
    struct links *links = mem_alloc_zero(sizeof *links);
    links->loop = loop;
    list_init(&links->waiting);
    list_init(&links->broken);
    loop_timer_init(&links->retry, loop, on_retry, links);
    if (!http_server_parser(loop, PARSER_THREADS, on_parsed, links, &links->parser, err)) {
        mem_free(links);
        return false;
    }
    *links_out = links;
    return true;
}

void
links_close(struct links *links)
{
    if (links == NULL) {
        return;
    }
    loop_timer_clear(&links->retry);
    for (size_t i = 0; i < LINK_COUNT; i++) {
        if (links->open[i] != NULL) { /* civetweb's threads see the end at once */
            loop_fd_remove(links->open[i]->watch);
            close(links->open[i]->fd);
            free_link(links->open[i]);
        }
    }
    http_server_close(links->parser);
    LIST_FOREACH (node, &links->broken) {
        struct link *link = LIST_ITEM(node, struct link, node);
        list_remove(&link->node);
        link->links = NULL;
    }
    LIST_FOREACH (node, &links->waiting) {
        free_entry(LIST_ITEM(node, struct links_entry, node));
    }
    mem_free(links);
}
