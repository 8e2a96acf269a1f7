/*
 * where_code.h - a typed clause as bytes: loading a shape parses no SQL.
 *
 *     u8 kind, u8 flags (1 negated, 2 implicit), u8 base, u8 is_array, u32 type oid,
 *     then by kind: column u32 | function number u32 | constant: u8 is_null, u32 size, text
 *     then u32 arg_count and the args, each likewise. Little-endian.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_CODE_H
#define CORE_WHERE_CODE_H

#include "common/buf.h"
#include "common/core/where_expr.h"

void where_encode(const struct expr *expr, struct buf *out);

/*
 * Reads a clause back and checks every type in it again, so that no bytes whatever make an
 * evaluation read a value as what it is not. Texts of constants borrow from `code`.
 *
 * Errors: ERR_CORRUPT.
 */
NODISCARD bool where_decode(struct view code, const struct where_scope *scope, struct arena *mem,
                            struct expr **expr_out, struct err *err);

#endif
