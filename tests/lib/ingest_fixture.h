/*
 * ingest_fixture.h - ingest with real logs in a folder of its own, and shapes of one table.
 */
#ifndef TESTS_INGEST_FIXTURE_H
#define TESTS_INGEST_FIXTURE_H

#include "services/shape_log_collector/ingest.h"
#include "tests/lib/storage_fixture.h"
#include "tests/lib/stream_script.h"

struct ingest_fixture {
    struct storage_fixture storage;
    struct loop *loop;
    struct routing *routing;
    struct ingest *ingest;
    struct buf frames;       /* of the next batch */
    uint64_t checkpoint_lsn; /* durable, as ingest sees it */

    /* what ingest is told of relations */
    bool is_away;      /* inspect is not answered */
    uint32_t ancestor; /* of `ancestor_of`; 0: nothing is a partition */
    uint32_t ancestor_of;

    /* what ingest has told */
    size_t done_count;
    size_t inspect_count;
    size_t checkpoint_count;
    size_t too_much_count;
    bool has_failed;
    struct err failure; /* of the last batch that failed */
};

struct fixture_shape {
    struct shape_feed feed;
    struct shape_def *def;
    char handle[32];
    const char *end_reason; /* NULL: it lives */
};

/* A fresh folder. The log of a crashed process is what it was when ingest is made again. */
void ingest_fixture_init(struct ingest_fixture *f, const char *name);
void ingest_fixture_fini(struct ingest_fixture *f);

/* The process dies: shapes leave first (fixture_shape_fini), then all comes up anew on the folder.
 */
void ingest_fixture_crash(struct ingest_fixture *f);

/* A shape of `table`, whose first column is the key. `columns` NULL: all; `where` NULL: all rows.
 */
void fixture_shape_init(struct fixture_shape *shape, const struct script_table *table,
                        const char *handle, const char *const *columns, size_t column_count,
                        const char *where);

/* A fresh log for the shape; it is in no routing yet. */
void fixture_shape_open(struct ingest_fixture *f, struct fixture_shape *shape, bool is_new);

/* The same, joined and open, its snapshot taken at `lsn` and seeing everything below `xmin`. */
void fixture_shape_live(struct ingest_fixture *f, struct fixture_shape *shape, uint64_t xmin,
                        uint64_t lsn);

/* Leaves the routing if it is there; its log is closed. */
void fixture_shape_close(struct ingest_fixture *f, struct fixture_shape *shape);
void fixture_shape_fini(struct fixture_shape *shape);

/* Gives f->frames to ingest as one batch. */
void ingest_fixture_send(struct ingest_fixture *f);

/* All items in the log, to its visible end, as text; good until the next call. */
const char *fixture_shape_log(struct ingest_fixture *f, struct fixture_shape *shape);

#endif
