/*
 * list.h - intrusive doubly linked lists.
 *
 * A node that is in no list points at itself or is zeroed before list_init().
 */
#ifndef COMMON_LIST_H
#define COMMON_LIST_H

#include "common/base.h"

struct list {
    struct list *prev;
    struct list *next;
};

#define LIST_ITEM(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* `node` may be removed in the body. */
#define LIST_FOREACH(node, head)                                                             \
    for (struct list * (node) = (head)->next, *node##_next = (node)->next; (node) != (head); \
         (node) = node##_next, node##_next = (node)->next)

static inline void
list_init(struct list *node)
{
    node->prev = node->next = node;
}

static inline bool
list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void
list_push_back(struct list *head, struct list *node)
{
    node->prev = head->prev;
    node->next = head;
    head->prev->next = node;
    head->prev = node;
}

static inline void
list_push_front(struct list *head, struct list *node)
{
    list_push_back(head->next, node);
}

/* A node that is in no list stays so. */
static inline void
list_remove(struct list *node)
{
    node->prev->next = node->next;
    node->next->prev = node->prev;
    list_init(node);
}

#endif
