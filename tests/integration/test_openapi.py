"""docs/openapi.json is what the API does: real answers are compared with it."""
import json
import re
import threading
import warnings
from contextlib import closing

import jsonschema
import pytest

from pylib.engine import ROOT, Engine
from pylib.wait import until

DOCUMENT = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
ADMIN = "admin-of-the-test"
BEARER = {"Authorization": f"Bearer {ADMIN}"}
METHODS = ("get", "head", "post", "delete", "options")

# What no healthy engine says: [33] to [35] have tests of their own.
NOT_PROVOKED = {("/v1/shapes", "503"), ("/v1/shapes/{handle}", "503"), ("/v1/status", "503"),
                ("/readyz", "503"), ("/startupz", "503"), ("/v1/health", "202")}


def resolve(node):
    while "$ref" in node:
        found = DOCUMENT
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def check(schema, value):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        jsonschema.Draft202012Validator(
            {**schema, "components": DOCUMENT["components"]}).validate(value)


def template(path):
    """The documented path that a request's path is."""
    path = path.partition("?")[0]
    for known in DOCUMENT["paths"]:
        if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", known), path):
            return known
    raise AssertionError(f"{path} is not documented")


class Checked:
    """Asks, and compares each answer with the document."""

    def __init__(self, engine):
        self.engine = engine
        self.seen = set()

    def __call__(self, method, target, body=None, headers=None):
        answer = self.engine.http().request(method, target, headers=headers, body=body)
        path = template(target)
        responses = DOCUMENT["paths"][path][method.lower()]["responses"]
        assert str(answer.status) in responses, f"{method} {target}: {answer}"
        self.seen.add((path, method.lower(), str(answer.status)))
        self.compare(responses[str(answer.status)], answer, f"{method} {target}")
        return answer

    def compare(self, response, answer, what):
        for name, header in response["headers"].items():
            header = resolve(header)
            if name in answer.headers:
                check(header["schema"], answer.headers[name])
            else:
                assert not header.get("required"), f"{what}: no {name} in {answer}"
        known = set(response["headers"])
        ours = {name for name in answer.headers if name.startswith("electric-")}
        assert ours <= known, f"{what}: {ours - known} are not documented"
        if "content" not in response:
            assert answer.body == b"", f"{what}: {answer}"
            return
        media = response["content"].get(answer.headers["content-type"])
        assert media is not None, f"{what}: {answer.headers['content-type']}"
        is_json = answer.headers["content-type"].startswith("application/json")
        text = answer.body.decode("utf-8")
        check(media["schema"], json.loads(text) if is_json else text)


@pytest.fixture(scope="module")
def ask(cluster):
    database = cluster.create_database()
    database.run("CREATE TABLE o (id int PRIMARY KEY, v text); INSERT INTO o VALUES (1, 'a'), (2, NULL)")
    engine = Engine(database.url, database.stream, {
        "ELECTRIC_LONG_POLL_TIMEOUT": "500ms", "ELECTRIC_SECRET": "s", "ELECTRIC_INSECURE": None,
        "SHAPEWIRE_ADMIN_SECRET": ADMIN,
        "ELECTRIC_MAX_CONCURRENT_REQUESTS": '{"initial":1,"existing":20}'})
    made = Checked(engine)
    made.database = database
    try:
        engine.start()
        yield made
        engine.stop()
    finally:
        engine.destroy()
        database.drop()


def test_the_document_is_one():
    assert DOCUMENT["openapi"].startswith("3.1.")
    names, operations = set(), []
    for path, item in DOCUMENT["paths"].items():
        assert path.startswith("/") and set(item) <= set(METHODS)
        operations += item.values()
    for operation in operations:
        assert operation["operationId"] not in names and operation["responses"]
        names.add(operation["operationId"])
        for parameter in operation.get("parameters", []):
            assert parameter["in"] in ("query", "header", "path") and "schema" in parameter
        for response in operation["responses"].values():
            assert "description" in response

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                resolve(node)
            for key, value in node.items():
                if key == "schema":
                    jsonschema.Draft202012Validator.check_schema(value)
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(DOCUMENT)
    for schema in DOCUMENT["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_a_wrong_answer_would_show(ask):
    """The comparison can fail."""
    answer = ask("GET", "/v1/shape?table=o&offset=-1&secret=s")
    response = DOCUMENT["paths"]["/v1/shape"]["get"]["responses"]["200"]
    wrong = type(answer)(200, answer.headers, answer.body.replace(b'"insert"', b'"inserted"'))
    with pytest.raises(jsonschema.ValidationError):
        ask.compare(response, wrong, "")
    for name in ("electric-handle", "cache-control", "vary"):
        less = {key: value for key, value in answer.headers.items() if key != name}
        with pytest.raises(AssertionError):
            ask.compare(response, type(answer)(200, less, answer.body), "")


def test_answers(ask):
    first = ask("GET", "/v1/shape?table=o&offset=-1&secret=s")
    handle = first.headers["electric-handle"]
    shape = f"/v1/shape?table=o&handle={handle}&secret=s"
    ask.database.run("UPDATE o SET v = 'b' WHERE id = 1; UPDATE o SET id = 3 WHERE id = 2; DELETE FROM o")
    until("the changes", lambda: len(ask("GET", f"{shape}&offset=0_inf").json()) == 6)
    full = "/v1/shape?table=o&replica=full&secret=s"
    whole = ask("GET", f"{full}&offset=-1").headers["electric-handle"]
    ask.database.run("INSERT INTO o VALUES (7, 'x'); UPDATE o SET v = 'y'")
    until("the changes", lambda: len(
        ask("GET", f"{full}&handle={whole}&offset=0_inf").json()) == 3)
    end = ask("GET", f"{full}&offset=now").headers["electric-offset"]
    ask("GET", f"{full}&handle={whole}&offset={end}&live=true")
    ask("GET", f"{full}&handle={whole}&offset=0_inf&live=true")
    ask("GET", f"{full}&handle={whole}&offset=0_inf&live=true&live_sse=true")
    subset = "&offset=-1&subset__where=id%20%3E%200&subset__order_by=id&subset__limit=5"
    ask("GET", shape + subset)
    ask("GET", shape + "&offset=-1&subset__limit=5")
    for same in ("GET", "HEAD", "POST"):
        ask(same, f"{shape}&offset=-1")
        ask(same, f"{shape}&offset=0_0&live=true&live_sse=false")
        ask(same, "/v1/shape?secret=s&offset=x")
        ask(same, "/v1/shape?table=o&offset=-1")
        ask(same, "/v1/shape?table=o&offset=0_0&handle=1-2&secret=s")
        ask(same, "/v1/shape?table=o&offset=-1&secret=s&where=(v%7C%7C%27q%27)%3A%3Aint%20%3D%201")
    tag = {"If-None-Match": first.headers["etag"]}
    ask("GET", f"{shape}&offset=-1", headers=tag)
    ask("HEAD", f"{shape}&offset=-1", headers=tag)
    ask("POST", "/v1/shape?secret=s", body='{"table":"o","offset":"-1"}')
    ask("POST", f"{shape}&offset=-1", body='{"where":"id > $1","params":{"1":"0"}}')
    ask("POST", f"{shape}&offset=-1", body="[]")
    ask("POST", f"{shape}&offset=-1", body="{")
    ask("OPTIONS", "/v1/shape", headers={"Access-Control-Request-Headers": "if-none-match"})
    for target in ("/", "/v1/health", "/v1/status", "/livez", "/readyz", "/startupz"):
        ask("GET", target)
        ask("HEAD", target)


def test_overload(ask):
    ask.database.run("CREATE TABLE busy (id int PRIMARY KEY); CREATE TABLE more (id int PRIMARY KEY)")
    with closing(ask.database.writer()) as writer:
        writer.cursor().execute("INSERT INTO busy VALUES (1)")

        other = threading.Thread(target=ask.engine.http().get,
                                 args=("/v1/shape?table=busy&offset=-1&secret=s",))
        other.start()
        ask.engine.wait_log(r"event=shape_created .*public\.busy")
        number = iter(range(1000))  # each a shape that is not there yet
        target = "/v1/shape?table=more&offset=-1&secret=s&where=id%20%3D%20"
        for method in ("GET", "HEAD", "POST"):
            until("503", lambda: ask(method, f"{target}{next(number)}").status == 503)
        writer.commit()
        other.join()


def test_operators(ask):
    handle = ask("GET", "/v1/shape?table=o&offset=-1&where=id%3D1&secret=s").headers["electric-handle"]
    for method in ("GET", "HEAD"):
        ask(method, "/v1/shapes", headers=BEARER)
        ask(method, "/v1/shapes")
        ask(method, "/v1/shapes?limit=0", headers=BEARER)
    ask("DELETE", f"/v1/shapes/{handle}")
    ask("DELETE", f"/v1/shapes/{handle}", headers=BEARER)
    ask("DELETE", f"/v1/shapes/{handle}", headers=BEARER)
    ask("DELETE", "/v1/shape?table=o&secret=s")
    ask("DELETE", "/v1/shape?table=o")
    ask("DELETE", f"/v1/shape?table=o&secret={ADMIN}")
    ask("DELETE", f"/v1/shape?table=o&secret={ADMIN}")
    ask("DELETE", f"/v1/shape?secret={ADMIN}")


def test_everything_was_seen(ask):
    """Each documented status of each method, but for what a healthy engine does not say."""
    documented = {(path, method, status) for path, item in DOCUMENT["paths"].items()
                  for method, operation in item.items() for status in operation["responses"]}
    missing = {each for each in documented - ask.seen
               if (each[0], each[2]) not in NOT_PROVOKED and each[2] != "413"}
    missing -= {("/v1/shapes", "get", "404"), ("/v1/shapes", "head", "404"),
                ("/v1/shape", "delete", "503")}
    assert not missing
