"""Answers as the client accepts them, the same bytes in each; compressed once for all who ask."""
import ctypes
import gzip
import json
import socket
import threading
import zlib

import pytest

from pylib.engine import Engine
from pylib.wait import until

ROWS = 20000


def unzstd(data):
    lib = ctypes.CDLL("libzstd.so.1")
    lib.ZSTD_decompress.restype = ctypes.c_size_t
    lib.ZSTD_decompress.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p,
                                    ctypes.c_size_t]
    out = ctypes.create_string_buffer(64 << 20)
    size = lib.ZSTD_decompress(out, len(out), data, len(data))
    assert size <= len(out), "no zstd frame"
    return out.raw[:size]


UNPACK = {"gzip": gzip.decompress, "deflate": zlib.decompress, "zstd": unzstd}


@pytest.fixture(scope="module")
def setup(cluster, reader_settings):
    database = cluster.create_database()
    database.run("CREATE TABLE z_big (id int PRIMARY KEY, v text)")
    database.run(f"INSERT INTO z_big SELECT g, md5(g::text) FROM generate_series(1, {ROWS}) g")
    database.run("CREATE TABLE z_live (id int PRIMARY KEY, v text)")
    settings = {"ELECTRIC_LONG_POLL_TIMEOUT": "5s", **reader_settings()}
    engine = Engine(database.url, database.stream, settings)
    try:
        yield database, engine.start()
        engine.stop()
    finally:
        engine.destroy()
        database.drop()


def get(engine, target, accepted=None, method="GET"):
    headers = {"Accept-Encoding": accepted} if accepted else {"Accept-Encoding": "identity"}
    return engine.http().request(method, target, headers=headers)


def compressions(engine):
    """How many bodies were compressed so far."""
    return engine.log().count("event=compressed ")


@pytest.mark.parametrize("encoding", UNPACK)
@pytest.mark.parametrize("target", ["/v1/shape?table=z_big&offset=-1",
                                    "/v1/shape?table=z_live&offset=-1",
                                    "/v1/shape?table=nope&offset=-1", "/v1/status"])
def test_same_bytes(setup, encoding, target):
    _database, engine = setup
    plain, packed = get(engine, target), get(engine, target, encoding)
    assert "content-encoding" not in plain.headers
    if len(plain.body) < 128:
        assert "content-encoding" not in packed.headers and packed.body == plain.body
        return
    assert packed.headers["content-encoding"] == encoding
    assert packed.headers["vary"] == "accept-encoding"
    assert len(packed.body) < len(plain.body)
    body = UNPACK[encoding](packed.body)
    if target == "/v1/status":
        assert set(json.loads(body)) == set(json.loads(plain.body))
    else:
        assert body == plain.body
        own = {"x-request-id", "date", "content-length", "content-encoding"}
        assert {k: v for k, v in plain.headers.items() if k not in own} == \
            {k: v for k, v in packed.headers.items() if k not in own}


@pytest.mark.parametrize("accepted, chosen", [
    ("gzip, deflate, br, zstd", "zstd"), ("gzip, deflate, br", "gzip"), ("gzip;q=0.1, deflate", "deflate"),
    ("gzip;q=0", None), ("*", "zstd"), ("br", None), ("identity, gzip;q=0.9", None),
])
def test_choice(setup, accepted, chosen):
    _database, engine = setup
    answer = get(engine, "/v1/shape?table=z_big&offset=-1", accepted)
    assert answer.headers.get("content-encoding") == chosen


def test_head_says_what_get_says(setup):
    _database, engine = setup
    target = "/v1/shape?table=z_big&offset=-1"
    got, headed = (get(engine, target, "gzip", method) for method in ("GET", "HEAD"))
    assert headed.body == b""
    for name in ("content-encoding", "content-length", "etag"):
        assert headed.headers[name] == got.headers[name]


def test_not_modified_has_no_encoding(setup):
    _database, engine = setup
    target = "/v1/shape?table=z_big&offset=-1"
    tag = get(engine, target, "gzip").headers["etag"]
    answer = engine.http().get(target, headers={"Accept-Encoding": "gzip", "If-None-Match": tag})
    assert (answer.status, answer.body) == (304, b"")
    assert "content-encoding" not in answer.headers


def ask_all(engine, targets, encoding):
    """The bodies of requests that are made side by side."""
    bodies = [None] * len(targets)

    def ask(number):
        answer = get(engine, targets[number], encoding)
        assert answer.status == 200, answer
        bodies[number] = UNPACK[encoding](answer.body)

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(len(targets))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return bodies


def test_a_chunk_is_compressed_once(setup):
    database, engine = setup
    database.run("CREATE TABLE z_once AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 5000) g")
    database.run("ALTER TABLE z_once ADD PRIMARY KEY (id)")
    target = "/v1/shape?table=z_once&offset=-1"
    plain = get(engine, target).body
    before = compressions(engine)
    bodies = ask_all(engine, [target] * 50, "gzip")
    assert all(body == plain for body in bodies)
    assert compressions(engine) == before + 1


def test_a_change_is_compressed_once_for_all_who_wait(setup):
    database, engine = setup
    client = engine.client("z_live").sync()
    target = f"/v1/shape?table=z_live&handle={client.handle}&offset={client.offset}&live=true"
    before = compressions(engine)
    change = threading.Timer(1, database.run, ["INSERT INTO z_live VALUES (1, repeat('x', 5000))"])
    change.start()
    bodies = ask_all(engine, [target] * 50, "zstd")
    change.join()
    assert len(set(bodies)) == 1 and json.loads(bodies[0])[0]["value"]["id"] == "1"
    assert compressions(engine) == before + 1


def test_up_to_date_shares_the_items_before_it(setup):
    """What the engine has seen grows; the items that are served with it are compressed once."""
    database, engine = setup
    client = engine.client("z_big").sync()
    with database.session().cursor() as cursor:
        cursor.execute("UPDATE z_big SET v = v || 'y' WHERE id <= 500")
    client.live_until(lambda c: c.changes == 500)
    target = f"/v1/shape?table=z_big&handle={client.handle}&offset=0_inf"
    before = compressions(engine)
    seen = set()

    def ask():
        """How many different last items there were so far."""
        items = json.loads(UNPACK["deflate"](get(engine, target, "deflate").body))
        assert len(items) == 501
        seen.add(items[-1]["headers"]["global_last_seen_lsn"])
        return len(seen)

    for number in range(3):
        database.run("INSERT INTO z_live VALUES (%s, 'z')", (100 + number,))
        until("the engine to have seen it", lambda: ask() > number, 20)
    assert compressions(engine) == before + 1


def test_a_client_that_leaves_while_its_answer_is_compressed(setup):
    _database, engine = setup
    head = ("GET /v1/shape?table=z_big&offset=-1 HTTP/1.1\r\nHost: x\r\n"
            "Accept-Encoding: {}\r\n\r\n")
    for number in range(60):
        link = socket.create_connection(("127.0.0.1", engine.port))
        link.sendall(head.format(("gzip", "zstd", "deflate")[number % 3]).encode())
        if number % 2:
            link.recv(1)
        link.close()
    assert get(engine, "/v1/shape?table=z_big&offset=-1", "gzip").status == 200
