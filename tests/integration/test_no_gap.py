"""Design §5.2: a transaction that wrote the table before it was published loses nothing.

Each kind of writer is open when the first request for the table comes, and commits after it.
"""
import threading
import time

import pytest

from pylib.client import ShapeClient, assert_equal
from pylib.wait import until

CREATE = """
    CREATE TABLE t (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
    CREATE TABLE t_low PARTITION OF t FOR VALUES FROM (0) TO (1000);
    CREATE TABLE t_high PARTITION OF t FOR VALUES FROM (1000) TO (2000);
    CREATE TABLE plain (id int PRIMARY KEY, v text);
    INSERT INTO t VALUES (1, 'old'), (1001, 'old');
    INSERT INTO plain VALUES (1, 'old')
"""


class OpenWriter:
    def __init__(self, database, statement):
        self.connection = database.writer()
        self.cursor = self.connection.cursor()
        self.cursor.execute(statement)

    def commit(self):
        self.connection.commit()
        self.connection.close()


class PreparedWriter:
    """No process belongs to it any more."""

    def __init__(self, database, statement):
        self.database = database
        database.run(f"BEGIN; {statement}; PREPARE TRANSACTION 'held_{database.name}'")

    def commit(self):
        self.database.run(f"COMMIT PREPARED 'held_{self.database.name}'")


class Subtransaction(OpenWriter):
    def __init__(self, database, statement):
        super().__init__(database, f"SAVEPOINT a; {statement}; RELEASE a")


WRITERS = [
    (OpenWriter, "plain", "INSERT INTO plain VALUES (50, 'held')"),
    (OpenWriter, "plain", "UPDATE plain SET v = 'held' WHERE id = 1"),
    (OpenWriter, "plain", "DELETE FROM plain WHERE id = 1"),
    (Subtransaction, "plain", "INSERT INTO plain VALUES (50, 'held')"),
    (PreparedWriter, "plain", "INSERT INTO plain VALUES (50, 'held')"),
    (OpenWriter, "t", "INSERT INTO t VALUES (50, 'held')"),
    (OpenWriter, "t", "INSERT INTO t_high VALUES (1050, 'held')"),
    (PreparedWriter, "t", "INSERT INTO t_low VALUES (50, 'held')"),
]


def published(database):
    return database.value("SELECT count(*) FROM pg_publication_tables WHERE pubname = %s",
                          (database.publication,))


def first_request(engine, table):
    """In a thread: a client that retries 503 until it has its first rows."""
    client = ShapeClient(engine.port, table, retry=True)
    done = threading.Event()

    def run():
        client.sync(30)
        done.set()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return client, done, thread


@pytest.mark.parametrize("kind, table, statement", WRITERS)
def test_writer_open_at_publishing(database, engine, kind, table, statement):
    database.run(CREATE)
    writer = kind(database, statement)
    client, done, thread = first_request(engine, table)
    try:
        until("the table to be published", lambda: published(database))
        # Other writers are not blocked meanwhile.
        for n in range(60, 70):
            began = time.monotonic()
            database.run(f"INSERT INTO {table} VALUES ({n}, 'other')")
            assert time.monotonic() - began < 1, "a writer is blocked"
            time.sleep(0.03)
        assert not done.is_set(), "a shape was given out while a writer of its table is open"
    finally:
        writer.commit()
    assert done.wait(20), engine.tail(20)
    thread.join()
    assert_equal(client, database, table)
    database.run(f"INSERT INTO {table} VALUES (99, 'later')")
    assert_equal(client, database, table)
    assert client.refetches == 0
    client.close()


def test_a_writer_that_stays_makes_the_request_fail_clearly(database, engine):  # [33]
    database.run(CREATE)
    writer = OpenWriter(database, "INSERT INTO plain VALUES (50, 'held')")
    pid = writer.connection.info.backend_pid
    began = time.monotonic()
    answer = engine.http().shape(table="plain", offset="-1")
    took = time.monotonic() - began
    assert answer.status == 503, answer
    assert 4 < took < 10
    assert answer.headers["retry-after"].isdigit()
    assert answer.headers["electric-internal-known-error"] == "true"
    assert answer.headers["cache-control"] == "no-store"
    engine.wait_log(rf"\b{pid}\b")  # the log says who is waited for
    began = time.monotonic()
    database.run("INSERT INTO plain VALUES (51, 'free')")
    database.run("CREATE INDEX ON t (v)")
    assert time.monotonic() - began < 2
    writer.commit()
    client = engine.client("plain", retry=True).sync()
    assert_equal(client, database, "plain")
    client.close()


def test_a_writer_that_rolls_back(database, engine):
    database.run(CREATE)
    writer = OpenWriter(database, "INSERT INTO plain VALUES (50, 'held')")
    client, done, thread = first_request(engine, "plain")
    time.sleep(0.5)
    assert not done.is_set()
    writer.connection.rollback()
    writer.connection.close()
    assert done.wait(20)
    thread.join()
    assert_equal(client, database, "plain")
    client.close()


def test_writers_of_other_tables_do_not_matter(database, engine):
    database.run(CREATE)
    writer = OpenWriter(database, "INSERT INTO t VALUES (50, 'held')")
    began = time.monotonic()
    client = engine.client("plain").sync()
    assert time.monotonic() - began < 3
    writer.commit()
    client.close()


def test_first_requests_under_load(database, engine):
    """Tables that are written all the time get their first shapes: nothing is lost or doubled."""
    tables = [f"busy{n}" for n in range(6)]
    for table in tables:
        database.run(f"CREATE TABLE {table} (id serial PRIMARY KEY, v int)")
    leave = threading.Event()

    def write():
        connection = database.connect()
        with connection.cursor() as cursor:
            n = 0
            while not leave.is_set():
                n += 1
                table = tables[n % len(tables)]
                cursor.execute(f"BEGIN; INSERT INTO {table} (v) VALUES ({n}), ({n});"
                               f" UPDATE {table} SET v = v + 1 WHERE id = {n % 50}; COMMIT")
        connection.close()

    writers = [threading.Thread(target=write) for _ in range(3)]
    for each in writers:
        each.start()
    clients = []
    try:
        for table in tables:
            clients.append(engine.client(table, retry=True).sync())
            clients.append(engine.client(table, retry=True, columns="id").sync())
            clients[-1].start()
            clients[-2].start()
    finally:
        leave.set()
        for each in writers:
            each.join()
    for n, table in enumerate(tables):
        assert_equal(clients[2 * n], database, table)
        assert_equal(clients[2 * n + 1], database, table, columns="id")
    for client in clients:
        assert client.refetches == 0
        client.close()
