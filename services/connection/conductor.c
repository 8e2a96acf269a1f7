#include "services/connection/conductor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/config.h"
#include "common/core/stream_state.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/metrics.h"
#include "common/service.h"
#include "services/connection/db_server.h"
#include "services/connection/publication.h"
#include "services/connection/repl.h"
#include "services/connection/sender.h"
#include "services/connection/slot.h"

/* Two for cancelling and resolving, one more so that a host that hangs delays nobody else. */
#define WORKERS 3

/* Of the T sessions of ELECTRIC_DB_POOL_SIZE at most so many are for administration. */
#define ADMIN_MAX 4u

/* How often it is looked whether all sessions may be closed. */
#define IDLE_LOOK_MS 1000u

#define ADMIN_WAIT_MS    10000u
#define SNAPSHOT_WAIT_MS 60000u

struct conductor {
    struct service *service;
    struct loop *loop;
    struct worker_pool *workers;
    struct endpoint *endpoint;
    struct endpoint *pooled; /* may be the same */
    struct pool *admin;
    struct pool *snapshot;
    struct lock *lock;
    struct sender *sender;
    struct repl *repl;
    struct db_server *db;
    struct stream_state state;
    struct loop_timer tick;
    struct loop_timer idle; /* awake: looks whether to sleep; asleep: wakes */
    uint64_t used_ms;       /* when the collector last needed the database */
    struct slot_facts facts;
    bool is_stopping;
    bool is_stepping;
    char slot[64];
    char publication[64];
    char errors[STREAM_PART_COUNT][512];
    char hello_error[512];
};

static void step(struct conductor *conductor, struct stream_event event);

/* ---- the board */

static const char *
nonempty(const char *text)
{
    return text[0] ? text : NULL;
}

static void
report(struct conductor *conductor)
{
    const struct stream_state *state = &conductor->state;
    struct service *service = conductor->service;
    const char *lock_error = conductor->errors[STREAM_PART_LOCK];
    const char *setup_error = conductor->errors[STREAM_PART_TASK][0]
                                  ? conductor->errors[STREAM_PART_TASK]
                                  : conductor->errors[STREAM_PART_SENDER];
    bool is_waiting = state->lock == STREAM_LOCK_WAITING;
    service_set_condition(service, STATUS_PG_LOCK_ACQUIRED, state->lock == STREAM_LOCK_HELD,
                          is_waiting ? "another session holds the lock" : nonempty(lock_error));
    service_set_condition(service, STATUS_REPLICATION_CLIENT_READY, stream_state_is_set_up(state),
                          nonempty(setup_error));
    service_set_condition(service, STATUS_ADMIN_CONNECTION_POOL_READY, state->admin == STREAM_UP,
                          nonempty(conductor->errors[STREAM_PART_ADMIN]));
    service_set_condition(service, STATUS_SNAPSHOT_CONNECTION_POOL_READY,
                          state->snapshot == STREAM_UP,
                          nonempty(conductor->errors[STREAM_PART_SNAPSHOT]));
    service_set_condition(service, STATUS_INTEGRITY_CHECKS_PASSED,
                          state->hello == STREAM_HELLO_AGREED, nonempty(conductor->hello_error));
    service_set_sleeping(service, state->is_asleep);
    service_set_ready(service, state->sender == STREAM_SENDER_STREAMING ||
                                   state->lock == STREAM_LOCK_WAITING || state->is_asleep);
    service_set_fact(service, "database", "%s", endpoint_name(conductor->endpoint));
    service_set_fact(service, "slot", "%s", conductor->slot);
    service_set_fact(service, "received_lsn", "%" PRIu64, sender_received_lsn(conductor->sender));
    service_set_fact(service, "durable_lsn", "%" PRIu64, sender_durable_lsn(conductor->sender));
}

static void
on_board(void *ctx)
{
    struct conductor *conductor = ctx;
    struct incarnation ready = {0, 0};
    struct incarnation current = service_current(conductor->service, "shape_log_collector");
    bool is_met = service_is_met(conductor->service, STATUS_SHAPE_LOG_COLLECTOR_READY, &ready) &&
                  incarnation_compare(ready, current) == 0;
    if (incarnation_compare(current, conductor->state.current) == 0 &&
        is_met == conductor->state.is_current_ready)
        return;
    step(conductor, (struct stream_event){
                        .kind = STREAM_EVENT_COLLECTOR, .collector = current, .is_ready = is_met});
}

/* ---- what failed, what succeeded */

static const char *const part_names[STREAM_PART_COUNT] = {
    [STREAM_PART_ADMIN] = "admin_pool", [STREAM_PART_SNAPSHOT] = "snapshot_pool",
    [STREAM_PART_LOCK] = "lock",        [STREAM_PART_TASK] = "setup",
    [STREAM_PART_SENDER] = "stream",
};

static void
part_failed(struct conductor *conductor, enum stream_part part, const struct pg_failure *failed)
{
    struct pg_error_class class =
        pg_error_classify(failed->sqlstate, failed->message, failed->detail);
    char *error = conductor->errors[part];
    (void)snprintf(error, sizeof conductor->errors[part], "%s%s%s", failed->message,
                   failed->detail[0] ? " DETAIL: " : "", failed->detail);
    if (part == STREAM_PART_SENDER && strcmp(class.type, "replication_slot_in_use") == 0) {
        log_debug("event=slot_in_use slot=%s", conductor->slot);
        step(conductor, (struct stream_event){.kind = STREAM_EVENT_IN_USE});
        return;
    }
    metrics_add(METRIC_CONNECTION_FAILURES, 1);
    log_write(class.action == PG_ERROR_FATAL ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN,
              "event=connection_failed part=%s type=%s sqlstate=%s database=%s retry=%s "
              "error=\"%s\"",
              part_names[part], class.type, failed->sqlstate, endpoint_name(conductor->endpoint),
              class.action == PG_ERROR_RETRY ? "yes" : "no", error);
    service_set_last_error(conductor->service, error);
    step(conductor,
         (struct stream_event){.kind = STREAM_EVENT_FAILED, .part = part, .action = class.action});
}

static void
part_up(struct conductor *conductor, enum stream_part part)
{
    conductor->errors[part][0] = 0;
    step(conductor, (struct stream_event){.kind = STREAM_EVENT_UP, .part = part});
}

static void
on_admin(void *ctx, const struct pg_failure *failed)
{
    if (failed)
        part_failed(ctx, STREAM_PART_ADMIN, failed);
    else
        part_up(ctx, STREAM_PART_ADMIN);
}

static void
on_snapshot_pool(void *ctx, const struct pg_failure *failed)
{
    if (failed)
        part_failed(ctx, STREAM_PART_SNAPSHOT, failed);
    else
        part_up(ctx, STREAM_PART_SNAPSHOT);
}

static void
on_lock_opened(void *ctx)
{
    struct conductor *conductor = ctx;
    log_info("event=lock_waits slot=%s", conductor->slot);
    part_up(conductor, STREAM_PART_LOCK);
}

static void
on_locked(void *ctx)
{
    struct conductor *conductor = ctx;
    log_info("event=lock_acquired slot=%s", conductor->slot);
    step(conductor, (struct stream_event){.kind = STREAM_EVENT_LOCKED});
}

static void
on_lock_failed(void *ctx, const struct pg_failure *failed)
{
    struct conductor *conductor = ctx;
    db_server_reset(conductor->db);
    part_failed(conductor, STREAM_PART_LOCK, failed);
}

/* As if the stream had failed of it, which it does before version 18 only. */
static void
on_publication_gone(void *ctx)
{
    struct conductor *conductor = ctx;
    struct pg_failure failed = {.sqlstate = "42704"};
    if (!conductor->state.has_publication)
        return; /* not made yet, or known to be gone */
    (void)snprintf(failed.message, sizeof failed.message, "publication \"%s\" does not exist",
                   conductor->publication);
    sender_close(conductor->sender);
    part_failed(conductor, STREAM_PART_SENDER, &failed);
}

/* A session that is lost is the lock's to tell. */
static void
on_publication(void *ctx, bool is_new, const struct pg_failure *failed)
{
    struct conductor *conductor = ctx;
    if (failed && failed->is_lost)
        return;
    if (failed) {
        part_failed(conductor, STREAM_PART_TASK, failed);
        return;
    }
    conductor->errors[STREAM_PART_TASK][0] = 0;
    step(conductor, (struct stream_event){.kind = STREAM_EVENT_PUBLICATION, .is_new = is_new});
}

static void
on_slot(void *ctx, const struct slot_facts *facts, const struct pg_failure *failed)
{
    struct conductor *conductor = ctx;
    if (failed && failed->is_lost)
        return;
    if (failed) {
        part_failed(conductor, STREAM_PART_TASK, failed);
        return;
    }
    conductor->errors[STREAM_PART_TASK][0] = 0;
    conductor->facts = *facts;
    step(conductor, (struct stream_event){.kind = STREAM_EVENT_SLOT, .is_new = facts->is_new});
}

static void
on_slot_dropped(void *ctx, const struct slot_facts *facts, const struct pg_failure *failed)
{
    struct conductor *conductor = ctx;
    (void)facts;
    if (failed && failed->is_lost)
        return;
    if (failed)
        part_failed(conductor, STREAM_PART_TASK, failed);
    else
        step(conductor, (struct stream_event){.kind = STREAM_EVENT_SLOT_DROPPED});
}

static void
on_identified(void *ctx, const char *system_id, uint64_t timeline)
{
    step(ctx, (struct stream_event){.kind = STREAM_EVENT_UP,
                                    .part = STREAM_PART_SENDER,
                                    .system_id = view_str(system_id),
                                    .timeline = timeline});
}

static void
on_started(void *ctx)
{
    struct conductor *conductor = ctx;
    conductor->errors[STREAM_PART_SENDER][0] = 0;
    log_info("event=streaming slot=%s lsn=%" PRIX64 "/%" PRIX64, conductor->slot,
             conductor->state.checkpoint >> 32, conductor->state.checkpoint & 0xFFFFFFFFu);
    step(conductor, (struct stream_event){.kind = STREAM_EVENT_SENDING});
}

static void
on_sender_failed(void *ctx, const struct pg_failure *failed)
{
    part_failed(ctx, STREAM_PART_SENDER, failed);
}

/* ---- the collector's words */

static void
on_agreed(void *ctx, struct incarnation collector, uint64_t checkpoint)
{
    struct conductor *conductor = ctx;
    conductor->hello_error[0] = 0;
    log_info("event=hello_agreed checkpoint=%" PRIX64 "/%" PRIX64, checkpoint >> 32,
             checkpoint & 0xFFFFFFFFu);
    step(conductor, (struct stream_event){
                        .kind = STREAM_EVENT_AGREED, .collector = collector, .lsn = checkpoint});
    if (conductor->state.hello == STREAM_HELLO_AGREED)
        db_server_admit(conductor->db, collector);
}

static void
on_again(void *ctx, const char *why)
{
    struct conductor *conductor = ctx;
    if (strcmp(conductor->hello_error, why) != 0)
        log_info("event=hello_again reason=\"%s\"", why);
    (void)snprintf(conductor->hello_error, sizeof conductor->hello_error, "%s", why);
    step(conductor, (struct stream_event){.kind = STREAM_EVENT_AGAIN});
}

static void
on_answered(void *ctx, uint64_t received_lsn, uint64_t durable_lsn)
{
    struct conductor *conductor = ctx;
    sender_take_answer(conductor->sender, received_lsn, durable_lsn);
    service_set_fact(conductor->service, "received_lsn", "%" PRIu64, received_lsn);
    service_set_fact(conductor->service, "durable_lsn", "%" PRIu64, durable_lsn);
}

static void
on_stale(void *ctx, const char *why)
{
    struct conductor *conductor = ctx;
    log_info("event=stream_void reason=%s", why);
    step(conductor, (struct stream_event){.kind = STREAM_EVENT_STALE});
}

/* ---- carrying out */

static void
say_hello(struct conductor *conductor)
{
    const struct stream_state *state = &conductor->state;
    repl_say_hello(conductor->repl,
                   (struct repl_hello){
                       .system_id = view_str(state->system_id),
                       .timeline = state->timeline,
                       .slot = view_str(conductor->slot),
                       .slot_created = state->is_slot_new,
                       .confirmed_lsn = conductor->facts.confirmed_lsn,
                       .flush_lsn = conductor->facts.flush_lsn,
                       .server_version = (uint64_t)lock_server_version(conductor->lock),
                   });
}

static void
act_on_sessions(struct conductor *conductor, unsigned actions)
{
    if (actions & STREAM_DO_HALT)
        service_exit(conductor->service, SERVICE_EXIT_OUTSIDE);
    if (actions & STREAM_DO_CLOSE_SENDER)
        sender_close(conductor->sender);
    if (actions & STREAM_DO_CLOSE_LOCK)
        lock_close(conductor->lock);
    if (actions & STREAM_DO_FORGET_HELLO) {
        repl_forget(conductor->repl);
        sender_stop_feeding(conductor->sender);
        db_server_refuse(conductor->db, "the collector has not yet agreed on the stream");
    }
    if (actions & STREAM_DO_CLOSE_POOLS) {
        pool_stop(conductor->snapshot);
        pool_stop(conductor->admin);
    }
    if (actions & STREAM_DO_OPEN_ADMIN)
        pool_start(conductor->admin);
    if (actions & STREAM_DO_OPEN_SNAPSHOT)
        pool_start(conductor->snapshot);
}

static void
act(struct conductor *conductor, unsigned actions)
{
    act_on_sessions(conductor, actions);
    if (actions & STREAM_DO_OPEN_LOCK)
        lock_open(conductor->lock);
    if (actions & STREAM_DO_TAKE_LOCK)
        lock_take(conductor->lock);
    if (actions & STREAM_DO_BREAK_LOCK)
        lock_break(conductor->lock, conductor->admin);
    if (actions & STREAM_DO_PUBLICATION)
        publication_ensure(conductor->lock, conductor->publication, on_publication, conductor);
    if (actions & STREAM_DO_DROP_SLOT)
        slot_drop(conductor->lock, conductor->slot, on_slot_dropped, conductor);
    if (actions & STREAM_DO_SLOT)
        slot_ensure(conductor->lock, conductor->slot, on_slot, conductor);
    if (actions & STREAM_DO_HEAL)
        slot_heal(conductor->admin);
    if (actions & STREAM_DO_OPEN_SENDER)
        sender_open(conductor->sender);
    if (actions & STREAM_DO_HELLO)
        say_hello(conductor);
    if (actions & STREAM_DO_START)
        sender_start(conductor->sender, conductor->state.checkpoint);
}

static void
step(struct conductor *conductor, struct stream_event event)
{
    if (conductor->is_stopping)
        return;
    /* Nothing that is carried out calls back: else the order of the state's steps were lost. */
    ASSERT(!conductor->is_stepping);
    conductor->is_stepping = true;
    event.now_ms = loop_now_ms(conductor->loop);
    act(conductor, stream_state_step(&conductor->state, &event));
    conductor->is_stepping = false;
    uint64_t at_ms = stream_state_deadline(&conductor->state, event.now_ms);
    if (at_ms == UINT64_MAX)
        loop_timer_clear(&conductor->tick);
    else
        loop_timer_set(&conductor->tick, at_ms > event.now_ms ? at_ms - event.now_ms : 0);
    report(conductor);
}

static void
on_tick(void *ctx)
{
    step(ctx, (struct stream_event){.kind = STREAM_EVENT_TICK});
}

/* ---- sleep: engine spec §1.14, ELECTRIC_REPLICATION_IDLE_TIMEOUT */

static bool
is_idle(const struct conductor *conductor, uint64_t now_ms)
{
    uint64_t idle_ms = service_config(conductor->service)->replication_idle_ms;
    return conductor->state.sender == STREAM_SENDER_STREAMING &&
           now_ms >= sender_active_ms(conductor->sender) + idle_ms &&
           now_ms >= conductor->used_ms + idle_ms && sender_is_even(conductor->sender) &&
           lock_is_unused(conductor->lock) && pool_is_unused(conductor->admin) &&
           pool_is_unused(conductor->snapshot);
}

static void
wake(struct conductor *conductor, const char *why)
{
    log_info("event=database_wakes reason=\"%s\"", why);
    step(conductor, (struct stream_event){.kind = STREAM_EVENT_WAKE});
    loop_timer_set(&conductor->idle, IDLE_LOOK_MS);
}

static void
on_idle(void *ctx)
{
    struct conductor *conductor = ctx;
    if (conductor->state.is_asleep) {
        wake(conductor, "it has slept for SHAPEWIRE_SLEEP_MAX");
        return;
    }
    loop_timer_set(&conductor->idle, IDLE_LOOK_MS);
    if (is_idle(conductor, loop_now_ms(conductor->loop))) {
        log_info("event=database_sleeps reason=\"no transaction for "
                 "ELECTRIC_REPLICATION_IDLE_TIMEOUT\"");
        step(conductor, (struct stream_event){.kind = STREAM_EVENT_SLEEP});
        loop_timer_set(&conductor->idle, service_config(conductor->service)->sleep_max_ms);
    }
}

static void
on_used(void *ctx)
{
    struct conductor *conductor = ctx;
    conductor->used_ms = loop_now_ms(conductor->loop);
    if (conductor->state.is_asleep && !conductor->is_stopping)
        wake(conductor, "the database is needed");
}

/* ---- life */

static bool
open_endpoints(struct conductor *conductor, const struct config *config, struct err *err)
{
    struct endpoint_env env = {conductor->loop, conductor->workers, config};
    if (!config_require_database(config, err) ||
        !endpoint_new(&env, "DATABASE_URL", config->database_url, &conductor->endpoint, err))
        return false;
    const char *pooled_url =
        config->pooled_database_url ? config->pooled_database_url : config->database_url;
    return endpoint_new(&env, "ELECTRIC_POOLED_DATABASE_URL", pooled_url, &conductor->pooled, err);
}

static void
make_sessions(struct conductor *conductor, const struct config *config)
{
    uint32_t total = config->db_pool_size;
    uint32_t admin = total / 4 < 1 ? 1 : total / 4 > ADMIN_MAX ? ADMIN_MAX : total / 4;
    conductor->admin = pool_new(&(struct pool_def){.loop = conductor->loop,
                                                   .endpoint = conductor->endpoint,
                                                   .name = "shapewire admin",
                                                   .size_max = admin,
                                                   .size_kept = 1,
                                                   .wait_ms = ADMIN_WAIT_MS,
                                                   .changed = on_admin,
                                                   .ctx = conductor});
    conductor->snapshot =
        pool_new(&(struct pool_def){.loop = conductor->loop,
                                    .endpoint = conductor->pooled,
                                    .name = "shapewire snapshot",
                                    .size_max = total - admin > admin ? total - admin : admin,
                                    .size_kept = 2,
                                    .wait_ms = SNAPSHOT_WAIT_MS,
                                    .changed = on_snapshot_pool,
                                    .ctx = conductor});
    conductor->lock = lock_new(&(struct lock_def){.loop = conductor->loop,
                                                  .endpoint = conductor->endpoint,
                                                  .slot = conductor->slot,
                                                  .publication = conductor->publication,
                                                  .publication_gone = on_publication_gone,
                                                  .opened = on_lock_opened,
                                                  .locked = on_locked,
                                                  .failed = on_lock_failed,
                                                  .ctx = conductor});
    conductor->sender = sender_new(&(struct sender_def){.loop = conductor->loop,
                                                        .endpoint = conductor->endpoint,
                                                        .repl = conductor->repl,
                                                        .slot = conductor->slot,
                                                        .publication = conductor->publication,
                                                        .identified = on_identified,
                                                        .started = on_started,
                                                        .failed = on_sender_failed,
                                                        .ctx = conductor});
}

static bool
open_bus(struct conductor *conductor, const struct config *config, struct err *err)
{
    if (!repl_open(&(struct repl_def){.service = conductor->service,
                                      .url = config->bus_repl,
                                      .agreed = on_agreed,
                                      .again = on_again,
                                      .answered = on_answered,
                                      .stale = on_stale,
                                      .ctx = conductor},
                   &conductor->repl, err))
        return false;
    make_sessions(conductor, config);
    return db_server_open(&(struct db_server_def){.service = conductor->service,
                                                  .url = config->bus_db,
                                                  .admin = conductor->admin,
                                                  .snapshot = conductor->snapshot,
                                                  .lock = conductor->lock,
                                                  .publication = conductor->publication,
                                                  .is_manual = config->manual_publishing,
                                                  .used = on_used,
                                                  .ctx = conductor},
                          &conductor->db, err);
}

bool
conductor_new(struct service *service, struct conductor **conductor_out, struct err *err)
{
    const struct config *config = service_config(service);
    struct conductor *conductor = mem_alloc_zero(sizeof *conductor);
    conductor->service = service;
    conductor->loop = service_loop(service);
    stream_state_init(&conductor->state);
    loop_timer_init(&conductor->tick, conductor->loop, on_tick, conductor);
    loop_timer_init(&conductor->idle, conductor->loop, on_idle, conductor);
    (void)snprintf(conductor->slot, sizeof conductor->slot, "electric_slot_%s", config->stream_id);
    (void)snprintf(conductor->publication, sizeof conductor->publication, "electric_publication_%s",
                   config->stream_id);
    if (!worker_pool_new(conductor->loop, WORKERS, &conductor->workers, err) ||
        !open_endpoints(conductor, config, err) || !open_bus(conductor, config, err)) {
        conductor_free(conductor);
        return false;
    }
    service_on_board(service, on_board, conductor);
    loop_timer_set(&conductor->tick, 0);
    if (config->replication_idle_ms > 0)
        loop_timer_set(&conductor->idle, IDLE_LOOK_MS);
    *conductor_out = conductor;
    return true;
}

void
conductor_stop(struct conductor *conductor)
{
    conductor->is_stopping = true;
    loop_timer_clear(&conductor->tick);
    loop_timer_clear(&conductor->idle);
    repl_forget(conductor->repl);
    sender_close(conductor->sender);
    lock_close(conductor->lock);
}

void
conductor_free(struct conductor *conductor)
{
    if (!conductor)
        return;
    conductor->is_stopping = true;
    loop_timer_clear(&conductor->tick);
    loop_timer_clear(&conductor->idle);
    db_server_close(conductor->db);
    sender_free(conductor->sender);
    repl_close(conductor->repl);
    lock_free(conductor->lock);
    pool_free(conductor->snapshot);
    pool_free(conductor->admin);
    if (conductor->workers)
        worker_pool_free(conductor->workers);
    endpoint_free(conductor->pooled);
    endpoint_free(conductor->endpoint);
    mem_free(conductor);
}
