#include "services/shape_log_collector/apply.h"

#include <string.h>

#include "common/core/pgoutput.h"
#include "common/log.h"
#include "common/mem.h"
#include "services/shape_log_collector/apply_internal.h"
#include "services/shape_log_collector/streamed.h"

/* Decoded rows and values computed by where clauses, of one change. */
#define CHANGE_ARENA_MAX (512u << 20)
/* An evaluation that wants more is an error of the row. */
#define EVALUATION_ARENA_MAX (256u << 20)

struct apply *
apply_new(const struct ingest_options *options)
{
    struct apply *apply = mem_alloc_zero(sizeof *apply);
    apply->options = *options;
    apply->relations = streamed_new();
    apply->unseen = unseen_new();
    apply->mem = arena_new(CHANGE_ARENA_MAX);
    apply->tmp = arena_new(EVALUATION_ARENA_MAX);
    list_init(&apply->txn.feeds);
    return apply;
}

void
apply_free(struct apply *apply)
{
    streamed_free(apply->relations);
    unseen_free(apply->unseen);
    arena_free(apply->mem);
    arena_free(apply->tmp);
    buf_free(&apply->txn.tables);
    buf_free(&apply->candidates);
    buf_free(&apply->overflowing);
    mem_free(apply);
}

struct unseen *
apply_unseen(struct apply *apply)
{
    return apply->unseen;
}

uint32_t
apply_xid(const struct apply *apply)
{
    return apply->txn.commit_lsn == 0 ? 0 : apply->txn.xid;
}

size_t
apply_touches(const struct apply *apply)
{
    return apply->touches;
}

void
apply_forget_touches(struct apply *apply)
{
    apply->touches = 0;
}

bool
apply_is_inside(const struct apply *apply)
{
    return apply->txn.commit_lsn != 0;
}

/* ---- the end of a shape, and of a transaction */

void
apply_end_shape(struct apply *apply, struct shape_feed *feed, const char *reason)
{
    if (!feed->has_ended) {
        feed->has_ended = true;
        apply->options.end_shape(apply->options.ctx, feed, reason);
    }
}

static void
close_txn(struct apply *apply)
{
    LIST_FOREACH (node, &apply->txn.feeds) {
        list_remove(node);
    }
    apply->txn.commit_lsn = 0;
    buf_clear(&apply->txn.tables);
}

static void
forget_decision(void *ctx, struct shape_feed *feed)
{
    (void)ctx;
    gate_on_hello(&feed->gate);
}

void
apply_start_stream(struct apply *apply)
{
    LIST_FOREACH (node, &apply->txn.feeds) {
        struct shape_feed *feed = LIST_ITEM(node, struct shape_feed, txn_node);
        struct err err;
        list_remove(node);
        if (!feed->has_ended && feed->gate.state == GATE_OPEN &&
            !shape_log_abort(feed->log, &err)) {
            log_error("event=log_abort_failed error=\"%s\"", err.msg);
            apply_end_shape(apply, feed, "its log could not be cut");
        }
    }
    close_txn(apply);
    streamed_forget(apply->relations);
    /* What was taken comes again, and is in the logs by now. */
    routing_each(apply->options.routing, forget_decision, NULL);
}

/* ---- relations */

static void
on_relation(struct apply *apply, const struct pgoutput_relation *relation, uint32_t *inspect)
{
    const struct streamed_relation *streamed;
    if (streamed_take(apply->relations, relation, &streamed)) {
        return;
    }
    apply->options.relation_changed(apply->options.ctx, relation->oid, streamed->relation.schema,
                                    streamed->relation.name);
    *inspect = relation->oid;
}

void
apply_set_ancestors(struct apply *apply, uint32_t oid, const uint32_t *ancestors, size_t count)
{
    streamed_set_ancestors(apply->relations, oid, ancestors, count);
}

/* ---- transactions */

static bool
on_begin(struct apply *apply, const struct pgoutput_begin *begin, struct err *err)
{
    if (apply->txn.commit_lsn != 0 || begin->final_lsn == 0) {
        return err_set(err, ERR_PROTOCOL, "a transaction begins inside of another");
    }
    apply->txn.commit_lsn = begin->final_lsn;
    apply->txn.number++;
    apply->txn.xid = begin->xid;
    return true;
}

static void
touch_table(struct apply *apply, uint32_t oid)
{
    struct buf *tables = &apply->txn.tables;
    for (size_t i = 0; i < tables->size; i += sizeof oid) {
        if (memcmp(tables->bytes + i, &oid, sizeof oid) == 0) {
            return;
        }
    }
    buf_append(tables, &oid, sizeof oid);
}

static void
commit_feed(const struct apply *apply, struct shape_feed *feed)
{
    if (feed->has_ended) {
        return;
    }
    if (feed->gate.state == GATE_JOINED) {
        held_commit(&feed->held);
    } else {
        item_mark_last(shape_log_items(feed->log));
        shape_log_commit(feed->log, apply->txn.commit_lsn);
    }
}

static bool
on_commit(struct apply *apply, const struct pgoutput_commit *commit, uint64_t *end_lsn,
          struct err *err)
{
    struct open_txn *txn = &apply->txn;
    if (txn->commit_lsn == 0 || commit->lsn != txn->commit_lsn) {
        return err_set(err, ERR_PROTOCOL, "a commit of a transaction that is not open");
    }
    LIST_FOREACH (node, &txn->feeds) {
        commit_feed(apply, LIST_ITEM(node, struct shape_feed, txn_node));
    }
    if (txn->tables.size > 0 && commit->lsn >= apply->options.checkpoint_lsn(apply->options.ctx)) {
        unseen_add(apply->unseen, txn->xid, (const uint32_t *)(const void *)txn->tables.bytes,
                   txn->tables.size / sizeof(uint32_t));
    }
    close_txn(apply);
    *end_lsn = commit->end_lsn;
    return true;
}

/* ---- what counts for a feed */

static enum gate_decision
decide(struct apply *apply, struct shape_feed *feed)
{
    struct err err;
    if (feed->has_ended) {
        return GATE_SKIP;
    }
    if (feed->gate.decided_lsn == apply->txn.commit_lsn) {
        return feed->gate.decision;
    }
    if (!shape_log_open(feed->log, &err)) {
        log_error("event=log_open_failed error=\"%s\"", err.msg);
        apply_end_shape(apply, feed, "its log could not be opened");
        return GATE_SKIP;
    }
    struct gate_txn txn = {
        .commit_lsn = apply->txn.commit_lsn,
        .xid = apply->txn.xid,
        .checkpoint_lsn = apply->options.checkpoint_lsn(apply->options.ctx),
        .log_commit_lsn = shape_log_commit_lsn(feed->log),
    };
    enum gate_decision decision = gate_decide(&feed->gate, &txn);
    if (decision == GATE_HOLD) {
        held_begin(&feed->held, txn.commit_lsn, txn.xid);
    }
    return decision;
}

/* The shape ends in this transaction, if the transaction counts for it. */
static void
end_by_change(struct apply *apply, struct shape_feed *feed, const char *reason)
{
    switch (decide(apply, feed)) {
    case GATE_SKIP:
        return;
    case GATE_HOLD:
        held_end_shape(&feed->held, reason);
        return;
    case GATE_TAKE:
        apply_end_shape(apply, feed, reason);
        return;
    }
}

static struct buf *
items_of(struct shape_feed *feed, enum gate_decision decision)
{
    return decision == GATE_HOLD ? held_items(&feed->held) : shape_log_items(feed->log);
}

static void
added(struct apply *apply, struct shape_feed *feed, enum gate_decision decision,
      struct log_offset offset)
{
    if (decision == GATE_HOLD) {
        held_added(&feed->held, offset);
    } else {
        shape_log_added(feed->log, offset);
    }
    if (list_is_empty(&feed->txn_node)) {
        list_push_back(&apply->txn.feeds, &feed->txn_node);
        apply->touches++;
    }
}

/* ---- rows */

/* A change of a row, as the table's layout has it. */
struct change {
    const struct streamed_relation *relation;
    bool is_root; /* of the relation itself, not of a table that it is a partition of */
    bool has_old;
    bool has_new;
    uint64_t op;
};

static void
append_change(struct apply *apply, struct shape_feed *feed, enum gate_decision decision,
              const struct where_field *old_row, const struct where_field *new_row, uint64_t op)
{
    struct item_place place = {{apply->txn.commit_lsn, op}, apply->txn.xid};
    enum item_change kind = item_classify(feed->plan, old_row, new_row);
    switch (kind) {
    case ITEM_NONE:
        return;
    case ITEM_INSERT:
        item_append_insert(feed->plan, new_row, NULL, place, items_of(feed, decision));
        break;
    case ITEM_UPDATE:
        item_append_update(feed->plan, old_row, new_row, place, items_of(feed, decision));
        break;
    case ITEM_DELETE:
        item_append_delete(feed->plan, old_row, NULL, place, items_of(feed, decision));
        break;
    case ITEM_REKEY:
        item_append_delete(feed->plan, old_row, new_row, place, items_of(feed, decision));
        added(apply, feed, decision, place.offset);
        place.offset.op++;
        item_append_insert(feed->plan, new_row, old_row, place, items_of(feed, decision));
        break;
    }
    added(apply, feed, decision, place.offset);
    if (decision != GATE_HOLD) {
        shape_log_count(feed->log, (kind == ITEM_INSERT) - (kind == ITEM_DELETE));
    }
}

static bool
fits_relation(struct apply *apply, struct shape_feed *feed, const struct change *change)
{
    const char *reason;
    if (feed->relation_version == change->relation->version) {
        return true;
    }
    if (shape_def_is_outdated(feed->def, &change->relation->relation, change->is_root, &reason)) {
        end_by_change(apply, feed, reason);
        return false;
    }
    feed->relation_version = change->relation->version;
    return true;
}

static void
apply_to_feed(struct apply *apply, struct shape_feed *feed, const struct change *change)
{
    struct routed_layout *layout = feed->layout;
    enum gate_decision decision = decide(apply, feed);
    if (decision == GATE_SKIP || !fits_relation(apply, feed, change)) {
        return;
    }
    if (feed->is_unclear) {
        end_by_change(apply, feed, "its where clause cannot be evaluated for a row");
        return;
    }
    append_change(apply, feed, decision, feed->was_in ? layout->old_row : NULL,
                  feed->is_in ? layout->new_row : NULL, change->op);
    if (decision == GATE_HOLD && held_size(&feed->held) > HELD_BYTES_MAX) {
        buf_append(&apply->overflowing, &feed, sizeof feed);
    }
}

/* What the index finds for one of the two rows. */
struct finding {
    struct apply *apply;
    bool is_old;
    bool has_failed; /* said once a row: it may be a hundred thousand shapes */
};

static void
on_found(void *ctx, struct index_member *member, enum where_truth truth, const struct err *err)
{
    struct finding *finding = ctx;
    struct apply *apply = finding->apply;
    struct shape_feed *feed = LIST_ITEM(member, struct shape_feed, member);
    if (feed->change_number != apply->change_number) {
        feed->change_number = apply->change_number;
        feed->was_in = feed->is_in = feed->is_unclear = false;
        buf_append(&apply->candidates, &feed, sizeof feed);
    }
    if (truth == WHERE_ERROR) {
        feed->is_unclear = true;
        if (!finding->has_failed) {
            finding->has_failed = true;
            log_warn("event=where_failed table=\"%.*s\" error=\"%s\"",
                     (int)feed->def->table.name.size, (const char *)feed->def->table.name.bytes,
                     err->msg);
        }
    } else if (finding->is_old) {
        feed->was_in = true;
    } else {
        feed->is_in = true;
    }
}

static void
find_feeds(struct apply *apply, struct routed_layout *layout, bool is_old)
{
    struct finding finding = {.apply = apply, .is_old = is_old};
    struct where_row row = {is_old ? layout->old_row : layout->new_row,
                            layout->columns->column_count, apply->mem, apply->tmp};
    shape_index_match(layout->index, &row, on_found, &finding);
}

struct fitting {
    struct apply *apply;
    const struct change *change;
    bool all_fit;
};

static void
check_fit(void *ctx, struct shape_feed *feed)
{
    struct fitting *fitting = ctx;
    if (!fits_relation(fitting->apply, feed, fitting->change)) {
        fitting->all_fit = false;
    }
}

/* A clause over a column that is no longer there finds nothing: its shape must end all the same. */
static void
check_layout(struct apply *apply, struct routed_layout *layout, const struct change *change)
{
    if (layout->is_unfit) {
        struct fitting fitting = {apply, change, true};
        routed_layout_each(layout, check_fit, &fitting);
        layout->is_unfit = !fitting.all_fit;
    }
}

/* Candidates first, then each: applying may end a shape, which changes the index. */
static void
apply_to_layout(struct apply *apply, struct routed_layout *layout,
                const struct pgoutput_change *rows, const struct change *change)
{
    buf_clear(&apply->candidates);
    apply->change_number++;
    routed_layout_map(layout, &change->relation->relation, change->relation->version);
    check_layout(apply, layout, change);
    if (change->has_old) {
        routed_layout_fill(layout, &rows->old_row, NULL, layout->old_row);
        find_feeds(apply, layout, true);
    }
    if (change->has_new) {
        routed_layout_fill(layout, &rows->new_row, change->has_old ? layout->old_row : NULL,
                           layout->new_row);
        find_feeds(apply, layout, false);
    }
    for (size_t i = 0; i < apply->candidates.size; i += sizeof(struct shape_feed *)) {
        struct shape_feed *feed;
        memcpy(&feed, apply->candidates.bytes + i, sizeof(struct shape_feed *));
        apply_to_feed(apply, feed, change);
    }
}

static uint64_t
next_op(const struct apply *apply, struct routed_table *table)
{
    if (table->txn_number != apply->txn.number) {
        table->txn_number = apply->txn.number;
        table->next_op = 0;
    }
    uint64_t op = table->next_op;
    table->next_op += 2;
    return op;
}

struct ending {
    struct apply *apply;
    const char *reason;
};

static void
end_one(void *ctx, struct shape_feed *feed)
{
    struct ending *ending = ctx;
    end_by_change(ending->apply, feed, ending->reason);
}

static void
end_table(struct apply *apply, uint32_t oid, const char *reason)
{
    struct routed_table *table = routing_table(apply->options.routing, oid);
    struct ending ending = {apply, reason};
    if (table != NULL) {
        (void)next_op(apply, table);
        routing_each_of_table(table, end_one, &ending);
    }
}

static void
apply_to_table(struct apply *apply, uint32_t oid, const struct pgoutput_change *rows,
               struct change change)
{
    struct routed_table *table = routing_table(apply->options.routing, oid);
    if (table == NULL) {
        return;
    }
    change.op = next_op(apply, table);
    LIST_FOREACH (node, &table->layouts) {
        apply_to_layout(apply, LIST_ITEM(node, struct routed_layout, node), rows, &change);
    }
}

static bool
on_change(struct apply *apply, enum pgoutput_kind kind, const struct pgoutput_change *rows,
          struct err *err)
{
    const struct streamed_relation *streamed = streamed_find(apply->relations, rows->relation_oid);
    if (apply->txn.commit_lsn == 0 || streamed == NULL) {
        return err_set(err, ERR_PROTOCOL,
                       "a change of relation %u outside of a transaction, or unknown",
                       rows->relation_oid);
    }
    bool has_whole_old = rows->old_kind == 'O';
    struct change change = {
        .relation = streamed,
        .is_root = true,
        .has_old = kind != PGOUTPUT_INSERT && has_whole_old,
        .has_new = kind != PGOUTPUT_DELETE,
    };
    touch_table(apply, rows->relation_oid);
    for (size_t i = 0; i < streamed->ancestor_count; i++) {
        touch_table(apply, streamed->ancestors[i]);
    }
    for (size_t i = 0; i <= streamed->ancestor_count; i++) {
        uint32_t oid = i == 0 ? rows->relation_oid : streamed->ancestors[i - 1];
        change.is_root = i == 0;
        if (kind != PGOUTPUT_INSERT && !has_whole_old) {
            end_table(apply, oid, "the table's replica identity is not full");
        } else {
            apply_to_table(apply, oid, rows, change);
        }
    }
    return true;
}

static void
end_with_ancestors(struct apply *apply, uint32_t oid, const char *reason)
{
    const struct streamed_relation *streamed = streamed_find(apply->relations, oid);
    touch_table(apply, oid);
    end_table(apply, oid, reason);
    for (size_t i = 0; streamed != NULL && i < streamed->ancestor_count; i++) {
        touch_table(apply, streamed->ancestors[i]);
        end_table(apply, streamed->ancestors[i], reason);
    }
}

static bool
on_truncate(struct apply *apply, const struct pgoutput_truncate *truncate, struct err *err)
{
    if (apply->txn.commit_lsn == 0) {
        return err_set(err, ERR_PROTOCOL, "a truncate outside of a transaction");
    }
    for (size_t i = 0; i < truncate->count; i++) {
        end_with_ancestors(apply, truncate->oids[i], "the table was truncated");
    }
    return true;
}

bool
apply_too_large(struct apply *apply, uint32_t oid, struct err *err)
{
    if (apply->txn.commit_lsn == 0) {
        return err_set(err, ERR_PROTOCOL, "an oversized change outside of a transaction");
    }
    log_error("event=change_too_large relation=%u", oid);
    end_with_ancestors(apply, oid, "a change of the table is too large");
    return true;
}

/* Only now: leaving takes a feed, and perhaps its table, out of the routing. */
static void
leave_overflowing(struct apply *apply)
{
    for (size_t i = 0; i < apply->overflowing.size; i += sizeof(struct shape_feed *)) {
        struct shape_feed *feed;
        memcpy(&feed, apply->overflowing.bytes + i, sizeof(struct shape_feed *));
        if (!feed->has_ended) {
            apply->options.held_too_much(apply->options.ctx, feed);
        }
    }
    buf_clear(&apply->overflowing);
}

bool
apply_message(struct apply *apply, struct view message, uint32_t *inspect_out,
              uint64_t *end_lsn_out, struct err *err)
{
    struct pgoutput_msg msg;
    arena_reset(apply->mem);
    if (!pgoutput_decode(message, apply->mem, &msg, err)) {
        return false;
    }
    switch (msg.kind) {
    case PGOUTPUT_BEGIN:
        return on_begin(apply, &msg.begin, err);
    case PGOUTPUT_COMMIT:
        return on_commit(apply, &msg.commit, end_lsn_out, err);
    case PGOUTPUT_RELATION:
        on_relation(apply, &msg.relation, inspect_out);
        return true;
    case PGOUTPUT_INSERT:
    case PGOUTPUT_UPDATE:
    case PGOUTPUT_DELETE:
        if (!on_change(apply, msg.kind, &msg.change, err)) {
            return false;
        }
        leave_overflowing(apply);
        return true;
    case PGOUTPUT_TRUNCATE:
        return on_truncate(apply, &msg.truncate, err);
    case PGOUTPUT_ORIGIN:
    case PGOUTPUT_TYPE:
    case PGOUTPUT_MESSAGE:
        return true;
    }
    return true;
}
