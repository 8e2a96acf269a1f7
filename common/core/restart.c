#include "common/core/restart.h"

static bool
is_alive(const struct restart *restart)
{
    return restart->state == RESTART_RUNNING || restart->state == RESTART_STOPPING ||
           restart->state == RESTART_KILLED;
}

void
restart_init(struct restart *restart)
{
    *restart = (struct restart){.state = RESTART_STOPPED};
}

/* Between 80 % and 120 % of `delay_ms`. */
static uint64_t
with_jitter(uint64_t delay_ms, uint32_t random_bits)
{
    return delay_ms * 4 / 5 + (delay_ms * 2 / 5) * (random_bits % 1001) / 1000;
}

/* The delay after the Nth failure in a row: 0, 0.5 s, 1 s, … 30 s. */
static uint64_t
delay_after(uint32_t failures)
{
    if (failures <= 1) {
        return 0;
    }
    uint64_t delay_ms = RESTART_DELAY_MIN_MS;
    for (uint32_t i = 2; i < failures && delay_ms < RESTART_DELAY_MAX_MS; i++) {
        delay_ms *= 2;
    }
    return delay_ms < RESTART_DELAY_MAX_MS ? delay_ms : RESTART_DELAY_MAX_MS;
}

/* It failed at `now_ms`: when is it tried again? */
static enum restart_action
wait_for_next(struct restart *restart, const struct restart_event *event)
{
    bool needs_repair =
        event->exit_code == RESTART_EXIT_SETTING || event->exit_code == RESTART_EXIT_OUTSIDE;
    if (restart->failures < UINT32_MAX) {
        restart->failures++;
    }
    restart->is_failed = needs_repair || restart->failures >= RESTART_FAILURES_MAX;
    uint64_t delay_ms = restart->is_failed ? RESTART_DELAY_MAX_MS : delay_after(restart->failures);
    restart->state = RESTART_WAITING;
    restart->deadline_ms = event->now_ms + with_jitter(delay_ms, event->random_bits);
    if (delay_ms > 0) {
        return RESTART_NOTHING;
    }
    restart->deadline_ms = event->now_ms;
    return RESTART_DO_SPAWN;
}

static enum restart_action
on_start(struct restart *restart, const struct restart_event *event)
{
    if (restart->is_wanted) {
        return RESTART_NOTHING;
    }
    restart->is_wanted = true;
    if (restart->state != RESTART_STOPPED) { /* it is leaving: its exit starts it again */
        return RESTART_NOTHING;
    }
    restart->state = RESTART_WAITING;
    restart->deadline_ms = event->now_ms;
    return RESTART_DO_SPAWN;
}

static enum restart_action
on_spawned(struct restart *restart, const struct restart_event *event)
{
    if (restart->state != RESTART_WAITING) {
        return RESTART_NOTHING;
    }
    restart->state = RESTART_RUNNING;
    restart->restarts += restart->was_started ? 1 : 0;
    restart->was_started = true;
    restart->started_ms = event->now_ms;
    restart->deadline_ms =
        event->now_ms + (event->is_adopted ? RESTART_SILENCE_MS : RESTART_FIRST_WORD_MS);
    return RESTART_NOTHING;
}

static enum restart_action
on_exited(struct restart *restart, const struct restart_event *event)
{
    if (!is_alive(restart)) {
        return RESTART_NOTHING;
    }
    if (!restart->is_wanted) {
        restart->state = RESTART_STOPPED;
        restart->deadline_ms = 0;
        return RESTART_NOTHING;
    }
    if (event->now_ms - restart->started_ms >= RESTART_UP_MS) {
        restart->failures = 0;
    }
    return wait_for_next(restart, event);
}

static enum restart_action
on_stop(struct restart *restart, const struct restart_event *event)
{
    restart->is_wanted = false;
    switch (restart->state) {
    case RESTART_STOPPED:
    case RESTART_STOPPING:
    case RESTART_KILLED:
        return RESTART_NOTHING;
    case RESTART_WAITING:
        restart->state = RESTART_STOPPED;
        restart->deadline_ms = 0;
        return RESTART_NOTHING;
    case RESTART_RUNNING:
        restart->state = RESTART_STOPPING;
        restart->deadline_ms = event->now_ms + event->limit_ms;
        return RESTART_DO_ASK_TO_LEAVE;
    }
    return RESTART_NOTHING;
}

static enum restart_action
on_timer(struct restart *restart, const struct restart_event *event)
{
    if (restart->deadline_ms == 0 || event->now_ms < restart->deadline_ms) {
        return RESTART_NOTHING;
    }
    switch (restart->state) {
    case RESTART_STOPPED:
    case RESTART_KILLED: /* a process in the kernel's hands may take its time to die */
        return RESTART_NOTHING;
    case RESTART_WAITING:
        return RESTART_DO_SPAWN;
    case RESTART_RUNNING:
    case RESTART_STOPPING:
        restart->state = RESTART_KILLED;
        restart->deadline_ms = 0;
        return RESTART_DO_KILL;
    }
    return RESTART_NOTHING;
}

enum restart_action
restart_step(struct restart *restart, struct restart_event event)
{
    switch (event.kind) {
    case RESTART_START:
        return on_start(restart, &event);
    case RESTART_SPAWNED:
        return on_spawned(restart, &event);
    case RESTART_NO_SPAWN:
        event.exit_code = RESTART_EXIT_NOT_KNOWN;
        /* At least one failure on record, so that an exhausted system is not tried in a circle. */
        restart->failures += restart->failures == 0 ? 1 : 0;
        return restart->state == RESTART_WAITING ? wait_for_next(restart, &event) : RESTART_NOTHING;
    case RESTART_ANSWERED:
        if (restart->state == RESTART_RUNNING) {
            restart->deadline_ms = event.now_ms + RESTART_SILENCE_MS;
            if (event.now_ms - restart->started_ms >= RESTART_UP_MS) {
                restart->failures = 0;
                restart->is_failed = false;
            }
        }
        return RESTART_NOTHING;
    case RESTART_EXITED:
        return on_exited(restart, &event);
    case RESTART_TIMER:
        return on_timer(restart, &event);
    case RESTART_STOP:
        return on_stop(restart, &event);
    }
    return RESTART_NOTHING;
}

const char *
restart_state_name(enum restart_state state)
{
    switch (state) {
    case RESTART_STOPPED:
        return "stopped";
    case RESTART_WAITING:
        return "waiting";
    case RESTART_RUNNING:
        return "running";
    case RESTART_STOPPING:
        return "stopping";
    case RESTART_KILLED:
        return "killed";
    }
    return "?";
}
