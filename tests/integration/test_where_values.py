"""Functions and operators give Postgres' own value, to the last digit and character.

The oracle of random clauses (test_where_oracle.py) compares truths; here each expression's text is
compared: scales of numerics, code points of texts, and an error wherever Postgres raises one.

A run is a function of its seed: SHAPEWIRE_VALUES_SEED, and SHAPEWIRE_VALUES_ROWS rows.
"""
import os
import random

import pytest

from pylib.where_oracle import Probe, escaped

SEED = int(os.environ.get("SHAPEWIRE_VALUES_SEED", "1"))
ROWS = int(os.environ.get("SHAPEWIRE_VALUES_ROWS", "120"))

NUMERICS = ["0", "0.00", "1", "-1", "1.5", "1.50", "-2.5", "0.1", "NaN", "Infinity", "-Infinity", "-0.5", "2.5",
            "12345678901234567890.123456789", "0.000000001", "99999.99995", "-99999999999999999999", "10000", "9999",
            "0.0001", "100000000", "1e30", "1e-30", "7", "3", "-0.00000", "999999999", "1000000000", "0.99999",
            "999999999999999999999999999999.999999999", "123456789" * 12, "0." + "0" * 60 + "1"]
TEXTS = ["", " ", "a", "abc", "aBcabc", "é", "日本語", "e\u0301x", "\U0001f600ab", "  pad ", "a,b,,c", ",", "xyxyx",
         "10", "ab\nab", "ÀÉÎ", "aaaa", "a.b", "\\", "\ttab\t", "1-2", "foo_bar", "foo bar", "FOO\n", "(x)", "ſK"]
SMALL = ["0", "1", "2", "3", "-1", "-2", "-5", "5", "100"]

# name: (type, oid, values)
COLUMNS = {
    "n": ("numeric", 1700, NUMERICS),
    "m": ("numeric", 1700, NUMERICS),
    "i": ("int4", 23, SMALL),
    "j": ("int4", 23, SMALL + ["2147483647", "-2147483648"]),
    "s": ("int2", 21, SMALL + ["-32768"]),
    "l": ("int8", 20, SMALL + ["-9223372036854775808", "9223372036854775807"]),
    "f": ("float8", 701, ["0", "-0", "0.5", "1.5", "2.5", "-2.5", "NaN", "Infinity", "-Infinity", "1e300", "2.4999",
                          "-0.3", "4503599627370497.5", "-9.99", "32767.5", "2147483647.5", "40000", "1e-50"]),
    "r": ("float4", 700, ["0", "0.5", "1.5", "-2.5", "NaN", "Infinity", "3.4e38", "0.1", "32768"]),
    "t": ("text", 25, TEXTS),
    "u": ("text", 25, TEXTS),
    "w": ("text", 25, TEXTS),
    "c": ("bpchar", 1042, ["a", "ab", "", "abc", "é", "a b"]),
    "y": ("bytea", 17, ["\\x", "\\x00ff", "\\xdeadbeef"]),
    "b": ("bool", 16, ["true", "false"]),
    "a": ("int4[]", 1007, ["{}", "{1,2,3}", "{1,NULL,3}", "{{1,2},{3,4}}", "{5}", "{{1},{2},{3}}"]),
    "e": ("text[]", 1009, ["{}", "{a,b}", '{"a b",NULL}', "{abc}"]),
}

NUMBERS = """
    n / m|n % m|n / i|i / n|div(n, m)|mod(n, m)|mod(i, j)|mod(s, s)|mod(l, l)|n / 3|1 / n|-n / m|n / m * m|(n + m) / 7
    round(n)|round(n, i)|round(m, least(j, 50))|trunc(n)|trunc(n, i)|floor(n)|ceil(n)|ceiling(m)|abs(n)|sign(n)|n % 1|@ n
    round(f)|trunc(f)|floor(f)|ceil(f)|sign(f)|abs(f)|sqrt(f)|abs(r)|round(r)|abs(i)|abs(j)|abs(s)|abs(l)|sign(i)
    round(i)|ceil(l)|round(-n, 2)|round(n * m, 3)|greatest(n, m) / 2|n::int4|n::int2|n::int8|f::int4|f::int8|r::int2
    f::float4|nullif(n, m)|nullif(i, 0)|nullif(s, l)|nullif(f, r)|nullif(t, 'a')|nullif(i, 1.0)|i % 7|l % 3|n % 0.3
"""
STRINGS = """
    length(t)|length(c)|char_length(t)|character_length(c)|octet_length(t)|octet_length(c)|length(y)|octet_length(y)
    left(t, i)|right(t, i)|substr(t, i)|substr(t, i, j)|substring(t from i)|substring(t from i for 3)|substring(t for i)
    substring(t, 2, 3)|substr(t, 2)|position(u in t)|strpos(t, u)|starts_with(t, u)|t ^@ u|ascii(t)|trim(t)|ltrim(t)
    rtrim(t)|btrim(t, u)|ltrim(t, u)|rtrim(t, u)|trim(both 'a' from t)|trim(leading u from t)|trim(trailing from t)
    split_part(t, u, i)|split_part(t, ',', i)|reverse(t)|replace(t, u, w)|replace(t, 'a', '')|translate(t, u, w)
    left(t, 1) || substr(t, 2)|left(c, 2)|reverse(c)|length(t || u)|btrim(c)|t like u
    notlike(t, u)|like(t, u)|concat(t, i, u)|concat(n, b)|octet_length(t || '日')|coalesce(t, u)|t || c
"""
OTHERS = """
    case when i > 1 then t when i < 0 then u else w end|case i when 1 then 'one' when 2 then 'two' end
    case when n > m then n else i end|case when b then i end|case t when u then 1 when w then 2 else 0 end
    case when i <> 0 then j / i end|case when b then r else i end|case when b then c else t end
    (i, t) = (j, u)|(i, t) < (j, u)|(i, t) >= (j, u)|(i, j) in ((1, 2), (2, NULL), (0, 0))|(i, n) <> (j, m)
    (t, u) > (u, w)|(i, j, s) <= (1, 2, 3)|(i, j) not in ((1, 2), (3, 3))|(i, t) is null|(i, t) is not null
    (i, t) is distinct from (j, u)|(i, j) is not distinct from (1, NULL)|(i, j) between (0, 1) and (2, 2)
    row(i) = row(j)|(i, j) between symmetric (3, 3) and (0, 0)|not (i, j) < (s, s)|(i, j) not between (0, 1) and (2, 2)
    a[1:2]|a[2:]|a[:1]|a[:][1:1]|a[i:j]|a[2:1]|(a[1:2])[1]|a[1:1][1]|e[1:1]|(a || a)[2:3]|a[1][2]|a[i]
    array_append(a, i)|array_prepend(i, a)|a || i|i || a|array_cat(a, a)|array_ndims(a)|array_length(a, i)
    cardinality(a)|array_lower(a, 1)|array_upper(a, i)|array_append(e, t)|e || array['x']|array_length(e, 1)
    int4(l)|text(i)|float8(n)|bool(i)|text(t)
"""


def expressions(text):
    """What stands between single bars."""
    parts = text.replace("||", "\0").replace("\n", "|").split("|")
    return [part.replace("\0", "||").strip() for part in parts if part.strip()]


@pytest.fixture
def rows(database):
    rnd = random.Random(SEED)
    connection = database.connect()
    connection.autocommit = True
    cursor = connection.cursor()
    for setting in ["bytea_output = hex", "DateStyle = 'ISO, DMY'", "TimeZone = UTC", "extra_float_digits = 1",
                    "IntervalStyle = iso_8601"]:
        cursor.execute(f"SET {setting}")
    columns = ", ".join(f"{n} {'char(5)' if t == 'bpchar' else t}" for n, (t, _, _) in COLUMNS.items())
    cursor.execute(f"CREATE TABLE v (row_number serial, {columns})")
    for _ in range(ROWS):
        values = [None if rnd.random() < 0.08 else random_value(rnd, t, v) for t, _, v in COLUMNS.values()]
        cursor.execute(f"INSERT INTO v ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(values))})", values)
    # Each row by itself: an error of one must not hide the others.
    cursor.execute("""
        CREATE FUNCTION try(expression text, n int, OUT value text, OUT failure text) LANGUAGE plpgsql AS $$
        BEGIN
            EXECUTE format('SELECT (%s)::text FROM v WHERE row_number = %s', expression, n) INTO value;
        EXCEPTION
            WHEN syntax_error_or_access_rule_violation THEN RAISE;
            WHEN OTHERS THEN failure := SQLERRM;
        END $$""")
    yield cursor
    connection.close()


def random_value(rnd, type_name, values):
    if type_name == "numeric" and rnd.random() < 0.5:
        whole = str(rnd.randrange(10 ** rnd.randint(0, 40)))
        scale = rnd.choice([0, 0, 1, 2, 5, 9, 20])
        return rnd.choice("- ").strip() + whole + ("." + str(rnd.randrange(10 ** scale)).zfill(scale) if scale else "")
    return rnd.choice(values)


def texts(cursor):
    spelled = {"b": "CASE WHEN b THEN 't' WHEN NOT b THEN 'f' END",
               "c": "CASE WHEN c IS NOT NULL THEN concat(c, '') END"}
    cursor.execute("SELECT " + ", ".join(spelled.get(n, f"{n}::text") for n in COLUMNS) + " FROM v ORDER BY row_number")
    return cursor.fetchall()


@pytest.mark.parametrize("kind", [NUMBERS, STRINGS, OTHERS], ids=["numbers", "strings", "others"])
def test_values_are_those_of_postgres(rows, kind):
    fields = texts(rows)
    probe = Probe()
    for name, (_, oid, _) in COLUMNS.items():
        probe.say(f"C {name} {oid}")
    for row in fields:
        probe.say("R " + "\t".join("\\N" if field is None else escaped(field) for field in row))
    for expression in expressions(kind):
        answer = probe.ask("V", expression)
        assert answer[0] == "OK", f"{expression}: {answer}"
        rows.execute("SELECT value, failure FROM generate_series(1, %s) k, try(%s, k) ORDER BY k",
                     [len(fields), expression])
        for row, ours, (value, failure) in zip(fields, answer[3:], rows.fetchall()):
            theirs = "\\E" if failure is not None else "\\N" if value is None else escaped(value)
            assert ours == theirs, f"seed {SEED}: {expression} of {row}: {failure}"
    probe.close()
