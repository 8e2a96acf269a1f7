#include "common/bus_dial.h"

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>

#include "common/bus_nng.h"
#include "common/mem.h"

/* A peer that comes back is found within this time, most often; and within this one always. */
#define RECONNECT_MIN_MS 50
#define RECONNECT_MAX_MS 500
#define LOOK_MS          1000u

/* Looks without a pipe, and without a sign of life of the one there is, after which we dial. */
#define ALONE_LOOKS 2u
#define QUIET_LOOKS 4u

#define URL_SIZE_MAX 512

struct bus_dialer {
    /* loop thread */
    struct loop_timer look;
    nng_dialer nng;
    unsigned alone; /* looks in a row */
    unsigned quiet; /* looks in a row */
    bool is_heard;  /* a message since the last look */

    /* any thread */
    atomic_int pipes;

    /* set once */
    nng_socket socket;
    int send_fd; /* readable while a pipe takes a message; -1: a subscriber's, which only hears */
    bus_piped_fn piped;
    void *ctx;
    char url[URL_SIZE_MAX];
};

static void
pipe_on_nng(nng_pipe pipe, nng_pipe_ev event, void *arg)
{
    struct bus_dialer *dialer = arg;
    (void)pipe;
    if (event == NNG_PIPE_EV_ADD_PRE) {
        atomic_fetch_add(&dialer->pipes, 1);
        return;
    }
    if (event == NNG_PIPE_EV_REM_POST) {
        atomic_fetch_sub(&dialer->pipes, 1);
    }
    if (dialer->piped != NULL) {
        dialer->piped(dialer->ctx);
    }
}

static int
set_up(struct bus_dialer *dialer)
{
    static const nng_pipe_ev EVENTS[] = {NNG_PIPE_EV_ADD_PRE, NNG_PIPE_EV_ADD_POST,
                                         NNG_PIPE_EV_REM_POST};
    int rv = nng_socket_set_ms(dialer->socket, NNG_OPT_RECONNMINT, RECONNECT_MIN_MS);
    if (rv == 0) {
        rv = nng_socket_set_ms(dialer->socket, NNG_OPT_RECONNMAXT, RECONNECT_MAX_MS);
    }
    for (size_t i = 0; rv == 0 && i < COUNT_OF(EVENTS); i++) {
        rv = nng_pipe_notify(dialer->socket, EVENTS[i], pipe_on_nng, dialer);
    }
    return rv;
}

static void
dial_again(struct bus_dialer *dialer)
{
    (void)nng_dialer_close(dialer->nng); /* it may have ended by itself */
    int rv = nng_dial(dialer->socket, dialer->url, &dialer->nng, NNG_FLAG_NONBLOCK);
    ASSERT(rv == 0); /* the address was good once; else out of memory */
}

static bool
shows_life(struct bus_dialer *dialer)
{
    if (dialer->send_fd >= 0) {
        struct pollfd fd = {.fd = dialer->send_fd, .events = POLLIN};
        return poll(&fd, 1, 0) == 1;
    }
    bool is_heard = dialer->is_heard;
    dialer->is_heard = false;
    return is_heard;
}

void
bus_dial_heard(struct bus_dialer *dialer)
{
    dialer->is_heard = true;
}

static void
on_look(void *ctx)
{
    struct bus_dialer *dialer = ctx;
    dialer->alone = atomic_load(&dialer->pipes) == 0 ? dialer->alone + 1 : 0;
    dialer->quiet = shows_life(dialer) ? 0 : dialer->quiet + 1;
    if (dialer->alone >= ALONE_LOOKS || dialer->quiet >= QUIET_LOOKS) {
        dialer->alone = dialer->quiet = 0;
        dial_again(dialer);
    }
    loop_timer_set(&dialer->look, LOOK_MS);
}

bool /* NOLINTNEXTLINE(readability-function-size): all of it is at hand at both callers */
bus_dial(struct loop *loop, nng_socket socket, int open_rv, const char *url, bus_piped_fn piped,
         void *ctx, struct bus_dialer **dialer_out, struct err *err)
{
    struct bus_dialer *dialer = mem_alloc_zero(sizeof *dialer);
    dialer->socket = socket;
    dialer->send_fd = -1;
    dialer->piped = piped;
    dialer->ctx = ctx;
    (void)snprintf(dialer->url, sizeof dialer->url, "%s", url);
    int rv = open_rv != 0 ? open_rv : bus_limit(socket);
    if (rv == 0) {
        rv = set_up(dialer);
    }
    if (rv == 0 && piped == NULL) {
        rv = nng_socket_get_int(socket, NNG_OPT_SENDFD, &dialer->send_fd);
    }
    if (rv == 0) {
        rv = nng_dial(socket, url, &dialer->nng, NNG_FLAG_NONBLOCK);
    }
    if (rv != 0) {
        (void)bus_socket_close(socket); /* nothing happens to one that was never opened */
        mem_free(dialer);
        return err_set(err, ERR_IO, "connect to %s: %s", url, nng_strerror(rv));
    }
    loop_timer_init(&dialer->look, loop, on_look, dialer);
    loop_timer_set(&dialer->look, LOOK_MS);
    *dialer_out = dialer;
    return true;
}

bool
bus_dial_close(struct bus_dialer *dialer)
{
    loop_timer_clear(&dialer->look);
    if (!bus_socket_close(dialer->socket)) {
        return false; /* the dialer stays, for NNG's sake */
    }
    mem_free(dialer);
    return true;
}
