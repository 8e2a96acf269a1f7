#!/usr/bin/python3
"""make bench: what the whole engine costs, beside what the machine itself could do just now.

Real processes, HTTP and SQL only. One line a figure, `name=value unit`; NAME_limit is the same
work done by something that cannot be beaten by much (COPY by libpq, nginx, a bare epoll
responder, pg_recvlogical), measured in the same run, NAME_ratio is ours divided by it, for a
rate the other way round: 1 is the limit, less is better. docs/benchmarks.md explains each.

    tests/bench/run.py [--rows 1000000] [--clients 1,1000,10000] [--only first_sync,waiting,…]
"""
import argparse
import http.client
import os
import re
import resource
import select
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from pylib import process  # noqa: E402
from pylib.engine import ROOT, Engine  # noqa: E402
from pylib.postgres import USER, Cluster, tool  # noqa: E402
from pylib.wait import until  # noqa: E402

HELPERS = Path(os.environ.get("SHAPEWIRE_BENCH_BIN", ROOT / "build" / "release" / "bin"))
AIMS = []  # (text, met) of the issue that these figures come from

BIG = ("CREATE TABLE big (id int PRIMARY KEY, a text, b text, c int, d bool, e timestamptz,"
       " f numeric, g text)")
BIG_ROWS = ("INSERT INTO big SELECT g, md5(g::text), md5((g + 1)::text), g * 7, g % 2 = 0,"
            " '2024-01-01'::timestamptz + g * interval '1 s', 1.5 * g, 'some text here'"
            " FROM generate_series(1, {}) g")


# Printing


def show(name, value, unit):
    text = f"{value:.3f}" if isinstance(value, float) and abs(value) < 100 else f"{value:.0f}"
    print(f"{name}={text} {unit}", flush=True)


def show_pair(name, ours, limit, unit, is_rate=False):
    """Ours, the limit and the ratio; gives the ratio."""
    ratio = limit / ours if is_rate else ours / limit
    show(name, float(ours), unit)
    show(f"{name}_limit", float(limit), unit)
    show(f"{name}_ratio", float(ratio), "x")
    return ratio


def aim(text, is_met):
    AIMS.append((text, is_met))


# Measuring


class Cpu:
    """CPU seconds of the engine's processes between two looks."""

    def __init__(self, engine):
        self.engine = engine
        self.before = self._look()

    def _look(self):
        return {name: process.cpu_seconds(pid) for name, pid in self.engine.pids().items()}

    def spent(self):
        now = self._look()
        return {name: now[name] - self.before.get(name, 0.0) for name in now}

    def total(self):
        return sum(self.spent().values())


def read_shape(port, table):
    """Reads a whole shape without looking at the rows: (bytes of each answer, seconds)."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    target = f"/v1/shape?table={table}&offset=-1"
    sizes = []
    began = time.monotonic()
    while True:
        answer, size = fetch(link, target)
        if answer.status == 503:
            time.sleep(0.2)
            continue
        assert answer.status == 200, (answer.status, target)
        sizes.append(size)
        if answer.getheader("electric-up-to-date") is not None:
            return sizes, time.monotonic() - began
        target = (f"/v1/shape?table={table}&offset={answer.getheader('electric-offset')}"
                  f"&handle={answer.getheader('electric-handle')}")


BUFFER = memoryview(bytearray(1 << 20))


def fetch(link, target):
    """One GET; its body is read and dropped."""
    link.request("GET", target)
    answer = link.getresponse()
    size = 0
    while part := answer.readinto(BUFFER):
        size += part
    return answer, size


class Nginx:
    """Debian's nginx with a folder of files: what HTTP costs when there is nothing to think of."""

    CONF = """
        daemon off; master_process off; error_log {root}/error.log; pid {root}/pid;
        worker_rlimit_nofile 20000;
        events {{ worker_connections 15000; }}
        http {{
            access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
            default_type application/json; open_file_cache max=100;
            client_body_temp_path {root}/t1; proxy_temp_path {root}/t2; fastcgi_temp_path {root}/t3;
            uwsgi_temp_path {root}/t4; scgi_temp_path {root}/t5;
            server {{ listen 127.0.0.1:{port}; root {root}/files; }}
        }}"""

    def __init__(self):
        self.root = Path(tempfile.mkdtemp(prefix="sw-nginx-", dir="/tmp"))
        (self.root / "files").mkdir()
        self.port = process.free_port()
        (self.root / "conf").write_text(self.CONF.format(root=self.root, port=self.port))
        program = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        assert program, "nginx is not installed"
        self.child = subprocess.Popen([program, "-c", self.root / "conf"],
                                      preexec_fn=process.die_with_parent())
        until("nginx to listen", lambda: not refused(self.port))

    def put(self, name, data):
        (self.root / "files" / name).write_bytes(data)

    def close(self):
        self.child.terminate()
        self.child.wait()
        shutil.rmtree(self.root)


def refused(port):
    import socket
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


class Helper:
    """One of the C programs beside this file, driven by lines."""

    def __init__(self, name, *args):
        path = HELPERS / name
        assert path.exists(), f"{path} is missing: run make bench"
        self.child = subprocess.Popen([path, *map(str, args)], stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, text=True, bufsize=1,
                                      preexec_fn=process.die_with_parent())

    def tell(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()

    def expect(self, word, seconds=90):
        """The next line, which begins with `word`, as {name: number}."""
        ready, _, _ = select.select([self.child.stdout], [], [], seconds)
        line = self.child.stdout.readline() if ready else "(nothing)"
        assert line.startswith(word), f"{word} expected, got {line!r}"
        return {k: float(v) for k, v in re.findall(r"(\w+)=([\d.]+)", line)}

    def close(self):
        self.child.stdin.close()
        try:
            self.child.wait(10)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


# The figures


def first_sync(engine, database, nginx, options):
    """One client's first sync: cold from Postgres, warm from what is stored."""
    database.run(BIG)
    database.run(BIG_ROWS.format(options.rows))
    database.run("VACUUM ANALYZE big")
    conninfo = f"host=127.0.0.1 port={database.cluster.port} user={USER} dbname={database.name}"
    helper = HELPERS / "bench_copy"
    copies = []
    for _ in range(3):
        said = subprocess.run([helper, conninfo, "COPY (SELECT * FROM big) TO STDOUT"],
                              capture_output=True, text=True, check=True).stdout
        copies.append(float(re.search(r"seconds=([\d.]+)", said)[1]))
    cpu = Cpu(engine)
    sizes, cold = read_shape(engine.port, "big")
    spent = cpu.spent()
    ratio = show_pair("first_sync_cold", cold, min(copies), "s")
    aim(f"first sync cold <= 3 x COPY: {ratio:.2f}", ratio <= 3)
    show("first_sync_bytes", sum(sizes), "bytes")
    for service, seconds in sorted(spent.items()):
        show(f"first_sync_cold_cpu_{service}", seconds / options.rows * 1e6, "us/row")
    for n, size in enumerate(sizes):
        nginx.put(f"big{n}", b"x" * size)
    warm = []
    limit = []
    for _ in range(3):
        warm.append(read_shape(engine.port, "big")[1])
        link = http.client.HTTPConnection("127.0.0.1", nginx.port)
        began = time.monotonic()
        for n in range(len(sizes)):
            fetch(link, f"/big{n}")
        limit.append(time.monotonic() - began)
        link.close()
    show_pair("first_sync_warm", min(warm), min(limit), "s")


def waiting(engine, database, _nginx, options):
    """One write to N clients that wait: from before the INSERT to the last answer. The limit is
    the same commit and then a bare epoll responder."""
    database.run("CREATE TABLE hot (id serial PRIMARY KEY, v text)")
    client = engine.client("hot").sync()
    for count in options.clients:
        one_crowd(engine, database, client, count)
    client.close()


def one_crowd(engine, database, client, count):
    idle_kb = process.pss_kb(engine.pid("api"))
    crowd = Helper("bench_wait", engine.port, count)
    crowd.expect("open")
    ours, commits, size = [], [], 0
    for round_ in range(5):
        query = client.query(live=True)
        crowd.tell("/v1/shape?" + "&".join(f"{k}={v}" for k, v in query.items()))
        crowd.expect("waiting")
        time.sleep(0.3 + count / 10000)
        if round_ == 0:
            parked_kb = process.pss_kb(engine.pid("api"))
        cpu = Cpu(engine)
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        database.run("INSERT INTO hot (v) VALUES (%s)", ("x" * 100,))
        committed = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        done = crowd.expect("done")
        assert done["ok"] == count, f"{done} of {count}"
        ours.append((done["last"] - began) / 1e6)
        commits.append((committed - began) / 1e6)
        size = int(done["bytes"] / count)
        client.sync()
        spent = cpu.total()
    crowd.close()
    commit = statistics.median(commits)
    limit = commit + epoll_limit(count, size)
    ratio = show_pair(f"waiting_{count}", statistics.median(ours), limit, "ms")
    show(f"waiting_{count}_commit", float(commit), "ms")
    show(f"waiting_{count}_cpu", spent / count * 1e6, "us/delivery")
    if count >= 1000:
        aim(f"{count} waiting clients <= 2 x epoll: {ratio:.2f}", ratio <= 2)
        each = (parked_kb - idle_kb) / count
        show(f"waiting_{count}_memory", each, "kB/client")
        aim(f"{count} waiting clients <= 5 kB each: {each:.1f}", each <= 5)


def epoll_limit(count, size):
    """The same answers from a bare epoll responder, in ms."""
    port = process.free_port()
    server = Helper("bench_epoll", port)
    until("bench_epoll to listen", lambda: not refused(port))
    crowd = Helper("bench_wait", port, count)
    crowd.expect("open")
    took = []
    for _ in range(5):
        crowd.tell("/wait")
        crowd.expect("waiting")
        time.sleep(0.2 + count / 10000)
        began = time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        server.tell(str(size))
        done = crowd.expect("done")
        server.expect("done")
        assert done["ok"] == count, done
        took.append((done["last"] - began) / 1e6)
    crowd.close()
    server.close()
    return statistics.median(took)


def small(engine, database, nginx, options):
    """64 keep-alive connections that ask for a small shape as fast as they can."""
    database.run("CREATE TABLE small (id int PRIMARY KEY, v text);"
                 "INSERT INTO small SELECT g, md5(g::text) FROM generate_series(1, 10) g")
    client = engine.client("small").sync()
    link = http.client.HTTPConnection("127.0.0.1", engine.port)
    link.request("GET", "/v1/shape?table=small&offset=-1")
    nginx.put("small", link.getresponse().read())
    link.close()
    cpu = Cpu(engine)
    ours = wrk(f"http://127.0.0.1:{engine.port}/v1/shape?table=small&offset=-1", options.seconds)
    spent = cpu.total()
    began = process.cpu_seconds(nginx.child.pid)
    limit = wrk(f"http://127.0.0.1:{nginx.port}/small", options.seconds)
    nginx_cpu = process.cpu_seconds(nginx.child.pid) - began
    show_pair("small_shape", ours, limit, "requests/s", is_rate=True)
    show_pair("small_shape_cpu", spent / (ours * options.seconds) * 1e6,
              nginx_cpu / (limit * options.seconds) * 1e6, "us/request")
    client.close()


def wrk(url, seconds):
    said = subprocess.run([tool("wrk"), "-c64", "-t1", f"-d{seconds}s", url], capture_output=True,
                          text=True, check=True).stdout
    assert "Non-2xx" not in said and "Socket errors" not in said, said
    return float(re.search(r"Requests/sec:\s+([\d.]+)", said)[1])


def throughput(engine, database, _nginx, options):
    """Transactions of 100 rows through one shape, from a backlog in the WAL to the client."""
    transactions, rows = options.transactions, 100
    database.run("CREATE TABLE stream (id int PRIMARY KEY, a text, b int, c text);"
                 "INSERT INTO stream SELECT g, md5(g::text), 0, 'x'"
                 f" FROM generate_series(1, {rows}) g")
    client = engine.client("stream").sync()
    database.run("SELECT pg_create_logical_replication_slot('bench_limit', 'pgoutput')")
    engine.kill("connection", signal.SIGSTOP)
    database.run(f"DO $$ BEGIN FOR n IN 1..{transactions} LOOP UPDATE stream SET b = n;"
                 " COMMIT; END LOOP; END $$")
    end = database.value("SELECT pg_current_wal_flush_lsn()::text")
    total = transactions * rows
    cpu = Cpu(engine)
    began = time.monotonic()
    engine.kill("connection", signal.SIGCONT)
    drain(client, total)
    took = time.monotonic() - began
    spent = cpu.spent()
    client.close()
    limit = recvlogical(database, end)
    ratio = show_pair("throughput", total / took, total / limit, "rows/s", is_rate=True)
    aim(f"throughput >= 0.5 x pg_recvlogical: {1 / ratio:.2f}", 1 / ratio >= 0.5)
    for service, seconds in sorted(spent.items()):
        show(f"throughput_cpu_{service}", seconds / total * 1e6, "us/row")


def drain(client, total):
    """Reads live answers, rows only counted, until `total` changes have come."""
    link = http.client.HTTPConnection("127.0.0.1", client.http.port, timeout=60)
    query, count = client.query(live=True), 0
    while count < total:
        link.request("GET", "/v1/shape?" + "&".join(f"{k}={v}" for k, v in query.items()))
        answer = link.getresponse()
        assert answer.status == 200, answer.status
        count += answer.read().count(b'"operation":"')
        query["offset"] = answer.getheader("electric-offset")
    assert count == total, f"{count} changes instead of {total}"
    link.close()


def recvlogical(database, end):
    """Seconds that pg_recvlogical needs for the same WAL."""
    began = time.monotonic()
    subprocess.run([tool("pg_recvlogical", database.cluster.bin_dir), "-h", "127.0.0.1", "-p",
                    str(database.cluster.port), "-U", USER, "-d", database.name, "-S",
                    "bench_limit", "--start", "--endpos", end, "-f", "/dev/null", "-o",
                    "proto_version=1", "-o", f"publication_names={database.publication}",
                    "--no-loop"], check=True, capture_output=True)
    took = time.monotonic() - began
    database.run("SELECT pg_drop_replication_slot('bench_limit')")
    return took


def many_shapes(engine, database, _nginx, options):
    """The same with a shape for each of 1,000 tenants, created one by one, and one row of a random
    tenant in each change: its cost must not depend on how many others there are."""
    tenants, transactions, rows = 1000, options.transactions, 100
    database.run("CREATE TABLE tenant (id int PRIMARY KEY, tenant_id int, a text, b int);"
                 f"INSERT INTO tenant SELECT g, g % {tenants}, md5(g::text), 0"
                 " FROM generate_series(1, 10000) g;"
                 "CREATE TABLE finish (id int PRIMARY KEY, b int);"
                 "INSERT INTO finish VALUES (1, 0)")
    began = time.monotonic()
    clients = [engine.client("tenant", where=f"tenant_id = {n}").sync() for n in range(tenants)]
    show("many_shapes_create", (time.monotonic() - began) / tenants * 1000, "ms/shape")
    for client in clients:
        client.close()
    finish = engine.client("finish").sync()
    database.run("SELECT pg_create_logical_replication_slot('bench_limit', 'pgoutput')")
    engine.kill("connection", signal.SIGSTOP)
    database.run(f"DO $$ BEGIN FOR n IN 1..{transactions} LOOP UPDATE tenant SET b = n"
                 f" WHERE id BETWEEN n * {rows} % 10000 + 1 AND n * {rows} % 10000 + {rows};"
                 " COMMIT; END LOOP; END $$")
    database.run("UPDATE finish SET b = 1")
    end = database.value("SELECT pg_current_wal_flush_lsn()::text")
    total = transactions * rows
    cpu = Cpu(engine)
    began = time.monotonic()
    engine.kill("connection", signal.SIGCONT)
    drain(finish, 1)
    took = time.monotonic() - began
    spent = cpu.spent()
    finish.close()
    show_pair("many_shapes", total / took, total / recvlogical(database, end), "rows/s",
              is_rate=True)
    for service, seconds in sorted(spent.items()):
        show(f"many_shapes_cpu_{service}", seconds / total * 1e6, "us/row")


def routing(_engine, _database, _nginx, _options):
    """The router alone, up to 100,000 shapes of each form that the index knows."""
    subprocess.run([HELPERS / "bench_routing"], check=True)


def memory(engine, _database, _nginx, _options):
    """What all our processes hold after all of this."""
    total = 0
    for service, pid in sorted(engine.pids().items()):
        pss = process.pss_kb(pid)
        total += pss
        show(f"pss_{service}", pss / 1024, "MB")
        show(f"peak_{service}", process.status_kb(pid, "VmHWM") / 1024, "MB")
    show("pss_all", total / 1024, "MB")


FIGURES = {"first_sync": first_sync, "waiting": waiting, "small": small,
           "throughput": throughput, "many_shapes": many_shapes, "routing": routing,
           "memory": memory}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--clients", default="1,1000,10000")
    parser.add_argument("--transactions", type=int, default=2000)
    parser.add_argument("--seconds", type=int, default=5, help="of each request load")
    parser.add_argument("--only", default=",".join(FIGURES))
    options = parser.parse_args()
    options.clients = [int(n) for n in options.clients.split(",")]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    cluster = Cluster({"fsync": "on", "shared_buffers": "512MB"}).start()
    engine = nginx = None
    try:
        database = cluster.create_database()
        engine = Engine(database.url, database.stream,
                        {"ELECTRIC_LOG_LEVEL": "info", "ELECTRIC_LONG_POLL_TIMEOUT": "60s",
                         "ELECTRIC_MAX_CONCURRENT_REQUESTS": '{"initial":300,"existing":20000}'})
        engine.start()
        nginx = Nginx()
        for name in options.only.split(","):
            FIGURES[name](engine, database, nginx, options)
        engine.stop()
    except BaseException:
        if engine is not None:
            print(engine.tail(40), file=sys.stderr)
        raise
    finally:
        if engine is not None:
            engine.destroy()
        if nginx is not None:
            nginx.close()
        cluster.destroy()
    for text, is_met in AIMS:
        print(f"aim {'met' if is_met else 'MISSED'}: {text}")


if __name__ == "__main__":
    main()
