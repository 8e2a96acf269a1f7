/*
 * service.h - the life of a process: settings, log, loop, signals, control,
 * report, status board, exit code.
 *
 * Every service's main() is service_run() with three callbacks. Around them
 * the skeleton answers `control` (ping, drain, shutdown) at once, reports all
 * conditions each second and on change, listens to the status board, and
 * leaves on SIGTERM, SIGINT or control's word:
 *
 *     init -> loop ... -> drain -> loop ... service_exit() -> fini
 *
 * A second signal leaves at once, without drain. So the loop must never block:
 * who does not answer control for 10 s is killed.
 *
 * Threading: the loop's thread.
 */
#ifndef COMMON_SERVICE_H
#define COMMON_SERVICE_H

#include "common/buf.h"
#include "common/core/status.h"
#include "common/loop.h"
#include "proto/codec.h"

/* What an exit says to the orchestrator; anything else is a crash and restarted soon. */
#define SERVICE_EXIT_CLEAN   0
#define SERVICE_EXIT_SETTING 2 /* a setting is wrong: trying again will not help */
#define SERVICE_EXIT_OUTSIDE 3 /* the outside needs repair (login refused): retried slowly */
#define SERVICE_EXIT_FAILURE 1

/* How long drain may take before the skeleton leaves anyway, unless a service says else. */
#define SERVICE_DRAIN_MS 5000u

struct config;
struct service;

struct service_def {
    const char *name;    /* as in folders and messages: shape_log_collector */
    const char *summary; /* one line for --help */

    /*
     * Sets everything up; *state_out goes to the other two. On failure it has undone what it did:
     * the process then ends with SERVICE_EXIT_SETTING for ERR_INVALID, else SERVICE_EXIT_FAILURE.
     */
    bool (*init)(struct service *service, void **state_out, struct err *err);

    /* Stop taking work, finish what is begun, then call service_exit(). NULL: leave at once. */
    void (*drain)(void *state);
    uint32_t drain_ms; /* 0: SERVICE_DRAIN_MS */

    /* Init backwards. The loop does not run any more. */
    void (*fini)(void *state);

    /* The orchestrator: it reports to nobody, and has the board itself. */
    bool is_orchestrator;
};

/*
 * The whole life of the process; gives its exit code. --help and --version are answered, other
 * arguments refused, apart from --watch for the orchestrator.
 */
int service_run(int argc, char **argv, const struct service_def *def);

/* Ends the loop after this turn; `code` is one of SERVICE_EXIT_*. The first call counts. */
void service_exit(struct service *service, int code);

/* ---- what a service works with */

struct loop *service_loop(struct service *service);
const struct config *service_config(const struct service *service);
struct incarnation service_incarnation(const struct service *service);

/* An envelope from us to whoever is there; the caller fills in receiver and epoch when known. */
struct envelope service_envelope(const struct service *service, enum proto_kind kind);

/* --watch was given. */
bool service_is_watching(const struct service *service);

/* The listening socket that was handed down to us (LISTEN_FDS), or -1. The caller owns it. */
int service_take_listen_fd(struct service *service);

/* ---- what it reports; each is sent at once when it changes something */

/* `error` says why a condition is unmet, for people; NULL for none. */
void service_set_condition(struct service *service, enum status_condition condition, bool is_met,
                           const char *error);

/* Can do what it is for, apart from what it waits for. */
void service_set_ready(struct service *service, bool is_ready);
void service_set_sleeping(struct service *service, bool is_sleeping);
void service_set_last_error(struct service *service, const char *error);

/* A figure or text for /v1/status; sent with the next report. `name` is a literal. */
void service_set_fact(struct service *service, const char *name, const char *fmt, ...) PRINTF(3, 4);

/* ---- the status board, as last heard */

/* NULL before the first one. Borrowed until the next board arrives. */
const struct status_board *service_board(const struct service *service);

/* Met by the current incarnation of the service that meets it, which goes to *by_out (may be NULL).
 */
bool service_is_met(const struct service *service, enum status_condition condition,
                    struct incarnation *by_out);

/* Who is the current `name` ("connection"); {0, 0} when nobody is known. */
struct incarnation service_current(const struct service *service, const char *name);

/* Every `fn` (at most 8) is called when a board differs from the one before. */
typedef void (*service_board_fn)(void *ctx);
void service_on_board(struct service *service, service_board_fn fn, void *ctx);

#endif
