#include "common/sql_guard.h"

#include <string.h>
#include <sys/resource.h>

/* libpg_query takes about 1 KB of stack for each level; every level takes a token. */
#define STACK_PER_TOKEN 2048
#define TOKENS_MAX      16384
#define STACK_WANTED    ((rlim_t)TOKENS_MAX * STACK_PER_TOKEN + (4u << 20))

void
sql_guard_prepare_stack(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= STACK_WANTED) {
        return;
    }
    limit.rlim_cur = limit.rlim_max < STACK_WANTED ? limit.rlim_max : STACK_WANTED;
    (void)setrlimit(RLIMIT_STACK, &limit); /* refused: tokens_max() says less */
}

static size_t
tokens_max(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_STACK, &limit) != 0 || limit.rlim_cur >= STACK_WANTED) {
        return TOKENS_MAX;
    }
    return (size_t)limit.rlim_cur / STACK_PER_TOKEN;
}

static bool
is_word_byte(uint8_t b)
{
    return (b >= 'a' && b <= 'z') || (b >= 'A' && b <= 'Z') || b == '_' || b == '$' || b >= 0x80 ||
           (b >= '0' && b <= '9');
}

/*
 * Counts what can open a level of the tree: words, operators, brackets. Numbers, commas and the
 * inside of quotes cannot. Dollar quotes and comments are counted as if they were code: too many at
 * worst.
 */
static size_t
count_tokens(struct view text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size;) {
        uint8_t b = text.bytes[i];
        if (b == '\'' || b == '"') {
            const uint8_t *end = memchr(text.bytes + i + 1, b, text.size - i - 1);
            i = end == NULL ? text.size : (size_t)(end - text.bytes) + 1;
            count += b == '"';
        } else if (is_word_byte(b)) {
            count += b < '0' || b > '9';
            while (i < text.size && is_word_byte(text.bytes[i])) {
                i++;
            }
        } else {
            count += b != ' ' && b != ',' && b != '\n' && b != '\t' && b != '\r';
            i++;
        }
    }
    return count;
}

bool
sql_guard_check(struct view text, struct err *err)
{
    size_t most = tokens_max();
    if (count_tokens(text) > most) {
        return err_set(err, ERR_LIMIT, "expression has more than %zu words and operators", most);
    }
    return true;
}
