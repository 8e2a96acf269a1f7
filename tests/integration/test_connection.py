"""The connection service: lock, stream and pools, and what Postgres may do to them."""
import os
import signal
import time

import pytest

from pylib.client import assert_equal
from pylib.wait import never, until

CREATE = """
    CREATE TABLE t (id int PRIMARY KEY, v text);
    INSERT INTO t SELECT g, 'x' FROM generate_series(1, 100) g
"""


def sessions(database, name):
    return [row[0] for row in database.run(
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s"
        " AND datname = current_database()", (f"shapewire {name}",))]


def keeps_up(database, client, value):
    database.run("UPDATE t SET v = %s", (value,))
    assert_equal(client, database, "t", seconds=30)
    assert client.refetches == 0


@pytest.mark.parametrize("name", ["lock", "stream", "admin", "snapshot"])
def test_a_session_that_is_terminated_comes_back(database, engine, name):
    database.run(CREATE)
    client = engine.client("t", retry=True).sync()
    pid = engine.pid("connection")
    for n in range(3):
        killed = until(f"a session {name}", lambda: sessions(database, name), 20)
        database.run("SELECT pg_terminate_backend(unnest(%s))", (killed,))
        keeps_up(database, client, f"{name} {n}")
    assert engine.pid("connection") == pid
    engine.client("t", columns="id").sync().close()  # a new shape: every pool serves
    client.close()


def test_a_restart_of_postgres_ends_nobody(make_cluster, make_engine):
    cluster = make_cluster().start()
    database = cluster.create_database()
    database.run(CREATE)
    engine = make_engine(database).start()
    client = engine.client("t", retry=True).sync()
    pids = engine.wait_all()
    for n, mode in enumerate(("fast", "immediate")):
        cluster.stop(mode)
        time.sleep(0.5)
        cluster.start()
        keeps_up(database, client, f"restart {n}")
    assert engine.wait_all() == pids
    client.close()


def test_a_slow_collector_keeps_its_stream(make_cluster, make_engine):
    """wal_sender_timeout passes several times while the collector answers nothing."""
    cluster = make_cluster(settings={"wal_sender_timeout": "2s"}).start()
    database = cluster.create_database()
    database.run(CREATE)
    engine = make_engine(database).start()
    client = engine.client("t", retry=True).sync()
    stream = until("the stream", lambda: sessions(database, "stream"))
    engine.kill("shape-log-collector", signal.SIGSTOP)
    database.run("UPDATE t SET v = 'meanwhile'")
    never("another walsender", lambda: sessions(database, "stream") != stream, 7)
    engine.kill("shape-log-collector", signal.SIGCONT)
    keeps_up(database, client, "after")
    assert sessions(database, "stream") == stream
    client.close()


def test_a_new_collector_gets_a_new_stream_and_the_lock_stays(database, engine):
    database.run(CREATE)
    client = engine.client("t", retry=True).sync()
    lock = until("the lock", lambda: sessions(database, "lock"))
    stream = until("the stream", lambda: sessions(database, "stream"))
    for n in range(3):
        engine.kill("shape-log-collector")
        engine.wait_all()
        keeps_up(database, client, f"collector {n}")
    assert sessions(database, "lock") == lock
    assert sessions(database, "stream") != stream
    client.close()


def test_a_dead_engines_lock_is_broken(database, make_engine):
    """Somebody holds the lock, says nothing, and nobody streams from the slot."""
    database.run(CREATE)
    first = make_engine(database).start()
    first.stop()
    holder = database.connect()
    cursor = holder.cursor()
    cursor.execute("SELECT pg_advisory_lock(hashtext(%s))", (database.slot,))
    second = make_engine(database, storage=first.storage).start(wait=None)
    second.wait_health("active", 30)
    second.wait_log("event=lock_broken")
    holder.close()


def test_a_living_engines_lock_is_not(database, make_engine):
    """Not even when it does not stream: its collector is stopped and gets no new stream."""
    database.run(CREATE)
    first = make_engine(database).start()
    lock = until("the lock", lambda: sessions(database, "lock"))
    first.kill("shape-log-collector", signal.SIGSTOP)
    database.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                 " WHERE slot_name = %s", (database.slot,))
    second = make_engine(database).start_alone("connection")
    until("the second to wait", lambda: len(sessions(database, "lock")) == 2)
    never("the first one's lock broken",
          lambda: not set(lock) <= set(sessions(database, "lock")), 23)
    assert second.poll() is None
    first.kill("shape-log-collector", signal.SIGCONT)


def test_a_lost_slot_is_made_anew(make_cluster, make_engine):
    """Postgres has removed WAL that the slot needs: everything is reset, and clients converge."""
    cluster = make_cluster(settings={"max_slot_wal_keep_size": "1MB", "max_wal_size": "32MB",
                                     "min_wal_size": "32MB"}).start()
    database = cluster.create_database()
    database.run(CREATE)
    engine = make_engine(database).start()
    client = engine.client("t", retry=True).sync()
    engine.stop()
    database.run("CREATE TABLE filler (v text)")
    for _ in range(6):
        database.run("INSERT INTO filler SELECT repeat('x', 1000) FROM generate_series(1, 20000)")
        database.run("SELECT pg_switch_wal()")
        database.run("CHECKPOINT")
    until("the slot to be lost", lambda: database.value(
        "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s",
        (database.slot,)) == "lost", 20)
    again = make_engine(database, storage=engine.storage, ELECTRIC_PORT=str(engine.port))
    again.port = engine.port
    again.start()
    again.wait_log("event=slot_dropped")
    database.run("UPDATE t SET v = 'after'")
    assert_equal(client, database, "t", seconds=30)
    assert client.refetches == 1
    client.close()


def test_a_publication_that_is_dropped_is_made_anew(database, engine):
    """While the engine streams: the stream ends or is empty from then on, and all is reset."""
    database.run(CREATE)
    client = engine.client("t", retry=True).sync()
    seen = len(engine.log())
    database.run(f'DROP PUBLICATION "{database.publication}"')
    database.run("UPDATE t SET v = 'unpublished'")
    engine.wait_log("event=publication_created", 30, after=seen)
    until("the engine", lambda: engine.health() == "active", 30)
    database.run("UPDATE t SET v = 'after'")
    assert_equal(client, database, "t", seconds=30)
    client.close()


def test_a_prepared_writer_is_waited_for(database, engine):
    database.run(CREATE)
    writer = database.connect()
    writer.cursor().execute("BEGIN; INSERT INTO t VALUES (1000, 'p'); PREPARE TRANSACTION 'gid-p'")
    reply = engine.http().shape(table="t", offset="-1")
    assert reply.status == 503, reply
    engine.wait_log("event=writers_waited_for .*gid gid-p")
    database.run("INSERT INTO t VALUES (1001, 'others are not blocked')")
    writer.cursor().execute("COMMIT PREPARED 'gid-p'")
    writer.close()
    client = engine.client("t", retry=True).sync()
    assert_equal(client, database, "t")
    client.close()


def test_a_manual_publication_is_never_touched(database, make_engine):
    database.run(CREATE)
    database.run("CREATE TABLE other (id int PRIMARY KEY)")
    database.run(f'CREATE PUBLICATION "{database.publication}" FOR TABLE t')
    engine = make_engine(database, ELECTRIC_MANUAL_TABLE_PUBLISHING="true").start()
    reply = engine.http().shape(table="other", offset="-1")
    assert reply.status == 503
    assert "ELECTRIC_MANUAL_TABLE_PUBLISHING" in reply.body.decode()
    reply = engine.http().shape(table="t", offset="-1")
    assert reply.status == 503
    assert "replica identity set to FULL" in reply.body.decode()
    database.run("ALTER TABLE t REPLICA IDENTITY FULL")
    client = engine.client("t", retry=True).sync()
    database.run("UPDATE t SET v = 'after'")
    assert_equal(client, database, "t")
    client.close()


def test_a_first_row_that_never_comes(database, engine):
    """A table that is locked: the request fails clearly, and nothing of it stays."""
    database.run(CREATE)
    engine.client("t").sync().close()
    blocker = database.connect()
    blocker.cursor().execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE")
    reply = engine.http().shape(table="t", columns="id", offset="-1")
    assert reply.status == 503, reply
    blocker.close()
    engine.client("t", columns="id", retry=True).sync().close()
    until("no open transaction of ours", lambda: database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name LIKE 'shapewire%%' AND state LIKE 'idle in%%'") == 0)


def test_connections_are_named_and_few(database, engine):
    database.run(CREATE)
    engine.client("t").sync().close()
    names = [row[0] for row in database.run(
        "SELECT DISTINCT application_name FROM pg_stat_activity"
        " WHERE application_name LIKE 'shapewire%%' AND datname = current_database()")]
    assert sorted(names) == ["shapewire admin", "shapewire lock", "shapewire snapshot",
                             "shapewire stream"]
    assert sum(len(sessions(database, n)) for n in ("admin", "lock", "snapshot", "stream")) <= 6
    assert os.path.exists(f"/proc/{engine.pid('connection')}")


def test_the_last_transaction_comes_again(database, engine):
    """A stream that ends right after a commit: redelivery changes nothing, ops included."""
    database.run(CREATE)
    client = engine.client("t", retry=True).sync()
    for n in range(5):
        database.run("UPDATE t SET v = %s", (f"again {n}",))
        database.run("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
                     " WHERE slot_name = %s", (database.slot,))
        assert_equal(client, database, "t", seconds=30)
    assert client.changes == 500
    assert client.refetches == 0
    client.close()
