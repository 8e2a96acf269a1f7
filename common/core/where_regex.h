/*
 * where_regex.h - regular expressions as Postgres means them, matched in bounded time.
 *
 * Whether a text matches, and nothing about where: that is a question about a language, and an
 * automaton that is in all of its states at once answers it in time that grows with text times
 * pattern, whatever the pattern. So there is no library here, no backtracking and no limit that a
 * row could exceed.
 *
 * The patterns are Postgres' advanced regular expressions under the collation "C", without what is
 * no regular language or is rare: back references, lookaround, embedded options (?i), directors
 * ***=, collating elements [.x.] and [=x=]. Those are refused by name.
 *
 * Threading: a compiled expression does not change; any thread.
 */
#ifndef CORE_WHERE_REGEX_H
#define CORE_WHERE_REGEX_H

#include "common/arena.h"
#include "common/err.h"
#include "common/wire.h"

#define WHERE_REGEX_STEPS_MAX 1000u /* of the automaton: what a character of a text may cost */
#define WHERE_REGEX_BYTES_MAX 4000u
#define WHERE_REGEX_DEPTH_MAX 50u /* parentheses within parentheses */

struct where_regex;

/*
 * Compiles a pattern into `mem`. With `ignore_case` ASCII letters match either case.
 * Errors, ERR_INVALID: "invalid regular expression: …", in Postgres' words where it refuses too.
 */
NODISCARD bool where_regex_compile(struct view pattern, bool ignore_case, struct arena *mem,
                                   const struct where_regex **regex_out, struct err *err);

/* Does the expression match anywhere in the text? `mem` is for the time of the call. */
bool where_regex_matches(const struct where_regex *regex, struct view text, struct arena *mem);

#endif
