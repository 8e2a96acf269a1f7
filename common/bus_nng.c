#include "common/bus_nng.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "common/bus.h"
#include "common/mem.h"

/* Closing takes a few milliseconds, or forever; and once forever, it is so for every pipe. */
#define CLOSE_MAX_MS       500
#define CLOSE_MAX_STUCK_MS 10

/* NNG never got done with a pipe: it must not be asked to end then. The loop's thread alone. */
static bool is_stuck;

/*
 * In place of libc's, for the whole process: what NNG 1.5.2 calls. A peer that dies between its
 * connect and our first byte gives EPIPE, which NNG takes for the end of its own socket
 * (NNG_ECLOSED): a listener never accepts again after it, and a dialer never dials again. As
 * ECONNRESET it is what it is, a peer that is gone.
 */
ssize_t
sendmsg(int fd, const struct msghdr *message, int flags)
{
    ssize_t sent = syscall(SYS_sendmsg, fd, message, flags);
    if (sent < 0 && errno == EPIPE) {
        errno = ECONNRESET;
    }
    return sent;
}

nng_msg *
bus_message_new(struct buf *bytes)
{
    nng_msg *msg;
    int rv = nng_msg_alloc(&msg, bytes->size);
    ASSERT(rv == 0); /* out of memory is fatal, as in mem.h */
    if (bytes->size > 0) {
        memcpy(nng_msg_body(msg), bytes->bytes, bytes->size);
    }
    buf_free(bytes);
    return msg;
}

struct view
bus_message_view(nng_msg *msg)
{
    return view_of(nng_msg_body(msg), nng_msg_len(msg));
}

int
bus_limit(nng_socket socket)
{
    return nng_socket_set_size(socket, NNG_OPT_RECVMAXSZ, BUS_MESSAGE_MAX);
}

static int
start_listening(nng_socket socket, const char *url)
{
    nng_listener listener;
    int rv = nng_listener_create(&listener, socket, url);
    if (rv == 0 && strncmp(url, "ipc://", 6) == 0) {
        rv = nng_listener_set_int(listener, NNG_OPT_IPC_PERMISSIONS, 0600);
    }
    return rv != 0 ? rv : nng_listener_start(listener, 0);
}

nng_aio *
bus_aio_new(void (*on_nng)(void *arg), void *arg)
{
    nng_aio *aio;
    int rv = nng_aio_alloc(&aio, on_nng, arg);
    ASSERT(rv == 0);
    return aio;
}

struct closing {
    nng_socket socket;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_done; /* under lock */
};

static void *
close_socket(void *arg)
{
    struct closing *closing = arg;
    nng_close(closing->socket);
    pthread_mutex_lock(&closing->lock);
    closing->is_done = true;
    pthread_cond_signal(&closing->changed);
    pthread_mutex_unlock(&closing->lock);
    return NULL;
}

/* False when it is not done in time. */
static bool
wait_until_closed(struct closing *closing)
{
    struct timespec until;
    int rv = 0;
    clock_gettime(CLOCK_REALTIME, &until);
    uint64_t ns = (uint64_t)until.tv_nsec +
                  (is_stuck ? CLOSE_MAX_STUCK_MS : CLOSE_MAX_MS) * (uint64_t)1000000;
    until.tv_sec += (time_t)(ns / 1000000000);
    until.tv_nsec = (long)(ns % 1000000000);
    pthread_mutex_lock(&closing->lock);
    while (!closing->is_done && rv != ETIMEDOUT) {
        rv = pthread_cond_timedwait(&closing->changed, &closing->lock, &until);
    }
    bool is_done = closing->is_done;
    pthread_mutex_unlock(&closing->lock);
    return is_done;
}

bool
bus_socket_close(nng_socket socket)
{
    struct closing *closing = mem_alloc_zero(sizeof *closing);
    pthread_t thread;
    closing->socket = socket;
    pthread_mutex_init(&closing->lock, NULL);
    pthread_cond_init(&closing->changed, NULL);
    int rv = pthread_create(&thread, NULL, close_socket, closing);
    ASSERT(rv == 0);
    if (!wait_until_closed(closing)) {
        is_stuck = true;
        pthread_detach(thread);
        return false;
    }
    pthread_join(thread, NULL);
    pthread_cond_destroy(&closing->changed);
    pthread_mutex_destroy(&closing->lock);
    mem_free(closing);
    return true;
}

bool
bus_listen(nng_socket socket, int open_rv, const char *url, struct err *err)
{
    int rv = open_rv != 0 ? open_rv : bus_limit(socket);
    if (rv == 0) {
        rv = start_listening(socket, url);
    }
    if (rv != 0) {
        (void)bus_socket_close(socket); /* nothing happens to one that was never opened */
        return err_set(err, ERR_IO, "listen on %s: %s", url, nng_strerror(rv));
    }
    return true;
}

void
bus_fini(void)
{
    if (!is_stuck) {
        nng_fini();
    }
}
