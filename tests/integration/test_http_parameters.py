"""http-api §3: every parameter, its rules and the words of its errors."""
import json

import pytest

from pylib.postgres import server_version

CREATE = """
    CREATE TABLE g_items (id int PRIMARY KEY, v text, n int, at timestamptz);
    INSERT INTO g_items VALUES (1, 'a', 10, '2024-01-02 03:04:05+02'), (2, NULL, 20, NULL);
    CREATE TABLE g_nopk (a int, b text);
    INSERT INTO g_nopk VALUES (1, 'x'), (1, NULL);
    CREATE TABLE "G Weird" ("Id" int, "a b" text, "q""q" text, PRIMARY KEY ("Id", "a b"));
    INSERT INTO "G Weird" VALUES (1, 'x/y', 'z');
    CREATE TABLE g_gen (id int PRIMARY KEY, w int GENERATED ALWAYS AS (id * 2) STORED);
    INSERT INTO g_gen VALUES (4);
    CREATE VIEW g_view AS SELECT * FROM g_items;
"""
UNKNOWN = ("Table {} does not exist. If the table name contains capitals or special characters"
           " you must quote it.")
ITEMS_SCHEMA = {"at": {"type": "timestamptz"},
                "id": {"type": "int4", "not_null": True, "pk_index": 0},
                "n": {"type": "int4"}, "v": {"type": "text"}}


@pytest.fixture(scope="module")
def http(module_database, module_engine):
    module_database.run(CREATE)
    return module_engine.http()


def refused(answer, **errors):
    """[7]: a 400 with exactly these errors by field."""
    assert answer.status == 400, answer
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["surrogate-control"] == "no-store"
    assert answer.json() == {"message": "Invalid request",
                             "errors": {field: [text] for field, text in errors.items()}}


def rows(answer):
    """The snapshot's items, without the control item; checks the head of a first answer."""
    assert answer.status == 200, answer
    headers = answer.headers
    assert headers["electric-offset"] == "0_0"
    assert headers["electric-has-data"] == "true"
    assert "electric-up-to-date" not in headers  # [12]
    assert headers["cache-control"] == \
        "public, max-age=604800, s-maxage=3600, stale-while-revalidate=2629746"
    assert headers["etag"] == f'"{headers["electric-handle"]}:-1:0_0"'
    items = answer.json()
    assert items[-1]["headers"]["control"] == "snapshot-end"
    assert set(items[-1]["headers"]) == {"control", "xmin", "xmax", "xip_list"}
    return items[:-1]


def item(relation, key, value):
    schema, table = relation
    return {"key": f'"{schema}"."{table}"' + key, "value": value,
            "headers": {"relation": list(relation), "operation": "insert"}}


FIRST_ITEMS = [
    item(("public", "g_items"), '/"1"', {"id": "1", "v": "a", "n": "10",
                                         "at": "2024-01-02 01:04:05+00"}),
    item(("public", "g_items"), '/"2"', {"id": "2", "v": None, "n": "20", "at": None}),
]


def test_first_answer(http):  # [12] [17] [18]
    answer = http.shape(table="g_items", offset="-1")
    assert rows(answer) == FIRST_ITEMS
    assert json.loads(answer.headers["electric-schema"]) == ITEMS_SCHEMA


def test_handle_form(http):
    answer = http.shape(table="g_items", offset="-1")
    digits, _, micros = answer.headers["electric-handle"].partition("-")
    assert digits.isdigit() and micros.isdigit() and len(micros) == 16


@pytest.mark.parametrize("query, field, text", [
    ("", "offset", "can't be blank"),
    ("offset=-1", "table", "can't be blank"),
    ("table=&offset=-1", "table", "can't be blank"),
    ("table=g_items", "offset", "can't be blank"),
    ("table=g_items&offset=abc", "offset", "has invalid format"),
    ("table=g_items&offset=-2", "offset", "has invalid format"),
    ("table=g_items&offset=1_", "offset", "has invalid format"),
    ("table=g_items&offset=1_-1", "offset", "has invalid format"),
    ("table=g_items&offset=0_0", "handle", "can't be blank when offset != -1"),
    ("table=g_items&offset=-1&live=true", "live", "can't be true when offset == -1"),
    ("table=g_items&offset=now&live=true", "live", "can't be true when offset is 'now'"),
    ("table=g_items&offset=-1&live_sse=true", "live_sse", "can't be true unless live is also true"),
    ("table=nope&offset=-1", "table", UNKNOWN.format('"public"."nope"')),
    ("table=NoPe.x&offset=-1", "table", UNKNOWN.format('"nope"."x"')),
    ("table=g_view&offset=-1", "table", UNKNOWN.format('"public"."g_view"')),
    ("table=G%20Weird&offset=-1", "table",
     "Invalid unquoted identifier contains special characters: G Weird"),
    ("table=%22%22&offset=-1", "table", "Invalid zero-length delimited identifier"),
    ("table=a.b.c&offset=-1", "table", "Invalid relation identifier, too many delimiters: a.b.c"),
    ("table=g_gen&offset=-1", "columns",
     "The following columns are generated and cannot be included in the shape: w. You can exclude"
     " them from the shape by explicitly listing which columns to fetch in the 'columns' query"
     " param"),
    ("table=g_gen&offset=-1&columns=id,w", "columns",
     "The following columns are generated and cannot be included in the shape: w"),
    ("table=g_items&offset=-1&columns=v", "columns",
     "The list of columns must include all primary key columns, missing: id"),
    ("table=g_items&offset=-1&columns=id,zzz", "columns",
     "The following columns are not found on the table: zzz"),
    ("table=g_items&offset=-1&columns=id,%22v", "columns",
     'Invalid unquoted identifier contains special characters: id,"v'),
    ("table=g_items&offset=-1&replica=x", "replica", "is invalid"),
    ("table=g_items&offset=-1&log=x", "log", "is invalid"),
])
def test_refusals(http, module_database, query, field, text):  # [7] and §3
    if "generated" in text and server_version(module_database) >= 18:
        assert http.get("/v1/shape?" + query).status == 200
        return
    refused(http.get("/v1/shape?" + query), **{field: text})


def test_casts_fail_together(http):  # [7]
    refused(http.get("/v1/shape?table=g_items&offset=-1&replica=x&log=y"), replica="is invalid",
            log="is invalid")


def test_where_is_refused_clearly_or_works(http):
    answer = http.shape(table="g_items", offset="-1", where="n = 10")
    if answer.status == 400:
        assert set(answer.json()["errors"]) == {"where"}
    else:
        assert [row["value"]["id"] for row in rows(answer)] == ["1"]


@pytest.mark.parametrize("query", [
    "table=public.g_items&offset=-1", "table=G_ITEMS&offset=-1", "table=%22g_items%22&offset=-1",
    "table=PUBLIC.%22g_items%22&offset=-1", "table=g_items&offset=-1&columns=",
    "table=g_items&offset=-1&live=false", "table=g_items&offset=-1&replica=default&log=full",
    "table=g_items&offset=-1&expired_handle=1-2&cache-buster=7&secret=x&whatever=%00",
    "table=g_items&offset=-1&handle=1-2",
])
def test_one_definition_one_shape(http, query):  # [9]
    own = http.shape(table="g_items", offset="-1").headers["electric-handle"]
    answer = http.get("/v1/shape?" + query)
    assert rows(answer) == FIRST_ITEMS
    assert answer.headers["electric-handle"] == own


def test_columns(http):
    answer = http.shape(table="g_items", offset="-1", columns="id,v")
    assert [row["value"] for row in rows(answer)] == [{"id": "1", "v": "a"}, {"id": "2", "v": None}]
    assert set(json.loads(answer.headers["electric-schema"])) == {"id", "v"}
    other = http.shape(table="g_items", offset="-1")
    assert other.headers["electric-handle"] != answer.headers["electric-handle"]


def test_columns_beside_a_generated_one(http):
    answer = http.shape(table="g_gen", offset="-1", columns="id")
    assert rows(answer) == [item(("public", "g_gen"), '/"4"', {"id": "4"})]


def test_quoted_names(http):  # [18]
    answer = http.get("/v1/shape?table=%22G%20Weird%22&offset=-1")
    assert rows(answer) == [item(("public", "G Weird"), '/"1"/"x//y"',
                                 {"Id": "1", "a b": "x/y", 'q"q': "z"})]
    assert json.loads(answer.headers["electric-schema"]) == {
        "Id": {"type": "int4", "not_null": True, "pk_index": 0},
        "a b": {"type": "text", "not_null": True, "pk_index": 1}, 'q"q': {"type": "text"}}
    some = http.shape(table='"G Weird"', offset="-1", columns='"Id","a b"')
    assert [row["value"] for row in rows(some)] == [{"Id": "1", "a b": "x/y"}]


def test_no_key(http):  # [18]
    answer = http.shape(table="g_nopk", offset="-1")
    assert rows(answer) == [item(("public", "g_nopk"), '/"1"/"x"', {"a": "1", "b": "x"}),
                            item(("public", "g_nopk"), '/"1"/_', {"a": "1", "b": None})]
    assert json.loads(answer.headers["electric-schema"]) == {"a": {"type": "int4"},
                                                             "b": {"type": "text"}}


def test_offset_now(http):  # [16]
    answer = http.shape(table="g_items", offset="now")
    assert answer.status == 200
    headers = answer.headers
    assert headers["electric-offset"] == "0_inf"
    assert headers["electric-up-to-date"] == ""
    assert headers["electric-has-data"] == "false"
    assert headers["cache-control"] == "public, max-age=60, stale-while-revalidate=300"
    assert headers["etag"].startswith(f'"{headers["electric-handle"]}:now:0_inf:')
    assert json.loads(headers["electric-schema"]) == ITEMS_SCHEMA
    (control,) = answer.json()
    assert control["headers"]["control"] == "up-to-date"
    assert control["headers"]["global_last_seen_lsn"].isdigit()


def test_replica_full_is_another_shape(http):
    full = http.shape(table="g_items", offset="-1", replica="full")
    assert rows(full) == FIRST_ITEMS
    own = http.shape(table="g_items", offset="-1")
    assert full.headers["electric-handle"] != own.headers["electric-handle"]


def test_null_bytes_and_bad_utf8_are_refused(http):
    for query in ("table=g_items%00&offset=-1", "table=%ff%fe&offset=-1"):
        assert http.get("/v1/shape?" + query).status == 400, query
    assert http.get("/v1/health").status == 200
