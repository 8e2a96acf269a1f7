/*
 * where_json.h - json and jsonb values of the where language as trees.
 *
 * A text is read once into nodes that live in the row's arena; every operator walks those. jsonb
 * is what Postgres makes of it: keys sorted and unique (the last one written stays), numbers as
 * numeric. json keeps what was written: its `raw` texts are what the operators give.
 *
 * Threading: no state, any thread.
 */
#ifndef CORE_WHERE_JSON_H
#define CORE_WHERE_JSON_H

#include "common/buf.h"
#include "common/core/where_value.h"

/* Levels of arrays and objects: everything here recurses. */
#define JSON_DEPTH_MAX 1000

/* Nodes of one value: 64 MB of them. */
#define JSON_NODES_MAX 800000

enum json_kind {
    JSON_NULL,
    JSON_BOOL,
    JSON_NUMBER,
    JSON_STRING,
    JSON_ARRAY,
    JSON_OBJECT,
};

struct json_node {
    enum json_kind kind;
    uint32_t count;  /* of an array or object */
    struct view raw; /* as it was written, without blanks around it */
    union {
        bool boolean;
        struct view text; /* of a string, escapes resolved; of a number, digits without exponent
                             (jsonb) or as written (json) */
        struct json_node *first; /* of an array or object; NULL when it is empty */
    };
    struct view key; /* in an object */
    struct json_node *next;
};

/* As Postgres' input of jsonb (is_binary) or, with every escape resolved, of json. */
NODISCARD bool json_parse(struct view text, bool is_binary, struct arena *mem,
                          struct where_json *json_out);

/* jsonb's order of keys: by length, then by bytes. */
int json_compare_keys(struct view a, struct view b);

/* jsonb = jsonb: numbers by value. */
bool json_is_equal(const struct json_node *a, const struct json_node *b);

/* a @> b of jsonb. */
bool json_contains(const struct json_node *a, const struct json_node *b);

/* The value under a key (of several, the last), or at a place (below 0: from the end). NULL: none.
 */
const struct json_node *json_member(const struct json_node *node, struct view key);
const struct json_node *json_element(const struct json_node *node, int64_t place);

/* What stands at the end of a path without NULLs, as #> finds it; NULL: nothing. */
const struct json_node *json_at_path(const struct json_node *root, const struct where_array *path);

/* jsonb as Postgres prints it; as a key, equal numbers have one spelling. */
void json_print(const struct json_node *node, bool as_key, struct buf *out);

#endif
