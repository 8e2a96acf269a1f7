#include "common/core/where_regex.h"

#include <string.h>

#include "common/core/where_regex_tree.h"
#include "common/core/where_utf8.h"

/* More than the longest pattern takes, as a tree or as sets and steps. */
#define COMPILE_ROOM ((size_t)1 << 20)

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
    enum regex_assertion assertion;
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

static bool emit(struct program *program, const struct regex_node *node);

/* x{2,4}: x x (x (x)?)?, and x{2,}: x x x*. */
static bool
emit_repeat(struct program *program, const struct regex_node *node)
{
    uint32_t forks[REGEX_REPEAT_MAX];
    int optional = node->max == REGEX_REPEAT_ANY ? 1 : node->max - node->min;
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
    if (node->max == REGEX_REPEAT_ANY) {
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
emit_either(struct program *program, const struct regex_node *node)
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
emit(struct program *program, const struct regex_node *node)
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

static bool
compile(const struct regex_node *tree, struct arena *mem, struct arena *tmp,
        const struct where_regex **regex_out)
{
    struct program program = {0};
    program.steps = arena_alloc(tmp, WHERE_REGEX_STEPS_MAX + 2, sizeof *program.steps);
    if (!emit(&program, tree) || !add(&program, STEP_MATCH)) {
        return false;
    }
    struct where_regex *regex = arena_alloc(mem, 1, sizeof *regex);
    regex->count = program.count;
    regex->steps = arena_alloc(mem, program.count, sizeof *regex->steps);
    memcpy(regex->steps, program.steps, program.count * sizeof *regex->steps);
    *regex_out = regex;
    return true;
}

bool
where_regex_compile(struct view pattern, bool ignore_case, struct arena *mem,
                    const struct where_regex **regex_out, struct err *err)
{
    if (arena_room(mem) < COMPILE_ROOM) {
        return err_set(err, ERR_LIMIT, "too many regular expressions");
    }
    struct arena *tmp = arena_new(COMPILE_ROOM);
    const struct regex_node *tree = regex_parse(pattern, ignore_case, mem, tmp, err);
    bool ok = tree != NULL &&
              (compile(tree, mem, tmp, regex_out) ||
               err_set(err, ERR_INVALID, "invalid regular expression: it is too complex"));
    arena_free(tmp);
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
holds(const struct matching *m, enum regex_assertion assertion)
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
