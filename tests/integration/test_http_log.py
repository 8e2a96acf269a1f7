"""http-api §4–§6, §8: offsets, catching up, waiting, etags, handles that end."""
import random
import threading
import time
from contextlib import closing

import pytest

from pylib.client import ShapeClient, assert_equal
from pylib.wait import until

REST = "public, max-age=60, stale-while-revalidate=300"
LIVE = "public, max-age=5, stale-while-revalidate=5"
CURSOR_EPOCH = 1728432000  # 2024-10-09T00:00:00Z
LONG_POLL = 1.5  # of module_engine
MUST_REFETCH = [{"headers": {"control": "must-refetch"}}]


@pytest.fixture
def table(module_database, module_engine):
    """A table with three rows, another one in every test."""
    name = f"h_{random.randrange(1 << 40):x}"
    module_database.run(f"CREATE TABLE {name} (id int PRIMARY KEY, v text, n int)")
    module_database.run(f"INSERT INTO {name} VALUES (1, 'a', 10), (2, 'b', 20)")
    return name


@pytest.fixture
def client(module_engine, table):
    made = module_engine.client(table).sync()
    yield made
    made.close()


def waiting(client, **more):
    """A live request in a thread: gives a function that waits for its response."""
    result = []
    other = ShapeClient(client.http.port, client.params["table"])
    query = {**client.query(live=True), **more}
    thread = threading.Thread(
        target=lambda: result.append(other.http.get("/v1/shape", query)), daemon=True)
    thread.start()
    time.sleep(0.3)  # it is on its way; whether it has parked does not matter to any test

    def answer(seconds=15):
        thread.join(seconds)
        other.http.close()
        assert result, "no answer"
        return result[0]

    return answer


def change_everything(database, table):
    """One transaction with each kind of change; returns its xid."""
    with closing(database.writer()) as writer, writer.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} VALUES (3, 'c', 30)")
        cursor.execute(f"UPDATE {table} SET v = 'aa' WHERE id = 1")
        cursor.execute(f"UPDATE {table} SET id = 22 WHERE id = 2")
        cursor.execute(f"DELETE FROM {table} WHERE id = 3")
        cursor.execute("SELECT pg_current_xact_id()::xid::text::bigint")
        xid = cursor.fetchone()[0]
        writer.commit()
        return xid


def expected_items(table, lsn, xid):
    def item(key, value, operation, op, **more):
        return {"key": f'"public"."{table}"/"{key}"', "value": value,
                "headers": {"operation": operation, "relation": ["public", table],
                            "lsn": str(lsn), "op_position": op, "txids": [xid], **more}}
    return [
        item(3, {"id": "3", "v": "c", "n": "30"}, "insert", 0),
        item(1, {"id": "1", "v": "aa"}, "update", 2),
        item(2, {"id": "2"}, "delete", 4, key_change_to=f'"public"."{table}"/"22"'),
        item(22, {"id": "22", "v": "b", "n": "20"}, "insert", 5,
             key_change_from=f'"public"."{table}"/"2"'),
        item(3, {"id": "3"}, "delete", 6, last=True),
    ]


def test_catching_up_to_an_empty_log(client, module_engine):  # [11]
    answer = module_engine.http().shape(table=client.params["table"], handle=client.handle,
                                        offset="0_0")
    assert answer.status == 200
    headers = answer.headers
    assert headers["electric-offset"] == "0_inf"
    assert headers["electric-up-to-date"] == "" and headers["electric-has-data"] == "true"
    assert headers["etag"] == f'"{client.handle}:0_0:0_inf"'
    assert headers["cache-control"] == REST
    assert "electric-schema" in headers and "electric-cursor" not in headers
    assert [item["headers"]["control"] for item in answer.json()] == ["up-to-date"]


def test_live_change(client, module_database, table):  # [19] [20] [22] [25]
    answer = waiting(client)
    xid = change_everything(module_database, table)
    got = answer()
    assert got.status == 200
    headers = got.headers
    lsn = int(headers["electric-offset"].partition("_")[0])
    assert headers["electric-offset"] == f"{lsn}_6"
    assert headers["etag"] == f'"{client.handle}:0_inf:{lsn}_6"'
    assert headers["cache-control"] == LIVE
    assert headers["electric-up-to-date"] == "" and headers["electric-has-data"] == "true"
    assert headers["electric-cursor"].isdigit()
    assert "electric-schema" not in headers
    *items, control = got.json()
    assert items == expected_items(table, lsn, xid)
    assert control["headers"] == {"control": "up-to-date", "global_last_seen_lsn": str(lsn)}  # [23]


def test_offsets_inside_the_log(client, module_engine, module_database, table):  # [14]
    xid = change_everything(module_database, table)
    client.live_until(lambda c: c.changes == 5)
    lsn = client.position[0]
    http = module_engine.http()
    items = expected_items(table, lsn, xid)
    for offset, skipped in (("0_inf", 0), (f"{lsn}_0", 1), (f"{lsn}_2", 2), (f"{lsn}_3", 2),
                            (f"{lsn}_4", 3), (f"{lsn}_5", 4), (f"{lsn}_6", 5)):
        answer = http.shape(table=table, handle=client.handle, offset=offset)
        assert answer.status == 200, (offset, answer)
        *got, control = answer.json()
        assert got == items[skipped:], offset
        assert answer.headers["electric-offset"] == f"{lsn}_6"
        assert answer.headers["etag"] == f'"{client.handle}:{offset}:{lsn}_6"'
        assert int(control["headers"]["global_last_seen_lsn"]) >= lsn  # [23]


@pytest.mark.parametrize("beyond", ["lsn_inf", "lsn_8", "far"])
def test_out_of_bounds(client, module_engine, module_database, table, beyond):  # [15]
    change_everything(module_database, table)
    client.live_until(lambda c: c.changes == 5)
    lsn = client.position[0]
    offset = {"lsn_inf": f"{lsn}_inf", "lsn_8": f"{lsn}_8", "far": f"{lsn + 10**9}_0"}[beyond]
    began = time.monotonic()
    answer = module_engine.http().shape(table=table, handle=client.handle, offset=offset)
    took = time.monotonic() - began
    assert answer.status == 400, answer
    assert answer.json() == {"message": "Invalid request",
                             "errors": {"offset": ["out of bounds for this shape"]}}
    assert LONG_POLL / 2 - 0.1 <= took < LONG_POLL + 2


def test_beyond_the_end_is_served_when_data_arrives(client, module_engine, module_database,
                                                    table):  # [15]
    change_everything(module_database, table)
    client.live_until(lambda c: c.changes == 5)
    result = []
    thread = threading.Thread(target=lambda: result.append(module_engine.http().shape(
        table=table, handle=client.handle, offset=f"{client.position[0]}_inf")))
    thread.start()
    time.sleep(0.2)
    module_database.run(f"INSERT INTO {table} VALUES (50, 'x', 1)")
    thread.join(10)
    assert result[0].status == 200, result
    assert result[0].json()[0]["value"]["id"] == "50"


def test_live_time_out(client, module_engine, table):  # [25] [27]
    answer = waiting(client)
    began = time.monotonic()
    got = answer()
    assert 0.5 < time.monotonic() - began + 0.3 < LONG_POLL + 2
    headers = got.headers
    assert got.status == 200
    assert headers["electric-offset"] == "0_inf"
    assert headers["electric-has-data"] == "false" and headers["electric-up-to-date"] == ""
    assert headers["etag"].startswith(f'"{client.handle}:0_inf:0_inf:')
    assert [item["headers"]["control"] for item in got.json()] == ["up-to-date"]


def test_cursor_grows(client, table):  # [27]
    now = time.time() - CURSOR_EPOCH
    first = client.poll(live=True)
    cursor = int(first.headers["electric-cursor"])
    assert now <= cursor + 2 and cursor < now + 10
    ahead = cursor + 1000
    got = waiting(client, cursor=str(ahead))()
    assert ahead < int(got.headers["electric-cursor"]) <= ahead + 3600
    got = waiting(client, cursor="abc")()
    assert got.headers["electric-cursor"].isdigit()


def test_live_with_data_answers_at_once(client, module_database, table):  # [25]
    module_database.run(f"INSERT INTO {table} VALUES (4, 'd', 4)")
    seen = ShapeClient(client.http.port, table).sync()
    until("the insert", lambda: f'"public"."{table}"/"4"' in seen.sync().rows)
    began = time.monotonic()
    got = waiting(client)()
    assert time.monotonic() - began < 1
    assert got.headers["electric-has-data"] == "true" and "electric-cursor" in got.headers
    assert got.json()[0]["value"]["id"] == "4"


def test_etag_revalidates(client, module_engine, module_database, table):  # [6]
    http = module_engine.http()
    first = http.shape(table=table, offset="-1")
    etag = first.headers["etag"]
    for given in (etag, etag.strip('"'), f'"x", {etag}'):
        got = http.get("/v1/shape", {"table": table, "offset": "-1"}, {"If-None-Match": given})
        assert (got.status, got.body) == (304, b""), given
        assert got.headers["etag"] == etag
        assert got.headers["electric-handle"] == client.handle
        assert got.headers["electric-offset"] == "0_0"
        assert got.headers["electric-has-data"] == "true"
        assert got.headers["cache-control"] == first.headers["cache-control"]
        assert "electric-schema" not in got.headers
    got = http.get("/v1/shape", {"table": table, "offset": "-1"}, {"If-None-Match": '"other"'})
    assert got.status == 200


def test_unknown_and_foreign_handles(client, module_engine, module_database):  # [31]
    module_database.run("CREATE TABLE IF NOT EXISTS h_other (id int PRIMARY KEY)")
    http = module_engine.http()
    for handle in (client.handle, "123-456", "nope"):
        answer = http.shape(table="h_other", handle=handle, offset="0_0")
        own = http.shape(table="h_other", offset="-1").headers["electric-handle"]
        assert answer.status == 409, answer
        assert answer.json() == MUST_REFETCH
        assert answer.headers["electric-handle"] == own
        assert answer.headers["etag"] == f'"{own}::"'
        assert answer.headers["cache-control"] == "public, max-age=60, must-revalidate"


def test_replica_full(module_engine, module_database, table):  # [19] [20]
    client = module_engine.client(table, replica="full").sync()
    module_database.run(f"BEGIN; UPDATE {table} SET v = 'z' WHERE id = 1;"
                        f" UPDATE {table} SET id = 9 WHERE id = 1;"
                        f" DELETE FROM {table} WHERE id = 9; COMMIT")
    client.live_until(lambda c: c.changes == 4)
    update, away, here, gone = client.log
    assert update["value"] == {"id": "1", "v": "z", "n": "10"} and update["old_value"] == {"v": "a"}
    assert away["value"] == {"id": "1", "v": "z", "n": "10"}
    assert away["headers"]["key_change_to"] == here["key"]
    assert here["value"] == {"id": "9", "v": "z", "n": "10"}
    assert gone["value"] == {"id": "9", "v": "z", "n": "10"} and gone["headers"]["last"] is True
    assert [item["headers"]["op_position"] for item in client.log] == [0, 2, 3, 4]
    assert_equal(client, module_database, table)
    client.close()


def test_updates_that_change_nothing_send_nothing(module_engine, module_database, table):  # [19]
    narrow = module_engine.client(table, columns="id,v").sync()
    module_database.run(f"UPDATE {table} SET v = v WHERE id = 1")
    module_database.run(f"UPDATE {table} SET n = 77 WHERE id = 1")
    module_database.run(f"UPDATE {table} SET v = 'new', n = 78 WHERE id = 1")
    narrow.live_until(lambda c: c.changes)
    assert [item["value"] for item in narrow.log] == [{"id": "1", "v": "new"}]
    assert narrow.log[0]["headers"]["last"] is True
    narrow.close()


def test_op_positions_count_the_tables_changes(module_engine, module_database, table):  # [10]
    narrow = module_engine.client(table, columns="id,v").sync()
    module_database.run(f"BEGIN; UPDATE {table} SET n = 5 WHERE id = 1;"
                        f" UPDATE {table} SET v = 'x' WHERE id = 1;"
                        f" UPDATE {table} SET n = 6 WHERE id = 2; COMMIT")
    narrow.live_until(lambda c: c.changes)
    assert [(item["value"], item["headers"]["op_position"], item["headers"].get("last"))
            for item in narrow.log] == [({"id": "1", "v": "x"}, 2, True)]
    narrow.close()


def test_rolled_back_work_is_not_sent(client, module_database, table):
    module_database.run(f"BEGIN; INSERT INTO {table} VALUES (60, 'no', 0); ROLLBACK")
    module_database.run(f"BEGIN; INSERT INTO {table} VALUES (61, 'yes', 0); SAVEPOINT s;"
                        f" INSERT INTO {table} VALUES (62, 'no', 0); ROLLBACK TO s;"
                        f" INSERT INTO {table} VALUES (63, 'yes', 0); COMMIT")
    client.live_until(lambda c: c.changes == 2)
    assert [item["value"]["id"] for item in client.log] == ["61", "63"]
    assert len({tuple(item["headers"]["txids"]) for item in client.log}) == 1  # top level's


def test_truncate_rotates(client, module_engine, module_database, table):  # [26] [32]
    answer = waiting(client)
    module_database.run(f"TRUNCATE {table}")
    got = answer()
    assert (got.status, got.json()) == (409, MUST_REFETCH)
    again = module_engine.http().shape(table=table, handle=client.handle, offset="0_inf")
    assert again.status == 409
    assert again.headers["electric-handle"] != client.handle
    fresh = module_engine.client(table).sync()
    assert fresh.rows == {} and fresh.handle == again.headers["electric-handle"]
    module_database.run(f"INSERT INTO {table} VALUES (7, 'g', 7)")
    fresh.live_until(lambda c: len(c.rows) == 1)
    fresh.close()


def test_added_column_rotates(client, module_engine, module_database, table):  # [26] [32]
    answer = waiting(client)
    module_database.run(f"ALTER TABLE {table} ADD COLUMN w int")
    module_database.run(f"UPDATE {table} SET w = 5 WHERE id = 1")
    got = answer()
    assert (got.status, got.json()) == (409, MUST_REFETCH)
    fresh = module_engine.client(table).sync()
    assert fresh.handle != client.handle
    assert set(fresh.schema) == {"id", "v", "n", "w"}
    assert_equal(fresh, module_database, table)
    module_database.run(f"UPDATE {table} SET w = 6")
    assert_equal(fresh, module_database, table)
    fresh.close()


def test_explicit_columns_survive_an_added_one(module_engine, module_database, table):
    narrow = module_engine.client(table, columns="id,v").sync()
    module_database.run(f"ALTER TABLE {table} ADD COLUMN w int")
    module_database.run(f"UPDATE {table} SET v = 'after' WHERE id = 1")
    narrow.live_until(lambda c: c.changes)
    assert narrow.refetches == 0
    narrow.close()


def test_delete(client, module_engine, module_database, table):  # [41]
    http = module_engine.http()
    answer = waiting(client)
    gone = http.request("DELETE", "/v1/shape", {"table": table})
    assert (gone.status, gone.body) == (202, b"")
    assert gone.headers["cache-control"] == "no-cache"
    parked = answer()
    assert parked.status == 409 and "electric-handle" not in parked.headers  # [26]
    again = http.request("DELETE", "/v1/shape", {"table": table})
    assert (again.status, again.json()) == (404, {"message": "No existing shape found"})
    blank = http.request("DELETE", "/v1/shape")
    assert blank.status == 400
    assert blank.json() == {"message": "Invalid request", "errors": {
        "handle": ["can't be blank when shape definition is missing"]}}
    assert http.request("DELETE", "/v1/shape", {"handle": "nope"}).status == 404
    later = http.shape(table=table, handle=client.handle, offset="0_inf")
    assert later.status == 409 and later.headers["electric-handle"] != client.handle
    by_handle = http.request("DELETE", "/v1/shape", {"handle": later.headers["electric-handle"]})
    assert by_handle.status == 202


def test_a_client_that_leaves_is_forgotten(client, module_engine, module_database, table):  # [28]
    for _ in range(20):
        other = module_engine.client(table)
        other.handle, other.offset = client.handle, "0_inf"
        other.start()
        time.sleep(0.02)
        other.stop()
        other.http.close()
    module_database.run(f"INSERT INTO {table} VALUES (90, 'i', 9)")
    client.live_until(lambda c: c.changes == 1)


def test_many_wait_and_all_get_the_same(client, module_engine, module_database, table):
    answers = [waiting(client) for _ in range(3)]
    module_database.run(f"UPDATE {table} SET v = 'for all' WHERE id = 1")
    bodies = {answer().body for answer in answers}
    assert len(bodies) == 1
