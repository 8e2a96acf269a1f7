/*
 * shapewire: the whole engine on one machine. Fit to be process 1.
 *
 * It opens the listening socket, keeps the orchestrator alive, reaps whatever is
 * orphaned, and ends everything when it is told to; all else is the orchestrator's.
 * The other services are the orchestrator's children, and ours when it dies: they
 * live on, and the next orchestrator adopts them.
 *
 * A pair of sockets links us to the orchestrator. It writes a byte each second:
 * silence means that it hangs. We write one: end the engine. Closed: we are dead.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/config.h"
#include "common/core/restart.h"
#include "common/listen.h"
#include "common/log.h"
#include "common/loop.h"
#include "common/process.h"
#include "common/version.h"
#include "services/shapewire/orphans.h"

/* What the orchestrator gives itself, and some. */
#define STOP_MS 42000u

#define EXIT_SETTING  2
#define EXIT_OUTSIDE  3
#define PATH_SIZE_MAX 1024

struct parent {
    struct loop *loop;
    char program[PATH_SIZE_MAX];
    int listen_fd;
    int link_fd; /* to the orchestrator that runs, or -1 */
    struct loop_fd *link_watch;
    pid_t pid; /* of the orchestrator, or 0 */
    struct restart restart;
    struct loop_timer due;
    bool is_stopping;
    int exit_code;
};

static void step(struct parent *parent, struct restart_event event);

static struct restart_event
event_now(const struct parent *parent, enum restart_event_kind kind)
{
    return (struct restart_event){
        .kind = kind,
        .now_ms = loop_now_ms(parent->loop),
        .random_bits = (uint32_t)clock_random_u64(),
    };
}

static void
close_link(struct parent *parent)
{
    loop_fd_remove(parent->link_watch);
    parent->link_watch = NULL;
    if (parent->link_fd >= 0) {
        close(parent->link_fd);
    }
    parent->link_fd = -1;
}

static void
on_link(void *ctx, uint32_t events)
{
    struct parent *parent = ctx;
    char beats[64];
    (void)events;
    if (read(parent->link_fd, beats, sizeof beats) > 0) {
        step(parent, event_now(parent, RESTART_ANSWERED));
    } else if (errno != EAGAIN && errno != EINTR) {
        close_link(parent); /* it is about to die; SIGCHLD tells */
    }
}

static bool
spawn_orchestrator(struct parent *parent, struct err *err)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
        return err_set(err, ERR_IO, "socketpair: %s", strerror(errno));
    }
    char *argv[] = {parent->program, NULL};
    struct process_start start = {
        .path = parent->program,
        .argv = argv,
        .listen_fd = parent->listen_fd,
        .link_fd = ends[1],
    };
    bool ok = process_spawn(&start, &parent->pid, err);
    close(ends[1]);
    if (!ok) {
        close(ends[0]);
        return false;
    }
    parent->link_fd = ends[0];
    parent->link_watch = loop_fd_add(parent->loop, ends[0], EPOLLIN, on_link, parent);
    return true;
}

static void
spawn(struct parent *parent)
{
    struct err err;
    if (spawn_orchestrator(parent, &err)) {
        log_debug("event=orchestrator_started pid=%ld", (long)parent->pid);
        step(parent, event_now(parent, RESTART_SPAWNED));
        return;
    }
    log_error("event=orchestrator_not_started error=\"%s\"", err.msg);
    step(parent, event_now(parent, RESTART_NO_SPAWN));
}

static void
step(struct parent *parent, struct restart_event event)
{
    enum restart_action action = restart_step(&parent->restart, event);
    uint64_t deadline_ms = parent->restart.deadline_ms;
    if (deadline_ms == 0) {
        loop_timer_clear(&parent->due);
    } else {
        loop_timer_set(&parent->due, deadline_ms > event.now_ms ? deadline_ms - event.now_ms : 0);
    }
    switch (action) {
    case RESTART_NOTHING:
        break;
    case RESTART_DO_SPAWN:
        spawn(parent);
        break;
    case RESTART_DO_KILL:
        log_warn("event=orchestrator_killed pid=%ld reason=\"%s\"", (long)parent->pid,
                 parent->is_stopping ? "did not leave in time" : "does not answer");
        kill(parent->pid, SIGKILL);
        break;
    case RESTART_DO_ASK_TO_LEAVE:
        if (parent->link_fd < 0 || write(parent->link_fd, "q", 1) != 1) {
            kill(parent->pid, SIGTERM);
        }
        break;
    }
    if (parent->is_stopping && parent->restart.state == RESTART_STOPPED) {
        loop_stop(parent->loop);
    }
}

static void
on_due(void *ctx)
{
    struct parent *parent = ctx;
    step(parent, event_now(parent, RESTART_TIMER));
}

static void
on_orchestrator_ended(struct parent *parent, int code)
{
    close_link(parent);
    pid_t pid = parent->pid;
    parent->pid = 0;
    char text[96];
    process_exit_text(code, text, sizeof text);
    if (!parent->is_stopping) {
        log_warn("event=orchestrator_ended pid=%ld reason=\"%s\"", (long)pid, text);
    }
    /* A setting that is wrong at the first start stays wrong: say so to who started us. */
    if (code == RESTART_EXIT_SETTING && parent->restart.restarts == 0) {
        parent->exit_code = EXIT_SETTING;
        loop_stop(parent->loop);
        return;
    }
    struct restart_event event = event_now(parent, RESTART_EXITED);
    event.exit_code = code;
    step(parent, event);
}

static void
on_child(void *ctx, int signal_number)
{
    struct parent *parent = ctx;
    (void)signal_number;
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG) != 0 || info.si_pid == 0) {
            return;
        }
        if (info.si_pid == parent->pid) {
            on_orchestrator_ended(parent, process_exit_code(info.si_code, info.si_status));
        }
    }
}

static void
on_signal(void *ctx, int signal_number)
{
    struct parent *parent = ctx;
    if (parent->is_stopping) {
        log_info("event=leaving_at_once reason=\"second signal\"");
        if (parent->pid != 0) {
            kill(parent->pid, SIGKILL);
        }
        orphans_end(0);
        loop_stop(parent->loop);
        return;
    }
    parent->is_stopping = true;
    log_info("event=stopping reason=%s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    struct restart_event event = event_now(parent, RESTART_STOP);
    event.limit_ms = STOP_MS;
    step(parent, event);
}

static bool
open_parent(struct parent *parent, const struct config *config, struct err *err)
{
    char folder[PATH_SIZE_MAX];
    if (!process_folder(folder, sizeof folder, err)) {
        return false;
    }
    snprintf(parent->program, sizeof parent->program, "%s/shapewire-orchestrator", folder);
    parent->listen_fd = listen_take_inherited();
    if (parent->listen_fd < 0 && !listen_open(config->listen_address, config->port,
                                              config->listen_on_ipv6, &parent->listen_fd, err)) {
        return false;
    }
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        return err_set(err, ERR_IO, "prctl: %s", strerror(errno));
    }
    (void)signal(SIGPIPE, SIG_IGN);
    if (!loop_new(&parent->loop, err) ||
        !loop_signal(parent->loop, SIGTERM, on_signal, parent, err) ||
        !loop_signal(parent->loop, SIGINT, on_signal, parent, err) ||
        !loop_signal(parent->loop, SIGCHLD, on_child, parent, err)) {
        return false;
    }
    loop_timer_init(&parent->due, parent->loop, on_due, parent);
    return true;
}

static int
run_engine(const struct config *config)
{
    struct parent parent = {.listen_fd = -1, .link_fd = -1};
    struct err err;
    if (!open_parent(&parent, config, &err)) {
        log_error("event=start_failed error=\"%s\"", err.msg);
        return EXIT_OUTSIDE;
    }
    log_info("event=started version=%s", SHAPEWIRE_VERSION);
    restart_init(&parent.restart);
    step(&parent, event_now(&parent, RESTART_START));
    loop_run(parent.loop);
    close_link(&parent);
    orphans_end(ORPHANS_GRACE_MS); /* the orchestrator may have died before it ended them */
    loop_free(parent.loop);
    close(parent.listen_fd);
    log_info("event=left exit_code=%d", parent.exit_code);
    return parent.exit_code;
}

/* ---- arguments */

static void
print_help(void)
{
    puts("usage: shapewire [--help|--version]\n"
         "       shapewire SERVICE [ARGUMENT...]\n\n"
         "Without arguments: runs the whole engine on this machine.\n"
         "SERVICE runs one of its programs: connection, shape-log-collector, api,\n"
         "orchestrator (--watch: the services are started by somebody else).\n\n"
         "Settings, from the environment:\n");
    config_print_help(stdout);
}

/* Becomes shapewire-SERVICE. Returns only when it cannot. */
static int
become_service(char **argv)
{
    char folder[PATH_SIZE_MAX];
    char path[PATH_SIZE_MAX];
    struct err err;
    if (!process_folder(folder, sizeof folder, &err)) {
        fprintf(stderr, "shapewire: %s\n", err.msg);
        return EXIT_OUTSIDE;
    }
    const char *services[] = {"connection", "shape-log-collector", "api", "orchestrator"};
    for (size_t i = 0; i < COUNT_OF(services); i++) {
        if (strcmp(argv[1], services[i]) == 0) {
            snprintf(path, sizeof path, "%s/shapewire-%s", folder, services[i]);
            argv[1] = path;
            execv(path, argv + 1);
            fprintf(stderr, "shapewire: %s: %s\n", path, strerror(errno));
            return EXIT_OUTSIDE;
        }
    }
    fprintf(stderr, "shapewire: unknown service or argument %s; --help says what there is\n",
            argv[1]);
    return EXIT_SETTING;
}

int
main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "--help") == 0) {
        print_help();
        return 0;
    }
    if (argc > 1 && strcmp(argv[1], "--version") == 0) {
        puts("shapewire " SHAPEWIRE_VERSION);
        return 0;
    }
    if (argc > 1) {
        return become_service(argv);
    }
    log_init("shapewire", LOG_LEVEL_INFO);
    struct config config = {0};
    struct err err;
    int code = EXIT_SETTING;
    if (config_load(environ, &config, &err) && config_require_database(&config, &err) &&
        config_require_access(&config, &err)) {
        log_init("shapewire", config.log_level);
        code = run_engine(&config);
    } else {
        log_error("event=setting_wrong error=\"%s\"", err.msg);
    }
    config_free(&config);
    return code;
}
