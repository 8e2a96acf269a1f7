"""Design §4.4–4.7: Postgres sends again what was not acknowledged; nobody sees it twice."""
import time

import pytest

from pylib.client import assert_equal
from pylib.wait import until

CREATE = "CREATE TABLE t (id int PRIMARY KEY, v text, n int); INSERT INTO t VALUES (1, 'a', 0)"


def crash(engine, service):
    old = engine.kill(service)
    pids = engine.wait_all()
    assert pids[service] != old
    engine.wait_health()
    return pids


@pytest.mark.parametrize("service", ["shape-log-collector", "connection"])
def test_kill_right_after_changes(database, engine, service):
    database.run(CREATE)
    client = engine.client("t", retry=True).sync()
    handle = client.handle
    engine.wait_complete(client)
    for round_ in range(5):
        for n in range(20):
            database.run("INSERT INTO t VALUES (%s, 'x', 0)", (100 * round_ + n + 10,))
        client.live_until(lambda c: c.changes == 20 * (round_ + 1))  # served, perhaps not durable
        crash(engine, service)
    assert_equal(client, database, "t")
    database.run("UPDATE t SET v = 'end'")
    assert_equal(client, database, "t")
    assert (client.handle, client.refetches) == (handle, 0)
    fresh = engine.client("t").sync()  # what is on disk, from the start
    assert fresh.handle == handle
    assert_equal(fresh, database, "t")
    client.close()
    fresh.close()


@pytest.mark.parametrize("service", ["shape-log-collector", "connection"])
def test_kill_inside_a_transaction(database, engine, service):
    database.run(CREATE)
    client = engine.client("t", retry=True, keep_log=False).sync()
    engine.wait_complete(client)
    for round_ in range(3):
        low = 10**6 * (round_ + 1)
        database.run(f"INSERT INTO t SELECT g, 'long', 0"
                     f" FROM generate_series({low}, {low + 50000}) g")
        time.sleep(0.05 * (round_ + 1))
        crash(engine, service)
        database.run(f"DELETE FROM t WHERE id BETWEEN {low} AND {low + 10}")
        assert_equal(client, database, "t", 40)
    assert client.refetches == 0
    client.close()


def test_redelivery_to_a_shape_without_a_log(database, engine):
    """Its snapshot holds what comes again; nothing in its own files says so."""
    database.run(CREATE)
    first = engine.client("t", retry=True).sync()
    clients = []
    for round_, columns in enumerate(["id", "id,v", "id,n", "n,v,id"]):
        for n in range(10):
            database.run("INSERT INTO t VALUES (%s, 'x', 0)", (100 * round_ + n + 10,))
        clients.append((engine.client("t", columns=columns, retry=True).sync(), columns))
        # Before that a crash drops it.
        engine.wait_complete(clients[-1][0])
        for n in range(10):
            database.run("INSERT INTO t VALUES (%s, 'y', 0)", (100 * round_ + n + 30,))
        crash(engine, "shape-log-collector")
        database.run("UPDATE t SET v = 'u' || v WHERE id = 1")
        assert_equal(clients[-1][0], database, "t", columns=columns)
    for client, columns in [*clients, (first, None)]:
        assert_equal(client, database, "t", columns=columns)
        assert client.refetches == 0
        client.close()


def test_redelivery_of_old_schemas(database, engine):  # design 4.7
    """Relation messages of before an ALTER come again: a shape made after it stays."""
    database.run(CREATE)
    keep = engine.client("t", columns="id,v", retry=True).sync()
    database.run("INSERT INTO t VALUES (2, 'before', 0)")
    database.run("ALTER TABLE t ADD COLUMN w int DEFAULT 3")
    database.run("INSERT INTO t VALUES (3, 'after', 0, 1)")
    client = engine.client("t", retry=True).sync()
    engine.wait_complete(client, keep)
    crash(engine, "shape-log-collector")
    database.run("INSERT INTO t VALUES (4, 'later', 0, 1)")
    assert_equal(client, database, "t")
    assert_equal(keep, database, "t", columns="id, v")
    assert client.refetches == 0 and keep.refetches == 0
    client.close()
    keep.close()


def test_restart_of_the_whole_engine(database, make_engine):
    database.run(CREATE)
    engine = make_engine(database).start()
    client = engine.client("t", retry=True).sync()
    database.run("INSERT INTO t VALUES (2, 'b', 0)")
    client.live_until(lambda c: c.changes == 1)
    handle, position = client.handle, client.offset
    engine.stop()
    database.run("INSERT INTO t VALUES (3, 'while away', 0)")
    engine.start()
    assert client.offset == position
    assert_equal(client, database, "t")
    assert client.handle == handle and client.refetches == 0
    engine.destroy_processes()  # kill -9 of everything at once
    database.run("INSERT INTO t VALUES (4, 'again', 0)")
    until("the slot to be free", lambda: not database.slot_active())
    engine.start()
    assert_equal(client, database, "t")
    assert client.handle == handle and client.refetches == 0
    client.close()


def test_postgres_crash(make_cluster, make_engine):
    cluster = make_cluster(settings={"fsync": "on", "full_page_writes": "on"}).start()
    database = cluster.create_database()
    database.run(CREATE)
    engine = make_engine(database).start()
    client = engine.client("t", retry=True).sync()
    before = engine.pids()
    for round_ in range(3):
        database.run("INSERT INTO t VALUES (%s, 'x', 0)", (round_ + 10,))
        # A commit that may vanish: its row must then vanish for us too, or never have been.
        database.run("SET synchronous_commit = off; INSERT INTO t VALUES (%s, 'async', 0)",
                     (round_ + 100,))
        cluster.kill()
        cluster.start()
        engine.wait_health()
        assert_equal(client, database, "t")
    after = engine.pids()
    for service in ("shape-log-collector", "api", "orchestrator"):
        assert after[service] == before[service]
    assert client.refetches == 0
    client.close()
