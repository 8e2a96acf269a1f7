"""http-api §7: live answers as server-sent events."""
import json
import socket
import time

import pytest

from pylib.wait import patience, until


class Stream:
    """One request on a socket of its own; `events` grows while it is read."""

    def __init__(self, port, params, version="1.1"):
        query = "&".join(f"{name}={value}" for name, value in params.items())
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(f"GET /v1/shape?{query} HTTP/{version}\r\nhost: x\r\n\r\n".encode())
        self.raw = b""
        self.is_closed = False

    def read(self, seconds=0.2):
        self.socket.settimeout(seconds)
        try:
            part = self.socket.recv(1 << 20)
            self.is_closed = self.is_closed or not part
            self.raw += part
        except TimeoutError:
            pass

    @property
    def head(self):
        lines = self.raw.split(b"\r\n\r\n")[0].decode().split("\r\n")
        return lines[0].split()[1], dict(line.split(": ", 1) for line in lines[1:] if ": " in line)

    def body(self):
        """The body so far, and whether it has ended."""
        _, _, rest = self.raw.partition(b"\r\n\r\n")
        if self.head[1].get("transfer-encoding") != "chunked":
            size = self.head[1].get("content-length")
            return rest, self.is_closed or (size is not None and len(rest) == int(size))
        body = b""
        while b"\r\n" in rest:
            size, _, after = rest.partition(b"\r\n")
            size = int(size, 16)
            if size == 0:
                return body, True
            if len(after) < size + 2:
                break
            body += after[:size]
            rest = after[size + 2:]
        return body, False

    def items(self):
        text = self.body()[0].decode()
        assert text == "" or text.endswith("\n\n")
        events = text.split("\n\n")[:-1]
        assert all(event.startswith("data: ") for event in events if event != ": keep-alive")
        return [json.loads(event[6:]) for event in events if event != ": keep-alive"]

    def wait_items(self, count):
        def look():
            self.read()
            return b"\r\n\r\n" in self.raw and len(self.items()) >= count
        until(f"{count} events", look)
        return self.items()

    def wait_end(self, seconds=10):
        def look():
            self.read()
            return b"\r\n\r\n" in self.raw and self.body()[1]
        until("the stream's end", look, seconds)

    def close(self):
        self.socket.close()


@pytest.fixture
def table(module_database):
    name = f"s_{time.monotonic_ns():x}"
    module_database.run(f"CREATE TABLE {name} (id int PRIMARY KEY, v text)")
    return name


@pytest.fixture
def client(module_engine, table):
    made = module_engine.client(table).sync()
    yield made
    made.close()


def live(client):
    return {**client.query(live=True), "live_sse": "true"}


def is_up_to_date(item):
    return item["headers"].get("control") == "up-to-date"


def test_what_is_there_is_one_answer(client, module_engine, module_database, table):  # [30]
    query = live(client)
    text = 'a "},{ \\ b\nc'
    module_database.run(f"INSERT INTO {table} VALUES (1, %s), (2, 'y')", [text])
    client.live_until(lambda c: len(c.rows) == 2)
    stream = Stream(module_engine.port, query)
    stream.wait_end()
    status, headers = stream.head
    assert status == "200"
    assert headers["content-type"] == "text/event-stream"
    assert headers["cache-control"] == "public, max-age=59"
    assert headers["electric-offset"] == client.offset
    assert headers["electric-has-data"] == "true"
    assert headers["etag"] == f'"{client.handle}:{query["offset"]}:{client.offset}"'
    assert "electric-cursor" in headers and "electric-up-to-date" in headers
    assert "electric-schema" not in headers
    items = stream.items()
    assert [item["value"]["v"] for item in items[:2]] == [text, "y"]
    assert is_up_to_date(items[2]) and len(items) == 3
    stream.close()


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_stream_goes_on(client, module_engine, module_database, table, version):  # [30]
    streams = [Stream(module_engine.port, live(client), version) for _ in range(3)]
    time.sleep(0.3)
    for number in range(1, 4):
        module_database.run(f"INSERT INTO {table} VALUES ({number}, 'x')")
        for stream in streams:
            items = stream.wait_items(2 * number)
            assert [is_up_to_date(item) for item in items] == [False, True] * number
            assert items[-2]["value"] == {"id": str(number), "v": "x"}
            lsn = items[-1]["headers"]["global_last_seen_lsn"]
            assert lsn == items[-2]["headers"]["lsn"]
    time.sleep(1.7)  # the long-poll time of the others says nothing about streams
    for stream in streams:
        stream.read()
        assert not stream.body()[1]
        status, headers = stream.head
        assert (status, headers["content-type"]) == ("200", "text/event-stream")
        assert headers["electric-offset"] == client.offset
        stream.close()


def test_more_than_a_hint_carries(client, module_engine, module_database, table):
    stream = Stream(module_engine.port, live(client))
    time.sleep(0.3)
    module_database.run(f"INSERT INTO {table} SELECT i, repeat('x', 100) "
                        "FROM generate_series(1, 3000) i")
    items = stream.wait_items(3001)
    assert [item["value"]["id"] for item in items[:-1]] == [str(i) for i in range(1, 3001)]
    assert is_up_to_date(items[-1])
    stream.close()


KEEP_ALIVE = 21.0


def test_a_quiet_stream_is_kept_alive(client, module_engine, module_database, table):  # [29]
    """A comment 21 s after the last message, or after the head; no sooner, no later."""
    module_database.run(f"CREATE TABLE {table}_quiet (id int PRIMARY KEY)")
    other = module_engine.client(f"{table}_quiet").sync()
    quiet, spoken_to = Stream(module_engine.port, live(other)), Stream(module_engine.port, live(client))
    began = {quiet: time.monotonic()}
    time.sleep(3)
    module_database.run(f"INSERT INTO {table} VALUES (1, 'x')")
    assert len(spoken_to.wait_items(2)) == 2
    began[spoken_to] = time.monotonic()
    took = {}

    def look():
        for stream in (quiet, spoken_to):
            stream.read(0.05)
            if stream not in took and b": keep-alive\n\n" in stream.raw:
                took[stream] = time.monotonic() - began[stream]
        return len(took) == 2

    until("a comment on both", look, KEEP_ALIVE + 5)
    assert all(KEEP_ALIVE - 0.5 < seconds < KEEP_ALIVE + patience(1) for seconds in took.values()), took
    assert quiet.items() == [] and len(spoken_to.items()) == 2
    for stream in (quiet, spoken_to):
        assert not stream.body()[1] and stream.body()[0].count(b": keep-alive\n\n") == 1
        stream.close()
    other.close()


def test_rotation_ends_the_stream_without_a_word(client, module_engine, module_database, table):
    query = live(client)  # [30]
    stream = Stream(module_engine.port, query)
    time.sleep(0.3)
    module_database.run(f"TRUNCATE {table}")
    stream.wait_end()
    assert stream.items() == []
    stream.close()
    again = Stream(module_engine.port, query)
    again.wait_end()
    status, headers = again.head
    assert status == "409" and headers["content-type"] == "application/json; charset=utf-8"
    assert headers["electric-handle"] != client.handle
    again.close()


def test_errors_are_plain_answers(client, module_engine, table):  # [30]
    http = module_engine.http()
    wrong = http.get("/v1/shape", {**live(client), "offset": "x"})
    assert wrong.status == 400
    assert wrong.headers["content-type"] == "application/json; charset=utf-8"
    beyond = http.get("/v1/shape", {**live(client), "offset": "999999999999_0"})
    assert beyond.json()["errors"] == {"offset": ["out of bounds for this shape"]}


def test_head_has_no_stream(client, module_engine):
    answer = module_engine.http().request("HEAD", "/v1/shape", live(client))
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["content-type"] == "text/event-stream"
