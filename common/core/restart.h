/*
 * restart.h - supervision policy of one process: events in, one action out.
 *
 *                 SPAWN                  EXITED
 *     WAITING ------------> RUNNING ---------------> WAITING (back-off)
 *        ^                   |   |  10 s without an answer: KILL
 *        |                   |   +-----------> KILLED --EXITED--> WAITING
 *        |             STOP  |
 *        |                   +--> STOPPING --EXITED--> STOPPED
 *        +--- START ------------------------------------+
 *
 * The first failure is followed by a start at once, the next by one after
 * 0.5 s, doubling to 30 s, each ± 20 %; 10 s of life make it begin anew. After
 * RESTART_FAILURES_MAX in a row, or when the process says that the outside must
 * be repaired first, it counts as failed and is still tried every 30 s. Only
 * silence on the control channel gets a process killed; not being ready never.
 *
 * Pure: time and random bits come in as arguments.
 * Threading: no state of its own.
 */
#ifndef CORE_RESTART_H
#define CORE_RESTART_H

#include "common/base.h"

#define RESTART_DELAY_MIN_MS   500u
#define RESTART_DELAY_MAX_MS   30000u
#define RESTART_UP_MS          10000u /* so long up, and the back-off begins anew */
#define RESTART_SILENCE_MS     10000u /* without an answer on control */
#define RESTART_FIRST_WORD_MS  30000u /* until the first answer: loading may take its time */
#define RESTART_FAILURES_MAX   8u
#define RESTART_EXIT_SETTING   2
#define RESTART_EXIT_OUTSIDE   3
#define RESTART_EXIT_NOT_KNOWN (-1) /* an adopted process: we are not its parent */

enum restart_state {
    RESTART_STOPPED, /* not wanted */
    RESTART_WAITING, /* to be started at the deadline */
    RESTART_RUNNING,
    RESTART_STOPPING, /* asked to leave */
    RESTART_KILLED,   /* SIGKILL is sent, the exit not seen yet */
};

enum restart_event_kind {
    RESTART_START,    /* it is wanted from now on */
    RESTART_SPAWNED,  /* it runs: started by us or adopted */
    RESTART_NO_SPAWN, /* it could not be started */
    RESTART_ANSWERED, /* on its control channel */
    RESTART_EXITED,
    RESTART_TIMER, /* the deadline, or any other moment */
    RESTART_STOP,  /* it is not wanted any more */
};

struct restart_event {
    enum restart_event_kind kind;
    uint64_t now_ms;
    int exit_code;        /* EXITED: code, 128 + signal, or RESTART_EXIT_NOT_KNOWN */
    uint32_t random_bits; /* EXITED, NO_SPAWN: for the ± 20 % */
    uint32_t limit_ms;    /* STOP: how long it may take to leave */
    bool is_adopted;      /* SPAWNED: it ran before, so it has no time to load left */
};

enum restart_action {
    RESTART_NOTHING,
    RESTART_DO_SPAWN,
    RESTART_DO_KILL,
    RESTART_DO_ASK_TO_LEAVE,
};

struct restart {
    enum restart_state state;
    bool is_wanted;
    bool is_failed;       /* for people; it is tried again all the same */
    uint32_t failures;    /* in a row */
    uint64_t restarts;    /* starts after the first one */
    uint64_t started_ms;  /* RUNNING and later: when */
    uint64_t deadline_ms; /* when RESTART_TIMER is due; 0: never */
    bool was_started;
};

/* Zeroed is a good start too: stopped. */
void restart_init(struct restart *restart);

/* Takes any event in any state; what does not fit the state changes nothing. */
NODISCARD enum restart_action restart_step(struct restart *restart, struct restart_event event);

/* "stopped", "waiting", … */
const char *restart_state_name(enum restart_state state);

#endif
