"""The published client, @electric-sql/client, on Node >= 18, against the engine under pgbench.

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
from pathlib import Path

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
            self.child.communicate()


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


def run_under_writes(packages, tmp_path, database, engine, name, tests, rows=500, **env):
    """`name` follows a table while it changes; then it is told its rows and compares."""
    expected, ready = tmp_path / "expected.json", tmp_path / "ready"
    writer = Writer(database, "c_rows", rows).start()
    node = NodeTest(packages, name, {
        "SHAPE_URL": f"http://127.0.0.1:{engine.port}", "TABLE": "c_rows", "ROWS": str(rows),
        "EXPECTED": str(expected), "READY": str(ready), **env})
    try:
        until("the client to have begun", lambda: node.running() and ready.exists(), 60, 0.1)
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
