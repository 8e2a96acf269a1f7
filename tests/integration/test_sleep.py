"""Engine spec §1.14: without use all database sessions are closed, and who needs them wakes them.

Half a minute is the least that may be set, so four engines fall asleep at the same time and are
woken in four ways.
"""
import time
from contextlib import ExitStack

import pytest

from pylib.wait import never, until

IDLE_S = 30


def sessions(database):
    return database.value("SELECT count(*) FROM pg_stat_activity"
                          " WHERE datname = current_database() AND application_name LIKE 'shapewire%'")


class Sleeper:
    """An engine on a database of its own, with a client that waits for changes of table t."""

    def __init__(self, cluster, make_engine, stack, **settings):
        self.database = cluster.create_database()
        stack.callback(self.database.drop)
        self.database.run("CREATE TABLE t (id int PRIMARY KEY, v text)")
        self.database.run("CREATE TABLE other (id int PRIMARY KEY)")
        self.database.run("INSERT INTO t VALUES (1, 'a')")
        self.engine = make_engine(self.database, ELECTRIC_REPLICATION_IDLE_TIMEOUT=f"{IDLE_S}s",
                                  ELECTRIC_TWEAKS_SCHEMA_RECONCILER_PERIOD="500ms",
                                  ELECTRIC_LONG_POLL_TIMEOUT="50s", **settings).start()
        self.client = self.engine.client("t").sync()
        self.engine.wait_complete(self.client)
        self.client.start()  # waits for longer than it takes to fall asleep
        self.pids = self.engine.wait_all()

    def fall_asleep(self):
        self.engine.wait_log("event=database_sleeps", IDLE_S + 15)
        until("all sessions to be closed", lambda: sessions(self.database) == 0)
        until("the board to say so", lambda: self.engine.http().get("/v1/status").json()
              ["connection"] == "sleeping")


@pytest.fixture
def sleepers(cluster, make_engine):
    with ExitStack() as stack:
        made = [Sleeper(cluster, make_engine, stack), Sleeper(cluster, make_engine, stack),
                Sleeper(cluster, make_engine, stack, SHAPEWIRE_SLEEP_MAX="4s"),
                Sleeper(cluster, make_engine, stack)]
        yield made
        for each in made:
            each.client.close()
            each.engine.stop()


def test_the_idle_database_is_left_until_it_is_needed(sleepers):
    sleepers[2].fall_asleep()
    wakes_by_itself(sleepers[2])
    for each in (sleepers[0], sleepers[1], sleepers[3]):
        each.fall_asleep()
    wakes_for_a_live_request(sleepers[0])
    wakes_for_a_new_shape(sleepers[1])
    wakes_for_a_subset(sleepers[3])
    for each in sleepers:
        assert each.engine.wait_all() == each.pids


def wakes_by_itself(sleeper):
    """WAL must not grow without end because nobody asks."""
    database = sleeper.database
    asleep_at = database.confirmed()
    database.run("CREATE TABLE unrelated AS SELECT generate_series(1, 1000) i")
    written = database.lsn()
    assert asleep_at < written
    until("the slot to follow", lambda: database.confirmed() >= written, 15)
    sleeper.engine.wait_log("event=database_wakes reason=.it has slept")


def wakes_for_a_live_request(sleeper):
    """... and not for reads of what is there, for who waits already, or for our own upkeep."""
    database, engine, client = sleeper.database, sleeper.engine, sleeper.client
    assert engine.health() == "active"
    database.run("INSERT INTO t VALUES (2, 'b')")
    reader = engine.client("t").sync()
    assert len(reader.rows) == 1
    never("a session", lambda: sessions(database), 2)
    assert not database.slot_active()
    assert len(client.rows) == 1
    reader.live_until(lambda c: len(c.rows) == 2)
    until("the one that waited to hear of it", lambda: len(client.rows) == 2)
    assert reader.handle == client.handle
    reader.close()


def wakes_for_a_new_shape(sleeper):
    began = time.monotonic()
    sleeper.engine.client("other").sync().close()
    assert time.monotonic() - began < 5


def wakes_for_a_subset(sleeper):
    answer = sleeper.engine.http().shape(table="t", offset="-1", subset__where="id = 1")
    assert answer.status == 200, answer
    assert [item["value"]["v"] for item in answer.json()["data"]] == ["a"]
