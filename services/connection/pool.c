#include "services/connection/pool.h"

#include <stdio.h>
#include <string.h>

#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"

#define IDLE_MS 60000u

struct session {
    struct list node; /* in `idle`, `lent` or nowhere */
    struct pool *pool;
    struct pg_conn *conn;
    struct endpoint_opening *opening;
    struct list opening_node; /* in `openings` */
    uint64_t idle_since_ms;
};

struct pool_wait {
    struct list node;
    struct pool *pool;
    uint64_t deadline_ms;
    pool_fn fn;
    void *ctx;
};

struct pool {
    struct pool_def def;
    struct list idle; /* the longest idle first */
    struct list openings;
    struct list lent;
    struct list waits; /* in order */
    size_t count;      /* idle, lent and being opened */
    size_t opening_count;
    size_t wait_count;
    bool is_started;
    bool is_usable;
    bool is_ending;
    struct loop_timer turn;  /* serves who waits */
    struct loop_timer clean; /* each second: deadlines, idle sessions */
};

static void on_turn(void *ctx);
static void on_clean(void *ctx);

struct pool *
pool_new(const struct pool_def *def)
{
    struct pool *pool = mem_alloc_zero(sizeof *pool);
    pool->def = *def;
    list_init(&pool->idle);
    list_init(&pool->openings);
    list_init(&pool->lent);
    list_init(&pool->waits);
    loop_timer_init(&pool->turn, def->loop, on_turn, pool);
    loop_timer_init(&pool->clean, def->loop, on_clean, pool);
    return pool;
}

static void
free_session(struct session *session)
{
    list_remove(&session->node);
    list_remove(&session->opening_node);
    session->pool->count--;
    mem_free(session);
}

static void
fail_wait(struct pool_wait *wait, const struct pg_failure *failed)
{
    list_remove(&wait->node);
    wait->pool->wait_count--;
    wait->fn(wait->ctx, NULL, failed);
    mem_free(wait);
}

static void
fail_waits(struct pool *pool, const struct pg_failure *failed)
{
    struct list waits;
    list_init(&waits);
    while (!list_is_empty(&pool->waits)) {
        struct list *node = pool->waits.next;
        list_remove(node);
        list_push_back(&waits, node);
    }
    while (!list_is_empty(&waits))
        fail_wait(LIST_ITEM(waits.next, struct pool_wait, node), failed);
}

static void
close_idle(struct pool *pool)
{
    LIST_FOREACH (node, &pool->idle) {
        struct session *session = LIST_ITEM(node, struct session, node);
        pg_conn_close(session->conn);
        free_session(session);
    }
}

bool
pool_is_unused(const struct pool *pool)
{
    return list_is_empty(&pool->lent) && list_is_empty(&pool->waits) &&
           list_is_empty(&pool->openings);
}

void
pool_stop(struct pool *pool)
{
    ASSERT(pool_is_unused(pool));
    loop_timer_clear(&pool->turn);
    loop_timer_clear(&pool->clean);
    close_idle(pool);
    pool->is_started = pool->is_usable = false;
}

void
pool_free(struct pool *pool)
{
    if (!pool)
        return;
    struct pg_failure failed = {.is_lost = true, .message = "the service ends"};
    fail_waits(pool, &failed);
    pool->is_ending = true;
    LIST_FOREACH (node, &pool->lent)
        pg_conn_abort(LIST_ITEM(node, struct session, node)->conn);
    loop_timer_clear(&pool->turn);
    loop_timer_clear(&pool->clean);
    close_idle(pool);
    LIST_FOREACH (node, &pool->openings) {
        struct session *session = LIST_ITEM(node, struct session, opening_node);
        endpoint_cancel(session->opening);
        pool->opening_count--;
        free_session(session);
    }
    mem_free(pool);
}

/* ---- sessions come and go */

static void
change(struct pool *pool, const struct pg_failure *failed)
{
    pool->is_usable = !failed;
    pool->def.changed(pool->def.ctx, failed);
}

static void
on_lost(void *ctx, const struct pg_failure *failed)
{
    struct session *session = ctx;
    struct pool *pool = session->pool;
    (void)failed; /* told when no other session can be had */
    pg_conn_close(session->conn);
    free_session(session);
    if (!loop_timer_is_set(&pool->turn))
        loop_timer_set(&pool->turn, 0);
}

static void
push_idle(struct session *session)
{
    struct pool *pool = session->pool;
    session->idle_since_ms = loop_now_ms(pool->def.loop);
    pg_conn_on_lost(session->conn, on_lost, session);
    list_push_back(&pool->idle, &session->node);
    loop_timer_set(&pool->turn, 0);
}

static void
on_opened(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    struct session *session = ctx;
    struct pool *pool = session->pool;
    session->opening = NULL;
    list_remove(&session->opening_node);
    pool->opening_count--;
    if (conn) {
        session->conn = conn;
        push_idle(session);
        if (!pool->is_usable)
            change(pool, NULL);
        return;
    }
    free_session(session);
    if (pool->count > pool->opening_count)
        return; /* others serve who waits */
    fail_waits(pool, failed);
    change(pool, failed);
}

static void
open_session(struct pool *pool)
{
    struct session *session = mem_alloc_zero(sizeof *session);
    session->pool = pool;
    list_init(&session->node);
    list_push_back(&pool->openings, &session->opening_node);
    pool->count++;
    pool->opening_count++;
    session->opening =
        endpoint_open(pool->def.endpoint, ENDPOINT_PLAIN, pool->def.name, on_opened, session);
}

void
pool_start(struct pool *pool)
{
    pool->is_started = true;
    loop_timer_set(&pool->clean, 1000);
    if (pool->is_usable) {
        change(pool, NULL);
        return;
    }
    if (pool->count == 0)
        open_session(pool);
}

/* ---- lending */

static void
on_turn(void *ctx)
{
    struct pool *pool = ctx;
    while (!list_is_empty(&pool->waits) && !list_is_empty(&pool->idle)) {
        /* The one used last: the others may grow old and go. */
        struct session *session = LIST_ITEM(pool->idle.prev, struct session, node);
        struct pool_wait *wait = LIST_ITEM(pool->waits.next, struct pool_wait, node);
        list_remove(&session->node);
        list_remove(&wait->node);
        pool->wait_count--;
        pg_conn_on_lost(session->conn, NULL, NULL);
        list_push_back(&pool->lent, &session->node);
        wait->fn(wait->ctx, session->conn, NULL);
        mem_free(wait);
    }
    bool is_short = pool->is_usable && pool->count < pool->def.size_kept;
    size_t wanted = pool->wait_count > 0 ? pool->wait_count : is_short;
    while (pool->is_started && pool->opening_count < wanted && pool->count < pool->def.size_max)
        open_session(pool);
}

static void
on_clean(void *ctx)
{
    struct pool *pool = ctx;
    uint64_t now_ms = loop_now_ms(pool->def.loop);
    struct pg_failure failed = {.message = "no session became free in time"};
    (void)memcpy(failed.sqlstate, "53300", 6);
    while (!list_is_empty(&pool->waits)) {
        struct pool_wait *wait = LIST_ITEM(pool->waits.next, struct pool_wait, node);
        if (wait->deadline_ms > now_ms)
            break;
        fail_wait(wait, &failed);
    }
    LIST_FOREACH (node, &pool->idle) {
        struct session *session = LIST_ITEM(node, struct session, node);
        if (pool->count <= pool->def.size_kept || session->idle_since_ms + IDLE_MS > now_ms)
            break;
        pg_conn_close(session->conn);
        free_session(session);
    }
    loop_timer_set(&pool->clean, 1000);
    on_turn(pool);
}

struct pool_wait *
pool_get(struct pool *pool, pool_fn fn, void *ctx)
{
    struct pool_wait *wait = mem_alloc_zero(sizeof *wait);
    wait->pool = pool;
    wait->deadline_ms = loop_now_ms(pool->def.loop) + pool->def.wait_ms;
    wait->fn = fn;
    wait->ctx = ctx;
    list_push_back(&pool->waits, &wait->node);
    pool->wait_count++;
    loop_timer_set(&pool->turn, 0);
    return wait;
}

void
pool_cancel(struct pool_wait *wait)
{
    if (!wait)
        return;
    list_remove(&wait->node);
    wait->pool->wait_count--;
    mem_free(wait);
}

void
pool_put(struct pool *pool, struct pg_conn *conn)
{
    struct session *session = NULL;
    LIST_FOREACH (node, &pool->lent) {
        if (LIST_ITEM(node, struct session, node)->conn == conn)
            session = LIST_ITEM(node, struct session, node);
    }
    ASSERT(session);
    list_remove(&session->node);
    if (pg_conn_is_clean(conn) && !pool->is_ending) {
        push_idle(session);
        return;
    }
    pg_conn_close(conn);
    free_session(session);
    if (!pool->is_ending)
        loop_timer_set(&pool->turn, 0);
}
