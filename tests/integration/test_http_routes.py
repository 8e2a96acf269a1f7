"""http-api §1, §2: routes, methods, common headers. Numbers in [] are its statements."""
import json
import re
import socket

import pytest

EXPOSED = {"electric-cursor", "electric-handle", "electric-has-data", "electric-offset",
           "electric-schema", "electric-up-to-date", "electric-internal-known-error", "retry-after"}
FIRST = "table=r_items&offset=-1"


@pytest.fixture(scope="module")
def http(module_database, module_engine):
    module_database.run("CREATE TABLE r_items (id int PRIMARY KEY, v text)")
    module_database.run("INSERT INTO r_items VALUES (1, 'a'), (2, NULL)")
    return module_engine.http()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_root_is_empty(http, method):  # [1]
    answer = http.request(method, "/")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize("method, target", [
    ("GET", "/nope"), ("POST", "/v1/health"), ("PUT", "/v1/shape"), ("PATCH", "/v1/shape"),
    ("POST", "/"), ("DELETE", "/v1/health"), ("GET", "/v1"), ("GET", "/v1/shape/x"),
])
def test_anything_else_is_not_found(http, method, target):  # [1]
    answer = http.request(method, target)
    assert (answer.status, answer.body) == (404, b"Not found")


@pytest.mark.parametrize("target", ["//v1/shape", "/v1/shape/", "/v1/%73hape", "//v1//%73hape/"])
def test_paths_are_normalised_before_they_are_matched(http, target):  # [2]
    assert http.get(f"{target}?{FIRST}").status == 200
    assert http.get(target).json() == {"message": "Invalid request",
                                       "errors": {"offset": ["can't be blank"]}}


def test_health(http):  # [42]
    answer = http.get("/v1/health")
    assert (answer.status, answer.json()) == (200, {"status": "active"})
    assert answer.headers["cache-control"] == "no-cache, no-store, must-revalidate"


def test_head_is_get_without_a_body(http):  # [4]
    got, headed = (http.request(method, f"/v1/shape?{FIRST}") for method in ("GET", "HEAD"))
    assert headed.status == 200 and headed.body == b""
    for name in ("electric-handle", "electric-offset", "electric-schema", "etag"):
        assert headed.headers[name] == got.headers[name]


def test_options(http):  # [4]
    asked = {"Origin": "https://x.example", "Access-Control-Request-Method": "GET",
             "Access-Control-Request-Headers": "if-none-match, x-evil, traceparent"}
    answer = http.request("OPTIONS", "/v1/shape", headers=asked)
    assert (answer.status, answer.body) == (204, b"")
    headers = answer.headers
    assert headers["access-control-max-age"] == "86400"
    methods = {name.strip() for name in headers["access-control-allow-methods"].split(",")}
    assert methods == {"GET", "POST", "HEAD", "DELETE", "OPTIONS"}
    allowed = {name.strip().lower() for name in headers["access-control-allow-headers"].split(",")}
    assert {"if-none-match", "traceparent"} <= allowed and "x-evil" not in allowed
    assert "cache-control" not in headers


def test_headers_on_every_answer(http):  # §2.1
    for target in (f"/v1/shape?{FIRST}", "/v1/shape", "/v1/health", "/nope"):
        headers = http.get(target).headers
        assert "/" in headers["electric-server"], target
        assert 20 <= len(headers["x-request-id"]) <= 200, target
        assert re.match(r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$", headers["date"]), target
        assert headers["vary"].lower() == "accept-encoding", target
        assert headers["access-control-allow-origin"] == "*", target
        exposed = {name.strip() for name in headers["access-control-expose-headers"].split(",")}
        assert exposed >= EXPOSED, target
        assert "access-control-allow-methods" in headers, target


def test_origin_and_request_id_come_back(http):  # §2.1
    answer = http.get(f"/v1/shape?{FIRST}", headers={"Origin": "https://x.example",
                                                     "X-Request-Id": "r" * 24})
    assert answer.headers["access-control-allow-origin"] == "https://x.example"
    assert answer.headers["x-request-id"] == "r" * 24
    short = http.get(f"/v1/shape?{FIRST}", headers={"X-Request-Id": "tiny"})
    assert short.headers["x-request-id"] != "tiny"


def test_content_type(http):
    for target in (f"/v1/shape?{FIRST}", "/v1/shape", "/v1/health"):
        kind = http.get(target).headers["content-type"]
        assert kind.replace(" ", "").lower() == "application/json;charset=utf-8", target


def raw(engine, data, seconds=5):
    """Sends bytes as they are; returns all that comes until the end or silence."""
    with socket.create_connection(("127.0.0.1", engine.port), timeout=seconds) as link:
        link.sendall(data)
        got = b""
        try:
            while part := link.recv(65536):
                got += part
        except TimeoutError:
            pass
        return got


@pytest.mark.parametrize("head", [
    b"GET / HTTP/1.1\nHost: x\n\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    b"POST /v1/shape HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n"
    b"\r\n",
    b"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    b"GARBAGE\r\n\r\n",
])
def test_ambiguous_framing_is_refused(http, module_engine, head):
    got = raw(module_engine, head)
    assert got.startswith(b"HTTP/1.1 400") or got.startswith(b"HTTP/1.1 404"), got
    assert http.get("/v1/health").status == 200


def test_pipelined_requests_are_answered_in_order(http, module_engine):
    get = "GET {} HTTP/1.1\r\nHost: x\r\n{}\r\n"
    got = raw(module_engine, (get.format(f"/v1/shape?{FIRST}", "") + get.format("/v1/health", "")
                              + get.format("/nope", "Connection: close\r\n")).encode())
    found = [got.find(part) for part in (b"r_items", b'{"status":"active"}', b"Not found")]
    assert -1 not in found and found == sorted(found), got


def test_http_1_0_and_connection_close(http, module_engine):
    got = raw(module_engine, b"GET /v1/health HTTP/1.0\r\n\r\n")
    assert b" 200 " in got.split(b"\r\n")[0] and got.endswith(b'{"status":"active"}')


def test_a_head_that_comes_byte_by_byte(http, module_engine):
    with socket.create_connection(("127.0.0.1", module_engine.port), timeout=5) as link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /v1/health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n":
            link.sendall(bytes([byte]))
        got = b""
        while part := link.recv(4096):
            got += part
    assert json.loads(got.partition(b"\r\n\r\n")[2]) == {"status": "active"}
