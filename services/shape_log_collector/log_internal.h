/*
 * log_internal.h - the inside of shape_log.c, log_store.c and log_sync.c, which
 * share it and nobody else includes.
 *
 * A touched log's files and buffers, by position in HANDLE.log:
 *
 *     0            visible.end   log_written           commit.end      last_item   items.size
 *     |-- readers see --|-- written --|----------- items (buffer) -----------|-- held back --|
 *
 * visible ≤ commit ≤ head as points; the records from records_written on are in
 * the buffer `records`.
 */
#ifndef COLLECTOR_LOG_INTERNAL_H
#define COLLECTOR_LOG_INTERNAL_H

#include "common/list.h"
#include "services/shape_log_collector/log_files.h"
#include "services/shape_log_collector/log_store.h"
#include "services/shape_log_collector/shape_log.h"

struct shape_log {
    struct log_store *store;
    const char *handle;
    void *owner;
    struct open_log *open; /* NULL until it is touched */
    bool is_new;           /* nothing on disk from before */
    int64_t rows;          /* inserts less deletes, of committed transactions since the start */
    int64_t open_rows;     /* of the open transaction */
};

/* Where a touched log's descriptors are: which list its `place` node is in. */
enum log_place {
    LOG_CLOSED, /* no descriptors, nothing to sync; in no list */
    LOG_CLEAN,  /* open, nothing to sync: the first to be closed when others need descriptors */
    LOG_DIRTY,  /* open, written since its last sync */
    LOG_DIRTY_CLOSED, /* written, and closed for want of descriptors: only syncfs still covers it */
    LOG_SYNCING,      /* a sync holds the descriptors */
};

struct open_log {
    struct shape_log *log;
    struct list place_node;
    struct list touched_node; /* in store->touched while something is to be written or said */
    enum log_place place;
    bool is_dirty_again; /* written while syncing */
    bool is_suspect;     /* a sync was refused by a full disk: what it held may be lost */
    bool was_closed;     /* closed while dirty: an fdatasync may no longer tell of an error */
    struct sync_entry *sync_entry; /* of the sync under way, if it covers this log */
    struct log_files files;

    struct log_point visible; /* behind the last commit that is written */
    struct log_point commit;  /* behind the last commit */
    struct log_point head;    /* behind the last record */
    uint64_t visible_chunk_start;
    uint64_t commit_chunk_start;
    uint64_t chunk_start; /* where the chunk that is open at head began */

    uint64_t log_written;
    uint64_t records_written;
    struct buf items;
    struct buf records;
    uint32_t crc;         /* of the bytes from head.end to the held-back item */
    size_t last_item;     /* in items: where the held-back item begins */
    size_t last_item_end; /* the end of it as it was added; last_item: none is held back */
    struct log_offset last_offset;

    struct err failure; /* kind ERR_NONE: none */
};

struct log_store {
    struct log_store_options options;
    bool can_syncfs;
    bool is_blocked;
    struct log_sync *sync; /* the one under way */
    struct list touched;
    struct list clean;
    struct list dirty;
    struct list dirty_closed;
    struct list syncing;
    size_t dirty_count; /* in the two dirty lists */
    size_t open_count;  /* logs with descriptors */
    size_t log_count;
    size_t buffered;
    uint64_t unsynced_bytes;
    uint8_t new_names[32]; /* a bit for each folder that has names which are not durable */
};

/* Gets a log's descriptors if it has files; with `make`, makes them. Others may be closed for it.
 */
NODISCARD bool log_store_open_files(struct open_log *open, bool make, struct err *err);

/* Moves the log to another place in life; no other line writes `place`. */
void log_store_set_place(struct open_log *open, enum log_place place);

/* Written: what was written must be synced. */
void log_store_mark_dirty(struct open_log *open);

/* Something is to be written out. */
void log_store_touch(struct open_log *open);

/* Gives up descriptors, or leaves them to the sync that holds them. */
void log_store_forget(struct open_log *open);

/* The log ends while a sync covers it: the sync closes the descriptors it has, this the others. */
void log_sync_disown(struct open_log *open);

/* The shape must end: reported at the end of the next write-out or sync. */
void log_store_fail(struct open_log *open, const struct err *err);
void log_store_report_failed(struct log_store *store);

/* Puts the log's name in front of the message. */
bool log_store_wrap(const struct shape_log *log, struct err *err);

/* As a write-out of one log. */
NODISCARD bool shape_log_write(struct open_log *open, struct err *err);

#endif
