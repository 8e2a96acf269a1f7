"""json and jsonb in a where clause mean what they mean in Postgres.

Random paths and operators over documents with everything that JSON has: each value that Postgres
finds is compared with what we find, as text, and each truth with ours. A run is a function of
SHAPEWIRE_ORACLE_SEED; SHAPEWIRE_ORACLE_CLAUSES expressions.
"""
import os
import random

import pytest

from pylib.where import Oracle, quoted

SEED = int(os.environ.get("SHAPEWIRE_ORACLE_SEED", "1"))
CLAUSES = int(os.environ.get("SHAPEWIRE_ORACLE_CLAUSES", "1000"))

DOCUMENTS = [
    '{"a": 1, "b": "x"}', '{"b": "x", "a": 1.0}', '{"a": 1.00, "b": "x", "c": null}', '{"a": {"b": [1, 2, 3]}}',
    '{"a": {"b": [1, 2.5, "x"], "c": true}}', '{"a": null}', '[]', '{}', '[1, 2, 3]', '[1, [2, 3], {"a": 4}]',
    '["a", "b", "a"]', '"a"', '"x y"', '5', '-0', '-0.0', '1e5', '1.5E-3', '100000', 'true', 'false', 'null',
    '{"a": "1"}', '{"a": "true", "x": {"y": {"z": "deep"}}}', '{"é": "日本", "k": "\\u00e9"}',
    '{"a": "line\\nbreak\\ttab \\"quoted\\" \\\\ \\/"}', '{"a": "\\ud83d\\ude00"}', '{"": 1, "bb": 2, "a": 3, "aa": 4}',
    '[[1, 2], [1]]', '[{"a": 1}, {"a": 2, "b": 3}]', '[null, true, false]', '{"a": [{"b": 1}, {"b": 2}]}',
    '{"a": 12345678901234567890.123456789012345678901234567890}', '{"a": 1e-20, "b": 2E+3}', '[1.0, 1, "1"]',
    '{"a": "\\u001f\\b\\f"}', '[[[]]]', '{"a": {}}', '{"a": []}',
]
WRITTEN = [' {"a" : 1 ,"b":[1 , 2]} ', '{"a": 1, "a": 2}', '{"a": {"b": 1}, "a": {"c": 2}}', '  5 ', ' "a" ', '[1 ,2 ]',
           '{"a": {"b": 1}, "a": {"b": null}}', '{"b": [{"a": 1, "a": null}]}', ' null']
KEYS = ["a", "b", "c", "x", "", "é", "aa", "0", "1", "k"]
PATHS = ["{a}", "{a,b}", "{a,b,1}", "{0}", "{1,0}", "{-1}", "{}", "{a,NULL}", '{" 1"}', "{+1}", "{01}", "{x,y,z}",
         "{1x}", "{99}", "{-99}", "{2147483648}", '{""}', "{b,0,a}", "{a,c}"]


@pytest.fixture
def oracle(database):
    made = Oracle(database, {
        "j": ("jsonb", "3802", DOCUMENTS),
        "k": ("jsonb", "3802", DOCUMENTS[::-1]),
        "q": ("json", "114", WRITTEN + DOCUMENTS),
        "s": ("text", "25", KEYS),
        "i": ("int4", "23", ["0", "1", "-1", "2", "-2"]),
        "t": ("text", "25", DOCUMENTS + WRITTEN + ["{", "[1,]", "01", "tru", "'a'", '"\\u0000"', '"\\ud800"', '"a', "1."]),
        "ja": ("jsonb[]", "3807", ['{1,"{\\"a\\": 1}",NULL}', "{}", '{1.0,"null"}']),
    }, 60, random.Random(SEED))
    yield made
    made.close()


class Generator:
    def __init__(self):
        self.rnd = random.Random(SEED)

    def document(self, depth=2):
        """The text of a random document, near enough to those of the table to be found in them."""
        rnd = self.rnd
        chance = rnd.random()
        if depth == 0 or chance < 0.3:
            return rnd.choice(["1", "1.0", "2", '"x"', '"a"', "null", "true", "10e-1", "[]", "{}", "-0", '"\\u0061"'])
        if chance < 0.5:
            return rnd.choice(DOCUMENTS)
        if chance < 0.7:
            return "[" + ", ".join(self.document(depth - 1) for _ in range(rnd.randint(0, 3))) + "]"
        members = [f'"{rnd.choice(["a", "b", "c", "bb", ""])}" : {self.document(depth - 1)}' for _ in range(rnd.randint(0, 3))]
        return "{" + ",".join(members) + "}"

    def json(self, depth=2):
        """An expression of type jsonb or json."""
        rnd = self.rnd
        base = rnd.choice(["j", "j", "k", "q", "t::jsonb", f"{quoted(self.document())}::jsonb", "ja[1]", "ja[2]"])
        if depth == 0 or rnd.random() < 0.2:
            return base
        step = rnd.choice([f"-> {quoted(rnd.choice(KEYS))}", f"-> {rnd.randint(-3, 3)}", f"#> {quoted(rnd.choice(PATHS))}",
                           "-> s", "-> i", "#> ARRAY[s, '1']"])
        return f"({self.json(depth - 1)} {step})"

    def text(self):
        rnd = self.rnd
        step = rnd.choice([f"->> {quoted(rnd.choice(KEYS))}", f"->> {rnd.randint(-3, 3)}", f"#>> {quoted(rnd.choice(PATHS))}",
                           "->> s", "->> i"])
        return f"({self.json(2)} {step})"

    def truth(self):
        rnd = self.rnd
        one = self.json()
        names = "{" + ",".join(rnd.choice(["a", "b", "zz", "NULL", '""', "x"]) for _ in range(rnd.randint(0, 3))) + "}"
        other = rnd.choice([quoted(self.document()), "k", "j"])
        return rnd.choice([
            f"{one} @> {other}", f"{one} <@ {other}", f"{other} @> {one}", f"{one} = {other}", f"{one} <> {other}",
            f"{one} ? {quoted(rnd.choice(KEYS))}", f"{one} ? s", f"{one} ?| {quoted(names)}", f"{one} ?& {quoted(names)}",
            f"{one} IS DISTINCT FROM {other}", f"{one} IN ({other}, {quoted(self.document())})",
            f"{one} = ANY(ja)", f"ja @> ARRAY[{other}]", f"ja = ARRAY[{other}::jsonb]", f"{one} IS NULL",
            f"jsonb_typeof({one}) = {quoted(rnd.choice(['null', 'number', 'object', 'array', 'string']))}",
            f"json_typeof({one}) = 'number'", f"jsonb_array_length({one}) > 1", f"json_array_length({one}) = 2",
            f"{self.text()} < {self.text()}", f"coalesce({one}, '1') = {other}",
            f"({self.text()})::int4 > 1", f"({self.text()})::numeric <= 2.5"])


def test_values_found_in_documents(oracle):
    generator = Generator()
    compared = 0
    for _ in range(CLAUSES):
        value = generator.json() if generator.rnd.random() < 0.5 else generator.text()
        texts = [text for text in oracle.texts(value) or [""] if text is None or "\n" not in text]
        text = generator.rnd.choice(texts) if texts else None
        wanted = "NULL" if text is None else quoted(text)
        compared += oracle.compare(f"({value})::text IS NOT DISTINCT FROM {wanted}")
    assert compared > CLAUSES * 0.9


def test_random_conditions(oracle):
    generator = Generator()
    compared = sum(oracle.compare(generator.truth()) for _ in range(CLAUSES))
    assert compared > CLAUSES / 2


def test_every_text_that_is_a_document_is_one_for_us(oracle):
    oracle.sql_of("t::jsonb = '5'")
    ours = oracle.ours()
    assert ours == oracle.postgres("t::jsonb = '5'")
    assert "error" in ours and "t" in ours


REFUSED = [
    ("j < '1'", "Could not select an operator overload"),
    ("q = '1'", "Could not select an operator overload"),
    ("q = q", "Could not select an operator overload"),
    ("greatest(j, k) = '1'", "type jsonb has no order here"),
    ("j::int4 = 1", "unknown cast from type jsonb to type int4"),
    ("j = '{'", "invalid syntax for type jsonb: {"),
    ("j = '01'", "invalid syntax for type jsonb: 01"),
    ("j = '\"\\u0000\"'", "invalid syntax for type jsonb: \"\\u0000\""),
    ("j = '1e99999'", "invalid syntax for type jsonb: 1e99999"),
    ("j -> 3000000000 = '1'", "Could not select an operator overload"),
    ("j || '1' = '1'", "Could not select an operator overload"),
]


@pytest.mark.parametrize("clause, reason", REFUSED)
def test_what_is_refused(oracle, clause, reason):
    sql, refusal = oracle.sql_of(clause)
    assert sql is None and reason in refusal, (sql, refusal)
