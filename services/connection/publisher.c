#include "services/connection/publisher.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/core/sql_text.h"
#include "common/list.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/connection/writers.h"

#define ANSWER_MS        800u   /* the collector wants to hear within a second */
#define POLL_MS          100u   /* of writers that are waited for */
#define AGAIN_MS         1000u  /* of locks that were not to be had */
#define FORGOTTEN_MS     60000u /* nobody has asked for so long */
#define QUERY_TIMEOUT_MS 10000u
#define LOCK_TIMEOUT     "1s" /* of ALTER PUBLICATION; conflicts with VACUUM and DDL, no writes */
#define JOBS_MAX         1024 /* tables that are published at a time */
#define QUESTIONS_MAX    8    /* of a table */

enum step {
    LOOK, /* is it a member, whose replica identity is not full? */
    ADD,
    TAKE, /* the set of writers */
    WAIT,
    ADD_AGAIN,
    TAKE_AGAIN,
    WAIT_AGAIN,
    IDENTITY_LOOK, /* which partitions need it, and does anybody write? */
    IDENTITY_SET,  /* of one of them */
    DROP,
    DONE,
    FAILED,
};

struct job {
    struct list node;
    struct publisher *publisher;
    enum step step;
    bool is_asking;    /* a statement is under way */
    bool is_abandoned; /* freed when its answer comes */
    bool is_quiesced;  /* the catalogue's word */
    uint64_t oid;
    char *table;  /* "schema"."name" */
    char *name;   /* schema.name, for people */
    char *target; /* whose identity is set next; NULL: unknown */
    struct writers writers;
    struct writers looked; /* who wrote when the identity was looked at last */
    struct pg_conn *conn;  /* of the admin pool */
    struct buf sql;
    struct pg_failure failure;
    char waiting[WRITERS_TEXT];
    uint64_t asked_ms;
    struct loop_timer timer;    /* the next step */
    struct loop_timer deadline; /* of the questions */
    struct db_request *questions[QUESTIONS_MAX];
    size_t question_count;
};

struct publisher {
    struct db_env env;
    struct list jobs;
    size_t count;
    bool is_freed; /* when the last job is */
};

static void on_timer(void *ctx);
static void on_deadline(void *ctx);

struct publisher *
publisher_new(const struct db_env *env)
{
    struct publisher *publisher = mem_alloc_zero(sizeof *publisher);
    publisher->env = *env;
    list_init(&publisher->jobs);
    return publisher;
}

/* ---- answers */

static void
answer_one(struct db_request *request, const char *result, const struct pg_failure *failed,
           const char *waiting)
{
    struct db_published answer = {
        .result = view_str(result),
        .waiting_for = view_str(waiting),
        .error = view_str(failed ? failed->message : ""),
        .sqlstate = view_str(failed ? failed->sqlstate : ""),
    };
    db_request_answer(request, PROTO_db_published, &answer);
}

static void
answer(struct job *job, const char *result)
{
    loop_timer_clear(&job->deadline);
    for (size_t i = 0; i < job->question_count; i++)
        answer_one(job->questions[i], result, &job->failure, job->waiting);
    job->question_count = 0;
}

static void
free_job(struct job *job)
{
    loop_timer_clear(&job->timer);
    loop_timer_clear(&job->deadline);
    list_remove(&job->node);
    struct publisher *publisher = job->publisher;
    if (--publisher->count == 0 && publisher->is_freed)
        mem_free(publisher);
    writers_fini(&job->writers);
    writers_fini(&job->looked);
    buf_free(&job->sql);
    mem_free(job->target);
    mem_free(job->table);
    mem_free(job->name);
    mem_free(job);
}

/* Nobody finds it any more; what it asked may still be answered. */
static void
abandon(struct job *job)
{
    answer(job, "unavailable");
    loop_timer_clear(&job->timer);
    list_remove(&job->node);
    if (job->is_asking)
        job->is_abandoned = true;
    else
        free_job(job);
}

void
publisher_reset(struct publisher *publisher)
{
    /* The last one may take the publisher along. */
    for (size_t left = publisher->count; left > 0 && !list_is_empty(&publisher->jobs); left--)
        abandon(LIST_ITEM(publisher->jobs.next, struct job, node));
}

void
publisher_free(struct publisher *publisher)
{
    if (!publisher)
        return;
    publisher->is_freed = publisher->count > 0;
    if (publisher->is_freed)
        publisher_reset(publisher);
    else
        mem_free(publisher);
}

static void
on_deadline(void *ctx)
{
    struct job *job = ctx;
    answer(job, "waiting");
}

/* ---- steps */

static void
finish(struct job *job, enum step step)
{
    job->step = step;
    job->asked_ms = loop_now_ms(job->publisher->env.loop);
    if (step == FAILED && db_request_result(&job->failure)[0] == 'u')
        answer(job, "unavailable");
    else
        answer(job, step == DONE ? "done" : "failed");
    /* The answer is the end: who asks again gets a new look. */
    free_job(job);
}

static void
go_on(struct job *job, enum step step, uint32_t ms)
{
    job->step = step;
    loop_timer_set(&job->timer, ms);
}

static void
wait_for(struct job *job, const char *text)
{
    (void)snprintf(job->waiting, sizeof job->waiting, "%s", text);
}

static bool
is_old_pgoutput(int version)
{
    return version < 140018 || (version >= 150000 && version < 150013) ||
           (version >= 160000 && version < 160009) || (version >= 170000 && version < 170005);
}

static void
refuse(struct job *job, const char *before, const char *after)
{
    memset(&job->failure, 0, sizeof job->failure);
    (void)memcpy(job->failure.sqlstate, "55000", 6);
    (void)snprintf(job->failure.message, sizeof job->failure.message, "%s\"%s\"%s", before,
                   job->name, after);
    finish(job, FAILED);
}

static void
refuse_missing(struct job *job)
{
    char after[256];
    (void)snprintf(after, sizeof after, " is missing from the publication \"%s\" and %s",
                   job->publisher->env.publication,
                   job->publisher->env.is_manual
                       ? "the ELECTRIC_MANUAL_TABLE_PUBLISHING setting prevents Electric from "
                         "adding it"
                       : "Electric lacks privileges to add it");
    refuse(job, "Database table ", after);
}

static void
look_done(struct job *job, const struct pg_results *results)
{
    bool is_member = pg_rows(results, 0) > 0 && pg_text(results, 0, 0, 0)[0] == 't';
    if (!is_member && job->publisher->env.is_manual)
        refuse_missing(job);
    else if (!is_member)
        go_on(job, ADD, 0);
    else
        go_on(job, job->is_quiesced ? IDENTITY_LOOK : TAKE, 0);
}

static void
after_writers(struct job *job)
{
    bool again = job->step == WAIT && !job->publisher->env.is_manual &&
                 is_old_pgoutput(lock_server_version(job->publisher->env.lock));
    wait_for(job, "");
    go_on(job, again ? ADD_AGAIN : IDENTITY_LOOK, 0);
}

/* Row 0: a table whose identity is not full, and whether anybody writes to it or its root. */
static void
identity_looked(struct job *job, const struct pg_results *results)
{
    struct writers now = {0};
    if (pg_rows(results, 0) == 0) {
        finish(job, DONE);
        return;
    }
    if (job->publisher->env.is_manual) {
        refuse(job, "Database table ", " does not have its replica identity set to FULL");
        return;
    }
    mem_free(job->target);
    job->target = mem_dup_str(pg_text(results, 0, 0, 0));
    writers_take(&now, results, 1);
    /* Under steady load somebody always writes. When all who wrote a second ago have ended, their
     * kind is short enough for the lock's timeout: nobody is held up for longer than that. */
    bool are_short = job->looked.text[0] && writers_have_ended(&job->looked, results, 1);
    writers_fini(&job->looked);
    job->looked = now;
    if (now.text[0] && !are_short) {
        wait_for(job, now.text);
        go_on(job, IDENTITY_LOOK, AGAIN_MS);
    } else {
        go_on(job, IDENTITY_SET, 0);
    }
}

static void
succeed(struct job *job, const struct pg_results *results)
{
    switch (job->step) {
    case LOOK:
        look_done(job, results);
        return;
    case ADD:
        log_info("event=table_published table=\"%s\" publication=%s", job->name,
                 job->publisher->env.publication);
        go_on(job, TAKE, 0);
        return;
    case ADD_AGAIN:
        go_on(job, TAKE_AGAIN, 0);
        return;
    case TAKE:
    case TAKE_AGAIN:
        writers_take(&job->writers, results, 0);
        wait_for(job, job->writers.text);
        if (job->writers.text[0])
            log_info("event=writers_waited_for table=\"%s\" writers=\"%s\"", job->name,
                     job->writers.text);
        job->step = job->step == TAKE ? WAIT : WAIT_AGAIN;
        if (job->writers.text[0])
            go_on(job, job->step, POLL_MS);
        else
            after_writers(job);
        return;
    case WAIT:
    case WAIT_AGAIN:
        if (writers_have_ended(&job->writers, results, 0)) {
            after_writers(job);
            return;
        }
        wait_for(job, job->writers.text);
        go_on(job, job->step, POLL_MS);
        return;
    case IDENTITY_LOOK:
        identity_looked(job, results);
        return;
    case IDENTITY_SET:
        log_info("event=replica_identity_full table=%s", job->target);
        wait_for(job, "");
        go_on(job, IDENTITY_LOOK, 0);
        return;
    case DROP:
        log_info("event=table_unpublished table=\"%s\" publication=%s", job->name,
                 job->publisher->env.publication);
        finish(job, DONE);
        return;
    case DONE:
    case FAILED:
        BUG("a finished job has asked");
    }
}

static bool
is_code(const struct job *job, const char *sqlstate)
{
    return strcmp(job->failure.sqlstate, sqlstate) == 0;
}

static void
fail(struct job *job)
{
    bool adds = job->step == ADD || job->step == ADD_AGAIN;
    bool locks = adds || job->step == DROP || job->step == IDENTITY_SET;
    if (locks && (is_code(job, "55P03") || is_code(job, "40P01"))) {
        wait_for(job, "a lock on the table");
        go_on(job, job->step == IDENTITY_SET ? IDENTITY_LOOK : job->step, AGAIN_MS);
    } else if (adds && is_code(job, "42710")) {
        go_on(job, job->step == ADD ? TAKE : TAKE_AGAIN, 0); /* somebody else has added it */
    } else if (job->step == DROP && (is_code(job, "42704") || is_code(job, "42P01"))) {
        finish(job, DONE);
    } else if (adds && is_code(job, "42501") && strstr(job->failure.message, "publication")) {
        refuse_missing(job);
    } else {
        log_warn("event=publish_failed table=\"%s\" sqlstate=%s error=\"%s\"", job->name,
                 job->failure.sqlstate, job->failure.message);
        finish(job, FAILED);
    }
}

static void
on_result(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct job *job = ctx;
    job->is_asking = false;
    if (job->is_abandoned) {
        free_job(job);
    } else if (failed) {
        job->failure = *failed;
        fail(job);
    } else {
        memset(&job->failure, 0, sizeof job->failure);
        succeed(job, results);
    }
}

static void
on_admin_result(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct job *job = ctx;
    struct pool *pool = job->publisher->env.admin;
    struct pg_conn *conn = job->conn;
    on_result(job, results, failed);
    pool_put(pool, conn);
}

static void
on_admin_session(void *ctx, struct pg_conn *conn, const struct pg_failure *failed)
{
    struct job *job = ctx;
    if (failed) {
        on_result(job, NULL, failed);
        return;
    }
    job->conn = conn;
    pg_query(conn, buf_str(&job->sql), QUERY_TIMEOUT_MS, on_admin_result, job);
}

/* ---- what each step asks */

static void
ask_admin(struct job *job)
{
    job->is_asking = true;
    (void)pool_get(job->publisher->env.admin, on_admin_session, job);
}

/* The publication is changed by the lock's session: no statement outlives the lock. */
static void
ask_lock(struct job *job)
{
    job->is_asking = true;
    lock_run(job->publisher->env.lock, buf_str(&job->sql), 0, on_result, job);
}

static void
alter_publication(struct job *job, const char *verb)
{
    buf_append_str(&job->sql, "ALTER PUBLICATION ");
    sql_text_ident(&job->sql, view_str(job->publisher->env.publication));
    buf_printf(&job->sql, " %s TABLE %s; ", verb, job->table);
}

static void
begin_altering(struct job *job)
{
    buf_append_str(&job->sql, "BEGIN; SET LOCAL synchronous_commit = on; "
                              "SET LOCAL lock_timeout = '" LOCK_TIMEOUT "'; "
                              "SET LOCAL statement_timeout = '10s'; ");
}

static void
ask_membership(struct job *job)
{
    buf_append_str(&job->sql, "SELECT p.puballtables OR EXISTS (SELECT FROM pg_publication_rel r "
                              "WHERE r.prpubid = p.oid AND r.prrelid = ");
    buf_printf(&job->sql, "%" PRIu64 ") FROM pg_publication p WHERE p.pubname = ", job->oid);
    sql_text_literal(&job->sql, view_str(job->publisher->env.publication));
    ask_admin(job);
}

static void
ask_identity(struct job *job)
{
    /* Of a partitioned table the stream has the leaves' changes; new leaves copy no identity. */
    buf_printf(&job->sql,
               "SELECT format('%%I.%%I', n.nspname, c.relname) FROM pg_class c "
               "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relreplident <> 'f' "
               "AND c.relkind IN ('r', 'p') AND c.oid IN (SELECT %" PRIu64
               "::oid UNION SELECT t.relid FROM pg_partition_tree(%" PRIu64
               ") t) ORDER BY c.relkind DESC, c.oid LIMIT 1; ",
               job->oid, job->oid);
    writers_sql(&job->sql, job->oid);
    ask_admin(job);
}

static void
ask_step(struct job *job)
{
    buf_clear(&job->sql);
    switch (job->step) {
    case LOOK:
        ask_membership(job);
        return;
    case ADD:
        begin_altering(job);
        alter_publication(job, "ADD");
        buf_append_str(&job->sql, "COMMIT");
        ask_lock(job);
        return;
    case ADD_AGAIN:
        begin_altering(job);
        alter_publication(job, "DROP");
        alter_publication(job, "ADD");
        buf_append_str(&job->sql, "COMMIT");
        ask_lock(job);
        return;
    case DROP:
        begin_altering(job);
        alter_publication(job, "DROP");
        buf_append_str(&job->sql, "COMMIT");
        ask_lock(job);
        return;
    case TAKE:
    case TAKE_AGAIN:
    case WAIT:
    case WAIT_AGAIN:
        writers_sql(&job->sql, job->oid);
        ask_admin(job);
        return;
    case IDENTITY_LOOK:
        ask_identity(job);
        return;
    case IDENTITY_SET:
        buf_printf(&job->sql,
                   "BEGIN; SET LOCAL lock_timeout = '50ms'; "
                   "ALTER TABLE %s REPLICA IDENTITY FULL; COMMIT",
                   job->target);
        ask_admin(job);
        return;
    case DONE:
    case FAILED:
        BUG("a finished job goes on");
    }
}

static void
on_timer(void *ctx)
{
    struct job *job = ctx;
    uint64_t now_ms = loop_now_ms(job->publisher->env.loop);
    if (job->asked_ms + FORGOTTEN_MS < now_ms)
        abandon(job);
    else
        ask_step(job);
}

/* ---- questions */

static struct job *
find_job(struct publisher *publisher, uint64_t oid)
{
    LIST_FOREACH (node, &publisher->jobs) {
        struct job *job = LIST_ITEM(node, struct job, node);
        if (job->oid == oid)
            return job;
    }
    return NULL;
}

static struct job *
new_job(struct publisher *publisher, uint64_t oid, struct view schema, struct view name)
{
    struct buf text = {0};
    struct job *job = mem_alloc_zero(sizeof *job);
    job->publisher = publisher;
    job->oid = oid;
    sql_text_table(&text, schema, name);
    job->table = mem_dup_str(buf_str(&text));
    buf_clear(&text);
    buf_append_view(&text, schema);
    buf_append_byte(&text, '.');
    buf_append_view(&text, name);
    job->name = mem_dup_str(buf_str(&text));
    buf_free(&text);
    loop_timer_init(&job->timer, publisher->env.loop, on_timer, job);
    loop_timer_init(&job->deadline, publisher->env.loop, on_deadline, job);
    list_push_back(&publisher->jobs, &job->node);
    publisher->count++;
    return job;
}

static void
join(struct job *job, struct db_request *request)
{
    job->asked_ms = loop_now_ms(job->publisher->env.loop);
    if (job->question_count == QUESTIONS_MAX)
        answer(job, "waiting");
    job->questions[job->question_count++] = request;
    if (!loop_timer_is_set(&job->deadline))
        loop_timer_set(&job->deadline, ANSWER_MS);
}

void
publisher_publish(struct publisher *publisher, struct db_request *request,
                  const struct db_publish *wanted)
{
    struct job *job = find_job(publisher, wanted->oid);
    if (job && job->step == DROP) {
        answer_one(request, "waiting", NULL, "the table to leave the publication");
        return;
    }
    if (!job && publisher->count >= JOBS_MAX) {
        answer_one(request, "waiting", NULL, "other tables");
        return;
    }
    if (!job) {
        job = new_job(publisher, wanted->oid, wanted->schema, wanted->name);
        job->is_quiesced = wanted->is_quiesced;
        go_on(job, LOOK, 0);
    }
    join(job, request);
}

void
publisher_unpublish(struct publisher *publisher, struct db_request *request,
                    const struct db_unpublish *wanted)
{
    struct job *job = find_job(publisher, wanted->oid);
    if (publisher->env.is_manual) {
        answer_one(request, "done", NULL, "");
        return;
    }
    if (job && job->step != DROP && job->is_asking) {
        answer_one(request, "waiting", NULL, "the table to be published");
        return;
    }
    if (!job)
        job = new_job(publisher, wanted->oid, wanted->schema, wanted->name);
    if (job->step != DROP)
        go_on(job, DROP, 0);
    join(job, request);
}
