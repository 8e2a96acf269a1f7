/*
 * err.h - the one error value of the code base.
 *
 * A function that can fail returns false and fills the caller's struct err.
 * Callers that cannot handle it add one line of context and pass it up:
 *
 *     if (!fs_replace(path, data, size, err))
 *         return err_wrap(err, "advance slot %s", name);
 *
 * The message reads from the outside in: "advance slot s1: rename x: No space".
 */
#ifndef COMMON_ERR_H
#define COMMON_ERR_H

#include "common/base.h"

#define ERR_MSG_SIZE 256

/* What a caller may branch on. Everything else belongs in the message. */
enum err_kind {
    ERR_NONE,
    ERR_IO,       /* a system call failed; retrying may help */
    ERR_FULL,     /* no room, read-only, no descriptors: concerns every file, and passes */
    ERR_CORRUPT,  /* stored data is damaged; retrying never helps */
    ERR_PROTOCOL, /* a peer sent bytes we do not understand */
    ERR_LIMIT,    /* input is beyond a documented limit */
    ERR_INVALID,  /* a setting or a request is wrong; the message says what is allowed */
    ERR_TIMEOUT,  /* a deadline passed */
    ERR_CANCELED, /* shutdown or client gone */
};

struct err {
    enum err_kind kind;
    char msg[ERR_MSG_SIZE]; /* no trailing newline; truncated to fit */
};

/* Both return false, so that `return err_set(...)` is the whole failure path. */
bool err_set(struct err *err, enum err_kind kind, const char *fmt, ...) PRINTF(3, 4);
bool err_wrap(struct err *err, const char *fmt, ...) PRINTF(2, 3);

/* The analyzer reads one file at a time: else it takes them for functions that may succeed. */
#ifdef __clang_analyzer__
#define err_set(...)  ((void)err_set(__VA_ARGS__), false)
#define err_wrap(...) ((void)err_wrap(__VA_ARGS__), false)
#endif

#endif
