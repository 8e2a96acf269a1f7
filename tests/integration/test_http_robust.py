"""Clients that are slow, many, large or odd: each has a defined outcome, and others are served meanwhile."""
import json
import resource
import socket
import threading
import time

import pytest

from pylib import process
from pylib.engine import Engine
from pylib.wait import patience, until

HEAD = "GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n"


@pytest.fixture(scope="module")
def engine(cluster):
    database = cluster.create_database()
    database.run("CREATE TABLE r (id int PRIMARY KEY, v text)")
    database.run("INSERT INTO r SELECT g, repeat('x', 100) FROM generate_series(1, 20000) g")
    made = Engine(database.url, database.stream, {
        "ELECTRIC_LONG_POLL_TIMEOUT": "2s", "ELECTRIC_TCP_READ_TIMEOUT": "20s",
        "ELECTRIC_TCP_SEND_TIMEOUT": "3s"})
    made.database = database
    try:
        made.start()
        client = made.client("r", columns="id").sync()
        made.handle, made.offset = client.handle, client.offset
        client.close()
        yield made
        made.stop()
    finally:
        made.destroy()
        database.drop()


def connect(engine, seconds=30):
    return socket.create_connection(("127.0.0.1", engine.port), timeout=patience(seconds))


def read_all(link):
    got = b""
    while part := link.recv(1 << 20):
        got += part
    return got


def served(engine, seconds=1.0):
    """Others are: a small answer within a second."""
    began = time.monotonic()
    assert engine.http().get("/v1/health").status == 200
    assert engine.http().shape(table="r", columns="id", offset="now").status == 200
    took = time.monotonic() - began
    assert took < patience(seconds), f"{took:.2f} s"


def many(wanted):
    """How many connections this test may open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return min(wanted, hard - 500)


def test_one_byte_a_second(engine):
    """A request that comes so slowly is closed at the read time-out, others are served."""
    with connect(engine) as slow:
        began = time.monotonic()
        for byte in HEAD.format("/v1/health", "").encode()[:8]:
            slow.sendall(bytes([byte]))
            served(engine)
            time.sleep(1)
        assert slow.recv(100) == b""  # closed: the time counts from the connection's begin
        assert 18 < time.monotonic() - began < patience(30)


def test_a_client_that_reads_nothing_is_dropped(engine):
    """After the send time-out; others get their answer meanwhile."""
    target = "/v1/shape?table=r&offset=-1"
    size = len(engine.http().get(target).body)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(patience(30))
        slow.connect(("127.0.0.1", engine.port))
        slow.sendall(HEAD.format(target, "").encode() * 5)
        time.sleep(1)
        served(engine)
        time.sleep(4)
        got = 0
        try:
            while part := slow.recv(65536):
                got += len(part)
        except ConnectionResetError:
            pass
        assert got < 5 * size


@pytest.mark.parametrize("size, status", [(20000, 200), (31000, 200), (33000, 431), (65536, 431)])
def test_large_heads(engine, size, status):
    head = HEAD.format("/v1/health", "X-Padding: " + "x" * size + "\r\nConnection: close\r\n")
    with connect(engine) as link:
        link.sendall(head.encode())
        assert read_all(link).startswith(f"HTTP/1.1 {status} ".encode())
    served(engine)


def test_many_headers(engine):
    for count, status in ((90, 200), (200, 431)):
        lines = "".join(f"X-{n}: y\r\n" for n in range(count)) + "Connection: close\r\n"
        with connect(engine) as link:
            link.sendall(HEAD.format("/v1/health", lines).encode())
            assert read_all(link).startswith(f"HTTP/1.1 {status} ".encode()), count


def test_bodies_of_8_mb(engine):
    """The largest one is read as a whole, and what is larger refused by its length."""
    body = json.dumps({"subset": {"where": "id = 1"}}).encode().ljust(8 << 20)
    target = "/v1/shape?table=r&columns=id&offset=-1"
    answer = engine.http().request("POST", target, body=body)
    assert answer.status == 200 and len(answer.json()["data"]) == 1
    for extra in (["Content-Length: 8388609"], ["Content-Length: 99999999999999999999"]):
        with connect(engine) as link:
            link.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\n{extra[0]}\r\n\r\n".encode())
            got = read_all(link)
            assert got.startswith((b"HTTP/1.1 413 ", b"HTTP/1.1 400 ")), got
    with connect(engine) as link:  # as chunks, whose sum nobody said before
        link.sendall(f"POST {target} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
        try:
            for _ in range(9):
                link.sendall(b"100000\r\n" + b" " * (1 << 20) + b"\r\n")
        except OSError:
            pass  # it is refused before all is sent
        assert link.recv(65536).startswith(b"HTTP/1.1 413 ")
    served(engine)


def test_many_bodies_at_once(engine):
    """What is received for all together is bounded: the rest gets 503, and others are served."""
    links = [connect(engine) for _ in range(20)]
    refused = 0
    head = (f"POST /v1/shape?table=r&offset=-1 HTTP/1.1\r\nHost: x\r\n"
            f"Content-Length: {8 << 20}\r\n\r\n").encode()
    for link in links:
        try:
            link.sendall(head + b" " * ((8 << 20) - 1))
        except OSError:
            pass
    served(engine, 3)
    for link in links:
        link.settimeout(0.1)
        try:
            refused += link.recv(100).startswith(b"HTTP/1.1 503 ")
        except TimeoutError:
            pass  # held: the rest of its body may come
        except OSError:
            refused += 1  # reset while it was sending
        link.close()
    assert 8 <= refused < 20
    until("room again", lambda: engine.http().request(
        "POST", "/v1/shape?table=r&columns=id&offset=-1", body=b"{}".ljust(1 << 20)).status == 200)


def test_1000_half_sent_requests(engine):
    links = [connect(engine) for _ in range(1000)]
    for number, link in enumerate(links):
        head = HEAD.format("/v1/health", "").encode()
        link.sendall(head[:1 + number % (len(head) - 1)])
    served(engine)
    for number, link in enumerate(links):
        head = HEAD.format("/v1/health", "").encode()
        link.sendall(head[1 + number % (len(head) - 1):])
    for link in links:
        assert link.recv(4096).startswith(b"HTTP/1.1 200 ")
        link.close()


def test_10000_idle_connections(engine):
    """They cost a little memory each, and nobody else a thing."""
    count = many(10000)
    api = engine.pid("api")
    before = process.status_kb(api, "VmRSS")
    links = []
    for _ in range(count):
        links.append(connect(engine))
        if len(links) % 500 == 0:
            served(engine)
    for link in links[::100]:
        link.sendall(HEAD.format("/v1/health", "").encode())
        assert link.recv(4096).startswith(b"HTTP/1.1 200 ")
    served(engine)
    grown = process.status_kb(api, "VmRSS") - before
    print(f"{count} idle connections: {grown} kB more")
    assert grown < patience(count * 4)  # kB
    for link in links:
        link.close()
    served(engine)


def test_pipelining(engine):
    """Answers in order, whichever is ready first."""
    live = f"/v1/shape?table=r&columns=id&handle={engine.handle}&offset={engine.offset}&live=true"
    targets = ["/v1/shape?table=r&columns=id&offset=-1", live, "/v1/health", "/nope"] * 3
    with connect(engine) as link:
        link.sendall("".join(HEAD.format(target, "") for target in targets[:-1]).encode()
                     + HEAD.format(targets[-1], "Connection: close\r\n").encode())
        got = read_all(link)
    statuses = [int(part[:3]) for part in got.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [200, 200, 200, 404] * 3
    served(engine)


def test_a_flood_of_pipelined_requests(engine):
    """More than is read ahead: none is lost."""
    one = HEAD.format("/v1/health", "").encode()
    with connect(engine) as link:
        sender = threading.Thread(target=link.sendall, args=(one * 20000,))
        sender.start()
        got, rest = 0, b""
        while got < 20000:
            part = link.recv(1 << 20)
            assert part, got
            rest += part
            got += rest.count(b'{"status":"active"}')
            rest = rest[rest.rfind(b'{"status":"active"}') + 19:] if b'{"status"' in rest else rest
        sender.join()
    served(engine)


@pytest.mark.parametrize("version, line, closes", [
    ("1.0", "", True), ("1.0", "Connection: keep-alive\r\n", False), ("1.1", "", False),
    ("1.1", "Connection: close\r\n", True), ("1.1", "Connection: Close, x\r\n", True),
])
def test_versions(engine, version, line, closes):
    with connect(engine, 5) as link:
        link.sendall(f"GET /v1/health HTTP/{version}\r\nHost: x\r\n{line}\r\n".encode())
        link.settimeout(1)
        got = b""
        try:
            while part := link.recv(4096):
                got += part
            closed = True
        except TimeoutError:
            closed = False
    assert got.startswith(b"HTTP/1.1 200 ") and got.endswith(b'{"status":"active"}')
    assert closed == closes


# Clients that end their side, as `printf … | nc` does


def half_closed(engine, *targets):
    with connect(engine) as link:
        link.sendall("".join(HEAD.format(target, "") for target in targets).encode())
        link.shutdown(socket.SHUT_WR)
        began = time.monotonic()
        got = read_all(link)
    return got, time.monotonic() - began


def test_half_closed(engine):
    whole = engine.http().get("/v1/shape?table=r&offset=-1").body
    got, _ = half_closed(engine, "/v1/shape?table=r&offset=-1")
    assert got.endswith(whole)
    got, _ = half_closed(engine, "/v1/health", "/nope", "/v1/shape?table=r&offset=-1")
    assert got.count(b"HTTP/1.1 ") == 3 and got.endswith(whole)
    with connect(engine) as link:
        link.sendall(b"GET /v1/health HTTP/1.1\r\nHost")
        link.shutdown(socket.SHUT_WR)
        assert read_all(link) == b""


def test_half_closed_does_not_wait(engine):
    """A live request of such a client is answered at once: there may be nobody who reads."""
    live = f"/v1/shape?table=r&columns=id&handle={engine.handle}&offset={engine.offset}&live=true"
    for target in (live, live + "&live_sse=true"):
        got, took = half_closed(engine, target)
        assert got.startswith(b"HTTP/1.1 200 ") and took < 1.5, got
    with connect(engine) as link:  # it has waited for a while by then
        link.sendall(HEAD.format(live, "").encode())
        time.sleep(0.5)
        link.shutdown(socket.SHUT_WR)
        got = read_all(link)
        assert b'"up-to-date"' in got


def test_half_closed_creates(engine):
    """A shape that is still to be made is waited for."""
    engine.database.run("CREATE TABLE made_later (id int PRIMARY KEY)")
    got, _ = half_closed(engine, "/v1/shape?table=made_later&offset=-1")
    assert b"snapshot-end" in got
