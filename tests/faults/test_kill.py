"""kill -9 of each service in turn, under load: nothing is lost, doubled or rotated.

SHAPEWIRE_FAULT_ROUNDS sets the number of rounds (20), SHAPEWIRE_LOAD_RATE how many transactions
a second pgbench tries (300, so that this test's own client keeps up; 0: as many as it can).
"""
import os
import random
import threading
import time
from contextlib import closing

from pylib.client import assert_equal, visible
from pylib.engine import SERVICES
from pylib.load import TABLES, Pgbench
from pylib.wait import until

RATE = int(os.environ.get("SHAPEWIRE_LOAD_RATE", "300")) or None
ROUNDS = int(os.environ.get("SHAPEWIRE_FAULT_ROUNDS", "20"))
BIG = 10_000


def big_transaction(database, round_):
    """Begins to update 10,000 rows in one transaction; its commit comes within moments."""
    def run():
        with closing(database.connect()) as connection, connection.cursor() as cursor:
            low = 1 + (round_ * BIG) % 190_000
            cursor.execute("UPDATE pgbench_accounts SET abalance = abalance + 1"
                           " WHERE aid BETWEEN %s AND %s", (low, low + BIG - 1))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def wait_restarted(engine, service, before):
    def check():
        now = engine.pids()
        return now if set(now) == set(before) and now[service] != before[service] else None
    return until(f"{service} to be back", check, 20)


def test_twenty_rounds_under_load(database, make_engine):
    seed = int(os.environ.get("SHAPEWIRE_SEED", random.randrange(1 << 30)))
    print(f"seed {seed}")
    chance = random.Random(seed)
    load = Pgbench(database).init(scale=2)
    engine = make_engine(database).start()
    clients = {table: engine.client(table, retry=True, keep_log=False).start() for table in TABLES}
    for client in clients.values():
        until("the first sync", lambda: client.up_to_date, 30)
    engine.wait_complete(*clients.values())
    handles = {table: client.handle for table, client in clients.items()}
    load.start(seconds=600, clients=4, rate=RATE)
    between = 0
    try:
        for round_ in range(ROUNDS):
            service = SERVICES[round_ % len(SERVICES)]
            before = engine.wait_all()
            inside = round_ // len(SERVICES) % 2 == 0
            # A checkpoint comes each second: these fall before, into and after one.
            time.sleep(chance.uniform(0.1, 1.1))
            thread = big_transaction(database, round_) if inside else None
            if inside:
                time.sleep(chance.uniform(0.02, 0.35))
            engine.kill(service)
            served, durable = max(c.position[0] for c in clients.values()), database.confirmed()
            between += service == "shape-log-collector" and served > durable
            print(f"round {round_}: {service}, served {served}, acknowledged {durable}"
                  + (", inside a large transaction" if inside else ""))
            after = wait_restarted(engine, service, before)
            if thread:
                thread.join()
            assert {s: p for s, p in after.items() if s != service} == \
                {s: p for s, p in before.items() if s != service}, f"round {round_}: {service}"
            for client in clients.values():
                client.check()
        engine.wait_health()
    finally:
        load.stop()
    assert between > 0, "no kill fell between an append and its checkpoint"
    for table, client in clients.items():
        assert_equal(client, database, table, 60)
        client.stop()
        assert client.refetches == 0 and client.handle == handles[table]
    for table, client in clients.items():
        wanted = sum(not visible(xid, client.marks) for xid in load.changes(table))
        assert client.changes == wanted, f"{client.changes} change items, {wanted} changes"
        fresh = engine.client(table).sync()
        assert fresh.handle == handles[table]
        assert_equal(fresh, database, table)
        fresh.close()
        client.close()


def test_all_services_at_once(database, make_engine):
    load = Pgbench(database).init(scale=1, audit=False)
    engine = make_engine(database).start()
    client = engine.client("pgbench_accounts", retry=True, keep_log=False).sync()
    engine.wait_complete(client)
    client.start()
    load.start(seconds=60, clients=4, rate=RATE)
    for _ in range(2):
        time.sleep(1)
        before = engine.wait_all()
        for service in SERVICES:
            engine.kill(service)
        until("all to be back", lambda: (now := engine._complete()) and
              all(now[s] != before[s] for s in SERVICES), 20)
        engine.wait_health()
    load.stop()
    assert_equal(client, database, "pgbench_accounts", 60)
    assert client.refetches == 0
    client.close()


def test_kill_while_a_shape_is_created(database, make_engine):
    """Each service dies at some moment of a first sync: the client gets it all, once."""
    load = Pgbench(database).init(scale=1, audit=False)
    engine = make_engine(database).start()
    load.start(seconds=120, clients=2, rate=RATE)
    columns = ["aid", "aid,bid", "aid,abalance", "aid,bid,abalance"]
    clients = []
    for n, wanted in enumerate(columns):
        service = ("shape-log-collector", "connection", "api", "shape-log-collector")[n % 4]
        before = engine.wait_all()
        client = engine.client("pgbench_accounts", columns=wanted, retry=True, keep_log=False)
        clients.append((client.start(), wanted))
        time.sleep(0.05 + 0.06 * n)
        engine.kill(service)
        wait_restarted(engine, service, before)
        until("the first sync", lambda: (client.check(), client.up_to_date)[1], 40)
    load.stop()
    for client, wanted in clients:
        assert_equal(client, database, "pgbench_accounts", 60, columns=wanted.replace(",", ", "))
        client.close()
