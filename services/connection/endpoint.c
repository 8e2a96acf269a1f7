#include "services/connection/endpoint.h"

#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "common/core/conn_url.h"
#include "common/log.h"
#include "common/mem.h"

/* Of a host's addresses, how many are tried. */
#define ADDRESSES_MAX 8

struct endpoint {
    struct endpoint_env env;
    struct worker_lane *resolve_lane;
    struct worker_lane *cancel_lane;
    struct arena *mem; /* of `url` */
    struct conn_url url;
    bool use_ipv6; /* until it turned out not to work */
    char name[512];
};

struct endpoint_opening {
    struct worker_task task; /* resolves: reads `host` and `family`, writes the rest */
    const char *host;
    int family;
    int gai_error;
    char addresses[ADDRESSES_MAX * 64];

    /* loop thread */
    struct endpoint *endpoint;
    enum endpoint_kind kind;
    const char *application_name;
    struct pg_conn *conn;
    bool is_resolving;
    bool is_cancelled;
    endpoint_fn fn;
    void *ctx;
};

bool
endpoint_new(const struct endpoint_env *env, const char *variable, const char *url,
             struct endpoint **endpoint_out, struct err *err)
{
    struct endpoint *endpoint = mem_alloc_zero(sizeof *endpoint);
    endpoint->env = *env;
    endpoint->use_ipv6 = env->config->use_ipv6;
    endpoint->mem = arena_new(CONN_URL_ARENA);
    if (!conn_url_parse(view_str(url), endpoint->mem, &endpoint->url, err) ||
        !conn_url_check_ca(&endpoint->url, env->config->ca_certificate_file, err)) {
        arena_free(endpoint->mem);
        mem_free(endpoint);
        return err_wrap(err, "%s", variable);
    }
    (void)snprintf(endpoint->name, sizeof endpoint->name, "%s:%u/%s", endpoint->url.host,
                   endpoint->url.port, endpoint->url.database);
    endpoint->resolve_lane = worker_lane_new(env->workers);
    endpoint->cancel_lane = worker_lane_new(env->workers);
    *endpoint_out = endpoint;
    return true;
}

void
endpoint_free(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    worker_lane_free(endpoint->cancel_lane);
    worker_lane_free(endpoint->resolve_lane);
    arena_free(endpoint->mem);
    mem_free(endpoint);
}

const char *
endpoint_name(const struct endpoint *endpoint)
{
    return endpoint->name;
}

/* ---- resolving */

static void
write_addresses(const struct addrinfo *list, char *out, size_t size)
{
    size_t used = 0;
    int count = 0;
    for (const struct addrinfo *at = list; at && count < ADDRESSES_MAX; at = at->ai_next) {
        char text[64];
        if (getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST))
            continue;
        int more = snprintf(out + used, size - used, "%s%s", used > 0 ? "," : "", text);
        if (more < 0 || (size_t)more >= size - used)
            break;
        used += (size_t)more;
        count++;
    }
    out[used < size ? used : size - 1] = 0;
}

static void
resolve(struct worker_task *task)
{
    struct endpoint_opening *opening = (struct endpoint_opening *)task;
    /* An address is taken as it is, whatever family is preferred. */
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(opening->host, NULL, &hints, &list);
    if (rc != 0) {
        hints.ai_flags = 0;
        hints.ai_family = opening->family;
        rc = getaddrinfo(opening->host, NULL, &hints, &list);
    }
    opening->gai_error = rc;
    if (rc == 0) {
        write_addresses(list, opening->addresses, sizeof opening->addresses);
        freeaddrinfo(list);
    }
}

/* ---- opening */

static void begin(struct endpoint_opening *opening, int family);

static void
finish(struct endpoint_opening *opening, struct pg_conn *conn, const struct pg_failure *failed)
{
    endpoint_fn fn = opening->fn;
    void *ctx = opening->ctx;
    opening->conn = NULL;
    endpoint_cancel(opening);
    fn(ctx, conn, failed);
}

/*
 * Engine §1.6: no usable IPv6 address falls back to IPv4, once and for all. A name server that
 * does not answer says nothing of the address: only this session does without.
 */
static bool
falls_back(struct endpoint_opening *opening, const char *message)
{
    if (opening->family != AF_INET6 ||
        (opening->gai_error == 0 && !strstr(message, "No route to host") &&
         !strstr(message, "unreachable") && !strstr(message, "Cannot assign requested address") &&
         !strstr(message, "Address family not supported")))
        return false;
    if (opening->endpoint->use_ipv6) /* not yet said by a session beside this one */
        log_warn("event=ipv6_fallback host=%s error=\"%s\"", opening->host, message);
    if (opening->gai_error != EAI_AGAIN)
        opening->endpoint->use_ipv6 = false;
    begin(opening, AF_INET);
    return true;
}

static void
on_opened(void *ctx, const struct pg_failure *failed)
{
    struct endpoint_opening *opening = ctx;
    struct pg_conn *conn = opening->conn;
    opening->conn = NULL;
    if (!failed) {
        if (!pg_conn_is_tls(conn) && opening->endpoint->url.sslmode > CONN_SSL_DISABLE)
            log_warn("event=connected_without_tls database=%s", opening->endpoint->name);
        finish(opening, conn, NULL);
        return;
    }
    struct pg_failure copy = *failed;
    pg_conn_close(conn);
    if (!falls_back(opening, copy.message))
        finish(opening, NULL, &copy);
}

static uint32_t
whole_seconds(uint32_t ms)
{
    return ms > 0 && ms < 1000 ? 1 : ms / 1000;
}

static void
connect_now(struct endpoint_opening *opening)
{
    struct endpoint *endpoint = opening->endpoint;
    const struct config *config = endpoint->env.config;
    struct conn_options options = {
        .ca_file = config->ca_certificate_file,
        .addresses = conn_url_is_folder(&endpoint->url) ? NULL : opening->addresses,
        .application_name = opening->application_name,
        .is_replication = opening->kind == ENDPOINT_SENDER,
        .keepalive_idle_s = whole_seconds(config->tcp_keepalive_idle_ms),
        .keepalive_interval_s = whole_seconds(config->tcp_keepalive_interval_ms),
        .keepalive_count = config->tcp_keepalive_count,
        .user_timeout_ms = config->tcp_user_timeout_ms,
    };
    if (opening->kind == ENDPOINT_LOCK) { /* 10 + 4 * 5 s */
        options.keepalive_idle_s = 10;
        options.keepalive_interval_s = 5;
        options.keepalive_count = 4;
        options.user_timeout_ms = 30000;
    }
    struct conn_keywords keywords = {0};
    struct arena *mem = arena_new(CONN_URL_ARENA);
    conn_url_keywords(&endpoint->url, &options, mem, &keywords);
    opening->conn = pg_conn_open(&(struct pg_conn_def){.loop = endpoint->env.loop,
                                                       .lane = endpoint->cancel_lane,
                                                       .names = keywords.names,
                                                       .values = keywords.values,
                                                       .timeout_ms = ENDPOINT_CONNECT_MS,
                                                       .opened = on_opened,
                                                       .ctx = opening});
    arena_free(mem);
}

static void
on_resolved(struct worker_task *task)
{
    struct endpoint_opening *opening = (struct endpoint_opening *)task;
    opening->is_resolving = false;
    if (opening->is_cancelled) {
        mem_free(opening);
        return;
    }
    if (opening->gai_error == 0 && opening->addresses[0]) {
        connect_now(opening);
        return;
    }
    struct pg_failure failed = {.is_lost = true};
    (void)snprintf(failed.message, sizeof failed.message, "could not resolve host \"%s\": %s",
                   opening->host,
                   opening->gai_error ? gai_strerror(opening->gai_error)
                                      : "No address associated with hostname");
    if (!falls_back(opening, failed.message))
        finish(opening, NULL, &failed);
}

static void
begin(struct endpoint_opening *opening, int family)
{
    opening->family = family;
    opening->gai_error = 0;
    opening->addresses[0] = 0;
    if (conn_url_is_folder(&opening->endpoint->url)) {
        connect_now(opening);
        return;
    }
    opening->is_resolving = true;
    worker_submit(opening->endpoint->resolve_lane, &opening->task);
}

struct endpoint_opening *
endpoint_open(struct endpoint *endpoint, enum endpoint_kind kind, const char *name, endpoint_fn fn,
              void *ctx)
{
    struct endpoint_opening *opening = mem_alloc_zero(sizeof *opening);
    opening->task.run = resolve;
    opening->task.done = on_resolved;
    opening->host = endpoint->url.host;
    opening->endpoint = endpoint;
    opening->kind = kind;
    opening->application_name = name;
    opening->fn = fn;
    opening->ctx = ctx;
    begin(opening, endpoint->use_ipv6 ? AF_INET6 : AF_INET);
    return opening;
}

void
endpoint_cancel(struct endpoint_opening *opening)
{
    if (!opening)
        return;
    pg_conn_close(opening->conn);
    opening->conn = NULL;
    opening->is_cancelled = true;
    if (!opening->is_resolving)
        mem_free(opening);
}
