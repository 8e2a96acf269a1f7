"""How long each failure lasts for whom: the figures of docs/failure.md.

Printed, with generous limits: what takes ten times as long as it should has gone wrong. The table
is for a machine that has nothing else to do (pytest -s tests/faults/test_times.py).
"""
import signal
import threading
import time

import pytest

from pylib.engine import signal_quietly
from pylib.reader import Reader
from pylib.wait import patience, until

TABLE = "t"


class Scene:
    """An engine with one shape, a client that waits for its changes and one that reads it."""

    def __init__(self, make_cluster, make_engine):
        self.cluster = make_cluster().start()
        self.database = self.cluster.create_database()
        for table in (TABLE, "other"):
            self.database.run(f"CREATE TABLE {table} (id int PRIMARY KEY, v text)")
        self.engine = make_engine(self.database).start()
        self.client = self.engine.client(TABLE, retry=True).sync()
        self.engine.wait_complete(self.client)
        self.client.start()
        self.reader = Reader(self.engine.port, self.client)
        self.reader.start()
        self.shapes = 0
        time.sleep(1)

    def close(self):
        self.reader.stop()
        self.client.close()

    def change_arrives(self):
        """Seconds until a row that is inserted now is at the client that waits."""
        began = time.monotonic()
        until("Postgres", lambda: self.cluster.server and self.cluster._accepts(), 60)
        key = self.database.value(f"INSERT INTO {TABLE} SELECT coalesce(max(id), 0) + 1 FROM {TABLE}"
                                  " RETURNING id")
        until("the change", lambda: (str(key),) in self.client.table(), 60, 0.002)
        return time.monotonic() - began

    def shape_is_made(self):
        """Seconds until a shape that nobody asked for before is there."""
        began = time.monotonic()
        self.shapes += 1
        self.engine.client("other", where=f"id > {self.shapes}", retry=True).sync(90).close()
        return time.monotonic() - began

    def measure(self, name, fault):
        self.engine.wait_health()
        began = time.monotonic()
        mend = fault()
        told = {}

        def note(what, ask):
            told[what] = ask()

        threads = [threading.Thread(target=note, args=each, daemon=True) for each in
                   (("change", self.change_arrives), ("shape", self.shape_is_made))]
        for thread in threads:
            thread.start()
        if callable(mend):  # here: what a thread starts ends with it (PR_SET_PDEATHSIG)
            mend()
        for thread in threads:
            thread.join(patience(120))
        time.sleep(0.5)
        told["pause"] = self.reader.longest_pause(began)
        print(f"{name}: reads paused {told['pause']:.2f} s, a change came after"
              f" {told['change']:.2f} s, a new shape after {told['shape']:.2f} s", flush=True)
        return told


@pytest.fixture
def scene(make_cluster, make_engine):
    made = Scene(make_cluster, make_engine)
    yield made
    made.close()


def test_each_failure_in_turn(scene):
    engine, cluster = scene.engine, scene.cluster

    def later(seconds, what, *args):
        def mend():
            time.sleep(seconds)
            what(*args)
        return mend

    def suspend(service, seconds):
        pid = engine.kill(service, signal.SIGSTOP)
        return later(seconds, signal_quietly, pid, signal.SIGCONT)

    def outage(seconds):
        cluster.stop("immediate")
        return later(seconds, cluster.start)

    for service in ("connection", "shape-log-collector", "api", "orchestrator"):
        told = scene.measure(f"kill -9 {service}", lambda: engine.kill(service))
        assert told["pause"] < patience(2) and told["change"] < patience(5)
    for service in ("connection", "shape-log-collector", "orchestrator"):
        told = scene.measure(f"{service} stopped for 5 s", lambda: suspend(service, 5))
        assert told["pause"] < patience(1) and told["change"] < patience(10)
    told = scene.measure("connection hangs", lambda: suspend("connection", 11))
    assert told["pause"] < patience(1) and told["change"] < patience(20)
    told = scene.measure("Postgres restarted", lambda: (cluster.stop(), cluster.start())[0])
    assert told["pause"] < patience(1) and told["change"] < patience(5)
    for service in ("shape-log-collector", "orchestrator"):
        told = scene.measure(f"{service} hangs", lambda: suspend(service, 11))
        assert told["pause"] < patience(1) and told["change"] < patience(20)
    told = scene.measure("Postgres ended at once, back after 5 s", lambda: outage(5))
    assert told["pause"] < patience(1) and told["change"] < patience(20)
