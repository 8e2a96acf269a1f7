/*
 * ident.h - names of tables and columns as clients write them.
 *
 * Unquoted names fold to lower case, quoted ones keep theirs, with "" inside for a quote
 * (http-api §3). Results live in the arena.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_IDENT_H
#define CORE_IDENT_H

#include "common/arena.h"
#include "common/err.h"
#include "common/wire.h"

/* Postgres: NAMEDATALEN - 1, in characters here as the reference counts them. */
#define IDENT_MAX 63

struct table_ident {
    struct view schema; /* "public" when none was written */
    struct view name;
};

/* Errors: ERR_INVALID, the text that the client gets under `table`. */
NODISCARD bool ident_parse_table(struct view text, struct arena *mem, struct table_ident *table_out,
                                 struct err *err);

/* A list by commas, not blank. Errors: ERR_INVALID, the text that the client gets. */
NODISCARD bool ident_parse_list(struct view text, struct arena *mem, struct view **names_out,
                                size_t *count_out, struct err *err);

#endif
