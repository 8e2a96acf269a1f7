/*
 * where_regex_set.h - sets of characters of regular expressions, and how patterns spell characters.
 *
 * Classes are those of the collation "C": they have no members beyond ASCII.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_REGEX_SET_H
#define CORE_WHERE_REGEX_SET_H

#include "common/arena.h"
#include "common/err.h"

#define REGEX_CASE_ERROR "letters beyond ASCII cannot be matched in either case"

struct regex_set;

struct regex_set *regex_set_new(struct arena *mem);

void regex_set_add(struct regex_set *set, uint32_t first, uint32_t last);

/* \d \w \s, and \D \W \S for all others. False: the letter is none of those. */
NODISCARD bool regex_set_add_letter(struct regex_set *set, uint8_t letter);

/* To be called once, before the first question: each ASCII letter gets its other case. */
void regex_set_finish(struct regex_set *set, bool ignore_case);

bool regex_set_has(const struct regex_set *set, uint32_t code);

/* What is left of a pattern. */
struct regex_text {
    const uint8_t *next;
    const uint8_t *end;
};

/* The next character, which is there. */
uint32_t regex_take_character(struct regex_text *text);

/* The character that stands behind a backslash. Errors: ERR_INVALID. */
NODISCARD bool regex_take_escaped(struct regex_text *text, uint32_t *code_out, struct err *err);

/* What stands between [ and ], both included, behind the [. Errors: ERR_INVALID. */
NODISCARD bool regex_take_bracket(struct regex_text *text, bool ignore_case, struct regex_set *set,
                                  struct err *err);

#endif
