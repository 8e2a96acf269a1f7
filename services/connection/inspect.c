#include "services/connection/inspect.h"

#include <inttypes.h>

#include "common/mem.h"
#include "services/connection/describe.h"

#define QUERY_TIMEOUT_MS 10000u

/* A relation with 65536 partitions and as many columns as there can be. */
#define ANSWER_MAX ((size_t)64 << 20)

struct asking {
    struct pool *pool;
    struct pg_conn *conn;
    struct db_request *request;
    struct buf sql;
    pg_result_fn answered;
    void (*failed)(struct asking *asking, const struct pg_failure *failed);
};

static void
finish(struct asking *asking)
{
    if (asking->conn)
        pool_put(asking->pool, asking->conn);
    buf_free(&asking->sql);
    mem_free(asking);
}

static void
on_session(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    struct asking *asking = ctx;
    asking->conn = conn;
    if (failed) {
        asking->failed(asking, failed);
        finish(asking);
        return;
    }
    pg_query(conn, buf_str(&asking->sql), QUERY_TIMEOUT_MS, asking->answered, asking);
}

/* ---- db.inspect */

static void
fail_relation(struct asking *asking, const struct pg_failure *failed)
{
    struct db_relation answer = {.result = view_str(db_request_result(failed)),
                                 .error = view_str(failed->message)};
    db_request_answer(asking->request, PROTO_db_relation, &answer);
}

static void
on_relation(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct asking *asking = ctx;
    struct arena *mem = arena_new(ANSWER_MAX);
    struct db_relation answer = {.result = view_str("absent")};
    if (failed) {
        fail_relation(asking, failed);
    } else {
        /* BEGIN, relation, columns, COMMIT */
        if (pg_rows(results, 1) == 1 && pg_rows(results, 2) > 0) {
            answer.result = view_str("ok");
            describe_read_relation(results, 1, mem, &answer);
            describe_read_columns(results, 2, mem, &answer.columns, &answer.columns_count);
        }
        db_request_answer(asking->request, PROTO_db_relation, &answer);
    }
    arena_free(mem);
    finish(asking);
}

void
inspect_relation(const struct db_env *env, struct db_request *request,
                 const struct db_inspect *wanted)
{
    struct buf oid = {0};
    struct asking *asking = mem_alloc_zero(sizeof *asking);
    *asking = (struct asking){
        .pool = env->admin, .request = request, .answered = on_relation, .failed = fail_relation};
    if (wanted->oid != 0)
        buf_printf(&oid, "%" PRIu64, wanted->oid);
    else
        describe_oid_by_name(&oid, wanted->schema, wanted->name);
    /* One snapshot for both statements. */
    buf_append_str(&asking->sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; ");
    describe_relation(&asking->sql, buf_str(&oid));
    buf_append_str(&asking->sql, "; ");
    describe_columns(&asking->sql, buf_str(&oid));
    buf_append_str(&asking->sql, "; COMMIT");
    buf_free(&oid);
    (void)pool_get(env->admin, on_session, asking);
}

/* ---- db.visible */

static void
fail_visible(struct asking *asking, const struct pg_failure *failed)
{
    struct db_marks answer = {.result = view_str(db_request_result(failed)),
                              .error = view_str(failed->message),
                              .sqlstate = view_str(failed->sqlstate)};
    db_request_answer(asking->request, PROTO_db_marks, &answer);
}

static void
on_visible(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct asking *asking = ctx;
    struct arena *mem = arena_new(ANSWER_MAX);
    struct db_marks answer = {.result = view_str("ok")};
    static const struct pg_failure garbled = {.message = "pg_current_snapshot() gave no snapshot"};
    if (failed) {
        fail_visible(asking, failed);
    } else if (pg_rows(results, 0) == 1 &&
               describe_read_snapshot(pg_text(results, 0, 0, 0), mem, &answer)) {
        answer.lsn = pg_lsn(pg_text(results, 0, 0, 1));
        db_request_answer(asking->request, PROTO_db_marks, &answer);
    } else {
        fail_visible(asking, &garbled);
    }
    arena_free(mem);
    finish(asking);
}

void
inspect_visible(const struct db_env *env, struct db_request *request)
{
    struct asking *asking = mem_alloc_zero(sizeof *asking);
    *asking = (struct asking){
        .pool = env->admin, .request = request, .answered = on_visible, .failed = fail_visible};
    buf_append_str(&asking->sql, "SELECT pg_current_snapshot(), pg_current_wal_insert_lsn()");
    (void)pool_get(env->admin, on_session, asking);
}
