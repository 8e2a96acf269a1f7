/*
 * copy_text.h - rows of COPY's text format.
 *
 * Fields are taken apart in place: escapes are undone in the block's own bytes.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_COPY_TEXT_H
#define CORE_COPY_TEXT_H

#include "common/err.h"
#include "common/wire.h"

struct copy_field {
    struct view text;
    bool is_null;
};

/* What is left of a block of whole rows. */
struct copy_rows {
    uint8_t *next;
    uint8_t *end;
};

/*
 * Takes the next row, which must have `count` fields. False at the end of the block, with
 * err->kind ERR_NONE, and on an error.
 *
 * Errors: ERR_PROTOCOL: another number of fields, no line end.
 */
NODISCARD bool copy_rows_next(struct copy_rows *rows, struct copy_field *fields, size_t count,
                              struct err *err);

#endif
