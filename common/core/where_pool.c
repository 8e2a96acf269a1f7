#include "common/core/where_pool.h"

#include <string.h>

#include "common/core/where_code.h"
#include "common/core/where_fn.h"
#include "common/core/where_memo.h"
#include "common/map.h"
#include "common/mem.h"

/* One constant, with its array or document, or one regular expression. */
#define NODE_ARENA_MAX (64u << 20)

struct where_pool {
    struct map *nodes; /* what a node says of itself and its args' addresses -> struct node */
    uint64_t row_number;
};

struct node {
    struct expr expr; /* first: a shared tree is made of nodes */
    size_t refs;      /* parents and clauses */
    char *text;       /* of a constant, which borrows from it */
    struct arena *mem;
};

struct where_pool *
where_pool_new(void)
{
    struct where_pool *pool = mem_alloc_zero(sizeof *pool);
    pool->nodes = map_new();
    return pool;
}

void
where_pool_free(struct where_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    ASSERT(map_count(pool->nodes) == 0);
    map_free(pool->nodes);
    mem_free(pool);
}

void
where_pool_next_row(struct where_pool *pool)
{
    pool->row_number++;
}

size_t
where_pool_count(const struct where_pool *pool)
{
    return map_count(pool->nodes);
}

static void
append_key(const struct expr *expr, struct expr *const *args, struct buf *key)
{
    struct expr alone = *expr;
    alone.arg_count = 0;
    where_encode(&alone, key);
    for (size_t i = 0; i < expr->arg_count; i++) {
        buf_append(key, &args[i], sizeof args[i]);
    }
}

/* A constant is printed and read again, so that it borrows from nobody. */
static void
own_constant(struct node *node, const struct expr *from)
{
    struct expr *expr = &node->expr;
    struct buf text = {0};
    struct err err;
    if (expr->value.is_null) {
        return;
    }
    where_value_print(from->type, &from->value, &text);
    node->text = mem_dup_bytes(buf_str(&text), text.size);
    node->mem = arena_new(NODE_ARENA_MAX);
    bool ok = where_value_parse(expr->type, view_of(node->text, text.size), node->mem, &expr->value,
                                &err);
    ASSERT(ok); /* it came from such a text */
    buf_free(&text);
}

static void
own_regex(struct node *node)
{
    struct err err;
    node->mem = arena_new(NODE_ARENA_MAX);
    bool ok = where_fn_compile(&node->expr, node->mem, &err);
    ASSERT(ok); /* it was compiled before */
}

static struct node *
new_node(const struct expr *expr, struct expr **args)
{
    struct node *node = mem_alloc_zero(sizeof *node);
    node->expr = *expr;
    node->expr.args = args;
    node->expr.memo = NULL;
    if (expr->kind == EXPR_CONST) {
        own_constant(node, expr);
    }
    if (expr->regex != NULL) {
        own_regex(node);
    }
    return node;
}

/* Only now that a second one uses it: most nodes have one user. */
static void
share(struct where_pool *pool, struct node *node)
{
    if (node->expr.memo == NULL && node->expr.arg_count > 0) {
        node->expr.memo = mem_alloc_zero(sizeof *node->expr.memo);
        node->expr.memo->current_row = &pool->row_number;
    }
}

static struct expr *
take(struct where_pool *pool, const struct expr *expr)
{
    struct buf key = {0};
    struct expr **args = NULL;
    if (expr->arg_count > 0) {
        args = mem_alloc(expr->arg_count * sizeof *args);
    }
    for (size_t i = 0; i < expr->arg_count; i++) {
        args[i] = take(pool, expr->args[i]);
    }
    append_key(expr, args, &key);
    struct node *node = map_get(pool->nodes, buf_view(&key));
    if (node == NULL) {
        node = new_node(expr, args);
        (void)map_put(pool->nodes, buf_view(&key), node);
    } else {
        for (size_t i = 0; i < expr->arg_count; i++) {
            where_pool_give_back(pool, args[i]); /* the node has them already */
        }
        mem_free(args);
        share(pool, node);
    }
    node->refs++;
    buf_free(&key);
    return &node->expr;
}

const struct expr *
where_pool_take(struct where_pool *pool, const struct expr *expr)
{
    return take(pool, expr);
}

static void
drop(struct where_pool *pool, struct node *node)
{
    struct buf key = {0};
    append_key(&node->expr, node->expr.args, &key);
    (void)map_remove(pool->nodes, buf_view(&key));
    buf_free(&key);
    for (size_t i = 0; i < node->expr.arg_count; i++) {
        where_pool_give_back(pool, node->expr.args[i]);
    }
    mem_free(node->expr.args);
    mem_free(node->expr.memo);
    mem_free(node->text);
    arena_free(node->mem);
    mem_free(node);
}

void
where_pool_give_back(struct where_pool *pool, const struct expr *expr)
{
    struct node *node = (struct node *)(uintptr_t)expr;
    if (expr != NULL && --node->refs == 0) {
        drop(pool, node);
    }
}
