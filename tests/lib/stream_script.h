/*
 * stream_script.h - what connection passes on, made by hand: frames with pgoutput messages.
 *
 * Every function appends one frame to `frames`.
 */
#ifndef TESTS_STREAM_SCRIPT_H
#define TESTS_STREAM_SCRIPT_H

#include "common/buf.h"

/* Values are text; NULL is NULL, SCRIPT_UNCHANGED a TOASTed value that was left alone. */
extern const char SCRIPT_UNCHANGED[];

struct script_column {
    const char *name;
    uint32_t type_oid;
};

struct script_table {
    uint32_t oid;
    const char *schema;
    const char *name;
    size_t column_count;
    const struct script_column *columns;
};

void script_begin(struct buf *frames, uint64_t commit_lsn, uint32_t xid);
void script_commit(struct buf *frames, uint64_t commit_lsn, uint64_t end_lsn);
void script_relation(struct buf *frames, const struct script_table *table);
void script_insert(struct buf *frames, const struct script_table *table, const char *const *row);

/* `old_row` NULL: the table's replica identity is not full. */
void script_update(struct buf *frames, const struct script_table *table, const char *const *old_row,
                   const char *const *row);

/* `kind` 'O' the whole old row, 'K' its key. */
void script_delete(struct buf *frames, const struct script_table *table, char kind,
                   const char *const *row);
void script_truncate(struct buf *frames, const uint32_t *oids, size_t count);
void script_keepalive(struct buf *frames, uint64_t wal_end, bool wants_reply);
void script_too_large(struct buf *frames, uint32_t oid);

#endif
