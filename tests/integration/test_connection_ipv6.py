"""ELECTRIC_DATABASE_USE_IPV6, engine spec §1.6: IPv6 is preferred, and left when it does not work."""
import re

import pytest

from pylib import preload
from pylib.client import assert_equal

CREATE = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')"

# Names ending in ".test" have the IPv4 address 127.0.0.1. As IPv6 address db.test has none, and
# for the time of one question not even an answer; far.test has one that no way leads to.
RESOLVER = r"""
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FAR "2001:db8::1"

int
getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
            struct addrinfo **list)
{
    int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **) =
        (int (*)(const char *, const char *, const struct addrinfo *, struct addrinfo **))
            dlsym(RTLD_NEXT, "getaddrinfo");
    const char *dot = node ? strrchr(node, '.') : NULL;
    if (dot == NULL || strcmp(dot, ".test") != 0) {
        return real(node, service, hints, list);
    }
    if (hints->ai_flags & AI_NUMERICHOST) {
        return EAI_NONAME;
    }
    if (hints->ai_family != AF_INET6) {
        return real("127.0.0.1", service, hints, list);
    }
    if (strcmp(node, "far.test") == 0) {
        return real(FAR, service, hints, list);
    }
    return strcmp(node, "again.test") == 0 ? EAI_AGAIN : EAI_NONAME;
}

int
connect(int fd, const struct sockaddr *address, socklen_t size)
{
    int (*real)(int, const struct sockaddr *, socklen_t) =
        (int (*)(int, const struct sockaddr *, socklen_t))dlsym(RTLD_NEXT, "connect");
    struct in6_addr far;
    inet_pton(AF_INET6, FAR, &far);
    if (address->sa_family == AF_INET6 &&
        memcmp(&((const struct sockaddr_in6 *)address)->sin6_addr, &far, sizeof far) == 0) {
        errno = atoi(getenv("FAR_ERRNO"));
        return -1;
    }
    return real(fd, address, size);
}
"""
ENETUNREACH, EHOSTUNREACH, ECONNREFUSED = 101, 113, 111


@pytest.fixture(scope="module")
def resolver(tmp_path_factory):
    return preload.library(tmp_path_factory.mktemp("resolver"), RESOLVER)


def engine_on(make_engine, database, resolver, host, use_ipv6="true", errno=ENETUNREACH):
    """`host` stands in DATABASE_URL alone: the pooled URL has the address."""
    return make_engine(database.url.replace("127.0.0.1", host), stream=database.stream,
                       ELECTRIC_POOLED_DATABASE_URL=database.url, LD_PRELOAD=resolver,
                       FAR_ERRNO=str(errno), ELECTRIC_DATABASE_USE_IPV6=use_ipv6)


def fallbacks(engine):
    return re.findall(r"event=ipv6_fallback host=(\S+)", engine.log())


@pytest.mark.parametrize("host, errno", [
    ("db.test", 0), ("far.test", ENETUNREACH), ("far.test", EHOSTUNREACH)])
def test_falls_back_to_ipv4_for_good(database, make_engine, resolver, host, errno):
    database.run(CREATE)
    engine = engine_on(make_engine, database, resolver, host, errno=errno).start()
    client = engine.client("t", retry=True).sync()
    # The sessions that come after it know.
    database.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                 " WHERE datname = current_database() AND pid <> pg_backend_pid()")
    database.run("INSERT INTO t VALUES (2, 'y')")
    assert_equal(client, database, "t")
    assert fallbacks(engine) == [host]
    client.close()


def test_both_roles_fall_back_on_their_own(database, make_engine, resolver):
    """[LUX:ipv6-to-ipv4-fallback]"""
    database.run(CREATE)
    engine = engine_on(make_engine, database, resolver, "db.test")
    engine.settings["ELECTRIC_POOLED_DATABASE_URL"] = database.url.replace("127.0.0.1", "far.test")
    engine.start()
    engine.client("t").sync().close()
    assert sorted(fallbacks(engine)) == ["db.test", "far.test"]


def test_a_resolver_that_does_not_answer_is_asked_again(database, make_engine, resolver):
    """Then nothing is known of IPv6: the next session tries it once more."""
    engine = engine_on(make_engine, database, resolver, "again.test").start()
    assert len(fallbacks(engine)) > 1  # lock, stream and pool are sessions of their own


def test_a_refusing_server_is_no_reason(database, make_engine, resolver):
    engine = engine_on(make_engine, database, resolver, "far.test", errno=ECONNREFUSED)
    engine.start(wait=None)
    engine.wait_log("Connection refused")
    assert fallbacks(engine) == []


def test_ipv4_is_asked_alone_unless_told(database, make_engine, resolver):
    engine = engine_on(make_engine, database, resolver, "far.test", use_ipv6="false").start()
    assert fallbacks(engine) == []
