"""Enums and domains in a where clause mean what they mean in Postgres, and new labels break nothing.

The oracle part compares random clauses; the rest runs the engine: labels that come after a shape was
made, and columns of domains, are in the copies that clients have.
"""
import os
import random

import pytest

from pylib.client import Http, ShapeClient, assert_equal
from pylib.where import Oracle, quoted

SEED = int(os.environ.get("SHAPEWIRE_ORACLE_SEED", "1"))
CLAUSES = int(os.environ.get("SHAPEWIRE_ORACLE_CLAUSES", "300"))

LABELS = ["sad", "ok", "Very Happy", 'a"b', "x,y", "z{", "é"]
ORDERED = '{sad,ok,"Very Happy","a\\"b","x,y","z{",é}'
OPERATORS = ["=", "<>", "<", "<=", ">", ">="]


@pytest.fixture
def oracle(database):
    connection = database.connect()
    connection.autocommit = True
    cursor = connection.cursor()
    cursor.execute(f"CREATE TYPE mood AS ENUM ({', '.join(quoted(label) for label in LABELS)})")
    cursor.execute("CREATE DOMAIN small AS int4 CHECK (value < 1000)")
    cursor.execute("CREATE DOMAIN smaller AS small CHECK (value < 100)")
    cursor.execute("CREATE DOMAIN word AS varchar(10)")
    cursor.execute("CREATE DOMAIN price AS numeric(10, 2)")
    cursor.execute("CREATE DOMAIN feeling AS mood")
    cursor.execute("CREATE DOMAIN doc AS jsonb")
    cursor.execute("CREATE DOMAIN many AS int4[]")
    cursor.execute("CREATE DOMAIN padded AS char(5)")
    cursor.execute("CREATE DOMAIN flag AS bool")
    connection.close()
    made = Oracle(database, {
        "m": ("mood", f"4711 e {ORDERED}", LABELS),
        "k": ("mood", f"4711 e {ORDERED}", LABELS[::-1]),
        "ms": ("mood[]", f"4711 a {ORDERED}", ["{}", "{sad,ok}", "{NULL,sad}", '{"Very Happy","a\\"b"}', "{{sad},{ok}}"]),
        "f": ("feeling", "99998", LABELS[2:]),  # Postgres compares no domain over an enum
        "s": ("smaller", "23", ["0", "1", "-5", "99"]),
        "w": ("word", "1043", ["", "a", "b c", "é"]),
        "p": ("price", "1700", ["0", "1.5", "-3.25", "99.99"]),
        "j": ("doc", "3802", ['{"a": 1}', "[1, 2]", "null"]),
        "ia": ("many", "1007", ["{}", "{1,2}", "{NULL,1}"]),
        "ch": ("padded", "1042", ["", "a", "ab"]),
        "fl": ("flag", "16", ["true", "false"]),
        "i": ("int4", "23", ["0", "1", "5"]),
        "t": ("text", "25", LABELS),
    }, 40, random.Random(SEED))
    yield made
    made.close()


class Generator:
    def __init__(self):
        self.rnd = random.Random(SEED)

    def label(self):
        return quoted(self.rnd.choice(LABELS))

    def enum(self):
        return self.rnd.choice(["m", "k", self.label(), f"coalesce(m, {self.label()})", "ms[1]", "ms[2]",
                                f"CASE WHEN i = 1 THEN m ELSE {self.label()} END", f"nullif(m, {self.label()})"])

    def clause(self):
        rnd = self.rnd
        one = rnd.choice(["m", "k", f"coalesce(k, {self.label()})"])
        many = "{" + ",".join(rnd.choice(["sad", "ok", "NULL", '"x,y"', "é"]) for _ in range(rnd.randint(0, 3))) + "}"
        operator = rnd.choice(OPERATORS)
        return rnd.choice([
            f"{one} {operator} {self.enum()}", f"{self.enum()} {operator} {one}", f"{one} IN ({self.label()}, {self.enum()})",
            f"{one} BETWEEN {self.label()} AND {self.enum()}", f"{one} NOT BETWEEN SYMMETRIC {self.label()} AND {self.label()}",
            f"{one} IS DISTINCT FROM {self.enum()}", f"{one}::text {operator} t", f"{one}::text LIKE '%a%'", f"t = {one}::text",
            f"{one} = ANY(ms)", f"{self.label()} = ANY(ms)", f"{one} <> ALL({quoted(many)})", f"ms @> {quoted(many)}",
            f"ms <@ {quoted(many)}", f"ms && {quoted(many)}", f"ms = {quoted(many)}", f"ms @> ARRAY[m]", f"ms[1] {operator} {one}",
            f"ms::text = {quoted(many)}", f"(i, m) {operator} (1, {self.label()})", f"(m = k) IS NOT TRUE",
            f"s {operator} {rnd.choice(['1', 'i', 's', 'p', '(-5)'])}", f"s + 1 {operator} i * s", f"s BETWEEN 0 AND i", f"s = ANY(ia)",
            f"s IN (1, i, 99)", f"coalesce(s, 5) > i", f"w {operator} {rnd.choice(['w', 't', quoted('a')])}", f"w || t = 'ab'",
            f"w LIKE 'b%'", f"length(w) > i", f"p {operator} {rnd.choice(['1.50', 's', 'p * 2'])}", f"p::text = '1.50'",
            f"""j @> '{{"a": 1}}'""", f"j -> 'a' = '1'", f"j ->> 0 = '1'", f"ia @> '{{1}}'", f"ia[1] = i", f"ia || 5 @> '{{5}}'",
            f"ia = '{{1,2}}'", f"ch = 'a'", f"ch {operator} t", f"fl", f"NOT fl", f"fl IS NOT TRUE", f"fl = (i = 1)",
            f"CASE WHEN fl THEN s ELSE i END > 0", f"greatest(s, i) > 1", f"m IS NULL", f"s::text = '99'", f"s::numeric > 1.5", f"f::text {operator} t", "f IS NULL"])


def test_random_clauses(oracle):
    generator = Generator()
    compared = sum(oracle.compare(generator.clause()) for _ in range(CLAUSES))
    assert compared > CLAUSES * 0.8


REFUSED = [
    ("m = 'nope'", 'invalid input value for enum: "nope"'),
    ("m < 'nope'", 'invalid input value for enum: "nope"'),
    ("ms @> '{sad,nope}'", 'invalid input value for enum: "nope"'),
    ("m = t", "Could not select an operator overload"),
    ("m < ANY('{sad}')", "Could not select an operator overload"),
    ("ms < '{sad}'", "Could not select an operator overload"),
    ("greatest(m, k) = 'ok'", "type enum has no order here"),
    ("f = 'ok'", "Could not select an operator overload"),
    ("m LIKE 'a'", "Could not select an operator overload"),
]


@pytest.mark.parametrize("clause, reason", REFUSED)
def test_what_is_refused(oracle, clause, reason):
    sql, refusal = oracle.sql_of(clause)
    assert sql is None and reason in refusal, (sql, refusal)


# ---- the engine

SCHEMA = """
    CREATE TYPE level AS ENUM ('low', 'mid', 'high');
    CREATE DOMAIN grade AS level;
    CREATE DOMAIN positive AS int4 CHECK (value > 0);
    CREATE DOMAIN settings AS jsonb;
    CREATE TABLE e (id int PRIMARY KEY, l level, g grade, n positive, ls level[], s settings, at timestamptz);
    INSERT INTO e VALUES (1, 'low', 'low', 1, '{low}', '{"a": 1}', '2024-01-02 03:04:05+00'),
        (2, 'high', 'high', 2, '{high,mid}', '{"a": 2}', '2023-01-02 03:04:05+00');
"""
WHERES = ["l > 'low'", "l = 'high'", "l IN ('mid', 'high')", "g::text = 'high'", "n > 1", "ls @> '{mid}'", "s ->> 'a' = '2'",
          "s @> '{\"a\": 2}'", "extract(year FROM at) = 2023", "date_trunc('month', at) = '2023-01-01 00:00:00+00'"]


@pytest.mark.parametrize("where", WHERES)
def test_a_shape_follows_its_clause(database, engine, where):
    database.run(SCHEMA)
    client = ShapeClient(engine.port, "e", where=where)
    assert_equal(client, database, "e", where=where)
    assert len(client.rows) == 1
    database.run("INSERT INTO e VALUES (3, 'mid', 'high', 5, '{mid}', '{\"a\": 2.0}', '2023-01-31 00:00:00+00')")
    database.run("UPDATE e SET l = 'high', g = 'mid', n = 7, ls = '{low,mid}', s = '{\"a\": 2, \"b\": 3}', at = '2023-01-05' "
                     "WHERE id = 1")
    database.run("UPDATE e SET l = 'low', g = 'low', n = 1, ls = '{}', s = '{}', at = NULL WHERE id = 2")
    assert_equal(client, database, "e", where=where)
    assert client.refetches == 0
    client.close()


@pytest.mark.parametrize("where", ["l > 'low'", "l = 'high'", "g IS NULL OR l = 'high'", "ls @> '{mid}'"])
def test_a_new_label_is_in_its_place(database, engine, where):
    database.run(SCHEMA)
    client = ShapeClient(engine.port, "e", where=where)
    assert_equal(client, database, "e", where=where)
    database.run("ALTER TYPE level ADD VALUE 'below' BEFORE 'mid'")
    database.run("INSERT INTO e VALUES (3, 'below', 'below', 5, '{below,mid}', '{}', NULL), (4, 'mid', 'mid', 5, '{mid}', '{}', NULL)")
    assert_equal(client, database, "e", where=where)
    # Only an order makes the shape anew: a label that is not known has no place in it.
    assert client.refetches == (1 if where == "l > 'low'" else 0)
    other = ShapeClient(engine.port, "e", where="l = 'below'")
    assert_equal(other, database, "e", where="l = 'below'")
    assert len(other.rows) == 1
    for each in (client, other):
        each.close()


def test_a_label_that_is_none_is_refused(database, engine):
    database.run(SCHEMA)
    answer = Http(engine.port).shape(table="e", where="l = 'nope'", offset="-1")
    assert answer.status == 400 and "invalid input value for enum" in answer.body.decode()
