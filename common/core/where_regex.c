#include "common/core/where_regex.h"

#include <string.h>

#include "common/core/where_regex_set.h"
#include "common/core/where_utf8.h"

#define REPEAT_MAX 255 /* Postgres' DUPMAX */
#define REPEAT_ANY (-1)

/* More than the longest pattern takes, as a tree or as sets and steps. */
#define COMPILE_ROOM ((size_t)1 << 20)

/* ---- the tree of a pattern */

enum node_kind {
    NODE_EMPTY,
    NODE_SET,    /* set */
    NODE_ASSERT, /* assertion */
    NODE_JOIN,   /* left, then right */
    NODE_EITHER, /* left or right */
    NODE_REPEAT, /* left, from min to max times */
};

enum assertion {
    ASSERT_START,
    ASSERT_END,
    ASSERT_WORD_START,
    ASSERT_WORD_END,
    ASSERT_WORD_EDGE,
    ASSERT_NO_WORD_EDGE,
};

struct node {
    enum node_kind kind;
    enum assertion assertion;
    int min;
    int max;
    const struct regex_set *set;
    const struct node *left;
    const struct node *right;
};

struct parser {
    struct regex_text text;
    bool ignore_case;
    unsigned depth;
    size_t node_count;
    struct arena *mem; /* for sets, which the automaton keeps */
    struct arena *tmp; /* for the tree */
    struct err *err;
};

static const struct node *parse_either(struct parser *p);

static struct node *
fail(struct parser *p, const char *reason)
{
    err_set(p->err, ERR_INVALID, "invalid regular expression: %s", reason);
    return NULL;
}

static struct node *
make(struct parser *p, enum node_kind kind, const struct node *left, const struct node *right)
{
    struct node *node = arena_alloc(p->tmp, 1, sizeof *node);
    *node = (struct node){.kind = kind, .left = left, .right = right};
    return node;
}

static const struct node *
make_assertion(struct parser *p, enum assertion assertion)
{
    struct node *node = make(p, NODE_ASSERT, NULL, NULL);
    node->assertion = assertion;
    return node;
}

static const struct node *
make_set(struct parser *p, struct regex_set *set)
{
    regex_set_finish(set, p->ignore_case);
    struct node *node = make(p, NODE_SET, NULL, NULL);
    node->set = set;
    return node;
}

static const struct node *
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
static const struct node *
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

static const struct node *
parse_escape(struct parser *p)
{
    uint32_t code;
    if (p->text.next < p->text.end) {
        const struct node *special = parse_special_escape(p, *p->text.next);
        if (special != NULL) {
            p->text.next++;
            return special;
        }
    }
    return regex_take_escaped(&p->text, &code, p->err) ? make_character(p, code) : NULL;
}

static const struct node *
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
    const struct node *node = parse_either(p);
    p->depth--;
    if (node != NULL && !take(p, ')')) {
        return fail(p, "parentheses () not balanced");
    }
    return node;
}

static const struct node *
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
    while (at_digit(p, 0) && number <= REPEAT_MAX) {
        number = number * 10 + (*p->text.next++ - '0');
    }
    *number_out = number;
    return found && number <= REPEAT_MAX;
}

static bool
take_count(struct parser *p, int *min_out, int *max_out)
{
    if (!take_number(p, min_out)) {
        return false;
    }
    *max_out = *min_out;
    if (take(p, ',')) {
        *max_out = REPEAT_ANY;
        if (!at(p, '}') && !take_number(p, max_out)) {
            return false;
        }
    }
    return take(p, '}') && (*max_out == REPEAT_ANY || *max_out >= *min_out);
}

/* Greedy or not (`*?`): the same texts match. */
static const struct node *
parse_piece(struct parser *p)
{
    const struct node *atom = parse_atom(p);
    if (atom == NULL || !at_quantifier(p)) {
        return atom;
    }
    if (atom->kind == NODE_ASSERT) {
        return fail(p, "quantifier operand invalid");
    }
    struct node *node = make(p, NODE_REPEAT, atom, NULL);
    node->max = REPEAT_ANY;
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

static const struct node *
parse_branch(struct parser *p)
{
    const struct node *all = NULL;
    while (p->text.next < p->text.end && !at(p, '|') && !at(p, ')')) {
        const struct node *piece = parse_piece(p);
        if (piece == NULL || ++p->node_count > WHERE_REGEX_STEPS_MAX) {
            return piece == NULL ? NULL : fail(p, "it is too long");
        }
        all = all == NULL ? piece : make(p, NODE_JOIN, all, piece);
    }
    return all == NULL ? make(p, NODE_EMPTY, NULL, NULL) : all;
}

static const struct node *
parse_either(struct parser *p)
{
    const struct node *all = parse_branch(p);
    while (all != NULL && take(p, '|')) {
        if (++p->node_count > WHERE_REGEX_STEPS_MAX) {
            return fail(p, "it is too long");
        }
        const struct node *branch = parse_branch(p);
        all = branch == NULL ? NULL : make(p, NODE_EITHER, all, branch);
    }
    return all;
}

/* ---- the automaton */

enum step_kind {
    STEP_SET,    /* set; then the next step */
    STEP_ASSERT, /* assertion; then the next step */
    STEP_FORK,   /* to both targets, without taking a character */
    STEP_JUMP,   /* to the first target */
    STEP_MATCH,
};

struct step {
    enum step_kind kind;
    enum assertion assertion;
    uint32_t targets[2];
    const struct regex_set *set;
};

struct where_regex {
    uint32_t count;
    struct step *steps;
};

struct program {
    uint32_t count;
    struct step *steps;  /* WHERE_REGEX_STEPS_MAX and one */
    uint32_t emit_count; /* nodes, as often as they are repeated: (){255} may make no steps */
};

#define EMIT_MAX 100000u

static bool
add(struct program *program, enum step_kind kind)
{
    program->steps[program->count] = (struct step){.kind = kind};
    return ++program->count <= WHERE_REGEX_STEPS_MAX;
}

static bool
add_fork(struct program *program, uint32_t *fork_out)
{
    *fork_out = program->count;
    if (!add(program, STEP_FORK)) {
        return false;
    }
    program->steps[*fork_out].targets[0] = program->count;
    return true;
}

static bool emit(struct program *program, const struct node *node);

/* x{2,4}: x x (x (x)?)?, and x{2,}: x x x*. */
static bool
emit_repeat(struct program *program, const struct node *node)
{
    uint32_t forks[REPEAT_MAX];
    int optional = node->max == REPEAT_ANY ? 1 : node->max - node->min;
    for (int i = 0; i < node->min; i++) {
        if (!emit(program, node->left)) {
            return false;
        }
    }
    for (int i = 0; i < optional; i++) {
        if (!add_fork(program, &forks[i]) || !emit(program, node->left)) {
            return false;
        }
    }
    if (node->max == REPEAT_ANY) {
        uint32_t jump = program->count;
        if (!add(program, STEP_JUMP)) {
            return false;
        }
        program->steps[jump].targets[0] = forks[0];
    }
    for (int i = 0; i < optional; i++) {
        program->steps[forks[i]].targets[1] = program->count;
    }
    return true;
}

static bool
emit_either(struct program *program, const struct node *node)
{
    uint32_t fork;
    if (!add_fork(program, &fork) || !emit(program, node->left)) {
        return false;
    }
    uint32_t jump = program->count;
    if (!add(program, STEP_JUMP)) {
        return false;
    }
    program->steps[fork].targets[1] = program->count;
    if (!emit(program, node->right)) {
        return false;
    }
    program->steps[jump].targets[0] = program->count;
    return true;
}

/* Joins and alternatives lean to the left and may be long: emitting them recurses as deep as the
 * tree, which the number of pieces bounds. */
static bool
emit(struct program *program, const struct node *node)
{
    if (++program->emit_count > EMIT_MAX) {
        return false;
    }
    switch (node->kind) {
    case NODE_EMPTY:
        return true;
    case NODE_SET:
        if (!add(program, STEP_SET)) {
            return false;
        }
        program->steps[program->count - 1].set = node->set;
        return true;
    case NODE_ASSERT:
        if (!add(program, STEP_ASSERT)) {
            return false;
        }
        program->steps[program->count - 1].assertion = node->assertion;
        return true;
    case NODE_JOIN:
        return emit(program, node->left) && emit(program, node->right);
    case NODE_EITHER:
        return emit_either(program, node);
    case NODE_REPEAT:
        return emit_repeat(program, node);
    }
    return false;
}

static const struct node *
parse(struct parser *p)
{
    size_t size = (size_t)(p->text.end - p->text.next);
    if (size >= 3 && memcmp(p->text.next, "***", 3) == 0) {
        return fail(p, "directors (***) are not supported");
    }
    if (size > WHERE_REGEX_BYTES_MAX || arena_room(p->mem) < COMPILE_ROOM) {
        return fail(p, "it is too long");
    }
    const struct node *tree = parse_either(p);
    if (tree != NULL && p->text.next < p->text.end) { /* what nothing opened */
        return fail(p, "parentheses () not balanced");
    }
    return tree;
}

static bool
compile(struct parser *p, const struct where_regex **regex_out)
{
    const struct node *tree = parse(p);
    if (tree == NULL) {
        return false;
    }
    struct program program = {0};
    program.steps = arena_alloc(p->tmp, WHERE_REGEX_STEPS_MAX + 2, sizeof *program.steps);
    if (!emit(&program, tree) || !add(&program, STEP_MATCH)) {
        (void)fail(p, "it is too complex");
        return false;
    }
    struct where_regex *regex = arena_alloc(p->mem, 1, sizeof *regex);
    regex->count = program.count;
    regex->steps = arena_alloc(p->mem, program.count, sizeof *regex->steps);
    memcpy(regex->steps, program.steps, program.count * sizeof *regex->steps);
    *regex_out = regex;
    return true;
}

bool
where_regex_compile(struct view pattern, bool ignore_case, struct arena *mem,
                    const struct where_regex **regex_out, struct err *err)
{
    struct parser p = {
        .text = {pattern.bytes, pattern.bytes + pattern.size},
        .ignore_case = ignore_case,
        .mem = mem,
        .tmp = arena_new(COMPILE_ROOM),
        .err = err,
    };
    bool ok = compile(&p, regex_out);
    arena_free(p.tmp);
    return ok;
}

/* ---- matching */

struct states {
    uint32_t count;
    uint32_t *items;
};

struct matching {
    const struct where_regex *regex;
    struct view text;
    size_t place;
    uint64_t *seen; /* the last round in which a step was added */
    uint64_t round;
    uint32_t *stack;
    struct states states; /* steps that take a character, in this round */
};

static bool
is_word_at(struct view text, size_t place)
{
    uint8_t b = place < text.size ? text.bytes[place] : 0;
    return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || b == '_';
}

static bool
holds(const struct matching *m, enum assertion assertion)
{
    bool before = m->place > 0 && is_word_at(m->text, m->place - 1);
    bool behind = is_word_at(m->text, m->place);
    switch (assertion) {
    case ASSERT_START:
        return m->place == 0;
    case ASSERT_END:
        return m->place == m->text.size;
    case ASSERT_WORD_START:
        return !before && behind;
    case ASSERT_WORD_END:
        return before && !behind;
    case ASSERT_WORD_EDGE:
        return before != behind;
    case ASSERT_NO_WORD_EDGE:
        return before == behind;
    }
    return false;
}

static void
push(struct matching *m, uint32_t *height, uint32_t step)
{
    if (m->seen[step] != m->round) {
        m->seen[step] = m->round;
        m->stack[(*height)++] = step;
    }
}

/* Adds a step and all that are reached from it without a character; true: a match is among them. */
static bool
enter(struct matching *m, uint32_t first)
{
    uint32_t height = 0;
    push(m, &height, first);
    while (height > 0) {
        uint32_t number = m->stack[--height];
        const struct step *step = &m->regex->steps[number];
        switch (step->kind) {
        case STEP_SET:
            m->states.items[m->states.count++] = number;
            break;
        case STEP_ASSERT:
            if (holds(m, step->assertion)) {
                push(m, &height, number + 1);
            }
            break;
        case STEP_FORK:
            push(m, &height, step->targets[1]);
            push(m, &height, step->targets[0]);
            break;
        case STEP_JUMP:
            push(m, &height, step->targets[0]);
            break;
        case STEP_MATCH:
            return true;
        }
    }
    return false;
}

bool
where_regex_matches(const struct where_regex *regex, struct view text, struct arena *mem)
{
    uint32_t *numbers = arena_alloc(mem, (size_t)regex->count * 3, sizeof *numbers);
    struct matching m = {
        .regex = regex,
        .text = text,
        .seen = arena_alloc(mem, regex->count, sizeof(uint64_t)),
        .stack = numbers,
        .states = {0, numbers + regex->count},
    };
    struct states before = {0, numbers + (size_t)2 * regex->count};
    m.round = 1;
    bool found = enter(&m, 0);
    while (!found && m.place < text.size) {
        size_t size;
        uint32_t code = utf8_decode(text, m.place, &size);
        struct states now = m.states;
        m.states = (struct states){0, before.items};
        before = now;
        m.place += size;
        m.round++;
        for (uint32_t i = 0; i < before.count && !found; i++) {
            found = regex_set_has(regex->steps[before.items[i]].set, code) &&
                    enter(&m, before.items[i] + 1);
        }
        found = found || enter(&m, 0); /* a match may start at every character */
    }
    return found;
}
