#include "common/core/held.h"

#include <string.h>

#include "common/mem.h"

struct held_parts {
    struct buf items;
    struct buf item_list; /* struct held_item each */
    struct buf txn_list;  /* struct held_txn each */
};

static size_t
item_count(const struct held *held)
{
    return held->parts->item_list.size / sizeof(struct held_item);
}

static struct held_txn *
last_txn(struct held *held)
{
    ASSERT(held->parts->txn_list.size > 0);
    return (struct held_txn *)(void *)(held->parts->txn_list.bytes + held->parts->txn_list.size) -
           1;
}

void
held_begin(struct held *held, uint64_t commit_lsn, uint32_t xid)
{
    if (held->parts == NULL) {
        held->parts = mem_alloc_zero(sizeof *held->parts);
    }
    if (held->parts->txn_list.size > 0 && last_txn(held)->commit_lsn == commit_lsn) {
        return;
    }
    struct held_txn txn = {.commit_lsn = commit_lsn, .xid = xid, .item_end = item_count(held)};
    buf_append(&held->parts->txn_list, &txn, sizeof txn);
}

struct buf *
held_items(struct held *held)
{
    return &held->parts->items;
}

void
held_added(struct held *held, struct log_offset offset)
{
    struct held_item item = {held->parts->items.size, offset};
    buf_append(&held->parts->item_list, &item, sizeof item);
    last_txn(held)->item_end = item_count(held);
}

void
held_end_shape(struct held *held, const char *reason)
{
    struct held_txn *txn = last_txn(held);
    if (txn->end_reason == NULL) {
        txn->end_reason = reason;
    }
}

void
held_commit(struct held *held)
{
    last_txn(held)->is_committed = true;
}

const struct held_txn *
held_txn_at(const struct held *held, size_t number)
{
    if (held->parts == NULL || number >= held->parts->txn_list.size / sizeof(struct held_txn)) {
        return NULL;
    }
    return (const struct held_txn *)(const void *)held->parts->txn_list.bytes + number;
}

struct view
held_item_at(const struct held *held, size_t number, struct log_offset *offset_out)
{
    ASSERT(number < item_count(held));
    const struct held_item *items =
        (const struct held_item *)(const void *)held->parts->item_list.bytes;
    size_t start = number == 0 ? 0 : items[number - 1].end;
    *offset_out = items[number].offset;
    return (struct view){held->parts->items.bytes + start, items[number].end - start};
}

size_t
held_size(const struct held *held)
{
    const struct held_parts *parts = held->parts;
    return parts == NULL ? 0 : parts->items.size + parts->item_list.size + parts->txn_list.size;
}

void
held_clear(struct held *held)
{
    if (held->parts != NULL) {
        buf_free(&held->parts->items);
        buf_free(&held->parts->item_list);
        buf_free(&held->parts->txn_list);
        mem_free(held->parts);
        held->parts = NULL;
    }
}
