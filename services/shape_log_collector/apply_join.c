#include "services/shape_log_collector/apply_internal.h"

#include "common/log.h"

void
apply_join(struct apply *apply, struct shape_feed *feed)
{
    held_clear(&feed->held);
    gate_join(&feed->gate, apply->unseen, feed->def->table.oid, apply->txn.commit_lsn,
              apply->txn.xid);
    routing_add(apply->options.routing, feed);
}

/* Moves one held transaction into the log; the one that is still open stays open there. */
static void
take_held(struct apply *apply, struct shape_feed *feed, const struct held_txn *txn,
          size_t first_item)
{
    for (size_t i = first_item; i < txn->item_end; i++) {
        struct log_offset offset;
        struct view item = held_item_at(&feed->held, i, &offset);
        buf_append_view(shape_log_items(feed->log), item);
        shape_log_added(feed->log, offset);
        shape_log_count(feed->log, item_row_delta(item));
    }
    if (txn->is_committed && txn->item_end > first_item) {
        item_mark_last(shape_log_items(feed->log));
        shape_log_commit(feed->log, txn->commit_lsn);
    } else if (txn->item_end > first_item && list_is_empty(&feed->txn_node)) {
        list_push_back(&apply->txn.feeds, &feed->txn_node);
    }
}

void
apply_open(struct apply *apply, struct shape_feed *feed, const struct marks *marks, uint64_t lsn)
{
    struct err err;
    if (!shape_log_open(feed->log, &err)) {
        log_error("event=log_open_failed error=\"%s\"", err.msg);
        apply_end_shape(apply, feed, "its log could not be opened");
        return;
    }
    list_remove(&feed->txn_node);
    gate_open(&feed->gate, marks, lsn);
    size_t first_item = 0;
    const struct held_txn *txn;
    for (size_t i = 0; (txn = held_txn_at(&feed->held, i)) != NULL; i++) {
        if (gate_decide_held(&feed->gate, txn->commit_lsn, txn->xid) == GATE_TAKE) {
            if (txn->end_reason != NULL) {
                apply_end_shape(apply, feed, txn->end_reason);
                break;
            }
            take_held(apply, feed, txn, first_item);
        }
        first_item = txn->item_end;
    }
    held_clear(&feed->held);
}
