#include "common/http_server.h"

#include <civetweb.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/mem.h"

#define TAG_NAME "x-front"
/* A civetweb thread gives up on the loop after this: the loop is stuck, or leaves. */
#define PLAIN_WAIT_S   5
#define PLAIN_THREADS  "4"
#define OPTIONS_MAX    24
#define ADDRESS_SIZE   32
#define SECRET_DIGITS  32
#define HEADER_MAX_STR "36864"
_Static_assert(HTTP_PARSER_HEAD_MAX == 36864, "HEADER_MAX_STR is its text");

struct http_server {
    /* set once before start */
    struct loop *loop;
    struct mg_context *civetweb;
    uint16_t port;
    http_plain_fn plain_fn;
    http_parsed_fn parsed_fn;
    void *ctx;
    char secret[SECRET_DIGITS + 1];

    /* any thread, under lock */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a plain call is done, or the server closes */
    bool is_closed;
    size_t refs; /* the owner and each job under way */
};

static void
ref_locked(struct http_server *server)
{
    server->refs++;
}

/* Gives up one reference, and the lock. */
static void
unref_unlock(struct http_server *server)
{
    bool is_last = --server->refs == 0;
    pthread_mutex_unlock(&server->lock);
    if (is_last) {
        pthread_cond_destroy(&server->changed);
        pthread_mutex_destroy(&server->lock);
        mem_free(server);
    }
}

/* ---- plain: the thread waits for the loop */

struct plain_call {
    struct loop_job job;
    struct http_server *server;
    char *method;
    char *path;
    struct http_reply reply;

    /* any thread, under the server's lock */
    bool is_done;
    bool is_abandoned; /* the thread does not wait any more; the job frees the call */
};

static void
free_call(struct plain_call *call)
{
    mem_free(call->method);
    mem_free(call->path);
    buf_free(&call->reply.body);
    mem_free(call);
}

static void
run_plain_call(struct loop_job *job)
{
    struct plain_call *call = (struct plain_call *)(void *)job;
    struct http_server *server = call->server;
    pthread_mutex_lock(&server->lock);
    bool is_wanted = !call->is_abandoned && !server->is_closed;
    pthread_mutex_unlock(&server->lock);
    if (is_wanted) {
        server->plain_fn(server->ctx, call->method, call->path, &call->reply);
    }
    pthread_mutex_lock(&server->lock);
    call->is_done = true;
    if (call->is_abandoned) {
        free_call(call);
    } else {
        pthread_cond_broadcast(&server->changed);
    }
    unref_unlock(server);
}

/* False when the loop did not answer in time. */
static bool
wait_for_call(struct http_server *server, struct plain_call *call)
{
    struct timespec deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline);
    deadline.tv_sec += PLAIN_WAIT_S;
    pthread_mutex_lock(&server->lock);
    int rc = 0;
    while (!call->is_done && !server->is_closed && rc != ETIMEDOUT) {
        rc = pthread_cond_timedwait(&server->changed, &server->lock, &deadline);
    }
    bool is_done = call->is_done;
    call->is_abandoned = !is_done;
    pthread_mutex_unlock(&server->lock);
    return is_done;
}

static void
write_reply(struct mg_connection *conn, const struct http_reply *reply)
{
    mg_printf(conn,
              "HTTP/1.1 %u %s\r\ncontent-type: %s\r\ncache-control: no-store\r\n"
              "content-length: %zu\r\nconnection: close\r\n\r\n",
              reply->status, mg_get_response_code_text(conn, (int)reply->status),
              reply->content_type, reply->body.size);
    if (reply->body.size > 0) {
        (void)mg_write(conn, reply->body.bytes, reply->body.size); /* who left reads nothing */
    }
}

/* Not by mg_send_http_error(): its date is made in memory that threads share. */
static int
write_error(struct mg_connection *conn, unsigned status, const char *text)
{
    struct http_reply reply = {.status = status, .content_type = "text/plain"};
    mg_disable_keep_alive(conn);
    buf_append_str(&reply.body, text);
    write_reply(conn, &reply);
    buf_free(&reply.body);
    return (int)status;
}

static int
serve_plain(struct mg_connection *conn)
{
    const struct mg_request_info *request = mg_get_request_info(conn);
    struct http_server *server = request->user_data;
    struct plain_call *call = mem_alloc_zero(sizeof *call);
    call->job.run = run_plain_call;
    call->server = server;
    call->method = mem_dup_str(request->request_method);
    call->path = mem_dup_str(request->local_uri != NULL ? request->local_uri : "");
    call->reply = (struct http_reply){.status = 404, .content_type = "text/plain"};

    pthread_mutex_lock(&server->lock);
    ref_locked(server);
    pthread_mutex_unlock(&server->lock);
    loop_post(server->loop, &call->job);
    if (!wait_for_call(server, call)) {
        return write_error(conn, 503, "the service does not answer");
    }
    write_reply(conn, &call->reply);
    int status = (int)call->reply.status;
    free_call(call);
    return status;
}

/* ---- parser: the thread posts and goes on */

static const char *const used_headers[HTTP_HEADER_COUNT] = {
    [HTTP_IF_NONE_MATCH] = "if-none-match",
    [HTTP_ORIGIN] = "origin",
    [HTTP_REQUEST_ID] = "x-request-id",
    [HTTP_ACCEPT_ENCODING] = "accept-encoding",
    [HTTP_CONTENT_TYPE] = "content-type",
    [HTTP_AUTHORIZATION] = "authorization",
    [HTTP_ACCESS_CONTROL_REQUEST_HEADERS] = "access-control-request-headers",
};

const char *
http_header_name(enum http_used_header header)
{
    ASSERT(header < HTTP_HEADER_COUNT);
    return used_headers[header];
}

void
http_parser_append_tag(const struct http_server *server, uint64_t connection, uint64_t number,
                       struct buf *head)
{
    buf_append_str(head, TAG_NAME ": ");
    buf_append(head, server->secret, SECRET_DIGITS);
    buf_append_byte(head, ' ');
    buf_append_u64(head, connection);
    buf_append_byte(head, ' ');
    buf_append_u64(head, number);
    buf_append_str(head, "\r\n");
}

static bool
take_number(const char **text, uint64_t *value_out)
{
    uint64_t value = 0;
    const char *p = *text;
    for (; *p >= '0' && *p <= '9'; p++) {
        value = value * 10 + (uint64_t)(*p - '0');
    }
    bool any = p > *text;
    *text = p;
    *value_out = value;
    return any;
}

/* Only we know the secret, so what stands behind it needs no limits. */
static bool
read_tag(const struct http_server *server, const char *tag, uint64_t *connection, uint64_t *number)
{
    if (tag == NULL || strlen(tag) < SECRET_DIGITS) {
        return false;
    }
    unsigned differs = 0; /* in a time that does not tell how much is right */
    for (size_t i = 0; i < SECRET_DIGITS; i++) {
        differs |= (unsigned)(tag[i] ^ server->secret[i]);
    }
    const char *rest = tag + SECRET_DIGITS;
    return differs == 0 && *rest++ == ' ' && take_number(&rest, connection) && *rest++ == ' ' &&
           take_number(&rest, number);
}

static void
run_parsed(struct loop_job *job)
{
    struct http_parsed *parsed = (struct http_parsed *)(void *)job;
    struct http_server *server = parsed->server;
    pthread_mutex_lock(&server->lock);
    bool is_closed = server->is_closed;
    if (is_closed) {
        unref_unlock(server);
        mem_free(parsed);
        return;
    }
    unref_unlock(server); /* the owner's is left */
    server->parsed_fn(server->ctx, parsed);
}

static struct view
copy_into(uint8_t **room, const char *text)
{
    size_t size = text != NULL ? strlen(text) : 0;
    struct view copy = view_of(*room, size);
    if (size > 0) {
        memcpy(*room, text, size);
    }
    *room += size;
    return copy;
}

static struct http_parsed *
copy_request(const struct mg_request_info *request)
{
    const char *values[HTTP_HEADER_COUNT] = {NULL};
    size_t size = strlen(request->request_uri);
    size += request->query_string != NULL ? strlen(request->query_string) : 0;
    for (int i = 0; i < request->num_headers; i++) {
        for (size_t k = 0; k < HTTP_HEADER_COUNT; k++) {
            if (values[k] == NULL &&
                strcasecmp(request->http_headers[i].name, used_headers[k]) == 0) {
                values[k] = request->http_headers[i].value;
                size += strlen(values[k]);
            }
        }
    }
    struct http_parsed *parsed = mem_alloc(sizeof *parsed + size);
    uint8_t *room = (uint8_t *)(parsed + 1);
    parsed->raw_path = copy_into(&room, request->request_uri);
    parsed->query = copy_into(&room, request->query_string);
    for (size_t k = 0; k < HTTP_HEADER_COUNT; k++) {
        parsed->headers[k] = copy_into(&room, values[k]);
    }
    return parsed;
}

static int
serve_parser(struct mg_connection *conn)
{
    const struct mg_request_info *request = mg_get_request_info(conn);
    struct http_server *server = request->user_data;
    uint64_t connection;
    uint64_t number;
    if (!read_tag(server, mg_get_header(conn, TAG_NAME), &connection, &number)) {
        return write_error(conn, 403, "this port is not for you");
    }
    struct http_parsed *parsed = copy_request(request);
    parsed->job.run = run_parsed;
    parsed->server = server;
    parsed->connection = connection;
    parsed->number = number;
    pthread_mutex_lock(&server->lock);
    ref_locked(server);
    pthread_mutex_unlock(&server->lock);
    loop_post(server->loop, &parsed->job);
    return 200;
}

/* ---- start and end */

static int
log_civetweb(const struct mg_connection *conn, const char *message)
{
    (void)conn;
    log_debug("event=civetweb message=\"%s\"", message);
    return 1; /* it is said */
}

static struct http_server *
new_server(struct loop *loop, void *ctx)
{
    struct http_server *server = mem_alloc_zero(sizeof *server);
    server->loop = loop;
    server->ctx = ctx;
    server->refs = 1;
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&server->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&server->lock, NULL);
    return server;
}

static bool
start(struct http_server *server, const char **options, int (*serve)(struct mg_connection *),
      struct err *err)
{
    const char *address = options[1]; /* behind "listening_ports" */
    struct mg_callbacks callbacks = {.begin_request = serve, .log_message = log_civetweb};
    struct mg_init_data init = {&callbacks, server, options};
    unsigned code = 0;
    char text[128] = "";
    struct mg_error_data error = {&code, text, sizeof text};

    /* Signals belong to the loop's thread. */
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    (void)mg_init_library(0); /* counts its callers */
    server->civetweb = mg_start2(&init, &error);
    pthread_sigmask(SIG_SETMASK, &before, NULL);

    struct mg_server_port port;
    if (server->civetweb == NULL || mg_get_server_ports(server->civetweb, 1, &port) != 1) {
        err_set(err, ERR_IO, "listen on port %s: %s", address,
                text[0] != '\0' ? text : "civetweb does not start");
        http_server_close(server);
        return false;
    }
    server->port = (uint16_t)port.port;
    return true;
}

bool
http_server_plain(struct loop *loop, uint16_t port, http_plain_fn fn, void *ctx,
                  struct http_server **server_out, struct err *err)
{
    struct http_server *server = new_server(loop, ctx);
    server->plain_fn = fn;
    char address[ADDRESS_SIZE];
    snprintf(address, sizeof address, "%u", port);
    const char *options[OPTIONS_MAX] = {"listening_ports",    address, "num_threads", PLAIN_THREADS,
                                        "request_timeout_ms", "10000"};
    if (!start(server, options, serve_plain, err)) {
        return false;
    }
    *server_out = server;
    return true;
}

bool
http_server_parser(struct loop *loop, unsigned threads, http_parsed_fn fn, void *ctx,
                   struct http_server **server_out, struct err *err)
{
    struct http_server *server = new_server(loop, ctx);
    server->parsed_fn = fn;
    snprintf(server->secret, sizeof server->secret, "%016" PRIx64 "%016" PRIx64, clock_random_u64(),
             clock_random_u64());
    char thread_count[ADDRESS_SIZE];
    snprintf(thread_count, sizeof thread_count, "%u", threads);
    /* A stranger on the loopback interface holds a thread for a second; a link stays for an hour.
     */
    const char *options[OPTIONS_MAX] = {"listening_ports",
                                        "127.0.0.1:0",
                                        "num_threads",
                                        thread_count,
                                        "request_timeout_ms",
                                        "1000",
                                        "enable_keep_alive",
                                        "yes",
                                        "keep_alive_timeout_ms",
                                        "3600000",
                                        "tcp_nodelay",
                                        "1",
                                        "max_request_size",
                                        HEADER_MAX_STR,
                                        "decode_url",
                                        "no"}; /* decoded once, by us */
    if (!start(server, options, serve_parser, err)) {
        return false;
    }
    *server_out = server;
    return true;
}

uint16_t
http_server_port(const struct http_server *server)
{
    return server->port;
}

static void *
stop_civetweb(void *ctx)
{
    mg_stop(ctx);
    return NULL;
}

/* Its listening thread looks only every two seconds whether it shall stop, and at each connection.
 */
static void
poke(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd >= 0) {
        (void)connect(fd, (struct sockaddr *)&address, sizeof address); /* the attempt is enough */
        close(fd);
    }
}

static void
stop(const struct http_server *server)
{
    pthread_t stopper;
    if (pthread_create(&stopper, NULL, stop_civetweb, server->civetweb) != 0) {
        mg_stop(server->civetweb);
        return;
    }
    struct timespec until;
    do {
        poke(server->port);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 2000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
    } while (pthread_timedjoin_np(stopper, NULL, &until) != 0);
}

void
http_server_close(struct http_server *server)
{
    if (server == NULL) {
        return;
    }
    pthread_mutex_lock(&server->lock);
    server->is_closed = true;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    if (server->civetweb != NULL) {
        stop(server);
    }
    (void)mg_exit_library();
    pthread_mutex_lock(&server->lock);
    unref_unlock(server);
}
