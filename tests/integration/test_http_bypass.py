"""No spelling of a request reads a shape without the secret: paths, methods, parameters, bodies, heads.

Each is sent as bytes on a connection of its own. Whatever comes back, the rows are not in it.
"""
import json
import socket

import pytest

from pylib.engine import Engine
from pylib.wait import patience

SECRET = "the-clients-own"
ADMIN = "the-admins-own"
ROW = "only-for-those-who-know"
SHAPE = "table=vault&offset=-1"


@pytest.fixture(scope="module")
def engine(cluster):
    database = cluster.create_database()
    database.run("CREATE TABLE vault (id int PRIMARY KEY, v text)")
    database.run("INSERT INTO vault VALUES (1, %s)", (ROW,))
    made = Engine(database.url, database.stream, {
        "ELECTRIC_SECRET": SECRET, "ELECTRIC_INSECURE": None, "SHAPEWIRE_ADMIN_SECRET": ADMIN,
        "ELECTRIC_ENABLE_INTEGRATION_TESTING": "true", "ELECTRIC_LONG_POLL_TIMEOUT": "500ms"})
    try:
        made.start()
        # The shape is there, and the API has its rows: what could be read is.
        client = made.client("vault", secret=SECRET).sync()
        assert [row["v"] for row in client.rows.values()] == [ROW]
        made.handle = client.handle
        client.close()
        yield made
        made.stop()
    finally:
        made.destroy()
        database.drop()


def head(method, target, headers=(), version="HTTP/1.1", body=b"", host="Host: x"):
    lines = [f"{method} {target} {version}", host, *headers]
    if body and not any(line.lower().startswith(("content-length", "transfer-")) for line in headers):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body


def get(target, *headers):
    return head("GET", target, headers)


def post(body, target="/v1/shape", *headers):
    text = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head("POST", target, headers, body=text)


PATHS = [
    "/v1/shape", "//v1/shape", "/v1//shape", "/v1/shape/", "/v1/shape//", "///v1///shape///",
    "/%76%31/shape", "/v1/%73hape", "/v1/%73%68%61%70%65", "/v1%2fshape", "/v1%2Fshape", "/%2fv1/shape",
    "/v1/shape%2f", "/v1/./shape", "/./v1/shape", "/v1/x/../shape", "/v1/../v1/shape", "/v1/%2e/shape",
    "/v1/x/%2e%2e/shape", "/v1/shape/.", "/v1/shape/..", "/v1/shape/../shape", "/V1/SHAPE", "/v1/Shape",
    "/v1/shape;x", "/v1/shape;secret=x", "/v1/shape%00", "/v1/shape%00/x", "/v1/sh%61pe", "/v1/shape%20",
    "/v1/shape%09", "/v1/shape%0a", "/v1/shape.json", "/v1/shape%3f", "/v1\\shape", "\\v1\\shape",
    "/v1/%2573hape", "/v1/s%u0068ape", "/v1/%c1%b3hape", "/health/../v1/shape", "/v1/health/../shape",
    "/v1/health%2f..%2fshape", "/%2e%2e/v1/shape", "http://x/v1/shape", "http://x//v1/shape",
    "https://x:80/v1/shape", "//x/v1/shape", "*", "/*/v1/shape", "/v1/shapes", "/v1/shapes/",
    "/v1/shapes/../shape", "/v1/status/../shape", "/v1/shape/x", "/v1/shape/vault",
]

PARAMETERS = [
    "", "secret", "secret=", "secret=x", "secret==", f"Secret={SECRET}", f"SECRET={SECRET}",
    f"secret[]={SECRET}", f"secret[0]={SECRET}", f"secret%00={SECRET}", f"secret%20={SECRET}",
    f"%20secret={SECRET}", f"+secret={SECRET}", f";secret={SECRET}", f"secret;={SECRET}",
    f"secret={SECRET[:-1]}", f"secret={SECRET}x", f"secret={SECRET}%00", f"secret=%20{SECRET}",
    f"secret={SECRET}+", f"secret={SECRET.upper()}", f"secret={SECRET}%zz", f"secret=%",
    f"secret={SECRET}&secret=x", f"secret={SECRET}&secret=", f"api_secret={SECRET}&secret=x",
    f"api_secret={SECRET}&secret=", f"api_secret=x&api_secret={SECRET}%00", "api_secret=",
    f"api-secret={SECRET}", f"token={SECRET}", f"params[secret]={SECRET}", f"handle={SECRET}",
    "secret=null", "secret=true", "secret=*", "secret=%25", "secret[$ne]=x", "secret=%5b%5d",
    f"x=%26secret={SECRET}", f"x=1%26secret%3d{SECRET}", f"secret%3d{SECRET}", f"subset__secret={SECRET}",
    f"secret=x;secret={SECRET}", f"secret=x,{SECRET}", f"secret={SECRET},x",
    "live=true&handle={handle}", "subset__where=true", "log=changes_only&subset__where=true",
    "experimental_compaction=true", "expired_handle={handle}&cache-buster=1",
]

HEADERS = [
    [f"Secret: {SECRET}"], [f"X-Secret: {SECRET}"], [f"Authorization: Bearer {SECRET}"],
    [f"Authorization: Bearer {ADMIN}"], [f"Authorization: Basic {SECRET}"], [f"Cookie: secret={SECRET}"],
    [f"X-Original-URL: /v1/shape?secret={SECRET}"], [f"X-Rewrite-URL: /v1/shape?secret={SECRET}"],
    ["X-HTTP-Method-Override: OPTIONS"], ["X-HTTP-Method: OPTIONS"], ["X-Method-Override: HEAD"],
    ["X-Forwarded-For: 127.0.0.1"], ["X-Real-IP: 127.0.0.1"], ["Forwarded: for=127.0.0.1"],
    ["X-Shapewire-Link: 0"], ["Connection: x-link"], ["Upgrade: h2c", "Connection: Upgrade"],
    ["Content-Length: 0"], ["Content-Length: 0", "Content-Length: 0"], ["Transfer-Encoding: identity"],
    ["Range: bytes=0-1000"], ["If-None-Match: *"], ["Accept-Encoding: gzip;q=0"], ["Expect: 100-continue"],
    [f"Referer: http://x/v1/shape?secret={SECRET}"], ["Origin: null"], ["Host: y"], ["Via: 1.1 x"],
]

METHODS = ["GET", "HEAD", "POST", "DELETE", "PUT", "PATCH", "TRACE", "CONNECT", "get", "Get", "GETT",
           "OPTIONS", "PROPFIND", "QUERY", "SEARCH", "GET,POST", "MOVE"]

BODIES = [
    {"table": "vault", "offset": "-1"},
    {"table": "vault", "offset": "-1", "secret": SECRET},
    {"table": "vault", "offset": "-1", "api_secret": SECRET},
    {"secret": SECRET}, {"subset": {"where": "true", "secret": SECRET}},
    {"where": "true", "secret": SECRET}, {"subset": {"where": "true"}},
    [{"secret": SECRET}], f"secret={SECRET}".encode(), f"table=vault&offset=-1&secret={SECRET}".encode(),
    b"", b"{", b"null", b'{"secret":"' + SECRET.encode() + b'","secret":"x"}',
]

SMUGGLED = get(f"/v1/shape?{SHAPE}")


def smuggling():
    """Requests in whose body, or behind which, another one stands."""
    outer = "GET /v1/health HTTP/1.1\r\nHost: x\r\n"
    size = len(SMUGGLED)
    yield f"{outer}Content-Length: {size}\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}Content-Length: {size}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}Transfer-Encoding: chunked\r\n\r\n{size:x}\r\n".encode() + SMUGGLED + b"\r\n0\r\n\r\n"
    yield f"{outer}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}Content-Length: 0\r\nContent-Length: {size}\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}Content-Length: +{size}\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}Content-Length: 0, {size}\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}X: y\n\n".encode() + SMUGGLED
    yield f"{outer}X: y\r\r\n".encode() + SMUGGLED
    yield f"{outer}X: y\r\n folded\r\n\r\n".encode() + SMUGGLED
    yield f"{outer}X: \0\r\n\r\n".encode() + SMUGGLED
    yield f"GET /v1/shape?{SHAPE} HTTP/1.1\nHost: x\n\n".encode()
    yield f"GET /v1/shape?{SHAPE}\r\n\r\n".encode()
    yield f"GET  /v1/shape?{SHAPE} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    yield f"GET\t/v1/shape?{SHAPE}\tHTTP/1.1\r\nHost: x\r\n\r\n".encode()
    yield f"GET /v1/shape?{SHAPE} HTTP/2.0\r\nHost: x\r\n\r\n".encode()
    yield f"GET /v1/shape?{SHAPE} HTTP/0.9\r\nHost: x\r\n\r\n".encode()
    yield f"\r\nGET /v1/shape?{SHAPE} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    yield b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SMUGGLED
    # A stranger's way in with the right secret somewhere before or behind.
    yield get(f"/v1/health?secret={SECRET}") + SMUGGLED
    yield head("OPTIONS", f"/v1/shape?{SHAPE}&secret={SECRET}") + SMUGGLED
    yield SMUGGLED + get(f"/v1/health?secret={SECRET}")


def spellings():
    """(what, bytes)"""
    for path in PATHS:
        yield f"path {path}", get(f"{path}?{SHAPE}")
        yield f"path {path}, POST", post({}, f"{path}?{SHAPE}")
    for more in PARAMETERS:
        yield f"parameters {more}", get(f"/v1/shape?{SHAPE}&{more}")
        yield f"parameters {more} first", get(f"/v1/shape?{more}&{SHAPE}")
    for headers in HEADERS:
        yield f"headers {headers}", get(f"/v1/shape?{SHAPE}", *headers)
    for method in METHODS:
        yield f"method {method}", head(method, f"/v1/shape?{SHAPE}")
        yield f"method {method}, 1.0", head(method, f"/v1/shape?{SHAPE}", version="HTTP/1.0")
    for body in BODIES:
        yield f"body {body}", post(body)
        yield f"body {body}, query", post(body, f"/v1/shape?{SHAPE}")
        yield f"body {body}, form", post(body, f"/v1/shape?{SHAPE}",
                                         "Content-Type: application/x-www-form-urlencoded")
    for data in smuggling():
        yield f"bytes {data[:60]!r}", data
    # What comes back once the handle is known.
    for query in ("table=vault&handle={handle}&offset=0_0", "table=vault&offset=now",
                  "table=vault&handle={handle}&offset=0_inf&live=true", "handle={handle}&offset=0_0",
                  "table=vault&handle={handle}&offset=0_inf&live=true&live_sse=true"):
        yield f"query {query}", get(f"/v1/shape?{query}")


ALL = list(spellings())


def answer(port, data):
    """All that comes back until the connection ends, or nothing more does."""
    with socket.create_connection(("127.0.0.1", port), timeout=patience(10)) as link:
        link.sendall(data)
        link.shutdown(socket.SHUT_WR)  # so that it ends
        got = b""
        try:
            while part := link.recv(65536):
                got += part
        except (TimeoutError, ConnectionResetError):
            pass
    return got


def test_there_are_enough_of_them():
    assert len({data for _, data in ALL}) >= 250


def test_with_the_secret_it_is_read(engine):
    """The test can tell: one letter is what makes the difference."""
    for name in ("secret", "api_secret"):
        got = answer(engine.port, get(f"/v1/shape?{SHAPE}&{name}={SECRET}"))
        assert ROW.encode() in got
    assert ROW.encode() in answer(engine.port, get(f"/v1/shape?{SHAPE}&secret={SECRET.replace('-', '%2d')}"))


@pytest.mark.parametrize("number", range(len(ALL)), ids=[what[:60] for what, _ in ALL])
def test_spelling(engine, number):
    _what, data = ALL[number]
    data = data.replace(b"{handle}", engine.handle.encode())
    got = answer(engine.port, data)
    for told in (ROW, engine.handle, "\nelectric-schema:", '"relation"'):
        assert told.encode() not in got.lower().replace(data, b""), got
    for line in got.split(b"\r\n"):
        if line.startswith(b"HTTP/1.1 2"):  # what is open to all, or nothing at all
            assert b'{"status":' in got or b"access-control-max-age" in got or b"content-length: 0" in got, got


def test_it_still_serves(engine):
    assert engine.http().shape(table="vault", offset="-1", secret=SECRET).status == 200
