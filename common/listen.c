#include "common/listen.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Ten thousand clients may come at once; the kernel cuts this to net.core.somaxconn. */
#define BACKLOG 16384

int
listen_take_inherited(void)
{
    const char *count = getenv("LISTEN_FDS");
    const char *pid = getenv("LISTEN_PID");
    bool is_for_us = count != NULL && strcmp(count, "1") == 0 && pid != NULL &&
                     strtoll(pid, NULL, 10) == (long long)getpid();
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDNAMES");
    int is_listening = 0;
    socklen_t size = sizeof is_listening;
    if (!is_for_us ||
        getsockopt(LISTEN_FD_FIRST, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &size) != 0 ||
        !is_listening) {
        return -1;
    }
    (void)fcntl(LISTEN_FD_FIRST, F_SETFD, FD_CLOEXEC);
    (void)fcntl(LISTEN_FD_FIRST, F_SETFL, O_NONBLOCK);
    return LISTEN_FD_FIRST;
}

/* -1 with errno on failure. */
static int
listen_on(const struct addrinfo *address)
{
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -1;
    }
    int on = 1;
    int off = 0;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6) {
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, BACKLOG) != 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

bool
listen_open(const char *host, uint16_t port, bool is_ipv6, int *fd_out, struct err *err)
{
    bool is_any = host == NULL || host[0] == '\0';
    char service[8];
    snprintf(service, sizeof service, "%u", port);
    struct addrinfo hints = {
        .ai_family = !is_any ? AF_UNSPEC : (is_ipv6 ? AF_INET6 : AF_INET),
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    struct addrinfo *found = NULL;
    int rv = getaddrinfo(is_any ? NULL : host, service, &hints, &found);
    if (rv != 0) {
        return err_set(err, ERR_IO, "address to listen on \"%s\": %s", is_any ? "" : host,
                       gai_strerror(rv));
    }
    int fd = -1;
    int reason = 0;
    for (const struct addrinfo *a = found; a != NULL && fd < 0; a = a->ai_next) {
        fd = listen_on(a);
        reason = errno;
    }
    freeaddrinfo(found);
    if (fd < 0) {
        return err_set(err, ERR_IO, "listen on %s port %u: %s", is_any ? "all addresses," : host,
                       port, strerror(reason));
    }
    *fd_out = fd;
    return true;
}
