"""nginx with deploy/edge-cache.conf in front of the engine: what a cache is for, and what it may not do."""
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import pytest
from test_clients import NodeTest, packages, run_under_writes  # noqa: F401

from pylib import process
from pylib.client import Http, ShapeClient
from pylib.engine import ROOT
from pylib.wait import until


class EdgeCache:
    """nginx with the configuration that we hand out, but for ports and folders."""

    def __init__(self, engine):
        self.root = Path(tempfile.mkdtemp(prefix="sw-nginx-", dir="/tmp"))
        self.port = process.free_port()
        site = (ROOT / "deploy" / "edge-cache.conf").read_text()
        for theirs, ours in (("/var/cache/nginx/shapewire", f"{self.root}/cache"),
                             ("127.0.0.1:3000", f"127.0.0.1:{engine.port}"),
                             ("listen 8080", f"listen 127.0.0.1:{self.port}")):
            assert site.count(theirs) == 1, theirs
            site = site.replace(theirs, ours)
        folders = "".join(f"{name}_temp_path {self.root}/{name};"
                          for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        (self.root / "conf").write_text(f"""
            daemon off; user root; worker_processes 1; error_log {self.root}/error.log;
            pid {self.root}/pid; worker_rlimit_nofile 8000; events {{ worker_connections 4000; }}
            http {{ log_format one '$upstream_cache_status $status $request_uri';
                    access_log {self.root}/access.log one; {folders} {site} }}
            """.replace("user root;", "user root;" if os.getuid() == 0 else ""))
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        assert program, "nginx is not installed"
        self.child = subprocess.Popen([program, "-c", str(self.root / "conf")], stderr=subprocess.PIPE,
                                      preexec_fn=process.die_with_parent())
        until("nginx to listen", self._listens)

    def _listens(self):
        assert self.child.poll() is None, self.child.stderr.read().decode()
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def lines(self):
        """(cache status, status, URI) of each request so far."""
        return [line.split(" ", 2) for line in (self.root / "access.log").read_text().splitlines()]

    def close(self):
        self.child.terminate()
        self.child.wait(20)
        shutil.rmtree(self.root)


@pytest.fixture
def edge(engine):
    made = EdgeCache(engine)
    yield made
    made.close()


def test_200_who_wait_are_a_handful_of_requests(edge, database):
    database.run("CREATE TABLE w (id int PRIMARY KEY); INSERT INTO w VALUES (0)")
    clients = [ShapeClient(edge.port, "w") for _ in range(200)]
    barrier = threading.Barrier(201)
    errors = []

    def follow(client):
        try:
            client.sync()
            barrier.wait(60)
            client.live_until(lambda c: len(c.rows) == 4, 60)
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=follow, args=(client,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    barrier.wait(60)
    for number in range(3):
        time.sleep(1.5)  # until all wait
        database.run(f"INSERT INTO w VALUES ({number + 1})")
    for thread in threads:
        thread.join(60)
    assert not errors, errors[0]
    for client in clients:
        assert sorted(row["id"] for row in client.rows.values()) == ["0", "1", "2", "3"]
        client.close()
    lines = edge.lines()
    live = [line for line in lines if "live=true" in line[2]]
    reached = [line for line in live if line[0] != "HIT"]
    print(f"{len(lines)} requests, {len(live)} of them live, {len(reached)} of these reached the engine")
    assert len(live) >= 600 and len(reached) <= 12, reached


@pytest.mark.parametrize("name, tests", [("pglite.test.js", 3), ("react.test.js", 4)])
def test_published_clients_through_it(packages, tmp_path, database, engine, edge, name, tests):  # noqa: F811
    run_under_writes(packages, tmp_path, database, engine, name, tests,
                     SHAPE_URL=f"http://127.0.0.1:{edge.port}")
    assert any("live=true" in line[2] for line in edge.lines())


def test_a_stale_cache_wedges_no_client(packages, tmp_path, database, make_engine):  # noqa: F811
    engine = make_engine(database, ELECTRIC_ENABLE_INTEGRATION_TESTING="true").start()
    edge = EdgeCache(engine)
    database.run("CREATE TABLE s (id int PRIMARY KEY, v text); INSERT INTO s VALUES (1, 'a'), (2, 'b')")
    expected, ready = tmp_path / "expected.json", tmp_path / "ready"
    node = NodeTest(packages, "edge.test.js", {
        "SHAPE_URL": f"http://127.0.0.1:{edge.port}", "TABLE": "s", "EXPECTED": str(expected),
        "READY": str(ready)})
    try:
        until("the first rows", lambda: node.running() and ready.exists() and ready.read_text(), 30)
        old = ready.read_text()
        target = "/v1/shape?table=s&offset=-1"
        assert Http(edge.port).get(target).headers["electric-handle"] == old
        assert engine.http().request("DELETE", f"/v1/shape?handle={old}").status == 202
        database.run("DELETE FROM s; INSERT INTO s VALUES (3, 'c')")
        assert Http(edge.port).get(target).headers["electric-handle"] == old  # it does not know
        part = tmp_path / "part"
        part.write_text(json.dumps({"rows": list(database.table("s").values())}))
        part.rename(expected)
        _, passed = node.wait()
        assert passed == 3
    finally:
        node.kill()
        edge.close()


def test_compressed_answers_are_kept_for_each_encoding(edge, database):
    database.run("CREATE TABLE z AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 500) g")
    seen = set()
    for encoding in ("gzip", "zstd", "identity") * 2:
        answer = Http(edge.port).get("/v1/shape?table=z&offset=-1", headers={"Accept-Encoding": encoding})
        seen.add((answer.headers.get("content-encoding"), answer.headers["x-cache"]))
    assert seen >= {("gzip", "HIT"), ("zstd", "HIT"), (None, "HIT")}
