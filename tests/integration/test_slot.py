"""Design §4.4: the slot is the journal. It follows when idle, and never runs ahead of the disk."""
import time

import pytest

from pylib import preload
from pylib.client import assert_equal
from pylib.wait import never, until

CREATE = "CREATE TABLE t (id int PRIMARY KEY, v text); CREATE TABLE unrelated (id int, v text)"


@pytest.mark.parametrize("published", [True, False])
def test_idle_engine_does_not_hold_the_slot_back(database, engine, published):
    """Changes of tables that no shape wants move confirmed_flush_lsn within 10 s."""
    database.run(CREATE)
    if published:
        engine.client("t").sync().close()
    for _ in range(3):
        database.run("INSERT INTO unrelated SELECT g, 'x' FROM generate_series(1, 1000) g")
        end = database.lsn()
        until("confirmed_flush_lsn to follow", lambda: database.confirmed() >= end, 10)


def test_other_databases_do_not_hold_the_slot_back(cluster, database, engine):
    other = cluster.create_database()
    other.run(CREATE)
    other.run("INSERT INTO unrelated SELECT g, 'x' FROM generate_series(1, 1000) g")
    end = database.lsn()
    until("confirmed_flush_lsn to follow", lambda: database.confirmed() >= end, 10)
    other.drop()


def test_no_xmin_is_held(database, engine):
    """A good guest: an idle engine keeps no snapshot and no transaction open."""
    database.run(CREATE)
    engine.client("t").sync().close()
    until("all sessions to be idle", lambda: database.value(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND pid <> pg_backend_pid() AND (backend_xmin IS NOT NULL OR state LIKE 'idle in%')"
        " AND backend_type = 'client backend'") == 0)


def test_fast_shutdown_does_not_wait_for_us(make_cluster, make_engine):
    cluster = make_cluster().start()
    database = cluster.create_database()
    database.run(CREATE)
    alone = cluster.stop()
    cluster.start()
    engine = make_engine(database).start()
    client = engine.client("t", retry=True).sync()
    database.run("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 1000) g")
    took = cluster.stop()
    print(f"pg_ctl stop -m fast: {took:.2f} s with us, {alone:.2f} s without")
    assert took < alone + 2
    cluster.start()
    engine.wait_health()
    assert_equal(client, database, "t")
    client.close()


# fsync held back: a library that lets the process's syncs wait while a file exists

HOLD = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void
hold(void)
{
    const char *path = getenv("HOLD_SYNC");
    while (path != NULL && access(path, F_OK) == 0) {
        usleep(5000);
    }
}

#define SYNC(name)                                            \
    int name(int fd)                                          \
    {                                                         \
        int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, #name); \
        hold();                                               \
        return real(fd);                                      \
    }
SYNC(fsync)
SYNC(fdatasync)
SYNC(syncfs)
"""


@pytest.fixture(scope="module")
def hold_library(tmp_path_factory):
    return preload.library(tmp_path_factory.mktemp("hold"), HOLD)


class HeldSync:
    """While active, every sync of the engine waits."""

    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.path.write_text("")

    def __exit__(self, *_):
        self.path.unlink()


@pytest.fixture
def held(hold_library, tmp_path, database, make_engine):
    path = tmp_path / "hold"
    engine = make_engine(database, LD_PRELOAD=hold_library, HOLD_SYNC=str(path))
    return engine, HeldSync(path)


def test_confirmed_never_passes_what_is_durable(database, held):
    engine, hold = held
    database.run(CREATE)
    engine.start()
    client = engine.client("t").sync()
    engine.wait_complete(client)
    until("an acknowledged start", lambda: (database.confirmed() or 0) > 0)
    with hold:
        time.sleep(1.5)  # a checkpoint that is under way may still end
        first = None
        for n in range(50):
            before = database.lsn()
            first = first or before
            database.run("INSERT INTO t VALUES (%s, 'held')", (n,))
            time.sleep(0.02)
        client.live_until(lambda c: c.changes == 50)  # served at once
        never("acknowledged beyond the last checkpoint",
              lambda: (database.confirmed() or 0) > first, 4)
        assert engine.health() == "active"
    until("confirmed_flush_lsn to follow", lambda: database.confirmed() > client.position[0], 10)
    client.close()


def test_killed_while_syncs_are_held(database, held):
    """Appended, served, not durable: the next collector gets it again, once."""
    engine, hold = held
    database.run(CREATE)
    engine.start()
    client = engine.client("t", retry=True).sync()
    engine.wait_complete(client)
    with hold:
        time.sleep(1.2)
        database.run("INSERT INTO t SELECT g, 'held' FROM generate_series(1, 500) g")
        client.live_until(lambda c: c.changes == 500)
        engine.kill("shape-log-collector")
    engine.wait_all()
    engine.wait_health()
    database.run("UPDATE t SET v = 'after' WHERE id <= 10")
    assert_equal(client, database, "t")
    assert client.refetches == 0
    fresh = engine.client("t", retry=True).sync()
    assert fresh.handle == client.handle
    assert_equal(fresh, database, "t")
    client.close()
    fresh.close()


def test_a_new_shape_waits_for_the_disk(database, held):
    """A shape is not complete before it is durable; a crash before that drops it."""
    engine, hold = held
    database.run(CREATE)
    database.run("INSERT INTO t SELECT g, 'x' FROM generate_series(1, 10) g")
    engine.start()
    engine.client("unrelated").sync().close()
    with hold:
        time.sleep(1.2)
        engine.http().shape(table="t", offset="-1")  # 200 or 503, both are right
        engine.kill("shape-log-collector")
    engine.wait_all()
    engine.wait_health()
    client = engine.client("t", retry=True).sync()
    database.run("UPDATE t SET v = 'after'")
    assert_equal(client, database, "t")
    client.close()


def test_slow_disk_does_not_stop_reads(database, held):
    engine, hold = held
    database.run(CREATE)
    database.run("INSERT INTO t VALUES (1, 'x')")
    engine.start()
    client = engine.client("t").sync()
    engine.wait_complete(client)
    with hold:
        time.sleep(1)
        for _ in range(30):
            began = time.monotonic()
            assert engine.http().shape(table="t", offset="-1").status == 200
            assert time.monotonic() - began < 0.5
            time.sleep(0.1)
    client.close()
