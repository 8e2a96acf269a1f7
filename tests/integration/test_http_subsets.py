"""http-api §9: POST bodies, changes_only and subsets; statements [5] and [36] to [40]."""
import json
import socket
import threading
import time
from contextlib import closing

import pytest

from pylib.client import Http, difference, visible
from pylib.wait import until

CREATE = """
    CREATE TABLE h_items (id int PRIMARY KEY, v text, n int);
    INSERT INTO h_items VALUES (1, 'aa', 100), (22, 'b', 1), (50, 'no', 1), (77, 'sse', 1);
    CREATE TABLE h_full (id int PRIMARY KEY);
    CREATE TYPE colour AS ENUM ('red', 'green', 'blue');
    CREATE TABLE h_enum (id int PRIMARY KEY, c colour, s text, u uuid);
    INSERT INTO h_enum VALUES (1, 'red', 'x'), (2, 'green', 'y'), (3, NULL, 'z');
    CREATE TABLE h_many (id int PRIMARY KEY, v text);
"""
SCHEMA = {"id": {"type": "int4", "not_null": True, "pk_index": 0}, "n": {"type": "int4"},
          "v": {"type": "text"}}


@pytest.fixture(scope="module")
def http(module_database, module_engine):
    module_database.run(CREATE)
    return module_engine.http()


def ask(http, method="GET", body=None, headers=None, **params):
    params = {"table": "h_items", "offset": "-1", "log": "changes_only", **params}
    if body is not None and not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    return http.request(method, "/v1/shape", params, headers, body)


def taken(answer):
    """[38] The rows of a subset's answer as {id: value}, in order; checks everything around them."""
    assert answer.status == 200, answer
    headers = answer.headers
    assert headers["electric-snapshot"] == "true"
    assert headers["cache-control"] == "no-cache"
    assert headers["electric-handle"] and headers["electric-offset"]
    assert headers["content-type"] == "application/json; charset=utf-8"
    for absent in ("etag", "electric-has-data", "electric-up-to-date", "electric-cursor"):
        assert absent not in headers
    answered = answer.json()
    assert set(answered) == {"metadata", "data"}
    metadata = answered["metadata"]
    assert set(metadata) == {"xmin", "xmax", "xip_list", "snapshot_mark", "database_lsn"}
    assert 0 < metadata["snapshot_mark"] < 2 ** 31
    for name in ("xmin", "xmax", "database_lsn"):
        assert metadata[name].isdigit()
    assert all(isinstance(xid, str) and xid.isdigit() for xid in metadata["xip_list"])
    rows = {}
    for item in answered["data"]:
        assert set(item) == {"key", "value", "headers"}
        assert item["headers"]["operation"] == "insert"
        assert item["headers"]["snapshot_mark"] == metadata["snapshot_mark"]
        assert set(item["headers"]) == {"operation", "relation", "snapshot_mark"}
        rows[int(item["value"]["id"])] = item["value"]
    return rows


def refused(answer, **errors):
    assert answer.status == 400, answer
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"message": "Invalid request", "errors": {
        "subset": {field: [text] for field, text in errors.items()}}}


# [5] POST

def test_post_without_a_body_is_a_get(http):  # [5]
    got = ask(http)
    posted = ask(http, "POST")
    assert posted.status == 200 and posted.body == got.body
    assert posted.headers["electric-handle"] == got.headers["electric-handle"]
    assert posted.headers["cache-control"] == "no-cache"
    assert ask(http, "POST", body={}).body == got.body


def test_bodies_that_are_no_object(http):  # [5]
    answer = ask(http, "POST", body="[1]")
    assert answer.status == 400
    assert answer.headers["cache-control"] == "max-age=0, private, must-revalidate"
    assert answer.json() == {"error": "Request body must be a JSON object"}
    answer = ask(http, "POST", body="{oops")
    assert answer.status == 400
    assert answer.headers["cache-control"] == "max-age=0, private, must-revalidate"
    assert answer.json() == {"error": "Invalid JSON in request body",
                             "details": 'unexpected byte at position 1: 0x6F ("o")'}
    for body in ("{", '{"a":', "nul", '{"a":1}}', '{"a":01}', "\x00", '{"a":"\\x"}'):
        answer = ask(http, "POST", body=body)
        assert answer.status == 400 and answer.json()["error"] == "Invalid JSON in request body"


def test_a_body_of_more_than_8_mb(module_engine, http):  # [5]
    with closing(socket.create_connection(("127.0.0.1", module_engine.port), timeout=10)) as raw:
        raw.sendall(b"POST /v1/shape?table=h_items&offset=-1 HTTP/1.1\r\nhost: x\r\n"
                    b"content-length: 8388609\r\n\r\n")
        answer = raw.recv(4096)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b'{"error":"Request body too large"}')


def test_a_large_body_is_taken(http):  # [5]
    params = {str(number): str(number) for number in range(1, 9001)}
    where = "id IN (" + ",".join(f"${number}" for number in range(1, 3001)) + ")"
    body = {"subset": {"where": where, "params": params}, "padding": "x" * 6_000_000}
    assert list(taken(ask(http, "POST", body=body))) == [1, 22, 50, 77]


def test_a_definition_in_the_body(http):  # [5]
    body = {"table": "h_items", "offset": "-1", "where": "n = $1", "params": {"1": 1}}
    answer = http.request("POST", "/v1/shape", body=json.dumps(body))
    assert answer.status == 200 and "electric-snapshot" not in answer.headers
    assert [item["value"]["id"] for item in answer.json()[:-1]] == ["22", "50", "77"]
    query = {"table": "h_items", "offset": "-1", "where": "n = $1", "params[1]": "1"}
    assert http.get("/v1/shape", query).headers["electric-handle"] == \
        answer.headers["electric-handle"]
    body["params"] = '{"1": "1"}'
    answer = http.request("POST", "/v1/shape", body=json.dumps(body))
    assert answer.json()["errors"] == {"params": ["is invalid"]}


def test_a_secret_in_the_body_is_none(database, make_engine):  # [3]
    database.run(CREATE)
    engine = make_engine(database, ELECTRIC_INSECURE=None, ELECTRIC_SECRET="s3cret").start()
    answer = ask(engine.http(), "POST", body={"secret": "s3cret", "limit": 1, "order_by": "id"})
    assert answer.status == 401
    answer = ask(engine.http(), "POST", body={"limit": 1, "order_by": "id"}, secret="s3cret")
    assert list(taken(answer)) == [1]


# [36] changes_only

def test_changes_only_begins_without_rows(http):  # [36]
    answer = ask(http)
    assert answer.status == 200 and answer.headers["electric-offset"] == "0_0"
    items = answer.json()
    assert len(items) == 1 and items[0]["headers"]["control"] == "snapshot-end"
    follow = ask(http, offset="0_0", handle=answer.headers["electric-handle"])
    assert [item["headers"]["control"] for item in follow.json()] == ["up-to-date"]
    now = ask(http, offset="now")
    assert now.headers["electric-handle"] == answer.headers["electric-handle"]
    assert [item["headers"]["control"] for item in now.json()] == ["up-to-date"]


def test_only_changes_follow(database, engine):  # [36]
    """Updates and deletes of rows that the client has never seen come as they are."""
    database.run(CREATE)
    http = engine.http()
    for replica, first in (("default", {"id": "1", "v": "new"}),
                           ("full", {"id": "1", "v": "new2", "n": "100"})):
        begun = ask(http, offset="now", replica=replica)
        at = {"handle": begun.headers["electric-handle"], "replica": replica}
        value = first["v"]
        database.run(f"UPDATE h_items SET v = '{value}' WHERE id = 1;"
                     f"DELETE FROM h_items WHERE id = {22 if replica == 'default' else 50};")
        items = []
        offset = begun.headers["electric-offset"]
        until("both changes", lambda: grow(http, items, offset, at))
        assert items[0]["value"] == first and items[0]["headers"]["operation"] == "update"
        assert items[1]["headers"]["operation"] == "delete"
        assert ("n" in items[1]["value"]) == (replica == "full")


def grow(http, items, offset, params):
    answer = ask(http, offset=offset, **params)
    items[:] = [item for item in answer.json() if "operation" in item["headers"]]
    return len(items) >= 2


def test_the_log_and_a_subset_meet(database, engine):  # [36]
    """What a subset's marks see is in its rows, what they do not comes in the log: never neither."""
    database.run(CREATE)
    http = engine.http()
    offset = ask(http, offset="now")
    at = {"handle": offset.headers["electric-handle"]}
    with closing(database.writer()) as open_one:
        cursor = open_one.cursor()
        cursor.execute("UPDATE h_items SET n = 7 WHERE id = 1")
        cursor.execute("SELECT pg_current_xact_id()::text")
        xid = int(cursor.fetchone()[0])
        answer = ask(http, subset__where="id = 1")
        assert taken(answer)[1]["n"] == "100"
        assert not visible(xid, answer.json()["metadata"])
        assert str(xid) in answer.json()["metadata"]["xip_list"] or \
            xid >= int(answer.json()["metadata"]["xmax"])
        open_one.commit()
    items = []
    start = offset.headers["electric-offset"]
    until("the change", lambda: items.extend(
        item for item in ask(http, offset=start, **at).json() if "key" in item) or items)
    assert items[0]["headers"]["txids"] == [xid % 2 ** 32] and items[0]["value"]["n"] == "7"
    answer = ask(http, subset__where="id = 1")
    metadata = answer.json()["metadata"]
    assert taken(answer)[1]["n"] == "7" and visible(xid, metadata)
    assert int(metadata["database_lsn"]) > int(items[0]["headers"]["lsn"])


class Merging:
    """A client of a changes_only shape as the published one works: subsets, and changes that are not
    in them."""

    def __init__(self, port, table, **params):
        self.http = Http(port)
        self.params = {"table": table, "log": "changes_only", **params}
        self.rows, self.snapshots = {}, []
        answer = self.get(offset="now")
        self.handle, self.offset = (answer.headers[f"electric-{name}"] for name in
                                    ("handle", "offset"))

    def get(self, **params):
        answer = self.http.get("/v1/shape", {**self.params, **params})
        assert answer.status == 200, answer
        return answer

    def subset(self, **params):
        wanted = {f"subset__{name}": value for name, value in params.items()}
        answer = self.get(handle=self.handle, offset=self.offset, **wanted)
        assert answer.headers["electric-offset"] == self.offset
        body = answer.json()
        for item in body["data"]:
            self.rows[item["key"]] = item["value"]
        self.snapshots.append((body["metadata"], {item["key"] for item in body["data"]}))

    def sees(self, item):
        return any(item["key"] in keys and visible(item["headers"]["txids"][0], metadata)
                   for metadata, keys in self.snapshots)

    def poll(self):
        answer = self.get(handle=self.handle, offset=self.offset)
        for item in answer.json():
            if "key" not in item or self.sees(item):
                continue
            if item["headers"]["operation"] == "delete":
                self.rows.pop(item["key"], None)
            elif item["headers"]["operation"] == "insert" or item["key"] in self.rows:
                self.rows[item["key"]] = {**self.rows.get(item["key"], {}), **item["value"]}
        self.offset = answer.headers["electric-offset"]
        return "electric-up-to-date" in answer.headers

    def table(self):
        return {(value["id"],): value for value in self.rows.values()}


def test_subsets_during_changes_end_as_the_table(database, engine):  # [36]
    database.run(CREATE)
    database.run("INSERT INTO h_many SELECT i, 'a' FROM generate_series(1, 300) i")
    client = Merging(engine.port, "h_many", replica="full")
    stop = threading.Event()

    def write():
        with closing(database.connect()) as connection:
            cursor = connection.cursor()
            step = 0
            while not stop.is_set():
                step += 1
                cursor.execute("UPDATE h_many SET v = %s WHERE id = %s", (str(step), step % 300 + 1))
                if step % 5 == 0:
                    cursor.execute("DELETE FROM h_many WHERE id = %s", (step * 7 % 300 + 1,))
                    cursor.execute("INSERT INTO h_many VALUES (%s, 'n') ON CONFLICT DO NOTHING",
                                   (step * 11 % 300 + 1,))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    try:
        for first in range(0, 300, 30):
            client.subset(where=f"id > {first} AND id <= {first + 30}", order_by="id", limit="30")
            for _ in range(5):
                client.poll()
    finally:
        stop.set()
        writer.join(10)
    want = database.table("h_many")
    until("the rows to be the table's",
          lambda: client.poll() and not difference(client.table(), want), 20, 0.1)


def test_a_subset_sees_what_was_streamed(make_cluster, make_engine):  # [36]
    """A commit that waits for a standby is streamed and yet invisible: a subset waits for it."""
    cluster = make_cluster().start()
    database = cluster.create_database()
    database.run(CREATE)
    http = make_engine(database).start().http()
    begun = ask(http, offset="now")
    at = {"handle": begun.headers["electric-handle"], "offset": begun.headers["electric-offset"]}
    cluster.configure({"synchronous_standby_names": "fake"})
    cluster.reload()

    def commit():
        with closing(database.connect()) as connection:
            connection.cursor().execute("UPDATE h_items SET n = 8 WHERE id = 1")

    thread = threading.Thread(target=commit, daemon=True)
    thread.start()
    until("the change in the log", lambda: any("key" in item for item in ask(http, **at).json()))
    answers = []
    asking = threading.Thread(
        target=lambda: answers.append(ask(Http(http.port), subset__where="id = 1")), daemon=True)
    asking.start()
    time.sleep(1.5)
    assert not answers, answers
    cluster.configure({"synchronous_standby_names": ""})
    cluster.reload()
    thread.join(10)
    asking.join(20)
    assert taken(answers[0])[1]["n"] == "8"


# [37] how a subset is asked for

def test_by_query_and_by_body(http):  # [37]
    want = {1: {"id": "1", "v": "aa", "n": "100"}}
    assert taken(ask(http, subset__where="n > 5", subset__order_by="id", subset__limit="2")) == want
    assert taken(ask(http, subset__where="n > $1", subset__params='{"1":"5"}')) == want
    nested = {"subset": {"where": "n > $1", "params": {"1": "5"}, "order_by": "id", "limit": 1}}
    assert taken(ask(http, "POST", body=nested,
                     headers={"content-type": "application/json"})) == want
    assert taken(ask(http, "POST", body={"where": "n > 5", "order_by": "id", "limit": 1})) == want
    assert taken(ask(http, "POST", body={"where": "n > $1", "params": {"1": 5}})) == want
    assert taken(ask(http, "POST", body={"where": "n > $1", "params": '{"1": "5"}'})) == want


def test_the_clients_own_forms_are_ignored(http):  # [37]
    expression = {"type": "func", "name": "gt", "args": []}
    body = {"where": "n > 5", "where_expr": expression, "order_by_expr": [expression]}
    assert list(taken(ask(http, "POST", body=body))) == [1]
    assert len(taken(ask(http, subset__where_expr=json.dumps(expression)))) == 4


def test_any_log_mode_with_or_without_a_handle(http):  # [37]
    full = ask(http, log="full", subset__limit="1", subset__order_by="id")
    assert list(taken(full)) == [1] and full.headers["electric-offset"] == "0_0"
    handle = full.headers["electric-handle"]
    assert ask(http, log="full").headers["electric-handle"] == handle
    again = ask(http, log="full", offset="0_0", handle=handle, subset__order_by="id DESC",
                subset__limit="1")
    assert list(taken(again)) == [77] and again.headers["electric-offset"] == "0_0"
    assert ask(http, log="full", offset="0_0", handle="1-1", subset__where="n > 5").status == 409
    head = http.request("HEAD", "/v1/shape", {"table": "h_items", "offset": "-1",
                                              "subset__where": "n > 5"})
    assert head.status == 200 and head.headers["electric-snapshot"] == "true" and not head.body


def test_the_shape_is_created_as_usual(module_database, http):  # [37]
    module_database.run("CREATE TABLE h_late (id int PRIMARY KEY); INSERT INTO h_late VALUES (3)")
    answer = ask(http, table="h_late", subset__where="id = 3")
    assert list(taken(answer)) == [3]
    assert json.loads(answer.headers["electric-schema"])["id"]["type"] == "int4"
    assert ask(http, table="h_late").headers["electric-handle"] == answer.headers["electric-handle"]


# [38] the answer

def test_answer(http):  # [38]
    answer = ask(http, subset__order_by="n desc nulls last, id")
    assert list(taken(answer)) == [1, 22, 50, 77]
    assert answer.headers["electric-offset"] == "0_0"
    assert json.loads(answer.headers["electric-schema"]) == SCHEMA
    assert answer.json()["data"][0]["key"] == '"public"."h_items"/"1"'
    assert b'"}, "data": [{"key":' in answer.body
    other = ask(http, subset__order_by="id")
    assert other.json()["metadata"]["snapshot_mark"] != answer.json()["metadata"]["snapshot_mark"]
    assert taken(ask(http, subset__where="id = -5")) == {}


def test_never_304(http):  # [6] [38]
    answer = http.get("/v1/shape", {"table": "h_items", "offset": "-1", "subset__where": "n > 5"},
                      {"if-none-match": "*"})
    assert list(taken(answer)) == [1]


def test_columns_and_values(http):  # [38]
    answer = ask(http, columns="id,n", subset__where="v = 'aa'")
    assert taken(answer) == {1: {"id": "1", "n": "100"}}


# [39] which rows; what is refused

def test_limit_and_offset(http):  # [39]
    assert list(taken(ask(http, subset__offset="1", subset__order_by="id"))) == [22, 50, 77]
    assert list(taken(ask(http, subset__limit="2", subset__offset="1",
                          subset__order_by="id DESC"))) == [50, 22]


def test_both_wheres_stand_in_parentheses(http):  # [39]
    """a OR b AND c is not (a OR b) AND c: the subset never shows what the shape does not."""
    shape = {"where": "id = 1 OR id = 22"}
    assert list(taken(ask(http, **shape, subset__where="n = 1"))) == [22]
    assert list(taken(ask(http, **shape, subset__where="n = 1 OR n = 100",
                          subset__order_by="id"))) == [1, 22]
    for trick in ("true) OR (true", "n = 1) OR (n = 100", "1 = 1 --", "true OR true"):
        answer = ask(http, where="id = 50", subset__where=trick)
        assert answer.status == 400 or list(taken(answer)) == [50], answer


def test_refusals(http):  # [39]
    needs_order = "order_by is required when limit or offset is present"
    refused(ask(http, subset__limit="2"), order_by=needs_order)
    refused(ask(http, subset__offset="2"), order_by=needs_order)
    refused(ask(http, subset__limit="0", subset__order_by="id"), limit="must be greater than 0")
    refused(ask(http, subset__limit="-3", subset__order_by="id"), limit="must be greater than 0")
    refused(ask(http, subset__offset="-1", subset__order_by="id"),
            offset="must be greater than or equal to 0")
    refused(ask(http, subset__limit="two", subset__order_by="id"), limit="is invalid")
    refused(ask(http, "POST", body={"limit": 1.5, "order_by": "id"}), limit="is invalid")
    refused(ask(http, subset__where="zzz"), where="At location 0: unknown reference zzz")
    refused(ask(http, subset__where="id in (select id from h_full)"),
            where="Subqueries are not allowed in subsets")
    refused(ask(http, subset__where="n > 5 AND NOT EXISTS (SELECT 1)"),
            where="Subqueries are not allowed in subsets")
    refused(ask(http, subset__where="n > $1"),
            where="At location 4: parameter $1 was not provided")
    refused(ask(http, subset__where="n > $1", subset__params='["5"]'), params="is invalid")
    refused(ask(http, subset__where="n > $1", subset__params='{"2":"5"}'),
            params="Parameters must be numbered sequentially, starting from 1")
    refused(ask(http, subset__where="n > $1", subset__params='{"a":"5"}'),
            params="Parameters can only use numbers as keys")


def test_order_by_takes_columns_only(http):  # [39]
    refused(ask(http, subset__order_by="zzz"), order_by="At location 18: unknown reference zzz")
    for text in ("n + 1", "lower(v)", "1", "$1", "v COLLATE \"C\"", "h_items.n", "n USING <",
                 "n; DROP TABLE h_items", "n LIMIT 1", "(SELECT 1)", "n FOR UPDATE", "pg_sleep(9)"):
        answer = ask(http, subset__order_by=text)
        assert answer.status == 400 and set(answer.json()["errors"]["subset"]) == {"order_by"}, text
    answer = ask(http, subset__order_by='"n" ASC NULLS FIRST, "id" DESC')
    assert list(taken(answer)) == [77, 50, 22, 1]


def test_subset_is_checked_last(http):  # [7]
    answer = ask(http, table="h_nope", subset__limit="0")
    assert set(answer.json()["errors"]) == {"table"}
    answer = ask(http, replica="x", subset__limit="x")
    assert answer.json()["errors"] == {"replica": ["is invalid"], "subset": {"limit": ["is invalid"]}}


def test_queryable_columns(http):  # §3
    allowed = {"columns": "id,v", "queryable_columns": "id,n"}
    assert list(taken(ask(http, **allowed, subset__where="n > 5"))) == [1]
    refused(ask(http, **allowed, subset__where="v = 'aa'"),
            where="At location 0: unknown reference v")
    refused(ask(http, **allowed, subset__order_by="v"),
            order_by="At location 18: unknown reference v")


def test_values_stay_values(http):  # [39]
    for value in ("aa' OR 'a' = 'a", "\\' OR true --", "a\\", "$1", "\u0000x", "aa'); SELECT 1; --"):
        answer = ask(http, "POST", body={"where": "v = $1", "params": {"1": value}})
        assert answer.status == 400 or taken(answer) == {}, value
    assert list(taken(ask(http, "POST", body={"where": "v = $1", "params": {"1": "aa"}}))) == [1]


# [40] enums

def test_enum_columns_may_be_compared(http):  # [40]
    assert list(taken(ask(http, table="h_enum", subset__where="c = 'red'"))) == [1]
    assert list(taken(ask(http, table="h_enum", subset__where="c = $1",
                          subset__params='{"1":"green"}'))) == [2]
    answer = ask(http, table="h_enum", subset__where="c = 'mauve'")
    refused(answer, where='invalid input value for enum colour: "mauve"')


# Limits and failures

def test_too_many_bytes(module_database, http):
    module_database.run("CREATE TABLE h_wide (id int PRIMARY KEY, v text);"
                        "INSERT INTO h_wide SELECT i, repeat('x', 1000000) FROM"
                        " generate_series(1, 40) i")
    answer = ask(http, table="h_wide", subset__where="id > 0")
    assert answer.status == 413 and "32 MiB" in answer.json()["message"]
    answer = ask(http, table="h_wide", subset__order_by="id", subset__limit="20")
    assert len(taken(answer)) == 20


def test_a_client_that_leaves_ends_its_query(module_database, module_engine, http):  # [28]
    ask(http)
    with closing(module_database.connect()) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE h_items IN ACCESS EXCLUSIVE MODE")
        with closing(socket.create_connection(("127.0.0.1", module_engine.port))) as raw:
            raw.sendall(b"GET /v1/shape?table=h_items&offset=-1&log=changes_only&subset__where=n%3E5"
                        b" HTTP/1.1\r\nhost: x\r\n\r\n")
            waits = ("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND"
                     " query LIKE '%h_items%'")
            until("the query to wait", lambda: module_database.value(waits) == 1)
        until("the query to end", lambda: module_database.value(waits) == 0, 3)
        answer = ask(Http(module_engine.port), subset__where="n > 5")
        assert answer.status == 503 and answer.headers["retry-after"] == "10"
        assert answer.headers["electric-internal-known-error"] == "true"
        holder.rollback()
    assert list(taken(ask(http, subset__where="n > 5"))) == [1]


def test_database_away(make_cluster, make_engine):  # [35]
    cluster = make_cluster().start()
    database = cluster.create_database()
    database.run(CREATE)
    engine = make_engine(database).start()
    http = engine.http()
    ask(http)
    engine.wait_log("event=shape_complete")
    cluster.stop()
    begun = time.monotonic()
    answer = ask(http, subset__where="n > 5")
    assert answer.status == 503 and answer.headers["retry-after"] == "10", answer
    assert answer.json() == {"code": "database_unreachable", "error": "Database is unreachable"}
    assert time.monotonic() - begun < 15
    assert ask(http).status == 200
    cluster.start()
    until("a subset", lambda: ask(http, subset__where="n > 5").status == 200, 30, 0.3)


@pytest.mark.parametrize("service", ["connection", "shape-log-collector"])
def test_a_service_that_dies_under_a_subset(database, engine, service):  # [35]
    """The client is told at once, and its next try is answered by the successor."""
    database.run(CREATE)
    http = engine.http()
    ask(http)
    engine.wait_log("event=shape_complete")
    answers = []
    with closing(database.connect()) as holder:
        holder.autocommit = False
        holder.cursor().execute("LOCK TABLE h_items IN ACCESS EXCLUSIVE MODE")
        asking = threading.Thread(target=lambda: answers.append(
            ask(Http(engine.port), subset__where="n > 5")), daemon=True)
        asking.start()
        until("the query to wait", lambda: database.value(
            "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND"
            " query LIKE '%h_items%'") == 1)
        engine.kill(service)
        holder.rollback()
    asking.join(30)
    assert answers[0].status in (200, 503), answers[0]
    assert answers[0].status == 200 or int(answers[0].headers["retry-after"]) > 0
    until("a subset", lambda: ask(http, subset__where="n > 5").status == 200, 30, 0.3)
    assert list(taken(ask(http, subset__where="n > 5"))) == [1]


def test_without_the_storage_folder(database, make_engine):  # design §6: the other reader
    database.run(CREATE)
    http = make_engine(database, SHAPEWIRE_API_STORAGE="remote").start().http()
    assert list(taken(ask(http, subset__where="n > 5"))) == [1]


def test_a_table_that_changed(database, engine):
    """The shape ends, and the next handle's rows are of the new table."""
    database.run(CREATE)
    http = engine.http()
    handle = ask(http).headers["electric-handle"]
    database.run("ALTER TABLE h_items ALTER COLUMN n TYPE bigint")
    answer = ask(http, subset__where="n > 5")
    assert list(taken(answer)) == [1] and answer.headers["electric-handle"] != handle
    assert json.loads(answer.headers["electric-schema"])["n"]["type"] == "int8"
    gone = ask(http, handle=handle, offset="0_inf", subset__where="n > 5")
    assert gone.status == 409 and gone.headers["electric-handle"]


def test_many_subsets_at_once(module_engine, http):
    ask(http)
    answers = []

    def run():
        answers.append(ask(Http(module_engine.port), subset__where="n > 5"))

    threads = [threading.Thread(target=run) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [list(taken(answer)) for answer in answers] == [[1]] * 60


def test_nothing_comes_below_what_was_seen(database, engine):  # [23]
    """Clients forget a subset's marks once they are told of a larger LSN: nothing it sees may come then."""
    database.run(CREATE)
    client = engine.client("h_items", log="changes_only").sync()  # which checks it
    stop = threading.Event()

    def write(row):
        with closing(database.connect()) as connection:
            cursor = connection.cursor()
            while not stop.is_set():
                cursor.execute("UPDATE h_items SET n = n + 1 WHERE id = %s", (row,))

    writers = [threading.Thread(target=write, args=(row,), daemon=True) for row in (1, 22, 50)]
    for writer in writers:
        writer.start()
    client.rows = {f'"public"."h_items"/"{row}"': {} for row in (1, 22, 50, 77)}
    try:
        end = time.monotonic() + 4
        while time.monotonic() < end:
            client.poll()
    finally:
        stop.set()
        for writer in writers:
            writer.join(10)
    assert client.changes > 100
