"""http-api [28]: an API that is asked to leave answers all who wait, and the next one goes on."""
import signal
import threading
import time

from pylib.wait import until


def test_who_waits_is_answered_when_the_api_leaves(database, engine):
    database.run("CREATE TABLE t (id int PRIMARY KEY)")
    client = engine.client("t").sync()
    query = client.query(live=True)
    parked = []
    for _ in range(20):
        http = engine.http()
        threading.Thread(target=lambda http=http: parked.append(http.get("/v1/shape", query)),
                         daemon=True).start()
    time.sleep(0.5)
    assert not parked
    before = engine.kill("api", signal.SIGTERM)
    until("all who waited are answered", lambda: len(parked) == 20, 5)
    for answer in parked:
        assert answer.status == 200
        assert answer.headers["electric-has-data"] == "false"
        assert answer.headers["electric-offset"] == client.offset
        assert answer.headers["electric-up-to-date"] == ""
        assert answer.headers["connection"] == "close"
        assert [item["headers"]["control"] for item in answer.json()] == ["up-to-date"]
    # Nobody is refused meanwhile: the socket is the orchestrator's.
    assert engine.http().shape(table="t", offset="-1").headers["electric-handle"] == client.handle
    assert engine.pid("api") != before
    database.run("INSERT INTO t VALUES (1)")
    client.live_until(lambda c: c.rows)
    client.close()
