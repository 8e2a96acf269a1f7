/*
 * catalogue_change.h - one change of the catalogue on its way to the file.
 *
 * What catalogue.c records on the loop and applies on a worker: a copy of all it
 * needs, in one piece of memory.
 *
 * Threading: whoever has it, one at a time.
 */
#ifndef COLLECTOR_CATALOGUE_CHANGE_H
#define COLLECTOR_CATALOGUE_CHANGE_H

#include "common/db.h"
#include "common/list.h"
#include "services/shape_log_collector/catalogue.h"

struct catalogue_change;

/* The statements that changes are applied with. */
struct catalogue_statements;

NODISCARD bool catalogue_statements_open(struct db *db, struct catalogue_statements **out,
                                         struct err *err);
void catalogue_statements_close(struct catalogue_statements *statements);

/* Each appends one change to the list. */
void catalogue_change_put_shape(struct list *changes, const struct catalogue_shape *shape);
void catalogue_change_remove_shape(struct list *changes, struct view handle);
void catalogue_change_put_quiesced(struct list *changes, const struct catalogue_quiesced *table);
void catalogue_change_remove_quiesced(struct list *changes, uint32_t oid);
void catalogue_change_set_number(struct list *changes, const char *key, uint64_t number);
void catalogue_change_set_bytes(struct list *changes, const char *key, struct view bytes);

/* Deletes all shapes, quiesced tables and unseen ids. */
void catalogue_change_clear(struct list *changes);

/* Applies all in one transaction; the list stays. Blocks for an fsync. Errors: db.h's. */
NODISCARD bool catalogue_changes_apply(struct db *db, struct catalogue_statements *statements,
                                       const struct list *changes, struct err *err);

void catalogue_changes_free(struct list *changes);

#endif
