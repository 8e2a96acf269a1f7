"""/v1/shapes: what shapes there are and how to end one; for operators, by the admin secret."""
import threading

import pytest

from pylib.wait import until

ADMIN = "the-admin's own"
BEARER = {"Authorization": f"Bearer {ADMIN}"}


@pytest.fixture
def admin(database, make_engine):
    database.run("CREATE TABLE a (id int PRIMARY KEY, v text); CREATE TABLE b (id int PRIMARY KEY)")
    database.run("INSERT INTO a SELECT g, 'x' FROM generate_series(1, 100) g")
    return make_engine(database, ELECTRIC_SECRET="client", ELECTRIC_INSECURE=None,
                       SHAPEWIRE_ADMIN_SECRET=ADMIN).start()


def shapes(engine, query=""):
    answer = engine.http().get(f"/v1/shapes{query}", headers=BEARER)
    assert answer.status == 200, answer
    assert answer.headers["cache-control"] == "no-cache, no-store, must-revalidate"
    return answer.json()


def test_list(admin, database):
    assert shapes(admin) == {"total": 0, "shapes": [], "next": None}
    client = admin.client("a", secret="client", where="id > 10", columns="id,v").sync()
    admin.wait_complete(client)
    shape, = shapes(admin)["shapes"]
    assert shape["handle"] == client.handle and shape["table"] == "public.a"
    assert shape["definition"]["columns"] == ["id", "v"]
    assert "10" in shape["definition"]["where"]
    assert (shape["definition"]["replica"], shape["definition"]["log"]) == ("default", "full")
    assert shape["state"] == "complete" and shape["rows"] == 90 and shape["bytes"] > 90 * 50
    assert 0 <= shape["age_s"] < 60 and 0 <= shape["idle_s"] < 60 and shape["readers"] == 0
    size = shape["bytes"]
    query = client.query(live=True)
    waiting = threading.Thread(target=lambda: admin.http().get("/v1/shape", query), daemon=True)
    waiting.start()
    until("a reader", lambda: shapes(admin)["shapes"][0]["readers"] == 1)
    with database.session().cursor() as cursor:
        cursor.execute("INSERT INTO a VALUES (1000, 'y'), (1001, 'z'); DELETE FROM a WHERE id = 20;"
                       "UPDATE a SET id = 1002 WHERE id = 21; UPDATE a SET id = 5 WHERE id = 5")
    client.live_until(lambda c: c.changes == 5)
    waiting.join()
    until("no reader", lambda: shapes(admin)["shapes"][0]["readers"] == 0)
    shape, = shapes(admin)["shapes"]
    assert shape["rows"] == len(client.rows) == 91 and shape["bytes"] > size
    client.close()


def test_rows_that_come_during_the_snapshot_are_counted(admin, database):
    """Changes are held until the snapshot's marks are known."""
    stop = threading.Event()
    session = database.connect()

    def write():
        number = 10000
        with session.cursor() as cursor:
            while not stop.is_set():
                cursor.execute("INSERT INTO a VALUES (%s, 'operation\":\"delete'), (%s, '')",
                               (number, number + 1))
                cursor.execute("DELETE FROM a WHERE id = %s", (number + 1,))
                number += 2

    writer = threading.Thread(target=write)
    writer.start()
    try:
        clients = [admin.client("a", secret="client", where=f"id > {n}").sync() for n in range(8)]
    finally:
        stop.set()
        writer.join()
        session.close()
    for number, client in enumerate(clients):
        want = database.value(f"SELECT count(*) FROM a WHERE id > {number}")
        client.live_until(lambda c: len(c.rows) == want)
        row = next(s for s in shapes(admin)["shapes"] if s["handle"] == client.handle)
        assert row["rows"] == want
        client.close()


def test_after_a_restart_rows_are_not_known(admin):
    client = admin.client("a", secret="client").sync()
    admin.wait_complete(client)
    admin.kill("shape-log-collector")
    shape = until("the list", lambda: shapes_or_none(admin), 20)["shapes"][0]
    assert shape["handle"] == client.handle and shape["rows"] is None
    client.close()


def shapes_or_none(engine):
    answer = engine.http().get("/v1/shapes", headers=BEARER)
    return answer.json() if answer.status == 200 and answer.json()["shapes"] else None


def test_pages(admin):
    http = admin.http()
    handles = sorted(http.shape(table="a", offset="-1", where=f"id = {n}", secret="client")
                     .headers["electric-handle"] for n in range(7))
    found, after = [], ""
    while after is not None:
        page = shapes(admin, f"?limit=3&after={after}")
        assert page["total"] == 7 and len(page["shapes"]) <= 3
        found += [shape["handle"] for shape in page["shapes"]]
        after = page["next"]
    assert found == handles
    for wrong in ("limit=0", "limit=1001", "limit=x", "after=a", "limit=99999999999999999999"):
        assert http.get(f"/v1/shapes?{wrong}", headers=BEARER).status == 400, wrong


def test_delete(admin):
    http = admin.http()
    handle = http.shape(table="a", offset="-1", secret="client").headers["electric-handle"]
    assert http.request("DELETE", f"/v1/shapes/{handle}").status == 401
    assert http.request("DELETE", f"/v1/shapes/{handle}", headers=BEARER).status == 202
    assert http.request("DELETE", f"/v1/shapes/{handle}", headers=BEARER).status == 404
    answer = http.shape(table="a", handle=handle, offset="0_0", secret="client")
    assert answer.status == 409 and answer.headers["electric-handle"] != handle
    # The route of the protocol takes the admin's word as well.
    for how in ({"headers": BEARER}, {"params": {"secret": ADMIN}}):
        assert http.shape(table="a", offset="-1", secret="client").status == 200
        target = "/v1/shape" if "params" in how else "/v1/shape?table=a"
        params = {"table": "a", **how["params"]} if "params" in how else None
        answer = http.request("DELETE", target, params, how.get("headers"))
        assert answer.status == 202, answer
    answer = http.request("DELETE", "/v1/shape?table=a&secret=client")
    assert (answer.status, answer.json()) == (405, {"message": "DELETE not allowed"})


@pytest.mark.parametrize("given", [
    None, "Bearer", "Bearer ", "Bearer client", f"Bearer {ADMIN}x", f"Bearer {ADMIN[:-1]}",
    f"Basic {ADMIN}", ADMIN, f"Bearer{ADMIN}",
])
def test_other_words_open_nothing(admin, given):
    headers = {"Authorization": given} if given else {}
    for method, target in (("GET", "/v1/shapes"), ("HEAD", "/v1/shapes"), ("GET", "//v1/%73hapes/"),
                           ("DELETE", "/v1/shapes/1-2"), ("GET", "/v1/shapes?secret=client"),
                           ("GET", f"/v1/shapes?secret={ADMIN.replace(' ', '+')}")):
        answer = admin.http().request(method, target, headers=headers)
        assert answer.status == 401 and b"public.a" not in answer.body


def test_without_an_admin_secret(database, make_engine):
    engine = make_engine(database, ELECTRIC_SECRET="client", ELECTRIC_INSECURE=None).start()
    for method, target in (("GET", "/v1/shapes"), ("DELETE", "/v1/shapes/1-2")):
        answer = engine.http().request(method, f"{target}?secret=client", headers=BEARER)
        assert (answer.status, answer.body) == (404, b"Not found")
    engine.stop()
    insecure = make_engine(database).start()
    assert insecure.http().get("/v1/shapes").json()["shapes"] == []
    assert insecure.http().request("DELETE", "/v1/shapes/1-2").status == 404


def test_other_methods_are_no_routes(admin):
    for method, target in (("POST", "/v1/shapes"), ("DELETE", "/v1/shapes"), ("PUT", "/v1/shapes/1-2"),
                           ("GET", "/v1/shapes/1-2"), ("OPTIONS", "/v1/shapes"),
                           ("DELETE", "/v1/shapes/1-2/3")):
        answer = admin.http().request(method, target, headers=BEARER)
        assert (answer.status, answer.body) == (404, b"Not found"), (method, target)
