"""The reference's own answers, one after the other: golden/http.txt holds 145 requests and an event
stream, what Electric 1.7.12 said to each, and what changed in the tables meanwhile.

Compared are the status, each header that is shown (and that no other of ours is there), and the body
as far as it is shown; JSON members in any order; handles, LSNs and transaction ids by what stands for
them. What we answer otherwise on purpose is listed, with the reason, in docs/compatibility.md.
"""
import threading
import time
import urllib.parse

import pytest

from pylib import golden
from pylib.engine import Engine
from pylib.wait import patience, until

LONG_POLL = 2.0  # the record's is 20 s
RECORDED_LONG_POLL = 20.0

EXCHANGES = golden.read()
EXCEPTIONS = golden.exceptions()


class Replay:
    """The engine, and how far the record is."""

    def __init__(self, engine, database):
        self.engine = engine
        self.database = database
        self.names = golden.Names()
        self.asked = 0

    def ask(self, exchange):
        """(answer, seconds)"""
        for sql in exchange.before:
            self.database.run(sql)
        if exchange.before:  # the engine has it once it says so to Postgres
            lsn = self.database.lsn()
            until("the change to arrive", lambda: self.database.confirmed() >= lsn)
        during = threading.Timer(0.4, self._change, [exchange.during])
        if exchange.during:
            during.start()
        http = self.engine.http()
        http.timeout = patience(30)
        began = time.monotonic()
        answer = http.request(exchange.method, self.names.fill(exchange.target),
                              headers=self._filled(exchange.request_headers),
                              body=exchange.request_body)
        seconds = time.monotonic() - began
        http.close()
        if exchange.during:
            during.join()
        return answer, seconds

    def _filled(self, headers):
        return {name: self.names.fill(value) for name, value in headers.items()}

    def _change(self, statements):
        writer = self.database.writer()
        for sql in statements:
            writer.cursor().execute(sql)
        writer.commit()
        writer.close()


@pytest.fixture(scope="module")
def replay(cluster, reader_settings):
    database = cluster.create_database()
    database.run((golden.FOLDER / "tables.sql").read_text(encoding="utf-8"))
    settings = {"ELECTRIC_LONG_POLL_TIMEOUT": f"{int(LONG_POLL * 1000)}ms",
                "ELECTRIC_ENABLE_INTEGRATION_TESTING": "true", **reader_settings()}
    engine = Engine(database.url, database.stream, settings)
    try:
        yield Replay(engine.start(), database)
        engine.stop()
    finally:
        engine.destroy()
        database.drop()


def test_record_is_whole():
    """145 requests and the stream; each exception names one of them."""
    assert len(EXCHANGES) == 146
    lines = {exchange.line for exchange in EXCHANGES}
    assert set(EXCEPTIONS) <= lines, set(EXCEPTIONS) - lines


def accepted_rows(replay, exchange, answer):
    """What our where language accepts beyond the reference: the rows are those of Postgres."""
    query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(exchange.target).query))
    want = replay.database.table(query["table"], query["where"])
    have = [item["value"] for item in answer.json() if "value" in item]
    assert sorted(map(as_list, have)) == sorted(map(as_list, want.values())), answer


def as_list(row):
    return str(sorted(row.items()))


def is_otherwise(replay, exchange, answer):
    """Checks what is otherwise on purpose; False: compare the whole answer."""
    recorded, ours = EXCEPTIONS.get(exchange.line, (exchange.status, exchange.status))
    replay.names.may_share = exchange.line in EXCEPTIONS
    assert (recorded, ours) == (exchange.status, answer.status), answer
    if recorded == ours == 200:
        # Up to date at once, where the reference says [] before it.
        return exchange.body == "[]" and "electric-up-to-date" in answer.headers
    if ours == 200:
        accepted_rows(replay, exchange, answer)
    return exchange.line in EXCEPTIONS


@pytest.mark.parametrize("number", range(len(EXCHANGES)),
                         ids=[f"{n}-{e.method}-{e.part}" for n, e in enumerate(EXCHANGES)])
def test_exchange(replay, number):
    exchange = EXCHANGES[number]
    if number != replay.asked:
        pytest.fail(f"exchange {number} needs those before it: run the whole file")
    replay.asked += 1
    answer, seconds = replay.ask(exchange)
    try:
        if is_otherwise(replay, exchange, answer):
            return
        assert answer.status == exchange.status, answer
        golden.compare_headers(exchange, answer.headers, replay.names)
        golden.compare_body(exchange, answer.body, replay.names)
        if exchange.seconds >= 10:  # a time-out, or half of one
            assert seconds >= exchange.seconds * LONG_POLL / RECORDED_LONG_POLL * 0.95, seconds
    except AssertionError as problem:
        raise AssertionError(f"{exchange.line}: {problem}") from problem
