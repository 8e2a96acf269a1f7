#include "common/core/held.h"

#include <string.h>

static size_t
item_count(const struct held *held)
{
    return held->item_list.size / sizeof(struct held_item);
}

static struct held_txn *
last_txn(struct held *held)
{
    ASSERT(held->txn_list.size > 0);
    return (struct held_txn *)(void *)(held->txn_list.bytes + held->txn_list.size) - 1;
}

void
held_begin(struct held *held, uint64_t commit_lsn, uint32_t xid)
{
    if (held->txn_list.size > 0 && last_txn(held)->commit_lsn == commit_lsn) {
        return;
    }
    struct held_txn txn = {.commit_lsn = commit_lsn, .xid = xid, .item_end = item_count(held)};
    buf_append(&held->txn_list, &txn, sizeof txn);
}

struct buf *
held_items(struct held *held)
{
    return &held->items;
}

void
held_added(struct held *held, struct log_offset offset)
{
    struct held_item item = {held->items.size, offset};
    buf_append(&held->item_list, &item, sizeof item);
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
    if (number >= held->txn_list.size / sizeof(struct held_txn)) {
        return NULL;
    }
    return (const struct held_txn *)(const void *)held->txn_list.bytes + number;
}

struct view
held_item_at(const struct held *held, size_t number, struct log_offset *offset_out)
{
    ASSERT(number < item_count(held));
    const struct held_item *items = (const struct held_item *)(const void *)held->item_list.bytes;
    size_t start = number == 0 ? 0 : items[number - 1].end;
    *offset_out = items[number].offset;
    return (struct view){held->items.bytes + start, items[number].end - start};
}

size_t
held_size(const struct held *held)
{
    return held->items.size + held->item_list.size + held->txn_list.size;
}

void
held_clear(struct held *held)
{
    buf_free(&held->items);
    buf_free(&held->item_list);
    buf_free(&held->txn_list);
}
