#include "services/api/front.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "services/api/client.h"

#define ACCEPTS_PER_TURN 256
/* Out of descriptors: some time until a client has left. */
#define ACCEPT_AGAIN_MS 100
/* What a stream's client may leave unread before it is dropped. */
#define STREAM_BACKLOG_MAX (1u << 20)

/* ---- accepting */

static void on_acceptable(void *ctx, uint32_t events);

static void
start_accepting(void *ctx)
{
    struct front *front = ctx;
    /* Of several processes on the socket one is woken, not all. */
    front->listen_watch = loop_fd_add(front->loop, front->options.listen_fd,
                                      EPOLLIN | EPOLLEXCLUSIVE, on_acceptable, front);
}

static void
on_acceptable(void *ctx, uint32_t events)
{
    struct front *front = ctx;
    (void)events;
    for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(front->options.listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            client_accept(front, fd);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            log_warn("event=accept_failed clients=%zu error=\"%s\"", front_client_count(front),
                     strerror(errno));
            loop_fd_remove(front->listen_watch);
            front->listen_watch = NULL;
            loop_timer_set(&front->accept_again, ACCEPT_AGAIN_MS);
            break;
        }
        if (errno == EAGAIN) {
            break;
        } /* else this one is gone already: the next */
    }
    metrics_set(METRIC_API_CLIENTS, front_client_count(front));
}

/* ---- deadlines and the turn's end */

static void
sweep(struct front *front, enum client_deadline deadline)
{
    uint64_t timeout_ms = client_timeout_ms(front, deadline);
    uint64_t now_ms = loop_now_ms(front->loop);
    struct list *list = &front->deadlines[deadline];
    while (timeout_ms > 0 && !list_is_empty(list)) {
        struct client *client = LIST_ITEM(list->next, struct client, node);
        if (client->since_ms + timeout_ms > now_ms) {
            uint64_t in_ms = client->since_ms + timeout_ms - now_ms;
            if (!loop_timer_is_set(&front->deadline) ||
                front->deadline.deadline_ms > now_ms + in_ms) {
                loop_timer_set(&front->deadline, in_ms);
            }
            return;
        }
        client_close(client);
    }
}

static void
on_deadline(void *ctx)
{
    struct front *front = ctx;
    for (int i = 0; i < CLIENT_DEADLINES; i++) {
        sweep(front, (enum client_deadline)i);
    }
}

static void
on_turn_end(void *ctx)
{
    struct front *front = ctx;
    while (!list_is_empty(&front->ready)) {
        client_continue(LIST_ITEM(front->ready.next, struct client, ready_node));
    }
    links_flush(front->links);
    if (!list_is_empty(&front->dead)) {
        client_free_dead(front);
        metrics_set(METRIC_API_CLIENTS, front_client_count(front));
    }
}

/* ---- answers */

static struct client *
client_of(struct front *front, struct api_request *request, enum client_state state)
{
    struct client *client = ((struct request *)(void *)request)->client;
    ASSERT(client->front == front && client->state == state);
    return client;
}

static void
append_connection(const struct client *client, struct buf *head)
{
    bool keeps_alive = client->keeps_alive && !client->front->is_stopping;
    if (!keeps_alive) {
        buf_append_str(head, "connection: close\r\n");
    } else if (client->is_1_0) {
        buf_append_str(head, "connection: keep-alive\r\n");
    }
}

void
front_answer(struct front *front, struct api_request *request, struct answer *answer)
{
    struct client *client = client_of(front, request, CLIENT_SERVING);
    ASSERT(answer->part_count <= ANSWER_PARTS_MAX);
    size_t size = 0;
    for (size_t i = 0; i < answer->part_count; i++) {
        size += answer->parts[i].size;
    }
    append_connection(client, &answer->head);
    if (!answer->no_body) {
        buf_append_str(&answer->head, "content-length: ");
        buf_append_u64(&answer->head, size);
        buf_append(&answer->head, "\r\n", 2);
    }
    buf_append(&answer->head, "\r\n", 2);
    writer_push_bytes(&client->writer, &answer->head);
    bool has_body = !answer->no_body && !client->is_head;
    for (size_t i = 0; has_body && i < answer->part_count; i++) {
        const struct answer_part *part = &answer->parts[i];
        if (part->blob != NULL) {
            writer_push_blob(&client->writer, part->blob, part->from, part->size);
        } else {
            writer_push_file(&client->writer, part->fd, part->position, part->size);
        }
    }
    client_free_request(client);
    client_set_state(client, CLIENT_WRITING);
    metrics_add(METRIC_API_ANSWERS, 1);
    client_send(client);
}

void
front_begin_stream(struct front *front, struct api_request *request, struct buf *head)
{
    struct client *client = client_of(front, request, CLIENT_SERVING);
    client->keeps_alive = client->keeps_alive && !client->is_1_0; /* its end is the stream's */
    append_connection(client, head);
    if (!client->is_1_0) {
        buf_append_str(head, "transfer-encoding: chunked\r\n");
    }
    buf_append(head, "\r\n", 2);
    writer_push_bytes(&client->writer, head);
    client_set_state(client, CLIENT_STREAMING);
    client_send_later_closed(client);
}

bool
front_stream(struct front *front, struct api_request *request, struct blob *blob)
{
    struct client *client = client_of(front, request, CLIENT_STREAMING);
    if (client->writer.size + blob->size > STREAM_BACKLOG_MAX) {
        return false;
    }
    if (blob->size == 0 || client->is_head) {
        return true; /* an empty chunk would be the last one */
    }
    struct buf frame = {0};
    if (!client->is_1_0) {
        buf_printf(&frame, "%zx\r\n", blob->size);
        writer_push_bytes(&client->writer, &frame);
    }
    writer_push_blob(&client->writer, blob, 0, blob->size);
    if (!client->is_1_0) {
        buf_append(&frame, "\r\n", 2);
        writer_push_bytes(&client->writer, &frame);
    }
    client_send_later_closed(client);
    return true;
}

void
front_end_stream(struct front *front, struct api_request *request)
{
    struct client *client = client_of(front, request, CLIENT_STREAMING);
    if (!client->is_1_0 && !client->is_head) {
        struct buf end = {0};
        buf_append_str(&end, "0\r\n\r\n");
        writer_push_bytes(&client->writer, &end);
    }
    client_free_request(client);
    client_set_state(client, CLIENT_WRITING);
    client_send(client);
}

/* ---- start and end */

bool
front_open(const struct front_options *options, struct front **front_out, struct err *err)
{
    struct front *front = mem_alloc_zero(sizeof *front);
    front->options = *options;
    front->loop = options->loop;
    if (!links_open(front->loop, &front->links, err)) {
        mem_free(front);
        return false;
    }
    for (size_t i = 0; i < CLIENT_DEADLINES; i++) {
        list_init(&front->deadlines[i]);
    }
    list_init(&front->ready);
    list_init(&front->dead);
    loop_timer_init(&front->accept_again, front->loop, start_accepting, front);
    loop_timer_init(&front->deadline, front->loop, on_deadline, front);
    loop_on_turn_end(front->loop, on_turn_end, front);
    start_accepting(front);
    *front_out = front;
    return true;
}

size_t
front_client_count(const struct front *front)
{
    size_t count = 0;
    for (size_t i = 0; i < CLIENT_DEAD; i++) {
        count += front->count[i];
    }
    return count;
}

void
front_stop_accepting(struct front *front)
{
    front->is_stopping = true;
    loop_timer_clear(&front->accept_again);
    loop_fd_remove(front->listen_watch);
    front->listen_watch = NULL;
    LIST_FOREACH (node, &front->deadlines[CLIENT_READS]) {
        struct client *client = LIST_ITEM(node, struct client, node);
        if (client->state == CLIENT_READING && client->in.size == 0) {
            client_close(client);
        }
    }
}

bool
front_is_idle(const struct front *front)
{
    return front->count[CLIENT_PARSING] + front->count[CLIENT_SERVING] +
               front->count[CLIENT_WRITING] + front->count[CLIENT_STREAMING] ==
           0;
}

void
front_close(struct front *front)
{
    if (front == NULL) {
        return;
    }
    front_stop_accepting(front);
    for (size_t i = 0; i < CLIENT_DEADLINES; i++) {
        while (!list_is_empty(&front->deadlines[i])) {
            client_close(LIST_ITEM(front->deadlines[i].next, struct client, node));
        }
    }
    client_free_dead(front);
    links_close(front->links);
    loop_timer_clear(&front->deadline);
    close(front->options.listen_fd);
    mem_free(front);
}
