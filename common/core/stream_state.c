#include "common/core/stream_state.h"

#include <string.h>

void
stream_state_init(struct stream_state *state)
{
    memset(state, 0, sizeof *state);
}

uint64_t
stream_state_delay_ms(unsigned failures)
{
    /* The first one is short: after a restart of Postgres the next attempt mostly succeeds. */
    static const uint64_t delays_ms[] = {250, 1000, 2000, 4000, 8000, 10000};
    size_t last = COUNT_OF(delays_ms) - 1;
    return delays_ms[failures < last ? failures : last];
}

bool
stream_state_is_set_up(const struct stream_state *state)
{
    return state->lock == STREAM_LOCK_HELD && state->has_publication && state->has_slot &&
           state->has_identity;
}

static bool
is_same(struct incarnation a, struct incarnation b)
{
    return incarnation_compare(a, b) == 0;
}

static bool
is_due(const struct stream_state *state, enum stream_part part, uint64_t now_ms)
{
    return state->retry_ms[part] <= now_ms;
}

static void
hold_back(struct stream_state *state, enum stream_part part, uint64_t now_ms)
{
    state->retry_ms[part] = now_ms + stream_state_delay_ms(state->failures[part]);
    state->failures[part]++;
}

static void
succeed(struct stream_state *state, enum stream_part part)
{
    state->failures[part] = 0;
    state->retry_ms[part] = 0;
}

/* Whatever was said or agreed does not count any more. A stream that runs stays, unread. */
static unsigned
void_hello(struct stream_state *state)
{
    unsigned actions = state->hello == STREAM_HELLO_NONE ? 0 : STREAM_DO_FORGET_HELLO;
    state->hello = STREAM_HELLO_NONE;
    state->has_facts = false;
    if (state->sender >= STREAM_SENDER_STARTING)
        state->is_old_hello = true;
    return actions;
}

static unsigned
close_sender(struct stream_state *state)
{
    if (state->sender == STREAM_SENDER_DOWN)
        return 0;
    state->sender = STREAM_SENDER_DOWN;
    state->is_old_hello = false;
    state->steady_ms = 0;
    return STREAM_DO_CLOSE_SENDER;
}

static unsigned
lose_lock(struct stream_state *state)
{
    unsigned actions = void_hello(state) | close_sender(state);
    if (state->lock != STREAM_LOCK_DOWN)
        actions |= STREAM_DO_CLOSE_LOCK;
    state->lock = STREAM_LOCK_DOWN;
    state->task = STREAM_TASK_NONE;
    state->has_publication = state->has_slot = state->has_identity = false;
    state->tick_ms = 0;
    return actions;
}

/* ---- what happened */

static unsigned
on_failed(struct stream_state *state, const struct stream_event *event)
{
    unsigned actions = 0;
    hold_back(state, event->part, event->now_ms);
    switch (event->part) {
    case STREAM_PART_ADMIN:
        state->admin = STREAM_DOWN;
        break;
    case STREAM_PART_SNAPSHOT:
        state->snapshot = STREAM_DOWN;
        break;
    case STREAM_PART_LOCK:
        actions |= lose_lock(state);
        break;
    case STREAM_PART_TASK:
        state->task = STREAM_TASK_NONE;
        state->tick_ms = 0;
        break;
    case STREAM_PART_SENDER:
        /* The slot or the publication may be gone, or the server another one. */
        actions |= void_hello(state) | close_sender(state);
        state->has_identity = state->has_publication = state->has_slot = false;
        break;
    case STREAM_PART_COUNT:
        ASSERT(false);
    }
    if (event->action == PG_ERROR_FATAL) {
        state->is_halted = true;
        actions |= STREAM_DO_HALT;
    }
    if (event->action == PG_ERROR_DROP_SLOT)
        state->must_drop_slot = true;
    return actions;
}

static unsigned
on_identified(struct stream_state *state, const struct stream_event *event)
{
    bool is_other = state->has_identity && (state->timeline != event->timeline ||
                                            !view_is(event->system_id, state->system_id));
    if (is_other) {
        hold_back(state, STREAM_PART_LOCK, event->now_ms);
        return lose_lock(state);
    }
    size_t size = event->system_id.size < sizeof state->system_id ? event->system_id.size : 0;
    if (size > 0)
        memcpy(state->system_id, event->system_id.bytes, size);
    state->system_id[size] = 0;
    state->timeline = event->timeline;
    state->has_identity = true;
    state->sender = STREAM_SENDER_IDENTIFIED;
    return 0;
}

static unsigned
on_up(struct stream_state *state, const struct stream_event *event)
{
    switch (event->part) {
    case STREAM_PART_ADMIN:
        state->admin = STREAM_UP;
        state->has_had_admin = true;
        succeed(state, STREAM_PART_ADMIN);
        return 0;
    case STREAM_PART_SNAPSHOT:
        state->snapshot = STREAM_UP;
        succeed(state, STREAM_PART_SNAPSHOT);
        return 0;
    case STREAM_PART_LOCK:
        if (state->lock != STREAM_LOCK_CONNECTING)
            return 0;
        succeed(state, STREAM_PART_LOCK);
        state->lock = STREAM_LOCK_WAITING;
        state->tick_ms = event->now_ms + STREAM_LOCK_TICK_MS;
        return STREAM_DO_TAKE_LOCK;
    case STREAM_PART_SENDER:
        return state->sender == STREAM_SENDER_CONNECTING ? on_identified(state, event) : 0;
    case STREAM_PART_TASK:
    case STREAM_PART_COUNT:
        ASSERT(false);
    }
    return 0;
}

static void
end_task(struct stream_state *state)
{
    state->task = STREAM_TASK_NONE;
    state->tick_ms = 0;
    succeed(state, STREAM_PART_TASK);
}

static unsigned
on_slot(struct stream_state *state, const struct stream_event *event)
{
    unsigned actions = 0;
    end_task(state);
    if (event->is_new) {
        actions = void_hello(state);
        state->is_slot_new = true;
    }
    state->has_slot = state->has_facts = true;
    return actions;
}

static unsigned
on_agreed(struct stream_state *state, const struct stream_event *event)
{
    if (state->hello != STREAM_HELLO_ASKED)
        return 0;
    if (incarnation_compare(state->current, event->collector) > 0) /* the word of a dead one */
        return void_hello(state);
    state->hello = STREAM_HELLO_AGREED;
    state->is_slot_new = false;
    state->agreed = event->collector;
    state->checkpoint = event->lsn;
    /* A running stream cannot be rewound. */
    return state->is_old_hello ? close_sender(state) : 0;
}

static unsigned
on_collector(struct stream_state *state, const struct stream_event *event)
{
    state->current = event->collector;
    state->is_current_ready = event->is_ready;
    /* A board may be older than an answer; only a later life voids what an earlier one agreed to.
     */
    if (state->hello == STREAM_HELLO_AGREED &&
        incarnation_compare(state->current, state->agreed) > 0)
        return void_hello(state);
    return 0;
}

static unsigned
on_sleep(struct stream_state *state)
{
    if (state->sender != STREAM_SENDER_STREAMING)
        return 0;
    state->is_asleep = true;
    state->admin = state->snapshot = STREAM_DOWN;
    state->has_had_admin = false;
    return lose_lock(state) | STREAM_DO_CLOSE_POOLS;
}

static unsigned
on_event(struct stream_state *state, const struct stream_event *event)
{
    switch (event->kind) {
    case STREAM_EVENT_TICK:
        return 0;
    case STREAM_EVENT_UP:
        return on_up(state, event);
    case STREAM_EVENT_FAILED:
        return on_failed(state, event);
    case STREAM_EVENT_LOCKED:
        state->lock = STREAM_LOCK_HELD;
        state->tick_ms = 0;
        return 0;
    case STREAM_EVENT_PUBLICATION:
        end_task(state);
        state->has_publication = true;
        state->must_drop_slot |= event->is_new;
        return 0;
    case STREAM_EVENT_SLOT_DROPPED:
        end_task(state);
        state->must_drop_slot = state->has_slot = false;
        return void_hello(state);
    case STREAM_EVENT_SLOT:
        return on_slot(state, event);
    case STREAM_EVENT_SENDING:
        state->sender = STREAM_SENDER_STREAMING;
        state->steady_ms = event->now_ms + STREAM_STEADY_MS;
        return 0;
    case STREAM_EVENT_IN_USE:
        state->retry_ms[STREAM_PART_SENDER] = event->now_ms + STREAM_IN_USE_MS;
        return close_sender(state);
    case STREAM_EVENT_AGREED:
        return on_agreed(state, event);
    case STREAM_EVENT_AGAIN:
        if (state->hello != STREAM_HELLO_ASKED)
            return 0;
        state->hello_ms = event->now_ms + STREAM_HELLO_AGAIN_MS;
        return void_hello(state);
    case STREAM_EVENT_STALE:
        return void_hello(state);
    case STREAM_EVENT_COLLECTOR:
        return on_collector(state, event);
    case STREAM_EVENT_SLEEP:
        return on_sleep(state);
    case STREAM_EVENT_WAKE:
        state->is_asleep = false;
        return 0;
    }
    return 0;
}

/* ---- what to do next */

static unsigned
next_task(struct stream_state *state, uint64_t now_ms)
{
    if (state->task != STREAM_TASK_NONE || !is_due(state, STREAM_PART_TASK, now_ms))
        return 0;
    if (state->must_drop_slot) {
        unsigned actions = void_hello(state) | close_sender(state);
        state->task = STREAM_TASK_DROP_SLOT;
        return actions | STREAM_DO_DROP_SLOT;
    }
    if (!state->has_publication) {
        state->task = STREAM_TASK_PUBLICATION;
        return STREAM_DO_PUBLICATION;
    }
    if (!state->has_slot || (!state->has_facts && state->hello_ms <= now_ms)) {
        state->task = STREAM_TASK_SLOT;
        state->tick_ms = now_ms + STREAM_SLOT_TICK_MS;
        return STREAM_DO_SLOT;
    }
    return 0;
}

static unsigned
next_hello(struct stream_state *state)
{
    if (state->hello != STREAM_HELLO_NONE || state->task != STREAM_TASK_NONE || !state->has_facts ||
        !stream_state_is_set_up(state))
        return 0;
    state->hello = STREAM_HELLO_ASKED;
    return STREAM_DO_HELLO;
}

static unsigned
next_of_sender(struct stream_state *state, uint64_t now_ms)
{
    bool may_start = state->hello == STREAM_HELLO_AGREED && state->is_current_ready &&
                     is_same(state->current, state->agreed);
    if (state->sender == STREAM_SENDER_DOWN && (may_start || !state->has_identity) &&
        is_due(state, STREAM_PART_SENDER, now_ms)) {
        state->sender = STREAM_SENDER_CONNECTING;
        return STREAM_DO_OPEN_SENDER;
    }
    if (state->sender == STREAM_SENDER_IDENTIFIED && may_start) {
        state->sender = STREAM_SENDER_STARTING;
        return STREAM_DO_START;
    }
    return 0;
}

static unsigned
next_tick(struct stream_state *state, uint64_t now_ms)
{
    if (state->steady_ms != 0 && state->steady_ms <= now_ms) {
        succeed(state, STREAM_PART_SENDER);
        state->steady_ms = 0;
    }
    if (state->tick_ms == 0 || state->tick_ms > now_ms)
        return 0;
    if (state->lock == STREAM_LOCK_WAITING) {
        state->tick_ms = now_ms + STREAM_LOCK_TICK_MS;
        return STREAM_DO_BREAK_LOCK;
    }
    state->tick_ms = now_ms + STREAM_SLOT_TICK_MS;
    return state->task == STREAM_TASK_SLOT ? STREAM_DO_HEAL : 0;
}

static unsigned
next_actions(struct stream_state *state, uint64_t now_ms)
{
    unsigned actions = next_tick(state, now_ms);
    if (state->admin == STREAM_DOWN && is_due(state, STREAM_PART_ADMIN, now_ms)) {
        state->admin = STREAM_COMING;
        actions |= STREAM_DO_OPEN_ADMIN;
    }
    if (state->has_had_admin && state->lock == STREAM_LOCK_DOWN &&
        is_due(state, STREAM_PART_LOCK, now_ms)) {
        state->lock = STREAM_LOCK_CONNECTING;
        actions |= STREAM_DO_OPEN_LOCK;
    }
    if (state->lock != STREAM_LOCK_HELD)
        return actions;
    actions |= next_task(state, now_ms);
    if (state->has_slot && state->snapshot == STREAM_DOWN &&
        is_due(state, STREAM_PART_SNAPSHOT, now_ms)) {
        state->snapshot = STREAM_COMING;
        actions |= STREAM_DO_OPEN_SNAPSHOT;
    }
    if (!state->has_slot || state->must_drop_slot)
        return actions;
    return actions | next_of_sender(state, now_ms) | next_hello(state);
}

unsigned
stream_state_step(struct stream_state *state, const struct stream_event *event)
{
    if (state->is_halted)
        return 0;
    unsigned actions = on_event(state, event);
    if (!state->is_halted && !state->is_asleep)
        actions |= next_actions(state, event->now_ms);
    return actions;
}

static void
lower(uint64_t *least_ms, uint64_t at_ms, bool counts)
{
    if (counts && at_ms < *least_ms)
        *least_ms = at_ms;
}

uint64_t
stream_state_deadline(const struct stream_state *state, uint64_t now_ms)
{
    uint64_t least_ms = UINT64_MAX;
    if (state->is_halted || state->is_asleep)
        return least_ms;
    bool is_held = state->lock == STREAM_LOCK_HELD;
    lower(&least_ms, state->steady_ms, state->steady_ms != 0);
    lower(&least_ms, state->tick_ms, state->tick_ms != 0);
    lower(&least_ms, state->hello_ms,
          is_held && !state->has_facts && state->task == STREAM_TASK_NONE &&
              state->hello_ms > now_ms);
    const bool waits[STREAM_PART_COUNT] = {
        [STREAM_PART_ADMIN] = state->admin == STREAM_DOWN,
        [STREAM_PART_SNAPSHOT] = state->snapshot == STREAM_DOWN && state->has_slot,
        [STREAM_PART_LOCK] = state->lock == STREAM_LOCK_DOWN && state->has_had_admin,
        [STREAM_PART_TASK] = is_held && state->task == STREAM_TASK_NONE,
        [STREAM_PART_SENDER] = is_held && state->sender == STREAM_SENDER_DOWN,
    };
    for (size_t part = 0; part < STREAM_PART_COUNT; part++)
        lower(&least_ms, state->retry_ms[part], waits[part] && state->retry_ms[part] > now_ms);
    return least_ms;
}
