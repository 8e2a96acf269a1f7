/*
 * where_memo.h - what a shared node of a clause was for the row in hand.
 *
 * Between where_pool.c, which gives nodes a memo, and where_eval.c, which uses it.
 *
 * Threading: as the pool.
 */
#ifndef CORE_WHERE_MEMO_H
#define CORE_WHERE_MEMO_H

#include "common/core/where_value.h"

struct expr_memo {
    const uint64_t *current_row; /* the pool's */
    uint64_t row;                /* that `value` is of; errors are not kept */
    struct where_value value;
};

#endif
