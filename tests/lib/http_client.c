#include "tests/lib/http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/mem.h"

int
http_client_dial(uint16_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    ASSERT(connect(fd, (struct sockaddr *)&address, sizeof address) == 0);
    struct timeval limit = {.tv_sec = 10};
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    return fd;
}

void
http_client_say(int fd, const char *text)
{
    size_t size = strlen(text);
    ASSERT(send(fd, text, size, MSG_NOSIGNAL) == (ssize_t)size);
}

void
http_client_hear(int fd, const char *expected)
{
    size_t size = strlen(expected);
    char *got = mem_alloc_zero(size + 1);
    size_t used = 0;
    while (used < size) {
        ssize_t n = recv(fd, got + used, size - used, 0);
        if (n <= 0) {
            break;
        }
        used += (size_t)n;
    }
    if (strcmp(got, expected) != 0) {
        char rest[512] = "";
        (void)recv(fd, rest, sizeof rest - 1, 0);
        fprintf(stderr, "expected:\n%s\ngot:\n%s%s\n", expected, got, rest);
        abort();
    }
    mem_free(got);
}

void
http_client_hear_end(int fd)
{
    char byte;
    ASSERT(recv(fd, &byte, 1, 0) == 0);
    close(fd);
}
