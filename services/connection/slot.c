#include "services/connection/slot.h"

#include <stdio.h>
#include <string.h>

#include "common/core/sql_text.h"
#include "common/log.h"
#include "common/mem.h"

#define HEAL_TIMEOUT_MS 5000u

struct asking {
    struct lock *lock;
    const char *name;
    bool is_new;
    slot_fn fn;
    void *ctx;
};

static void
finish(struct asking *asking, const struct slot_facts *facts, const struct pg_failure *failed)
{
    asking->fn(asking->ctx, facts, failed);
    mem_free(asking);
}

/* pg_error.c knows these texts. */
static void
fail(struct asking *asking, const char *what, const char *of)
{
    struct pg_failure failed = {0};
    (void)snprintf(failed.message, sizeof failed.message, "replication slot \"%s\" %s%s",
                   asking->name, what, of ? of : "");
    finish(asking, NULL, &failed);
}

static void
run(struct asking *asking, const char *before, const char *after, pg_result_fn fn)
{
    struct buf sql = {0};
    buf_append_str(&sql, before);
    sql_text_literal(&sql, view_str(asking->name));
    buf_append_str(&sql, after);
    lock_run(asking->lock, buf_str(&sql), 0, fn, asking);
    buf_free(&sql);
}

/* ---- make, read */

static void read_facts(struct asking *asking);

static void
on_created(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct asking *asking = ctx;
    (void)results;
    if (failed && strcmp(failed->sqlstate, "42710") != 0) {
        finish(asking, NULL, failed);
        return;
    }
    if (!failed)
        log_info("event=slot_created slot=%s", asking->name);
    asking->is_new = !failed;
    read_facts(asking);
}

static void
on_facts(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct asking *asking = ctx;
    if (failed) {
        finish(asking, NULL, failed);
        return;
    }
    if (pg_rows(results, 0) == 0) {
        run(asking, "SELECT pg_create_logical_replication_slot(", ", 'pgoutput')", on_created);
        return;
    }
    const char *plugin = pg_text(results, 0, 0, 2);
    const char *database = pg_text(results, 0, 0, 3);
    const char *wal_status = pg_text(results, 0, 0, 4);
    if (!plugin || strcmp(plugin, "pgoutput") != 0)
        fail(asking, "belongs to another plugin than pgoutput", NULL);
    else if (database)
        fail(asking, "belongs to database ", database);
    else if (wal_status && strcmp(wal_status, "lost") == 0)
        fail(asking, "is lost: Postgres has removed the WAL it needs", NULL);
    else
        finish(asking,
               &(struct slot_facts){
                   .is_new = asking->is_new,
                   .confirmed_lsn = pg_lsn(pg_text(results, 0, 0, 0)),
                   .flush_lsn = pg_lsn(pg_text(results, 0, 0, 1)),
               },
               NULL);
}

static void
read_facts(struct asking *asking)
{
    run(asking,
        "SELECT confirmed_flush_lsn, pg_current_wal_flush_lsn(), plugin, "
        "nullif(database, current_database()), wal_status "
        "FROM pg_replication_slots WHERE slot_name = ",
        "", on_facts);
}

void
slot_ensure(struct lock *lock, const char *name, slot_fn fn, void *ctx)
{
    struct asking *asking = mem_alloc_zero(sizeof *asking);
    *asking = (struct asking){.lock = lock, .name = name, .fn = fn, .ctx = ctx};
    read_facts(asking);
}

/* ---- drop */

static void
on_dropped(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct asking *asking = ctx;
    if (!failed && pg_rows(results, 0) > 0)
        log_warn("event=slot_dropped slot=%s", asking->name);
    bool is_gone = failed && strcmp(failed->sqlstate, "42704") == 0;
    finish(asking, NULL, is_gone ? NULL : failed);
}

void
slot_drop(struct lock *lock, const char *name, slot_fn fn, void *ctx)
{
    struct asking *asking = mem_alloc_zero(sizeof *asking);
    *asking = (struct asking){.lock = lock, .name = name, .fn = fn, .ctx = ctx};
    run(asking,
        "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots "
        "WHERE slot_name = ",
        "", on_dropped);
}

/* ---- heal */

struct healing {
    struct pool *pool;
    struct pg_conn *conn;
};

static void
on_healed(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    static bool has_told; /* that it will never work here */
    struct healing *healing = ctx;
    (void)results;
    bool is_for_good = failed && (strcmp(failed->sqlstate, "42883") == 0 ||
                                  strcmp(failed->sqlstate, "42501") == 0);
    if (failed && !(is_for_good && has_told))
        log_warn("event=slot_unblock_failed error=\"%s\"", failed->message);
    if (!failed)
        log_debug("event=standby_snapshot_logged");
    has_told |= is_for_good;
    pool_put(healing->pool, healing->conn);
    mem_free(healing);
}

static void
on_heal_session(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    struct healing *healing = ctx;
    if (failed) {
        mem_free(healing);
        return;
    }
    healing->conn = conn;
    pg_query(conn, "SELECT pg_log_standby_snapshot()", HEAL_TIMEOUT_MS, on_healed, healing);
}

void
slot_heal(struct pool *pool)
{
    struct healing *healing = mem_alloc_zero(sizeof *healing);
    healing->pool = pool;
    log_warn("event=slot_waits text=\"transactions that run delay the making of the slot\"");
    (void)pool_get(pool, on_heal_session, healing);
}
