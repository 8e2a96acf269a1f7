"""The differential test of the where language: our evaluation against Postgres'.

One round: a table of random columns and rows, in two databases. In one everything is under "C": there the
clause as it was written must mean what we say. In the other texts are ordered by ICU's English rules: there
the SQL that we would send must. Each clause is asked for every row; where both raise an error they agree.
"""
import os
import random
import re
import subprocess
import time
from collections import Counter

import psycopg2

from pylib import where_values as values
from pylib.where_gen import Bound, Column, Generator, Literal, Node, Respelled, Table, Written, sql_type
from pylib.where_values import base

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROBE = os.environ.get("SHAPEWIRE_PROBE", os.path.join(ROOT, "build", os.environ.get("MODE", "release"), "bin",
                                                       "oracle_probe"))
ROWS = 40
CLAUSES_PER_ROUND = 1000
SHRINK_STEPS = 300

# What we refuse although Postgres would answer: docs/where.md says each.
REFUSED = [re.compile(pattern) for pattern in (
    r"is not currently supported$", r"is not supported in this context$", r"arrays of arrays are written",
    r"array slices are not currently supported", r"unknown or unsupported function",
    r"unknown (binary|unary) operator", r"unknown cast from type", r"type modifiers are not supported",
    r"Could not select an? (operator|function) overload", r"types .* cannot be matched",
    r"type json has no equality here", r"type [\w\[\]]+ has no order here",
    r"must be a constant", r"no time zone but UTC is supported", r"ILIKE is not supported for letters beyond ASCII",
    r"invalid regular expression: .*(not supported|too long|too many|letters beyond ASCII)", r"this form of \S+ is not",
    r'unit "(week|quarter)" not supported for type interval$', r'unit "julian" not supported',
    r"invalid syntax for type (date|time|timestamp|timestamptz|interval): [^-+0-9P]",
    r"type conflict for \$", r"unsupported type",
    r"invalid syntax for type timestamptz: [^+]*$",
)]

# A constant part that fails is refused, also where another part would decide.
FAILS = re.compile(r"invalid regular expression|unit .* not|out of range|division by zero|invalid syntax for type|must not (end with escape|be zero)|invalid input|"
                   r"not allowed|argument must be|cannot (get|call|subtract|take|concatenate|extract)")
DECIDES = re.compile(r" AND | OR |COALESCE|CASE|BETWEEN| IN \(|ANY|ALL|NULL|->|#>")

# Postgres looks at a pattern or a unit when there is a value for it.
PATTERN_FAILS = re.compile(r"invalid regular expression: |unit .* not (supported|recognized) for type")

SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy', 'Very "odd"', 'é');
CREATE DOMAIN a_int4 AS int4; CREATE DOMAIN a_text AS text CHECK (length(value) < 1000); CREATE DOMAIN a_date AS date;
CREATE DOMAIN a_jsonb AS jsonb;
CREATE FUNCTION tried(value text, type text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE out text;
BEGIN EXECUTE format('SELECT ($1::%s)::text::%s::text', type, type) INTO out USING value; RETURN out;
EXCEPTION WHEN OTHERS THEN RETURN NULL; END $$;
CREATE FUNCTION outcomes(expression text, is_value boolean) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE answers text[]; one text; n int; shown text;
BEGIN
    shown := CASE WHEN is_value THEN format('(%s)::text', expression)
                  ELSE format('CASE (%s) WHEN true THEN ''t'' WHEN false THEN ''f'' ELSE ''n'' END', expression) END;
    BEGIN
        EXECUTE format('SELECT array_agg(v ORDER BY row_number) FROM (SELECT row_number, %s FROM w OFFSET 0)'
                       ' s (row_number, v)', shown) INTO answers;
        RETURN answers;
    EXCEPTION WHEN query_canceled THEN RAISE; WHEN OTHERS THEN
        IF SQLSTATE ~ '^(42|54|XX)' AND SQLSTATE <> '42P22' THEN
            RETURN ARRAY[NULL, SQLSTATE || ' ' || SQLERRM];
        END IF;
    END;
    FOR n IN SELECT row_number FROM w ORDER BY 1 LOOP
        BEGIN
            EXECUTE format('SELECT %s FROM w WHERE row_number = $1', shown) INTO one USING n;
            answers[n] := one;
        EXCEPTION WHEN query_canceled THEN RAISE; WHEN OTHERS THEN answers[n] := E'\\x7f' || SQLERRM; END;
    END LOOP;
    RETURN answers;
END $$;
"""
SESSION = """
SET bytea_output = hex; SET DateStyle = 'ISO, DMY'; SET TimeZone = 'UTC'; SET extra_float_digits = 1;
SET IntervalStyle = 'iso_8601'; SET statement_timeout = '20s'; SET jit = off;
"""


class Probe:
    """oracle_probe: our parsing, typing, stored form and evaluation."""

    def __init__(self):
        self.process = subprocess.Popen([PROBE], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")

    def row(self, fields):
        """Keeps a row; None is NULL."""
        self.say("R " + "\t".join("\\N" if field is None else escaped(field) for field in fields))

    def ask(self, letter, *fields):
        self.say(letter + " " + "\t".join(escaped(field) for field in fields))
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        assert answer, f"the probe is gone after {fields}"
        return answer.decode().rstrip("\n").split("\t")

    def table(self):
        self.say("T")
        self.process.stdin.flush()
        lines = []
        while line := self.process.stdout.readline().decode().rstrip("\n"):
            lines.append(line)
        return Table(lines)

    def close(self):
        self.process.stdin.close()
        assert self.process.wait(10) == 0, "the probe failed"


def escaped(field):
    return field.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def unescaped(field):
    return re.sub(r"\\(.)", lambda m: {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}[m[1]], field)


class Side:
    """A database that holds the table w."""

    def __init__(self, cluster, name, options):
        with_server = cluster.connect()
        with_server.cursor().execute(f"CREATE DATABASE {name} TEMPLATE template0 {options}")
        with_server.close()
        self.connection = cluster.connect(name)
        self.cursor = self.connection.cursor()
        self.cursor.execute(SESSION + SETUP)

    def make(self, schema, rows):
        self.cursor.execute("DROP TABLE IF EXISTS w")
        self.cursor.execute("CREATE TABLE w (row_number int PRIMARY KEY, " + ", ".join(
            f'"{name}" {declared}' for name, _, declared in schema) + ")")
        for n, row in enumerate(rows, 1):
            tried = ", ".join(f"tried(%s, '{declared}')::{declared}" for _, _, declared in schema)
            self.cursor.execute(f"INSERT INTO w VALUES ({n}, {tried})", row)

    def rows(self, schema):
        """Lines of COPY: the texts that the stream would send."""
        from io import StringIO
        out = StringIO()
        names = ", ".join(f'"{name}"' for name, _, _ in schema)
        self.cursor.copy_expert(f"COPY (SELECT {names} FROM w ORDER BY row_number) TO STDOUT", out)
        return out.getvalue().splitlines()

    def ask(self, expressions, is_value=False):
        """For each: a list of answers, or the text of why Postgres refuses it."""
        self.cursor.execute("SELECT outcomes(e, %s) FROM unnest(%s::text[]) WITH ORDINALITY AS o(e, n) ORDER BY n",
                            (is_value, expressions))
        return [checked(answers) for answers, in self.cursor.fetchall()]

    def bound(self, clause, params):
        """As ask(), with parameters that are really bound; None where some row fails."""
        texts = ", ".join("'" + p.replace("'", "''") + "'" for p in params)
        try:
            self.cursor.execute(f"PREPARE p AS SELECT ({clause}) FROM w ORDER BY row_number")
        except psycopg2.Error as error:
            return f"{error.pgcode} {error.diag.message_primary}"
        try:
            self.cursor.execute(f"EXECUTE p ({texts})")
            return [{True: "t", False: "f", None: "n"}[v] for v, in self.cursor.fetchall()]
        except psycopg2.Error:
            return None
        finally:
            self.cursor.execute("DEALLOCATE p")


def checked(answers):
    if len(answers) == 2 and answers[0] is None and answers[1] is not None and re.match("[0-9A-Z]{5} ", answers[1]):
        return answers[1]
    return answers


def is_error(answer):
    return answer is not None and answer.startswith("\x7f")


def is_failure(answers):
    """Every row failed: Postgres evaluated a constant part."""
    return isinstance(answers, str) or all(is_error(a) for a in answers)


def random_schema(rnd, table):
    """[(name, type, declared type)]"""
    known = {t for f in table.functions.values() for t in (f[2], *f[3])} | {"varchar", "name"}
    schema = []
    for type_name in [t for t in values.BASES if t in known]:
        schema += [type_name] * rnd.choice([1, 1, 2])
    scalars = [t for t in values.BASES if t in known and t != "enum"]
    schema += [f"{t}[]" for t in rnd.sample(scalars, 8)] + ["text[]", "int4[]", "enum[]"]
    rnd.shuffle(schema)
    declared = {"bpchar": ["char(2)", "char(9)", "bpchar"], "varchar": ["varchar", "varchar(12)"],
                "numeric": ["numeric", "numeric", "numeric(38,6)"], "time": ["time", "time(2)"],
                "timestamp": ["timestamp", "timestamp(3)"],
                **{t: [t, t, f"a_{t}"] for t in ("int4", "text", "date", "jsonb")}}
    odd = ["User", "Select", "é", "C1", "From"]
    named = []
    for n, type_name in enumerate(schema):
        name = odd.pop() if odd and rnd.random() < 0.1 else f"{base(type_name)[:4]}{n}"
        named.append((name, type_name,
                      rnd.choice(declared.get(type_name, [sql_type(type_name)]))))
    return named


class Disagreement:
    def __init__(self, kind, node, text):
        self.kind = kind
        self.node = node
        self.text = text


class Round:
    """A schema with its rows, and the clauses asked of it."""

    def __init__(self, oracle, seed):
        self.oracle = oracle
        self.seed = seed
        self.rnd = random.Random(seed)
        self.probe = Probe()
        self.schema = random_schema(self.rnd, oracle.table)
        self.columns = {}
        for name, type_name, _ in self.schema:
            oid = values.oid(type_name) or 99999
            kind = f" {'a' if type_name.endswith('[]') else 'e'} {values.LABELS}" if base(type_name) == "enum" else ""
            self.probe.say(f"C {name} {oid}{kind}")
            self.columns.setdefault(type_name, []).append(name)
        rows = [[None if self.rnd.random() < 0.15 else self.rnd.choice(values.values(t)) for _, t, _ in self.schema]
                for _ in range(ROWS)]
        for side in oracle.sides:
            side.make(self.schema, rows)
        self.lines = oracle.written.rows(self.schema)
        for line in self.lines:
            self.probe.say("R " + line)
        self.generator = Generator(self.rnd, oracle.table, self.columns)

    def ours(self, node):
        style = Bound()
        return self.probe.ask("W", node.sql(style), *style.params)

    # Judging one clause: what is wrong with it, or None

    def judge(self, node, answer, sent, written):
        if answer[0] == "ERR":
            return self.judge_refusal(node, answer[1], written)
        _, uses, ours, sql = answer
        if isinstance(sent, str):
            return "sql", f"Postgres refuses our SQL: {sent}\n  {unescaped(sql)}"
        problem = self.compare(ours, sent, uses)
        if problem:
            return "sql", f"our SQL: {problem}\n  {unescaped(sql)}"
        if isinstance(written, str) and not re.search(r"\ba_\w+\[\]", written):  # an ARRAY of a domain
            return "accepted", f"Postgres refuses it: {written}"
        if isinstance(written, str):
            return None
        problem = self.compare(ours, written, uses, "s:ROW" in uses)
        return ("written", problem) if problem else None

    @staticmethod
    def judge_refusal(node, text, written):
        if is_failure(written) or any(pattern.search(text) for pattern in REFUSED):
            return None
        if FAILS.search(text) and DECIDES.search(node.sql()):  # Postgres does not come to evaluate it
            return None
        if PATTERN_FAILS.search(text) and (all(a == "n" for a in written) or
                                           any(is_error(a) for a in written) or "infinity" in node.sql()):
            return None
        return "refused", text

    def compare(self, ours, theirs, uses, may_fail=False):
        """may_fail: a row comparison that is spelled out may meet an error that Postgres stops before."""
        may_decide = any(f"s:{word}" in uses for word in ("AND", "OR", "BETWEEN", "IN", "NOT IN", "ROW"))
        for n, (a, b) in enumerate(zip(ours, theirs)):
            wanted = "e" if is_error(b) else b
            if a != wanted and not (wanted == "e" and may_decide) and not (a == "e" and may_fail):
                said = f"{b[1:]!r}" if is_error(b) else b
                return f"row {n + 1}: ours {a}, Postgres {said}"
        return None

    def judge_alone(self, node):
        answer = self.ours(node)
        written = self.oracle.written.ask([node.sql(Written())])[0]
        sent = self.oracle.sent.ask([unescaped(answer[3])])[0] if answer[0] == "OK" else None
        return self.judge(node, answer, sent, written)

    def values_alone(self, node):
        """The value of an expression, row by row, as text."""
        style = Bound()
        answer = self.probe.ask("V", node.sql(style), *style.params)
        if answer[0] != "OK":
            return None
        theirs = self.oracle.sent.ask([unescaped(answer[2])], True)[0]
        if isinstance(theirs, str):
            return "value", f"Postgres refuses our SQL: {theirs}\n  {unescaped(answer[2])}"
        may_decide = any(f"s:{word}" in answer[1] for word in ("AND", "OR", "BETWEEN", "IN", "NOT IN", "ROW"))
        for n, (a, b) in enumerate(zip(answer[3:], theirs)):
            a = None if a == "\\N" else "\x7f" if a == "\\E" else unescaped(a)
            if (a != b and not (is_error(a or "") and is_error(b))) and not (is_error(b) and may_decide):
                return "value", f"row {n + 1}: ours {a!r}, Postgres {b!r}\n  {unescaped(answer[2])}"
        self.oracle.values += len(theirs)
        return None

    # Shrinking

    def shrink(self, node, problem, ask):
        """The smallest clause that we find with a problem of the same kind."""
        steps = 0
        smaller = True
        while smaller and steps < SHRINK_STEPS:
            smaller = False
            for candidate in self.smaller(node):
                steps += 1
                try:
                    found = ask(candidate)
                except psycopg2.Error:
                    continue
                if found and found[0] == problem[0]:
                    node, problem, smaller = candidate, found, True
                    break
                if steps >= SHRINK_STEPS:
                    break
        return node, problem

    def smaller(self, node):
        nodes = sorted(node.walk(), key=lambda n: -n.size())
        for old in nodes:
            for new in sorted((n for n in old.walk() if n is not old and n.type == old.type), key=Node.size):
                yield node.replaced(old, new)
        for old in nodes:
            if old.size() > 1 and old.type != "record":
                for new in [Node("bool", "true"), Node("bool", "false")] if old.type == "bool" else []:
                    yield node.replaced(old, new)
                for name in self.columns.get(old.type, [])[:2]:
                    yield node.replaced(old, Column(old.type, name))
                yield node.replaced(old, Literal(old.type, None, "typed" if base(old.type) != "enum" else "bare"))

    def report(self, node, problem):
        used = {n.name for n in node.walk() if isinstance(n, Column)}
        lines = [f"{problem[0]}: {node.sql()}", f"  {problem[1]}"]
        row = re.search(r"row (\d+)", problem[1])
        if row:
            fields = dict(zip([name for name, _, _ in self.schema], self.lines[int(row[1]) - 1].split("\t")))
            lines.append("  " + ", ".join(f"{name} ({self.declared(name)}) = {fields[name]}" for name in sorted(used)))
        elif used:
            lines.append("  " + ", ".join(f"{name} {self.declared(name)}" for name in sorted(used)))
        return "\n".join(line[:1500] for line in lines)

    def declared(self, name):
        return next(declared for n, _, declared in self.schema if n == name)


class Oracle:
    def __init__(self, cluster, seed, pairs):
        self.seed = seed
        self.wanted = pairs
        self.rnd = random.Random(seed)
        self.written = Side(cluster, "oracle_written", "ENCODING 'UTF8' LOCALE 'C'")
        self.sent = Side(cluster, "oracle_sent", self.icu(cluster))
        self.sides = (self.written, self.sent)
        probe = Probe()
        self.table = probe.table()
        probe.close()
        self.pairs = Counter()  # use: accepted pairs
        self.seen = {}  # use: letters among their results
        self.tried = Counter()
        self.values = self.accepted = self.generated = self.total = 0
        self.failures = {}
        self.refusals = Counter()
        self.named = {f"n:{function[1]}" for function in self.table.functions.values()}

    @staticmethod
    def icu(cluster):
        """Texts in an order that is not that of bytes, where the server can."""
        return "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en' LOCALE 'C.UTF-8'" if cluster_version(cluster) >= 150000 \
            else "ENCODING 'UTF8'"

    def uses(self, generator):
        """Everything that an expression can be made of."""
        table = self.table
        uses = [f"f{number}" for number in table.functions]
        uses += [f"c:{a}>{b}" for a, b in table.casts]
        uses += [f"c:{t}>text" for t in generator.types if base(t) not in values.STRINGS and "c:" not in t]
        uses += [f"c:text>{t}" for t in generator.types if base(t) not in (*values.STRINGS, "enum", "jsonb")]
        return uses + [f"s:{form}" for form in generator.forms] + ["n:concat"]

    def next_use(self, uses):
        """What has been seen least, as far as it can be had at all."""
        def lack(use):
            hopeless = self.tried[use] >= 40 and not self.pairs[use]
            return (hopeless, min(len(self.seen.get(use, ())), 3) if self.pairs[use] else 0,
                    self.pairs[use] + ROWS * 0.2 * self.tried[use])
        best = sorted(uses, key=lack)[:12]
        return self.rnd.choice(best)

    def run(self):
        began = time.monotonic()
        while self.total < self.wanted and len(self.failures) < 25:
            self.round(Round(self, self.rnd.randrange(1 << 30)))
        self.seconds = time.monotonic() - began
        return self

    def round(self, round_):
        for use in self.uses(round_.generator):
            self.pairs.setdefault(use, 0)
        uses = [use for use in self.pairs if use[:2] != "n:" or use == "n:concat"]
        left = min(CLAUSES_PER_ROUND, (self.wanted - self.total + ROWS - 1) // ROWS)
        while left > 0 and len(self.failures) < 25:
            batch = []
            while len(batch) < min(50, left):
                use = self.next_use(uses)
                self.tried[use] += 1
                if self.rnd.random() < 0.05:
                    node, clause = None, round_.generator.wild()
                else:
                    node, clause = round_.generator.clause(use)
                batch.append((node, clause, round_.ours(clause)))
            left -= len(batch)
            self.settle(round_, batch)
        round_.probe.close()

    def settle(self, round_, batch):
        written = self.written.ask([clause.sql(Written()) for _, clause, _ in batch])
        accepted = [i for i, (_, _, answer) in enumerate(batch) if answer[0] == "OK"]
        sent = dict(zip(accepted, self.sent.ask([unescaped(batch[i][2][3]) for i in accepted])))
        for i, (node, clause, answer) in enumerate(batch):
            self.generated += 1
            problem = round_.judge(clause, answer, sent.get(i), written[i])
            if problem:
                self.fail(round_, clause, problem, round_.judge_alone)
            elif answer[0] == "OK":
                self.count(answer)
                self.check_bound(round_, clause, written[i])
                self.check_identity(round_, clause, answer)
                if node is not None and node.type not in ("bool", "record"):
                    problem = round_.values_alone(node)
                    if problem:
                        self.fail(round_, node, problem, round_.values_alone)
            else:
                self.refusals[re.sub(r"[0-9]+|: .*", "", answer[1].split(": ", 1)[-1])] += 1

    def count(self, answer):
        self.accepted += 1
        self.total += len(answer[2])
        for use in {one_string(use) for use in answer[1].split(",")} - {""} - self.named:
            self.pairs[use] += len(answer[2])
            self.seen.setdefault(use, set()).update(answer[2])

    def check_bound(self, round_, clause, written):
        style = Bound()
        text = clause.sql(style)
        if "ilike(" in text or not style.params or isinstance(written, str):
            return
        bound = self.written.bound(text, style.params)
        if bound is None or bound == written or (isinstance(bound, str) and "data type of parameter" in bound):
            return
        self.note(round_, clause, ("bound", f"with parameters Postgres says {bound}, with literals {written}"))

    def check_identity(self, round_, clause, answer):
        style = Respelled(self.rnd)
        text = clause.sql(style)
        again = round_.probe.ask("I", text, *style.params)
        if again[0] != "OK" or again[1] != answer[3]:
            self.note(round_, clause, ("identity", f"spelled {text!r} {style.params} it is {again}\n  {answer[3]}"))

    def fail(self, round_, node, problem, ask):
        node, problem = round_.shrink(node, problem, ask)
        self.note(round_, node, problem)

    def note(self, round_, node, problem):
        text = round_.report(node, problem)
        key = problem[0] + re.sub(r"'[^']*'|\d+|\b[a-z]+\d+\b", "", node.sql())
        self.failures.setdefault(key, f"seed {self.seed}, round {round_.seed}\n{text}")

    # The report

    def name(self, use):
        if use[0] == "f":
            kind, name, result, args = self.table.functions[int(use[1:])]
            shown = f"{name}({', '.join(args)})" if name[0].isalpha() or len(args) != 2 else \
                f"{args[0]} {name} {args[1]}"
            return f"{shown} -> {result}"
        return use[2:].replace(">", " -> ") if use[0] == "c" else use[2:]

    def required(self):
        """The least of accepted pairs for each use: 200 in a run of 1,000,000."""
        return max(1, min(200, 200 * self.wanted // 1_000_000))

    def rows_below(self):
        least = self.required()
        letters = {"t", "f", "n"} if least >= 200 else set()
        return [use for use in self.pairs if self.must(use) and
                (self.pairs[use] < least or not letters <= self.seen.get(use, set()))]

    def must(self, use):
        """Forms and casts that are never accepted are what docs/where.md says is not supported."""
        return use[0] == "f" or (use[0] in "sc" and self.pairs[use] > 0)

    def lines(self):
        yield (f"seed {self.seed}: {self.total} pairs of {self.accepted} clauses, {self.generated} generated "
               f"({100 * self.accepted // max(self.generated, 1)} % accepted), {self.values} values, "
               f"{self.seconds:.0f} s")
        for use in sorted(self.pairs, key=lambda u: ("fcsn".index(u[0]), int(u[1:]) if u[0] == "f" else u)):
            if self.pairs[use] or self.must(use):
                yield f"{self.pairs[use]:8} {''.join(sorted(self.seen.get(use, ''))):4} {self.name(use)}"
        never = [self.name(use) for use in self.pairs if not self.pairs[use]]
        yield "never accepted: " + ("; ".join(never) or "nothing")
        for text, count in self.refusals.most_common(40):
            yield f"refused {count:6} {text}"


def one_string(use):
    """The types of strings are cast from and to others by the same code."""
    if use.startswith("c:"):
        source, target = use[2:].split(">")
        if source not in values.STRINGS and target in values.STRINGS:
            return f"c:{source}>text"
        if source in values.STRINGS and target not in values.STRINGS:
            return f"c:text>{target}"
    return use


def cluster_version(cluster):
    connection = cluster.connect()
    version = connection.server_version
    connection.close()
    return version
