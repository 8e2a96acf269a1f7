#include "services/connection/lock.h"

#include <string.h>

#include "common/core/sql_text.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"

#define HEARTBEAT_MS         2000u
#define HEARTBEAT_TIMEOUT_MS 30000u
#define BREAK_TIMEOUT_MS     5000u

struct statement {
    struct list node;
    char *sql;
    uint32_t timeout_ms;
    pg_result_fn fn;
    void *ctx;
};

struct lock {
    struct lock_def def;
    struct endpoint_opening *opening;
    struct pg_conn *conn;
    bool is_held;
    struct list statements; /* the first one runs when is_running */
    bool is_running;        /* a statement or the heartbeat */
    struct loop_timer beat;
    struct loop_timer turn; /* runs the next statement */
    bool is_breaking;
    uint64_t publication_oid; /* as the last heartbeat found it; 0: not there yet */
};

static void on_beat(void *ctx);
static void on_turn(void *ctx);

struct lock *
lock_new(const struct lock_def *def)
{
    struct lock *lock = mem_alloc_zero(sizeof *lock);
    lock->def = *def;
    list_init(&lock->statements);
    loop_timer_init(&lock->beat, def->loop, on_beat, lock);
    loop_timer_init(&lock->turn, def->loop, on_turn, lock);
    return lock;
}

static void
fail_statements(struct lock *lock, const struct pg_failure *failed)
{
    struct list failing;
    list_init(&failing);
    while (!list_is_empty(&lock->statements)) {
        struct list *node = lock->statements.next;
        list_remove(node);
        list_push_back(&failing, node);
    }
    while (!list_is_empty(&failing)) {
        struct statement *statement = LIST_ITEM(failing.next, struct statement, node);
        list_remove(&statement->node);
        statement->fn(statement->ctx, NULL, failed);
        mem_free(statement->sql);
        mem_free(statement);
    }
}

void
lock_close(struct lock *lock)
{
    static const struct pg_failure closed = {.is_lost = true,
                                             .message = "the session of the lock was closed"};
    endpoint_cancel(lock->opening);
    lock->opening = NULL;
    pg_conn_close(lock->conn);
    lock->conn = NULL;
    lock->is_held = lock->is_running = false;
    lock->publication_oid = 0;
    loop_timer_clear(&lock->beat);
    fail_statements(lock, &closed);
}

void
lock_free(struct lock *lock)
{
    if (!lock)
        return;
    lock_close(lock);
    loop_timer_clear(&lock->turn);
    mem_free(lock);
}

static void
lose(struct lock *lock, const struct pg_failure *failed)
{
    struct pg_failure copy = *failed;
    lock_close(lock);
    lock->def.failed(lock->def.ctx, &copy);
}

static void
on_lost(void *ctx, const struct pg_failure *failed)
{
    lose(ctx, failed);
}

/* ---- open, take */

static void
on_prepared(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct lock *lock = ctx;
    (void)results;
    lock->is_running = false;
    if (failed)
        lose(lock, failed);
    else
        lock->def.opened(lock->def.ctx);
}

static void
on_opened(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    /* The server too must notice a dead client: else a dead engine would keep the lock for hours.
     */
    static const char prepare[] =
        "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; "
        "SET tcp_keepalives_count = 4; SET statement_timeout = 0; SET lock_timeout = 0; "
        "SET idle_session_timeout = 0; SET default_transaction_read_only = off; "
        "SET synchronous_commit = on";
    struct lock *lock = ctx;
    lock->opening = NULL;
    if (failed) {
        lock->def.failed(lock->def.ctx, failed);
        return;
    }
    lock->conn = conn;
    pg_conn_on_lost(conn, on_lost, lock);
    lock->is_running = true;
    pg_query(conn, prepare, HEARTBEAT_TIMEOUT_MS, on_prepared, lock);
}

void
lock_open(struct lock *lock)
{
    ASSERT(!lock->conn && !lock->opening);
    lock->opening =
        endpoint_open(lock->def.endpoint, ENDPOINT_LOCK, "shapewire lock", on_opened, lock);
}

static void
on_taken(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct lock *lock = ctx;
    (void)results;
    lock->is_running = false;
    if (failed && !failed->is_lost && strcmp(failed->sqlstate, "57014") == 0) {
        lock_take(lock); /* somebody's statement_timeout; go on waiting */
        return;
    }
    if (failed) {
        lose(lock, failed);
        return;
    }
    lock->is_held = true;
    loop_timer_set(&lock->beat, HEARTBEAT_MS);
    loop_timer_set(&lock->turn, 0);
    lock->def.locked(lock->def.ctx);
}

void
lock_take(struct lock *lock)
{
    struct buf sql = {0};
    buf_append_str(&sql, "SELECT pg_advisory_lock(hashtext(");
    sql_text_literal(&sql, view_str(lock->def.slot));
    buf_append_str(&sql, "))");
    lock->is_running = true;
    pg_query(lock->conn, buf_str(&sql), 0, on_taken, lock);
    buf_free(&sql);
}

bool
lock_is_held(const struct lock *lock)
{
    return lock->is_held;
}

bool
lock_is_unused(const struct lock *lock)
{
    return list_is_empty(&lock->statements);
}

int
lock_server_version(const struct lock *lock)
{
    return lock->conn ? pg_conn_version(lock->conn) : 0;
}

/* ---- statements */

static void
on_rolled_back(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct lock *lock = ctx;
    (void)results;
    lock->is_running = false;
    if (failed)
        lose(lock, failed);
    else
        loop_timer_set(&lock->turn, 0);
}

static void
on_beaten(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct lock *lock = ctx;
    lock->is_running = false;
    if (failed) {
        lose(lock, failed);
        return;
    }
    loop_timer_set(&lock->turn, 0);
    uint64_t before = lock->publication_oid;
    lock->publication_oid = pg_rows(results, 0) > 0 ? pg_u64(results, 0, 0, 0) : 0;
    bool is_another = before != 0 && lock->publication_oid != before;
    if (lock->publication_oid == 0 || is_another)
        lock->def.publication_gone(lock->def.ctx);
}

static void
on_done(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct lock *lock = ctx;
    lock->is_running = false;
    struct statement *statement = LIST_ITEM(lock->statements.next, struct statement, node);
    list_remove(&statement->node);
    statement->fn(statement->ctx, results, failed);
    mem_free(statement->sql);
    mem_free(statement);
    if (failed && failed->is_lost) {
        lose(lock, failed);
    } else if (failed && lock->conn && !pg_conn_is_clean(lock->conn)) {
        lock->is_running = true; /* it failed inside a transaction of its own */
        pg_query(lock->conn, "ROLLBACK", HEARTBEAT_TIMEOUT_MS, on_rolled_back, lock);
    } else {
        loop_timer_set(&lock->turn, 0);
    }
}

static void
on_turn(void *ctx)
{
    struct lock *lock = ctx;
    static const struct pg_failure absent = {.is_lost = true, .message = "the lock is not held"};
    if (!lock->is_held) {
        fail_statements(lock, &absent);
        return;
    }
    if (lock->is_running || list_is_empty(&lock->statements))
        return;
    struct statement *statement = LIST_ITEM(lock->statements.next, struct statement, node);
    lock->is_running = true;
    pg_query(lock->conn, statement->sql, statement->timeout_ms, on_done, lock);
}

void
lock_run(struct lock *lock, const char *sql, uint32_t timeout_ms, pg_result_fn fn, void *ctx)
{
    struct statement *statement = mem_alloc_zero(sizeof *statement);
    statement->sql = mem_dup_str(sql);
    statement->timeout_ms = timeout_ms;
    statement->fn = fn;
    statement->ctx = ctx;
    list_push_back(&lock->statements, &statement->node);
    loop_timer_set(&lock->turn, 0);
}

static void
on_beat(void *ctx)
{
    struct lock *lock = ctx;
    loop_timer_set(&lock->beat, HEARTBEAT_MS);
    if (lock->is_running)
        return;
    lock->is_running = true;
    struct buf sql = {0};
    buf_append_str(&sql, "SELECT oid FROM pg_publication WHERE pubname = ");
    sql_text_literal(&sql, view_str(lock->def.publication));
    pg_query(lock->conn, buf_str(&sql), HEARTBEAT_TIMEOUT_MS, on_beaten, lock);
    buf_free(&sql);
}

/* ---- breaking */

struct breaking {
    struct lock *lock;
    struct pool *pool;
    struct pg_conn *conn;
};

static void
on_broken(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct breaking *breaking = ctx;
    if (failed)
        log_warn("event=lock_breaker_failed error=\"%s\"", failed->message);
    else if (pg_rows(results, 0) > 0)
        log_warn("event=lock_broken slot=%s pid=%s", breaking->lock->def.slot,
                 pg_text(results, 0, 0, 0));
    breaking->lock->is_breaking = false;
    pool_put(breaking->pool, breaking->conn);
    mem_free(breaking);
}

static void
on_break_session(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    struct breaking *breaking = ctx;
    if (failed) {
        breaking->lock->is_breaking = false;
        mem_free(breaking);
        return;
    }
    breaking->conn = conn;
    struct buf sql = {0};
    struct buf slot = {0};
    sql_text_literal(&slot, view_str(breaking->lock->def.slot));
    /* A living engine may hold the lock without streaming, so silence is asked for as well. */
    buf_printf(&sql,
               "SELECT l.pid, pg_terminate_backend(l.pid) FROM pg_locks l "
               "JOIN pg_stat_activity a ON a.pid = l.pid "
               "WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted "
               "AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
               "AND (l.classid::int8 << 32 | l.objid::int8) = hashtext(%s)::int8 "
               "AND l.pid <> %d AND a.state <> 'active' "
               "AND a.state_change < clock_timestamp() - interval '8 seconds' "
               "AND EXISTS (SELECT FROM pg_replication_slots s WHERE s.slot_name = %s "
               "AND s.database = current_database() AND NOT s.active)",
               buf_str(&slot), breaking->lock->conn ? pg_conn_pid(breaking->lock->conn) : 0,
               buf_str(&slot));
    pg_query(conn, buf_str(&sql), BREAK_TIMEOUT_MS, on_broken, breaking);
    buf_free(&slot);
    buf_free(&sql);
}

void
lock_break(struct lock *lock, struct pool *pool)
{
    if (lock->is_breaking)
        return;
    lock->is_breaking = true;
    struct breaking *breaking = mem_alloc_zero(sizeof *breaking);
    *breaking = (struct breaking){.lock = lock, .pool = pool};
    (void)pool_get(pool, on_break_session, breaking);
}
