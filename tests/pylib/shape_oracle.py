"""The shape oracle: random shapes of one table, random writers, and what every copy may be.

A trigger keeps every version of every row, and each transaction takes a number under a lock just before it
commits: so the state after each commit can be told afterwards, for any where clause, by Postgres itself. A
copy that calls itself up to date must be one of these states, and never an older one than before.
"""
import random
import threading
import time

import psycopg2

from pylib import where_values as values
from pylib.client import ShapeClient, difference
from pylib.postgres import DISPLAY, raw_values, spelled
from pylib.where_gen import Bound, Generator, Respelled
from pylib.where_oracle import Probe

COLUMNS = {
    "id": "int4", "part": "int4", "flag": "bool", "small": "int2", "large": "int8", "price": "numeric", "ratio": "float8",
    "name": "text", "label": "varchar", "code": "bpchar", "big": "text", "day": "date", "clock": "time", "at": "timestamp",
    "moment": "timestamptz", "span": "interval", "ref": "uuid", "raw": "bytea", "tags": "text[]", "numbers": "int4[]",
    "doc": "jsonb",
}
NOT_NULL = ("id",)
SAMPLES = 300

SCHEMA = """
CREATE TABLE items ({columns}, PRIMARY KEY (id));
ALTER TABLE items ALTER COLUMN big SET STORAGE EXTERNAL;
CREATE TABLE samples (LIKE items);
CREATE TABLE versions (version bigserial PRIMARY KEY, xid xid8 DEFAULT pg_current_xact_id(), gone int4, LIKE items);
CREATE TABLE commits (number bigserial PRIMARY KEY, xid xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        INSERT INTO versions (gone, id) VALUES (NULL, -1);
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        INSERT INTO versions (gone, id) VALUES (OLD.id, -2);
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO versions SELECT nextval('versions_version_seq'), pg_current_xact_id(), NULL, NEW.*;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_version AFTER INSERT OR UPDATE OR DELETE ON items FOR EACH ROW EXECUTE FUNCTION keep_version();
CREATE TRIGGER keep_truncate AFTER TRUNCATE ON items EXECUTE FUNCTION keep_version();
"""


def random_value(rnd, name):
    """A text that Postgres reads as the column's type, or None."""
    if name not in NOT_NULL and rnd.random() < 0.15:
        return None
    if name == "big" and rnd.random() < 0.5:  # long enough to be stored apart
        return rnd.choice("abc") * rnd.randint(3000, 9000)
    if name == "part":
        return str(rnd.randint(1, 5))
    return rnd.choice(values.values(COLUMNS[name]))


class Writer:
    """One session that writes random transactions."""

    def __init__(self, database, seed, ids):
        self.rnd = random.Random(seed)
        self.connection = database.connect(application_name="writer")
        self.connection.autocommit = False
        self.ids = ids
        self.committed = 0
        self.failure = None

    def statement(self, cursor):
        rnd = self.rnd
        chance = rnd.random()
        key = rnd.randint(1, self.ids)
        if chance < 0.35:
            names = [n for n in COLUMNS if n != "id"]
            cursor.execute(f"INSERT INTO items (id, {', '.join(names)}) VALUES (%s{', %s' * len(names)})"
                           " ON CONFLICT DO NOTHING", [key] + [random_value(rnd, n) for n in names])
        elif chance < 0.75:
            names = rnd.sample([n for n in COLUMNS if n != "id"], rnd.randint(1, 4))
            which = "id = %s" if rnd.random() < 0.9 else "part = %s"
            cursor.execute(f"UPDATE items SET {', '.join(n + ' = %s' for n in names)} WHERE {which}",
                           [random_value(rnd, n) for n in names] + [key if which[0] == "i" else rnd.randint(1, 5)])
        elif chance < 0.85:
            cursor.execute("UPDATE items SET id = %s WHERE id = %s AND NOT EXISTS (SELECT FROM items WHERE id = %s)",
                           (rnd.randint(1, self.ids), key, key + 1))
        elif chance < 0.995:
            cursor.execute("DELETE FROM items WHERE id = %s", (key,))
        else:
            cursor.execute("TRUNCATE items")

    def transaction(self):
        """Commits or rolls back; errors of Postgres (a key that is taken, a deadlock) end it too."""
        rnd = self.rnd
        try:
            with self.connection.cursor() as cursor:
                for _ in range(rnd.randint(1, 5)):
                    inside = rnd.random()
                    if inside < 0.2:
                        cursor.execute("SAVEPOINT s")
                    self.statement(cursor)
                    if inside < 0.1:
                        cursor.execute("ROLLBACK TO SAVEPOINT s")
                    elif inside < 0.2:
                        cursor.execute("RELEASE SAVEPOINT s")
                    if rnd.random() < 0.2:
                        time.sleep(rnd.random() * 0.01)
                if rnd.random() < 0.1:
                    self.connection.rollback()
                    return
                cursor.execute("SELECT pg_advisory_xact_lock(77)")
                cursor.execute("INSERT INTO commits DEFAULT VALUES")
            self.connection.commit()
            self.committed += 1
        except (psycopg2.IntegrityError, psycopg2.extensions.TransactionRollbackError):
            self.connection.rollback()

    def run(self, count):
        try:
            for _ in range(count):
                self.transaction()
        except Exception as error:
            self.failure = error
            self.connection.rollback()


class Copy(ShapeClient):
    """A client that remembers its copy at each up-to-date since the last quiet point, as a number."""

    def __init__(self, port, clause, params, **options):
        given = {f"params[{i}]": value for i, value in enumerate(params, 1)}
        if clause is not None:
            given["where"] = clause
        super().__init__(port, "items", retry=True, keep_log=False, **given, **options)
        self.moments = []
        self.clause = clause
        self.written = None  # the clause with its parameters in place, for Postgres
        self.has_ended = False

    def poll(self, live=False, seconds=60):
        response = super().poll(live, seconds)
        if self.up_to_date and response.status == 200:
            number = fingerprint(self.rows.values())
            if not self.moments or self.moments[-1] != number:
                self.moments.append(number)
        return response


def fingerprint(rows):
    """The same for the same rows in any order."""
    number = 0
    for row in rows:
        number ^= row_number(row)
    return number


def row_number(row):
    return hash(tuple(sorted(row.items()))) & (1 << 61) - 1


class History:
    """What Postgres has kept: for a shape, its state after each commit."""

    def __init__(self, database):
        self.database = database
        self.connection = database.connect(application_name="history")
        raw_values(self.connection)
        self.cursor = self.connection.cursor()
        self.cursor.execute(DISPLAY)

    def states(self, written, columns):
        """[fingerprint after each commit, from the empty table on]; None where the clause fails for a row."""
        shown = ", ".join(f'v."{c}"' for c in columns)
        try:
            self.cursor.execute(f"SELECT c.number, v.gone, v.id, v.inside, {shown} FROM commits c LEFT JOIN"
                                f" (SELECT *, CASE WHEN id > 0 THEN ({written or 'true'}) END AS inside FROM versions) v"
                                " USING (xid) ORDER BY c.number, v.version")
        except psycopg2.Error:
            self.connection.rollback()
            return None
        names = [d.name for d in self.cursor.description][4:]
        types = [d.type_code for d in self.cursor.description][4:]
        states, inside, number, last = [0], {}, 0, None
        for commit, gone, key, is_inside, *fields in self.cursor.fetchall():
            if last is not None and commit != last:
                states.append(number)
            last = commit
            if key == "-1":
                inside, number = {}, 0
            elif key == "-2":
                number ^= inside.pop(gone, 0)
            elif key is not None and is_inside == "t":
                row = {n: spelled(v, t) for n, v, t in zip(names, fields, types)}
                inside[key] = row_number(row)
                number ^= inside[key]
        return states + [number]


class ShapeOracle:
    def __init__(self, database, engine, seed, shapes):
        self.rnd = random.Random(seed)
        self.database = database
        self.engine = engine
        self.copies = []
        self.ended = 0
        database.run(SCHEMA.format(columns=", ".join(
            f"{n} {'char(12)' if t == 'bpchar' else t}{' NOT NULL' if n in NOT_NULL else ''}" for n, t in COLUMNS.items())))
        names = list(COLUMNS)
        for i in range(SAMPLES):
            row = [str(i) if n == "id" else random_value(self.rnd, n) for n in names]
            database.run(f"INSERT INTO samples VALUES ({', '.join(['%s'] * len(names))})", row)
        probe = Probe()
        by_type = {}
        for name, type_name in COLUMNS.items():
            if name != "id":
                by_type.setdefault(type_name, []).append(name)
        self.generator = Generator(self.rnd, probe.table(), by_type)
        probe.close()
        self.wanted = shapes

    def clause(self):
        """A clause that neither is always false nor fails for any of the sample rows."""
        while True:
            node = self.generator.expr("bool", self.rnd.randint(1, 4))
            try:
                inside = self.database.value(f"SELECT count(*) FROM samples WHERE {node.sql()}")
            except psycopg2.Error:
                continue
            if 0 < inside < SAMPLES or self.rnd.random() < 0.02:
                return node

    def add(self):
        """One more shape, followed from now on; what the server refuses is none."""
        while True:
            node = None if self.rnd.random() < 0.03 else self.clause()
            style = Bound()
            options = {}
            if self.rnd.random() < 0.4:
                options["replica"] = "full"
            columns = list(COLUMNS)
            if self.rnd.random() < 0.4:
                columns = ["id"] + self.rnd.sample(columns[1:], self.rnd.randint(1, 6))
                options["columns"] = ",".join(columns)
            copy = Copy(self.engine.port, node.sql(style) if node else None, style.params, **options)
            copy.written = node.sql() if node else None
            copy.columns = columns
            response = copy.http.get("/v1/shape", {**copy.params, "offset": "-1"})
            if response.status == 400:
                copy.close()
                continue
            if node is not None and response.status == 200:
                self.check_identity(node, options, response)
            self.copies.append(copy.start())
            return

    def check_identity(self, node, options, response):
        """The same definition in other words has the same handle."""
        style = Respelled(self.rnd)
        text = node.sql(style)
        params = {f"params[{i}]": value for i, value in enumerate(style.params, 1)}
        with_schema = self.rnd.choice(["items", "public.items", '"items"'])
        http = self.engine.http()
        again = http.get("/v1/shape", {"table": with_schema, "where": text, "offset": "-1", **params, **options})
        http.close()
        same = again.headers.get("electric-handle") == response.headers.get("electric-handle")
        if not same and again.status == 200:  # a TRUNCATE may have come between
            http = self.engine.http()
            first = Bound()
            where = node.sql(first)
            given = {f"params[{i}]": value for i, value in enumerate(first.params, 1)}
            both = [http.get("/v1/shape", {"table": "items", "offset": "-1", **options, **p}).headers["electric-handle"]
                    for p in ({"where": where, **given}, {"where": text, **params})]
            http.close()
            same = both[0] == both[1]
        assert same, f"{text!r} is another shape than {node.sql()!r}: {again}"

    def quiet(self, seconds=60):
        """Nobody writes: every copy is the query's result, and was some commit's at each up-to-date."""
        history = History(self.database)
        for copy in self.copies:
            if not copy.has_ended:
                self.check(copy, history, time.monotonic() + seconds)
        history.connection.close()

    def check(self, copy, history, deadline):
        states = history.states(copy.written, copy.columns)
        if states is None:  # a row for which the clause fails ends a shape
            copy.has_ended = True
            self.ended += 1
            return
        while not copy.moments or copy.moments[-1] != states[-1]:
            problem = None
            try:
                copy.check()
            except Exception as error:  # said below, with the shape
                problem = repr(error)
            assert problem is None and time.monotonic() < deadline, \
                f"{self.name(copy)}: {problem or self.difference(copy)}"
            time.sleep(0.02)
        place = 0
        for number in copy.moments[:]:
            assert number in states[place:], (
                f"{self.name(copy)}: up to date with what was no commit's state" +
                (", but for an earlier one" if number in states else ""))
            place = states.index(number, place)
        copy.moments = copy.moments[-1:]

    @staticmethod
    def name(copy):
        return f"{copy.params} ({copy.written})"

    def difference(self, copy):
        want = self.database.table("items", copy.written, ", ".join(f'"{c}"' for c in copy.columns))
        return difference(copy.table(), want) or "not up to date in time"

    def close(self):
        for copy in self.copies:
            try:
                copy.stop()
            except Exception:
                if not copy.has_ended:
                    raise
            copy.http.close()
