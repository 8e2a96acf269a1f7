/*
 * conn_url.h - the URL of a database, and the libpq keywords that it becomes.
 *
 *     postgresql://user:password@host:port/database?sslmode=require
 *
 * Host and user are required, the port is 5432 and the database the user's name
 * if nothing else is said. User, password, host and database are percent-decoded;
 * a host that begins with / is the folder of a UNIX socket. Of the parameters
 * `sslmode` alone means something; `replication` is ours to set and refused, the
 * others are ignored.
 *
 * TLS is tried whatever sslmode says, `disable` apart. A server that speaks none
 * is used without, unless sslmode is `require` or there is a CA file. The
 * server's certificate is verified when there is a CA file, and only then.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_CONN_URL_H
#define CORE_CONN_URL_H

#include "common/arena.h"
#include "common/wire.h"

/* What parsing takes from its arena at most. */
#define CONN_URL_ARENA (64u << 10)

/* Longer URLs are refused: more than any host, user and password need. */
#define CONN_URL_SIZE_MAX 8192u

enum conn_sslmode {
    CONN_SSL_UNSET,
    CONN_SSL_DISABLE,
    CONN_SSL_ALLOW,
    CONN_SSL_PREFER,
    CONN_SSL_REQUIRE,
};

struct conn_url {
    const char *host; /* name, address or folder */
    uint16_t port;
    const char *user;
    const char *password; /* NULL: none given */
    const char *database;
    enum conn_sslmode sslmode;
};

/* What the URL does not say. Texts are borrowed; NULL and 0: not set. */
struct conn_options {
    const char *ca_file;
    const char *addresses; /* what the host's name resolved to, by commas; NULL: a folder */
    const char *application_name;
    bool is_replication;
    uint32_t keepalive_idle_s;
    uint32_t keepalive_interval_s;
    uint32_t keepalive_count;
    uint32_t user_timeout_ms;
};

#define CONN_KEYWORDS_MAX 24

/* As PQconnectStartParams wants them: ended by NULL. */
struct conn_keywords {
    const char *names[CONN_KEYWORDS_MAX + 1];
    const char *values[CONN_KEYWORDS_MAX + 1];
};

/*
 * Reads a URL; the texts are in `mem`. No message repeats the URL, which may hold a password.
 * Errors: ERR_INVALID, ERR_LIMIT.
 */
NODISCARD bool conn_url_parse(struct view text, struct arena *mem, struct conn_url *url_out,
                              struct err *err);

/* Errors: ERR_INVALID for a CA file together with sslmode=disable. */
NODISCARD bool conn_url_check_ca(const struct conn_url *url, const char *ca_file, struct err *err);

/* Borrows the texts of both; what is new is in `mem`. */
void conn_url_keywords(const struct conn_url *url, const struct conn_options *options,
                       struct arena *mem, struct conn_keywords *keywords_out);

/* A host that is the folder of a UNIX socket. */
bool conn_url_is_folder(const struct conn_url *url);

#endif
