"""http-api [11] [13]: snapshots and logs are cut into chunks that never change."""
import json

import pytest

from pylib.client import assert_equal

LIMIT = 20000
ROWS = 2000


@pytest.fixture(scope="module")
def setup(cluster):
    from pylib.engine import Engine
    database = cluster.create_database()
    database.run("CREATE TABLE big (id int PRIMARY KEY, v text)")
    database.run(f"INSERT INTO big SELECT g, repeat('x', 60) FROM generate_series(1, {ROWS}) g")
    engine = Engine(database.url, database.stream,
                    {"ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD": str(LIMIT)})
    try:
        yield database, engine.start()
        engine.stop()
    finally:
        engine.destroy()
        database.drop()


def read_all(engine, offset="-1", handle=None, table="big"):
    """[(offset asked, offset given, items, bytes, up to date)] until up-to-date."""
    http = engine.http()
    chunks = []
    while True:
        params = {"table": table, "offset": offset}
        if handle:
            params["handle"] = handle
        answer = http.get("/v1/shape", params)
        assert answer.status == 200, answer
        handle = answer.headers["electric-handle"]
        given = answer.headers["electric-offset"]
        done = "electric-up-to-date" in answer.headers
        chunks.append((offset, given, answer.json(), answer.body, done))
        if done:
            return handle, chunks
        assert given != offset
        offset = given


def test_snapshot_chunks(setup):
    _database, engine = setup
    handle, chunks = read_all(engine)
    snapshot = [chunk for chunk in chunks if not chunk[4]]
    assert len(snapshot) > 5
    assert [chunk[1] for chunk in snapshot] == [f"0_{n}" for n in range(len(snapshot))]
    for _, _, items, body, _ in snapshot[:-1]:
        assert LIMIT * 0.8 < len(body) <= LIMIT * 1.2, len(body)
        assert all("control" not in item["headers"] for item in items)
    rows = [item for chunk in snapshot for item in chunk[2] if "value" in item]
    assert sorted(int(row["value"]["id"]) for row in rows) == list(range(1, ROWS + 1))
    ends = [item for chunk in chunks for item in chunk[2]
            if item["headers"].get("control") == "snapshot-end"]
    assert len(ends) == 1 and snapshot[-1][2][-1] == ends[0]
    again, second = read_all(engine)
    assert again == handle
    assert [chunk[3] for chunk in second if not chunk[4]] == [chunk[3] for chunk in snapshot]


def test_log_chunks_inside_a_transaction_and_between(setup):
    database, engine = setup
    client = engine.client("big").sync()
    database.run("UPDATE big SET v = repeat('y', 60) WHERE id <= 1000")
    for n in range(1001, 1200):
        database.run("UPDATE big SET v = repeat('z', 60) WHERE id = %s", (n,))
    client.live_until(lambda c: c.changes == 1199)
    handle, first = read_all(engine, "0_inf", client.handle)
    items = [item for chunk in first for item in chunk[2] if "value" in item]
    assert len(items) == 1199 and len(first) > 5
    for _, given, chunk_items, body, done in first:
        assert done or LIMIT * 0.8 < len(body) <= LIMIT * 1.2, len(body)
        last = [item for item in chunk_items if "value" in item][-1]["headers"]
        assert given == f'{last["lsn"]}_{last["op_position"]}'
    # A complete chunk gives the same bytes for ever, also when the log has grown.
    database.run("UPDATE big SET v = 'after' WHERE id = 1")
    client.live_until(lambda c: c.changes == 1200)
    _, second = read_all(engine, "0_inf", client.handle)
    complete = [chunk[:4] for chunk in first if not chunk[4]]
    assert [chunk[:4] for chunk in second][:len(complete)] == complete
    # From the middle of a chunk the answer ends where the chunk ends.
    middle = first[1][2][3]["headers"]
    answer = engine.http().shape(table="big", handle=handle,
                                 offset=f'{middle["lsn"]}_{middle["op_position"]}')
    assert answer.json() == first[1][2][4:]
    assert answer.headers["electric-offset"] == first[1][1]
    assert_equal(client, database, "big")
    client.close()


def test_a_live_request_over_many_chunks_ends_with_the_first(setup):
    database, engine = setup
    client = engine.client("big").sync()
    database.run("UPDATE big SET v = repeat('w', 60)")
    answer = client.poll(live=True)
    assert "electric-up-to-date" not in answer.headers or len(answer.body) < 2 * LIMIT
    assert_equal(client, database, "big")
    client.close()


def test_a_row_larger_than_a_chunk(setup):
    database, engine = setup
    database.run("CREATE TABLE fat (id int PRIMARY KEY, v text)")
    database.run("INSERT INTO fat SELECT g, repeat('f', 50000) FROM generate_series(1, 3) g")
    client = engine.client("fat").sync()
    assert_equal(client, database, "fat")
    database.run("UPDATE fat SET v = repeat('g', 3000000) WHERE id = 2")
    database.run("INSERT INTO fat VALUES (4, 'small')")
    client.live_until(lambda c: c.changes == 2)
    assert_equal(client, database, "fat")
    client.close()


def test_empty_table(setup):  # [12]
    database, engine = setup
    database.run("CREATE TABLE none (id int PRIMARY KEY)")
    handle, chunks = read_all(engine, table="none")
    assert chunks[0][1] == "0_0" and not chunks[0][4]
    assert [item["headers"]["control"] for item in chunks[0][2]] == ["snapshot-end"]
    assert chunks[-1][1] == "0_inf" and chunks[-1][4]
    assert json.loads(chunks[-1][3])[-1]["headers"]["control"] == "up-to-date"
