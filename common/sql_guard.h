/*
 * sql_guard.h - keeps text that could nest too deeply away from the grammar.
 *
 * libpg_query recurses over its tree without looking at the stack (seen: it dies of 10,000 times
 * "1+"). What can open a level is counted before; how much is allowed depends on the stack.
 *
 * Threading: any thread; the stack that counts is the main thread's.
 */
#ifndef COMMON_SQL_GUARD_H
#define COMMON_SQL_GUARD_H

#include "common/err.h"
#include "common/wire.h"

/*
 * Lets the main thread's stack grow as far as the longest accepted text needs. To be called once at
 * start; without it less is accepted.
 */
void sql_guard_prepare_stack(void);

/* Errors: ERR_LIMIT. */
NODISCARD bool sql_guard_check(struct view text, struct err *err);

#endif
