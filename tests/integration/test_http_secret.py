"""http-api [3]: the secret."""
import pytest

SECRET = "s3cret-of-the-test"
UNAUTHORIZED = {"message": "Unauthorized - Invalid API secret"}


@pytest.fixture
def http(database, make_engine):
    database.run("CREATE TABLE items (id int PRIMARY KEY)")
    engine = make_engine(database, ELECTRIC_SECRET=SECRET, ELECTRIC_INSECURE=None)
    return engine.start().http()


def test_secret(http):
    first = {"table": "items", "offset": "-1"}
    for method in ("GET", "HEAD", "POST", "DELETE"):
        for given in ({}, {"secret": "wrong"}, {"secret": ""}, {"secret": SECRET + "x"},
                      {"secret": SECRET[:-1]}, {"api_secret": "wrong"}):
            answer = http.request(method, "/v1/shape", {**first, **given})
            assert answer.status == 401, (method, given, answer)
            if method != "HEAD":
                assert answer.json() == UNAUTHORIZED
            assert answer.headers["cache-control"] in ("no-store", "no-cache")
    for target in ("//v1/shape", "/v1/shape/", "/v1/%73hape", "/v1/./shape"):
        answer = http.get(target, first)
        assert answer.status in (401, 404), (target, answer)
        assert b"relation" not in answer.body
    for name in ("secret", "api_secret"):
        assert http.get("/v1/shape", {**first, name: SECRET}).status == 200
    assert http.get("/").status == 200
    assert http.get("/v1/health").status == 200
    assert http.request("OPTIONS", "/v1/shape").status == 204
