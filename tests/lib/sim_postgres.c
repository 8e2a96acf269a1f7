#include "tests/lib/sim_postgres.h"

#define FIRST_LSN 0x10000000u
#define RECORD    16 /* WAL bytes of one commit record */

static const struct script_column columns[] = {{"id", 23}, {"v", 25}};

const struct script_table SIM_TABLE[SIM_TABLES] = {
    {100, "public", "items", 2, columns},
    {101, "public", "other", 2, columns},
};

static const char *const KEYS[SIM_KEYS] = {"1", "2", "3", "4", "5"};
static const char *const VALUES[] = {NULL, "x", "y", "z"};

void
sim_postgres_init(struct sim_postgres *pg, uint64_t seed)
{
    *pg = (struct sim_postgres){.seed = seed, .insert_lsn = FIRST_LSN};
    pg->next_xid = (1ull << 32) - 1 - sim_chance(&pg->seed, 12);
}

static size_t
open_count(const struct sim_postgres *pg)
{
    size_t count = 0;
    for (size_t i = 0; i < pg->txn_count; i++) {
        count += pg->txns[i].commit_lsn == 0;
    }
    return count;
}

void
sim_postgres_begin(struct sim_postgres *pg)
{
    if (pg->txn_count == SIM_TXNS_MAX || open_count(pg) == SIM_OPEN_MAX) {
        return;
    }
    pg->next_xid += (uint32_t)pg->next_xid == 0 ? 3 : 0; /* the ids below 3 are not normal ones */
    pg->txns[pg->txn_count++] = (struct sim_txn){.xid = pg->next_xid++};
}

/* Its writer would wait for the end of the one that wrote the row before. */
static bool
is_locked(const struct sim_postgres *pg, unsigned table, unsigned key)
{
    for (size_t i = 0; i < pg->txn_count; i++) {
        const struct sim_txn *txn = &pg->txns[i];
        for (size_t k = 0; k < txn->change_count && !txn->has_ended; k++) {
            if (txn->commit_lsn != 0 && txn->changes[k].table == table &&
                txn->changes[k].key == key) {
                return true;
            }
        }
    }
    return false;
}

/* What the transaction wrote is decided when it commits: nobody sees it before. */
static void
write_rows(struct sim_postgres *pg, struct sim_txn *txn)
{
    size_t wanted = sim_chance(&pg->seed, SIM_CHANGES_MAX + 1);
    for (size_t i = 0; i < wanted; i++) {
        unsigned table = (unsigned)sim_chance(&pg->seed, SIM_TABLES);
        unsigned key = (unsigned)sim_chance(&pg->seed, SIM_KEYS);
        const char **row = &pg->rows[table][key];
        const char *value = VALUES[sim_chance(&pg->seed, 4)];
        if (is_locked(pg, table, key) || (*row == NULL && value == NULL)) {
            continue;
        }
        txn->changes[txn->change_count++] =
            (struct sim_change){(uint8_t)table, (uint8_t)key, *row, value};
        *row = value;
    }
}

static void
commit(struct sim_postgres *pg, size_t number)
{
    struct sim_txn *txn = &pg->txns[number];
    write_rows(pg, txn);
    pg->insert_lsn += RECORD * sim_chance(&pg->seed, 3);
    txn->commit_lsn = pg->insert_lsn;
    pg->insert_lsn += RECORD;
    pg->wal[pg->wal_count++] = (uint16_t)number;
}

/* Picks one of those in that state; or none. */
static size_t
pick(struct sim_postgres *pg, bool is_committed)
{
    size_t candidates[SIM_TXNS_MAX];
    size_t count = 0;
    for (size_t i = 0; i < pg->txn_count; i++) {
        const struct sim_txn *txn = &pg->txns[i];
        if (!txn->has_ended && (txn->commit_lsn != 0) == is_committed) {
            candidates[count++] = i;
        }
    }
    return count == 0 ? SIM_TXNS_MAX : candidates[sim_chance(&pg->seed, count)];
}

void
sim_postgres_commit(struct sim_postgres *pg)
{
    size_t number = pick(pg, false);
    if (number != SIM_TXNS_MAX) {
        commit(pg, number);
    }
}

void
sim_postgres_end(struct sim_postgres *pg)
{
    size_t number = pick(pg, true);
    if (number != SIM_TXNS_MAX) {
        pg->txns[number].has_ended = true;
    }
}

void
sim_postgres_settle(struct sim_postgres *pg)
{
    for (size_t i = 0; i < pg->txn_count; i++) {
        if (pg->txns[i].commit_lsn == 0) {
            commit(pg, i);
        }
        pg->txns[i].has_ended = true;
    }
}

struct marks
sim_postgres_snapshot(const struct sim_postgres *pg, uint64_t xip[SIM_TXNS_MAX])
{
    struct marks marks = {.xmin = pg->next_xid, .xmax = pg->next_xid, .xip = xip};
    for (size_t i = 0; i < pg->txn_count; i++) {
        if (!pg->txns[i].has_ended) {
            marks.xmin = marks.xip_count == 0 ? pg->txns[i].xid : marks.xmin;
            xip[marks.xip_count++] = pg->txns[i].xid;
        }
    }
    return marks;
}

static bool
is_seen(const struct marks *marks, uint64_t xid)
{
    bool is_seen = xid < marks->xmax;
    for (size_t i = 0; i < marks->xip_count; i++) {
        is_seen = is_seen && marks->xip[i] != xid;
    }
    return is_seen;
}

void
sim_postgres_rows(const struct sim_postgres *pg, unsigned table, const struct marks *marks,
                  uint64_t lsn, sim_table rows_out)
{
    for (size_t key = 0; key < SIM_KEYS; key++) {
        rows_out[key] = NULL;
    }
    for (size_t i = 0; i < pg->wal_count; i++) {
        const struct sim_txn *txn = &pg->txns[pg->wal[i]];
        for (size_t k = 0; k < txn->change_count; k++) {
            const struct sim_change *change = &txn->changes[k];
            if (change->table == table && (txn->commit_lsn <= lsn || is_seen(marks, txn->xid))) {
                rows_out[change->key] = change->new_value;
            }
        }
    }
}

struct sim_stream
sim_stream_start(const struct sim_postgres *pg, uint64_t lsn)
{
    struct sim_stream stream = {0};
    while (stream.number < pg->wal_count && pg->txns[pg->wal[stream.number]].commit_lsn < lsn) {
        stream.number++;
    }
    return stream;
}

static void
append_change(struct buf *frames, const struct sim_change *change)
{
    const struct script_table *table = &SIM_TABLE[change->table];
    const char *const old_row[] = {KEYS[change->key], change->old_value};
    const char *const new_row[] = {KEYS[change->key], change->new_value};
    if (change->old_value == NULL) {
        script_insert(frames, table, new_row);
    } else if (change->new_value == NULL) {
        script_delete(frames, table, 'O', old_row);
    } else {
        script_update(frames, table, old_row, new_row);
    }
}

bool
sim_stream_next(struct sim_stream *stream, const struct sim_postgres *pg, struct buf *frames)
{
    if (stream->number == pg->wal_count) {
        return false;
    }
    const struct sim_txn *txn = &pg->txns[pg->wal[stream->number]];
    if (stream->step == 0) {
        script_begin(frames, txn->commit_lsn, (uint32_t)txn->xid);
    } else if (stream->step > txn->change_count) {
        script_commit(frames, txn->commit_lsn, txn->commit_lsn + RECORD);
        stream->number++;
        stream->step = 0;
        return true;
    } else {
        const struct sim_change *change = &txn->changes[stream->step - 1];
        if (!stream->has_relation[change->table]) {
            script_relation(frames, &SIM_TABLE[change->table]);
            stream->has_relation[change->table] = true;
        }
        append_change(frames, change);
    }
    stream->step++;
    return true;
}
