"""Everything that an operator can get wrong: a clear message that names it, and nothing lost."""
import os
import socket
import time

import pytest

from pylib.client import assert_equal
from pylib.engine import program, run_program
from pylib.postgres import unprivileged
from pylib.process import alive
from pylib.wait import until

CREATE = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'a')"
URL = "postgresql://postgres@127.0.0.1:1/db"
GOOD = {"DATABASE_URL": URL, "ELECTRIC_INSECURE": "true"}


# Settings: the variable, the value and what is allowed; exit status 2

@pytest.mark.parametrize("settings, words", [
    ({"DATABASE_URL": None}, ["DATABASE_URL"]),
    ({"DATABASE_URL": "mysql://a@b/c"}, ["DATABASE_URL", "postgres"]),
    ({"DATABASE_URL": "postgresql://u@h/d?sslmode=bogus"}, ["DATABASE_URL", "sslmode"]),
    ({"DATABASE_URL": "postgresql://u@h/d?sslmode=verify-full"},
     ["sslmode", "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE"]),
    ({"ELECTRIC_PORT": "abc"}, ["ELECTRIC_PORT", "abc", "65535"]),
    ({"ELECTRIC_PORT": "70000"}, ["ELECTRIC_PORT", "70000", "65535"]),
    ({"ELECTRIC_LOG_LEVEL": "loud"}, ["ELECTRIC_LOG_LEVEL", "loud", "debug"]),
    ({"ELECTRIC_LONG_POLL_TIMEOUT": "-5"}, ["ELECTRIC_LONG_POLL_TIMEOUT", "-5"]),
    ({"ELECTRIC_LONG_POLL_TIMEOUT": "5 weeks"}, ["ELECTRIC_LONG_POLL_TIMEOUT", "5 weeks"]),
    ({"ELECTRIC_REPLICATION_STREAM_ID": "shard-0"}, ["ELECTRIC_REPLICATION_STREAM_ID", "shard-0"]),
    ({"ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD": "many"},
     ["ELECTRIC_SHAPE_CHUNK_BYTES_THRESHOLD", "many"]),
    ({"ELECTRIC_INSECURE": "perhaps"}, ["ELECTRIC_INSECURE", "perhaps"]),
    ({"ELECTRIC_INSECURE": None}, ["ELECTRIC_SECRET", "ELECTRIC_INSECURE"]),
    ({"ELECTRIC_SECRET": "x"}, ["ELECTRIC_SECRET", "ELECTRIC_INSECURE"]),
    ({"ELECTRIC_DB_POOL_SIZE": "0"}, ["ELECTRIC_DB_POOL_SIZE", "0"]),
    ({"ELECTRIC_DATABASE_CA_CERTIFICATE_FILE": "/nowhere/ca.pem"}, ["/nowhere/ca.pem"]),
])
def test_wrong_settings(tmp_path, settings, words):
    env = {**GOOD, "ELECTRIC_STORAGE_DIR": str(tmp_path / "s"), **settings}
    code, said = run_program([program()], env)
    assert code == 2, said
    for word in words:
        assert word in said, said
    assert not (tmp_path / "s").exists()


def test_a_secret_is_never_shown(tmp_path):
    env = {**GOOD, "DATABASE_URL": "postgresql://u:pass-w0rd@h/d?sslmode=bogus",
           "ELECTRIC_INSECURE": None, "ELECTRIC_SECRET": "hidden-s3cret",
           "ELECTRIC_STORAGE_DIR": str(tmp_path / "s")}
    _code, said = run_program([program()], env)
    assert "pass-w0rd" not in said and "hidden-s3cret" not in said


def test_unknown_argument():
    code, said = run_program([program(), "--bogus"], GOOD)
    assert code == 2 and "--bogus" in said
    code, said = run_program([program(), "nonsense"], GOOD)
    assert code == 2 and "nonsense" in said


def test_settings_without_meaning_here_are_accepted(database, make_engine):
    engine = make_engine(database, ELECTRIC_TWEAKS_HTTP_API_NUM_ACCEPTORS="100",
                         ELECTRIC_LOG_OTP_REPORTS="false", ELECTRIC_SHAPE_DB_SYNCHRONOUS="OFF")
    engine.start()
    for name in ("ELECTRIC_TWEAKS_HTTP_API_NUM_ACCEPTORS", "ELECTRIC_LOG_OTP_REPORTS"):
        assert name in engine.log()


# The machine

def test_occupied_port(database, make_engine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        engine = make_engine(database, ELECTRIC_PORT=str(port))
        engine.start(wait=None)
        engine.wait_log(rf"\b{port}\b.*(in use|EADDRINUSE)|(in use|EADDRINUSE).*\b{port}\b")
    engine.destroy_processes()


def test_storage_folder_that_cannot_be(database, make_engine, tmp_path):
    (tmp_path / "file").write_text("")
    engine = make_engine(database, storage=tmp_path / "file" / "storage")
    engine.start(wait=None)
    engine.wait_log(str(tmp_path / "file"))
    assert engine.health() != "active"
    engine.destroy_processes()


def test_unwritable_storage_folder(database, make_engine):
    """As an unprivileged user, where root owns the folder."""
    user = unprivileged()
    engine = make_engine(database)
    os.chmod(engine.root, 0o777)
    engine.storage.mkdir()
    os.chmod(engine.storage, 0o555)
    if not user:
        engine.start(wait=None)
    else:
        engine.start(wait=None, user=user)
    engine.wait_log(rf"{engine.storage}.*[Pp]ermission|[Pp]ermission.*{engine.storage}")
    assert engine.health() != "active"
    engine.destroy_processes()
    assert list(engine.storage.iterdir()) == []


def test_foreign_storage_folder(database, make_engine):
    """A folder that holds something else is not touched."""
    engine = make_engine(database)
    engine.storage.mkdir(parents=True)
    (engine.storage / "precious.txt").write_text("keep me")
    engine.start(wait=None)
    engine.wait_log(str(engine.storage))
    time.sleep(1)
    assert engine.health() != "active"
    engine.destroy_processes()
    assert (engine.storage / "precious.txt").read_text() == "keep me"


def test_a_folder_of_garbage_named_like_ours(database, make_engine):
    engine = make_engine(database)
    engine.storage.mkdir(parents=True)
    (engine.storage / "ID").write_text("garbage\n")
    (engine.storage / "catalogue.sqlite").write_bytes(b"not a database" * 100)
    engine.start(wait=None)
    engine.wait_log(str(engine.storage))
    time.sleep(1)
    engine.destroy_processes()
    assert (engine.storage / "catalogue.sqlite").read_bytes() == b"not a database" * 100


def test_storage_of_another_stream(database, make_engine):
    database.run(CREATE)
    first = make_engine(database).start()
    client = first.client("t").sync()
    first.wait_complete(client)
    first.stop()
    second = make_engine(database, storage=first.storage, stream="other_stream")
    second.start(wait=None)
    second.wait_log(rf"belongs to replication stream {database.stream}, not to other_stream")
    assert second.health() != "active"
    second.destroy_processes()
    # Nothing lost: the first goes on with its shapes.
    first.start()
    assert first.client("t").sync().handle == client.handle


def test_storage_of_another_database_is_reset(cluster, database, make_cluster, make_engine):
    """Another system: the old handles end, the new database is served."""
    database.run(CREATE)
    first = make_engine(database).start()
    client = first.client("t").sync()
    first.wait_complete(client)
    first.stop()
    other_cluster = make_cluster().start()
    other = other_cluster.create_database()
    other.run("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (9, 'other')")
    second = make_engine(other, storage=first.storage, stream=database.stream).start()
    answer = second.http().shape(table="t", offset="0_inf", handle=client.handle)
    assert answer.status == 409, answer
    fresh = second.client("t").sync()
    assert_equal(fresh, other, "t")
    second.stop()


def test_second_engine_waits(database, make_engine):
    database.run(CREATE)
    first = make_engine(database).start()
    client = first.client("t").sync()
    first.wait_complete(client)
    second = make_engine(database, storage=first.storage).start(wait="waiting")
    answer = second.http().get("/v1/health")
    assert (answer.status, answer.json()) == (202, {"status": "waiting"})
    # It serves what is on disk, fresh, and does not write.
    database.run("INSERT INTO t VALUES (2, 'b')")
    client.live_until(lambda c: len(c.rows) == 2)
    reader = second.client("t", retry=True).sync()
    assert reader.handle == client.handle
    until("the row on the waiting one", lambda: len(reader.sync().rows) == 2, 10, 0.2)
    first.stop()
    second.wait_health("active")
    database.run("INSERT INTO t VALUES (3, 'c')")
    assert_equal(reader, database, "t")
    assert reader.refetches == 0
    second.stop()


# Postgres

def broken(engine, pattern, seconds=15):
    """Starts an engine that cannot work: says so, is never active. Gives what it said."""
    engine.start(wait=None)
    engine.wait_log(pattern, seconds)
    assert engine.health() != "active"
    said = engine.log()
    engine.destroy_processes()
    return said


def test_wal_level_replica(make_cluster, make_engine):
    cluster = make_cluster(settings={"wal_level": "replica"}).start()
    database = cluster.create_database()
    broken(make_engine(database), r"wal_level.*logical")


def test_refused_login(make_cluster, make_engine):
    cluster = make_cluster().start()
    database = cluster.create_database()
    database.run("CREATE ROLE needs LOGIN SUPERUSER PASSWORD 'right'")
    cluster.require_password("needs")
    cluster.reload()
    url = cluster.url(database.name, "needs", "wr0ng-pass")
    said = broken(make_engine(url), r"password authentication failed.*needs")
    assert "wr0ng-pass" not in said
    engine = make_engine(cluster.url(database.name, "needs", "right")).start()
    assert "right" not in [word for line in engine.log().splitlines() for word in line.split('"')]


def test_no_rule_in_pg_hba(make_cluster, make_engine):
    cluster = make_cluster().start()
    database = cluster.create_database()
    database.run("CREATE ROLE shut LOGIN SUPERUSER")
    cluster.refuse("shut")
    cluster.reload()
    broken(make_engine(cluster.url(database.name, "shut")), r"pg_hba.*shut|shut.*pg_hba")


def test_unknown_database(cluster, make_engine):
    broken(make_engine(cluster.url("not_there")), r"not_there.*does not exist")


def test_role_without_replication(cluster, database, make_engine):
    role = f"plain_{database.name}"
    database.run(f"CREATE ROLE {role} LOGIN")
    database.run(f"GRANT CREATE ON DATABASE {database.name} TO {role}")
    try:
        broken(make_engine(cluster.url(database.name, role), stream=database.stream),
               r"replication")
    finally:
        database.run(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_table_without_privilege(cluster, database, make_engine):
    """Not the owner, no SELECT: a clear 4xx or 503, other tables work."""
    role = f"lim_{database.name}"
    database.run(CREATE)
    database.run(f"CREATE ROLE {role} LOGIN REPLICATION; "
                 f"GRANT CREATE ON DATABASE {database.name} TO {role};"
                 f"CREATE TABLE mine (id int PRIMARY KEY); ALTER TABLE mine OWNER TO {role}")
    engine = make_engine(cluster.url(database.name, role), stream=database.stream).start()
    answer = engine.http().shape(table="t", offset="-1")
    assert answer.status in (400, 403, 503), answer
    text = answer.body.decode()
    assert '"public"."t"' in answer.json().get("message", text) or "t" in text
    engine.wait_log(r"permission denied|must be owner|lacks privileges")
    engine.client("mine").sync().close()
    engine.stop()
    database.run(f"DROP TABLE mine; DROP PUBLICATION {database.publication};"
                 f" DROP OWNED BY {role}; DROP ROLE {role}")


def test_too_few_connections(make_cluster, make_engine):
    """All taken: it waits, says so, and starts by itself when there is room."""
    cluster = make_cluster(settings={"max_connections": "10"}).start()
    database = cluster.create_database()
    database.run(CREATE)
    others = [database.connect() for _ in range(8)]  # and database's own session
    engine = make_engine(database).start(wait=None)
    engine.wait_log("too many clients|remaining connection slots", 20)
    assert engine.health() == "starting"
    for other in others:
        other.close()
    engine.wait_health("active", 40)
    client = engine.client("t").sync()
    assert_equal(client, database, "t")
    client.close()


def test_postgres_that_is_not_there_yet(make_cluster, make_engine):
    cluster = make_cluster().start()
    database = cluster.create_database()
    database.run(CREATE)
    cluster.stop()
    engine = make_engine(database).start(wait=None)
    until("health to answer", lambda: engine.health() == "starting", 10)
    answer = engine.http().shape(table="t", offset="-1")
    assert answer.status == 503 and "retry-after" in answer.headers
    assert "Timeout waiting for" in answer.json()["message"] or \
        "Cannot connect to the database" in answer.json()["message"], answer
    cluster.start()
    engine.wait_health("active", 20)
    engine.client("t").sync().close()
    assert alive(engine.pid("connection"))


def test_slot_creation_waits_for_an_open_transaction(cluster, database, make_engine):
    """The health says starting, the log says why; it goes on by itself."""
    writer = database.writer()
    writer.cursor().execute("SELECT pg_current_xact_id()")
    engine = make_engine(database).start(wait=None)
    time.sleep(2)
    assert engine.health() == "starting"
    writer.commit()
    writer.close()
    engine.wait_health("active", 25)


def test_publication_dropped_while_away(database, make_engine):
    """A new slot over a known store: reset, old handles get 409, clients converge."""
    database.run(CREATE)
    engine = make_engine(database).start()
    client = engine.client("t", retry=True).sync()
    engine.stop()
    database.run(f"SELECT pg_drop_replication_slot('{database.slot}')")
    database.run("INSERT INTO t VALUES (2, 'missed')")
    engine.start()
    answer = engine.http().shape(table="t", offset="0_inf", handle=client.handle)
    assert answer.status == 409
    assert_equal(client, database, "t")
    assert client.refetches == 1
    client.close()


def test_first_start_resets_nothing(database, make_engine):
    """First start: replication starts once, no reset, whatever the number of shapes."""
    engine = make_engine(database).start()
    for _ in range(2):
        assert "event=reset" not in engine.log()
        engine.stop()
        engine.start()
