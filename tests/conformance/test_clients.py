"""The published clients, on Node >= 18, against the engine; each ends in a comparison with Postgres.

SHAPEWIRE_LOAD_SECONDS is the time that pgbench runs (60 to accept a release, 10 otherwise);
SHAPEWIRE_NODE and SHAPEWIRE_NPM name the programs.
"""
import json
import os
import re
import shutil
import subprocess
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest

from pylib import process
from pylib.engine import ROOT
from pylib.load import TABLES, Pgbench
from pylib.postgres import key_columns
from pylib.wait import until

HERE = Path(__file__).resolve().parent
SECONDS = int(os.environ.get("SHAPEWIRE_LOAD_SECONDS", "10"))
NODE = os.environ.get("SHAPEWIRE_NODE") or shutil.which("node") or "node"
NPM = os.environ.get("SHAPEWIRE_NPM") or shutil.which("npm") or "npm"


@pytest.fixture(scope="session")
def packages():
    """The clients as the lock file names them, in build/conformance."""
    folder = ROOT / "build" / "conformance"
    folder.mkdir(parents=True, exist_ok=True)
    lock = (HERE / "package-lock.json").read_text()
    done = folder / "installed"
    if not done.exists() or done.read_text() != lock:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, folder)
        ran = subprocess.run([NPM, "ci", "--no-audit", "--no-fund", "--prefix", str(folder)],
                             capture_output=True, text=True, cwd=folder)
        assert ran.returncode == 0, ran.stderr
        done.write_text(lock)
    return folder


class NodeTest:
    """One test file under `node --test`, run beside the packages."""

    def __init__(self, packages, name, env):
        for file in (name, "common.js"):
            shutil.copy(HERE / file, packages)
        self.child = subprocess.Popen(
            [NODE, "--test", "--test-reporter=tap", name], cwd=packages,
            env={**os.environ, **env}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            preexec_fn=process.die_with_parent())

    def running(self):
        assert self.child.poll() is None, self.child.communicate()[0]
        return True

    def wait(self, seconds=90):
        """Its output and the number of tests that passed; fails when one did not."""
        said, _ = self.child.communicate(timeout=seconds)
        assert self.child.returncode == 0, said
        return said, int(re.search(r"^# pass (\d+)", said, re.MULTILINE)[1])

    def kill(self):
        if self.child.poll() is None:
            self.child.kill()
            print(self.child.communicate()[0])


def expectation(database, load, table):
    return {"key": key_columns(database, table), "rows": list(database.table(table).values()),
            "xids": load.changes(table)}


@pytest.mark.parametrize("start", ["before the load", "under load"])
def test_electric_client_materialises_pgbench(packages, tmp_path, database, engine, start):
    load = Pgbench(database).init(scale=2)
    expected, ready = tmp_path / "expected.json", tmp_path / "ready"
    env = {"SHAPE_URL": f"http://127.0.0.1:{engine.port}", "TABLES": ",".join(TABLES),
           "EXPECTED": str(expected), "READY": str(ready)}
    if start == "under load":
        load.start(SECONDS)
    node = NodeTest(packages, "materialise.test.js", env)
    try:
        until("the first syncs", lambda: node.running() and ready.exists(), 60, 0.1)
        if start == "before the load":
            load.start(SECONDS)
        load.wait(SECONDS + 60)
        facts = {table: expectation(database, load, table) for table in TABLES}
        print({table: (len(fact["rows"]), len(fact["xids"])) for table, fact in facts.items()})
        part = tmp_path / "part"
        part.write_text(json.dumps(facts))
        part.rename(expected)
        _, passed = node.wait()
        assert passed == len(TABLES) + 1
    finally:
        node.kill()
        load.stop()


class Writer:
    """Changes the rows of `table` (id, n, v) one by one, in a thread, until it is stopped."""

    def __init__(self, database, table, rows):
        self.database, self.table, self.rows = database, table, rows
        database.run(f"CREATE TABLE {table} (id int PRIMARY KEY, n int, v text);"
                     f"INSERT INTO {table} SELECT i, i % 7, 'first' FROM generate_series(1, {rows}) i")
        self.changes = 0
        self.error = None
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._thread.start()
        return self

    def _run(self):
        try:
            with closing(self.database.connect()) as connection:
                cursor = connection.cursor()
                while not self._leave.is_set():
                    self.changes += 1
                    self._change(cursor, self.changes)
                    time.sleep(0.002)
        except Exception as error:
            self.error = error

    def _change(self, cursor, step):
        row = step * 7919 % (self.rows + 50) + 1
        if step % 4 == 0:
            cursor.execute(f"DELETE FROM {self.table} WHERE id = %s", (row,))
        elif step % 4 == 1:
            cursor.execute(f"INSERT INTO {self.table} VALUES (%s, %s, NULL)"
                           " ON CONFLICT (id) DO UPDATE SET n = excluded.n", (row, step))
        else:
            cursor.execute(f"UPDATE {self.table} SET v = %s WHERE id = %s", (f"{step} 'é\n", row))

    def stop(self):
        self._leave.set()
        self._thread.join(20)
        assert self.error is None, self.error
        assert self.changes > 100, self.changes


class WriteApi:
    """The application's own server: clients write through it, not through the engine.

    POST /sql runs its body.
    POST /rows {"operation": …, "row": {id, n, v}} answers {"txid": …}, as TanStack DB wants it.
    PUT /document?room=… and /awareness?room=…&client_id=… store the body, as y-electric wants it.
    """

    STATEMENTS = {
        "insert": "INSERT INTO c_rows VALUES (%(id)s, %(n)s, %(v)s)",
        "update": "UPDATE c_rows SET n = %(n)s, v = %(v)s WHERE id = %(id)s",
        "delete": "DELETE FROM c_rows WHERE id = %(id)s",
        "/document": "INSERT INTO ydoc_update (room, op) VALUES (%(room)s, %(body)s)",
        "/awareness": "INSERT INTO ydoc_awareness VALUES (%(client_id)s, %(room)s, %(body)s)"
                      " ON CONFLICT (client_id, room) DO UPDATE SET op = excluded.op",
    }

    def __init__(self, database):
        api = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                answer = json.dumps(api.write(urlsplit(self.path), body)).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_PUT = do_POST

            def log_message(self, *_):
                pass

        self.database = database
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def write(self, url, body):
        if url.path == "/sql":
            self.database.run(body.decode())
            return {}
        if url.path == "/rows":
            wish = json.loads(body)
            statement, values = wish["operation"], wish["row"]
        else:
            statement = url.path
            values = {**dict(parse_qsl(url.query)), "body": body}
        with closing(self.database.connect()) as connection:
            connection.autocommit = False
            cursor = connection.cursor()
            cursor.execute(self.STATEMENTS[statement], values)
            cursor.execute("SELECT pg_current_xact_id()::xid::text")
            txid = int(cursor.fetchone()[0])
            connection.commit()
        return {"txid": txid}

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def write_api(database):
    made = WriteApi(database)
    yield made
    made.close()


def run_under_writes(packages, tmp_path, database, engine, name, tests, rows=500, **env):
    """`name` follows a table while it changes; then it is told its rows and compares."""
    expected, ready = tmp_path / "expected.json", tmp_path / "ready"
    writer = Writer(database, "c_rows", rows).start()
    node = NodeTest(packages, name, {
        "SHAPE_URL": f"http://127.0.0.1:{engine.port}", "TABLE": "c_rows", "ROWS": str(rows),
        "EXPECTED": str(expected), "READY": str(ready), **env})
    try:
        until("the client to have begun", lambda: node.running() and ready.exists(), 30, 0.1)
        time.sleep(1)
        writer.stop()
        part = tmp_path / "part"
        part.write_text(json.dumps({"rows": list(database.table("c_rows").values())}))
        part.rename(expected)
        _, passed = node.wait()
        assert passed == tests
    finally:
        node.kill()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_electric_client_fills_a_shape_by_subsets(packages, tmp_path, database, engine, method):
    run_under_writes(packages, tmp_path, database, engine, "subsets.test.js", 4, METHOD=method)


def test_react_renders_the_table(packages, tmp_path, database, engine):
    run_under_writes(packages, tmp_path, database, engine, "react.test.js", 4)


def test_pglite_ends_equal(packages, tmp_path, database, engine):
    run_under_writes(packages, tmp_path, database, engine, "pglite.test.js", 3)


def test_tanstack_db_matches_txids(packages, tmp_path, database, engine, write_api):
    run_under_writes(packages, tmp_path, database, engine, "tanstack.test.js", 6,
                     WRITE_URL=f"{write_api.url}/rows")


def test_yjs_documents_become_equal(packages, tmp_path, database, engine, write_api):
    database.run("CREATE TABLE ydoc_update (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
                 " room text NOT NULL, op bytea NOT NULL);"
                 "CREATE TABLE ydoc_awareness (client_id text, room text, op bytea NOT NULL,"
                 " PRIMARY KEY (client_id, room))")
    expected, ready = tmp_path / "expected.json", tmp_path / "ready"
    node = NodeTest(packages, "yjs.test.js", {
        "SHAPE_URL": f"http://127.0.0.1:{engine.port}", "WRITE_URL": write_api.url,
        "EXPECTED": str(expected), "READY": str(ready)})
    try:
        until("the edits to be made", lambda: node.running() and ready.exists(), 60, 0.1)
        part = tmp_path / "part"
        part.write_text(json.dumps({
            "updates": [row["op"] for row in database.table("ydoc_update").values()],
            "clients": [row["client_id"] for row in database.table("ydoc_awareness").values()]}))
        part.rename(expected)
        _, passed = node.wait()
        assert passed == 4
    finally:
        node.kill()


def test_electric_client_in_each_mode(packages, tmp_path, database, engine, write_api):
    run_under_writes(packages, tmp_path, database, engine, "client.test.js", 9,
                     WRITE_URL=write_api.url)
