/*
 * where_regex_tree.h - a regular expression as a tree, before it becomes an automaton.
 *
 * Inside of where_regex.c and where_regex_parse.c.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_REGEX_TREE_H
#define CORE_WHERE_REGEX_TREE_H

#include "common/core/where_regex_set.h"
#include "common/wire.h"

#define REGEX_REPEAT_MAX 255 /* Postgres' DUPMAX */
#define REGEX_REPEAT_ANY (-1)

enum regex_node_kind {
    NODE_EMPTY,
    NODE_SET,    /* set */
    NODE_ASSERT, /* assertion */
    NODE_JOIN,   /* left, then right */
    NODE_EITHER, /* left or right */
    NODE_REPEAT, /* left, from min to max times */
};

enum regex_assertion {
    ASSERT_START,
    ASSERT_END,
    ASSERT_WORD_START,
    ASSERT_WORD_END,
    ASSERT_WORD_EDGE,
    ASSERT_NO_WORD_EDGE,
};

struct regex_node {
    enum regex_node_kind kind;
    enum regex_assertion assertion;
    int min;
    int max;
    const struct regex_set *set;
    const struct regex_node *left;
    const struct regex_node *right;
};

/*
 * The tree lives in `tmp`, its sets in `mem`. NULL after an error, ERR_INVALID: "invalid regular
 * expression: …".
 */
const struct regex_node *regex_parse(struct view pattern, bool ignore_case, struct arena *mem,
                                     struct arena *tmp, struct err *err);

#endif
