/*
 * sim_postgres.h - a tiny Postgres for simulations: two tables, transactions, WAL, snapshots.
 *
 * A transaction begins (has an id), commits (its record is in the WAL and may be streamed) and
 * ends (new snapshots see it), in this order, at times of the simulation's choice. Rows that a
 * transaction wrote are locked until it has ended. Ids are of 64 bits and begin just below 2^32.
 */
#ifndef TESTS_SIM_POSTGRES_H
#define TESTS_SIM_POSTGRES_H

#include "common/core/visibility.h"
#include "tests/lib/sim_chance.h"
#include "tests/lib/stream_script.h"

#define SIM_TABLES      2
#define SIM_KEYS        5
#define SIM_TXNS_MAX    512
#define SIM_CHANGES_MAX 12
#define SIM_OPEN_MAX    3

/* Values are a few letters; NULL: no such row. */
typedef const char *sim_table[SIM_KEYS];

struct sim_change {
    uint8_t table;
    uint8_t key;
    const char *old_value;
    const char *new_value;
};

struct sim_txn {
    uint64_t xid;
    uint64_t commit_lsn; /* 0: not committed */
    bool has_ended;
    uint8_t change_count;
    struct sim_change changes[SIM_CHANGES_MAX];
};

struct sim_postgres {
    uint64_t seed; /* moves on */
    uint64_t next_xid;
    uint64_t insert_lsn;
    size_t txn_count; /* in the order of their ids */
    struct sim_txn txns[SIM_TXNS_MAX];
    size_t wal_count; /* committed ones, in the order of their commits */
    uint16_t wal[SIM_TXNS_MAX];
    sim_table rows[SIM_TABLES]; /* as all that committed left them */
};

extern const struct script_table SIM_TABLE[SIM_TABLES];

void sim_postgres_init(struct sim_postgres *pg, uint64_t seed);
void sim_postgres_begin(struct sim_postgres *pg);
void sim_postgres_commit(struct sim_postgres *pg);
void sim_postgres_end(struct sim_postgres *pg);

/* Everything that has begun commits and ends. */
void sim_postgres_settle(struct sim_postgres *pg);

/* pg_current_snapshot(); `xip` has room for all that are open. */
struct marks sim_postgres_snapshot(const struct sim_postgres *pg, uint64_t xip[SIM_TXNS_MAX]);

/*
 * The table as those transactions left it that the snapshot sees or that committed up to `lsn`.
 * Decided by 64-bit ids.
 */
void sim_postgres_rows(const struct sim_postgres *pg, unsigned table, const struct marks *marks,
                       uint64_t lsn, sim_table rows_out);

/* The walsender: frames of the WAL's transaction `number`, one event each time. */
struct sim_stream {
    size_t number; /* in pg->wal */
    unsigned step; /* 0 begin, then relations and changes, then commit */
    bool has_relation[SIM_TABLES];
};

/* The first transaction whose commit record does not lie before `lsn`. */
struct sim_stream sim_stream_start(const struct sim_postgres *pg, uint64_t lsn);

/* False: nothing more in the WAL. */
bool sim_stream_next(struct sim_stream *stream, const struct sim_postgres *pg, struct buf *frames);

#endif
