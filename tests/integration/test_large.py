"""Large transactions and large tables pass in bounded memory."""
import threading
import time

import pytest

from pylib import process
from pylib.engine import SANITIZER
from pylib.wait import until

ROWS = 1_000_000
LIMIT_KB = 150 * 1024 * (10 if SANITIZER else 1)  # a sanitizer's shadow memory is not ours
VALUES = "g, md5(g::text), md5((g + 1)::text), g * 7, g % 2 = 0, now(), 1.5 * g, repeat('x', 40)"
CREATE = ("CREATE TABLE big (id int PRIMARY KEY, a text, b text, c int, d bool, e timestamptz,"
          " f numeric, g text)")


def check_memory(engine):
    peaks = engine.peak_kb()
    print("VmHWM in kB:", peaks)
    assert all(peak < LIMIT_KB for peak in peaks.values()), peaks


def count_snapshot(engine, table):
    """Reads a shape to its end: (handle, end offset, rows)."""
    http = engine.http()
    params = {"table": table, "offset": "-1"}
    rows = 0
    while True:
        answer = http.get("/v1/shape", params)
        if answer.status == 503:
            time.sleep(0.5)
            continue
        assert answer.status == 200, answer
        rows += answer.body.count(b'"operation":"')
        params = {"table": table, "offset": answer.headers["electric-offset"],
                  "handle": answer.headers["electric-handle"]}
        if "electric-up-to-date" in answer.headers:
            return params["handle"], params["offset"], rows


def test_transaction_of_a_million_rows(database, engine):
    database.run(CREATE)
    client = engine.client("big", keep_log=False).sync()
    began = time.monotonic()
    database.run(f"INSERT INTO big SELECT {VALUES} FROM generate_series(1, {ROWS}) g")
    wrote = time.monotonic() - began
    client.live_until(lambda c: len(c.rows) == ROWS and c.up_to_date, 120)
    print(f"inserted in {wrote:.1f} s, at the client after {time.monotonic() - began:.1f} s")
    assert client.changes == ROWS and client.open_transaction is None
    check_memory(engine)
    until("the transaction to be acknowledged",
          lambda: database.confirmed() > client.position[0], 20)
    database.run("UPDATE big SET a = 'end' WHERE id = 5")
    client.live_until(lambda c: c.changes == ROWS + 1)
    client.close()


def test_snapshot_of_a_million_rows(database, engine):
    database.run(CREATE)
    database.run(f"INSERT INTO big SELECT {VALUES} FROM generate_series(1, {ROWS}) g")
    began = time.monotonic()
    handle, offset, rows = count_snapshot(engine, "big")
    print(f"first sync of {rows} rows in {time.monotonic() - began:.1f} s")
    assert rows == ROWS
    check_memory(engine)
    database.run("UPDATE big SET a = 'live' WHERE id = 77")
    answer = engine.http().shape(table="big", handle=handle, offset=offset, live="true")
    assert [item["value"] for item in answer.json()[:-1]] == [{"id": "77", "a": "live"}]


def test_changes_flow_while_a_large_snapshot_is_taken(database, engine):
    database.run(CREATE)
    database.run(f"INSERT INTO big SELECT {VALUES} FROM generate_series(1, {ROWS // 2}) g")
    database.run("CREATE TABLE small (id int PRIMARY KEY, v int); INSERT INTO small VALUES (1, 0)")
    small = engine.client("small").sync().start()
    result = []
    reader = threading.Thread(target=lambda: result.append(count_snapshot(engine, "big")))
    reader.start()
    worst = 0.0
    n = 0
    while reader.is_alive():
        n += 1
        database.run("UPDATE small SET v = %s", (n,))
        began = time.monotonic()
        until("the small change", lambda: small.changes >= n, 5, 0.002)
        worst = max(worst, time.monotonic() - began)
    print(f"{n} changes, the slowest took {worst * 1000:.0f} ms")
    reader.join()
    small.stop()
    assert result[0][2] == ROWS // 2
    small.close()


@pytest.mark.parametrize("size_mb", [1, 60])
def test_one_large_value(database, engine, size_mb):
    database.run("CREATE TABLE fat (id int PRIMARY KEY, v text); INSERT INTO fat VALUES (1, 'a')")
    client = engine.client("fat", keep_log=False).sync()
    database.run("INSERT INTO fat VALUES (2, repeat('x', %s))", (size_mb << 20,))
    client.live_until(lambda c: len(c.rows) == 2, 30)
    assert len(client.rows['"public"."fat"/"2"']["v"]) == size_mb << 20
    client.close()


def test_a_row_beyond_the_limit_ends_only_its_shapes(database, engine):
    """70 MB in one change: the shapes of that table end with a clear line, others go on."""
    database.run("CREATE TABLE fat (id int PRIMARY KEY, v text, w text);"
                 "CREATE TABLE other (id int PRIMARY KEY)")
    fat = engine.client("fat").sync()
    other = engine.client("other").sync()
    database.run("BEGIN; INSERT INTO fat VALUES (2, repeat('x', 40 << 20), repeat('y', 40 << 20));"
                 " INSERT INTO other VALUES (1); COMMIT")
    other.live_until(lambda c: len(c.rows) == 1, 30)
    until("the shape to end", lambda: fat.poll() and fat.refetches, 15, 0.2)
    assert other.refetches == 0
    fat.close()
    other.close()


def test_idle_memory(database, engine):
    """Small when there is nothing to do."""
    database.run("CREATE TABLE t (id int PRIMARY KEY)")
    engine.client("t").sync().close()
    pss = {name: process.pss_kb(pid) for name, pid in engine.pids().items()}
    print("PSS in kB:", pss)
    if not SANITIZER:
        assert pss["orchestrator"] < 10 * 1024  # issue: under 10 MB
        assert pss["shapewire"] < 4 * 1024
        assert sum(pss.values()) < 80 * 1024
