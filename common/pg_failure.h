/*
 * pg_failure.h - why something did not work with Postgres.
 *
 * Threading: no state, any thread.
 */
#ifndef COMMON_PG_FAILURE_H
#define COMMON_PG_FAILURE_H

#include "common/base.h"

struct pg_failure {
    bool is_lost;     /* the session is over */
    char sqlstate[6]; /* "" when Postgres did not say it */
    char message[512];
    char detail[256];
};

/*
 * Fills in what libpq says while it connects. It keeps no result of an error then, but with
 * PQERRORS_VERBOSE its text reads "... failed: FATAL:  28P01: password ...\nLOCATION:  auth.c".
 * The last error in it counts: before it stand other addresses, and the attempt with TLS.
 */
void pg_failure_from_text(struct pg_failure *failure, const char *text);

/* A copy on one line, cut to `size`. NULL is "". */
void pg_failure_copy_text(char *to, size_t size, const char *from);

#endif
