"""A standby is promoted behind the address that the engine knows: another timeline, so other shapes.

Engine spec §2: the shape side starts clean under a new epoch, even while it is still starting;
old handles get 409, and clients end with what the new primary has.
"""
import pytest

from pylib.client import assert_equal
from pylib.engine import Engine
from pylib.proxy import Proxy
from pylib.wait import until

SHAPES = 20


class Pair:
    """A primary, a standby that follows it, and the address of whoever is the primary."""

    def __init__(self, make_cluster):
        self.primary = make_cluster().start()
        self.database = self.primary.create_database()
        self.database.run("CREATE TABLE t (id int PRIMARY KEY, v text)")
        self.database.run("INSERT INTO t SELECT i, 'first' FROM generate_series(1, 100) i")
        self.standby = make_cluster(standby_of=self.primary).start()
        self.proxy = Proxy(self.primary.port)
        self.url = f"postgresql://postgres@127.0.0.1:{self.proxy.port}/{self.database.name}"

    def fail_over(self):
        """The primary is lost; gives the database on the new one."""
        written = self.database.value("SELECT pg_current_wal_lsn()::text")
        session = self.standby.connect()

        def has_caught_up():
            cursor = session.cursor()
            cursor.execute("SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn", (written,))
            return cursor.fetchone()[0]

        until("the standby to catch up", has_caught_up)
        session.close()
        self.proxy.refuse(True)
        self.proxy.cut()
        self.primary.stop("immediate")
        self.standby.promote()
        self.proxy.point_to(self.standby.port)
        self.proxy.refuse(False)
        return type(self.database)(self.standby, self.database.name)


@pytest.fixture
def pair(make_cluster):
    made = Pair(make_cluster)
    yield made
    made.proxy.close()


def test_a_promoted_standby_resets_the_shapes(pair, make_engine):
    engine = make_engine(pair.url, stream=pair.database.stream).start()
    clients = [engine.client("t", retry=True, where=f"id > {n}").sync() for n in range(3)]
    engine.wait_complete(*clients)
    old = clients[0].handle
    before = engine.wait_all()
    epoch = int(engine.wait_log(r"event=stream_agreed").end())
    for client in clients:
        client.start()
    database = pair.fail_over()
    engine.wait_log("event=store_reset reason=.*timeline", 30, epoch)
    engine.wait_health(seconds=60)
    database.run("INSERT INTO t VALUES (1000, 'after')")
    for n, client in enumerate(clients):
        until("the new primary's rows", lambda: ("1000",) in client.table(), 30)
        client.stop()
        assert client.refetches == 1, client.handles
        assert_equal(client, database, "t", 30, where=f"id > {n}")
    after = engine.wait_all()
    assert {s for s in before if before[s] != after[s]} == {"shape-log-collector"}
    stale = engine.http().shape(table="t", where="id > 0", handle=old, offset="0_inf")
    assert stale.status == 409 and stale.headers["electric-handle"] != old
    for client in clients:
        client.close()


def test_also_while_the_collector_is_still_loading(pair, make_engine):
    """The engine was down when it happened, and many shapes are to be loaded."""
    engine = make_engine(pair.url, stream=pair.database.stream).start()
    old = []
    for n in range(SHAPES):
        client = engine.client("t", where=f"id = {n}").sync()
        engine.wait_complete(client)
        old.append((n, client.handle))
        client.close()
    engine.stop()
    database = pair.fail_over()
    database.run("UPDATE t SET v = 'second'")
    again = make_engine(pair.url, storage=engine.storage, stream=pair.database.stream)
    assert isinstance(again, Engine)
    again.start(seconds=60)
    again.wait_log("event=store_reset reason=.*timeline")
    for n, handle in old:
        stale = again.http().shape(table="t", where=f"id = {n}", handle=handle, offset="0_inf")
        assert stale.status == 409
        fresh = again.client("t", where=f"id = {n}").sync()
        assert fresh.handle != handle
        assert_equal(fresh, database, "t", where=f"id = {n}")
        fresh.close()
