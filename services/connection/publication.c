#include "services/connection/publication.h"

#include <stdio.h>
#include <string.h>

#include "common/core/sql_text.h"
#include "common/log.h"
#include "common/mem.h"

struct ensuring {
    struct lock *lock;
    const char *name;
    publication_fn fn;
    void *ctx;
};

static void
finish(struct ensuring *ensuring, bool is_new, const struct pg_failure *failed)
{
    ensuring->fn(ensuring->ctx, is_new, failed);
    mem_free(ensuring);
}

/* pg_error.c knows these texts. */
static void
fail(struct ensuring *ensuring, const char *what)
{
    struct pg_failure failed = {0};
    (void)snprintf(failed.message, sizeof failed.message, "publication \"%s\" %s", ensuring->name,
                   what);
    finish(ensuring, false, &failed);
}

static void
on_created(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct ensuring *ensuring = ctx;
    (void)results;
    if (failed && strcmp(failed->sqlstate, "42501") == 0) {
        fail(ensuring, "not found in the database, and the right to create it is missing");
        return;
    }
    if (!failed)
        log_info("event=publication_created publication=%s", ensuring->name);
    finish(ensuring, !failed, failed);
}

static void
create(struct ensuring *ensuring)
{
    struct buf sql = {0};
    buf_append_str(&sql, "CREATE PUBLICATION ");
    sql_text_ident(&sql, view_str(ensuring->name));
    if (lock_server_version(ensuring->lock) >= 180000)
        buf_append_str(&sql, " WITH (publish_generated_columns = stored)");
    lock_run(ensuring->lock, buf_str(&sql), 0, on_created, ensuring);
    buf_free(&sql);
}

static void
on_found(void *ctx, const struct pg_results *results, const struct pg_failure *failed)
{
    struct ensuring *ensuring = ctx;
    if (failed)
        finish(ensuring, false, failed);
    else if (pg_rows(results, 0) == 0)
        create(ensuring);
    else if (strcmp(pg_text(results, 0, 0, 0), "t") != 0)
        fail(ensuring,
             "does not publish all required operations: INSERT, UPDATE, DELETE, TRUNCATE");
    else
        finish(ensuring, false, NULL);
}

void
publication_ensure(struct lock *lock, const char *name, publication_fn fn, void *ctx)
{
    struct ensuring *ensuring = mem_alloc_zero(sizeof *ensuring);
    *ensuring = (struct ensuring){lock, name, fn, ctx};
    struct buf sql = {0};
    buf_append_str(&sql, "SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate "
                         "FROM pg_publication WHERE pubname = ");
    sql_text_literal(&sql, view_str(name));
    lock_run(lock, buf_str(&sql), 0, on_found, ensuring);
    buf_free(&sql);
}
