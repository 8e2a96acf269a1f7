#include "services/orchestrator/plan.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/bus.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/core/restart.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/process.h"
#include "services/orchestrator/child.h"

#define IPC "ipc://"

#define PING_MS         1000u
#define MEMBERS_MAX     66u /* 64 APIs and the other two */
#define PATH_SIZE_MAX   1024
#define REASON_SIZE_MAX 96

/* How long each may take to leave before it is killed: a second more than it gives itself. */
static const struct phase {
    const char *service;
    uint32_t limit_ms;
} phases[] = {
    {"api", SERVICE_DRAIN_MS + 1000u},
    {"connection", SERVICE_DRAIN_MS + 1000u},
    {"shape_log_collector", 16000u},
};

/* A process that should run. */
struct member {
    struct plan *plan;
    struct child_place place;
    struct restart restart;
    struct child *child;        /* NULL: it does not run */
    struct bus_client *control; /* to that child */
    struct bus_call *ping;      /* under way, or NULL */
    struct loop_timer due;      /* what restart waits for */
    struct loop_timer ping_due;
    char reason[REASON_SIZE_MAX]; /* why it was killed; empty: it was not */
};

struct plan {
    struct service *service;
    struct loop *loop;
    struct board *board;
    char folder[PATH_SIZE_MAX];
    size_t member_count;
    struct member members[MEMBERS_MAX];

    bool is_stopping;
    size_t phase; /* of stopping */
    void (*done)(void *ctx);
    void *ctx;
};

static void step(struct member *member, struct restart_event event);

static struct restart_event
event_now(const struct member *member, enum restart_event_kind kind)
{
    return (struct restart_event){
        .kind = kind,
        .now_ms = loop_now_ms(member->plan->loop),
        .random_bits = (uint32_t)clock_random_u64(),
    };
}

/* ---- control: does it answer? */

static void
on_pong(void *ctx, struct view reply, const struct err *failed)
{
    struct member *member = ctx;
    (void)reply; /* any answer shows that its loop runs */
    member->ping = NULL;
    loop_timer_set(&member->ping_due, PING_MS);
    if (failed == NULL) {
        step(member, event_now(member, RESTART_ANSWERED));
    }
}

static void
ping(void *ctx)
{
    struct member *member = ctx;
    struct control_request request = {.verb = view_str("ping")};
    struct envelope envelope = service_envelope(member->plan->service, PROTO_control_request);
    struct buf message = {0};
    proto_encode(&envelope, &request, &message);
    member->ping = bus_ask(member->control, &message, PING_MS, on_pong, member);
    buf_free(&message);
}

/* ipc: a socket in the common folder; tcp: the one address that the setting names. */
static void
control_address(const struct member *member, struct buf *url)
{
    buf_append_str(url, service_config(member->plan->service)->bus_control);
    if (strncmp(buf_str(url), IPC, strlen(IPC)) == 0) {
        buf_printf(url, "/%s-%ld", member->place.service, (long)child_pid(member->child));
    }
}

static bool
open_control(struct member *member, struct err *err)
{
    struct buf url = {0};
    control_address(member, &url);
    bool ok = bus_client_open(member->plan->loop, buf_str(&url), &member->control, err);
    buf_free(&url);
    return ok;
}

static void
close_control(struct member *member)
{
    loop_timer_clear(&member->ping_due);
    bus_client_close(member->control);
    member->control = NULL;
    member->ping = NULL;
}

/* What a process that was killed leaves behind. */
static void
remove_control_socket(const struct member *member)
{
    struct buf url = {0};
    control_address(member, &url);
    const char *text = buf_str(&url);
    if (strncmp(text, IPC, strlen(IPC)) == 0) {
        unlink(text + strlen(IPC));
    }
    buf_free(&url);
}

/* ---- one member's life */

static void
on_exited(void *ctx, int exit_code)
{
    struct member *member = ctx;
    struct plan *plan = member->plan;
    long pid = (long)child_pid(member->child);
    close_control(member);
    remove_control_socket(member);
    child_free(member->child);
    member->child = NULL;
    char text[REASON_SIZE_MAX];
    process_exit_text(exit_code, text, sizeof text);
    const char *reason = member->reason[0] != '\0' ? member->reason : text;

    bool was_wanted = member->restart.is_wanted;
    struct restart_event event = event_now(member, RESTART_EXITED);
    event.exit_code = exit_code;
    status_ended(board_status(plan->board), member->place.service, member->place.slot, false,
                 was_wanted ? reason : "", clock_wall_us());
    if (was_wanted || exit_code > 0) { /* one that crashes while it leaves is no good either */
        log_warn("event=service_ended service=%s slot=%u pid=%ld reason=\"%s\"",
                 member->place.service, member->place.slot, pid, reason);
    } else {
        log_info("event=service_left service=%s slot=%u pid=%ld", member->place.service,
                 member->place.slot, pid);
    }
    member->reason[0] = '\0';
    step(member, event);
    if (member->restart.state == RESTART_WAITING) {
        uint64_t in_ms = member->restart.deadline_ms - event.now_ms;
        status_ended(board_status(plan->board), member->place.service, member->place.slot,
                     member->restart.is_failed, text, clock_wall_us());
        log_info("event=service_waits service=%s slot=%u failures=%" PRIu32 " in_ms=%" PRIu64 "%s",
                 member->place.service, member->place.slot, member->restart.failures, in_ms,
                 member->restart.is_failed ? " state=failed" : "");
    }
    board_changed(plan->board);
}

/* It runs, started by us or by an orchestrator before us. */
static void
begin(struct member *member, bool is_adopted)
{
    struct plan *plan = member->plan;
    struct err err;
    uint64_t pid = (uint64_t)child_pid(member->child);
    log_info("event=%s service=%s slot=%u pid=%" PRIu64,
             is_adopted ? "service_adopted" : "service_started", member->place.service,
             member->place.slot, pid);
    status_started(board_status(plan->board), member->place.service, member->place.slot, pid,
                   is_adopted, clock_wall_us());
    board_changed(plan->board);
    struct restart_event event = event_now(member, RESTART_SPAWNED);
    event.is_adopted = is_adopted;
    step(member, event);
    if (open_control(member, &err)) {
        loop_timer_set(&member->ping_due, 0);
    } else {
        log_error("event=control_failed service=%s error=\"%s\"", member->place.service, err.msg);
    }
}

static void
spawn(struct member *member)
{
    struct err err;
    if (child_spawn(member->plan->loop, &member->place, on_exited, member, &member->child, &err)) {
        begin(member, false);
        return;
    }
    log_error("event=service_not_started service=%s slot=%u error=\"%s\"", member->place.service,
              member->place.slot, err.msg);
    status_ended(board_status(member->plan->board), member->place.service, member->place.slot,
                 member->restart.is_failed, err.msg, clock_wall_us());
    board_changed(member->plan->board);
    step(member, event_now(member, RESTART_NO_SPAWN));
}

static void
end_silent(struct member *member)
{
    bool was_asked = !member->restart.is_wanted;
    snprintf(member->reason, sizeof member->reason, "%s",
             was_asked ? "killed: did not leave in time" : "killed: control was not answered");
    log_warn("event=service_killed service=%s slot=%u pid=%ld reason=\"%s\"", member->place.service,
             member->place.slot, (long)child_pid(member->child), member->reason);
    child_signal(member->child, SIGKILL);
}

static void advance_stop(struct plan *plan);

static void
step(struct member *member, struct restart_event event)
{
    enum restart_action action = restart_step(&member->restart, event);
    uint64_t deadline_ms = member->restart.deadline_ms;
    if (deadline_ms == 0) {
        loop_timer_clear(&member->due);
    } else {
        loop_timer_set(&member->due, deadline_ms > event.now_ms ? deadline_ms - event.now_ms : 0);
    }
    status_set_restarts(board_status(member->plan->board), member->place.service,
                        member->place.slot, member->restart.restarts);
    switch (action) {
    case RESTART_NOTHING:
        break;
    case RESTART_DO_SPAWN:
        spawn(member);
        break;
    case RESTART_DO_KILL:
        end_silent(member);
        break;
    case RESTART_DO_ASK_TO_LEAVE:
        child_signal(member->child, SIGTERM);
        break;
    }
    if (member->plan->is_stopping && member->restart.state == RESTART_STOPPED) {
        advance_stop(member->plan);
    }
}

static void
on_due(void *ctx)
{
    struct member *member = ctx;
    step(member, event_now(member, RESTART_TIMER));
}

/* ---- all of them */

static void
add_member(struct plan *plan, const char *service, unsigned slot, int listen_fd)
{
    ASSERT(plan->member_count < MEMBERS_MAX);
    struct member *member = &plan->members[plan->member_count++];
    member->plan = plan;
    member->place = (struct child_place){
        .folder = plan->folder,
        .runtime_dir = service_config(plan->service)->runtime_dir,
        .service = service,
        .slot = slot,
        .listen_fd = listen_fd,
    };
    restart_init(&member->restart);
    loop_timer_init(&member->due, plan->loop, on_due, member);
    loop_timer_init(&member->ping_due, plan->loop, ping, member);
}

static void
start_member(struct member *member)
{
    member->child = child_adopt(member->plan->loop, &member->place, on_exited, member);
    if (member->child == NULL) {
        step(member, event_now(member, RESTART_START));
        return;
    }
    member->restart.is_wanted = true;
    member->restart.state = RESTART_WAITING;
    begin(member, true);
}

bool
plan_open(struct service *service, struct board *board, int listen_fd, struct plan **plan_out,
          struct err *err)
{
    struct plan *plan = mem_alloc_zero(sizeof *plan);
    plan->service = service;
    plan->loop = service_loop(service);
    plan->board = board;
    if (!process_folder(plan->folder, sizeof plan->folder, err)) {
        mem_free(plan);
        return false;
    }
    add_member(plan, "connection", 0, -1);
    add_member(plan, "shape_log_collector", 0, -1);
    for (unsigned i = 0; i < service_config(service)->api_processes; i++) {
        add_member(plan, "api", i, listen_fd);
    }
    for (size_t i = 0; i < plan->member_count; i++) {
        start_member(&plan->members[i]);
    }
    *plan_out = plan;
    return true;
}

/* Asks the phase's processes to leave; gives true when none of them is left. */
static bool
stop_phase(struct plan *plan, const struct phase *phase)
{
    bool is_done = true;
    for (size_t i = 0; i < plan->member_count; i++) {
        struct member *member = &plan->members[i];
        if (strcmp(member->place.service, phase->service) != 0) {
            continue;
        }
        if (member->restart.is_wanted) {
            struct restart_event event = event_now(member, RESTART_STOP);
            event.limit_ms = phase->limit_ms;
            step(member, event);
        }
        is_done = is_done && member->restart.state == RESTART_STOPPED;
    }
    return is_done;
}

/* Stopping one at once leads back here by step(): the phase is looked at anew each time. */
static void
advance_stop(struct plan *plan)
{
    while (plan->phase < COUNT_OF(phases)) {
        size_t phase = plan->phase;
        if (!stop_phase(plan, &phases[phase])) {
            return;
        }
        if (plan->phase == phase) {
            plan->phase++;
        }
    }
    if (plan->done != NULL) {
        void (*done)(void *ctx) = plan->done;
        plan->done = NULL;
        done(plan->ctx);
    }
}

void
plan_stop(struct plan *plan, void (*done)(void *ctx), void *ctx)
{
    plan->is_stopping = true;
    plan->done = done;
    plan->ctx = ctx;
    advance_stop(plan);
}

void
plan_close(struct plan *plan)
{
    if (plan == NULL) {
        return;
    }
    for (size_t i = 0; i < plan->member_count; i++) {
        struct member *member = &plan->members[i];
        loop_timer_clear(&member->due);
        close_control(member);
        child_free(member->child);
    }
    mem_free(plan);
}
