"""The engine under test: the programs of SHAPEWIRE_BIN (default build/bin), as an operator runs
them.

An Engine has its own port, storage and runtime folder; stop() checks that nothing is left running
and that no program complained of itself (sanitizers, assertions).
"""
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from pylib import process
from pylib.client import Http, ShapeClient
from pylib.wait import patience, until

ROOT = Path(__file__).resolve().parent.parent.parent
BIN = Path(os.environ.get("SHAPEWIRE_BIN", ROOT / "build" / "bin")).resolve()
SERVICES = ("orchestrator", "connection", "shape-log-collector", "api")
SANITIZER = BIN.parent.name if BIN.parent.name in ("asan", "tsan") else None  # the Makefile's names

# A crash as well: our tests end services by signals 9 and 15 alone.
COMPLAINTS = re.compile(r"Sanitizer|runtime error:|assertion .* failed|ASSERT"
                        r"|_ended .*reason=.signal (?!9 |15 )", re.IGNORECASE)

live_engines = []  # for the report of a failed test


def sanitizer_options(folder):
    """What the programs' sanitizers are told; the list of what NNG does is put into `folder`,
    where an unprivileged user can read it. The caller's own options come last and win."""
    shutil.copy(ROOT / "tests" / "lsan.supp", folder)
    shutil.copy(ROOT / "tests" / "tsan.supp", folder)
    options = {"LSAN_OPTIONS": f"suppressions={folder}/lsan.supp:print_suppressions=0",
               "TSAN_OPTIONS": f"suppressions={folder}/tsan.supp",
               "ASAN_OPTIONS": "verify_asan_link_order=0",  # for preloaded libraries
               "UBSAN_OPTIONS": "print_stacktrace=1"}
    return {name: f"{ours}:{os.environ.get(name, '')}".strip(":") for name, ours in options.items()}


def assert_no_complaints(log):
    """Fails with the first report as a whole: its stacks are what one needs."""
    lines = log.splitlines()
    for number, line in enumerate(lines):
        if COMPLAINTS.search(line):
            raise AssertionError("a program complains of itself:\n"
                                 + "\n".join(lines[max(0, number - 2):number + 90]))


def program(service=None):
    name = "shapewire" if service is None else f"shapewire-{service}"
    path = BIN / name
    assert path.exists(), f"{path} is missing: run make"
    return str(path)


class Engine:
    def __init__(self, database_url, stream="default", settings=None, storage=None):
        self.root = Path(tempfile.mkdtemp(prefix="sw-", dir="/tmp"))
        self.port = process.free_port()
        self.storage = Path(storage) if storage else self.root / "storage"
        self.runtime = self.root / "run"
        self.log_path = self.root / "engine.log"
        self.parent = None
        self.alone = {}
        self.settings = {
            "DATABASE_URL": database_url,
            "ELECTRIC_REPLICATION_STREAM_ID": stream,
            "ELECTRIC_INSECURE": "true",
            "ELECTRIC_PORT": str(self.port),
            "ELECTRIC_STORAGE_DIR": str(self.storage),
            "ELECTRIC_LOG_LEVEL": "debug",
            "SHAPEWIRE_RUNTIME_DIR": str(self.runtime),
            **(settings or {}),
        }
        live_engines.append(self)

    def environment(self):
        kept = ("PATH", "HOME", "LANG", "TMPDIR")
        env = {name: os.environ[name] for name in kept if name in os.environ}
        env.update(sanitizer_options(self.root))
        env.update({name: value for name, value in self.settings.items() if value is not None})
        return env

    def _spawn(self, args, user=None):
        credentials = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
        if user:  # who may not look into /root, where a checkout may lie
            shutil.copytree(BIN, self.root / "bin", dirs_exist_ok=True)
            os.chmod(self.root, 0o777)
            args = [str(self.root / "bin" / Path(args[0]).name), *args[1:]]
        with open(self.log_path, "ab") as log:
            return subprocess.Popen(args, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                    env=self.environment(), cwd=self.root,
                                    preexec_fn=process.die_with_parent(), **credentials)

    # The whole engine

    def start(self, wait="active", seconds=30, user=None):
        """Starts `shapewire`; waits for this health status (None: does not wait)."""
        assert self.parent is None
        self.parent = self._spawn([program()], user)
        if wait:
            self.wait_health(wait, seconds)
        return self

    def stop(self, seconds=20):
        """SIGTERM to the parent; everything must be gone in time, with exit status 0."""
        if self.parent is not None:
            self.parent.send_signal(signal.SIGTERM)
            try:
                code = self.parent.wait(patience(seconds))
            except subprocess.TimeoutExpired:
                self.destroy_processes()
                raise AssertionError(f"the engine does not stop within {seconds} s")
            self.parent = None
            try:
                until("all services to be gone", lambda: not self.pids(), 5)
            finally:
                self.destroy_processes()
            assert code == 0, f"shapewire ended with {code}"
        for service in list(self.alone):
            self.stop_alone(service)
        assert_no_complaints(self.log())

    def destroy_processes(self):
        """kill -9 of whatever of ours still runs."""
        if self.parent is not None:
            self.parent.kill()
            self.parent.wait(10)
            self.parent = None
        for child in self.alone.values():
            child.kill()
            child.wait(10)
        self.alone = {}
        for _ in range(100):
            left = self.pids()
            if not left:
                return
            for pid in left.values():
                signal_quietly(pid, signal.SIGKILL)
            time.sleep(0.05)

    def destroy(self):
        self.destroy_processes()
        if self in live_engines:
            live_engines.remove(self)
        shutil.rmtree(self.root, ignore_errors=True)

    # One service alone, as a container would run it

    def start_alone(self, service, *args, settings=None, user=None):
        self.settings.update(settings or {})
        self.alone[service] = self._spawn([program(service), *args], user)
        return self.alone[service]

    def stop_alone(self, service, seconds=15):
        child = self.alone.pop(service)
        child.send_signal(signal.SIGTERM)
        try:
            code = child.wait(patience(seconds))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            raise AssertionError(f"{service} does not stop within {seconds} s")
        assert code == 0, f"{service} ended with {code}"

    # Its processes

    def pids(self):
        """{service: pid} of what runs, the parent as 'shapewire'."""
        marker = f"SHAPEWIRE_RUNTIME_DIR={self.settings['SHAPEWIRE_RUNTIME_DIR']}"
        found = {}
        for pid, name in process.find(marker, "shapewire").items():
            service = name.removeprefix("shapewire-")
            while service in found:
                service += "+"  # two of one service: a test that looks will see
            found[service] = pid
        return found

    def wait_all(self, seconds=15):
        """The pids once the parent and each service runs exactly once."""
        return until("one process of each service", self._complete, seconds)

    def _complete(self):
        pids = self.pids()
        return pids if set(pids) == {"shapewire", *SERVICES} else None

    def pid(self, service):
        pids = self.pids()
        assert service in pids, f"{service} does not run: {pids}"
        return pids[service]

    def kill(self, service, signum=signal.SIGKILL):
        pid = self.pid(service)
        os.kill(pid, signum)
        if signum == signal.SIGKILL:  # on a busy machine it is there for a while yet
            until(f"the end of {service}", lambda: not process.alive(pid))
        return pid

    def peak_kb(self):
        """{service: VmHWM in kB}"""
        return {name: process.status_kb(pid, "VmHWM") for name, pid in self.pids().items()}

    # Its HTTP

    def http(self):
        return Http(self.port)

    def client(self, table, **options):
        return ShapeClient(self.port, table, **options)

    def health(self):
        """The status text, or None when nobody answers."""
        try:
            return Http(self.port, timeout=5).get("/v1/health").json()["status"]
        except (OSError, ValueError, KeyError):
            return None

    def wait_health(self, status="active", seconds=30):
        def check():
            if self.parent is not None and self.parent.poll() is not None:
                raise RuntimeError(f"shapewire ended with {self.parent.returncode}\n{self.tail()}")
            return self.health() == status
        until(f"health {status}", check, seconds)

    # Its log

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def tail(self, lines=80):
        return "\n".join(self.log().splitlines()[-lines:])

    def wait_complete(self, *clients):
        """Waits until these clients' shapes are durable: before that a crash may drop them."""
        for client in clients:
            self.wait_log(f"event=shape_complete handle={client.handle} ", 30)

    def wait_log(self, pattern, seconds=10, after=0):
        """Waits for a line that the expression matches; returns the match."""
        regex = re.compile(pattern, re.IGNORECASE)
        return until(f"log line /{pattern}/", lambda: regex.search(self.log(), after), seconds)


def signal_quietly(pid, signum):
    try:
        os.kill(pid, signum)
    except ProcessLookupError:
        pass


def run_program(args, settings, seconds=20, user=None):
    """Runs a program that is expected to end by itself: (exit status, everything it said)."""
    runtime = tempfile.mkdtemp(prefix="sw-", dir="/tmp")
    env = {"PATH": os.environ["PATH"], "ELECTRIC_PORT": str(process.free_port()),
           "SHAPEWIRE_RUNTIME_DIR": runtime, **sanitizer_options(runtime),
           **{name: value for name, value in settings.items() if value is not None}}
    credentials = {"user": user[0], "group": user[1], "extra_groups": []} if user else {}
    try:
        done = subprocess.run(args, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=patience(seconds),
                              **credentials)
        said = done.stdout.decode(errors="replace")
        assert_no_complaints(said)
        return done.returncode, said
    finally:
        for pid in process.find(f"SHAPEWIRE_RUNTIME_DIR={runtime}", "shapewire"):
            signal_quietly(pid, signal.SIGKILL)
        shutil.rmtree(runtime, ignore_errors=True)
