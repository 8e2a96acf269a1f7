/*
 * catalogue_read.h - what catalogue.c reads from the file, table by table.
 *
 * Threading: whoever has the database.
 */
#ifndef COLLECTOR_CATALOGUE_READ_H
#define COLLECTOR_CATALOGUE_READ_H

#include "common/buf.h"
#include "common/db.h"
#include "services/shape_log_collector/catalogue.h"

/* meta_out->unseen borrows from `unseen`, whose old content goes. Errors: db.h's; ERR_CORRUPT. */
NODISCARD bool catalogue_read_meta(struct db *db, struct catalogue_meta *meta_out,
                                   struct buf *unseen, struct err *err);

/* Gives each row, in the order of creation. Errors: db.h's; ERR_CORRUPT. */
NODISCARD bool catalogue_read_shapes(struct db *db, void *ctx,
                                     void (*give)(void *, const struct catalogue_shape *),
                                     struct err *err);
NODISCARD bool catalogue_read_quiesced(struct db *db, void *ctx,
                                       void (*give)(void *, const struct catalogue_quiesced *),
                                       struct err *err);

#endif
