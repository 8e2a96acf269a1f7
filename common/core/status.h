/*
 * status.h - the status board: what all services report, added up.
 *
 * A service's conditions belong to one life of it, its incarnation. They come
 * in with its reports and are false when it has ended or another life has begun;
 * a report of a life that is over changes nothing. From the conditions follow
 *
 *     connection  sleeping | waiting_on_lock | up | starting
 *     shapes      up | read_only | starting
 *     service     active (up, up) | waiting (waiting_on_lock, read_only) |
 *                 sleeping (sleeping, any) | starting (all else)
 *
 * For STATUS_UNKNOWN_MS after the board's start what was not heard yet is
 * "unknown", and who reads it keeps what it knew.
 *
 * A board is told of processes in one of two ways: the orchestrator starts or
 * adopts them (status_started, status_ended), or it only hears of them
 * (`is_watching`): then silence of STATUS_SILENCE_MS counts as an end.
 *
 * Threading: no state of its own.
 */
#ifndef CORE_STATUS_H
#define CORE_STATUS_H

#include "proto/codec.h"

#define STATUS_UNKNOWN_MS  3000u
#define STATUS_SILENCE_MS  5000u  /* five reports missed */
#define STATUS_FORGET_MS   60000u /* an API that was not heard of for so long is taken off */
#define STATUS_ENTRIES_MAX 64u    /* as messages.def has it */
#define STATUS_ENDINGS_MAX 8u     /* the same; what is older is forgotten */
#define STATUS_REPORT_MAX  131072u

/* Named as Electric names them, so that operators recognise them. */
enum status_condition {
    /* met by connection */
    STATUS_PG_LOCK_ACQUIRED,
    STATUS_REPLICATION_CLIENT_READY,
    STATUS_ADMIN_CONNECTION_POOL_READY,
    STATUS_SNAPSHOT_CONNECTION_POOL_READY,
    STATUS_INTEGRITY_CHECKS_PASSED,
    /* met by shape_log_collector */
    STATUS_SHAPE_METADATA_READY,
    STATUS_SHAPE_LOG_COLLECTOR_READY,
    STATUS_STORAGE_WRITABLE, /* ours; no state follows from it: reads go on */
    STATUS_CONDITION_COUNT
};

/* "pg_lock_acquired" */
const char *status_condition_name(enum status_condition condition);

/* The service that meets it: "connection" or "shape_log_collector". */
const char *status_condition_owner(enum status_condition condition);

/* Gives STATUS_CONDITION_COUNT for a name that is none. */
enum status_condition status_condition_by_name(struct view name);

/* ---- the states that follow from the conditions; `met` has STATUS_CONDITION_COUNT of them */

const char *status_of_connection(const bool *met, bool is_sleeping);
const char *status_of_shapes(const bool *met);
const char *status_of_service(const char *connection, const char *shapes);

/* ---- the board */

struct status;

struct status *status_new(bool is_watching, uint64_t now_ms);

/* The process of this place runs. Adopted: it did before us, so what it reports is not known yet.
 */
void status_started(struct status *status, const char *service, unsigned slot, uint64_t pid,
                    bool is_adopted, uint64_t wall_us);

/* It does not any more. `error` is why, for people; empty: it was to end. */
void status_ended(struct status *status, const char *service, unsigned slot, bool is_failed,
                  const char *error, uint64_t wall_us);

/* How often it was started again; for people. */
void status_set_restarts(struct status *status, const char *service, unsigned slot,
                         uint64_t restarts);

/* Who keeps this board: a row of its own, always up. */
void status_set_self(struct status *status, const char *service, struct incarnation who,
                     uint64_t pid, uint64_t wall_us);

/*
 * Takes a report.state message, which is copied. *changed_out: somebody should hear of it now.
 * Errors: ERR_PROTOCOL, ERR_LIMIT; ERR_CANCELED for the report of a life that is over.
 */
NODISCARD bool status_report(struct status *status, struct view message, uint64_t now_ms,
                             uint64_t wall_us, bool *changed_out, struct err *err);

/* When watching: who was silent too long has ended. Gives true when that changed something. */
bool status_tick(struct status *status, uint64_t now_ms, uint64_t wall_us);

/* The control address of the process in this place, or of a watched one; empty when not known. */
struct view status_control(const struct status *status, const char *service, unsigned slot);

/* The whole board; its lists and texts live until `mem` is reset or the status changes. */
void status_board_fill(const struct status *status, uint64_t now_ms, struct arena *mem,
                       struct status_board *board_out);

void status_free(struct status *status);

#endif
