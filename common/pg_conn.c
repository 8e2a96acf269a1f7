#include "common/pg_conn.h"

#include <libpq-fe.h>
#include <string.h>
#include <sys/epoll.h>

#include "common/mem.h"

/* A cancelled query that says nothing for so long: the session counts as lost. */
#define CANCEL_GRACE_MS 5000u

/* What TLS has decrypted and libpq not yet read makes no socket readable. A record holds 16 KB,
 * libpq reads at least 8 KB at a time: three rounds without a row have read it all. */
#define TLS_ROUNDS  3
#define READ_ROUNDS 32 /* libpq takes 16 KB at a time: what has piled up is given in one go */

enum mode { CONNECTING, IDLE, QUERY, COPY, LOST };

struct pg_conn {
    struct loop *loop;
    struct worker_lane *lane;
    PGconn *pg;
    enum mode mode;
    struct loop_fd *watch;
    uint32_t watched;         /* events */
    struct loop_timer timer;  /* to connect, to answer, to be cancelled */
    struct loop_timer resume; /* of a paused copy */
    pg_failed_fn opened;
    void *ctx;
    pg_failed_fn lost;
    void *lost_ctx;

    /* of the query under way */
    pg_result_fn fn;
    void *fn_ctx;
    struct pg_results results;
    struct pg_failure failure; /* the first one counts */
    bool has_failed;
    bool is_copying; /* pg_copy_start() was called; `copy` is good */
    bool is_paused;
    bool is_cancelled;
    struct pg_copy copy;

    unsigned depth; /* of callbacks that are running */
    bool is_closed; /* freed when the last of them returns */
};

/* ---- failures */

static void
note_result(struct pg_conn *conn, const PGresult *result)
{
    if (conn->has_failed)
        return;
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    conn->has_failed = true;
    memset(&conn->failure, 0, sizeof conn->failure);
    if (!sqlstate) {
        pg_failure_from_text(&conn->failure, PQresultErrorMessage(result));
        return;
    }
    pg_failure_copy_text(conn->failure.sqlstate, sizeof conn->failure.sqlstate, sqlstate);
    pg_failure_copy_text(conn->failure.message, sizeof conn->failure.message, message);
    pg_failure_copy_text(conn->failure.detail, sizeof conn->failure.detail,
                         PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL));
}

/* A FATAL that comes when nothing is asked, such as 57P01, arrives as a notice. */
static void
on_notice(void *ctx, const PGresult *result)
{
    struct pg_conn *conn = ctx;
    const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity && (strcmp(severity, "FATAL") == 0 || strcmp(severity, "PANIC") == 0))
        note_result(conn, result);
}

/* ---- life */

static void
set_watch(struct pg_conn *conn, uint32_t events)
{
    if (!conn->watch || events == conn->watched)
        return;
    if (PQsocket(conn->pg) < 0) { /* libpq met the end of the session while it wrote */
        loop_timer_set(&conn->timer, 0);
        return;
    }
    loop_fd_set(conn->watch, events);
    conn->watched = events;
}

static void
drop_watch(struct pg_conn *conn)
{
    loop_fd_remove(conn->watch);
    conn->watch = NULL;
    conn->watched = 0;
}

static void
free_conn(struct pg_conn *conn)
{
    pg_results_clear(&conn->results);
    PQfinish(conn->pg);
    mem_free(conn);
}

static void
enter(struct pg_conn *conn)
{
    conn->depth++;
}

/* False when the session is gone. */
static bool
leave(struct pg_conn *conn)
{
    ASSERT(conn->depth > 0);
    conn->depth--;
    if (!conn->is_closed)
        return true;
    if (conn->depth == 0)
        free_conn(conn);
    return false;
}

void
pg_conn_close(struct pg_conn *conn)
{
    if (!conn || conn->is_closed)
        return;
    drop_watch(conn);
    loop_timer_clear(&conn->timer);
    loop_timer_clear(&conn->resume);
    conn->is_closed = true;
    conn->mode = LOST;
    if (conn->depth == 0)
        free_conn(conn);
}

/* Tells whoever waits for something that it failed. */
static void
tell_failed(struct pg_conn *conn, enum mode mode)
{
    conn->failure.is_lost = conn->mode == LOST;
    switch (mode) {
    case CONNECTING:
        conn->opened(conn->ctx, &conn->failure);
        return;
    case IDLE:
        if (conn->lost)
            conn->lost(conn->lost_ctx, &conn->failure);
        return;
    case QUERY:
    case COPY:
        if (conn->is_copying)
            conn->copy.ended(conn->copy.ctx, &conn->failure);
        else
            conn->fn(conn->fn_ctx, &conn->results, &conn->failure);
        return;
    case LOST:
        return;
    }
}

/* The session is over; `text` says why if nothing better is known. */
static void
lose(struct pg_conn *conn, const char *text)
{
    enum mode mode = conn->mode;
    if (mode == LOST)
        return;
    drop_watch(conn);
    loop_timer_clear(&conn->timer);
    loop_timer_clear(&conn->resume);
    if (!conn->has_failed) {
        memset(&conn->failure, 0, sizeof conn->failure);
        pg_failure_from_text(&conn->failure, text);
        conn->has_failed = true;
    }
    conn->mode = LOST;
    tell_failed(conn, mode);
    if (!conn->is_closed)
        pg_results_clear(&conn->results);
}

static void
flush_output(struct pg_conn *conn)
{
    uint32_t in = conn->is_paused ? 0 : EPOLLIN;
    /* A failure to send is seen, with Postgres' last words, when reading. */
    set_watch(conn, PQflush(conn->pg) == 1 ? in | EPOLLOUT : in);
}

/* ---- reading */

/* The query has ended: whoever asked gets its results. */
static void
end_query(struct pg_conn *conn)
{
    conn->mode = IDLE;
    loop_timer_clear(&conn->timer);
    const struct pg_failure *failed = conn->has_failed ? &conn->failure : NULL;
    struct pg_results results = conn->results;
    conn->results.count = 0;
    if (conn->is_copying) {
        conn->is_copying = false;
        conn->copy.ended(conn->copy.ctx, failed);
    } else {
        conn->fn(conn->fn_ctx, &results, failed);
    }
    pg_results_clear(&results);
}

static void
start_copy(struct pg_conn *conn)
{
    loop_timer_clear(&conn->timer);
    conn->mode = COPY;
    conn->fn(conn->fn_ctx, &conn->results, NULL);
    if (!conn->is_closed) {
        ASSERT(conn->is_copying);
        pg_results_clear(&conn->results);
    }
}

static void
take_result(struct pg_conn *conn, PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH) {
        PQclear(result);
        if (!conn->is_copying)
            start_copy(conn);
        return;
    }
    if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
        note_result(conn, result);
        PQclear(result);
        return;
    }
    if (conn->is_copying) {
        PQclear(result);
        return;
    }
    ASSERT(conn->results.count < PG_RESULTS_MAX);
    conn->results.list[conn->results.count++] = result;
}

static void
read_results(struct pg_conn *conn)
{
    while (conn->mode == QUERY && !PQisBusy(conn->pg)) {
        PGresult *result = PQgetResult(conn->pg);
        if (!result && PQstatus(conn->pg) == CONNECTION_BAD) {
            lose(conn, PQerrorMessage(conn->pg));
            return;
        }
        if (!result) {
            end_query(conn);
            return;
        }
        take_result(conn, result);
    }
}

/* Gives the number of rows. */
static size_t
read_rows(struct pg_conn *conn)
{
    size_t count = 0;
    while (conn->mode == COPY && !conn->is_paused) {
        char *bytes = NULL;
        int size = PQgetCopyData(conn->pg, &bytes, 1);
        if (size == 0)
            break;
        if (size < 0) {
            conn->mode = QUERY;
            break;
        }
        count++;
        conn->copy.row(conn->copy.ctx, view_of(bytes, (size_t)size));
        PQfreemem(bytes);
    }
    return count;
}

/* The socket is at its end, but what came before may say why. */
static void
read_last_words(struct pg_conn *conn)
{
    char *bytes = NULL;
    while (conn->mode == COPY && PQgetCopyData(conn->pg, &bytes, 1) > 0)
        PQfreemem(bytes);
    (void)PQisBusy(conn->pg);
    for (int i = 0; conn->mode != IDLE && i < PG_RESULTS_MAX; i++) {
        PGresult *result = PQgetResult(conn->pg);
        if (!result)
            break;
        if (PQresultStatus(result) == PGRES_FATAL_ERROR)
            note_result(conn, result);
        PQclear(result);
    }
    lose(conn, PQerrorMessage(conn->pg));
}

/* Reads until libpq has nothing whole left: where a COPY begins its rows may be here already, and
 * then no event comes for them. Gives the number of rows. */
static size_t
read_buffered(struct pg_conn *conn)
{
    size_t rows = 0;
    bool has_begun;
    do {
        rows += read_rows(conn);
        bool was_query = conn->mode == QUERY;
        read_results(conn);
        has_begun = was_query && conn->mode == COPY;
    } while (has_begun && !conn->is_closed);
    return rows;
}

static void
read_more(struct pg_conn *conn)
{
    int idle_rounds = PQsslInUse(conn->pg) ? TLS_ROUNDS : 1;
    int rounds = READ_ROUNDS;
    size_t given = 0;
    while (idle_rounds > 0 && !conn->is_closed && !conn->is_paused && conn->mode != LOST) {
        if (!PQconsumeInput(conn->pg)) {
            read_last_words(conn);
            return;
        }
        size_t rows = read_buffered(conn);
        given += rows;
        idle_rounds -= rows == 0;
        if (conn->mode == IDLE)
            (void)PQisBusy(conn->pg); /* parses: a notice may have come */
        if (--rounds == 0) {
            loop_timer_set(&conn->resume, 0); /* TLS may hold what makes no socket readable */
            break;
        }
    }
    if (given > 0 && !conn->is_closed && conn->mode == COPY && conn->copy.drained)
        conn->copy.drained(conn->copy.ctx);
}

static void
on_ready(void *ctx, uint32_t events)
{
    struct pg_conn *conn = ctx;
    enter(conn);
    if (conn->is_paused && (events & (EPOLLHUP | EPOLLERR)))
        lose(conn, "server closed the connection");
    else if (!conn->is_paused && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        read_more(conn);
    if (!conn->is_closed && conn->mode != LOST && (events & EPOLLOUT))
        flush_output(conn);
    (void)leave(conn);
}

/* ---- connecting */

static void on_connect_ready(void *ctx, uint32_t events);

static void
watch_connecting(struct pg_conn *conn, uint32_t events)
{
    conn->watch = loop_fd_add(conn->loop, PQsocket(conn->pg), events, on_connect_ready, conn);
    conn->watched = events;
}

static void
on_connect_ready(void *ctx, uint32_t events)
{
    struct pg_conn *conn = ctx;
    (void)events;
    /* libpq may close the socket and open another one, with the same number. */
    drop_watch(conn);
    enter(conn);
    switch (PQconnectPoll(conn->pg)) {
    case PGRES_POLLING_READING:
        watch_connecting(conn, EPOLLIN);
        break;
    case PGRES_POLLING_WRITING:
    case PGRES_POLLING_ACTIVE:
        watch_connecting(conn, EPOLLOUT);
        break;
    case PGRES_POLLING_FAILED:
        lose(conn, PQerrorMessage(conn->pg));
        break;
    case PGRES_POLLING_OK:
        loop_timer_clear(&conn->timer);
        (void)PQsetnonblocking(conn->pg, 1);
        (void)PQsetErrorVerbosity(conn->pg, PQERRORS_DEFAULT);
        conn->watch = loop_fd_add(conn->loop, PQsocket(conn->pg), EPOLLIN, on_ready, conn);
        conn->watched = EPOLLIN;
        conn->mode = IDLE;
        conn->opened(conn->ctx, NULL);
        break;
    }
    (void)leave(conn);
}

static void
on_resume(void *ctx)
{
    struct pg_conn *conn = ctx;
    enter(conn);
    if (!conn->is_paused)
        read_more(conn);
    (void)leave(conn);
}

static void
on_timer(void *ctx)
{
    struct pg_conn *conn = ctx;
    enter(conn);
    if (PQstatus(conn->pg) == CONNECTION_BAD) {
        lose(conn, PQerrorMessage(conn->pg));
    } else if (conn->mode == CONNECTING) {
        lose(conn, "timeout expired");
    } else if (conn->is_cancelled) {
        lose(conn, "timeout expired: a cancelled query goes on");
    } else {
        pg_cancel(conn);
    }
    (void)leave(conn);
}

struct pg_conn *
pg_conn_open(const struct pg_conn_def *def)
{
    struct pg_conn *conn = mem_alloc_zero(sizeof *conn);
    conn->loop = def->loop;
    conn->lane = def->lane;
    conn->opened = def->opened;
    conn->ctx = def->ctx;
    loop_timer_init(&conn->timer, def->loop, on_timer, conn);
    loop_timer_init(&conn->resume, def->loop, on_resume, conn);
    conn->pg = PQconnectStartParams(def->names, def->values, 0);
    ASSERT(conn->pg); /* else out of memory */
    (void)PQsetErrorVerbosity(conn->pg, PQERRORS_VERBOSE);
    (void)PQsetNoticeReceiver(conn->pg, on_notice, conn);
    if (PQstatus(conn->pg) == CONNECTION_BAD) {
        loop_timer_set(&conn->timer, 0);
        return conn;
    }
    loop_timer_set(&conn->timer, def->timeout_ms);
    watch_connecting(conn, EPOLLOUT);
    return conn;
}

void
pg_conn_on_lost(struct pg_conn *conn, pg_failed_fn lost, void *ctx)
{
    conn->lost = lost;
    conn->lost_ctx = ctx;
}

void
pg_conn_abort(struct pg_conn *conn)
{
    enter(conn);
    lose(conn, "the session was ended");
    (void)leave(conn);
}

/* ---- questions */

int
pg_conn_version(const struct pg_conn *conn)
{
    return PQserverVersion(conn->pg);
}

int
pg_conn_pid(const struct pg_conn *conn)
{
    return PQbackendPID(conn->pg);
}

bool
pg_conn_is_tls(const struct pg_conn *conn)
{
    return PQsslInUse(conn->pg) != 0;
}

bool
pg_conn_is_clean(const struct pg_conn *conn)
{
    return conn->mode == IDLE && !conn->is_cancelled &&
           PQtransactionStatus(conn->pg) == PQTRANS_IDLE;
}

/* ---- queries */

void
pg_query(struct pg_conn *conn, const char *sql, uint32_t timeout_ms, pg_result_fn fn, void *ctx)
{
    ASSERT(conn->mode == IDLE || conn->mode == LOST);
    conn->fn = fn;
    conn->fn_ctx = ctx;
    conn->is_copying = conn->is_paused = false;
    if (conn->mode == IDLE)
        conn->has_failed = false;
    conn->mode = QUERY;
    if (!PQsendQuery(conn->pg, sql)) {
        /* The session is gone and this is the first to notice: told from the loop. */
        loop_timer_set(&conn->timer, 0);
        return;
    }
    if (timeout_ms > 0)
        loop_timer_set(&conn->timer, timeout_ms);
    flush_output(conn);
}

struct cancel_task {
    struct worker_task task;
    PGcancel *cancel;
};

static void
run_cancel(struct worker_task *task)
{
    char text[256];
    struct cancel_task *cancel = (struct cancel_task *)task;
    (void)PQcancel(cancel->cancel, text, sizeof text);
}

static void
free_cancel(struct worker_task *task)
{
    struct cancel_task *cancel = (struct cancel_task *)task;
    PQfreeCancel(cancel->cancel);
    mem_free(cancel);
}

void
pg_cancel(struct pg_conn *conn)
{
    if (conn->is_cancelled || (conn->mode != QUERY && conn->mode != COPY))
        return;
    conn->is_cancelled = true;
    loop_timer_set(&conn->timer, CANCEL_GRACE_MS);
    struct cancel_task *cancel = mem_alloc_zero(sizeof *cancel);
    cancel->task.run = run_cancel;
    cancel->task.done = free_cancel;
    cancel->cancel = PQgetCancel(conn->pg);
    if (cancel->cancel)
        worker_submit(conn->lane, &cancel->task);
    else
        mem_free(cancel);
    if (conn->mode == COPY)
        pg_copy_resume(conn);
}

/* ---- COPY */

void
pg_copy_start(struct pg_conn *conn, const struct pg_copy *copy)
{
    ASSERT(conn->mode == COPY && !conn->is_copying);
    conn->copy = *copy;
    conn->is_copying = true;
}

void
pg_copy_pause(struct pg_conn *conn)
{
    if (conn->is_paused || conn->mode != COPY)
        return;
    conn->is_paused = true;
    set_watch(conn, conn->watched & ~(uint32_t)EPOLLIN);
}

/* What libpq has read already makes no socket readable: it is asked for once more, by the loop. */
void
pg_copy_resume(struct pg_conn *conn)
{
    if (!conn->is_paused || conn->mode == LOST)
        return;
    conn->is_paused = false;
    set_watch(conn, conn->watched | EPOLLIN);
    loop_timer_set(&conn->resume, 0);
}

void
pg_copy_send(struct pg_conn *conn, struct view bytes)
{
    if (conn->mode != COPY)
        return;
    (void)PQputCopyData(conn->pg, (const char *)bytes.bytes, (int)bytes.size);
    flush_output(conn);
}
