#include "common/db.h"

#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

/* A waiting collector's read may meet the writer's WAL checkpoint: wait for it, not longer. */
#define BUSY_TIMEOUT_MS 5000

struct db {
    sqlite3 *handle;
    struct db_stmt *version; /* prepared when first asked for */
    char *path;
};

struct db_stmt {
    sqlite3_stmt *handle;
    struct db *db;
};

/* The primary code of `result`, in our kinds. */
static enum err_kind
kind_of(int result)
{
    switch (result & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return ERR_CORRUPT;
    case SQLITE_FULL:
    case SQLITE_READONLY:
        return ERR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return ERR_TIMEOUT;
    default:
        return ERR_IO;
    }
}

static bool
fail(struct db *db, const char *what, struct err *err)
{
    int result = sqlite3_extended_errcode(db->handle);
    return err_set(err, kind_of(result), "%s: %s (%s)", db->path, sqlite3_errmsg(db->handle), what);
}

static bool
set_up_writer(struct db *db, struct err *err)
{
    /* What cannot have WAL (a network file system) stays with a journal; commits are as durable. */
    return db_exec(db, "PRAGMA journal_mode=WAL", err) &&
           db_exec(db, "PRAGMA synchronous=FULL", err);
}

bool
db_open(const char *path, enum db_mode mode, struct db **db_out, struct err *err)
{
    struct db *db = mem_alloc_zero(sizeof *db);
    db->path = mem_dup_str(path);
    int flags = mode == DB_READ ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    if (sqlite3_open_v2(path, &db->handle, flags | SQLITE_OPEN_NOMUTEX, NULL) != SQLITE_OK) {
        if (db->handle == NULL) {
            err_set(err, ERR_IO, "%s: open: out of memory", path);
        } else {
            fail(db, "open", err);
        }
        db_close(db);
        return false;
    }
    sqlite3_busy_timeout(db->handle, BUSY_TIMEOUT_MS);
    if (mode == DB_WRITE && !set_up_writer(db, err)) {
        db_close(db);
        return false;
    }
    *db_out = db;
    return true;
}

void
db_close(struct db *db)
{
    if (db == NULL) {
        return;
    }
    db_finish(db->version);
    int result = sqlite3_close(db->handle);
    ASSERT(result == SQLITE_OK); /* else statements were not finished */
    mem_free(db->path);
    mem_free(db);
}

bool
db_check(struct db *db, struct err *err)
{
    struct db_stmt *stmt;
    /* Always gives a row, if it can read at all. */
    if (!db_prepare(db, "PRAGMA quick_check(1)", &stmt, err)) {
        return false;
    }
    bool ok = db_step(stmt, err) == DB_ROW;
    if (ok) {
        struct view verdict = db_column_bytes(stmt, 0);
        ok = view_is(verdict, "ok") || err_set(err, ERR_CORRUPT, "%s: %.*s", db->path,
                                               (int)verdict.size, (const char *)verdict.bytes);
    }
    db_finish(stmt);
    return ok;
}

bool
db_exec(struct db *db, const char *sql, struct err *err)
{
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK || fail(db, sql, err);
}

void
db_rollback(struct db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0) {
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    }
}

uint64_t
db_version(struct db *db)
{
    struct err ignored;
    if (db->version == NULL && !db_prepare(db, "PRAGMA data_version", &db->version, &ignored)) {
        return 0;
    }
    uint64_t version = 0;
    if (db_step(db->version, &ignored) == DB_ROW) {
        version = db_column_u64(db->version, 0);
    }
    db_reset(db->version);
    return version;
}

bool
db_prepare(struct db *db, const char *sql, struct db_stmt **stmt_out, struct err *err)
{
    sqlite3_stmt *handle;
    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &handle, NULL) !=
        SQLITE_OK) {
        return fail(db, sql, err);
    }
    struct db_stmt *stmt = mem_alloc_zero(sizeof *stmt);
    *stmt = (struct db_stmt){handle, db};
    *stmt_out = stmt;
    return true;
}

/* Only a wrong number or a statement under way can make a bind fail: a bug. */
static void
check_bound(int result)
{
    ASSERT(result == SQLITE_OK);
}

void
db_bind_u64(struct db_stmt *stmt, int number, uint64_t value)
{
    int64_t bits;
    memcpy(&bits, &value, sizeof bits);
    check_bound(sqlite3_bind_int64(stmt->handle, number, bits));
}

void
db_bind_blob(struct db_stmt *stmt, int number, struct view bytes)
{
    ASSERT(bytes.size <= INT_MAX);
    const void *p = bytes.size == 0 ? "" : (const void *)bytes.bytes;
    check_bound(sqlite3_bind_blob(stmt->handle, number, p, (int)bytes.size, SQLITE_STATIC));
}

void
db_bind_text(struct db_stmt *stmt, int number, struct view text)
{
    ASSERT(text.size <= INT_MAX);
    const char *p = text.size == 0 ? "" : (const char *)text.bytes;
    check_bound(sqlite3_bind_text(stmt->handle, number, p, (int)text.size, SQLITE_STATIC));
}

enum db_step_result
db_step(struct db_stmt *stmt, struct err *err)
{
    int result = sqlite3_step(stmt->handle);
    if (result == SQLITE_ROW) {
        return DB_ROW;
    }
    if (result != SQLITE_DONE) {
        fail(stmt->db, sqlite3_sql(stmt->handle), err);
        db_reset(stmt);
        return DB_FAILED;
    }
    db_reset(stmt);
    return DB_DONE;
}

uint64_t
db_column_u64(struct db_stmt *stmt, int number)
{
    int64_t bits = sqlite3_column_int64(stmt->handle, number);
    uint64_t value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

struct view
db_column_bytes(struct db_stmt *stmt, int number)
{
    const void *bytes = sqlite3_column_blob(stmt->handle, number);
    int size = sqlite3_column_bytes(stmt->handle, number);
    return view_of(bytes == NULL ? "" : bytes, (size_t)size);
}

bool
db_run(struct db_stmt *stmt, struct err *err)
{
    enum db_step_result result = db_step(stmt, err);
    ASSERT(result != DB_ROW);
    return result == DB_DONE;
}

void
db_reset(struct db_stmt *stmt)
{
    sqlite3_reset(stmt->handle); /* gives the last step's result once more */
}

void
db_finish(struct db_stmt *stmt)
{
    if (stmt == NULL) {
        return;
    }
    sqlite3_finalize(stmt->handle);
    mem_free(stmt);
}
