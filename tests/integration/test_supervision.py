"""Who restarts whom, seen from the processes alone: no test here needs a database that answers."""
import http.client
import json
import os
import signal
import socket
import time

import pytest

from pylib import process
from pylib.engine import SANITIZER, program, run_program
from pylib.wait import until

NOBODY = "postgresql://nobody@127.0.0.1:1/nothing?sslmode=disable"


@pytest.fixture
def engine(make_engine):
    """Collector and API are up; connection looks for a database that is not there."""
    made = make_engine(NOBODY, ELECTRIC_PROMETHEUS_PORT=str(process.free_port())).start(wait=None)
    made.wait_all()
    until("shapes to be up", lambda: board(made)["shapes"] == "up", 15)
    return made


def board(engine):
    """What the orchestrator says; before it says anything, nothing is known."""
    try:
        return ask(engine, "/v1/status")[1]
    except (OSError, http.client.HTTPException):
        return {"shapes": "nobody answers", "services": []}


def ask(engine, path):
    port = int(engine.settings["ELECTRIC_PROMETHEUS_PORT"])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    is_json = answer.getheader("content-type") == "application/json"
    return answer.status, json.loads(body) if is_json else body.decode()


def row(engine, service):
    return next((s for s in board(engine)["services"] if s["service"] == service), None)


def restarted(engine, service, before, seconds=15):
    """The pids once `service` has another process."""
    def check():
        pids = engine.pids()
        return pids.get(service) not in (None, before[service]) and engine._complete()
    return until(f"a new {service}", check, seconds)


def others(pids, service):
    return {name: pid for name, pid in pids.items() if name != service}


def test_the_probes_have_three_meanings(engine):
    assert ask(engine, "/livez")[0] == 200
    until("reads are possible", lambda: ask(engine, "/readyz")[0] == 200, 5)
    assert ask(engine, "/startupz")[0] == 200
    assert "shapewire_" in ask(engine, "/metrics")[1]
    assert ask(engine, "/nothing")[0] == 404
    os.kill(engine.pid("api"), signal.SIGSTOP)
    try:
        assert ask(engine, "/livez")[0] == 200
    finally:
        os.kill(engine.pid("api"), signal.SIGCONT)


@pytest.mark.parametrize("service", ["shape-log-collector", "api", "connection"])
def test_a_silent_service_is_killed_and_nobody_else(engine, service):
    before = engine.wait_all()
    time.sleep(2)  # it has answered once: before its first word it has longer, to load
    engine.kill(service, signal.SIGSTOP)
    began = time.monotonic()
    after = restarted(engine, service, before, 20)
    assert 8 < time.monotonic() - began < 14
    assert others(after, service) == others(before, service)
    engine.wait_log("event=service_killed.*control was not answered", 1)


def test_a_silent_orchestrator_is_killed_by_its_parent(engine):
    before = engine.wait_all()
    engine.kill("orchestrator", signal.SIGSTOP)
    after = restarted(engine, "orchestrator", before, 20)
    assert others(after, "orchestrator") == others(before, "orchestrator")


def test_sigterm_ends_one_service_alone_the_orchestrator_too(engine):
    for service in ("api", "orchestrator", "connection", "shape-log-collector"):
        before = engine.wait_all()
        engine.kill(service, signal.SIGTERM)
        after = restarted(engine, service, before)
        assert others(after, service) == others(before, service)


def test_adopted_services_are_supervised_as_before(engine):
    engine.kill("orchestrator")
    before = engine.wait_all()
    until("their words", lambda: board(engine)["shapes"] == "up", 10)
    engine.kill("api")
    restarted(engine, "api", before)
    row_of_api = until("the row", lambda: row(engine, "api"), 5)
    assert row_of_api["restarts"] == 1
    assert "exit code is not known" in row_of_api["last_error"]


def test_the_board_knows_life_from_life(engine):
    before = row(engine, "shape_log_collector")
    engine.kill("shape-log-collector")
    after = until("another life", lambda: (r := row(engine, "shape_log_collector"))["pid"] not in
                  (0, before["pid"]) and r["state"] == "up" and r, 10)
    assert after["restarts"] == before["restarts"] + 1
    assert after["incarnation"] > before["incarnation"]
    assert after["last_error"] == "signal 9 (Killed)"


def test_the_board_tells_why_and_since_when(engine):
    before = row(engine, "shape_log_collector")
    engine.kill("shape-log-collector")
    after = until("another life", lambda: (r := row(engine, "shape_log_collector"))["pid"] not in
                  (0, before["pid"]) and r["conditions"].get("shape_metadata_ready", {}).get("met")
                  and r, 10)
    assert before["endings"] == []
    assert [each["reason"] for each in after["endings"]] == ["signal 9 (Killed)"]
    assert after["endings"][0]["at_us"] < after["conditions"]["shape_metadata_ready"]["since_us"]


def test_clients_wait_while_an_api_restarts(engine):
    """The socket outlives the API, and an orchestrator too: nobody is refused."""
    engine.kill("orchestrator")
    before = engine.wait_all()
    os.kill(before["orchestrator"], signal.SIGSTOP)  # so that the API stays away for a while
    engine.kill("api")
    until("the end of the API", lambda: not process.alive(before["api"]), 5)
    with socket.create_connection(("127.0.0.1", engine.port), timeout=20) as waiting:
        waiting.sendall(b"GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.5)
        os.kill(before["orchestrator"], signal.SIGCONT)
        assert waiting.recv(100).startswith(b"HTTP/1.1 202")


def test_failing_again_and_again(engine):
    """At once, then later and later; the others live on."""
    before = engine.wait_all()
    gaps = []
    last = before["api"]
    for _ in range(4):
        engine.kill("api")
        began = time.monotonic()
        last = until("the next", lambda: (p := engine.pids().get("api")) not in (None, last) and p, 10)
        gaps.append(time.monotonic() - began)
    assert gaps[0] < 0.4 and 0.3 < gaps[1] < 0.9 and 0.7 < gaps[2] < 1.6 and 1.5 < gaps[3] < 2.9
    assert others(engine.wait_all(), "api") == others(before, "api")


def test_the_end_of_the_parent_is_the_end_of_all(engine):
    engine.parent.kill()
    engine.parent.wait(5)
    engine.parent = None
    until("all to be gone", lambda: not engine.pids(), 10)


def test_a_second_signal_leaves_at_once(engine):
    engine.kill("shape-log-collector", signal.SIGSTOP)  # would hold the end up
    engine.parent.send_signal(signal.SIGTERM)
    time.sleep(1)
    assert engine.parent.poll() is None
    engine.parent.send_signal(signal.SIGTERM)
    assert engine.parent.wait(3) == 0
    assert not engine.pids()
    engine.parent = None


def test_the_end_while_there_is_no_orchestrator(engine):
    before = engine.wait_all()
    engine.kill("orchestrator")
    engine.parent.send_signal(signal.SIGTERM)
    assert engine.parent.wait(20) == 0
    assert not any(process.alive(pid) for pid in before.values())
    engine.parent = None


def test_a_second_engine_in_the_same_folder_is_refused(engine):
    settings = {**engine.settings, "ELECTRIC_PORT": str(process.free_port()),
                "ELECTRIC_PROMETHEUS_PORT": None}
    child = engine.start_alone("orchestrator", settings=settings)
    assert child.wait(10) == 1
    engine.alone.clear()
    engine.wait_log("another engine runs with this folder", 1)


def test_watching_starts_nobody(make_engine):
    engine = make_engine(NOBODY, ELECTRIC_PROMETHEUS_PORT=str(process.free_port()))
    engine.start_alone("orchestrator", "--watch")
    until("the board", lambda: board(engine)["shapes"] == "unknown", 5)
    until("three seconds", lambda: board(engine)["shapes"] == "starting", 5)
    assert set(engine.pids()) == {"orchestrator"}
    engine.start_alone("shape-log-collector")
    engine.start_alone("api")
    until("shapes to be up", lambda: board(engine)["shapes"] == "up", 10)
    first = row(engine, "shape_log_collector")
    engine.kill("shape-log-collector")
    until("silence to be noticed", lambda: board(engine)["shapes"] == "starting", 10)
    engine.alone.pop("shape-log-collector").wait(5)
    engine.start_alone("shape-log-collector")
    until("shapes to be up again", lambda: board(engine)["shapes"] == "up", 10)
    assert row(engine, "shape_log_collector")["incarnation"] > first["incarnation"]
    engine.kill("orchestrator")
    engine.alone.pop("orchestrator").wait(5)
    engine.start_alone("orchestrator", "--watch")
    until("the same board", lambda: board(engine)["shapes"] == "up", 10)


def test_the_orchestrator_is_small(engine):
    for service in ("shapewire", "orchestrator"):
        with open(f"/proc/{engine.pid(service)}/smaps_rollup") as file:
            pss = next(int(line.split()[1]) for line in file if line.startswith("Pss:"))
        assert pss < 10 * 1024 * (10 if SANITIZER else 1)  # shadow memory is not ours


def test_watch_is_for_the_orchestrator_alone():
    code, said = run_program([program("api"), "--watch"], {"DATABASE_URL": NOBODY})
    assert code == 2 and "--watch" in said
