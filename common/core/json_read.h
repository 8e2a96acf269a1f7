/*
 * json_read.h - reads JSON text that a client sent, without building a tree of it.
 *
 * json_read() checks the whole text; what it says then is a value, and the members of an object
 * are taken one by one from its bytes. Nothing is allocated but the texts of strings.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_JSON_READ_H
#define CORE_JSON_READ_H

#include "common/arena.h"
#include "common/err.h"
#include "common/wire.h"

/* Arrays and objects in one another. */
#define JSON_DEPTH_MAX 128

enum json_kind {
    JSON_KIND_NULL,
    JSON_KIND_BOOL,
    JSON_KIND_NUMBER,
    JSON_KIND_STRING,
    JSON_KIND_ARRAY,
    JSON_KIND_OBJECT,
};

struct json_value {
    enum json_kind kind;
    struct view text; /* of a string what it means; of the others their bytes as they stand there */
};

/*
 * Reads a text that is one value and nothing else. `value_out` borrows from `text`, or is in `mem`.
 *
 * Errors: ERR_INVALID, in the words that the reference uses: "unexpected byte at position 1:
 * 0x6F ("o")", "unexpected end of input at position 9"; ERR_LIMIT: too deep.
 */
NODISCARD bool json_read(struct view text, struct arena *mem, struct json_value *value_out,
                         struct err *err);

/*
 * Takes the next member from the bytes of an object that json_read() gave, `rest`, which begins as
 * its text. False at the end. Names may come twice.
 */
NODISCARD bool json_next_member(struct view *rest, struct arena *mem, struct view *name_out,
                                struct json_value *value_out);

/* How many members an object has at most: for whoever needs room for them. */
size_t json_members_max(const struct json_value *object);

#endif
