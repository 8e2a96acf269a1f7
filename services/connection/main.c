/*
 * shapewire-connection: every session with Postgres. Holds the advisory lock,
 * passes the replication stream on to the shape log collector, and does for it
 * what must be asked of Postgres.
 */
#include "common/service.h"
#include "services/connection/conductor.h"

struct main_state {
    struct service *service;
    struct conductor *conductor;
};

static struct main_state self;

static bool
init(struct service *service, void **state_out, struct err *err)
{
    self.service = service;
    *state_out = &self;
    return conductor_new(service, &self.conductor, err);
}

static void
drain(void *state)
{
    struct main_state *main_state = state;
    conductor_stop(main_state->conductor);
    service_exit(main_state->service, SERVICE_EXIT_CLEAN);
}

static void
fini(void *state)
{
    struct main_state *main_state = state;
    conductor_free(main_state->conductor);
}

int
main(int argc, char **argv)
{
    static const struct service_def def = {
        .name = "connection",
        .summary = "every session with Postgres: lock, replication stream, snapshots",
        .init = init,
        .drain = drain,
        .fini = fini,
    };
    return service_run(argc, argv, &def);
}
