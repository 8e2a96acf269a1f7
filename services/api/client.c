#include "services/api/client.h"

#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/core/http_route.h"
#include "common/core/shape_reply.h"
#include "common/mem.h"

#define READ_BYTES ((size_t)64 * 1024)
/* What a client may pipeline while it waits; then its socket is not read. */
#define AHEAD_BYTES_MAX ((size_t)64 * 1024)
#define LINGER_MS       2000

/* ---- state, deadlines, events */

void
client_set_state(struct client *client, enum client_state state)
{
    client->front->count[client->state]--;
    client->front->count[state]++;
    client->state = state;
}

uint64_t
client_timeout_ms(const struct front *front, enum client_deadline deadline)
{
    switch (deadline) {
    case CLIENT_READS:
        return front->options.tcp_read_timeout_ms;
    case CLIENT_WRITES:
        return front->options.tcp_send_timeout_ms;
    case CLIENT_LINGERS:
        return LINGER_MS;
    case CLIENT_NO_DEADLINE:
    case CLIENT_DEADLINES:
        return 0;
    }
    BUG("every deadline is placed");
}

void
client_expect(struct client *client, enum client_deadline deadline)
{
    struct front *front = client->front;
    client->deadline = deadline;
    client->since_ms = loop_now_ms(front->loop);
    list_remove(&client->node);
    list_push_back(&front->deadlines[deadline], &client->node);
    uint64_t in_ms = client_timeout_ms(front, deadline);
    if (in_ms == 0) {
        return;
    }
    if (!loop_timer_is_set(&front->deadline) ||
        front->deadline.deadline_ms > client->since_ms + in_ms) {
        loop_timer_set(&front->deadline, in_ms);
    }
}

/* It is read unless it has sent too much ahead, and written when something is left to write. */
static void
update_events(struct client *client)
{
    bool is_waiting = client->state == CLIENT_PARSING || client->state == CLIENT_SERVING ||
                      client->state == CLIENT_WRITING || client->state == CLIENT_STREAMING;
    bool is_ahead = client->in.size >= AHEAD_BYTES_MAX ||
                    (client->in.size > 0 && client->front->held_bytes > FRONT_HELD_BYTES_MAX);
    uint32_t events = client->is_ended || (is_waiting && is_ahead) ? 0 : EPOLLIN;
    events |= client->writer.first != NULL ? EPOLLOUT : 0;
    loop_fd_set(client->watch, events);
}

/* ---- bytes held for a client, counted together for all */

static void
append_in(struct client *client, struct view bytes)
{
    buf_append_view(&client->in, bytes);
    client->front->held_bytes += bytes.size;
}

/* Forgets `size` bytes at `from`. An idle client holds no memory for input. */
static void
erase_in(struct client *client, size_t from, size_t size)
{
    struct buf *in = &client->in;
    memmove(in->bytes + from, in->bytes + from + size, in->size - from - size);
    in->size -= size;
    client->front->held_bytes -= size;
    if (in->size == 0) {
        buf_free(in);
    }
}

void
client_free_request(struct client *client)
{
    struct request *request = client->request;
    client->request = NULL;
    client->front->held_bytes -= request->body.size;
    mem_free(request->parsed);
    buf_free(&request->path);
    buf_free(&request->body);
    mem_free(request);
}

/* ---- the end */

void
client_close(struct client *client)
{
    struct front *front = client->front;
    if (client->state == CLIENT_DEAD) {
        return;
    }
    bool was_served = client->state == CLIENT_SERVING || client->state == CLIENT_STREAMING;
    client_set_state(client, CLIENT_DEAD);
    loop_fd_remove(client->watch);
    close(client->fd);
    list_remove(&client->ready_node);
    list_remove(&client->node);
    list_push_back(&front->dead, &client->node);
    if (client->entry != NULL) {
        links_cancel(client->entry);
        client->entry = NULL;
    }
    if (was_served) {
        front->options.on_gone(front->options.ctx, &client->request->api);
    }
    if (client->request != NULL) {
        client_free_request(client);
    }
    front->held_bytes -= client->in.size;
    buf_free(&client->in);
    writer_clear(&client->writer);
}

void
client_free_dead(struct front *front)
{
    LIST_FOREACH (node, &front->dead) {
        struct client *client = LIST_ITEM(node, struct client, node);
        list_remove(&client->node);
        front->count[CLIENT_DEAD]--;
        mem_free(client);
    }
}

/* A socket that is closed with bytes unread resets the connection, and the answer may be lost. */
static void
linger(struct client *client)
{
    client_set_state(client, CLIENT_LINGERING);
    if (client->in.size > 0) {
        erase_in(client, 0, client->in.size);
    }
    client_expect(client, CLIENT_LINGERS);
    update_events(client);
    (void)shutdown(client->fd, SHUT_WR); /* fails when the client is gone already: seen by recv */
}

static void
answer_is_out(struct client *client)
{
    bool is_last = !client->keeps_alive || client->front->is_stopping;
    if (client->is_ended && (is_last || client->in.size == 0)) {
        client_close(client);
        return;
    }
    if (is_last) {
        linger(client);
        return;
    }
    client_set_state(client, CLIENT_READING);
    client_expect(client, CLIENT_READS);
    update_events(client);
    if (client->in.size > 0) {
        list_push_back(&client->front->ready, &client->ready_node);
    }
}

/* False when the socket failed. */
static bool
send_some(struct client *client)
{
    size_t sent;
    enum writer_progress progress = writer_write(&client->writer, client->fd, &sent);
    if (progress == WRITER_BLOCKED && !writer_own_files(&client->writer)) {
        progress = WRITER_FAILED;
    }
    switch (progress) {
    case WRITER_DONE:
        if (client->state == CLIENT_WRITING) {
            answer_is_out(client);
            return true;
        }
        if (client->state == CLIENT_STREAMING) {
            client_expect(client, CLIENT_NO_DEADLINE);
        }
        update_events(client);
        return true;
    case WRITER_BLOCKED:
        if (client->state != CLIENT_BODY && (sent > 0 || client->deadline != CLIENT_WRITES)) {
            client_expect(client, CLIENT_WRITES);
        }
        update_events(client);
        return true;
    case WRITER_FAILED:
        return false;
    }
    BUG("every progress is placed");
}

void
client_send(struct client *client)
{
    if (!send_some(client)) {
        client_close(client);
    }
}

void
client_send_later_closed(struct client *client)
{
    if (!client->is_failed && !send_some(client)) {
        client->is_failed = true;
        list_remove(&client->ready_node);
        list_push_back(&client->front->ready, &client->ready_node);
    }
}

void
client_refuse(struct client *client, unsigned status, const char *why)
{
    if (client->request != NULL) {
        client_free_request(client);
    }
    char id[32];
    snprintf(id, sizeof id, "refused-%016" PRIx64, clock_random_u64());
    struct reply_client to = {.own_request_id = view_str(id),
                              .date_s = (int64_t)(clock_wall_us() / 1000000u)};
    struct reply reply = {.status = status, .kind = REPLY_SHAPE};
    struct buf text = {0};
    reply_head(&to, &reply, &text);
    buf_printf(&text, "connection: close\r\ncontent-length: %zu\r\n\r\n{\"error\":\"%s\"}",
               strlen(why) + 12, why);
    writer_push_bytes(&client->writer, &text);
    client->keeps_alive = false;
    client_set_state(client, CLIENT_WRITING);
    client_send(client);
}

/* ---- a request: head, body, what civetweb read */

static void
on_parsed(void *ctx, struct http_parsed *parsed)
{
    struct client *client = ctx;
    struct front *front = client->front;
    struct request *request = client->request;
    client->entry = NULL;
    if (parsed == NULL) {
        client_refuse(client, 400, "the request is malformed");
        return;
    }
    request->parsed = parsed;
    struct api_request *api = &request->api;
    if (http_path_normalise(parsed->raw_path, &request->path)) {
        api->path = buf_view(&request->path);
    } /* else it stays empty, which is no route */
    api->query = parsed->query;
    api->if_none_match = parsed->headers[HTTP_IF_NONE_MATCH];
    api->origin = parsed->headers[HTTP_ORIGIN];
    api->request_id = parsed->headers[HTTP_REQUEST_ID];
    api->accept_encoding = parsed->headers[HTTP_ACCEPT_ENCODING];
    api->content_type = parsed->headers[HTTP_CONTENT_TYPE];
    api->authorization = parsed->headers[HTTP_AUTHORIZATION];
    api->access_control_request_headers = parsed->headers[HTTP_ACCESS_CONTROL_REQUEST_HEADERS];
    api->body = buf_view(&request->body);
    api->is_ended = client->is_ended;
    client_set_state(client, CLIENT_SERVING);
    front->options.on_request(front->options.ctx, api);
}

static void
submit(struct client *client, const struct http_head *head)
{
    client_expect(client, CLIENT_NO_DEADLINE);
    client_set_state(client, CLIENT_PARSING);
    client->entry = links_submit(client->front->links, head, on_parsed, client);
}

static void
ask_for_body(struct client *client)
{
    struct buf text = {0};
    buf_append_str(&text, "HTTP/1.1 100 Continue\r\n\r\n");
    writer_push_bytes(&client->writer, &text);
    client_send(client);
}

/* The head that stands at the start of `bytes`. */
static void
begin_request(struct client *client, const struct http_head *head)
{
    struct request *request = mem_alloc_zero(sizeof *request);
    request->client = client;
    request->api.method = head->method;
    request->api.received_ms = loop_now_ms(client->front->loop);
    list_init(&request->api.user_node);
    client->request = request;
    client->scanned = 0;
    client->keeps_alive = head->keeps_alive;
    client->is_head = head->method == HTTP_HEAD;
    client->is_1_0 = head->is_1_0;
    if (head->body == HTTP_BODY_NONE) {
        submit(client, head);
        return;
    }
    request->body_kind = head->body;
    request->body_size = head->body_size;
    request->head_size = head->size;
    client_set_state(client, CLIENT_BODY);
    if (head->wants_continue && client->in.size == head->size) {
        ask_for_body(client);
    }
}

/* Moves body bytes from behind the head into the request. */
static enum http_progress
take_body(struct client *client, struct http_refusal *refusal)
{
    struct request *request = client->request;
    struct view bytes =
        view_of(client->in.bytes + request->head_size, client->in.size - request->head_size);
    size_t before = request->body.size;
    size_t taken;
    enum http_progress progress;
    if (request->body_kind == HTTP_BODY_CHUNKED) {
        progress = http_chunks_decode(&request->chunks, bytes, &taken, &request->body,
                                      HTTP_BODY_MAX, refusal);
    } else {
        uint64_t left = request->body_size - request->body.size;
        taken = bytes.size < left ? bytes.size : (size_t)left;
        buf_append(&request->body, bytes.bytes, taken);
        progress = taken == left ? HTTP_DONE : HTTP_MORE;
    }
    client->front->held_bytes += request->body.size - before;
    if (taken > 0) {
        erase_in(client, request->head_size, taken);
    }
    return progress;
}

/* The head is read once more from where it stood all the time, and goes out. */
static void
end_body(struct client *client)
{
    struct http_head head;
    struct http_refusal refusal;
    size_t scanned = 0;
    enum http_progress progress = http_head_parse(buf_view(&client->in), &scanned, &head, &refusal);
    ASSERT(progress == HTTP_DONE);
    size_t head_size = head.size;
    submit(client, &head);
    erase_in(client, 0, head_size);
}

static void
continue_body(struct client *client)
{
    struct http_refusal refusal;
    switch (take_body(client, &refusal)) {
    case HTTP_MORE:
        return;
    case HTTP_DONE:
        end_body(client);
        return;
    case HTTP_REFUSED:
        client_refuse(client, refusal.status, refusal.why);
        return;
    }
}

/* Looks for a head at the start of `bytes`, which are client->in or were just read. */
static enum http_progress
find_head(struct client *client, struct view bytes, struct http_head *head)
{
    struct http_refusal refusal;
    enum http_progress progress = http_head_parse(bytes, &client->scanned, head, &refusal);
    if (progress == HTTP_REFUSED) {
        client_refuse(client, refusal.status, refusal.why);
    }
    return progress;
}

void
client_continue(struct client *client)
{
    struct http_head head;
    list_remove(&client->ready_node);
    if (client->is_failed) {
        client_close(client);
        return;
    }
    if (client->state == CLIENT_READING &&
        find_head(client, buf_view(&client->in), &head) == HTTP_DONE) {
        begin_request(client, &head);
        if (client->state == CLIENT_PARSING) {
            erase_in(client, 0, head.size);
        }
    }
    if (client->state == CLIENT_BODY) {
        continue_body(client);
    }
    bool is_incomplete = client->state == CLIENT_READING || client->state == CLIENT_BODY;
    if (client->is_ended && is_incomplete) {
        client_close(client); /* the rest will not come */
    }
    if (client->state != CLIENT_DEAD) {
        update_events(client);
    }
}

/* Nearly every request comes whole in one read and is not even copied. */
static bool
take_whole(struct client *client, struct view bytes)
{
    struct http_head head;
    if (client->state != CLIENT_READING || client->in.size > 0) {
        return false;
    }
    switch (find_head(client, bytes, &head)) {
    case HTTP_MORE:
        return false;
    case HTTP_REFUSED:
        return true;
    case HTTP_DONE:
        break;
    }
    if (head.body != HTTP_BODY_NONE) {
        client->scanned = 0;
        return false;
    }
    begin_request(client, &head);
    if (head.size < bytes.size) {
        append_in(client, view_of(bytes.bytes + head.size, bytes.size - head.size));
    }
    return true;
}

/*
 * It has shut its side down, or closed: that looks alike until something is sent. What it asked for
 * is answered; what would wait is not waited for.
 */
static void
on_end(struct client *client)
{
    const struct front_options *options = &client->front->options;
    bool has_next = client->state == CLIENT_READING && !list_is_empty(&client->ready_node);
    bool is_asked = client->state == CLIENT_PARSING || client->state == CLIENT_WRITING;
    bool is_served = client->state == CLIENT_SERVING || client->state == CLIENT_STREAMING;
    if (client->is_ended || !(has_next || is_asked || is_served)) {
        client_close(client);
        return;
    }
    client->is_ended = true;
    update_events(client);
    if (is_served) {
        client->request->api.is_ended = true;
        if (options->on_ended == NULL || !options->on_ended(options->ctx, &client->request->api)) {
            client_close(client);
        }
    }
}

static void
on_readable(struct client *client)
{
    static uint8_t bytes[READ_BYTES]; /* the loop's thread alone */
    ssize_t n = recv(client->fd, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n == 0) {
        on_end(client);
        return;
    }
    if (n < 0) {
        client_close(client);
        return;
    }
    if (client->state == CLIENT_LINGERING || take_whole(client, view_of(bytes, (size_t)n))) {
        return;
    }
    append_in(client, view_of(bytes, (size_t)n));
    if (client->front->held_bytes > FRONT_HELD_BYTES_MAX &&
        (client->state == CLIENT_READING || client->state == CLIENT_BODY)) {
        client_refuse(client, 503, "too many bytes of requests are waiting");
        return;
    }
    client_continue(client);
}

static void
on_events(void *ctx, uint32_t events)
{
    struct client *client = ctx;
    if ((events & EPOLLOUT) != 0) {
        client_send(client);
    }
    if (client->state != CLIENT_DEAD && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
        on_readable(client);
    }
}

void
client_accept(struct front *front, int fd)
{
    int one = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one); /* only slower without */
    struct client *client = mem_alloc_zero(sizeof *client);
    client->front = front;
    client->fd = fd;
    client->state = CLIENT_READING;
    front->count[CLIENT_READING]++;
    list_init(&client->node);
    list_init(&client->ready_node);
    client->watch = loop_fd_add(front->loop, fd, EPOLLIN, on_events, client);
    client_expect(client, CLIENT_READS);
}
