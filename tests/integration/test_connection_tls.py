"""TLS to the database, engine spec §1.6: tried unless disabled, verified when there is a CA."""
import os
import subprocess

import pytest

from pylib.client import assert_equal
from pylib.engine import program, run_program
from pylib.process import free_port

CREATE = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'x')"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for `localhost` that is its own authority: (certificate, key)."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
                    "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                    "-keyout", folder / "server.key", "-out", folder / "server.crt"],
                   check=True, capture_output=True)
    return folder / "server.crt", folder / "server.key"


@pytest.fixture
def secure(make_cluster, authority):
    cluster = make_cluster(settings={"ssl": "on"})
    for path in authority:
        copy = cluster.data / path.name
        copy.write_bytes(path.read_bytes())
        copy.chmod(0o600)
        if cluster.owner:
            os.chown(copy, *cluster.owner)
    return cluster.start()


def url(database, query="", host="localhost"):
    return database.url.split("?")[0].replace("127.0.0.1", host) + query


def is_encrypted(database):
    rows = database.run(
        "SELECT DISTINCT s.ssl FROM pg_stat_ssl s JOIN pg_stat_activity a USING (pid)"
        " WHERE a.application_name LIKE 'shapewire%%'")
    assert len(rows) == 1
    return rows[0][0]


@pytest.mark.parametrize("query, encrypted", [
    ("", True), ("?sslmode=allow", True), ("?sslmode=prefer", True), ("?sslmode=require", True),
    ("?sslmode=disable", False)])
def test_tls_is_tried_unless_disabled(secure, make_engine, query, encrypted):
    database = secure.create_database()
    database.run(CREATE)
    engine = make_engine(url(database, query)).start()
    client = engine.client("t").sync()
    assert is_encrypted(database) == encrypted
    client.close()


def test_a_large_snapshot_and_stream_over_tls(secure, make_engine):
    """What TLS has read ahead makes no socket readable: nothing may be left in it."""
    database = secure.create_database()
    database.run("CREATE TABLE t (id int PRIMARY KEY, v text);"
                 "INSERT INTO t SELECT g, repeat(md5(g::text), g %% 40) FROM"
                 " generate_series(1, 30000) g".replace("%%", "%"))
    engine = make_engine(url(database)).start()
    client = engine.client("t", retry=True).sync()
    for n in range(3):
        database.run("UPDATE t SET v = v || %s WHERE id %% 7 = %s", (str(n), n))
        assert_equal(client, database, "t", seconds=30)
    client.close()


def test_the_certificate_is_verified_with_a_ca(secure, make_engine, authority):
    database = secure.create_database()
    database.run(CREATE)
    engine = make_engine(url(database),
                         ELECTRIC_DATABASE_CA_CERTIFICATE_FILE=str(authority[0])).start()
    engine.client("t").sync().close()
    assert is_encrypted(database)


def test_another_name_than_the_certificates(secure, make_engine, authority):
    database = secure.create_database()
    engine = make_engine(url(database, host="127.0.0.1"),
                         ELECTRIC_DATABASE_CA_CERTIFICATE_FILE=str(authority[0]))
    engine.start(wait=None)
    engine.wait_log("level=error.*ssl_connection_failed.*does not match host name")


def test_a_server_without_tls(cluster, make_engine):
    database = cluster.create_database()
    database.run(CREATE)
    engine = make_engine(url(database, "?sslmode=require")).start(wait=None)
    engine.wait_log("level=error.*server does not support SSL")
    engine.stop()
    engine = make_engine(url(database, "?sslmode=prefer")).start()
    engine.wait_log("event=connected_without_tls")
    engine.client("t").sync().close()
    database.drop()


def test_a_ca_without_tls_is_refused(authority):
    code, said = run_program([program("connection")], {
        "DATABASE_URL": f"postgresql://u@localhost:{free_port()}/d?sslmode=disable",
        "ELECTRIC_DATABASE_CA_CERTIFICATE_FILE": str(authority[0])})
    assert code == 2
    assert "sslmode=disable" in said
