#include "common/core/where_regex_tree.h"

#include <string.h>

#include "common/core/where_regex.h"
#include "common/core/where_utf8.h"

struct parser {
    struct regex_text text;
    bool ignore_case;
    unsigned depth;
    size_t node_count;
    struct arena *mem; /* for sets, which the automaton keeps */
    struct arena *tmp; /* for the tree */
    struct err *err;
};

static const struct regex_node *parse_either(struct parser *p);

static struct regex_node *
fail(struct parser *p, const char *reason)
{
    err_set(p->err, ERR_INVALID, "invalid regular expression: %s", reason);
    return NULL;
}

static struct regex_node *
make(struct parser *p, enum regex_node_kind kind, const struct regex_node *left,
     const struct regex_node *right)
{
    struct regex_node *node = arena_alloc(p->tmp, 1, sizeof *node);
    *node = (struct regex_node){.kind = kind, .left = left, .right = right};
    return node;
}

static const struct regex_node *
make_assertion(struct parser *p, enum regex_assertion assertion)
{
    struct regex_node *node = make(p, NODE_ASSERT, NULL, NULL);
    node->assertion = assertion;
    return node;
}

static const struct regex_node *
make_set(struct parser *p, struct regex_set *set)
{
    regex_set_finish(set, p->ignore_case);
    struct regex_node *node = make(p, NODE_SET, NULL, NULL);
    node->set = set;
    return node;
}

static const struct regex_node *
make_character(struct parser *p, uint32_t code)
{
    struct regex_set *set = regex_set_new(p->mem);
    if (p->ignore_case && utf8_may_have_case(code, code)) {
        return fail(p, REGEX_CASE_ERROR);
    }
    regex_set_add(set, code, code);
    return make_set(p, set);
}

static bool
at(const struct parser *p, char c)
{
    return p->text.next < p->text.end && *p->text.next == (uint8_t)c;
}

static bool
take(struct parser *p, char c)
{
    bool found = at(p, c);
    p->text.next += found;
    return found;
}

static bool
at_digit(const struct parser *p, size_t ahead)
{
    const uint8_t *place = p->text.next + ahead;
    return place < p->text.end && *place >= '0' && *place <= '9';
}

/* A brace opens a count only before a digit; otherwise it is a character. */
static bool
at_quantifier(const struct parser *p)
{
    return at(p, '*') || at(p, '+') || at(p, '?') || (at(p, '{') && at_digit(p, 1));
}

/* ---- atoms */

/* What an escape stands for beside characters: a class, or a place. NULL: none of those. */
static const struct regex_node *
parse_special_escape(struct parser *p, uint8_t letter)
{
    switch (letter) {
    case 'A':
        return make_assertion(p, ASSERT_START);
    case 'Z':
        return make_assertion(p, ASSERT_END);
    case 'm':
        return make_assertion(p, ASSERT_WORD_START);
    case 'M':
        return make_assertion(p, ASSERT_WORD_END);
    case 'y':
        return make_assertion(p, ASSERT_WORD_EDGE);
    case 'Y':
        return make_assertion(p, ASSERT_NO_WORD_EDGE);
    default:
        break;
    }
    struct regex_set *set = regex_set_new(p->mem);
    if (!regex_set_add_letter(set, letter)) {
        return NULL;
    }
    return make_set(p, set);
}

static const struct regex_node *
parse_escape(struct parser *p)
{
    uint32_t code;
    if (p->text.next < p->text.end) {
        const struct regex_node *special = parse_special_escape(p, *p->text.next);
        if (special != NULL) {
            p->text.next++;
            return special;
        }
    }
    return regex_take_escaped(&p->text, &code, p->err) ? make_character(p, code) : NULL;
}

static const struct regex_node *
parse_group(struct parser *p)
{
    if (take(p, '?') && !take(p, ':')) {
        bool looks = at(p, '=') || at(p, '!') || at(p, '<');
        return fail(p, looks ? "lookahead and lookbehind are not supported"
                             : "embedded options and comments (?…) are not supported");
    }
    if (++p->depth > WHERE_REGEX_DEPTH_MAX) {
        return fail(p, "too many parentheses within parentheses");
    }
    const struct regex_node *node = parse_either(p);
    p->depth--;
    if (node != NULL && !take(p, ')')) {
        return fail(p, "parentheses () not balanced");
    }
    return node;
}

static const struct regex_node *
parse_atom(struct parser *p)
{
    if (at_quantifier(p)) {
        return fail(p, "quantifier operand invalid");
    }
    if (take(p, '(')) {
        return parse_group(p);
    }
    if (take(p, '[')) {
        struct regex_set *set = regex_set_new(p->mem);
        return regex_take_bracket(&p->text, p->ignore_case, set, p->err) ? make_set(p, set) : NULL;
    }
    if (take(p, '\\')) {
        return parse_escape(p);
    }
    if (take(p, '^')) {
        return make_assertion(p, ASSERT_START);
    }
    if (take(p, '$')) {
        return make_assertion(p, ASSERT_END);
    }
    if (take(p, '.')) {
        struct regex_set *set = regex_set_new(p->mem);
        regex_set_add(set, 0, UINT32_MAX);
        return make_set(p, set);
    }
    return make_character(p, regex_take_character(&p->text));
}

/* ---- quantifiers, branches, alternatives */

static bool
take_number(struct parser *p, int *number_out)
{
    int number = 0;
    bool found = at_digit(p, 0);
    while (at_digit(p, 0) && number <= REGEX_REPEAT_MAX) {
        number = number * 10 + (*p->text.next++ - '0');
    }
    *number_out = number;
    return found && number <= REGEX_REPEAT_MAX;
}

static bool
take_count(struct parser *p, int *min_out, int *max_out)
{
    if (!take_number(p, min_out)) {
        return false;
    }
    *max_out = *min_out;
    if (take(p, ',')) {
        *max_out = REGEX_REPEAT_ANY;
        if (!at(p, '}') && !take_number(p, max_out)) {
            return false;
        }
    }
    return take(p, '}') && (*max_out == REGEX_REPEAT_ANY || *max_out >= *min_out);
}

/* Greedy or not (`*?`): the same texts match. */
static const struct regex_node *
parse_piece(struct parser *p)
{
    const struct regex_node *atom = parse_atom(p);
    if (atom == NULL || !at_quantifier(p)) {
        return atom;
    }
    if (atom->kind == NODE_ASSERT) {
        return fail(p, "quantifier operand invalid");
    }
    struct regex_node *node = make(p, NODE_REPEAT, atom, NULL);
    node->max = REGEX_REPEAT_ANY;
    if (take(p, '+')) {
        node->min = 1;
    } else if (take(p, '?')) {
        node->max = 1;
    } else if (take(p, '{')) {
        if (!take_count(p, &node->min, &node->max)) {
            return fail(p, "invalid repetition count(s)");
        }
    } else {
        (void)take(p, '*');
    }
    (void)take(p, '?');
    return at_quantifier(p) ? fail(p, "quantifier operand invalid") : node;
}

static const struct regex_node *
parse_branch(struct parser *p)
{
    const struct regex_node *all = NULL;
    while (p->text.next < p->text.end && !at(p, '|') && !at(p, ')')) {
        const struct regex_node *piece = parse_piece(p);
        if (piece == NULL || ++p->node_count > WHERE_REGEX_STEPS_MAX) {
            return piece == NULL ? NULL : fail(p, "it is too long");
        }
        all = all == NULL ? piece : make(p, NODE_JOIN, all, piece);
    }
    return all == NULL ? make(p, NODE_EMPTY, NULL, NULL) : all;
}

static const struct regex_node *
parse_either(struct parser *p)
{
    const struct regex_node *all = parse_branch(p);
    while (all != NULL && take(p, '|')) {
        if (++p->node_count > WHERE_REGEX_STEPS_MAX) {
            return fail(p, "it is too long");
        }
        const struct regex_node *branch = parse_branch(p);
        all = branch == NULL ? NULL : make(p, NODE_EITHER, all, branch);
    }
    return all;
}

static const struct regex_node *
parse(struct parser *p)
{
    size_t size = (size_t)(p->text.end - p->text.next);
    if (size >= 3 && memcmp(p->text.next, "***", 3) == 0) {
        return fail(p, "directors (***) are not supported");
    }
    if (size > WHERE_REGEX_BYTES_MAX) {
        return fail(p, "it is too long");
    }
    const struct regex_node *tree = parse_either(p);
    if (tree != NULL && p->text.next < p->text.end) { /* what nothing opened */
        return fail(p, "parentheses () not balanced");
    }
    return tree;
}

const struct regex_node *
regex_parse(struct view pattern, bool ignore_case, struct arena *mem, struct arena *tmp,
            struct err *err)
{
    const uint8_t *bytes = pattern.size > 0 ? pattern.bytes : (const uint8_t *)"";
    struct parser p = {
        .text = {bytes, bytes + pattern.size},
        .ignore_case = ignore_case,
        .mem = mem,
        .tmp = tmp,
        .err = err,
    };
    return parse(&p);
}
