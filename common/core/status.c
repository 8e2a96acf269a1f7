#include "common/core/status.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"

#define CONNECTION "connection"
#define COLLECTOR  "shape_log_collector"
#define API        "api"

/* A place on the board: a process that runs, ran, or should run. */
struct status_entry {
    char service[32];
    unsigned slot;
    struct incarnation who; /* {0, 0}: has not reported yet, or has ended */
    uint64_t pid;
    bool is_self;
    bool is_alive;
    bool is_adopted;
    bool is_failed;
    uint64_t since_us; /* of the state it is in */
    uint64_t heard_ms;
    uint64_t restarts;
    char error[512]; /* why it ended last */
    size_t ending_count;
    struct {
        uint64_t at_us;
        char reason[128];
    } endings[STATUS_ENDINGS_MAX]; /* the oldest first */

    /* its last report, when `who` is somebody */
    struct arena *mem;
    uint8_t *bytes;
    struct report_state report;
};

struct status {
    bool is_watching;
    uint64_t started_ms;
    size_t entry_count;
    struct status_entry entries[STATUS_ENTRIES_MAX];
};

static const struct {
    const char *name;
    const char *owner;
} conditions[STATUS_CONDITION_COUNT] = {
    [STATUS_PG_LOCK_ACQUIRED] = {"pg_lock_acquired", CONNECTION},
    [STATUS_REPLICATION_CLIENT_READY] = {"replication_client_ready", CONNECTION},
    [STATUS_ADMIN_CONNECTION_POOL_READY] = {"admin_connection_pool_ready", CONNECTION},
    [STATUS_SNAPSHOT_CONNECTION_POOL_READY] = {"snapshot_connection_pool_ready", CONNECTION},
    [STATUS_INTEGRITY_CHECKS_PASSED] = {"integrity_checks_passed", CONNECTION},
    [STATUS_SHAPE_METADATA_READY] = {"shape_metadata_ready", COLLECTOR},
    [STATUS_SHAPE_LOG_COLLECTOR_READY] = {"shape_log_collector_ready", COLLECTOR},
    [STATUS_STORAGE_WRITABLE] = {"storage_writable", COLLECTOR},
};

const char *
status_condition_name(enum status_condition condition)
{
    ASSERT(condition < STATUS_CONDITION_COUNT);
    return conditions[condition].name;
}

const char *
status_condition_owner(enum status_condition condition)
{
    ASSERT(condition < STATUS_CONDITION_COUNT);
    return conditions[condition].owner;
}

enum status_condition
status_condition_by_name(struct view name)
{
    unsigned i = 0;
    while (i < STATUS_CONDITION_COUNT && !view_is(name, conditions[i].name)) {
        i++;
    }
    return (enum status_condition)i;
}

const char *
status_of_connection(const bool *met, bool is_sleeping)
{
    if (is_sleeping) {
        return "sleeping";
    }
    if (!met[STATUS_PG_LOCK_ACQUIRED]) {
        return "waiting_on_lock";
    }
    bool is_up = met[STATUS_REPLICATION_CLIENT_READY] && met[STATUS_ADMIN_CONNECTION_POOL_READY] &&
                 met[STATUS_SNAPSHOT_CONNECTION_POOL_READY] && met[STATUS_INTEGRITY_CHECKS_PASSED];
    return is_up ? "up" : "starting";
}

const char *
status_of_shapes(const bool *met)
{
    if (!met[STATUS_SHAPE_METADATA_READY]) {
        return "starting";
    }
    return met[STATUS_SHAPE_LOG_COLLECTOR_READY] ? "up" : "read_only";
}

const char *
status_of_service(const char *connection, const char *shapes)
{
    if (strcmp(connection, "sleeping") == 0) {
        return "sleeping";
    }
    if (strcmp(connection, "up") == 0 && strcmp(shapes, "up") == 0) {
        return "active";
    }
    if (strcmp(connection, "waiting_on_lock") == 0 && strcmp(shapes, "read_only") == 0) {
        return "waiting";
    }
    return "starting";
}

struct status *
status_new(bool is_watching, uint64_t now_ms)
{
    struct status *status = mem_alloc_zero(sizeof *status);
    status->is_watching = is_watching;
    status->started_ms = now_ms;
    return status;
}

static bool
is_somebody(struct incarnation who)
{
    return who.started_us != 0 || who.salt != 0;
}

static void
entry_forget_report(struct status_entry *entry)
{
    arena_free(entry->mem);
    mem_free(entry->bytes);
    entry->mem = NULL;
    entry->bytes = NULL;
    entry->report = (struct report_state){0};
    entry->who = (struct incarnation){0};
}

static struct status_entry *
entry_at(struct status *status, const char *service, unsigned slot)
{
    for (size_t i = 0; i < status->entry_count; i++) {
        struct status_entry *entry = &status->entries[i];
        if (strcmp(entry->service, service) == 0 && entry->slot == slot) {
            return entry;
        }
    }
    return NULL;
}

/* NULL when the board is full. */
static struct status_entry *
entry_add(struct status *status, const char *service, unsigned slot)
{
    if (status->entry_count == STATUS_ENTRIES_MAX) {
        return NULL;
    }
    struct status_entry *entry = &status->entries[status->entry_count++];
    *entry = (struct status_entry){.slot = slot};
    snprintf(entry->service, sizeof entry->service, "%s", service);
    return entry;
}

static struct status_entry *
entry_get(struct status *status, const char *service, unsigned slot)
{
    struct status_entry *entry = entry_at(status, service, slot);
    if (entry == NULL) {
        entry = entry_add(status, service, slot);
    }
    ASSERT(entry != NULL); /* the orchestrator keeps fewer processes than the board has places */
    return entry;
}

void
status_started(struct status *status, const char *service, unsigned slot, uint64_t pid,
               bool is_adopted, uint64_t wall_us)
{
    struct status_entry *entry = entry_get(status, service, slot);
    entry_forget_report(entry);
    entry->pid = pid;
    entry->is_alive = true;
    entry->is_adopted = is_adopted;
    entry->is_failed = false;
    entry->since_us = wall_us;
}

/* Of a process that was to go on. */
static void
add_ending(struct status_entry *entry, const char *reason, uint64_t wall_us)
{
    if (entry->ending_count == STATUS_ENDINGS_MAX) {
        memmove(entry->endings, entry->endings + 1,
                (STATUS_ENDINGS_MAX - 1) * sizeof entry->endings[0]);
        entry->ending_count--;
    }
    entry->endings[entry->ending_count].at_us = wall_us;
    snprintf(entry->endings[entry->ending_count].reason, sizeof entry->endings[0].reason, "%s",
             reason);
    entry->ending_count++;
}

void
status_ended(struct status *status, const char *service, unsigned slot, bool is_failed,
             const char *error, uint64_t wall_us)
{
    struct status_entry *entry = entry_get(status, service, slot);
    if (entry->is_alive && error[0] != '\0') {
        add_ending(entry, error, wall_us);
    }
    entry_forget_report(entry);
    entry->pid = 0;
    entry->is_alive = false;
    entry->is_failed = is_failed;
    entry->since_us = wall_us;
    snprintf(entry->error, sizeof entry->error, "%s", error);
}

void
status_set_restarts(struct status *status, const char *service, unsigned slot, uint64_t restarts)
{
    entry_get(status, service, slot)->restarts = restarts;
}

void
status_set_self(struct status *status, const char *service, struct incarnation who, uint64_t pid,
                uint64_t wall_us)
{
    struct status_entry *entry = entry_get(status, service, 0);
    entry->who = who;
    entry->pid = pid;
    entry->is_self = true;
    entry->is_alive = true;
    entry->since_us = wall_us;
}

/* Of a spawned process its parent knows the pid; the first report brings the incarnation. */
static struct status_entry *
find_spawned(struct status *status, struct view service, struct incarnation who, uint64_t pid)
{
    for (size_t i = 0; i < status->entry_count; i++) {
        struct status_entry *entry = &status->entries[i];
        if (!view_is(service, entry->service) || !entry->is_alive || entry->pid != pid) {
            continue;
        }
        if (!is_somebody(entry->who) || incarnation_compare(entry->who, who) == 0) {
            return entry;
        }
    }
    return NULL;
}

/* There is one of each service, but any number of APIs. */
static struct status_entry *
find_watched(struct status *status, struct view service, struct incarnation who)
{
    char name[32];
    if (service.size >= sizeof name) {
        return NULL;
    }
    snprintf(name, sizeof name, "%.*s", (int)service.size, (const char *)service.bytes);
    unsigned free_slot = 0;
    for (size_t i = 0; i < status->entry_count; i++) {
        struct status_entry *entry = &status->entries[i];
        if (strcmp(entry->service, name) != 0) {
            continue;
        }
        int order = incarnation_compare(entry->who, who);
        if (order == 0) {
            return entry;
        }
        if (strcmp(name, API) != 0) {
            return order < 0 && !entry->is_self ? entry : NULL;
        }
        free_slot = entry->slot >= free_slot ? entry->slot + 1 : free_slot;
    }
    return entry_add(status, name, free_slot);
}

static bool
same_condition(const struct condition *a, const struct condition *b)
{
    return a->met == b->met && view_equal(a->name, b->name) && view_equal(a->error, b->error);
}

/* Facts apart: they go out with the next board. */
static bool
reports_differ(const struct report_state *a, const struct report_state *b)
{
    if (a->is_ready != b->is_ready || a->is_draining != b->is_draining ||
        a->is_sleeping != b->is_sleeping || a->conditions_count != b->conditions_count ||
        !view_equal(a->last_error, b->last_error)) {
        return true;
    }
    for (size_t i = 0; i < a->conditions_count; i++) {
        if (!same_condition(&a->conditions[i], &b->conditions[i])) {
            return true;
        }
    }
    return false;
}

static const char *
entry_state(const struct status_entry *entry)
{
    if (!entry->is_alive) {
        return entry->is_failed ? "failed" : "down";
    }
    if (entry->report.is_draining) {
        return "draining";
    }
    return entry->is_self || entry->report.is_ready ? "up" : "starting";
}

bool
status_report(struct status *status, struct view message, uint64_t now_ms, uint64_t wall_us,
              bool *changed_out, struct err *err)
{
    struct envelope envelope;
    if (message.size > STATUS_REPORT_MAX) {
        return err_set(err, ERR_LIMIT, "report of %zu bytes", message.size);
    }
    if (!proto_peek(message, &envelope, err)) {
        return false;
    }
    struct arena *mem = arena_new(PROTO_DECODE_MAX);
    uint8_t *bytes = mem_alloc(message.size);
    memcpy(bytes, message.bytes, message.size);
    struct report_state report;
    if (!proto_decode(view_of(bytes, message.size), PROTO_report_state, mem, &report, err)) {
        goto fail;
    }
    struct incarnation who = envelope.sender_incarnation;
    struct status_entry *entry = status->is_watching
                                     ? find_watched(status, envelope.sender, who)
                                     : find_spawned(status, envelope.sender, who, report.pid);
    if (entry == NULL || entry->is_self || !is_somebody(who)) {
        err_set(err, ERR_CANCELED, "report of %.*s %llu, which is not one of ours or is over",
                (int)envelope.sender.size, (const char *)envelope.sender.bytes,
                (unsigned long long)report.pid);
        goto fail;
    }

    bool is_same_life = incarnation_compare(entry->who, who) == 0;
    const char *state = entry_state(entry);
    *changed_out = !is_same_life || !entry->is_alive || reports_differ(&entry->report, &report);
    entry_forget_report(entry);
    entry->who = who;
    entry->pid = report.pid;
    entry->is_alive = true;
    entry->heard_ms = now_ms;
    entry->mem = mem;
    entry->bytes = bytes;
    entry->report = report;
    if (!is_same_life || strcmp(entry_state(entry), state) != 0) {
        entry->since_us = wall_us;
    }
    return true;

fail:
    arena_free(mem);
    mem_free(bytes);
    return false;
}

bool
status_tick(struct status *status, uint64_t now_ms, uint64_t wall_us)
{
    bool changed = false;
    for (size_t i = status->entry_count; status->is_watching && i-- > 0;) {
        struct status_entry *entry = &status->entries[i];
        uint64_t silence_ms = now_ms - entry->heard_ms;
        if (entry->is_self || silence_ms < STATUS_SILENCE_MS) {
            continue;
        }
        if (entry->is_alive) {
            entry->is_alive = false;
            entry->since_us = wall_us;
            snprintf(entry->error, sizeof entry->error, "not heard of for %u s",
                     STATUS_SILENCE_MS / 1000);
            add_ending(entry, entry->error, wall_us);
            changed = true;
        }
        if (silence_ms >= STATUS_FORGET_MS && strcmp(entry->service, API) == 0) {
            entry_forget_report(entry);
            *entry = status->entries[--status->entry_count];
            changed = true;
        }
    }
    return changed;
}

struct view
status_control(const struct status *status, const char *service, unsigned slot)
{
    for (size_t i = 0; i < status->entry_count; i++) {
        const struct status_entry *entry = &status->entries[i];
        if (strcmp(entry->service, service) == 0 && entry->slot == slot && entry->is_alive) {
            return entry->report.control;
        }
    }
    return (struct view){0};
}

/* In the first seconds nobody can know how a service is that ran before us. */
static bool
is_unknown(const struct status *status, const char *service, uint64_t now_ms)
{
    if (now_ms - status->started_ms >= STATUS_UNKNOWN_MS) {
        return false;
    }
    for (size_t i = 0; i < status->entry_count; i++) {
        const struct status_entry *entry = &status->entries[i];
        if (strcmp(entry->service, service) == 0) {
            return entry->is_alive && entry->is_adopted && !is_somebody(entry->who);
        }
    }
    return true;
}

static void
fill_endings(const struct status_entry *entry, struct arena *mem, struct board_service *row)
{
    struct board_ending *endings = arena_alloc(mem, entry->ending_count + 1, sizeof *endings);
    for (size_t i = 0; i < entry->ending_count; i++) {
        endings[i].at_us = entry->endings[i].at_us;
        endings[i].reason = view_str(entry->endings[i].reason);
    }
    row->endings = endings;
    row->endings_count = entry->ending_count;
}

static void
fill_service(const struct status_entry *entry, struct arena *mem, struct board_service *row)
{
    *row = (struct board_service){
        .service = view_str(entry->service),
        .incarnation_us = entry->is_alive ? entry->who.started_us : 0,
        .incarnation_salt = entry->is_alive ? entry->who.salt : 0,
        .pid = entry->is_alive ? entry->pid : 0,
        .state = view_str(entry_state(entry)),
        .since_us = entry->since_us,
        .restarts = entry->restarts,
        .last_error = view_str(entry->error),
    };
    fill_endings(entry, mem, row);
    if (!entry->is_alive) {
        return;
    }
    row->control = entry->report.control;
    row->conditions = entry->report.conditions;
    row->conditions_count = entry->report.conditions_count;
    row->facts = entry->report.facts;
    row->facts_count = entry->report.facts_count;
    if (entry->report.last_error.size > 0) {
        row->last_error = entry->report.last_error;
    }
}

/* What the living have met. A condition counts only when its owner says so. */
static void
collect_met(const struct status_entry *entry, bool *met, bool *is_sleeping)
{
    for (size_t i = 0; i < entry->report.conditions_count; i++) {
        const struct condition *said = &entry->report.conditions[i];
        enum status_condition condition = status_condition_by_name(said->name);
        if (condition < STATUS_CONDITION_COUNT &&
            strcmp(conditions[condition].owner, entry->service) == 0) {
            met[condition] = said->met;
        }
    }
    if (strcmp(entry->service, CONNECTION) == 0) {
        *is_sleeping = entry->report.is_sleeping;
    }
}

void
status_board_fill(const struct status *status, uint64_t now_ms, struct arena *mem,
                  struct status_board *board_out)
{
    bool met[STATUS_CONDITION_COUNT] = {false};
    bool is_sleeping = false;
    struct board_service *rows = arena_alloc(mem, status->entry_count, sizeof *rows);
    for (size_t i = 0; i < status->entry_count; i++) {
        fill_service(&status->entries[i], mem, &rows[i]);
        if (status->entries[i].is_alive) {
            collect_met(&status->entries[i], met, &is_sleeping);
        }
    }
    const char *connection = status_of_connection(met, is_sleeping);
    const char *shapes = status_of_shapes(met);
    if (is_unknown(status, CONNECTION, now_ms)) {
        connection = "unknown";
    }
    if (is_unknown(status, COLLECTOR, now_ms)) {
        shapes = "unknown";
    }
    *board_out = (struct status_board){
        .connection = view_str(connection),
        .shapes = view_str(shapes),
        .service = view_str(status_of_service(connection, shapes)),
        .services = rows,
        .services_count = status->entry_count,
    };
}

void
status_free(struct status *status)
{
    if (status == NULL) {
        return;
    }
    for (size_t i = 0; i < status->entry_count; i++) {
        entry_forget_report(&status->entries[i]);
    }
    mem_free(status);
}
