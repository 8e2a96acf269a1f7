/*
 * The orchestrator: hears how every service is, tells all of them, and restarts
 * each one alone. It knows nothing of Postgres, shapes or files.
 *
 * Who ends it decides what happens to the others. Under the `shapewire` parent,
 * which keeps one end of a socket to us, SIGTERM means this process alone: the
 * others live on and the next orchestrator adopts them. The parent's word, or its
 * end, means the whole engine; without a parent SIGTERM does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/config.h"
#include "common/core/conn_url.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/mem.h"
#include "common/probes.h"
#include "common/process.h"
#include "services/orchestrator/plan.h"

/* Longer than all phases of plan.c together. */
#define DRAIN_MS 40000u

/* The parent kills us after ten of these. */
#define BEAT_MS 1000u

#define PATH_SIZE_MAX 1024

struct orchestrator {
    struct service *service;
    int lock_fd;   /* one orchestrator for each runtime folder */
    int listen_fd; /* -1 when watching */
    int link_fd;   /* to the parent, or -1 */
    struct loop_fd *link_watch;
    struct loop_timer beat;
    struct board *board;
    struct plan *plan;     /* NULL when watching */
    struct probes *probes; /* of the whole engine; NULL without a port */
    bool is_ending;        /* the whole engine */
};

static void
on_all_left(void *ctx)
{
    struct orchestrator *self = ctx;
    service_exit(self->service, SERVICE_EXIT_CLEAN);
}

static void
end_engine(struct orchestrator *self, const char *reason)
{
    if (self->is_ending) {
        return;
    }
    self->is_ending = true;
    log_info("event=engine_ends reason=\"%s\"", reason);
    plan_stop(self->plan, on_all_left, self);
}

static void
on_link(void *ctx, uint32_t events)
{
    struct orchestrator *self = ctx;
    char byte;
    (void)events;
    ssize_t got = read(self->link_fd, &byte, 1);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    loop_fd_remove(self->link_watch);
    self->link_watch = NULL;
    if (self->plan != NULL) {
        end_engine(self, got == 1 ? "asked by the parent" : "the parent has ended");
    }
}

static void
on_beat(void *ctx)
{
    struct orchestrator *self = ctx;
    (void)!write(self->link_fd, "b", 1); /* when it is gone, on_link() learns it */
    loop_timer_set(&self->beat, BEAT_MS);
}

static void
open_link(struct orchestrator *self)
{
    struct loop *loop = service_loop(self->service);
    self->link_fd = process_take_link();
    loop_timer_init(&self->beat, loop, on_beat, self);
    if (self->link_fd >= 0) {
        self->link_watch = loop_fd_add(loop, self->link_fd, EPOLLIN, on_link, self);
        loop_timer_set(&self->beat, 0);
    }
}

/* Two of them would adopt each other's services. */
static bool
take_lock(struct orchestrator *self, struct err *err)
{
    char path[PATH_SIZE_MAX];
    snprintf(path, sizeof path, "%s/orchestrator.lock", service_config(self->service)->runtime_dir);
    self->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (self->lock_fd < 0) {
        return err_set(err, ERR_IO, "open %s: %s", path, strerror(errno));
    }
    if (flock(self->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        return err_set(err, ERR_IO, "lock %s: %s", path,
                       errno == EWOULDBLOCK ? "another engine runs with this folder"
                                            : strerror(errno));
    }
    return true;
}

static bool
open_listener(struct orchestrator *self, struct err *err)
{
    const struct config *config = service_config(self->service);
    self->listen_fd = service_take_listen_fd(self->service);
    return self->listen_fd >= 0 || listen_open(config->listen_address, config->port,
                                               config->listen_on_ipv6, &self->listen_fd, err);
}

static void
on_probe(void *ctx, struct probe_answers *answers)
{
    struct orchestrator *self = ctx;
    answers->board = board_fill(self->board);
    answers->is_ready = board_can_read(answers->board);
}

/* ELECTRIC_PROMETHEUS_PORT is the engine's; SHAPEWIRE_HTTP_PORT that of a service on its own. */
static bool
open_probes(struct orchestrator *self, struct err *err)
{
    const struct config *config = service_config(self->service);
    struct probes_options options = {
        .port =
            config->prometheus_port != CONFIG_UNSET ? config->prometheus_port : config->http_port,
        .service = "orchestrator",
        .fn = on_probe,
        .ctx = self,
    };
    return options.port == CONFIG_UNSET ||
           probes_open(service_loop(self->service), &options, &self->probes, err);
}

/* What is wrong with a URL is said once here, not by a service that is started again and again. */
static bool
check_url(const char *name, const char *url, const char *ca_file, struct err *err)
{
    struct arena *mem = arena_new(CONN_URL_ARENA);
    struct conn_url parsed;
    bool is_right = url == NULL || (conn_url_parse(view_str(url), mem, &parsed, err) &&
                                    conn_url_check_ca(&parsed, ca_file, err));
    arena_free(mem);
    return is_right || err_wrap(err, "%s", name);
}

static bool
check_database(const struct config *config, struct err *err)
{
    const char *ca_file = config->ca_certificate_file;
    if (ca_file != NULL && access(ca_file, R_OK) != 0) {
        return err_set(err, ERR_INVALID, "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE=%s: %s", ca_file,
                       strerror(errno));
    }
    return config_require_database(config, err) &&
           check_url("DATABASE_URL", config->database_url, ca_file, err) &&
           check_url("ELECTRIC_POOLED_DATABASE_URL", config->pooled_database_url, ca_file, err);
}

static bool
open_plan(struct orchestrator *self, struct err *err)
{
    const struct config *config = service_config(self->service);
    unsetenv("SHAPEWIRE_HTTP_PORT"); /* ours alone: the others would want the same port */
    return check_database(config, err) && config_require_access(config, err) &&
           open_listener(self, err) &&
           plan_open(self->service, self->board, self->listen_fd, &self->plan, err);
}

static void
orchestrator_fini(void *state)
{
    struct orchestrator *self = state;
    probes_close(self->probes);
    plan_close(self->plan);
    board_close(self->board);
    loop_timer_clear(&self->beat);
    loop_fd_remove(self->link_watch);
    const int fds[] = {self->link_fd, self->listen_fd, self->lock_fd};
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        if (fds[i] >= 0) {
            close(fds[i]);
        }
    }
    mem_free(self);
}

static bool
orchestrator_init(struct service *service, void **state_out, struct err *err)
{
    struct orchestrator *self = mem_alloc_zero(sizeof *self);
    self->service = service;
    self->lock_fd = -1;
    self->listen_fd = -1;
    open_link(self);
    bool ok = take_lock(self, err) && board_open(service, &self->board, err) &&
              open_probes(self, err) && (service_is_watching(service) || open_plan(self, err));
    if (!ok) {
        orchestrator_fini(self);
        return false;
    }
    *state_out = self;
    return true;
}

static void
orchestrator_drain(void *state)
{
    struct orchestrator *self = state;
    if (self->plan == NULL || (self->link_fd >= 0 && !self->is_ending)) {
        service_exit(self->service, SERVICE_EXIT_CLEAN);
        return;
    }
    end_engine(self, "asked by a signal");
}

int
main(int argc, char **argv)
{
    static const struct service_def def = {
        .name = "orchestrator",
        .summary = "Supervises the other services and tells each how the others are.",
        .init = orchestrator_init,
        .drain = orchestrator_drain,
        .drain_ms = DRAIN_MS,
        .fini = orchestrator_fini,
        .is_orchestrator = true,
    };
    return service_run(argc, argv, &def);
}
