"""Tables of every form: each column type, composite key, none, odd names, partitions, generated."""
import json

import pytest

from pylib.client import assert_equal
from pylib.wait import until

TYPES = """
    CREATE TYPE g_mood AS ENUM ('sad', 'ok');
    CREATE TYPE g_comp AS (a int, b text);
    CREATE DOMAIN g_pos AS int CHECK (VALUE > 0);
    CREATE DOMAIN g_flag AS bool;
    CREATE TABLE g_types (
        id int PRIMARY KEY, b bool, i2 int2, i8 int8, f4 float4, f8 float8, num numeric(12, 3),
        t text, vc varchar(5), ch char(4), by bytea, d date, ti time, tz timetz, ts timestamp,
        tstz timestamptz, iv interval, u uuid, js json, jb jsonb, ia int[], ta text[],
        mood g_mood, ma g_mood[], comp g_comp, pos g_pos, inet inet, bits bit(3), money money,
        oidc oid, pt point, r int4range, xm xml, flag g_flag, ba bool[], vb varbit(9));
"""
FIRST = """
    INSERT INTO g_types VALUES (1, true, -3, 9007199254740993, 1.5, 0.1, 12345.6,
        E'q"\\\\back\\nnl\\t\\u00e9\\u0001', 'abc', 'ab', '\\xdeadbeef', '2024-02-29',
        '03:04:05.678', '03:04:05+02', '2024-01-02 03:04:05.123456', '2024-01-02 03:04:05+02',
        '1 year 2 mons 3 days 04:05:06.7', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": [1, 2]}',
        '{"b": 1, "a": 2}', '{1,NULL,3}', '{"a,b","q\\"x",NULL}', 'ok', '{sad,ok}', '(1,"a b")', 7,
        '10.0.0.1/8', B'101', 12.34, 42, '(1,2)', '[1,5)', '<a/>', true, '{t,f,NULL}', B'1'),
    (2, false, 0, 0, 'NaN', '-Infinity', 'NaN', '', '', '', '', 'infinity', '24:00',
        '00:00:00+00', '-infinity', '0044-03-15 00:00:00+00 BC', '-1 mon', NULL, 'null', 'null',
        '{}', '{}', NULL, '{}', NULL, 1, '::1', B'000', -1, 0, '(0,0)', 'empty', NULL, false,
        '{}', B''),
    (3, NULL, NULL, -9223372036854775808, 'Infinity', 1e308, 0.001, repeat('long ', 4000), NULL,
        NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL,
        NULL, NULL, '10.0.0.1', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
"""
EXPECTED = {
    "b": "true", "bits": "101", "by": "\\xdeadbeef", "ch": "ab  ", "comp": '(1,"a b")',
    "d": "2024-02-29", "f4": "1.5", "f8": "0.1", "i2": "-3", "i8": "9007199254740993",
    "ia": "{1,NULL,3}", "id": "1", "inet": "10.0.0.1/8", "iv": "P1Y2M3DT4H5M6.7S",
    "jb": '{"a": 2, "b": 1}', "js": '{"a": [1, 2]}', "ma": "{sad,ok}", "money": "$12.34",
    "mood": "ok", "num": "12345.600", "oidc": "42", "pos": "7", "pt": "(1,2)", "r": "[1,5)",
    "t": 'q"\\back\nnl\t\u00e9\u0001', "ta": '{"a,b","q\\"x",NULL}', "ti": "03:04:05.678",
    "ts": "2024-01-02 03:04:05.123456", "tstz": "2024-01-02 01:04:05+00", "tz": "03:04:05+02",
    "u": "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "vc": "abc", "xm": "<a/>", "flag": "true",
    "ba": "{t,f,NULL}", "vb": "1",
}
SCHEMA = {
    "pt": {"type": "point"}, "ma": {"type": "g_mood", "dims": 1}, "xm": {"type": "xml"},
    "jb": {"type": "jsonb"}, "i2": {"type": "int2"}, "comp": {"type": "g_comp"},
    "ti": {"type": "time"}, "bits": {"type": "bit", "length": 3}, "b": {"type": "bool"},
    "ts": {"type": "timestamp"}, "u": {"type": "uuid"}, "money": {"type": "money"},
    "oidc": {"type": "oid"}, "ia": {"type": "int4", "dims": 1}, "pos": {"type": "g_pos"},
    "i8": {"type": "int8"}, "tstz": {"type": "timestamptz"},
    "id": {"type": "int4", "not_null": True, "pk_index": 0}, "by": {"type": "bytea"},
    "ch": {"type": "bpchar", "length": 4}, "vc": {"type": "varchar", "max_length": 5},
    "inet": {"type": "inet"}, "r": {"type": "int4range"}, "d": {"type": "date"},
    "tz": {"type": "timetz"}, "ta": {"type": "text", "dims": 1}, "js": {"type": "json"},
    "f8": {"type": "float8"}, "iv": {"type": "interval"}, "mood": {"type": "g_mood"},
    "t": {"type": "text"}, "f4": {"type": "float4"},
    "num": {"type": "numeric", "precision": 12, "scale": 3},
}


@pytest.fixture(scope="module")
def types(module_database, module_engine):
    module_database.run(TYPES + FIRST)
    return "g_types"


def test_every_type_in_the_snapshot(types, module_engine, module_database):  # [17]
    client = module_engine.client(types).sync()
    one = client.rows['"public"."g_types"/"1"']
    expected = dict(EXPECTED)
    expected["money"] = one["money"]  # its sign is the server's locale; compared below
    assert one == expected
    assert {column: client.schema[column] for column in SCHEMA} == SCHEMA
    assert client.rows['"public"."g_types"/"2"']["inet"] == "::1/128"
    assert client.rows['"public"."g_types"/"3"']["inet"] == "10.0.0.1/32"
    assert_equal(client, module_database, types)
    client.close()


def test_every_type_in_the_stream(types, module_engine, module_database):  # [17]
    """The stream spells each value as the snapshot does."""
    client = module_engine.client(types).sync()
    full = module_engine.client(types, replica="full").sync()
    columns = [name for name in client.schema if name != "id"]
    module_database.run("INSERT INTO g_types SELECT (jsonb_populate_record(g, '{\"id\": 11}')).*"
                        " FROM g_types g WHERE id = 1")
    module_database.run("INSERT INTO g_types SELECT (jsonb_populate_record(g, '{\"id\": 12}')).*"
                        " FROM g_types g WHERE id = 2")
    for column in columns:  # each column's change alone, both ways
        quoted = f'"{column}"'
        module_database.run(f"UPDATE g_types SET {quoted} ="
                            f" (SELECT {quoted} FROM g_types WHERE id = 2) WHERE id = 11")
        module_database.run(f"UPDATE g_types SET {quoted} ="
                            f" (SELECT {quoted} FROM g_types WHERE id = 1) WHERE id = 12")
    module_database.run("UPDATE g_types SET b = NOT b, flag = NOT flag WHERE id IN (1, 2)")
    module_database.run("DELETE FROM g_types WHERE id = 3")
    for each in (client, full):
        assert_equal(each, module_database, types)
        assert '"public"."g_types"/"3"' not in each.rows
        each.close()


def test_every_type_as_key(module_engine, module_database):  # [17] [18]
    """A row's key is spelled the same in snapshot, log and key changes."""
    module_database.run("""
        CREATE TABLE k_types (a bool, b inet, c text, d timestamptz, e numeric, f uuid,
            PRIMARY KEY (c, a, b, d, e, f), v int);
        INSERT INTO k_types VALUES (true, '10.0.0.1', 'x/"y', '2024-01-01', 1.50,
            'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 1)""")
    client = module_engine.client("k_types").sync()
    (key,) = client.rows
    assert key == ('"public"."k_types"/"x//"y"/"true"/"10.0.0.1//32"'
                   '/"2024-01-01 05:00:00+00"/"1.50"/"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"')
    module_database.run("UPDATE k_types SET v = 2")
    module_database.run("UPDATE k_types SET b = '::1', a = false")
    module_database.run("INSERT INTO k_types SELECT true, b, c, d, e, f, 9 FROM k_types")
    module_database.run("DELETE FROM k_types WHERE NOT a")
    assert_equal(client, module_database, "k_types")
    assert client.refetches == 0
    client.close()


def test_toasted_values_that_do_not_change(module_engine, module_database):
    module_database.run("""
        CREATE TABLE toasted (id int PRIMARY KEY, v text, n int);
        ALTER TABLE toasted ALTER v SET STORAGE EXTERNAL;
        INSERT INTO toasted SELECT g, repeat(md5(g::text), 1000), 0 FROM generate_series(1, 3) g""")
    client = module_engine.client("toasted").sync()
    full = module_engine.client("toasted", replica="full").sync()
    module_database.run("UPDATE toasted SET n = 1 WHERE id = 1")
    module_database.run("UPDATE toasted SET id = 20 WHERE id = 2")
    module_database.run("UPDATE toasted SET v = v || 'x' WHERE id = 3")
    for each in (client, full):
        assert_equal(each, module_database, "toasted")
        each.close()
    assert client.log[0]["value"] == {"id": "1", "n": "1"}


def test_composite_key_in_another_order(module_engine, module_database):
    module_database.run("""
        CREATE TABLE composite (v int, b text, a int, PRIMARY KEY (a, b));
        INSERT INTO composite VALUES (1, 'x', 1), (2, '/', 1), (3, '', 2)""")
    client = module_engine.client("composite").sync()
    assert set(client.rows) == {'"public"."composite"/"1"/"x"', '"public"."composite"/"1"/"//"',
                                '"public"."composite"/"2"/""'}
    assert client.schema["a"]["pk_index"] == 0 and client.schema["b"]["pk_index"] == 1
    module_database.run("UPDATE composite SET v = v + 10 WHERE b = '/'")
    module_database.run("UPDATE composite SET a = 7 WHERE a = 2")
    module_database.run("DELETE FROM composite WHERE b = 'x'")
    assert_equal(client, module_database, "composite")
    client.close()


def test_no_key(module_engine, module_database):
    module_database.run("CREATE TABLE keyless (a int, b text);"
                        "INSERT INTO keyless VALUES (1, 'x'), (1, NULL)")
    client = module_engine.client("keyless").sync()
    module_database.run("INSERT INTO keyless VALUES (2, 'y')")
    module_database.run("UPDATE keyless SET b = 'z' WHERE b IS NULL")
    module_database.run("DELETE FROM keyless WHERE b = 'x'")
    assert_equal(client, module_database, "keyless")
    client.close()


@pytest.mark.parametrize("schema, table, columns", [
    ("public", "Quoted", ("Id", "val")),
    ("Odd Schema", 'with "quotes"', ("the id", 'q"q')),
    ("public", "select", ("from", "where")),
    ("public", "dot.ted/slash", ("a.b", "c/d")),
    ("public", "t\u00e4ble", ("\u00efd", "v\u00e4l")),
])
def test_odd_names(module_engine, module_database, schema, table, columns):
    def quote(name):
        return '"' + name.replace('"', '""') + '"'
    full = f"{quote(schema)}.{quote(table)}"
    key, value = map(quote, columns)
    module_database.run(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)};"
                        f"CREATE TABLE {full} ({key} int PRIMARY KEY, {value} text);"
                        f"INSERT INTO {full} VALUES (1, 'a'), (2, 'b')")
    client = module_engine.client(full).sync()
    assert client.rows and all("relation" not in row for row in client.rows.values())
    module_database.run(f"UPDATE {full} SET {value} = 'c' WHERE {key} = 1;")
    module_database.run(f"UPDATE {full} SET {key} = 9 WHERE {key} = 2")
    module_database.run(f"INSERT INTO {full} VALUES (3, 'd')")
    assert_equal(client, module_database, full)
    assert {tuple(item["headers"]["relation"]) for item in client.log} == {(schema, table)}
    assert len(client.rows) == 3  # the log's keys are the snapshot's
    client.close()


def test_partitioned(module_engine, module_database):
    module_database.run("""
        CREATE TABLE parts (id int, region text, v text, PRIMARY KEY (id, region))
            PARTITION BY LIST (region);
        CREATE TABLE parts_eu PARTITION OF parts FOR VALUES IN ('eu');
        CREATE TABLE parts_us PARTITION OF parts FOR VALUES IN ('us');
        INSERT INTO parts VALUES (1, 'eu', 'x'), (2, 'us', 'y')""")
    root = module_engine.client("parts").sync()
    leaf = module_engine.client("parts_eu").sync()
    assert set(root.rows) == {'"public"."parts"/"1"/"eu"', '"public"."parts"/"2"/"us"'}
    assert set(leaf.rows) == {'"public"."parts_eu"/"1"/"eu"'}
    module_database.run("UPDATE parts SET v = 'z'")
    module_database.run("INSERT INTO parts_eu VALUES (3, 'eu', 'direct')")
    module_database.run("UPDATE parts SET region = 'us' WHERE id = 1")  # moves to another leaf
    module_database.run("DELETE FROM parts WHERE id = 2")
    assert_equal(root, module_database, "parts")
    assert_equal(leaf, module_database, "parts_eu")
    assert {tuple(item["headers"]["relation"]) for item in root.log} == {("public", "parts")}
    # A partition that comes later belongs to the root's shape.
    module_database.run("CREATE TABLE parts_as PARTITION OF parts FOR VALUES IN ('as');"
                        "INSERT INTO parts VALUES (8, 'as', 'new leaf')")
    assert_equal(root, module_database, "parts")
    # It gets its whole old rows into the stream, like the others, as soon as it was seen.
    until("REPLICA IDENTITY FULL of the new partition", lambda: module_database.value(
        "SELECT relreplident = 'f' FROM pg_class WHERE relname = 'parts_as'"), 5)
    module_database.run("UPDATE parts_as SET v = 'again'")
    assert_equal(root, module_database, "parts")
    assert root.refetches == 0
    root.close()
    leaf.close()


def test_partitions_of_partitions(module_engine, module_database):
    module_database.run("""
        CREATE TABLE deep (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE deep_a PARTITION OF deep FOR VALUES FROM (0) TO (100) PARTITION BY RANGE (id);
        CREATE TABLE deep_a1 PARTITION OF deep_a FOR VALUES FROM (0) TO (50);
        CREATE TABLE deep_a2 PARTITION OF deep_a FOR VALUES FROM (50) TO (100);
        INSERT INTO deep VALUES (1, 'x'), (60, 'y')""")
    client = module_engine.client("deep").sync()
    middle = module_engine.client("deep_a").sync()
    module_database.run("UPDATE deep SET id = 70 WHERE id = 1")
    module_database.run("INSERT INTO deep_a1 VALUES (5, 'five')")
    for each, name in ((client, "deep"), (middle, "deep_a")):
        assert_equal(each, module_database, name)
        each.close()


def test_generated_column(module_engine, module_database):
    module_database.run("CREATE TABLE gen (id int PRIMARY KEY, v int,"
                        " w int GENERATED ALWAYS AS (v * 2) STORED);"
                        "INSERT INTO gen VALUES (4, 1)")
    client = module_engine.client("gen", columns="id,v").sync()
    module_database.run("UPDATE gen SET v = 2")
    module_database.run("INSERT INTO gen VALUES (5, 5)")
    assert_equal(client, module_database, "gen", columns="id, v")
    assert client.refetches == 0
    client.close()


def test_dropped_column_before_the_shape(module_engine, module_database):
    module_database.run("CREATE TABLE holes (a int, id int PRIMARY KEY, b int, v text);"
                        "INSERT INTO holes VALUES (1, 1, 1, 'x');"
                        "ALTER TABLE holes DROP COLUMN a, DROP COLUMN b;"
                        "ALTER TABLE holes ADD COLUMN c int DEFAULT 7")
    client = module_engine.client("holes").sync()
    module_database.run("UPDATE holes SET c = 8; ")
    module_database.run("INSERT INTO holes VALUES (2, 'y', 9)")
    assert_equal(client, module_database, "holes")
    client.close()


def test_wide_table(module_engine, module_database):
    columns = ", ".join(f"c{n} int DEFAULT {n}" for n in range(500))
    module_database.run(f"CREATE TABLE wide (id int PRIMARY KEY, {columns});"
                        "INSERT INTO wide (id) VALUES (1), (2)")
    client = module_engine.client("wide").sync()
    module_database.run("UPDATE wide SET c499 = -1, c0 = NULL WHERE id = 2")
    assert_equal(client, module_database, "wide")
    assert client.log[0]["value"] == {"id": "2", "c0": None, "c499": "-1"}
    client.close()


def test_schema_header_is_json(module_engine, module_database):
    module_database.run('CREATE TABLE uni ("\u00e9\u4e2d" int PRIMARY KEY)')
    answer = module_engine.http().shape(table="uni", offset="-1")
    assert "\u00e9\u4e2d" in json.loads(answer.headers["electric-schema"])
