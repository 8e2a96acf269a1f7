/*
 * shape_gate.h - which transactions of the stream count for a shape (design §4.5, §5.3).
 *
 *     closed --join--> joined --marks--> open      closed: not in the routing
 *        ^                |                         joined: marks not known yet, all is held
 *        +-----leave------+                         open: each transaction is taken or skipped
 *
 * Decided when a transaction arrives, once: skipped if its commit lies below the checkpoint of that
 * moment, or is in the shape's log already, or is below L and in the snapshot. A shape that
 * joins inside a transaction ignores the rest of it.
 *
 * Threading: the loop's; no I/O.
 */
#ifndef CORE_SHAPE_GATE_H
#define CORE_SHAPE_GATE_H

#include "common/core/unseen.h"

enum gate_state {
    GATE_CLOSED,
    GATE_JOINED,
    GATE_OPEN,
};

enum gate_decision {
    GATE_SKIP,
    GATE_HOLD,
    GATE_TAKE,
};

struct shape_gate {
    enum gate_state state;
    uint64_t joining;     /* number of the joining that counts; marks of another are ignored */
    uint64_t inside_lsn;  /* the transaction it joined inside of; 0: none */
    struct buf before;    /* JOINED: ids (u32) that were streamed and unseen when it joined */
    struct marks marks;   /* OPEN */
    uint64_t lsn;         /* OPEN: L */
    uint64_t decided_lsn; /* the transaction that `decision` is about */
    enum gate_decision decision;
};

/* What is known of the transaction that a change belongs to. */
struct gate_txn {
    uint64_t commit_lsn;
    uint32_t xid;
    uint64_t checkpoint_lsn; /* durable now */
    uint64_t log_commit_lsn; /* last transaction in the shape's log; 0: none */
};

void gate_fini(struct shape_gate *gate);

/*
 * The shape joins. `open_lsn` and `open_xid` name the transaction that is being streamed, or are 0:
 * it counts as one that was streamed before and touched the table.
 */
void gate_join(struct shape_gate *gate, const struct unseen *unseen, uint32_t table,
               uint64_t open_lsn, uint32_t open_xid);

/* Back to the start: its snapshot is lost, or a hello came before its marks. */
void gate_leave(struct shape_gate *gate);

/* Does the snapshot see all that was streamed before the shape joined? If not: take it again. */
bool gate_accepts(const struct shape_gate *gate, const struct marks *marks);

/* The marks are known and accepted; they are copied. */
void gate_open(struct shape_gate *gate, const struct marks *marks, uint64_t lsn);

/* From the catalogue: open since long ago. */
void gate_restore(struct shape_gate *gate, struct marks marks, uint64_t lsn);

/* The same answer for every change of one transaction. */
enum gate_decision gate_decide(struct shape_gate *gate, const struct gate_txn *txn);

/* For a transaction that was held: taken or skipped, now that the gate is open. */
enum gate_decision gate_decide_held(const struct shape_gate *gate, uint64_t commit_lsn,
                                    uint32_t xid);

/* A hello: decisions about the open transaction are void. */
void gate_on_hello(struct shape_gate *gate);

#endif
