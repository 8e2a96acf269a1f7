/*
 * A session with Postgres, against a server that dies after each byte of its
 * part: whatever was under way is told exactly once, and what came before is right.
 */
#include "common/pg_conn.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/wire.h"
#include "tests/lib/tmp_path.h"

#define PORT "5432"

/* ---- the server: answers each message of the client with the next part of its script */

struct part {
    const char *bytes;
    size_t size;
};

#define PART(text)             \
    {                          \
        text, sizeof(text) - 1 \
    }

#define LOGIN                           \
    "R\0\0\0\x08\0\0\0\0"               \
    "S\0\0\0\x16server_version\00015\0" \
    "S\0\0\0\x19"                       \
    "client_encoding\0UTF8\0"           \
    "K\0\0\0\x0c\0\0\0\x07\0\0\0\x09"   \
    "Z\0\0\0\x05I"
#define ONE_ROW                                             \
    "T\0\0\0\x1a\0\x01"                                     \
    "a\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0" \
    "D\0\0\0\x0d\0\x01\0\0\0\x03"                           \
    "6/7"                                                   \
    "C\0\0\0\x0dSELECT 1\0"                                 \
    "Z\0\0\0\x05I"
#define COPY_BEGIN "H\0\0\0\x09\0\0\x01\0\0"
#define COPY_ROWS  "d\0\0\0\x07r1\nd\0\0\0\x07r2\nd\0\0\0\x07r3\n"
#define COPY_END  \
    "c\0\0\0\x04" \
    "C\0\0\0\x0b" \
    "COPY 3\0"    \
    "Z\0\0\0\x05I"
#define REFUSED                             \
    "E\0\0\0\x24"                           \
    "SERROR\0VERROR\0C42501\0Mno right\0\0" \
    "Z\0\0\0\x05I"
#define SHUTDOWN  \
    "E\0\0\0\x20" \
    "SFATAL\0VFATAL\0C57P01\0Mgoes\0\0"

struct server {
    int listener;
    const struct part *parts;
    size_t part_count;
    size_t size_max; /* it dies after so many bytes */
    pthread_t thread;
};

static bool
read_exactly(int fd, void *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = read(fd, (char *)bytes + done, size - done);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* The startup packet has no type byte. */
static bool
read_message(int fd, bool has_type)
{
    uint8_t head[5], body[4096];
    size_t head_size = has_type ? 5 : 4;
    if (!read_exactly(fd, head, head_size))
        return false;
    const uint8_t *p = head + head_size - 4;
    size_t size = ((size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3]) - 4;
    return size <= sizeof body && read_exactly(fd, body, size);
}

static void *
serve(void *arg)
{
    struct server *server = arg;
    size_t left = server->size_max;
    int fd = accept(server->listener, NULL, NULL);
    for (size_t i = 0; i < server->part_count && read_message(fd, i > 0); i++) {
        size_t size = server->parts[i].size < left ? server->parts[i].size : left;
        if (size > 0 && write(fd, server->parts[i].bytes, size) != (ssize_t)size)
            break;
        left -= size;
        if (left == 0)
            break;
    }
    close(fd);
    return NULL;
}

/* ---- the client */

static struct loop *loop;
static struct worker_pool *workers;
static struct worker_lane *lane;
static char folder[256];

struct client {
    struct pg_conn *conn;
    bool pauses;
    unsigned opened;
    unsigned answered;
    unsigned ended;
    unsigned lost;
    unsigned rows;
    bool has_row;
    struct pg_failure failure;
    struct loop_timer timer;
};

static void
finish(struct client *client, const struct pg_failure *failed)
{
    if (failed)
        client->failure = *failed;
    loop_stop(loop);
}

static void
on_lost(void *ctx, const struct pg_failure *failed)
{
    struct client *client = ctx;
    client->lost++;
    finish(client, failed);
}

static void
on_pause_over(void *ctx)
{
    struct client *client = ctx;
    pg_copy_resume(client->conn);
}

static void
on_row(void *ctx, struct view row)
{
    struct client *client = ctx;
    char expected[8];
    (void)snprintf(expected, sizeof expected, "r%u\n", ++client->rows);
    assert_true(view_is(row, expected));
    if (client->pauses) {
        pg_copy_pause(client->conn);
        loop_timer_set(&client->timer, 0);
    }
}

static void
on_ended(void *ctx, const struct pg_failure *failed)
{
    struct client *client = ctx;
    client->ended++;
    if (failed)
        finish(client, failed); /* else the server dies now, and `lost` is told */
}

static void
on_copy(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct client *client = ctx;
    (void)results;
    client->answered++;
    if (failed) {
        finish(client, failed);
        return;
    }
    pg_copy_start(client->conn, &(struct pg_copy){.row = on_row, .ended = on_ended, .ctx = client});
}

static void
on_row_read(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct client *client = ctx;
    client->answered++;
    if (failed) {
        finish(client, failed);
        return;
    }
    assert_int_equal(pg_statements(results), 1);
    assert_int_equal(pg_rows(results, 0), 1);
    assert_int_equal(pg_lsn(pg_text(results, 0, 0, 0)), 0x600000007);
    client->has_row = true;
    pg_query(client->conn, "COPY t TO STDOUT", 0, on_copy, client);
}

static void
on_opened(void *ctx, const struct pg_failure *failed)
{
    struct client *client = ctx;
    client->opened++;
    if (failed) {
        finish(client, failed);
        return;
    }
    pg_conn_on_lost(client->conn, on_lost, client);
    pg_query(client->conn, "SELECT a", 0, on_row_read, client);
}

static void
on_too_long(void *ctx)
{
    (void)ctx;
    fail_msg("nothing was told");
}

/* Against this script, cut at `size_max` bytes. */
static void
run(struct client *client, const struct part *parts, size_t part_count, size_t size_max)
{
    struct server server = {.parts = parts, .part_count = part_count, .size_max = size_max};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/.s.PGSQL." PORT, folder);
    (void)unlink(address.sun_path);
    server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(server.listener, (const struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(server.listener, 4), 0);
    assert_int_equal(pthread_create(&server.thread, NULL, serve, &server), 0);

    const char *const names[] = {"host", "port", "user", "sslmode", "gssencmode", NULL};
    const char *const values[] = {folder, PORT, "u", "disable", "disable", NULL};
    struct loop_timer watchdog;
    loop_timer_init(&watchdog, loop, on_too_long, NULL);
    loop_timer_set(&watchdog, 10000);
    loop_timer_init(&client->timer, loop, on_pause_over, client);
    client->conn = pg_conn_open(&(struct pg_conn_def){.loop = loop,
                                                      .lane = lane,
                                                      .names = names,
                                                      .values = values,
                                                      .timeout_ms = 5000,
                                                      .opened = on_opened,
                                                      .ctx = client});
    loop_run(loop);
    loop_timer_clear(&watchdog);
    loop_timer_clear(&client->timer);
    pg_conn_close(client->conn);
    assert_int_equal(pthread_join(server.thread, NULL), 0);
    close(server.listener);
}

static void
test_dies_after_each_byte(void **state)
{
    (void)state;
    static const struct part script[] = {PART(LOGIN), PART(ONE_ROW),
                                         PART(COPY_BEGIN COPY_ROWS COPY_END)};
    size_t login = script[0].size, row = login + script[1].size;
    size_t copy = row + sizeof COPY_BEGIN - 1, all = row + script[2].size;
    for (int pauses = 0; pauses < 2; pauses++) {
        for (size_t size = 1; size <= all; size++) {
            struct client client = {.pauses = pauses};
            run(&client, script, COUNT_OF(script), size);
            assert_int_equal(client.opened, 1);
            assert_int_equal(client.answered, size < login ? 0 : size < row ? 1 : 2);
            assert_int_equal(client.has_row, size >= row);
            assert_int_equal(client.ended, size >= copy);
            /* A paused copy is over at once when the socket is; rows may be left in it. */
            assert_true(pauses || client.lost == (size == all));
            assert_true(pauses || size < all || client.rows == 3);
            assert_true(client.failure.is_lost);
        }
    }
}

static void
test_a_refusal_leaves_the_session_open(void **state)
{
    (void)state;
    static const struct part script[] = {PART(LOGIN), PART(REFUSED)};
    struct client client = {0};
    run(&client, script, COUNT_OF(script), SIZE_MAX);
    assert_int_equal(client.answered, 1);
    assert_string_equal(client.failure.sqlstate, "42501");
    assert_string_equal(client.failure.message, "no right");
    assert_false(client.failure.is_lost);
}

static void
test_last_words_are_told(void **state)
{
    (void)state;
    static const struct part while_asked[] = {PART(LOGIN), PART(SHUTDOWN)};
    struct client client = {0};
    run(&client, while_asked, COUNT_OF(while_asked), SIZE_MAX);
    assert_int_equal(client.answered, 1);
    assert_string_equal(client.failure.sqlstate, "57P01");
    assert_true(client.failure.is_lost);

    static const struct part while_idle[] = {PART(LOGIN), PART(ONE_ROW),
                                             PART(COPY_BEGIN COPY_ROWS COPY_END SHUTDOWN)};
    client = (struct client){0};
    run(&client, while_idle, COUNT_OF(while_idle), SIZE_MAX);
    assert_int_equal(client.ended, 1);
    assert_int_equal(client.lost, 1);
    assert_string_equal(client.failure.sqlstate, "57P01");
}

static void
test_nobody_listens(void **state)
{
    (void)state;
    const char *const names[] = {"host", NULL};
    const char *const values[] = {"/nonexistent", NULL};
    struct client client = {0};
    client.conn = pg_conn_open(&(struct pg_conn_def){.loop = loop,
                                                     .lane = lane,
                                                     .names = names,
                                                     .values = values,
                                                     .timeout_ms = 5000,
                                                     .opened = on_opened,
                                                     .ctx = &client});
    assert_int_equal(client.opened, 0); /* told by the loop, never by the call */
    loop_run(loop);
    assert_int_equal(client.opened, 1);
    assert_true(client.failure.is_lost);
    pg_conn_close(client.conn);
}

static int
setup(void **state)
{
    struct err err;
    (void)state;
    (void)snprintf(folder, sizeof folder, "%s", tmp_path("pg_conn"));
    assert_int_equal(mkdir(folder, 0700), 0);
    return loop_new(&loop, &err) && worker_pool_new(loop, 1, &workers, &err) &&
                   (lane = worker_lane_new(workers)) != NULL
               ? 0
               : -1;
}

static int
teardown(void **state)
{
    (void)state;
    worker_pool_free(workers);
    loop_free(loop);
    worker_lane_free(lane);
    return 0;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dies_after_each_byte),
        cmocka_unit_test(test_a_refusal_leaves_the_session_open),
        cmocka_unit_test(test_last_words_are_told),
        cmocka_unit_test(test_nobody_listens),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
