#include "common/core/conn_url.h"

#include <stdio.h>
#include <string.h>

/* How often a list of addresses may name a host: glibc gives a few, DNS answers hold dozens. */
#define ADDRESSES_MAX 16

/* Names in DNS have at most 253 bytes. */
#define HOST_SIZE_MAX 255

static int
hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool
percent_decode(struct view text, const char *what, struct arena *mem, const char **out,
               struct err *err)
{
    char *to = arena_alloc(mem, text.size + 1, 1);
    size_t size = 0;
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.bytes[i];
        if (c == '%') {
            bool is_whole = i + 2 < text.size;
            int high = is_whole ? hex_value(text.bytes[i + 1]) : -1;
            int low = is_whole ? hex_value(text.bytes[i + 2]) : -1;
            if (high < 0 || low < 0)
                return err_set(err, ERR_INVALID, "invalid percent-encoding in the %s", what);
            c = (uint8_t)(high * 16 + low);
            i += 2;
        }
        if (c == 0)
            return err_set(err, ERR_INVALID, "a zero byte in the %s", what);
        to[size++] = (char)c;
    }
    *out = to;
    return true;
}

/* Where the first of `stops` stands, or the end. */
static size_t
find_any(struct view text, const char *stops)
{
    size_t i = 0;
    while (i < text.size && (text.bytes[i] == 0 || !strchr(stops, text.bytes[i])))
        i++;
    return i;
}

static struct view
cut(struct view *text, size_t size)
{
    struct view head = {text->bytes, size};
    text->bytes += size;
    text->size -= size;
    return head;
}

static void
skip(struct view *text, size_t size)
{
    (void)cut(text, size);
}

static bool
parse_scheme(struct view *rest, struct err *err)
{
    static const char *const schemes[] = {"postgres://", "postgresql://"};
    for (size_t i = 0; i < COUNT_OF(schemes); i++) {
        size_t size = strlen(schemes[i]);
        if (rest->size >= size && memcmp(rest->bytes, schemes[i], size) == 0) {
            skip(rest, size);
            return true;
        }
    }
    return err_set(err, ERR_INVALID,
                   "invalid URL scheme: it must begin with postgresql:// or postgres://");
}

static bool
parse_user(struct view user, struct arena *mem, struct conn_url *url, struct err *err)
{
    size_t colon = find_any(user, ":");
    struct view name = cut(&user, colon);
    if (!percent_decode(name, "username", mem, &url->user, err))
        return false;
    if (url->user[0] == 0)
        return err_set(err, ERR_INVALID, "invalid or missing username");
    if (user.size == 0)
        return true;
    skip(&user, 1);
    return percent_decode(user, "password", mem, &url->password, err);
}

static bool
parse_port(struct view text, uint16_t *port_out, struct err *err)
{
    uint32_t port = 0;
    for (size_t i = 0; i < text.size; i++) {
        if (text.bytes[i] < '0' || text.bytes[i] > '9' || port > 65535)
            return err_set(err, ERR_INVALID, "invalid port: a number from 1 to 65535 is allowed");
        port = port * 10 + (text.bytes[i] - '0');
    }
    if (port == 0 || port > 65535)
        return err_set(err, ERR_INVALID, "invalid port: a number from 1 to 65535 is allowed");
    *port_out = (uint16_t)port;
    return true;
}

static bool
parse_host(struct view text, struct arena *mem, struct conn_url *url, struct err *err)
{
    struct view host;
    if (text.size > 0 && text.bytes[0] == '[') {
        size_t close = find_any(text, "]");
        if (close == text.size)
            return err_set(err, ERR_INVALID, "the IPv6 address of the host has no closing ]");
        skip(&text, 1);
        host = cut(&text, close - 1);
        skip(&text, 1);
    } else {
        host = cut(&text, find_any(text, ":"));
    }
    if (text.size > 0 && text.bytes[0] != ':')
        return err_set(err, ERR_INVALID, "invalid host");
    if (!percent_decode(host, "host", mem, &url->host, err))
        return false;
    if (!url->host || url->host[0] == 0)
        return err_set(err, ERR_INVALID, "missing host");
    if (strlen(url->host) > HOST_SIZE_MAX)
        return err_set(err, ERR_LIMIT, "the host is longer than %d bytes", HOST_SIZE_MAX);
    if (strpbrk(url->host, ", \t\n"))
        return err_set(err, ERR_INVALID, "invalid host: one host is allowed");
    if (text.size <= 1)
        return true;
    skip(&text, 1);
    return parse_port(text, &url->port, err);
}

static bool
parse_sslmode(struct view value, struct conn_url *url, struct err *err)
{
    static const struct {
        const char *name;
        enum conn_sslmode mode;
    } modes[] = {
        {"disable", CONN_SSL_DISABLE},
        {"allow", CONN_SSL_ALLOW},
        {"prefer", CONN_SSL_PREFER},
        {"require", CONN_SSL_REQUIRE},
    };
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        if (view_is(value, modes[i].name)) {
            url->sslmode = modes[i].mode;
            return true;
        }
    }
    if (view_is(value, "verify-ca") || view_is(value, "verify-full"))
        return err_set(err, ERR_INVALID,
                       "unsupported \"sslmode\" value: use sslmode=require together with "
                       "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE to verify the server");
    return err_set(err, ERR_INVALID,
                   "invalid \"sslmode\" value: disable, allow, prefer and require are allowed");
}

static bool
parse_params(struct view text, struct conn_url *url, struct err *err)
{
    while (text.size > 0) {
        struct view param = cut(&text, find_any(text, "&"));
        if (text.size > 0)
            skip(&text, 1);
        struct view name = cut(&param, find_any(param, "="));
        if (param.size > 0)
            skip(&param, 1);
        if (view_is(name, "replication"))
            return err_set(err, ERR_INVALID, "the parameter \"replication\" is not allowed");
        if (view_is(name, "sslmode") && !parse_sslmode(param, url, err))
            return false;
    }
    return true;
}

bool
conn_url_parse(struct view text, struct arena *mem, struct conn_url *url_out, struct err *err)
{
    struct conn_url url = {.port = 5432};
    struct view rest = text;
    if (text.size > CONN_URL_SIZE_MAX)
        return err_set(err, ERR_LIMIT, "longer than %u bytes", CONN_URL_SIZE_MAX);
    if (!parse_scheme(&rest, err))
        return false;
    struct view authority = cut(&rest, find_any(rest, "/?#"));
    size_t at = authority.size;
    while (at > 0 && authority.bytes[at - 1] != '@')
        at--;
    struct view user = cut(&authority, at > 0 ? at - 1 : 0);
    if (at > 0)
        skip(&authority, 1);
    if (!parse_host(authority, mem, &url, err) || !parse_user(user, mem, &url, err))
        return false;

    url.database = url.user;
    struct view path = cut(&rest, find_any(rest, "?#"));
    if (path.size > 1) {
        skip(&path, 1);
        if (!percent_decode(path, "database name", mem, &url.database, err))
            return false;
    }
    if (rest.size > 0 && rest.bytes[0] == '?') {
        skip(&rest, 1);
        if (!parse_params(cut(&rest, find_any(rest, "#")), &url, err))
            return false;
    }
    *url_out = url;
    return true;
}

bool
conn_url_check_ca(const struct conn_url *url, const char *ca_file, struct err *err)
{
    if (ca_file && url->sslmode == CONN_SSL_DISABLE)
        return err_set(err, ERR_INVALID,
                       "sslmode=disable and ELECTRIC_DATABASE_CA_CERTIFICATE_FILE exclude "
                       "each other");
    return true;
}

bool
conn_url_is_folder(const struct conn_url *url)
{
    return url->host[0] == '/';
}

/* ---- keywords */

struct filler {
    struct conn_keywords *keywords;
    struct arena *mem;
    size_t count;
};

static void
put(struct filler *to, const char *name, const char *value)
{
    ASSERT(to->count < CONN_KEYWORDS_MAX);
    to->keywords->names[to->count] = name;
    to->keywords->values[to->count++] = value;
}

static void
put_number(struct filler *to, const char *name, uint32_t value)
{
    char *text = arena_alloc(to->mem, 16, 1);
    (void)snprintf(text, 16, "%u", value);
    put(to, name, text);
}

/* libpq wants as many hosts as addresses. */
static const char *
repeat_host(const char *host, const char *addresses, struct arena *mem)
{
    size_t count = 1, size = strlen(host);
    for (const char *p = addresses; (p = strchr(p, ',')) != NULL; p++)
        count++;
    ASSERT(count <= ADDRESSES_MAX);
    char *text = arena_alloc(mem, count * (size + 1), 1);
    for (size_t i = 0; i < count; i++) {
        memcpy(text + i * (size + 1), host, size + 1);
        if (i + 1 < count)
            text[i * (size + 1) + size] = ',';
    }
    return text;
}

static void
put_tls(struct filler *to, const struct conn_url *url, const char *ca_file)
{
    if (ca_file) {
        put(to, "sslmode", "verify-full");
        put(to, "sslrootcert", ca_file);
        return;
    }
    put(to, "sslmode",
        url->sslmode == CONN_SSL_DISABLE   ? "disable"
        : url->sslmode == CONN_SSL_REQUIRE ? "require"
                                           : "prefer");
    /* Else libpq verifies against ~/.postgresql/root.crt when there is one. */
    put(to, "sslrootcert", "/nonexistent");
}

static void
put_liveness(struct filler *to, const struct conn_options *options)
{
    bool any =
        options->keepalive_idle_s || options->keepalive_interval_s || options->keepalive_count;
    put(to, "keepalives", any ? "1" : "0");
    if (options->keepalive_idle_s)
        put_number(to, "keepalives_idle", options->keepalive_idle_s);
    if (options->keepalive_interval_s)
        put_number(to, "keepalives_interval", options->keepalive_interval_s);
    if (options->keepalive_count)
        put_number(to, "keepalives_count", options->keepalive_count);
    if (options->user_timeout_ms)
        put_number(to, "tcp_user_timeout", options->user_timeout_ms);
}

void
conn_url_keywords(const struct conn_url *url, const struct conn_options *options, struct arena *mem,
                  struct conn_keywords *keywords_out)
{
    struct filler to = {keywords_out, mem, 0};
    if (options->addresses) {
        put(&to, "host", repeat_host(url->host, options->addresses, mem));
        put(&to, "hostaddr", options->addresses);
    } else {
        put(&to, "host", url->host);
    }
    put_number(&to, "port", url->port);
    put(&to, "user", url->user);
    if (url->password)
        put(&to, "password", url->password);
    put(&to, "dbname", url->database);
    put_tls(&to, url, options->ca_file);
    put(&to, "gssencmode", "disable");
    put_liveness(&to, options);
    put(&to, "client_encoding", "UTF8");
    if (options->application_name)
        put(&to, "application_name", options->application_name);
    if (options->is_replication)
        put(&to, "replication", "database");
    keywords_out->names[to.count] = NULL;
    keywords_out->values[to.count] = NULL;
}
