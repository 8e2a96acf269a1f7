"""Every copy of every shape is what Postgres says, under random writers: docs/testing.md, "The shape oracle".

SHAPEWIRE_SHAPES (100), SHAPEWIRE_TRANSACTIONS (200) and SHAPEWIRE_SEED decide a run; with SHAPEWIRE_KILLS=1
services are killed while it writes.
"""
import os
import random
import threading
import time

from pylib.engine import SERVICES
from pylib.shape_oracle import ShapeOracle, Writer

SHAPES = int(os.environ.get("SHAPEWIRE_SHAPES", "100"))
TRANSACTIONS = int(os.environ.get("SHAPEWIRE_TRANSACTIONS", "200"))
SEED = int(os.environ.get("SHAPEWIRE_SEED", random.randrange(1 << 30)))
KILLS = os.environ.get("SHAPEWIRE_KILLS") == "1"
WRITERS = 4
PERIODS = 5  # between quiet points
IDS = 80


class Killer:
    """Kills a random service every second or so, until stop()."""

    def __init__(self, engine, seed):
        self.engine = engine
        self.rnd = random.Random(seed)
        self.leave = threading.Event()
        self.killed = []
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.leave.wait(self.rnd.uniform(0.3, 1.5)):
            service = self.rnd.choice(SERVICES)
            if service in self.engine.pids():
                self.engine.kill(service)
                self.killed.append(service)

    def stop(self):
        self.leave.set()
        self.thread.join(30)


def write(writers, count):
    """`count` transactions, each writer its share."""
    threads = [threading.Thread(target=writer.run, args=(count // WRITERS,)) for writer in writers]
    for thread in threads:
        thread.start()
    return threads


def test_every_copy_is_a_state_of_postgres(make_cluster, make_engine):
    print(f"seed {SEED}, {SHAPES} shapes, {TRANSACTIONS} transactions, kills {KILLS}")
    began = time.monotonic()
    rnd = random.Random(SEED)
    cluster = make_cluster(initdb_args=("--locale=C",)).start()
    database = cluster.create_database()
    engine = make_engine(database, ELECTRIC_LONG_POLL_TIMEOUT="5s").start()
    oracle = ShapeOracle(database, engine, SEED, SHAPES)
    writers = [Writer(database, SEED + n, IDS) for n in range(WRITERS)]
    for thread in write(writers, WRITERS * 10):
        thread.join()
    for _ in range(SHAPES // 2):
        oracle.add()
    oracle.quiet()
    killed = []
    for period in range(PERIODS):
        killer = Killer(engine, rnd.random()) if KILLS else None
        threads = write(writers, TRANSACTIONS // PERIODS)
        while len(oracle.copies) < SHAPES // 2 + (period + 1) * (SHAPES - SHAPES // 2) // PERIODS:
            oracle.add()  # in the midst of it
        for thread in threads:
            thread.join(120)
            assert not thread.is_alive(), "a writer hangs"
        for writer in writers:
            assert writer.failure is None, writer.failure
        if killer:
            killer.stop()
            killed += killer.killed
            engine.wait_all(60)
            engine.wait_health(seconds=60)
        oracle.quiet(120 if KILLS else 60)
    committed = sum(writer.committed for writer in writers)
    print(f"{len(oracle.copies)} shapes, {committed} commits, {len(killed)} kills, {oracle.ended} shapes ended by a row that"
          f" their clause fails for, {sum(c.refetches for c in oracle.copies)} refetches, {time.monotonic() - began:.0f} s")
    assert oracle.ended <= len(oracle.copies) // 5
    oracle.close()
