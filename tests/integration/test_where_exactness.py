"""What the first rows are chosen by and what the stream admits is one predicate, also where it fails.

A row for which the clause has no truth never just stays out: the shape ends with a reason in the log,
clients fetch it anew, and then Postgres says what it has to say.
"""
import pytest

from pylib.client import ShapeClient


@pytest.fixture
def table(database):
    database.run("CREATE TABLE x (id int PRIMARY KEY, n int, t text, a int[])")
    database.run("INSERT INTO x VALUES (1, 5, '7', '{1}'), (2, 20, '8', '{2}')")
    return "x"


def follow(engine, table, where, response):
    """Reads on until the answer is not 200 any more."""
    http = engine.http()
    for _ in range(20):
        response = http.shape(table=table, where=where, handle=response.headers["electric-handle"],
                              offset=response.headers["electric-offset"],
                              **({"live": "true"} if "electric-up-to-date" in response.headers else {}))
        if response.status != 200:
            return response
    raise AssertionError("the shape goes on")


FAILING = [
    ("10 / n = 2", "INSERT INTO x VALUES (3, 0)", "division by zero", "DELETE FROM x WHERE id = 3"),
    ("n + 2147483600 > 0", "UPDATE x SET n = 2147483647 WHERE id = 1", "integer out of range",
     "UPDATE x SET n = 1 WHERE id = 1"),
    ("t::int4 = 7", "UPDATE x SET t = 'seven' WHERE id = 2", "invalid input syntax for type integer: \"seven\"",
     "DELETE FROM x WHERE id = 2"),
    ("substr(t, 1, n - 4) = ''", "UPDATE x SET n = 1 WHERE id = 1", "negative substring length not allowed", None),
    ("split_part(t, ',', n - 30) = '7'", "UPDATE x SET n = 30 WHERE id = 1", "field position must not be zero", None),
]


@pytest.mark.parametrize("where, change, failure, repair", FAILING)
def test_a_row_that_cannot_be_judged_ends_the_shape(engine, database, table, where, change, failure, repair):
    first = engine.http().shape(table=table, where=where, offset="-1")
    assert first.status == 200, first
    database.run(change)
    ended = follow(engine, table, where, first)
    assert ended.status == 409, ended
    engine.wait_log("event=where_failed")
    engine.wait_log("its where clause cannot be evaluated for a row")
    refused = engine.http().shape(table=table, where=where, offset="-1")
    assert refused.status == 500 and failure in refused.json()["message"], refused
    database.run(repair or "DELETE FROM x")
    assert engine.http().shape(table=table, where=where, offset="-1").status == 200


def test_a_value_that_we_cannot_read_is_left_to_postgres(engine, database, table):
    """Arrays whose first element is not number 1 are not read here: Postgres judges them, each time anew."""
    where = "5 = ANY(a)"
    first = engine.http().shape(table=table, where=where, offset="-1")
    database.run("UPDATE x SET a = '[0:1]={4,5}' WHERE id = 1")
    assert follow(engine, table, where, first).status == 409
    engine.wait_log("event=where_failed")
    again = engine.http().shape(table=table, where=where, offset="-1")
    assert [item["value"]["id"] for item in again.json() if "value" in item] == ["1"]


def test_a_failure_that_cannot_matter_is_none(engine, database, table):
    """Another part of the clause decides."""
    client = ShapeClient(engine.port, table, where="n > 0 AND 10 / n >= 2")
    client.sync()
    database.run("INSERT INTO x VALUES (4, 0), (5, 3)")
    client.live_until(lambda one: len(one.rows) == 2)
    client.close()
