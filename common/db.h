/*
 * db.h - a SQLite file: prepared statements with errors as ours.
 *
 * Numbers are 64 bits without sign and stored as SQLite's signed ones, bit for
 * bit. Errors: ERR_CORRUPT (also: not a database), ERR_FULL (no room or
 * read-only), ERR_TIMEOUT (another process holds it), ERR_IO for the rest.
 *
 * Threading: a database and its statements belong to one thread at a time.
 */
#ifndef COMMON_DB_H
#define COMMON_DB_H

#include "common/wire.h"

struct db;
struct db_stmt;

enum db_mode {
    DB_READ,  /* must exist; nothing is written */
    DB_WRITE, /* made if need be; durable commits (synchronous=FULL), WAL where it can be had */
};

enum db_step_result {
    DB_ROW,
    DB_DONE,
    DB_FAILED, /* *err is set; the statement is reset */
};

NODISCARD bool db_open(const char *path, enum db_mode mode, struct db **db_out, struct err *err);

/* Its statements are finished before. NULL is accepted. */
void db_close(struct db *db);

/* Reads the whole file and says whether it is sound. Errors: ERR_CORRUPT and what reading gives. */
NODISCARD bool db_check(struct db *db, struct err *err);

/* Runs statements without parameters and results. */
NODISCARD bool db_exec(struct db *db, const char *sql, struct err *err);

/* Ends a transaction that failed, if it is still open: SQLite ends some by itself. */
void db_rollback(struct db *db);

/* A number that changes when another connection commits; 0 if it cannot be told. */
uint64_t db_version(struct db *db);

NODISCARD bool db_prepare(struct db *db, const char *sql, struct db_stmt **stmt_out,
                          struct err *err);

/* Parameters count from 1 and stay until bound anew. Bytes are borrowed until the next reset. */
void db_bind_u64(struct db_stmt *stmt, int number, uint64_t value);
void db_bind_blob(struct db_stmt *stmt, int number, struct view bytes);
void db_bind_text(struct db_stmt *stmt, int number, struct view text);

/* The next row. After DB_DONE the statement is reset and can be run again. */
enum db_step_result db_step(struct db_stmt *stmt, struct err *err);

/* Columns count from 0. Views are good until the next step or reset. */
uint64_t db_column_u64(struct db_stmt *stmt, int number);
struct view db_column_bytes(struct db_stmt *stmt, int number);

/* Steps a statement that gives no rows to its end. */
NODISCARD bool db_run(struct db_stmt *stmt, struct err *err);

void db_reset(struct db_stmt *stmt);

/* NULL is accepted. */
void db_finish(struct db_stmt *stmt);

#endif
