#include "services/connection/writers.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/map.h"

void
writers_sql(struct buf *sql, uint64_t oid)
{
    /* A prepared transaction has no pid, keeps its virtual id, and holds a lock on its own xid. */
    buf_printf(sql,
               "SELECT l.virtualtransaction, max(l.pid), max(p.gid), "
               "bool_or(l.locktype = 'relation' AND l.relation IN "
               "(SELECT %" PRIu64 "::oid UNION SELECT t.relid FROM pg_partition_tree(%" PRIu64
               ") t) AND l.database = (SELECT oid FROM pg_database WHERE datname = "
               "current_database()) AND l.mode IN ('RowExclusiveLock', 'ShareRowExclusiveLock', "
               "'ExclusiveLock', 'AccessExclusiveLock')) "
               "FROM (SELECT * FROM pg_locks WHERE granted) l "
               "LEFT JOIN pg_prepared_xacts p ON l.pid IS NULL AND l.locktype = 'transactionid' "
               "AND p.transaction = l.transactionid "
               "GROUP BY l.virtualtransaction, l.pid IS NULL",
               oid, oid);
}

static bool
is_writer(const struct pg_results *results, size_t statement, size_t row)
{
    const char *text = pg_text(results, statement, row, 3);
    return text && text[0] == 't';
}

static void
name_writer(struct writers *writers, const struct pg_results *results, size_t statement, size_t row)
{
    const char *pid = pg_text(results, statement, row, 1);
    const char *gid = pg_text(results, statement, row, 2);
    size_t used = strlen(writers->text);
    (void)snprintf(writers->text + used, sizeof writers->text - used, "%s%s %s",
                   used > 0 ? ", " : "", pid ? "pid" : "gid",
                   pid   ? pid
                   : gid ? gid
                         : "unknown");
}

void
writers_take(struct writers *writers, const struct pg_results *results, size_t statement)
{
    writers_fini(writers);
    writers->set = map_new();
    for (size_t i = 0; i < pg_rows(results, statement); i++) {
        const char *id = pg_text(results, statement, i, 0);
        if (!id || !is_writer(results, statement, i))
            continue;
        (void)map_put(writers->set, view_str(id), writers);
        name_writer(writers, results, statement, i);
    }
}

bool
writers_have_ended(struct writers *writers, const struct pg_results *results, size_t statement)
{
    struct map *left = map_new();
    writers->text[0] = 0;
    for (size_t i = 0; i < pg_rows(results, statement); i++) {
        const char *id = pg_text(results, statement, i, 0);
        if (!id || !map_get(writers->set, view_str(id)) || map_get(left, view_str(id)))
            continue;
        (void)map_put(left, view_str(id), writers);
        name_writer(writers, results, statement, i);
    }
    map_free(writers->set);
    writers->set = left;
    return map_count(left) == 0;
}

void
writers_fini(struct writers *writers)
{
    map_free(writers->set);
    memset(writers, 0, sizeof *writers);
}
