#include "common/service.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "common/board_client.h"
#include "common/bus.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/probes.h"
#include "common/report_client.h"
#include "common/version.h"

/* So that the reply to `shutdown` is out before we leave. */
#define GOODBYE_MS 20u

#define FACT_MAX 512u

struct service {
    const struct service_def *def;
    struct config config;
    bool is_watching;
    int listen_fd; /* handed down and not taken yet, or -1 */
    struct incarnation who;
    struct loop *loop;
    struct bus_server *control;
    struct report_client *report; /* NULL in the orchestrator */
    struct board_client *board;   /* NULL in the orchestrator */
    struct probes *probes;        /* NULL without SHAPEWIRE_HTTP_PORT */
    struct loop_timer leave_timer;
    void *state;
    bool is_draining;
    bool is_leaving;
    int exit_code;
};

/* ---- arguments */

/* shape_log_collector is the program shapewire-shape-log-collector. */
static void
print_program(FILE *file, const struct service_def *def)
{
    fputs("shapewire-", file);
    for (const char *p = def->name; *p != '\0'; p++) {
        fputc(*p == '_' ? '-' : *p, file);
    }
}

static void
print_help(const struct service_def *def)
{
    fputs("usage: ", stdout);
    print_program(stdout, def);
    printf("%s [--help|--version]\n\n%s\n\n", def->is_orchestrator ? " [--watch]" : "",
           def->summary);
    if (def->is_orchestrator) {
        fputs("--watch: starts nobody, watches services that somebody else started\n\n", stdout);
    }
    fputs("Settings, from the environment:\n\n", stdout);
    config_print_help(stdout);
}

/* Gives true when the process has nothing else to do; *code_out is its exit code then. */
static bool
read_arguments(struct service *service, int argc, char **argv, int *code_out)
{
    *code_out = SERVICE_EXIT_CLEAN;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0) {
            print_help(service->def);
            return true;
        }
        if (strcmp(argv[i], "--version") == 0) {
            print_program(stdout, service->def);
            fputs(" " SHAPEWIRE_VERSION "\n", stdout);
            return true;
        }
        if (service->def->is_orchestrator && strcmp(argv[i], "--watch") == 0) {
            service->is_watching = true;
            continue;
        }
        print_program(stderr, service->def);
        fprintf(stderr, ": unknown argument %s; --help says what there is\n", argv[i]);
        *code_out = SERVICE_EXIT_SETTING;
        return true;
    }
    return false;
}

/* ---- leaving */

static void
stop_loop(void *ctx)
{
    struct service *service = ctx;
    loop_stop(service->loop);
}

void
service_exit(struct service *service, int code)
{
    if (service->is_leaving) {
        return;
    }
    service->is_leaving = true;
    service->exit_code = code;
    log_info("event=leaving exit_code=%d", code);
    loop_timer_init(&service->leave_timer, service->loop, stop_loop, service);
    loop_timer_set(&service->leave_timer, GOODBYE_MS);
}

static uint32_t
drain_limit_ms(const struct service *service)
{
    return service->def->drain_ms != 0 ? service->def->drain_ms : SERVICE_DRAIN_MS;
}

static void
on_drain_too_long(void *ctx)
{
    struct service *service = ctx;
    log_warn("event=drain_too_long limit_ms=%u", drain_limit_ms(service));
    service_exit(service, SERVICE_EXIT_CLEAN);
}

static void
begin_drain(struct service *service, const char *reason)
{
    if (service->is_draining || service->is_leaving) {
        return;
    }
    service->is_draining = true;
    log_info("event=draining reason=\"%s\"", reason);
    if (service->report != NULL) {
        report_client_draining(service->report);
    }
    if (service->def->drain == NULL) {
        service_exit(service, SERVICE_EXIT_CLEAN);
        return;
    }
    loop_timer_init(&service->leave_timer, service->loop, on_drain_too_long, service);
    loop_timer_set(&service->leave_timer, drain_limit_ms(service));
    service->def->drain(service->state);
}

static void
on_signal(void *ctx, int signal_number)
{
    struct service *service = ctx;
    const char *name = signal_number == SIGINT ? "SIGINT" : "SIGTERM";
    if (!service->is_draining) {
        begin_drain(service, name);
        return;
    }
    log_info("event=leaving_at_once reason=\"second %s\"", name);
    service_exit(service, SERVICE_EXIT_CLEAN);
}

/* ---- control */

static bool
obey(struct service *service, struct view verb)
{
    if (view_is(verb, "ping")) {
        return true;
    }
    if (view_is(verb, "drain")) {
        begin_drain(service, "asked by the orchestrator");
        return true;
    }
    if (view_is(verb, "shutdown")) {
        service_exit(service, SERVICE_EXIT_CLEAN);
        return true;
    }
    return false;
}

static void
on_control(void *ctx, struct bus_request *request, struct view message)
{
    struct service *service = ctx;
    struct arena *mem = arena_new(PROTO_DECODE_MAX);
    struct control_request asked;
    struct envelope envelope = {0};
    struct err err;
    struct control_reply reply = {.ok = false};
    if (!proto_peek(message, &envelope, &err) ||
        !proto_decode(message, PROTO_control_request, mem, &asked, &err)) {
        log_warn("event=control_refused error=\"%s\"", err.msg);
    } else {
        /* What is meant for another life, which had our address before us, is not obeyed. */
        struct incarnation to = envelope.receiver_incarnation;
        bool is_for_us =
            (to.started_us == 0 && to.salt == 0) || incarnation_compare(to, service->who) == 0;
        reply.ok = is_for_us && obey(service, asked.verb);
    }
    struct envelope back = service_envelope(service, PROTO_control_reply);
    struct buf bytes = {0};
    proto_encode(&back, &reply, &bytes);
    bus_reply(request, &bytes);
    buf_free(&bytes);
    arena_free(mem);
}

/* ---- start */

/* ipc: one socket for each process in a common folder; tcp: as the setting says. */
static void
control_address(const struct service *service, struct buf *url)
{
    const char *base = service->config.bus_control;
    buf_append_str(url, base);
    if (strncmp(base, "ipc://", 6) == 0) {
        buf_printf(url, "/%s-%ld", service->def->name, (long)getpid());
    }
}

/* Ten thousand clients need as many descriptors: take what the host allows. */
static void
raise_descriptor_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
            log_warn("event=descriptor_limit_not_raised error=\"%s\"", strerror(errno));
        }
    }
}

static void
on_probe(void *ctx, struct probe_answers *answers)
{
    struct service *service = ctx;
    answers->is_ready = report_client_is_ready(service->report);
    answers->board = board_client_board(service->board);
}

/* The orchestrator has probes of the whole engine, and opens them itself. */
static bool
open_probes(struct service *service, struct err *err)
{
    struct probes_options options = {
        .port = service->config.http_port,
        .service = service->def->name,
        .fn = on_probe,
        .ctx = service,
    };
    return options.port == CONFIG_UNSET || service->def->is_orchestrator ||
           probes_open(service->loop, &options, &service->probes, err);
}

static bool
open_bus(struct service *service, struct err *err)
{
    struct buf url = {0};
    control_address(service, &url);
    const struct config *config = &service->config;
    bool ok = bus_serve(service->loop, buf_str(&url), on_control, service, &service->control, err);
    if (ok && !service->def->is_orchestrator) {
        struct report_client_options options = {
            .url = config->bus_report,
            .service = service->def->name,
            .who = service->who,
            .control = buf_str(&url),
        };
        ok = report_client_open(service->loop, &options, &service->report, err) &&
             board_client_open(service->loop, config->bus_status, &service->board, err);
    }
    buf_free(&url);
    return ok;
}

static bool
open_all(struct service *service, struct err *err)
{
    (void)signal(SIGPIPE, SIG_IGN);
    raise_descriptor_limit();
    service->who = (struct incarnation){clock_wall_us(), clock_random_u64()};
    return config_make_runtime_dir(&service->config, err) && loop_new(&service->loop, err) &&
           loop_signal(service->loop, SIGTERM, on_signal, service, err) &&
           loop_signal(service->loop, SIGINT, on_signal, service, err) && open_bus(service, err) &&
           open_probes(service, err);
}

static void
close_all(struct service *service)
{
    probes_close(service->probes);
    board_client_close(service->board);
    report_client_close(service->report);
    bus_server_close(service->control);
    loop_free(service->loop);
    bus_fini();
    if (service->listen_fd >= 0) {
        close(service->listen_fd);
    }
}

static void
log_settings(const struct config *config)
{
    if (config->accepted_names != NULL) {
        log_info("event=settings_without_effect names=\"%s\"", config->accepted_names);
    }
    if (config->unknown_names != NULL) {
        log_warn("event=settings_unknown names=\"%s\"", config->unknown_names);
    }
}

static int
exit_code_of(const struct err *err)
{
    return err->kind == ERR_INVALID ? SERVICE_EXIT_SETTING : SERVICE_EXIT_FAILURE;
}

static int
live(struct service *service)
{
    struct err err;
    if (!open_all(service, &err) || !service->def->init(service, &service->state, &err)) {
        log_error("event=start_failed error=\"%s\"", err.msg);
        close_all(service);
        return exit_code_of(&err);
    }
    log_info("event=started version=%s incarnation=%" PRIu64, SHAPEWIRE_VERSION,
             service->who.started_us);
    loop_run(service->loop);
    loop_timer_clear(&service->leave_timer);
    if (service->def->fini != NULL) {
        service->def->fini(service->state);
    }
    close_all(service);
    log_info("event=left exit_code=%d", service->exit_code);
    return service->exit_code;
}

int
service_run(int argc, char **argv, const struct service_def *def)
{
    mem_init();
    struct service *service = mem_alloc_zero(sizeof *service);
    service->def = def;
    int code;
    if (!read_arguments(service, argc, argv, &code)) {
        struct err err;
        log_init(def->name, LOG_LEVEL_INFO);
        service->listen_fd = listen_take_inherited();
        if (config_load(environ, &service->config, &err)) {
            log_init(def->name, service->config.log_level);
            if (def->is_orchestrator) {
                log_settings(&service->config);
            }
            code = live(service);
        } else {
            log_error("event=setting_wrong error=\"%s\"", err.msg);
            code = exit_code_of(&err);
        }
        config_free(&service->config);
    }
    mem_free(service);
    return code;
}

/* ---- what a service works with */

struct loop *
service_loop(struct service *service)
{
    return service->loop;
}

const struct config *
service_config(const struct service *service)
{
    return &service->config;
}

struct incarnation
service_incarnation(const struct service *service)
{
    return service->who;
}

struct envelope
service_envelope(const struct service *service, enum proto_kind kind)
{
    return (struct envelope){
        .kind = kind,
        .sender = view_str(service->def->name),
        .sender_incarnation = service->who,
    };
}

bool
service_is_watching(const struct service *service)
{
    return service->is_watching;
}

int
service_take_listen_fd(struct service *service)
{
    int fd = service->listen_fd;
    service->listen_fd = -1;
    return fd;
}

/* ---- report and board; see report_client.c and board_client.c */

void
service_set_condition(struct service *service, enum status_condition condition, bool is_met,
                      const char *error)
{
    report_client_condition(service->report, condition, is_met, error);
}

void
service_set_ready(struct service *service, bool is_ready)
{
    report_client_ready(service->report, is_ready);
}

void
service_set_sleeping(struct service *service, bool is_sleeping)
{
    report_client_sleeping(service->report, is_sleeping);
}

void
service_set_last_error(struct service *service, const char *error)
{
    report_client_last_error(service->report, error);
}

void
service_set_fact(struct service *service, const char *name, const char *fmt, ...)
{
    char value[FACT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(value, sizeof value, fmt, args);
    va_end(args);
    report_client_fact(service->report, name, value);
}

const struct status_board *
service_board(const struct service *service)
{
    return board_client_board(service->board);
}

bool
service_is_met(const struct service *service, enum status_condition condition,
               struct incarnation *by_out)
{
    return board_client_is_met(service->board, condition, by_out);
}

struct incarnation
service_current(const struct service *service, const char *name)
{
    return board_client_current(service->board, name);
}

void
service_on_board(struct service *service, service_board_fn fn, void *ctx)
{
    board_client_watch(service->board, fn, ctx);
}
