"""The where language means what Postgres means.

Random clauses over random rows of every type: the SQL that we would send, evaluated by Postgres, must
give what our own evaluation gives, row by row, in three truths; and where we do not deliberately
differ (text is folded and matched under "C"), so must the clause as it was written.

A run is a function of its seed: SHAPEWIRE_ORACLE_SEED, and SHAPEWIRE_ORACLE_CLAUSES clauses.
"""
import os
import random
import subprocess

import psycopg2
import pytest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROBE = os.path.join(ROOT, "build", os.environ.get("MODE", "release"), "bin", "where_probe")
SEED = int(os.environ.get("SHAPEWIRE_ORACLE_SEED", "1"))
CLAUSES = int(os.environ.get("SHAPEWIRE_ORACLE_CLAUSES", "1500"))
ROWS = 40

SETTINGS = ["bytea_output = hex", "DateStyle = 'ISO, DMY'", "TimeZone = UTC", "extra_float_digits = 1",
            "IntervalStyle = iso_8601"]

# name: (type, oid, values)
COLUMNS = {
    "b": ("bool", 16, ["true", "false"]),
    "i2": ("int2", 21, ["0", "1", "-3", "32767", "-32768", "5"]),
    "i4": ("int4", 23, ["0", "1", "-3", "2147483647", "-2147483648", "5", "10"]),
    "i8": ("int8", 20, ["0", "1", "9223372036854775807", "-9223372036854775808", "5"]),
    "f4": ("float4", 700, ["0", "-0", "1.5", "NaN", "Infinity", "-Infinity", "1e30", "0.1"]),
    "f8": ("float8", 701, ["0", "1.5", "0.1", "NaN", "Infinity", "-Infinity", "1e300", "-2.5", "3"]),
    "n": ("numeric", 1700, ["0", "0.00", "1.5", "1.50", "NaN", "Infinity", "-Infinity",
                            "12345678901234567890.123456789", "-7", "1e10", "100", "0.1"]),
    "t": ("text", 25, ["", "a", "A", "abc", "aBc", "%", "_", "a%b", "a\\b", "é", "É", "日本", "x y", "b", "ab", "10"]),
    "vc": ("varchar", 1043, ["", "a", "abc ", "x", "é"]),
    "ch": ("bpchar", 1042, ["a", "ab", "", "abc", "é"]),
    "u": ("uuid", 2950, ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "00000000-0000-0000-0000-000000000000"]),
    "by": ("bytea", 17, ["\\x", "\\xdeadbeef", "\\x00"]),
    "d": ("date", 1082, ["2024-02-29", "0044-03-15 BC", "infinity", "-infinity", "2000-01-01", "12345-01-01"]),
    "ti": ("time", 1083, ["00:00:00", "24:00:00", "03:04:05.678", "23:59:59.999999"]),
    "ts": ("timestamp", 1114, ["2024-01-02 03:04:05.123456", "infinity", "-infinity", "0001-01-01 00:00:00",
                               "2000-01-01 00:00:00", "0044-03-15 10:00:00 BC"]),
    "tz": ("timestamptz", 1184, ["2024-01-02 03:04:05+02", "infinity", "2000-01-01 00:00:00+00",
                                 "12345-01-01 00:00:00+00"]),
    "iv": ("interval", 1186, ["1 day", "24:00:00", "P1Y2M3DT4H5M6.7S", "-1 day", "1 mon", "30 days", "00:00:00.5",
                              "-00:00:01.5"]),
    "m": ("mood", 0, ["sad", "ok", "happy"]),
    "ia": ("int4[]", 1007, ["{}", "{1,2}", "{1,NULL,3}", "{{1,2},{3,4}}", "{3}"]),
    "ta": ("text[]", 1009, ["{}", "{a,b}", '{"a b",NULL}', "{a}"]),
}
NUMBERS = ["i2", "i4", "i8", "f4", "f8", "n"]
ALIKE = [NUMBERS, ["t", "vc", "ch"], ["d", "ts"]]
PATTERNS = ["a%", "%b", "_", "__", "%", "a\\%b", "A%", "%\\\\%", "x_y", "_b%", "%a%b%", ""]


def quoted(text):
    return "'" + text.replace("'", "''") + "'"


class Generator:
    def __init__(self, seed):
        self.rnd = random.Random(seed)

    def literal(self, column):
        value = self.rnd.choice(COLUMNS[column][2])
        if column in NUMBERS and column != "f4" and self.rnd.random() < 0.5 and (
                value.lstrip("-").replace(".", "", 1).isdigit()):
            return f"({value})" if value[0] == "-" else value
        if column != "m" and self.rnd.random() < 0.3:
            return f"{quoted(value)}::{COLUMNS[column][0]}"
        return "NULL" if self.rnd.random() < 0.05 else quoted(value)

    def alike(self, column):
        for group in ALIKE:
            if column in group and self.rnd.random() < 0.5:
                return self.rnd.choice(group)
        return column

    def computed(self, column):
        rnd = self.rnd
        if column in NUMBERS:
            if rnd.random() < 0.3:
                return f"({rnd.choice('-@')} {self.value(column, False)})"
            sign = rnd.choice("+-*" if column[0] != "i" else "+-*/%&|#")
            other = self.alike(column) if sign in "+-*" else column
            return f"({self.value(column, False)} {sign} {self.value(other, False)})"
        value = self.value(column, False)
        interval = quoted(rnd.choice(COLUMNS["iv"][2]))
        return {
            "t": lambda: rnd.choice([f"lower({value})", f"upper({value})", f"({value} || {self.literal('t')})",
                                     f"concat({value}, {self.literal('t')})"]),
            "d": lambda: "(d + 3)",
            "ts": lambda: f"(ts + interval {interval})",
            "tz": lambda: f"(tz - interval {interval})",
            "iv": lambda: f"(iv + {interval}::interval)",
            "ti": lambda: f"(ti + interval {interval})",
        }.get(column, lambda: value)()

    def value(self, column, deep=True):
        chance = self.rnd.random()
        if chance < 0.5:
            return column
        if deep and chance < 0.75:
            return self.computed(column)
        if deep and chance < 0.8:
            name = self.rnd.choice(["coalesce", "greatest", "least"])
            return f"{name}({self.value(column, False)}, {self.literal(column)})"
        return self.literal(column)

    def array_atom(self, column):
        element = "i4" if column == "ia" else "t"
        literal = quoted(self.rnd.choice(COLUMNS[column][2]))
        return self.rnd.choice([
            f"{column} @> {literal}", f"{column} <@ {literal}", f"{column} && {literal}", f"{column} = {literal}",
            f"{column} < {literal}", f"{self.value(element, False)} = ANY({column})",
            f"{self.value(element, False)} > ALL({column})", f"{column}[1] = {self.literal(element)}",
            f"({column} || {literal}) @> {literal}"])

    def atom(self):
        rnd = self.rnd
        column = rnd.choice(list(COLUMNS))
        chance = rnd.random()
        if column == "b" and chance < 0.3:
            return "b"
        if chance < 0.08:
            return column + rnd.choice([" IS NULL", " IS NOT NULL"])
        if column == "m":
            return f"m {rnd.choice(['=', '<>'])} {quoted(rnd.choice(COLUMNS['m'][2]))}"
        if column in ("ia", "ta"):
            return self.array_atom(column)
        value = self.value(column)
        if chance < 0.2:
            items = ", ".join(self.literal(self.alike(column)) for _ in range(rnd.randint(1, 4)))
            return f"{value} {rnd.choice(['IN', 'NOT IN'])} ({items})"
        if chance < 0.3:
            word = rnd.choice(["BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC"])
            return f"{value} {word} {self.literal(column)} AND {self.literal(column)}"
        if chance < 0.4:
            return f"{value} IS {rnd.choice(['', 'NOT '])}DISTINCT FROM {self.value(column)}"
        if column in ("t", "vc", "ch") and chance < 0.65:
            word = rnd.choice(["LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"])
            return f"{value} {word} {quoted(rnd.choice(PATTERNS))}"
        if chance < 0.5:
            return f"{value} = ANY(ARRAY[{', '.join(self.literal(column) for _ in range(rnd.randint(1, 3)))}])"
        return f"{value} {rnd.choice(['=', '<>', '<', '<=', '>', '>='])} {self.value(self.alike(column))}"

    def clause(self, depth=2):
        chance = self.rnd.random()
        if depth == 0 or chance < 0.4:
            return self.atom()
        if chance < 0.65:
            return f"({self.clause(depth - 1)} AND {self.clause(depth - 1)})"
        if chance < 0.85:
            return f"({self.clause(depth - 1)} OR {self.clause(depth - 1)})"
        if chance < 0.95:
            return f"(NOT {self.clause(depth - 1)})"
        test = self.rnd.choice(["TRUE", "NOT TRUE", "FALSE", "UNKNOWN", "NOT UNKNOWN"])
        return f"(({self.clause(depth - 1)}) IS {test})"

    def row(self):
        return [None if self.rnd.random() < 0.15 else self.rnd.choice(v) for _, _, v in COLUMNS.values()]


class Probe:
    """where_probe: our parsing, typing, stored form and evaluation."""

    def __init__(self):
        self.process = subprocess.Popen([PROBE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        encoding="utf8")
        for name, (_, oid, _) in COLUMNS.items():
            self.say(f"C {name} {oid or 99999}{'' if oid else ' e'}")

    def say(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self, line):
        self.say(line)
        answer = self.process.stdout.readline()
        assert answer, "the probe is gone"
        return answer.rstrip("\n")

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0


def truths(cursor, clause):
    """What Postgres says of every row, or None where it raises an error."""
    try:
        cursor.execute(f"SELECT ({clause}) FROM w ORDER BY row_number")
    except psycopg2.Error:
        return None
    return [{True: "t", False: "f", None: "n"}[value] for value, in cursor.fetchall()]


def texts(cursor):
    """The rows as the stream would send them."""
    spelled = {"b": "CASE WHEN b THEN 't' WHEN NOT b THEN 'f' END",
               "ch": "CASE WHEN ch IS NOT NULL THEN concat(ch, '') END"}
    cursor.execute("SELECT " + ", ".join(spelled.get(n, f"{n}::text") for n in COLUMNS) + " FROM w ORDER BY row_number")
    return ["\t".join("\\N" if field is None else field for field in row) for row in cursor.fetchall()]


@pytest.fixture
def rows(database):
    generator = Generator(SEED)
    connection = database.connect()
    connection.autocommit = True
    cursor = connection.cursor()
    for setting in SETTINGS:
        cursor.execute(f"SET {setting}")
    cursor.execute("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')")
    columns = ", ".join(f"{n} {'char(5)' if t == 'bpchar' else t}" for n, (t, _, _) in COLUMNS.items())
    cursor.execute(f"CREATE TABLE w (row_number serial, {columns})")
    for _ in range(ROWS):
        values = ", ".join("NULL" if v is None else f"{quoted(v)}::{t}"
                           for v, (t, _, _) in zip(generator.row(), COLUMNS.values()))
        cursor.execute(f"INSERT INTO w ({', '.join(COLUMNS)}) VALUES ({values})")
    yield generator, cursor
    connection.close()


def test_random_clauses_have_the_truth_that_postgres_gives_them(rows):
    generator, cursor = rows
    fields = texts(cursor)
    probe = Probe()
    compared = 0
    for _ in range(CLAUSES):
        clause = generator.clause()
        answer = probe.ask("W " + clause)
        if answer.startswith("ERR"):
            assert "are none" not in answer, f"seed {SEED}: {clause}: {answer}"
            continue
        ours = [probe.ask("R " + row) for row in fields]
        sent = truths(cursor, answer[4:])
        if sent is None:
            continue  # Postgres raises an error for some row: then there is no shape
        assert ours == sent, f"seed {SEED}: {clause}: {answer}"
        compared += 1
        if not any(word in clause.lower() for word in ("like", "lower", "upper")):
            assert truths(cursor, clause) in (sent, None), f"seed {SEED}: {clause} is not {answer}"
    probe.close()
    assert compared > CLAUSES / 2
