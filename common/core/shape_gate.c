#include "common/core/shape_gate.h"

void
gate_fini(struct shape_gate *gate)
{
    buf_free(&gate->before);
    marks_free(&gate->marks);
}

void
gate_join(struct shape_gate *gate, const struct unseen *unseen, uint32_t table, uint64_t open_lsn,
          uint32_t open_xid)
{
    ASSERT(gate->state == GATE_CLOSED);
    gate->state = GATE_JOINED;
    gate->joining++;
    gate->inside_lsn = open_lsn;
    gate->decided_lsn = 0;
    buf_clear(&gate->before);
    unseen_of_table(unseen, table, &gate->before);
    if (open_lsn != 0) {
        buf_append(&gate->before, &open_xid, sizeof open_xid);
    }
}

void
gate_leave(struct shape_gate *gate)
{
    gate->state = GATE_CLOSED;
    gate->inside_lsn = 0;
    gate->decided_lsn = 0;
    buf_clear(&gate->before);
}

bool
gate_accepts(const struct shape_gate *gate, const struct marks *marks)
{
    ASSERT(gate->state == GATE_JOINED);
    return marks_see_all(marks, buf_view(&gate->before));
}

void
gate_open(struct shape_gate *gate, const struct marks *marks, uint64_t lsn)
{
    ASSERT(gate->state == GATE_JOINED);
    gate_restore(gate, marks_copy(marks), lsn);
    buf_free(&gate->before);
}

void
gate_restore(struct shape_gate *gate, struct marks marks, uint64_t lsn)
{
    marks_free(&gate->marks);
    gate->state = GATE_OPEN;
    gate->marks = marks;
    gate->lsn = lsn;
    gate->decided_lsn = 0;
}

enum gate_decision
gate_decide_held(const struct shape_gate *gate, uint64_t commit_lsn, uint32_t xid)
{
    ASSERT(gate->state == GATE_OPEN);
    bool is_in_snapshot = commit_lsn < gate->lsn && marks_see(&gate->marks, xid);
    return is_in_snapshot ? GATE_SKIP : GATE_TAKE;
}

static enum gate_decision
decide(const struct shape_gate *gate, const struct gate_txn *txn)
{
    if (gate->state == GATE_CLOSED || gate->inside_lsn == txn->commit_lsn ||
        txn->commit_lsn < txn->checkpoint_lsn || txn->commit_lsn <= txn->log_commit_lsn) {
        return GATE_SKIP;
    }
    if (gate->state == GATE_JOINED) {
        return GATE_HOLD;
    }
    return gate_decide_held(gate, txn->commit_lsn, txn->xid);
}

enum gate_decision
gate_decide(struct shape_gate *gate, const struct gate_txn *txn)
{
    if (gate->decided_lsn != txn->commit_lsn) {
        gate->decided_lsn = txn->commit_lsn;
        gate->decision = decide(gate, txn);
    }
    return gate->decision;
}

void
gate_on_hello(struct shape_gate *gate)
{
    gate->decided_lsn = 0;
    gate->inside_lsn = 0;
}
