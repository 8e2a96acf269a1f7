#include "tests/lib/fake_pg.h"

#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/list.h"
#include "common/mem.h"
#include "tests/lib/tmp_path.h"

#define RULES_MAX 64

/* Startup packets that are none: a wish for TLS or GSS, and one to cancel. */
#define CODE_CANCEL 80877102u
#define CODE_SSL    80877103u
#define CODE_GSS    80877104u

struct rule {
    const char *in_query;
    const char *reply;
};

struct session {
    struct list node;
    struct fake_pg *pg;
    int fd;
    struct loop_fd *watch;
    struct buf in;
    char *waiting; /* the query that got nothing; or NULL */
    bool is_started;
    bool is_inside; /* a transaction */
};

struct fake_pg {
    struct loop *loop;
    char folder[256];
    char url[640];
    const char *version;
    int listener;
    struct loop_fd *watch;
    struct list sessions;
    struct rule rules[RULES_MAX];
    size_t rule_count;
    struct buf queries; /* each ended by a NUL */
    bool refuses;
};

static void
end_session(struct session *session)
{
    list_remove(&session->node);
    loop_fd_remove(session->watch);
    close(session->fd);
    buf_free(&session->in);
    mem_free(session->waiting);
    mem_free(session);
}

/* ---- what is written */

static size_t
begin_message(struct buf *out, char type)
{
    buf_append_byte(out, (uint8_t)type);
    (void)buf_grow(out, 4);
    return out->size - 4;
}

static void
put_u32_be(uint8_t *to, uint32_t v)
{
    for (unsigned i = 0; i < 4; i++) {
        to[i] = (uint8_t)(v >> (24 - 8 * i));
    }
}

static void
end_message(struct buf *out, size_t at)
{
    put_u32_be(out->bytes + at, (uint32_t)(out->size - at));
}

static void
append_u16(struct buf *out, size_t v)
{
    buf_append_byte(out, (uint8_t)(v >> 8));
    buf_append_byte(out, (uint8_t)v);
}

static void
append_u32(struct buf *out, uint32_t v)
{
    put_u32_be(buf_grow(out, 4), v);
}

static void
append_text(struct buf *out, const char *text)
{
    buf_append(out, text, strlen(text) + 1);
}

static void
append_parameter(struct buf *out, const char *name, const char *value)
{
    size_t at = begin_message(out, 'S');
    append_text(out, name);
    append_text(out, value);
    end_message(out, at);
}

static void
append_ready(const struct session *session, struct buf *out)
{
    size_t at = begin_message(out, 'Z');
    buf_append_byte(out, session->is_inside ? 'T' : 'I');
    end_message(out, at);
}

static void
append_complete(struct buf *out, const char *tag)
{
    size_t at = begin_message(out, 'C');
    append_text(out, tag);
    end_message(out, at);
}

static size_t
count_columns(struct view row)
{
    size_t count = 1;
    for (size_t i = 0; i < row.size; i++) {
        count += row.bytes[i] == '|';
    }
    return count;
}

static void
append_description(struct buf *out, size_t count)
{
    size_t at = begin_message(out, 'T');
    append_u16(out, count);
    for (size_t i = 0; i < count; i++) {
        append_text(out, "c");
        append_u32(out, 0);
        append_u16(out, 0);
        append_u32(out, 25);
        append_u16(out, 0xffff);
        append_u32(out, UINT32_MAX);
        append_u16(out, 0);
    }
    end_message(out, at);
}

/* The part of `rest` before `byte`, which is skipped. */
static struct view
take_until(struct view *rest, char byte)
{
    const uint8_t *end = rest->size == 0 ? NULL : memchr(rest->bytes, byte, rest->size);
    struct view part = {rest->bytes, end == NULL ? rest->size : (size_t)(end - rest->bytes)};
    size_t skipped = part.size + (end != NULL);
    *rest = view_of(rest->bytes + skipped, rest->size - skipped);
    return part;
}

static void
append_row(struct buf *out, struct view row)
{
    size_t count = count_columns(row);
    size_t at = begin_message(out, 'D');
    append_u16(out, count);
    for (size_t i = 0; i < count; i++) {
        struct view column = take_until(&row, '|');
        bool is_null = view_is(column, "\\N");
        append_u32(out, is_null ? UINT32_MAX : (uint32_t)column.size);
        buf_append(out, column.bytes, is_null ? 0 : column.size);
    }
    end_message(out, at);
}

static void
append_statement(struct buf *out, struct view rows)
{
    struct view first = rows;
    append_description(out, count_columns(take_until(&first, '\n')));
    while (rows.size > 0) {
        append_row(out, take_until(&rows, '\n'));
    }
    append_complete(out, "SELECT 0");
}

static void
append_copy(struct buf *out, struct view rows)
{
    size_t at = begin_message(out, 'H');
    buf_append_byte(out, 0);
    append_u16(out, 0);
    end_message(out, at);
    while (rows.size > 0) {
        struct view row = take_until(&rows, '\n');
        at = begin_message(out, 'd');
        buf_append_view(out, row);
        buf_append_byte(out, '\n');
        end_message(out, at);
    }
    end_message(out, begin_message(out, 'c'));
    append_complete(out, "COPY 0");
}

static void
append_error(struct buf *out, const char *state_and_text)
{
    size_t at = begin_message(out, 'E');
    buf_append_str(out, "S");
    append_text(out, "ERROR");
    buf_append_str(out, "V");
    append_text(out, "ERROR");
    buf_append_str(out, "C");
    buf_append(out, state_and_text, 5);
    buf_append_byte(out, 0);
    buf_append_str(out, "M");
    append_text(out, state_and_text + 6);
    buf_append_byte(out, 0);
    end_message(out, at);
}

static void
send_all(struct session *session, struct buf *out)
{
    ssize_t sent = send(session->fd, out->bytes, out->size, MSG_NOSIGNAL);
    ASSERT(sent < 0 || (size_t)sent == out->size); /* a test's answers fit the socket */
    buf_free(out);
}

/* ---- what is read */

static const char *
find_reply(const struct fake_pg *pg, const char *query)
{
    for (size_t i = pg->rule_count; i-- > 0;) {
        if (strstr(query, pg->rules[i].in_query) != NULL) {
            return pg->rules[i].reply;
        }
    }
    return "";
}

static void
note_transaction(struct session *session, const char *query)
{
    bool ends = strstr(query, "COMMIT") != NULL || strstr(query, "ROLLBACK") != NULL;
    session->is_inside = !ends && (session->is_inside || strstr(query, "BEGIN") != NULL);
}

/* False: the session is gone. */
static bool
answer(struct session *session, const char *query)
{
    struct buf out = {0};
    const char *reply = find_reply(session->pg, query);
    struct view rest = view_str(reply);
    if (reply[0] == '#') {
        end_session(session);
        return false;
    }
    if (reply[0] == '?') {
        session->waiting = mem_dup_str(query);
        return true;
    }
    if (reply[0] == '!') {
        append_error(&out, reply + 1);
    } else if (reply[0] == '>') {
        note_transaction(session, query);
        append_copy(&out, view_str(reply + 1));
    } else {
        note_transaction(session, query);
        do {
            append_statement(&out, take_until(&rest, ';'));
        } while (rest.size > 0);
    }
    append_ready(session, &out);
    send_all(session, &out);
    return true;
}

static bool
take_startup(struct session *session, const uint8_t *body)
{
    struct buf out = {0};
    uint32_t code =
        (uint32_t)body[0] << 24 | (uint32_t)body[1] << 16 | (uint32_t)body[2] << 8 | body[3];
    if (code == CODE_CANCEL) {
        end_session(session);
        return false;
    }
    if (code == CODE_SSL || code == CODE_GSS) {
        buf_append_byte(&out, 'N');
        send_all(session, &out);
        return true;
    }
    size_t at = begin_message(&out, 'R');
    append_u32(&out, 0);
    end_message(&out, at);
    append_parameter(&out, "server_version", session->pg->version);
    append_parameter(&out, "client_encoding", "UTF8");
    at = begin_message(&out, 'K');
    append_u32(&out, (uint32_t)session->fd);
    append_u32(&out, 9);
    end_message(&out, at);
    append_ready(session, &out);
    session->is_started = true;
    send_all(session, &out);
    return true;
}

static bool
take_message(struct session *session, char type, const uint8_t *body)
{
    if (!session->is_started) {
        return take_startup(session, body);
    }
    if (type == 'X') {
        end_session(session);
        return false;
    }
    ASSERT(type == 'Q');
    buf_append(&session->pg->queries, body, strlen((const char *)body) + 1);
    return answer(session, (const char *)body);
}

static void
on_readable(void *ctx, uint32_t events)
{
    struct session *session = ctx;
    (void)events;
    uint8_t bytes[8192];
    ssize_t got = recv(session->fd, bytes, sizeof bytes, 0);
    if (got <= 0) {
        end_session(session);
        return;
    }
    buf_append(&session->in, bytes, (size_t)got);
    for (;;) {
        size_t head = session->is_started ? 5 : 4;
        const uint8_t *p = session->in.bytes;
        if (session->in.size < head) {
            return;
        }
        const uint8_t *length = p + head - 4;
        size_t size = ((size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3]) + head - 4;
        if (session->in.size < size) {
            return;
        }
        struct buf message = {0};
        buf_append(&message, p, size);
        ASSERT(message.bytes != NULL); /* there is a head at least */
        memmove(session->in.bytes, p + size, session->in.size - size);
        session->in.size -= size;
        bool is_there = take_message(session, (char)message.bytes[0], message.bytes + head);
        buf_free(&message);
        if (!is_there) {
            return;
        }
    }
}

static void
on_connection(void *ctx, uint32_t events)
{
    struct fake_pg *pg = ctx;
    (void)events;
    int fd = accept4(pg->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || pg->refuses) {
        close(fd);
        return;
    }
    struct session *session = mem_alloc_zero(sizeof *session);
    session->pg = pg;
    session->fd = fd;
    session->watch = loop_fd_add(pg->loop, fd, EPOLLIN, on_readable, session);
    list_push_back(&pg->sessions, &session->node);
}

/* ---- for tests */

struct fake_pg *
fake_pg_new(struct loop *loop, const char *name)
{
    struct fake_pg *pg = mem_alloc_zero(sizeof *pg);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    pg->loop = loop;
    pg->version = "15.13";
    list_init(&pg->sessions);
    snprintf(pg->folder, sizeof pg->folder, "%s", tmp_path(name));
    (void)mkdir(pg->folder, 0700); /* there is one of the test before */
    int size = snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL.5432", pg->folder);
    ASSERT(size > 0 && (size_t)size < sizeof address.sun_path);
    (void)unlink(address.sun_path);
    struct buf url = {0};
    buf_append_str(&url, "postgresql://u@");
    for (const char *c = pg->folder; *c != '\0'; c++) {
        buf_append_str(&url, *c == '/' ? "%2F" : (char[]){*c, '\0'});
    }
    buf_append_str(&url, ":5432/d");
    snprintf(pg->url, sizeof pg->url, "%s", buf_str(&url));
    buf_free(&url);
    pg->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT(bind(pg->listener, (const struct sockaddr *)&address, sizeof address) == 0);
    ASSERT(listen(pg->listener, 64) == 0);
    pg->watch = loop_fd_add(loop, pg->listener, EPOLLIN, on_connection, pg);
    return pg;
}

void
fake_pg_free(struct fake_pg *pg)
{
    fake_pg_break(pg, true);
    loop_fd_remove(pg->watch);
    close(pg->listener);
    buf_free(&pg->queries);
    mem_free(pg);
}

const char *
fake_pg_url(const struct fake_pg *pg)
{
    return pg->url;
}

void
fake_pg_version(struct fake_pg *pg, const char *version)
{
    pg->version = version;
}

void
fake_pg_rule(struct fake_pg *pg, const char *in_query, const char *reply)
{
    for (size_t i = 0; i < pg->rule_count; i++) {
        if (strcmp(pg->rules[i].in_query, in_query) == 0) {
            pg->rules[i].reply = reply;
            return;
        }
    }
    ASSERT(pg->rule_count < RULES_MAX);
    pg->rules[pg->rule_count++] = (struct rule){in_query, reply};
}

size_t
fake_pg_count(const struct fake_pg *pg, const char *in_query)
{
    size_t count = 0;
    for (size_t at = 0; at < pg->queries.size;) {
        const char *query = (const char *)pg->queries.bytes + at;
        count += strstr(query, in_query) != NULL;
        at += strlen(query) + 1;
    }
    return count;
}

size_t
fake_pg_sessions(const struct fake_pg *pg)
{
    size_t count = 0;
    LIST_FOREACH (node, &pg->sessions) {
        count += LIST_ITEM(node, struct session, node)->is_started;
    }
    return count;
}

void
fake_pg_release(struct fake_pg *pg)
{
    LIST_FOREACH (node, &pg->sessions) {
        struct session *session = LIST_ITEM(node, struct session, node);
        char *query = session->waiting;
        if (query != NULL) {
            session->waiting = NULL;
            (void)answer(session, query);
            mem_free(query);
        }
    }
}

void
fake_pg_break(struct fake_pg *pg, bool refuses)
{
    pg->refuses = refuses;
    LIST_FOREACH (node, &pg->sessions) {
        end_session(LIST_ITEM(node, struct session, node));
    }
}
