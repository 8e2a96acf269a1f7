/*
 * json.h - writes JSON text into a buffer. core/json_read.h reads it.
 *
 * Escapes as Postgres' to_json does: \" \\ \b \f \n \r \t and \u00xx for the
 * other control characters; bytes from 0x80 on pass unchanged.
 */
#ifndef COMMON_JSON_H
#define COMMON_JSON_H

#include "common/buf.h"

/* With the quotes. */
void json_append_string(struct buf *buf, struct view text);

/* Without the quotes, to go on inside a string. */
void json_append_escaped(struct buf *buf, struct view text);

#endif
