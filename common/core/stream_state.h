/*
 * stream_state.h - the life of the connection service: what it does next.
 *
 * Pure: told what happened, it says what to do. Three sessions and a talk with
 * the collector, each a small machine of its own, and the order between them:
 *
 *     admin pool --> lock session: down > connecting > waiting > held
 *                                                                 |
 *        publication > slot (and its facts)  <--------------------+
 *                          |
 *     walsender: down > connecting > identified > starting > streaming
 *                                        |            ^
 *     hello:     none > asked > agreed --+------------+-- the collector that agreed is ready
 *
 * Rules that a change here must not break:
 *   - the admin pool comes before the lock: breaking a dead engine's lock needs it
 *   - nothing but waiting happens without the lock; the stream ends with its session
 *   - hello is said after the slot is known, and facts are read anew for each one
 *   - a slot that is made after a hello voids it, answered or not
 *   - a new publication needs a new slot: the old one would decode without it
 *   - streaming starts at the checkpoint of the hello, when the incarnation that agreed is ready
 *   - a stream belongs to one hello; it stays open, unread and answered, until the next one is
 *     agreed on, and then a new one is started
 *   - all sessions are those of one server: another identity than the hello's starts everything
 *     anew
 *   - asleep there is no session at all, and nothing but a wake ends that
 *
 * Threading: as any object, one thread at a time.
 */
#ifndef CORE_STREAM_STATE_H
#define CORE_STREAM_STATE_H

#include "common/core/pg_error.h"
#include "proto/codec.h"

#define STREAM_LOCK_TICK_MS   10000u /* the lock breaker, while waiting for the lock */
#define STREAM_SLOT_TICK_MS   10000u /* self-heal, while a slot is being made */
#define STREAM_STEADY_MS      5000u  /* streaming for so long: back-off begins anew */
#define STREAM_HELLO_AGAIN_MS 250u
#define STREAM_IN_USE_MS      50u /* the walsender of the stream before needs a moment to go */

/* What can be up, come up and fail by itself, with a back-off each. */
enum stream_part {
    STREAM_PART_ADMIN,
    STREAM_PART_SNAPSHOT,
    STREAM_PART_LOCK,
    STREAM_PART_TASK, /* publication and slot, on the lock's session */
    STREAM_PART_SENDER,
    STREAM_PART_COUNT
};

enum stream_event_kind {
    STREAM_EVENT_TICK,
    STREAM_EVENT_UP,     /* admin, snapshot: usable; lock: connected; sender: identified */
    STREAM_EVENT_FAILED, /* any part, with `action` */
    STREAM_EVENT_LOCKED,
    STREAM_EVENT_PUBLICATION, /* it is there; `is_new` */
    STREAM_EVENT_SLOT,        /* it is there and its facts are read; `is_new` */
    STREAM_EVENT_SLOT_DROPPED,
    STREAM_EVENT_SENDING,   /* START_REPLICATION was accepted */
    STREAM_EVENT_IN_USE,    /* ... was refused: another walsender has the slot */
    STREAM_EVENT_AGREED,    /* hello: `collector`, `lsn` is the checkpoint */
    STREAM_EVENT_AGAIN,     /* hello: hold, stale, reset or no answer */
    STREAM_EVENT_STALE,     /* a batch was stale, or a reset: a new hello */
    STREAM_EVENT_COLLECTOR, /* the board: `collector` is the current one and may be ready */
    STREAM_EVENT_SLEEP,     /* nobody needs the database; only while streaming */
    STREAM_EVENT_WAKE,
};

struct stream_event {
    enum stream_event_kind kind;
    uint64_t now_ms;
    enum stream_part part;
    enum pg_error_action action;
    bool is_new;
    bool is_ready;
    uint64_t lsn;
    uint64_t timeline;
    struct view system_id;
    struct incarnation collector;
};

/* A set; they are carried out in this order. Each is answered by an event, the closing ones apart.
 */
enum stream_action {
    STREAM_DO_HALT = 1 << 0, /* a person must repair it: leave */
    STREAM_DO_CLOSE_SENDER = 1 << 1,
    STREAM_DO_CLOSE_LOCK = 1 << 2,
    STREAM_DO_FORGET_HELLO = 1 << 3, /* its answer does not count; batches stop */
    STREAM_DO_CLOSE_POOLS = 1 << 4,
    STREAM_DO_OPEN_ADMIN = 1 << 5,
    STREAM_DO_OPEN_SNAPSHOT = 1 << 6,
    STREAM_DO_OPEN_LOCK = 1 << 7,
    STREAM_DO_TAKE_LOCK = 1 << 8,
    STREAM_DO_BREAK_LOCK = 1 << 9, /* no event */
    STREAM_DO_PUBLICATION = 1 << 10,
    STREAM_DO_DROP_SLOT = 1 << 11,
    STREAM_DO_SLOT = 1 << 12,        /* make it unless it is there; read its facts */
    STREAM_DO_HEAL = 1 << 13,        /* no event */
    STREAM_DO_OPEN_SENDER = 1 << 14, /* connect, display settings, IDENTIFY_SYSTEM */
    STREAM_DO_HELLO = 1 << 15,
    STREAM_DO_START = 1 << 16, /* START_REPLICATION at stream_state.checkpoint */
};

enum stream_level {
    STREAM_DOWN,
    STREAM_COMING,
    STREAM_UP,
};

enum stream_lock {
    STREAM_LOCK_DOWN,
    STREAM_LOCK_CONNECTING,
    STREAM_LOCK_WAITING,
    STREAM_LOCK_HELD,
};

enum stream_sender {
    STREAM_SENDER_DOWN,
    STREAM_SENDER_CONNECTING,
    STREAM_SENDER_IDENTIFIED,
    STREAM_SENDER_STARTING,
    STREAM_SENDER_STREAMING,
};

enum stream_hello {
    STREAM_HELLO_NONE,
    STREAM_HELLO_ASKED,
    STREAM_HELLO_AGREED,
};

/* What is running on the lock's session. */
enum stream_task {
    STREAM_TASK_NONE,
    STREAM_TASK_PUBLICATION,
    STREAM_TASK_DROP_SLOT,
    STREAM_TASK_SLOT,
};

/* Read by anybody, written by stream_state_step() alone. */
struct stream_state {
    enum stream_level admin;
    enum stream_level snapshot;
    enum stream_lock lock;
    enum stream_sender sender;
    enum stream_hello hello;
    enum stream_task task;
    bool is_halted;
    bool is_asleep;
    bool has_had_admin;
    bool has_publication;
    bool has_slot;
    bool has_facts; /* ... and they are not older than the last hello */
    bool must_drop_slot;
    bool is_slot_new;  /* made by us, and no hello agreed since */
    bool is_old_hello; /* the stream belongs to a hello before this one */
    bool has_identity;
    char system_id[32];
    uint64_t timeline;
    struct incarnation current; /* collector on the board */
    bool is_current_ready;
    struct incarnation agreed; /* collector of the hello */
    uint64_t checkpoint;

    unsigned failures[STREAM_PART_COUNT];
    uint64_t retry_ms[STREAM_PART_COUNT]; /* not before; 0: at once */
    uint64_t hello_ms;
    uint64_t tick_ms;   /* breaker or self-heal; 0: not set */
    uint64_t steady_ms; /* 0: not set */
};

void stream_state_init(struct stream_state *state);

/* Gives a set of stream_action. */
unsigned stream_state_step(struct stream_state *state, const struct stream_event *event);

/* When to send the next STREAM_EVENT_TICK; UINT64_MAX: not needed. */
uint64_t stream_state_deadline(const struct stream_state *state, uint64_t now_ms);

/* How long the nth failure in a row of a part holds it back. */
uint64_t stream_state_delay_ms(unsigned failures);

/* Lock, publication, slot and identity are all there. */
bool stream_state_is_set_up(const struct stream_state *state);

#endif
