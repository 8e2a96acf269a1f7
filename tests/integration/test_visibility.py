"""Design §4.5, §5.3: what is in a snapshot comes once, whatever the order of commit and view."""
import threading
import time
from contextlib import closing

import pytest

from pylib.client import ShapeClient, assert_equal, visible
from pylib.wait import until

CREATE = "CREATE TABLE t (id int PRIMARY KEY, v text, n int); INSERT INTO t VALUES (1, 'a', 0)"


@pytest.fixture
def own(make_cluster):
    """A cluster and database of the test's own, not shared: its settings change."""
    cluster = make_cluster().start()
    return cluster, cluster.create_database()


@pytest.mark.parametrize("epoch", [0, 1, 5])
def test_writers_open_at_the_snapshot(make_cluster, make_engine, epoch):
    """A published table; open writers are in the marks' xip (64 bits), the stream has 32 bits."""
    cluster = make_cluster(bin_dir=bin_with_resetwal())
    if epoch:
        cluster.start()
        cluster.stop()
        cluster.resetwal("-e", str(epoch))
    cluster.start()
    database = cluster.create_database()
    assert database.value("SELECT pg_current_xact_id()::text::bigint >> 32") == epoch
    database.run(CREATE)
    engine = make_engine(database).start()
    first = engine.client("t").sync()
    columns = ["id", "id,v", "id,n"]
    for round_, wanted in enumerate(columns):
        base = 100 * (round_ + 1)
        with closing(database.writer()) as one, closing(database.writer()) as two:
            with one.cursor() as a, two.cursor() as b:
                a.execute(f"INSERT INTO t VALUES ({base}, 'open', 1)")
                b.execute(f"INSERT INTO t VALUES ({base + 1}, 'open', 1)")
                database.run(f"INSERT INTO t VALUES ({base + 2}, 'done', 1)")
                b.execute("UPDATE t SET v = 'b' WHERE id = 1")
                client = engine.client("t", columns=wanted).sync()
                assert len(client.marks["xip_list"]) >= 2
                assert (int(client.marks["xmax"]) >> 32) == epoch
                two.commit()
                database.run(f"DELETE FROM t WHERE id = {base + 2}")
                one.commit()
        assert_equal(client, database, "t", columns=wanted)
        assert client.refetches == 0
        client.close()
    assert_equal(first, database, "t")
    first.close()


def bin_with_resetwal():
    import os
    from pylib.postgres import debian_bins, server_bin
    return next(p for p in [server_bin(), *debian_bins()] if os.path.exists(p + "/pg_resetwal"))


def commit_held(cluster, database, statement):
    """A commit that is in the WAL and streamed, but visible to nobody: it waits for a standby."""
    cluster.configure({"synchronous_standby_names": "fake"})
    cluster.reload()

    def run():
        with closing(database.connect(application_name="held")) as connection:
            connection.cursor().execute(statement)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until("the commit to wait for a standby", lambda: database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"))

    def release():
        cluster.configure({"synchronous_standby_names": ""})
        cluster.reload()
        thread.join(10)
        assert not thread.is_alive()

    return release


def test_commit_streamed_before_it_is_visible(own, make_engine):
    cluster, database = own
    database.run(CREATE)
    engine = make_engine(database).start()
    first = engine.client("t").sync()
    release = commit_held(cluster, database, "INSERT INTO t VALUES (2, 'held', 0)")
    first.live_until(lambda c: c.changes == 1)  # it is streamed ...
    assert database.value("SELECT count(*) FROM t") == 1  # ... and not visible
    began = time.monotonic()
    answer = engine.http().shape(table="t", offset="-1", columns="id,v")
    if answer.status == 200:
        raise AssertionError(f"a snapshot without a streamed row was given out: {answer}")
    assert answer.status == 503 and time.monotonic() - began < 15, answer
    assert "retry-after" in answer.headers
    # Released while the next request waits: it gets the row, once.
    late = ShapeClient(engine.port, "t", retry=True, columns="id,n")
    thread = threading.Thread(target=lambda: late.sync(30))
    thread.start()
    time.sleep(1)
    release()
    thread.join(40)
    for client, columns in ((first, None), (late, "id, n"),
                            (engine.client("t", columns="id,v", retry=True).sync(), "id, v")):
        assert_equal(client, database, "t", columns=columns)
        database.run("INSERT INTO t SELECT max(id) + 1, 'after', 0 FROM t")
        assert_equal(client, database, "t", columns=columns)
        assert client.refetches == 0
        client.close()


def test_held_commit_of_another_table_disturbs_nobody(own, make_engine):
    cluster, database = own
    database.run(CREATE + "; CREATE TABLE u (id int PRIMARY KEY)")
    engine = make_engine(database).start()
    clients = [engine.client("t").sync(), engine.client("u").sync()]
    release = commit_held(cluster, database, "INSERT INTO u VALUES (2)")
    began = time.monotonic()
    other = engine.client("t", columns="id,v").sync()
    assert time.monotonic() - began < 4
    release()
    for client in (*clients, other):
        client.close()


def test_held_commit_survives_a_collector_restart(own, make_engine):
    """The ids of streamed, not yet visible transactions are part of the checkpoint."""
    cluster, database = own
    database.run(CREATE)
    engine = make_engine(database).start()
    first = engine.client("t", retry=True).sync()
    release = commit_held(cluster, database, "INSERT INTO t VALUES (2, 'held', 0)")
    first.live_until(lambda c: c.changes == 1)
    time.sleep(2.5)  # two checkpoints
    engine.kill("shape-log-collector")
    engine.wait_all()
    engine.wait_health()
    answer = engine.http().shape(table="t", offset="-1", columns="id,v")
    assert answer.status == 503, answer
    release()
    client = engine.client("t", columns="id,v", retry=True).sync()
    assert_equal(client, database, "t", columns="id, v")
    assert_equal(first, database, "t")
    first.close()
    client.close()


def test_marks_and_changes_add_up(database, engine):
    """Every change of a transaction that the marks do not show comes, and no other."""
    database.run(CREATE)
    database.run("CREATE TABLE seen (xid bigint)")
    first = engine.client("t").sync()
    leave = threading.Event()

    def write(worker):
        with closing(database.connect()) as connection, connection.cursor() as cursor:
            n = 0
            while not leave.is_set():
                n += 1
                cursor.execute(
                    f"BEGIN; INSERT INTO t VALUES ({worker * 100000 + n}, 'w', 0);"
                    " INSERT INTO seen VALUES (pg_current_xact_id()::text::bigint);"
                    " SELECT pg_sleep(0.003); COMMIT")

    threads = [threading.Thread(target=write, args=(w,)) for w in range(1, 5)]
    for thread in threads:
        thread.start()
    clients = []
    try:
        for columns in ("id", "id,v", "id,n", "id,v,n"):
            for replica in ("default", "full"):
                clients.append(engine.client("t", columns=columns, replica=replica).sync())
                time.sleep(0.1)
    finally:
        leave.set()
        for thread in threads:
            thread.join()
    xids = [row[0] for row in database.run("SELECT xid FROM seen")]
    total = database.value("SELECT count(*) FROM t")
    for client in clients:
        client.live_until(lambda c: len(c.rows) == total)
        assert client.changes == sum(not visible(xid, client.marks) for xid in xids)
        client.close()
    first.close()


def test_joining_inside_a_long_transaction(database, engine):
    """A shape that joins while a long transaction is being streamed."""
    database.run(CREATE)
    first = engine.client("t", keep_log=False).sync()
    for round_, columns in enumerate(("id", "id,v", "id,n")):
        low = 10**6 * (round_ + 1)
        database.run(f"INSERT INTO t SELECT g, 'long', 0"
                     f" FROM generate_series({low}, {low + 60000}) g")
        client = engine.client("t", columns=columns, keep_log=False).sync()
        database.run(f"DELETE FROM t WHERE id BETWEEN {low} AND {low + 100}")
        assert_equal(client, database, "t", columns=columns)
        client.close()
    assert_equal(first, database, "t")
    first.close()
