"""http-api [43]: how many requests at a time, and which of them need a new snapshot."""
import threading
from contextlib import closing

from pylib.wait import until


def start(engine, **params):
    """A request in a thread of its own; its answer goes into the list that is returned."""
    got = []
    http = engine.http()
    thread = threading.Thread(target=lambda: got.append(http.shape(**params)), daemon=True)
    thread.start()
    return got


def test_initial_requests_are_limited_and_existing_shapes_are_not(database, make_engine):
    engine = make_engine(database, ELECTRIC_MAX_CONCURRENT_REQUESTS='{"initial":2,"existing":100}')
    engine.start()
    for name in ("ready", "a", "b", "c"):
        database.run(f"CREATE TABLE {name} (id int PRIMARY KEY)")
    http = engine.http()
    assert http.shape(table="ready", offset="-1").status == 200
    with closing(database.writer()) as writer, writer.cursor() as cursor:
        for name in ("a", "b", "c"):
            cursor.execute(f"INSERT INTO {name} VALUES (1)")
        first = [start(engine, table="a", offset="-1"), start(engine, table="b", offset="-1")]
        until("two shapes are being made", lambda: engine.log_path.read_text().count("event=shape_created") == 3)
        refused = http.shape(table="c", offset="-1")
        assert refused.status == 503
        assert refused.json() == {
            "code": "concurrent_request_limit_exceeded",
            "message": "Concurrent initial request limit exceeded (limit: 2), please retry"}
        assert 6 <= int(refused.headers["retry-after"]) <= 10
        assert refused.headers["cache-control"] == "no-store"
        assert refused.headers["electric-internal-known-error"] == "true"
        # The API does not know this spelling yet; the collector knows the shape.
        assert http.shape(table="public.ready", offset="-1").status == 200
        # Who asks for a shape that is being made waits with the others.
        again = start(engine, table="a", offset="-1")
        writer.commit()
    until("the shapes are made", lambda: all(first) and again)
    assert [answer[0].status for answer in (*first, again)] == [200, 200, 200]
    assert http.shape(table="c", offset="-1").status == 200


def test_all_requests_are_limited(database, make_engine):
    engine = make_engine(database, ELECTRIC_MAX_CONCURRENT_REQUESTS='{"initial":1,"existing":2}')
    engine.start()
    database.run("CREATE TABLE t (id int PRIMARY KEY)")
    client = engine.client("t").sync()
    parked = [start(engine, **client.query(live=True)) for _ in range(2)]
    http = engine.http()
    until("the limit is reached", lambda: http.shape(table="t", offset="-1").status == 503)
    refused = http.shape(table="t", offset="-1")
    assert refused.json()["message"] == (
        "Concurrent existing request limit exceeded (limit: 2), please retry")
    assert http.get("/v1/health").status == 200
    database.run("INSERT INTO t VALUES (1)")
    until("the change came", lambda: all(parked))
    assert http.shape(table="t", offset="-1").status == 200
    client.close()
