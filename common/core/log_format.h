/*
 * log_format.h - a shape's log on disk: where it is whole, and what lies where.
 *
 * HANDLE.log holds items in wire form, each followed by a comma, nothing else.
 * HANDLE.index says up to where they count, one record of 32 bytes little-endian
 * for every commit and every chunk end, in the order of their positions:
 *
 *     offset  size  field
 *          0     8  lsn: commit LSN of the transaction that the bytes belong to
 *          8     8  end: position in the log behind those bytes
 *         16     4  op of the last item before `end` (its low 32 bits)
 *         20     1  kind: 1 commit, 2 chunk end
 *         21     3  chunk: how many chunks have ended, this record's own included
 *         24     4  CRC-32C of the log's bytes from the record before to `end`
 *         28     4  CRC-32C of the 28 bytes before
 *
 * The bytes between two records belong to one transaction. Only a commit moves
 * the visible end; a chunk end inside a transaction becomes visible with it. The
 * chunk number makes the end of any chunk a binary search away.
 *
 * Recovery: the records with an LSN below the checkpoint were durable with their
 * bytes and are believed; from there on each record must be whole, go on from
 * the one before and have its bytes in the log; the log ends at the last commit
 * before the first that does not. A record below the checkpoint behind that
 * place means that bytes which were durable are damaged.
 *
 * Pure: bytes come from the caller. Threading: no state, any thread.
 */
#ifndef COMMON_CORE_LOG_FORMAT_H
#define COMMON_CORE_LOG_FORMAT_H

#include "common/wire.h"
#include "proto/offset.h"

#define LOG_RECORD_SIZE 32

/* Chunks are counted in 24 bits; a log that long ends its shape. */
#define LOG_CHUNKS_MAX 0xffffffu

/* Op is kept in 32 bits; a transaction that goes beyond ends its shape. */
#define LOG_OP_MAX 0xffffffffu

enum log_record_kind {
    LOG_RECORD_COMMIT = 1,
    LOG_RECORD_CHUNK_END = 2,
};

struct log_record {
    enum log_record_kind kind;
    uint64_t lsn;
    uint64_t end;
    uint32_t op;
    uint32_t chunk;
    uint32_t bytes_crc;
};

void log_record_encode(const struct log_record *record, uint8_t bytes[LOG_RECORD_SIZE]);

/* False: not a record, or damaged. */
NODISCARD bool log_record_decode(const uint8_t bytes[LOG_RECORD_SIZE],
                                 struct log_record *record_out);

/* Behind the last item before the record's end. */
struct log_offset log_record_offset(const struct log_record *record);

/* A place between two records. Zeroed: the start of an empty log. */
struct log_point {
    uint64_t record_count; /* in the index up to here */
    uint64_t end;          /* position in the log */
    uint64_t lsn;          /* of the last record; 0: there is none */
    uint32_t op;
    uint32_t chunk; /* how many chunks have ended up to here */
};

struct log_point log_point_behind(const struct log_point *before, const struct log_record *record);

/* Recovery, record by record, for whoever reads the files in pieces. */
struct log_scan {
    struct log_point head;   /* behind the last record that was accepted */
    struct log_point commit; /* behind the last commit among them: where the log ends */
    uint32_t crc;            /* of the bytes since head */
};

struct log_scan log_scan_from(struct log_point start);

/*
 * Looks at the next record. False: the log ends at scan->commit. Else the bytes from scan->head.end
 * to record_out->end go through log_scan_bytes(), in pieces of any size, and then
 * log_scan_accept().
 */
NODISCARD bool log_scan_record(struct log_scan *scan, const uint8_t bytes[LOG_RECORD_SIZE],
                               uint64_t log_size, struct log_record *record_out);
void log_scan_bytes(struct log_scan *scan, struct view bytes);

/* False: the bytes are not those that the record was written for; the log ends at scan->commit. */
NODISCARD bool log_scan_accept(struct log_scan *scan, const struct log_record *record);

/* Whether these bytes are a whole record below the checkpoint: it was durable. */
bool log_record_is_durable(const uint8_t bytes[LOG_RECORD_SIZE], uint64_t checkpoint_lsn);

/*
 * All of it over bytes in memory: where the log ends. A partial record at the end of `index` does
 * not count. Errors: ERR_CORRUPT when what was durable is damaged.
 */
NODISCARD bool log_recover(struct view index, struct view log, uint64_t checkpoint_lsn,
                           struct log_point *end_out, struct err *err);

/*
 * The size of the first item of `items` with its comma; 0 when no whole item is there. Found by
 * the structure of the JSON, whatever its strings hold.
 */
size_t log_item_size(struct view items);

/* headers.op_position of one item. False when it has none. */
NODISCARD bool log_item_op(struct view item, uint64_t *op_out);

/*
 * Where in `items`, all of one transaction, the first item with an op beyond `op` begins;
 * items.size when there is none. An item without op_position belongs to the one before it.
 */
size_t log_items_after(struct view items, uint64_t op);

#endif
