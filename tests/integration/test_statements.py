"""One test, or a few, for each numbered statement of http-api.md, with its number.

`--against-nothing` runs them with a server that answers 200 and [] to everything, where each of them
has to fail: `make test` does so once. More about each subject stands in the files of its own.
"""
import json
import os
import random
import signal
import socket
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from pylib.engine import Engine, program, run_program, signal_quietly
from pylib.nothing import Nothing
from pylib.wait import patience, until

statement = pytest.mark.statement

CHUNK = 10000
LONG_POLL = 1.5
FIRST = "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746"
REST = "public, max-age=1, stale-while-revalidate=3"
LIVE = "public, max-age=5, stale-while-revalidate=5"
MUST_REFETCH = [{"headers": {"control": "must-refetch"}}]
CURSOR_EPOCH = 1728432000  # 2024-10-09T00:00:00Z
REFUSED = {"message": "Invalid request"}


@pytest.fixture(scope="module")
def database(cluster):
    made = cluster.create_database()
    yield made
    made.drop()


@pytest.fixture(scope="module")
def server(request, database, reader_settings):
    """The engine that most of these tests share."""
    if request.config.option.against_nothing:
        made = Nothing()
    else:
        made = Engine(database.url, database.stream, {
            "ELECTRIC_LONG_POLL_TIMEOUT": f"{int(LONG_POLL * 1000)}ms",
            "ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD": str(CHUNK),
            "ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD": "1s", "ELECTRIC_CACHE_MAX_AGE": "1",
            "ELECTRIC_CACHE_STALE_AGE": "3", "ELECTRIC_ENABLE_INTEGRATION_TESTING": "true", **reader_settings()})
    try:
        made.start()
        yield made
        made.stop()
    finally:
        made.destroy()


@pytest.fixture
def own(request, cluster, make_engine, reader_settings):
    """own(NAME="value", …): an engine and a database of the test's own, not started."""
    made = []

    def make(with_cluster=None, **settings):
        if request.config.option.against_nothing:
            engine, base = Nothing(), (with_cluster or cluster).create_database()
        else:
            base = (with_cluster or cluster).create_database()
            engine = make_engine(base, **{**reader_settings(), **settings})
        made.append((engine, base, with_cluster))
        return engine, base

    yield make
    for engine, base, with_cluster in made:
        engine.stop()
        if with_cluster is None:
            base.drop()


@pytest.fixture
def http(server):
    made = server.http()
    yield made
    made.close()


@pytest.fixture
def table(database):
    """A table with two rows, another one in every test."""
    name = f"s_{random.randrange(1 << 40):x}"
    database.run(f"CREATE TABLE {name} (id int PRIMARY KEY, v text, n int)")
    database.run(f"INSERT INTO {name} VALUES (1, 'a', 10), (2, 'b', 20)")
    return name


@pytest.fixture
def client(server, table):
    made = server.client(table)
    if isinstance(server, Nothing):
        made.handle, made.offset = "1-2", "0_inf"  # the test itself has to notice
    else:
        made.sync()
    yield made
    made.close()


class Waiting:
    """A request in a thread of its own."""

    def __init__(self, server, query):
        self.http = server.http()
        self.answer = None
        self.thread = threading.Thread(target=self._ask, args=(query,), daemon=True)
        self.thread.start()
        time.sleep(0.3)

    def _ask(self, query):
        self.answer = self.http.get("/v1/shape", query)

    def get(self, seconds=15):
        self.thread.join(patience(seconds))
        self.http.close()
        assert self.answer is not None, "no answer"
        return self.answer


def refused(answer, status=400, **errors):
    assert answer.status == status, answer
    assert answer.json() == {**REFUSED, "errors": {name: [text] for name, text in errors.items()}}


def controls(answer):
    return [item["headers"].get("control") for item in answer.json() if "value" not in item]


def rows(answer):
    return [item for item in answer.json() if "value" in item]


def transaction(database, *statements):
    """Runs them as one; returns the transaction's 32-bit id."""
    with closing(database.writer()) as writer, writer.cursor() as cursor:
        for sql in statements:
            cursor.execute(sql)
        cursor.execute("SELECT pg_current_xact_id()::xid::text::bigint")
        xid = cursor.fetchone()[0]
        writer.commit()
        return xid


def raw(server, text, seconds=5):
    """What comes back for these bytes, until the connection ends or is silent."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience(seconds)) as link:
        link.sendall(text.encode())
        got = b""
        try:
            while part := link.recv(65536):
                got += part
        except TimeoutError:
            pass
    return got.decode()


# 1. Routes


@statement(1)
@pytest.mark.parametrize("method, target, status, body", [
    ("GET", "/", 200, b""), ("HEAD", "/", 200, b""), ("GET", "/nope", 404, b"Not found"),
    ("POST", "/v1/health", 404, b"Not found"), ("PUT", "/v1/shape", 404, b"Not found"),
    ("PATCH", "/v1/shape", 404, b"Not found"), ("DELETE", "/", 404, b"Not found"),
])
def test_routes(http, method, target, status, body):
    answer = http.request(method, target)
    assert (answer.status, answer.body) == (status, body)
    assert answer.headers["cache-control"] == "max-age=0, private, must-revalidate"


@statement(2)
def test_paths_are_normalised_and_the_secret_is_asked_for_on_the_route(own):
    server, base = own(ELECTRIC_SECRET="xyz", ELECTRIC_INSECURE=None)
    base.run("CREATE TABLE t (id int PRIMARY KEY)")
    http = server.start().http()
    for path in ("/v1/shape", "//v1/shape", "/v1/shape/", "/v1/%73hape", "//v1//%73%68ape//"):
        assert http.get(f"{path}?table=t&offset=-1").status == 401, path
        assert http.get(f"{path}?table=t&offset=-1&secret=xyz").status == 200, path


@statement(3)
def test_secret(own):
    server, base = own(ELECTRIC_SECRET="xyz", ELECTRIC_INSECURE=None)
    base.run("CREATE TABLE t (id int PRIMARY KEY)")
    http = server.start().http()
    for method in ("GET", "POST", "DELETE"):
        for given in ("", "&secret=xy", "&secret=xyzz", "&api_secret=zyx"):
            answer = http.request(method, f"/v1/shape?table=t&offset=-1{given}")
            assert answer.status == 401
            assert answer.json() == {"message": "Unauthorized - Invalid API secret"}
    assert http.request("HEAD", "/v1/shape?table=t&offset=-1").status == 401
    for name in ("secret", "api_secret"):
        assert http.get(f"/v1/shape?table=t&offset=-1&{name}=xyz").status == 200
    for method, target in (("GET", "/"), ("GET", "/v1/health"), ("OPTIONS", "/v1/shape")):
        assert http.request(method, target).status < 300
    for both in ({}, {"ELECTRIC_SECRET": "xyz", "ELECTRIC_INSECURE": "true"}):
        code, said = run_program([program()], {"DATABASE_URL": base.url, **both})
        assert code != 0 and "ELECTRIC_INSECURE" in said


@statement(4)
def test_head_and_options(http, table):
    target = f"/v1/shape?table={table}&offset=-1"
    got, headed = http.get(target), http.request("HEAD", target)
    own = ("date", "x-request-id")
    assert headed.body == b"" and got.body != b""
    assert {k: v for k, v in got.headers.items() if k not in own} == \
        {k: v for k, v in headed.headers.items() if k not in own}
    asked = {"Access-Control-Request-Headers": "traceparent, x-evil,If-None-Match"}
    answer = http.request("OPTIONS", "/v1/shape", headers=asked)
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers["access-control-max-age"] == "86400"
    assert answer.headers["access-control-allow-methods"] == "GET, POST, HEAD, DELETE, OPTIONS"
    allowed = set(answer.headers["access-control-allow-headers"].split(", "))
    assert allowed == {"traceparent", "if-none-match"}
    assert "cache-control" not in answer.headers


@statement(5)
def test_post(http, table):
    target = f"/v1/shape?table={table}&offset=-1"
    assert http.request("POST", target).json() == http.get(target).json() != []
    answer = http.request("POST", "/v1/shape?offset=-1", body=json.dumps({"table": table}))
    assert answer.json() == http.get(target).json()
    assert answer.headers["cache-control"] == "no-cache"
    answer = http.request("POST", target, body="[1]")
    assert (answer.status, answer.json()) == (400, {"error": "Request body must be a JSON object"})
    answer = http.request("POST", target, body="{oops")
    assert answer.status == 400 and answer.json()["error"] == "Invalid JSON in request body"
    assert answer.json()["details"]


@statement(5)
def test_a_body_that_is_too_large(server):
    head = "POST /v1/shape?offset=-1 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n"
    got = raw(server, head.format((8 << 20) + 1))
    assert got.startswith("HTTP/1.1 413 "), got
    assert got.endswith('{"error":"Request body too large"}')


# 2. Headers


@statement(6)
def test_if_none_match(http, table):
    target = f"/v1/shape?table={table}&offset=-1"
    first = http.get(target)
    tag = first.headers["etag"]
    for given in (tag, tag.strip('"'), f'"x", {tag}', f"W/{tag},y"):
        answer = http.get(target, headers={"If-None-Match": given})
        assert (answer.status, answer.body) == (304, b""), given
        for name in ("etag", "electric-handle", "electric-offset", "cache-control",
                     "electric-has-data"):
            assert answer.headers[name] == first.headers[name]
        assert "electric-schema" not in answer.headers
    assert http.get(target, headers={"If-None-Match": '"x"'}).status == 200
    subset = http.get(f"{target}&subset__limit=1&subset__order_by=id",
                      headers={"If-None-Match": tag})
    assert subset.status == 200 and "etag" not in subset.headers


# 3. Parameters


@statement(7)
def test_order_of_checks(http, table):
    def errors(**params):
        answer = http.shape(**params)
        assert answer.status == 400, answer
        assert answer.headers["cache-control"] == answer.headers["surrogate-control"] == "no-store"
        assert answer.json()["message"] == "Invalid request"
        return answer.json()["errors"]

    several = errors(replica="x", log="y", params="1")
    assert several == {"replica": ["is invalid"], "log": ["is invalid"], "params": ["is invalid"]}
    bad = {"table": "a.b.c", "live_sse": "true", "subset__limit": "0", "where": "zzz"}
    blank, steps = ["can't be blank"], []
    steps.append(({}, {"offset": blank}))
    steps.append(({"offset": "x"}, {"offset": ["has invalid format"]}))
    steps.append(({"offset": "0_0"}, {"handle": ["can't be blank when offset != -1"]}))
    steps.append(({"offset": "-1", "live": "true"}, {"live": ["can't be true when offset == -1"]}))
    steps.append(({"offset": "now", "live": "1"}, {"live": ["can't be true when offset is 'now'"]}))
    steps.append(({"offset": "-1"}, {"live_sse": ["can't be true unless live is also true"]}))
    for more, want in steps:
        assert errors(**bad, **more) == want
    del bad["live_sse"]
    assert errors(**bad, offset="-1") == {
        "table": ["Invalid relation identifier, too many delimiters: a.b.c"]}
    bad["table"] = table
    assert errors(**bad, offset="-1") == {"where": ["At location 0: unknown reference zzz"]}
    del bad["where"]
    assert list(errors(**bad, offset="-1")) == ["subset"]
    assert errors(offset="-1") == {"table": blank}


def children(parent):
    """The process and its children."""
    found = [parent]
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            if int(status.read_text().rpartition(")")[2].split()[1]) == parent:
                found.append(int(status.parent.name))
        except OSError:
            pass
    return found


@statement(8)
def test_database_away_while_validating(make_cluster, own):
    cluster = make_cluster().start()
    server, base = own(with_cluster=cluster)
    base.run("CREATE TABLE known (id int PRIMARY KEY); CREATE TABLE unknown (id int PRIMARY KEY)")
    client = server.start().client("known").sync()
    server.wait_complete(client)
    frozen = children(cluster.server.pid)
    try:
        for pid in frozen:
            os.kill(pid, signal.SIGSTOP)
        answer = server.http().shape(table="unknown", offset="-1")
        assert answer.status == 503 and answer.headers["retry-after"] == "1", answer
        assert answer.json()["message"] == ("Cannot connect to the database to verify the table."
                                            " Please try again later.")
        assert server.http().shape(table="public.known", offset="-1").status == 200
    finally:
        for pid in frozen:
            signal_quietly(pid, signal.SIGCONT)
    client.close()


@statement(9)
def test_identity_of_a_definition(http, database, table):
    def handle(**params):
        answer = http.shape(**{"table": table, "offset": "-1", **params})
        assert answer.status == 200, answer
        return answer.headers["electric-handle"]

    same = [handle(), handle(table=f"public.{table}"), handle(table=f'"{table}"'),
            handle(columns=""), handle(replica="default"), handle(log="full"), handle(unknown="1")]
    assert len(set(same)) == 1
    filtered = [handle(where="n = 10"), handle(where=" n=10 "),
                handle(where="n = $1", **{"params[1]": "10"}),
                handle(where="n = 10", **{"params[1]": "unused"})]
    assert len(set(filtered)) == 1
    others = [same[0], filtered[0], handle(where="n = 11"), handle(columns="id"),
              handle(replica="full"), handle(log="changes_only")]
    assert len(set(others)) == len(others)
    database.run(f"ALTER TABLE {table} RENAME TO {table}_old")
    database.run(f"CREATE TABLE {table} (id int PRIMARY KEY, v text, n int)")
    until("another table of that name", lambda: handle() != same[0])


# 4. Offsets and chunks


def place(offset):
    """What offsets are compared by."""
    first, second = offset.split("_") if "_" in offset else (-1, 0)
    return int(first), float(second)


@statement(10)
def test_offsets_grow(client, database, table):
    transaction(database, f"UPDATE {table} SET v = 'x'", f"DELETE FROM {table} WHERE id = 1",
                f"INSERT INTO {table} VALUES (3)")
    transaction(database, f"UPDATE {table} SET v = 'y'")
    assert client.offset == "0_inf"
    client.live_until(lambda c: c.changes == 6)
    items = [item["headers"] for item in client.log]
    assert [item["op_position"] for item in items] == [0, 2, 4, 6, 0, 2]
    lsns = [int(item["lsn"]) for item in items]
    assert len(set(lsns[:4])) == len(set(lsns[4:])) == 1 and lsns[0] < lsns[4]
    assert client.offset == f"{lsns[4]}_2"
    offsets = ["-1", "0_0", "0_1", "0_inf", *(f'{i["lsn"]}_{i["op_position"]}' for i in items),
               f"{lsns[4]}_inf"]
    assert sorted(offsets, key=place) == offsets


@statement(11)
def test_chunks_of_the_rows(http, database):
    name = f"s_{random.randrange(1 << 40):x}"
    database.run(f"CREATE TABLE {name} (id int PRIMARY KEY, v text)")
    database.run(f"INSERT INTO {name} SELECT g, repeat('x', 100) FROM generate_series(1, 500) g")
    answers = [http.shape(table=name, offset="-1")]
    handle = answers[0].headers["electric-handle"]
    while "electric-up-to-date" not in answers[-1].headers:
        offset = answers[-1].headers["electric-offset"]
        answers.append(http.shape(table=name, handle=handle, offset=offset))
    *chunks, log = answers
    assert [a.headers["electric-offset"] for a in chunks] == [f"0_{n}" for n in range(len(chunks))]
    assert len(chunks) > 5
    for chunk in chunks[:-1]:
        assert 0.8 * CHUNK < len(chunk.body) < 1.2 * CHUNK and controls(chunk) == []
    assert controls(chunks[-1]) == ["snapshot-end"]
    assert [int(row["value"]["id"]) for chunk in chunks for row in rows(chunk)] == \
        list(range(1, 501))
    assert log.headers["electric-offset"] == "0_inf" and controls(log) == ["up-to-date"]


@statement(12)
def test_the_beginning_is_never_up_to_date(http, database, table):
    database.run(f"DELETE FROM {table}")
    answer = http.shape(table=table, offset="-1")
    assert "electric-up-to-date" not in answer.headers and rows(answer) == []
    assert controls(answer) == ["snapshot-end"]
    assert answer.headers["electric-offset"] == "0_0"
    assert answer.headers["cache-control"] == FIRST


@statement(13)
def test_chunks_of_the_log(server, client, database, table):
    database.run(f"INSERT INTO {table} SELECT g, repeat('y', 100) FROM generate_series(10, 409) g")
    for number in range(500, 540):
        database.run(f"INSERT INTO {table} VALUES (%s, repeat('z', 100))", (number,))
    client.live_until(lambda c: c.changes == 440)
    http = server.http()

    def read():
        offset, answers = "0_inf", []
        while True:
            answers.append(http.shape(table=table, handle=client.handle, offset=offset))
            assert answers[-1].status == 200, answers[-1]
            if "electric-up-to-date" in answers[-1].headers:
                return answers
            last = rows(answers[-1])[-1]["headers"]
            offset = f'{last["lsn"]}_{last["op_position"]}'
            assert answers[-1].headers["electric-offset"] == offset

    first, second = read(), read()
    assert len(first) > 5 and sum(len(rows(answer)) for answer in first) == 440
    for chunk in first[:-1]:
        assert 0.8 * CHUNK < len(chunk.body) < 1.2 * CHUNK
    assert [a.body for a in first[:-1]] == [a.body for a in second[:-1]]
    database.run(f"INSERT INTO {table} VALUES (999)")
    client.live_until(lambda c: c.changes == 441)
    assert [a.body for a in read()[:len(first) - 1]] == [a.body for a in first[:-1]]


@statement(14)
def test_any_offset_inside_the_log(server, client, database, table):
    transaction(database, f"INSERT INTO {table} VALUES (3), (4), (5)")
    client.live_until(lambda c: c.changes == 3)
    lsn = client.position[0]
    assert {item["headers"]["lsn"] for item in client.log} == {str(lsn)}
    for op, left in ((0, 2), (1, 2), (2, 1), (3, 1), (4, 0)):
        answer = server.http().shape(table=table, handle=client.handle, offset=f"{lsn}_{op}")
        assert len(rows(answer)) == left and controls(answer) == ["up-to-date"]
        assert answer.headers["electric-offset"] == f"{lsn}_4"


@statement(15)
def test_offset_beyond_the_end(server, client, database, table):
    transaction(database, f"INSERT INTO {table} VALUES (3)")
    client.live_until(lambda c: c.changes == 1)
    lsn = client.position[0]
    for offset in (f"{lsn}_inf", f"{lsn + 10 ** 9}_0"):
        began = time.monotonic()
        answer = server.http().shape(table=table, handle=client.handle, offset=offset)
        assert time.monotonic() - began >= LONG_POLL / 2 * 0.9
        refused(answer, offset="out of bounds for this shape")
    waits = Waiting(server, {"table": table, "handle": client.handle, "offset": f"{lsn}_inf"})
    transaction(database, f"INSERT INTO {table} VALUES (4)")
    assert [row["value"]["id"] for row in rows(waits.get())] == ["4"]


@statement(16)
def test_offset_now(server, http, database, table):
    answer = http.shape(table=table, offset="now")
    assert controls(answer) == ["up-to-date"] and rows(answer) == []
    headers = answer.headers
    assert (headers["electric-offset"], headers["electric-has-data"]) == ("0_inf", "false")
    assert headers["electric-up-to-date"] == "" and "electric-schema" in headers
    assert headers["cache-control"] == REST
    assert headers["etag"] != http.shape(table=table, offset="now").headers["etag"]
    client = server.client(table).sync()
    assert client.handle == headers["electric-handle"]
    database.run(f"INSERT INTO {table} VALUES (3)")
    client.live_until(lambda c: c.changes == 1)
    assert http.shape(table=table, offset="now").headers["electric-offset"] == client.offset
    client.close()


# 5. Items


@statement(17)
def test_one_spelling(server, database):
    name = f"s_{random.randrange(1 << 40):x}"
    database.run(f"CREATE TABLE {name} (id int PRIMARY KEY, b bool, i inet, t timestamptz, d date,"
                 " y bytea, f float8, iv interval, z int)")
    values = ("true, '10.0.0.1', '2024-01-02 03:04:05+02', '2024-02-29', '\\xdead', 0.1,"
              " '1 day 2 hours', NULL")
    database.run(f"INSERT INTO {name} VALUES (1, {values})")
    client = server.client(name).sync()
    database.run(f"INSERT INTO {name} VALUES (2, {values})")
    client.live_until(lambda c: len(c.rows) == 2)
    want = {"b": "true", "i": "10.0.0.1/32", "t": "2024-01-02 01:04:05+00", "d": "2024-02-29",
            "y": "\\xdead", "f": "0.1", "iv": "P1DT2H", "z": None}
    for number, row in enumerate(client.rows.values(), 1):
        assert row == {"id": str(number), **want}
    client.close()


@statement(18)
def test_keys(http, database):
    name = f"Key {random.randrange(1 << 40):x}"
    database.run(f'CREATE TABLE "{name}" (v text, b bool, a int, PRIMARY KEY (a, v, b))')
    database.run(f"INSERT INTO \"{name}\" VALUES ('x/y', true, 1), ('', false, 2)")
    answer = http.shape(table=f'"{name}"', offset="-1")
    assert {row["key"] for row in rows(answer)} == {
        f'"public"."{name}"/"1"/"x//y"/"true"', f'"public"."{name}"/"2"/""/"false"'}
    database.run(f'CREATE TABLE "{name}-" (a int, v text)')
    database.run(f'INSERT INTO "{name}-" VALUES (1, NULL)')
    answer = http.shape(table=f'"{name}-"', offset="-1")
    assert [row["key"] for row in rows(answer)] == [f'"public"."{name}-"/"1"/_']


def changes(client, database, *statements):
    """The items of one transaction, without what is tested elsewhere."""
    before = len(client.log)
    transaction(database, *statements)
    client.live_until(lambda c: len(c.log) > before)
    return [{"op": item["headers"]["operation"], "value": item["value"],
             **{name: item[name] for name in ("old_value",) if name in item}}
            for item in client.log[before:]]


@statement(19)
def test_what_changes_carry(server, client, database, table):
    whole = server.client(table, replica="full").sync()
    sql = (f"INSERT INTO {table} VALUES (3, 'c', NULL)", f"UPDATE {table} SET v = 'aa' WHERE id = 1",
           f"UPDATE {table} SET n = n WHERE id = 2", f"DELETE FROM {table} WHERE id = 2")
    assert changes(client, database, *sql) == [
        {"op": "insert", "value": {"id": "3", "v": "c", "n": None}},
        {"op": "update", "value": {"id": "1", "v": "aa"}},
        {"op": "delete", "value": {"id": "2"}}]
    whole.live_until(lambda c: c.changes == 3)
    assert [(i["value"], i.get("old_value")) for i in whole.log] == [
        ({"id": "3", "v": "c", "n": None}, None),
        ({"id": "1", "v": "aa", "n": "10"}, {"v": "a"}),
        ({"id": "2", "v": "b", "n": "20"}, None)]
    part = server.client(table, columns="id,n").sync()
    assert changes(part, database, f"UPDATE {table} SET v = 'q' WHERE id = 1",
                   f"UPDATE {table} SET n = 11 WHERE id = 1") == [
        {"op": "update", "value": {"id": "1", "n": "11"}}]
    whole.close()
    part.close()


@statement(20)
def test_a_changed_key(client, database, table):
    got = changes(client, database, f"UPDATE {table} SET id = 22 WHERE id = 2")
    assert got == [{"op": "delete", "value": {"id": "2"}},
                   {"op": "insert", "value": {"id": "22", "v": "b", "n": "20"}}]
    old, new = client.log
    assert old["headers"]["key_change_to"] == new["key"] == f'"public"."{table}"/"22"'
    assert new["headers"]["key_change_from"] == old["key"] == f'"public"."{table}"/"2"'
    assert new["headers"]["op_position"] == old["headers"]["op_position"] + 1
    assert new["headers"]["lsn"] == old["headers"]["lsn"]


@statement(21)
def test_rows_enter_and_leave(server, database, table):
    client = server.client(table, where="n > 15").sync()
    assert [row["id"] for row in client.rows.values()] == ["2"]
    got = changes(client, database, f"UPDATE {table} SET n = 100 WHERE id = 1",
                  f"UPDATE {table} SET n = 1 WHERE id = 2", f"INSERT INTO {table} VALUES (9, '', 0)")
    assert got == [{"op": "insert", "value": {"id": "1", "v": "a", "n": "100"}},
                   {"op": "delete", "value": {"id": "2"}}]
    client.close()


@statement(22)
def test_ends_of_transactions(client, database, table):
    xid = transaction(database, f"INSERT INTO {table} VALUES (3), (4)",
                      f"UPDATE {table} SET n = n WHERE id = 1")
    client.live_until(lambda c: c.changes == 2)
    first, last = (item["headers"] for item in client.log)
    assert "last" not in first and last["last"] is True
    for headers in (first, last):
        assert headers["txids"] == [xid] and isinstance(headers["lsn"], str)


@statement(23)
def test_what_was_seen(server, client, database, table):
    waits = Waiting(server, client.query(live=True))
    database.run(f"INSERT INTO {table} VALUES (3)")
    answer = waits.get()
    own = answer.headers["electric-offset"].split("_")[0]
    assert answer.json()[-1]["headers"] == {"control": "up-to-date", "global_last_seen_lsn": own}
    database.run("CREATE TABLE IF NOT EXISTS seen (id int)")
    database.run("INSERT INTO seen VALUES (1)")
    written = database.lsn()
    query = {"table": table, "handle": client.handle, "offset": "0_inf"}
    later = until("the engine to have seen it", lambda: next(
        (a for a in [server.http().shape(**query)]
         if int(a.json()[-1]["headers"]["global_last_seen_lsn"]) >= written), None))
    assert later.headers["electric-offset"] == answer.headers["electric-offset"]
    query["offset"], query["live"] = later.headers["electric-offset"], "true"
    timed_out = server.http().shape(**query)
    assert int(timed_out.json()[-1]["headers"]["global_last_seen_lsn"]) >= written


# 6. Live


@statement(25)
def test_live(server, client, database, table):
    began = time.monotonic()
    answer = server.http().shape(**client.query(live=True))
    assert time.monotonic() - began >= LONG_POLL * 0.9
    assert answer.status == 200 and controls(answer) == ["up-to-date"] and rows(answer) == []
    assert answer.headers["electric-offset"] == client.offset
    assert answer.headers["electric-has-data"] == "false"
    assert answer.headers["cache-control"] == LIVE and "electric-schema" not in answer.headers
    waits = Waiting(server, client.query(live=True))
    database.run(f"INSERT INTO {table} VALUES (3)")
    assert [row["value"]["id"] for row in rows(waits.get())] == ["3"]
    began = time.monotonic()
    answer = server.http().shape(**client.query(live=True))  # data is there
    assert len(rows(answer)) == 1 and time.monotonic() - began < LONG_POLL * 0.9
    assert answer.headers["electric-has-data"] == "true"
    assert answer.headers["electric-up-to-date"] == ""


@statement(26)
def test_rotation_while_parked(server, client, database, table):
    waits = Waiting(server, client.query(live=True))
    database.run(f"TRUNCATE {table}")
    answer = waits.get()
    assert answer.status == 409 and answer.json() == MUST_REFETCH
    if "electric-handle" in answer.headers:
        assert answer.headers["cache-control"] == "public, max-age=60, must-revalidate"
    else:
        assert answer.headers["cache-control"] == "public, max-age=1, must-revalidate"


@statement(27)
def test_cursor(server, client, database, table):
    database.run(f"INSERT INTO {table} VALUES (3)")
    query = {**client.query(live=True)}
    client.live_until(lambda c: c.changes == 1)
    http = server.http()
    before = int(time.time()) - CURSOR_EPOCH
    cursor = int(http.shape(**query).headers["electric-cursor"])
    assert before <= cursor <= before + 3  # 1.5 s: whole seconds
    for sent in (cursor, cursor + 7):
        given = int(http.shape(**query, cursor=sent).headers["electric-cursor"])
        assert sent < given <= sent + 3600
    assert int(http.shape(**query, cursor="x").headers["electric-cursor"]) <= cursor + 3


@statement(28)
def test_who_waits_when_the_server_leaves(own):
    server, base = own()
    base.run("CREATE TABLE t (id int PRIMARY KEY)")
    client = server.start().client("t").sync()
    waits = [Waiting(server, client.query(live=True)) for _ in range(3)]
    server.kill("api", signal.SIGTERM)
    for each in waits:
        answer = each.get()
        assert answer.status == 200 and controls(answer) == ["up-to-date"]
        assert answer.headers["electric-has-data"] == "false"
    client.close()


@statement(28)
def test_who_leaves_is_forgotten(own):
    server, base = own(ELECTRIC_MAX_CONCURRENT_REQUESTS='{"initial":5,"existing":2}')
    base.run("CREATE TABLE t (id int PRIMARY KEY)")
    client = server.start().client("t").sync()
    query = "&".join(f"{name}={value}" for name, value in client.query(live=True).items())
    for _ in range(6):  # each would take one of two places for 20 s
        with socket.create_connection(("127.0.0.1", server.port)) as link:
            link.sendall(f"GET /v1/shape?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            time.sleep(0.1)
    until("a place", lambda: server.http().shape(table="t", offset="-1").status == 200, 2)
    client.close()


# 7. SSE


@statement(29)
def test_events(server, client, database, table):
    query = "&".join(f"{n}={v}" for n, v in {**client.query(live=True), "live_sse": "1"}.items())
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience(10)) as link:
        link.sendall(f"GET /v1/shape?{query} HTTP/1.0\r\nConnection: keep-alive\r\n\r\n".encode())
        time.sleep(0.3)
        database.run(f"INSERT INTO {table} VALUES (3, 'x')")
        got = b""
        while got.count(b"\n\n") < 2:
            part = link.recv(65536)
            assert part, got
            got += part
    head, _, body = got.decode().partition("\r\n\r\n")
    head = head.lower()
    assert "\r\ncontent-type: text/event-stream" in head
    assert "\r\ncache-control: public, max-age=59" in head and "\r\nelectric-cursor: " in head
    item, control = body[:-2].split("\n\n")
    assert json.loads(item.removeprefix("data: "))["value"] == {"id": "3", "v": "x", "n": None}
    assert json.loads(control.removeprefix("data: "))["headers"]["control"] == "up-to-date"


@statement(29)
def test_comments_keep_a_stream_alive(server, client):
    """After 21 s of silence."""
    query = "&".join(f"{n}={v}" for n, v in {**client.query(live=True), "live_sse": "1"}.items())
    with socket.create_connection(("127.0.0.1", server.port), timeout=patience(30)) as link:
        link.sendall(f"GET /v1/shape?{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        began, got = time.monotonic(), b""
        while b": keep-alive\n\n" not in got:
            part = link.recv(65536)
            assert part and b"[]" not in got, got
            got += part
    assert 20 < time.monotonic() - began < patience(25)


@statement(30)
def test_data_at_the_start_ends_the_stream(server, client, database, table):
    query = {**client.query(live=True), "live_sse": "true"}
    database.run(f"INSERT INTO {table} VALUES (3)")
    client.live_until(lambda c: c.changes == 1)
    answer = server.http().shape(**query)  # it ends, else this would time out
    assert answer.headers["content-type"] == "text/event-stream"
    events = answer.body.decode().split("\n\n")
    assert len(events) == 3 and json.loads(events[0].removeprefix("data: "))["value"]["id"] == "3"
    assert "up-to-date" in events[1] and events[2] == ""


@statement(30)
def test_rotation_ends_the_stream_without_a_message(server, client, database, table):
    query = {**client.query(live=True), "live_sse": "true"}
    waits = Waiting(server, query)
    database.run(f"TRUNCATE {table}")
    answer = waits.get()
    assert (answer.status, answer.body) == (200, b"")
    del query["live_sse"]
    assert server.http().shape(**query).status == 409
    refused(server.http().shape(table=table, offset="x", live="1", live_sse="1"),
            offset="has invalid format")


# 8. 409 and other ends


@statement(31)
def test_wrong_handles(server, client, http, database, table):
    other = http.shape(table=table, offset="-1", where="n = 10").headers["electric-handle"]
    dropped = http.shape(table=table, offset="-1", where="n = 20").headers["electric-handle"]
    assert http.request("DELETE", f"/v1/shape?handle={dropped}").status == 202
    for handle in ("123-456", other, dropped, "nope"):
        answer = http.shape(table=table, handle=handle, offset="0_0")
        assert answer.status == 409 and answer.json() == MUST_REFETCH, answer
        assert answer.headers["electric-handle"] == client.handle
        assert answer.headers["etag"] == f'"{client.handle}::"'
        assert answer.headers["cache-control"] == "public, max-age=60, must-revalidate"
    made = http.shape(table=table, handle="1-2", offset="0_0", where="n = 30")
    assert made.status == 409 and made.headers["electric-handle"] == \
        http.shape(table=table, offset="-1", where="n = 30").headers["electric-handle"]


@statement(32)
def test_when_handles_end(server, http, database, table):
    def rotated(handle):
        answer = http.shape(table=table, handle=handle, offset="0_inf")
        return answer.status == 409 and answer.headers.get("electric-handle") != handle and answer

    client = server.client(table).sync()
    for sql in (f"TRUNCATE {table}", f"ALTER TABLE {table} ADD COLUMN w int;"
                                     f" INSERT INTO {table} VALUES (7)"):
        old = client.handle
        database.run(sql)
        until("409", lambda: rotated(old))
        client = server.client(table).sync()
        assert client.handle != old
    assert client.schema["w"] == {"type": "int4"}
    old = client.handle
    database.run(f"DROP TABLE {table}")
    assert http.shape(table=table, handle=old, offset="0_0").status in (200, 400, 409)
    client.close()


@statement(33)
def test_snapshot_that_fails(http, table):
    answer = http.shape(table=table, offset="-1", where="v::int = 1")
    assert answer.status == 500
    assert answer.json() == {"message": "Unexpected error while creating snapshot: invalid input"
                                        ' syntax for type integer: "a"'}
    assert answer.headers["cache-control"] == "no-store"


@statement(33)
def test_snapshot_without_permission(cluster, own):
    server, base = own()
    role = f"poor_{base.name}"
    base.run(f"CREATE TABLE t (id int PRIMARY KEY); CREATE ROLE {role} LOGIN REPLICATION;"
             f" GRANT CREATE ON DATABASE {base.name} TO {role}; ALTER TABLE t REPLICA IDENTITY FULL;"
             f" ALTER TABLE t OWNER TO {role}; REVOKE SELECT ON t FROM {role}")
    server.settings["DATABASE_URL"] = cluster.url(base.name, role)
    answer = server.start().http().shape(table="t", offset="-1")
    assert answer.status == 503 and "ermission denied" in answer.json()["message"], answer
    assert answer.headers["retry-after"] == "10"
    assert answer.headers["electric-internal-known-error"] == "true"
    server.stop()
    base.run(f"DROP OWNED BY {role} CASCADE; DROP ROLE {role}")


@statement(34)
def test_not_ready(make_cluster, own):
    cluster = make_cluster().start()
    server, base = own(with_cluster=cluster)
    base.run("CREATE TABLE t (id int PRIMARY KEY)")
    cluster.stop()
    server.start(wait=None)
    until("an answer", lambda: server.health() not in (None, "active"))
    began = time.monotonic()
    answer = server.http().shape(table="t", offset="-1")
    assert answer.status == 503 and time.monotonic() - began >= 4.5, answer
    assert answer.json()["message"].startswith("Timeout waiting for ")
    assert answer.headers["retry-after"] == "5" and answer.headers["cache-control"] == "no-store"


@statement(34)
def test_existing_shapes_never_wait(make_cluster, own):
    cluster = make_cluster().start()
    server, base = own(with_cluster=cluster)
    base.run("CREATE TABLE t (id int PRIMARY KEY)")
    client = server.start().client("t").sync()
    server.wait_complete(client)
    cluster.stop()
    for _ in range(20):
        began = time.monotonic()
        assert server.http().shape(table="t", offset="-1").headers["electric-handle"] == \
            client.handle
        assert time.monotonic() - began < patience(1)
    client.close()


@statement(35)
def test_database_that_goes_away_in_the_middle(make_cluster, own):
    cluster = make_cluster().start()
    server, base = own(with_cluster=cluster)
    base.run("CREATE TABLE t (id int PRIMARY KEY)")
    client = server.start().client("t").sync()
    server.wait_complete(client)
    cluster.stop()
    answer = server.http().shape(table="t", offset="-1", subset__where="id > 0")
    assert answer.status == 503 and answer.headers["retry-after"] == "10", answer
    assert answer.json() == {"code": "database_unreachable", "error": "Database is unreachable"}
    client.close()


# 9. Subsets and changes-only


@statement(36)
def test_changes_only(server, http, database, table):
    answer = http.shape(table=table, offset="-1", log="changes_only")
    assert rows(answer) == [] and controls(answer) == ["snapshot-end"]
    query = {"table": table, "handle": answer.headers["electric-handle"], "log": "changes_only"}
    assert http.shape(**query, offset="0_0").headers["electric-offset"] == "0_inf"
    subset = http.shape(**query, offset="0_inf", subset__where="id = 1").json()
    marks = subset["metadata"]
    waits = Waiting(server, {**query, "offset": "0_inf", "live": "true"})
    xid = transaction(database, f"UPDATE {table} SET v = 'after' WHERE id = 1")
    item, = rows(waits.get())
    assert item["headers"]["txids"] == [xid] and item["value"] == {"id": "1", "v": "after"}
    assert xid >= int(marks["xmax"]) % 2 ** 32 or str(xid) in marks["xip_list"]
    seen = http.shape(**query, offset="0_inf", subset__where="id = 1").json()
    assert seen["data"][0]["value"]["v"] == "after" and xid < int(seen["metadata"]["xmax"])


@statement(37)
def test_forms_of_a_subset(http, table):
    target = f"/v1/shape?table={table}&offset=-1"
    params = json.dumps({"1": "15"})
    by_query = http.shape(table=table, offset="-1", subset__where="n > $1", subset__params=params,
                          subset__order_by="id", subset__limit="5")
    fields = {"where": "n > $1", "params": {"1": "15"}, "order_by": "id", "limit": 5,
              "where_expr": {"any": 1}, "order_by_expr": []}
    nested = http.request("POST", target, body=json.dumps({"subset": fields}))
    flat = http.request("POST", target, body=json.dumps(fields))
    for answer in (by_query, nested, flat):
        assert answer.status == 200, answer
        assert [row["value"]["id"] for row in answer.json()["data"]] == ["2"]
        assert answer.headers["cache-control"] == "no-cache"
    handle = by_query.headers["electric-handle"]
    with_handle = http.shape(table=table, handle=handle, offset="0_0", subset__where="n > 15")
    assert len(with_handle.json()["data"]) == 1


@statement(38)
def test_answer_of_a_subset(http, table):
    answer = http.shape(table=table, offset="-1", subset__order_by="id")
    assert answer.status == 200 and answer.headers["electric-snapshot"] == "true"
    assert "etag" not in answer.headers and "electric-has-data" not in answer.headers
    body = answer.json()
    assert set(body) == {"metadata", "data"}
    marks = body["metadata"]
    assert set(marks) == {"snapshot_mark", "database_lsn", "xmin", "xmax", "xip_list"}
    assert int(marks["database_lsn"]) > 0 and int(marks["xmax"]) >= int(marks["xmin"])
    assert body["data"][0] == {
        "key": f'"public"."{table}"/"1"', "value": {"id": "1", "v": "a", "n": "10"},
        "headers": {"operation": "insert", "relation": ["public", table],
                    "snapshot_mark": marks["snapshot_mark"]}}
    assert len(body["data"]) == 2


@statement(39)
def test_rules_of_subsets(http, table):
    def ids(**params):
        answer = http.shape(table=table, offset="-1", **params)
        assert answer.status == 200, answer
        return [row["value"]["id"] for row in answer.json()["data"]]

    assert ids(where="n = 10 OR n = 20", subset__where="id = 1 OR false") == ["1"]
    assert ids(subset__order_by="n DESC NULLS LAST, id ASC") == ["2", "1"]
    assert ids(subset__order_by="id", subset__limit="1", subset__offset="1") == ["2"]
    for given, field, text in (
            ({"limit": "1"}, "order_by", "order_by is required when limit or offset is present"),
            ({"offset": "1"}, "order_by", "order_by is required when limit or offset is present"),
            ({"limit": "0", "order_by": "id"}, "limit", "must be greater than 0"),
            ({"offset": "-1", "order_by": "id"}, "offset", "must be greater than or equal to 0"),
            ({"order_by": "zzz"}, "order_by", "At location 18: unknown reference zzz"),
            ({"where": "zzz"}, "where", "At location 0: unknown reference zzz"),
            ({"where": f"id IN (SELECT id FROM {table})"}, "where",
             "Subqueries are not allowed in subsets")):
        answer = http.shape(table=table, offset="-1",
                            **{f"subset__{name}": value for name, value in given.items()})
        assert answer.status == 400, answer
        assert answer.json() == {**REFUSED, "errors": {"subset": {field: [text]}}}
    for order in ("lower(v)", "1", "n + 1", "id; DROP TABLE x"):
        assert http.shape(table=table, offset="-1", subset__order_by=order).status == 400


@statement(40)
def test_enums_in_subsets(http, database):
    name = f"s_{random.randrange(1 << 40):x}"
    database.run(f"CREATE TYPE {name}_mood AS ENUM ('sad', 'ok')")
    database.run(f"CREATE TABLE {name} (id int PRIMARY KEY, m {name}_mood)")
    database.run(f"INSERT INTO {name} VALUES (1, 'sad'), (2, 'ok')")
    answer = http.shape(table=name, offset="-1", subset__where="m = 'ok'")
    assert [row["value"] for row in answer.json()["data"]] == [{"id": "2", "m": "ok"}]


# 10. DELETE


@statement(41)
def test_delete(server, client, http, table):
    def delete(query):
        answer = http.request("DELETE", f"/v1/shape{query}")
        assert answer.headers["cache-control"] == "no-cache"
        return answer

    assert (delete(f"?table={table}&handle=nope").status) == 404
    answer = delete(f"?table={table}")
    assert (answer.status, answer.body) == (202, b"")
    answer = delete(f"?table={table}")
    assert (answer.status, answer.json()) == (404, {"message": "No existing shape found"})
    refused(delete(""), handle="can't be blank when shape definition is missing")
    assert delete("?handle=nope").status == 404
    assert http.shape(table=table, handle=client.handle, offset="0_inf").status == 409
    by_handle = http.shape(table=table, offset="-1").headers["electric-handle"]
    assert delete(f"?handle={by_handle}").status == 202
    both = http.shape(table=table, offset="-1").headers["electric-handle"]
    assert delete(f"?table={table}&handle={both}").status == 202


@statement(41)
def test_delete_is_off(own):
    server, base = own()
    base.run("CREATE TABLE t (id int PRIMARY KEY)")
    http = server.start().http()
    assert http.shape(table="t", offset="-1").status == 200
    answer = http.request("DELETE", "/v1/shape?table=t")
    assert (answer.status, answer.json()) == (405, {"message": "DELETE not allowed"})


# 11. Health


@statement(42)
def test_health(http, make_cluster, own):
    answer = http.get("/v1/health")
    assert (answer.status, answer.json()) == (200, {"status": "active"})
    assert answer.headers["cache-control"] == "no-cache, no-store, must-revalidate"
    cluster = make_cluster().start()
    server, _base = own(with_cluster=cluster)
    cluster.stop()
    server.start(wait=None)
    until("health", lambda: server.health() is not None)
    assert server.http().get("/v1/health").status == 202
    assert server.http().get("/v1/health").json()["status"] in ("waiting", "starting")


# 12. Admission


@statement(43)
def test_admission(own):
    server, base = own(ELECTRIC_MAX_CONCURRENT_REQUESTS='{"initial":1,"existing":50}')
    base.run("CREATE TABLE ready (id int PRIMARY KEY); CREATE TABLE a (id int PRIMARY KEY);"
             " CREATE TABLE b (id int PRIMARY KEY)")
    http = server.start().http()
    assert http.shape(table="ready", offset="-1").status == 200
    with closing(base.writer()) as writer, writer.cursor() as cursor:
        cursor.execute("INSERT INTO a VALUES (1)")  # its snapshot has to wait for this
        waits = Waiting(server, {"table": "a", "offset": "-1"})
        refusal = http.shape(table="b", offset="-1")
        assert refusal.status == 503 and refusal.json() == {
            "code": "concurrent_request_limit_exceeded",
            "message": "Concurrent initial request limit exceeded (limit: 1), please retry"}
        assert 6 <= int(refusal.headers["retry-after"]) <= 10
        assert refusal.headers["cache-control"] == "no-store"
        assert refusal.headers["electric-internal-known-error"] == "true"
        assert http.shape(table="public.ready", offset="-1").status == 200
        writer.commit()
    assert waits.get().status == 200
    assert http.shape(table="b", offset="-1").status == 200
