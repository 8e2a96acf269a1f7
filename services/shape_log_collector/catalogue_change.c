#include "services/shape_log_collector/catalogue_change.h"

#include <string.h>

#include "common/mem.h"

enum change_kind {
    CHANGE_PUT_SHAPE,
    CHANGE_REMOVE_SHAPE,
    CHANGE_PUT_QUIESCED,
    CHANGE_REMOVE_QUIESCED,
    CHANGE_SET_NUMBER,
    CHANGE_SET_BYTES,
    CHANGE_CLEAR_SHAPES,
    CHANGE_CLEAR_QUIESCED,
    CHANGE_CLEAR_UNSEEN,
};
#define CHANGE_KINDS 9

/* Each can be applied twice: a commit that reports an error may be in the file all the same. */
static const char *const sql[CHANGE_KINDS] = {
    [CHANGE_PUT_SHAPE] = ("INSERT OR REPLACE INTO shapes"
                          " (handle, definition, created_us, lsn, marks, chunk_ends)"
                          " VALUES (?1, ?2, ?5, ?6, ?3, ?4)"),
    [CHANGE_REMOVE_SHAPE] = "DELETE FROM shapes WHERE handle = ?1",
    [CHANGE_PUT_QUIESCED] = "INSERT OR REPLACE INTO quiesced (name, oid) VALUES (?1, ?5)",
    [CHANGE_REMOVE_QUIESCED] = "DELETE FROM quiesced WHERE oid = ?5",
    [CHANGE_SET_NUMBER] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?5)",
    [CHANGE_SET_BYTES] = "INSERT OR REPLACE INTO meta (key, value) VALUES (?1, ?2)",
    [CHANGE_CLEAR_SHAPES] = "DELETE FROM shapes",
    [CHANGE_CLEAR_QUIESCED] = "DELETE FROM quiesced",
    [CHANGE_CLEAR_UNSEEN] = "DELETE FROM meta WHERE key = 'unseen'",
};

/* Parameter 1 is a text, 2 to 4 are bytes, 5 and 6 numbers; each statement uses some of them. */
static const struct {
    bool has_text;
    int blobs;
    int numbers;
} uses[CHANGE_KINDS] = {
    [CHANGE_PUT_SHAPE] = {true, 3, 2},     [CHANGE_REMOVE_SHAPE] = {true, 0, 0},
    [CHANGE_PUT_QUIESCED] = {true, 0, 1},  [CHANGE_REMOVE_QUIESCED] = {false, 0, 1},
    [CHANGE_SET_NUMBER] = {true, 0, 1},    [CHANGE_SET_BYTES] = {true, 1, 0},
    [CHANGE_CLEAR_SHAPES] = {false, 0, 0}, [CHANGE_CLEAR_QUIESCED] = {false, 0, 0},
    [CHANGE_CLEAR_UNSEEN] = {false, 0, 0},
};

struct catalogue_change {
    struct list node;
    enum change_kind kind;
    struct view text; /* these lie in `bytes` */
    struct view blobs[3];
    uint64_t numbers[2];
    uint8_t bytes[];
};

struct catalogue_statements {
    struct db_stmt *of[CHANGE_KINDS];
};

bool
catalogue_statements_open(struct db *db, struct catalogue_statements **out, struct err *err)
{
    struct catalogue_statements *statements = mem_alloc_zero(sizeof *statements);
    for (size_t i = 0; i < CHANGE_KINDS; i++) {
        if (!db_prepare(db, sql[i], &statements->of[i], err)) {
            catalogue_statements_close(statements);
            return false;
        }
    }
    *out = statements;
    return true;
}

void
catalogue_statements_close(struct catalogue_statements *statements)
{
    if (statements == NULL) {
        return;
    }
    for (size_t i = 0; i < CHANGE_KINDS; i++) {
        db_finish(statements->of[i]);
    }
    mem_free(statements);
}

static struct view
copy_into(uint8_t **next, struct view from)
{
    if (from.size > 0) {
        memcpy(*next, from.bytes, from.size);
    }
    struct view copy = view_of(*next, from.size);
    *next += from.size;
    return copy;
}

/* A change like `model`, with its own copies of texts and bytes. */
static void
append(struct list *changes, const struct catalogue_change *model)
{
    size_t size = model->text.size;
    for (size_t i = 0; i < COUNT_OF(model->blobs); i++) {
        size += model->blobs[i].size;
    }
    struct catalogue_change *change = mem_alloc_zero(sizeof *change + size);
    uint8_t *next = change->bytes;
    change->kind = model->kind;
    change->text = copy_into(&next, model->text);
    for (size_t i = 0; i < COUNT_OF(model->blobs); i++) {
        change->blobs[i] = copy_into(&next, model->blobs[i]);
    }
    memcpy(change->numbers, model->numbers, sizeof change->numbers);
    list_init(&change->node);
    list_push_back(changes, &change->node);
}

void
catalogue_change_put_shape(struct list *changes, const struct catalogue_shape *shape)
{
    uint8_t *ends = mem_alloc(shape->chunk_count * sizeof(uint64_t));
    for (uint32_t i = 0; i < shape->chunk_count; i++) {
        wire_put_u64(ends + i * sizeof(uint64_t), shape->chunk_ends[i]);
    }
    append(changes, &(struct catalogue_change){
                        .kind = CHANGE_PUT_SHAPE,
                        .text = shape->handle,
                        .blobs = {shape->definition, shape->marks,
                                  view_of(ends, shape->chunk_count * sizeof(uint64_t))},
                        .numbers = {shape->created_us, shape->lsn},
                    });
    mem_free(ends);
}

void
catalogue_change_remove_shape(struct list *changes, struct view handle)
{
    append(changes, &(struct catalogue_change){.kind = CHANGE_REMOVE_SHAPE, .text = handle});
}

void
catalogue_change_put_quiesced(struct list *changes, const struct catalogue_quiesced *table)
{
    append(changes, &(struct catalogue_change){
                        .kind = CHANGE_PUT_QUIESCED, .text = table->name, .numbers = {table->oid}});
}

void
catalogue_change_remove_quiesced(struct list *changes, uint32_t oid)
{
    append(changes, &(struct catalogue_change){.kind = CHANGE_REMOVE_QUIESCED, .numbers = {oid}});
}

void
catalogue_change_set_number(struct list *changes, const char *key, uint64_t number)
{
    append(changes, &(struct catalogue_change){
                        .kind = CHANGE_SET_NUMBER, .text = view_str(key), .numbers = {number}});
}

void
catalogue_change_set_bytes(struct list *changes, const char *key, struct view bytes)
{
    append(changes, &(struct catalogue_change){
                        .kind = CHANGE_SET_BYTES, .text = view_str(key), .blobs = {bytes}});
}

void
catalogue_change_clear(struct list *changes)
{
    append(changes, &(struct catalogue_change){.kind = CHANGE_CLEAR_SHAPES});
    append(changes, &(struct catalogue_change){.kind = CHANGE_CLEAR_QUIESCED});
    append(changes, &(struct catalogue_change){.kind = CHANGE_CLEAR_UNSEEN});
}

static bool
apply(struct catalogue_statements *statements, const struct catalogue_change *change,
      struct err *err)
{
    struct db_stmt *stmt = statements->of[change->kind];
    if (uses[change->kind].has_text) {
        db_bind_text(stmt, 1, change->text);
    }
    for (int i = 0; i < uses[change->kind].blobs; i++) {
        db_bind_blob(stmt, 2 + i, change->blobs[i]);
    }
    for (int i = 0; i < uses[change->kind].numbers; i++) {
        db_bind_u64(stmt, 5 + i, change->numbers[i]);
    }
    return db_run(stmt, err);
}

bool
catalogue_changes_apply(struct db *db, struct catalogue_statements *statements,
                        const struct list *changes, struct err *err)
{
    if (!db_exec(db, "BEGIN IMMEDIATE", err)) {
        return false;
    }
    bool ok = true;
    LIST_FOREACH (node, changes) {
        ok = apply(statements, LIST_ITEM(node, struct catalogue_change, node), err);
        if (!ok) {
            break;
        }
    }
    ok = ok && db_exec(db, "COMMIT", err);
    if (!ok) {
        db_rollback(db);
    }
    return ok;
}

void
catalogue_changes_free(struct list *changes)
{
    LIST_FOREACH (node, changes) {
        mem_free(LIST_ITEM(node, struct catalogue_change, node));
    }
    list_init(changes);
}
