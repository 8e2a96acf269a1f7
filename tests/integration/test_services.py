"""The four services: what they link, who restarts whom, what they serve alone."""
import signal
import time

import pytest

from pylib.client import assert_equal
from pylib.engine import SERVICES, program, run_program
from pylib.process import alive, linked_libraries
from pylib.wait import until

CREATE = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')"


def links(service, library):
    return any(name.startswith(library) for name in linked_libraries(program(service)))


def test_separation_of_libraries():
    assert [s for s in SERVICES if links(s, "libpq.")] == ["connection"]
    assert [s for s in SERVICES if links(s, "libsqlite3.")] == ["shape-log-collector"]
    assert [s for s in SERVICES if links(s, "libpg_query.")] in ([], ["shape-log-collector"])
    assert not any(links(None, name) for name in ("libpq.", "libsqlite3.", "libnng."))


@pytest.mark.parametrize("service", [None, *SERVICES])
def test_help_and_version(service):
    code, said = run_program([program(service), "--help"], {})
    assert code == 0 and "DATABASE_URL" in said and "ELECTRIC_PORT" in said
    code, said = run_program([program(service), "--version"], {})
    assert code == 0 and "shapewire" in said and any(c.isdigit() for c in said)


@pytest.mark.parametrize("service", SERVICES)
def test_shapewire_runs_one_service(service):
    code, said = run_program([program(), service, "--version"], {})
    assert code == 0 and "shapewire" in said


def test_one_process_each_and_a_clean_end(database, engine):
    pids = engine.wait_all()
    assert set(pids) == {"shapewire", *SERVICES}
    began = time.monotonic()
    engine.stop()
    assert time.monotonic() - began < 8
    assert not any(alive(pid) for pid in pids.values())
    assert not list(engine.runtime.glob("*.sock"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_reach_everybody(database, make_engine, number):
    engine = make_engine(database).start()
    engine.parent.send_signal(number)
    assert engine.parent.wait(15) == 0
    until("all to be gone", lambda: not engine.pids(), 5)
    engine.parent = None


@pytest.mark.parametrize("service", SERVICES)
def test_each_is_restarted_alone(database, engine, service):
    database.run(CREATE)
    client = engine.client("t", retry=True).sync()
    engine.wait_complete(client)
    before = engine.wait_all()
    engine.kill(service)
    after = until("its restart", lambda: (p := engine._complete()) and
                  p[service] != before[service] and p, 15)
    assert {s: p for s, p in after.items() if s != service} == \
        {s: p for s, p in before.items() if s != service}
    engine.wait_health()
    database.run("INSERT INTO t VALUES (2, 'b')")
    assert_equal(client, database, "t")
    assert client.refetches == 0
    client.close()


def test_the_rest_lives_on_without_the_orchestrator(database, engine):
    """And the next one adopts them."""
    database.run(CREATE)
    client = engine.client("t").sync()
    before = engine.wait_all()
    for n in range(2, 4):
        engine.kill("orchestrator")
        database.run(f"INSERT INTO t VALUES ({n}, 'b')")
        client.live_until(lambda c: len(c.rows) == n, 5)
        after = engine.wait_all()
        for service in ("connection", "shape-log-collector", "api"):
            assert after[service] == before[service]
    engine.wait_health()
    adopted = engine.pid("api")
    engine.kill("api")  # an adopted one is restarted as well
    until("a new api", lambda: engine.pids().get("api", adopted) != adopted, 15)
    engine.wait_health()
    client.close()


def test_reads_without_the_database(make_cluster, make_engine):
    """Stopped Postgres: existing shapes answer 200 at once, live requests stay parked."""
    cluster = make_cluster().start()
    database = cluster.create_database()
    database.run(CREATE)
    database.run("CREATE TABLE later (id int PRIMARY KEY)")
    engine = make_engine(database).start()
    client = engine.client("t", retry=True).sync()
    before = engine.wait_all()
    client.start()
    cluster.stop()
    http = engine.http()
    ends = time.monotonic() + 4
    while time.monotonic() < ends:
        for offset in ("-1", "0_0", "0_inf"):
            began = time.monotonic()
            answer = http.shape(table="t", offset=offset, handle=client.handle)
            assert answer.status == 200, answer
            assert time.monotonic() - began < 0.5
        time.sleep(0.1)
    answer = http.shape(table="later", offset="-1")  # a new shape must wait, then fail clearly
    assert answer.status == 503 and "retry-after" in answer.headers, answer
    assert "message" in answer.json()
    cluster.start()
    engine.wait_health()
    database.run("INSERT INTO t VALUES (5, 'back')")
    until("the row after the outage", lambda: len(client.rows) == 2)
    client.stop()
    after = engine.pids()
    for service in ("shape-log-collector", "api", "orchestrator", "shapewire"):
        assert after[service] == before[service]
    assert client.refetches == 0
    engine.client("later", retry=True).sync().close()
    client.close()


def test_reads_while_another_service_is_stopped(database, engine):
    """SIGSTOP of the connection: reads go on. Of the collector: what the api holds goes on."""
    database.run(CREATE)
    client = engine.client("t").sync()
    http = engine.http()
    for service in ("connection", "orchestrator"):
        pid = engine.pid(service)
        engine.kill(service, signal.SIGSTOP)
        try:
            for _ in range(20):
                assert http.shape(table="t", offset="-1").status == 200
                time.sleep(0.05)
        finally:
            engine.kill(service, signal.SIGCONT)
        assert engine.pid(service) == pid
    engine.wait_health()
    database.run("INSERT INTO t VALUES (2, 'b')")
    assert_equal(client, database, "t")
    client.close()


def test_services_started_one_by_one(database, make_engine):
    """As containers would: in any order, the orchestrator only watches."""
    database.run(CREATE)
    engine = make_engine(database)
    for service, args in (("api", ()), ("shape-log-collector", ()), ("connection", ()),
                          ("orchestrator", ("--watch",))):
        engine.start_alone(service, *args)
        time.sleep(0.2)
    engine.wait_health()
    client = engine.client("t", retry=True).sync()
    database.run("INSERT INTO t VALUES (2, 'b')")
    assert_equal(client, database, "t")
    engine.alone["connection"].kill()
    engine.alone["connection"].wait()
    del engine.alone["connection"]
    assert engine.http().shape(table="t", offset="-1").status == 200
    time.sleep(1)
    assert "connection" not in engine.pids()  # nobody spawns it
    engine.start_alone("connection")
    database.run("INSERT INTO t VALUES (3, 'c')")
    assert_equal(client, database, "t")
    client.close()
    engine.stop()


def test_an_api_without_the_storage_folder(database, make_engine):
    """Bytes come over the bus instead of by reference: the same answers."""
    database.run(CREATE)
    database.run("INSERT INTO t SELECT g, repeat('x', 500) FROM generate_series(2, 5000) g")
    engine = make_engine(database, SHAPEWIRE_API_STORAGE="remote").start()
    client = engine.client("t").sync()
    database.run("UPDATE t SET v = 'new' WHERE id < 100")
    assert_equal(client, database, "t")
    client.close()


def test_several_apis(database, make_engine):
    database.run(CREATE)
    engine = make_engine(database, SHAPEWIRE_API_PROCESSES="2").start()
    until("two api processes", lambda: {"api", "api+"} <= set(engine.pids()))
    clients = [engine.client("t").sync() for _ in range(8)]
    database.run("INSERT INTO t VALUES (2, 'b')")
    for client in clients:
        assert_equal(client, database, "t")
        assert client.handle == clients[0].handle
        client.close()
