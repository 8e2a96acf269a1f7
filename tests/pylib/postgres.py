"""A Postgres of the tests' own: real server, loopback only, thrown away afterwards.

PG_BIN names the folder of initdb and postgres (default: the newest of Debian's). Programs that
folder lacks (pgbench, pg_resetwal) come from Debian's.
"""
import glob
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg2
import psycopg2.errors
import psycopg2.extensions

from pylib import process
from pylib.wait import until

USER = "postgres"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "wal_level": "logical",
    "max_connections": "200",
    "max_wal_senders": "50",
    "max_replication_slots": "50",
    "max_prepared_transactions": "10",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
    "fsync": "off",
    "full_page_writes": "off",
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %a ",
    # Not what the engine asks for, so that a session which forgets to ask shows.
    "timezone": "America/New_York",
    "datestyle": "German",
    "bytea_output": "escape",
    "intervalstyle": "postgres_verbose",
    "extra_float_digits": "0",
}

DISPLAY = """
    SET TimeZone = 'UTC'; SET DateStyle = 'ISO, DMY'; SET bytea_output = 'hex';
    SET extra_float_digits = 1; SET IntervalStyle = 'iso_8601';
"""


def debian_bins():
    """Folders of Debian's Postgres programs, newest version first."""
    return sorted(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda p: -int(p.split("/")[4]))


def server_bin():
    chosen = os.environ.get("PG_BIN")
    if chosen:
        return chosen
    found = debian_bins()
    assert found, "no Postgres found: install postgresql-15 or set PG_BIN"
    return found[0]


def tool(name, bin_dir=None):
    """The path of a client program."""
    for folder in [bin_dir or server_bin(), *debian_bins()]:
        if os.path.exists(f"{folder}/{name}"):
            return f"{folder}/{name}"
    found = shutil.which(name)
    assert found, f"{name} is not installed"
    return found


def unprivileged():
    """(uid, gid) that Postgres runs as, or None when we are nobody special ourselves."""
    if os.getuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
            return entry.pw_uid, entry.pw_gid
        except KeyError:
            continue
    raise AssertionError("no unprivileged user for Postgres")


class Cluster:
    """One server. start() and stop() may alternate; destroy() removes it."""

    def __init__(self, settings=None, bin_dir=None, initdb_args=(), standby_of=None):
        self.bin_dir = bin_dir or server_bin()
        self.owner = unprivileged()
        self.port = process.free_port()
        self.root = Path(tempfile.mkdtemp(prefix="swpg-", dir="/tmp"))
        self.data = self.root / "data"
        self.log = self.root / "postgres.log"
        self.server = None
        self.databases = 0
        self.life = 0  # how often it was started
        if self.owner:
            os.chown(self.root, *self.owner)
        if standby_of is not None:
            self._copy(standby_of)
            return
        self._run("initdb", "-D", self.data, "-U", USER, "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "--no-sync", *initdb_args)
        self.configure({**SETTINGS, **(settings or {})})

    def _as_owner(self):
        if not self.owner:
            return {}
        return {"user": self.owner[0], "group": self.owner[1], "extra_groups": []}

    def _run(self, name, *args, check=True):
        """Runs a program of the server's own version, as its owner."""
        done = subprocess.run([f"{self.bin_dir}/{name}", *map(str, args)], capture_output=True,
                              text=True, cwd=self.root, **self._as_owner())
        assert not check or done.returncode == 0, f"{name}: {done.stderr}{done.stdout}"
        return done

    def _copy(self, primary):
        """Becomes a standby that follows `primary`."""
        program = tool("pg_basebackup", self.bin_dir)
        done = subprocess.run([program, "-D", self.data, "-h", "127.0.0.1", "-p", str(primary.port),
                               "-U", USER, "-R", "-X", "stream", "-c", "fast", "--no-sync"],
                              capture_output=True, text=True, cwd=self.root, **self._as_owner())
        assert done.returncode == 0, done.stderr

    def promote(self):
        """A standby becomes a primary on a timeline of its own."""
        session = self.connect()
        session.cursor().execute("SELECT pg_promote()")
        session.close()

    def configure(self, settings):
        """Appends settings to the file; they count from the next start or reload()."""
        with open(self.data / "postgresql.conf", "a") as conf:
            for name, value in settings.items():
                conf.write(f"{name} = '{value}'\n")

    def require_password(self, role):
        """From the next reload on `role` needs its password."""
        hba = self.data / "pg_hba.conf"
        hba.write_text(f"host all {role} 127.0.0.1/32 scram-sha-256\n" + hba.read_text())

    def refuse(self, role):
        """From the next reload on no rule of pg_hba.conf lets `role` in."""
        hba = self.data / "pg_hba.conf"
        hba.write_text(f"host all {role} 127.0.0.1/32 reject\n" + hba.read_text())

    def reload(self):
        os.kill(self.server.pid, signal.SIGHUP)
        time.sleep(0.2)

    def start(self):
        assert self.server is None
        self.life += 1
        with open(self.log, "ab") as log:
            self.server = subprocess.Popen(
                [f"{self.bin_dir}/postgres", "-D", str(self.data), "-p", str(self.port),
                 "-k", str(self.root)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.root,
                preexec_fn=process.die_with_parent(signal.SIGQUIT), **self._as_owner())
        until("Postgres to accept connections", self._accepts, 60, 0.05)
        return self

    def _accepts(self):
        if self.server.poll() is not None:
            raise RuntimeError(f"Postgres ended:\n{self.log.read_text()[-3000:]}")
        try:
            self.connect().close()
            return True
        except psycopg2.OperationalError:
            return False

    def stop(self, mode="fast", seconds=60):
        """pg_ctl stop -m smart|fast|immediate; returns how long it took."""
        if self.server is None:
            return 0.0
        number = {"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode]
        began = time.monotonic()
        self.server.send_signal(number)
        self.server.wait(seconds)
        self.server = None
        return time.monotonic() - began

    def kill(self):
        """As a power cut would: all processes at once."""
        self.server.send_signal(signal.SIGQUIT)
        self.server.wait(30)
        self.server = None

    def restart(self, settings=None):
        self.stop()
        self.configure(settings or {})
        return self.start()

    def destroy(self):
        if self.server is not None:
            try:
                self.stop("fast", 20)
            except subprocess.TimeoutExpired:
                self.stop("immediate")
        shutil.rmtree(self.root, ignore_errors=True)

    def resetwal(self, *args):
        assert self.server is None
        self._run("pg_resetwal", *args, "-D", self.data)

    def connect(self, database="postgres", user=USER, password=None, **options):
        connection = psycopg2.connect(host="127.0.0.1", port=self.port, dbname=database, user=user,
                                      password=password, connect_timeout=5, **options)
        connection.autocommit = True
        return connection

    def url(self, database="postgres", user=USER, password=None):
        login = user if password is None else f"{user}:{password}"
        return f"postgresql://{login}@127.0.0.1:{self.port}/{database}"

    def create_database(self):
        self.databases += 1
        database = Database(self, f"db{self.databases}")
        with_server = self.connect()
        with_server.cursor().execute(f"CREATE DATABASE {database.name}")
        with_server.close()
        return database


class Database:
    """One database of a cluster, with the few statements that tests need."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self.stream = name  # a stream id of its own: slot names are the cluster's
        self._session = None
        self._session_life = 0

    @property
    def url(self):
        return self.cluster.url(self.name)

    @property
    def slot(self):
        return f"electric_slot_{self.stream}"

    @property
    def publication(self):
        return f"electric_publication_{self.stream}"

    def connect(self, **options):
        return self.cluster.connect(self.name, **options)

    def session(self):
        """The test's main connection, in autocommit; made anew after a restart."""
        if self._session is None or self._session_life != self.cluster.life:
            self._session = self.connect(application_name="test")
            self._session_life = self.cluster.life
        return self._session

    def run(self, sql, args=None):
        """Executes; returns the rows if there are any."""
        with self.session().cursor() as cursor:
            cursor.execute(sql, args)
            return cursor.fetchall() if cursor.description else None

    def value(self, sql, args=None):
        return self.run(sql, args)[0][0]

    def writer(self):
        """A second session whose transaction stays open until commit()."""
        connection = self.connect(application_name="writer")
        connection.autocommit = False
        return connection

    def lsn(self, text=None):
        """An LSN as number: of pg_current_wal_insert_lsn(), or of `text`."""
        text = text or self.value("SELECT pg_current_wal_insert_lsn()::text")
        high, low = text.split("/")
        return int(high, 16) << 32 | int(low, 16)

    def confirmed(self):
        """confirmed_flush_lsn of the engine's slot, or None without a slot."""
        rows = self.run("SELECT confirmed_flush_lsn::text FROM pg_replication_slots"
                        " WHERE slot_name = %s", (self.slot,))
        return self.lsn(rows[0][0]) if rows and rows[0][0] else None

    def slot_active(self):
        return self.value("SELECT coalesce(bool_or(active), false) FROM pg_replication_slots"
                          " WHERE slot_name = %s", (self.slot,))

    def table(self, name, where=None, columns=None):
        """{key tuple: {column: text or None}} as the engine should spell it.

        The key is the primary key, or all columns.
        """
        return read_table(self, name, where, columns)

    def drop(self):
        """Ends its sessions, drops its slot and itself."""
        if self._session is not None:
            self._session.close()
        admin = self.cluster.connect()
        cursor = admin.cursor()
        cursor.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s", (self.name,))
        for (gid,) in cursor.fetchall():
            own = self.connect()
            own.cursor().execute(f"ROLLBACK PREPARED '{gid}'")
            own.close()
        cursor.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                       (self.name,))
        cursor.execute("SELECT slot_name FROM pg_replication_slots WHERE database = %s", (self.name,))
        for (slot,) in cursor.fetchall():
            until("the slot to be free", lambda: drop_slot(cursor, slot), 10)
        until("the database to be free", lambda: drop_database(cursor, self.name), 10)
        admin.close()


def drop_slot(cursor, slot):
    try:
        cursor.execute("SELECT pg_drop_replication_slot(%s)", (slot,))
        return True
    except psycopg2.errors.ObjectInUse:
        return False


def drop_database(cursor, name):
    try:
        cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")
        return True
    except psycopg2.errors.ObjectInUse:
        return False


# Table contents as a client must see them


def raw_values(connection):
    """Makes the connection give every value as Postgres' text."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT oid FROM pg_type")
        oids = tuple(row[0] for row in cursor.fetchall())
    as_text = psycopg2.extensions.new_type(oids, "AS_TEXT", lambda value, _cursor: value)
    psycopg2.extensions.register_type(as_text, connection)


BOOL, INET = 16, 869


def spelled(value, type_oid):
    """http-api [17]: bool and inet as a cast to text has them."""
    if value is None:
        return None
    if type_oid == BOOL:
        return {"t": "true", "f": "false"}[value]
    if type_oid == INET and "/" not in value:
        return value + ("/128" if ":" in value else "/32")
    return value


def key_columns(database, name):
    rows = database.run(
        "SELECT a.attname FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(num, pos),"
        " pg_attribute a WHERE i.indrelid = %s::regclass AND i.indisprimary"
        " AND a.attrelid = i.indrelid AND a.attnum = k.num ORDER BY k.pos", (name,))
    return [row[0] for row in rows]


def read_table(database, name, where, columns):
    key = key_columns(database, name)
    connection = database.connect(application_name="oracle")
    try:
        raw_values(connection)
        with connection.cursor() as cursor:
            cursor.execute(DISPLAY)
            cursor.execute(f"SELECT {columns or '*'} FROM {name}"
                           + (f" WHERE {where}" if where else ""))
            names = [column.name for column in cursor.description]
            types = [column.type_code for column in cursor.description]
            rows = {}
            for values in cursor:
                row = {n: spelled(v, t) for n, v, t in zip(names, values, types)}
                rows[tuple(row[column] for column in key or names)] = row
            return rows
    finally:
        connection.close()


def server_version(database):
    return int(re.match(r"\d+", database.value("SHOW server_version"))[0])
