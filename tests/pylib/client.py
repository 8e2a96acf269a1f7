"""A reference client of the HTTP shape API: strict where the published ones are lenient.

It follows offset, handle, cursor and 409 as http-api §13 says, keeps the rows by key, and fails
on whatever may not happen: an insert of a key that is there, an update or delete of one that is
not, a log position that does not grow, a transaction without exactly one `last`.
"""
import http.client
import json
import threading
import time
import urllib.parse

from pylib.wait import patience

MUST_REFETCH = "must-refetch"


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.headers} {self.body[:300]!r}>"


class Http:
    """One keep-alive connection, made anew when the server has closed it."""

    def __init__(self, port, host="127.0.0.1", timeout=90):
        self.port = port
        self.host = host
        self.timeout = timeout
        self.connection = None
        self.is_leaving = False  # nothing is asked again

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def _exchange(self, method, target, headers, body):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)
        self.connection.request(method, target, body=body, headers=headers or {})
        answer = self.connection.getresponse()
        data = answer.read()
        names = {name.lower(): value.encode("latin-1").decode("utf-8")
                 for name, value in answer.getheaders()}
        if answer.will_close:
            self.close()
        return Response(answer.status, names, data)

    def request(self, method, target, params=None, headers=None, body=None):
        if params:
            target += "?" + urllib.parse.urlencode(params)
        reused = self.connection is not None
        try:
            return self._exchange(method, target, headers, body)
        except (OSError, http.client.HTTPException):
            self.close()
            if not reused or self.is_leaving:
                raise
        try:
            return self._exchange(method, target, headers, body)
        except BaseException:
            self.close()
            raise

    def get(self, target, params=None, headers=None):
        return self.request("GET", target, params, headers)

    def shape(self, **params):
        """GET /v1/shape with these parameters."""
        return self.get("/v1/shape", params)


class Refused(Exception):
    """The server answered with an error that a client does not retry."""

    def __init__(self, response):
        super().__init__(repr(response))
        self.response = response


class ShapeClient:
    """A materialised shape.

    retry: network errors and 5xx are retried as the published client does (their count is in
    .retried); without it they are raised.
    keep_log: keep every change item in .log.
    """

    def __init__(self, port, table, retry=False, keep_log=True, **params):
        self.http = Http(port)
        self.params = {"table": table, **params}
        self.retry = retry
        self.keep_log = keep_log
        self.handle = None
        self.handles = []
        self.schema = None
        self.refetches = 0
        self.retried = 0
        self.failures = []
        self._thread = None
        self._leave = threading.Event()
        self._begin()

    def _begin(self):
        self.offset = "-1"
        self.cursor = None
        self.up_to_date = False
        self.rows = {}
        self.log = []
        self.snapshot_rows = 0
        self.changes = 0
        self.marks = None
        self.position = (0, -1)
        self.open_transaction = None  # LSN of the one whose `last` has not come
        self.seen_lsn = 0

    def close(self):
        self.stop()
        self.http.close()

    # One request

    def query(self, live=False):
        query = dict(self.params)
        query["offset"] = self.offset
        if self.handle is not None:
            query["handle"] = self.handle
        if live:
            query["live"] = "true"
            if self.cursor is not None:
                query["cursor"] = self.cursor
        return query

    def _ask(self, live, deadline):
        while True:
            try:
                response = self.http.get("/v1/shape", self.query(live))
            except (OSError, http.client.HTTPException) as error:
                if not self.retry or time.monotonic() > deadline or self._leave.is_set():
                    raise
                self.failures.append(repr(error))
            else:
                if response.status < 500 and response.status != 429:
                    return response
                if not self.retry or time.monotonic() > deadline or self._leave.is_set():
                    raise Refused(response)
                self.failures.append(repr(response))
            self.retried += 1
            time.sleep(0.1)

    def poll(self, live=False, seconds=60):
        """One request and what its answer says. Returns the response."""
        response = self._ask(live, time.monotonic() + patience(seconds))
        if response.status == 409:
            self._refetch(response)
            return response
        if response.status != 200:
            raise Refused(response)
        headers = response.headers
        for name in ("electric-offset", "electric-handle"):
            assert name in headers, f"no {name} in {response}"
        assert ("electric-schema" in headers) == (not live), response
        if live:
            assert "electric-cursor" in headers, response
            self.cursor = headers["electric-cursor"]
        else:
            self.schema = json.loads(headers["electric-schema"])
        if self.handle is None:
            self.handles.append(headers["electric-handle"])
        else:
            assert headers["electric-handle"] == self.handle, (self.handle, response)
        self.handle = headers["electric-handle"]
        for item in response.json():
            self.apply(item)
        self.offset = headers["electric-offset"]
        self.up_to_date = "electric-up-to-date" in headers
        if self.up_to_date:
            assert self.open_transaction is None, f"up-to-date inside {self.open_transaction}"
        return response

    def _refetch(self, response):
        assert response.json() == [{"headers": {"control": MUST_REFETCH}}], response
        self.refetches += 1
        self._begin()
        self.handle = None

    # Items

    def apply(self, item):
        headers = item["headers"]
        control = headers.get("control")
        if control == "snapshot-end":
            assert self.marks is None, "a second snapshot-end"
            self.marks = headers
        elif control == "up-to-date":
            self.seen_lsn = int(headers["global_last_seen_lsn"])
        else:
            assert control is None, f"unexpected control item {item}"
            self._apply_row(item)

    def _apply_row(self, item):
        headers = item["headers"]
        key, operation = item["key"], headers["operation"]
        if "lsn" in headers:
            self._follow(item)
        else:
            assert self.marks is None and operation == "insert", f"snapshot row {item}"
            self.snapshot_rows += 1
        if operation == "insert":
            assert key not in self.rows, f"inserted twice: {item}"
            self.rows[key] = item["value"]
        elif operation == "update":
            assert key in self.rows, f"updated before it was inserted: {item}"
            self.rows[key] = {**self.rows[key], **item["value"]}
        elif operation == "delete":
            assert key in self.rows, f"deleted before it was inserted: {item}"
            del self.rows[key]
        else:
            raise AssertionError(f"unknown operation {item}")

    def _follow(self, item):
        headers = item["headers"]
        position = (int(headers["lsn"]), headers["op_position"])
        assert position > self.position, f"{item} after {self.position}"
        assert position[0] >= self.seen_lsn, f"{item} was said to have come: {self.seen_lsn}"
        assert self.open_transaction in (None, position[0]), f"no last before {item}"
        assert self.open_transaction is not None or position[0] > self.position[0], \
            f"a second last in {position[0]}: {item}"
        self.position = position
        self.open_transaction = None if headers.get("last") else position[0]
        self.changes += 1
        if self.keep_log:
            self.log.append(item)

    # Many requests

    def sync(self, seconds=60):
        """Reads without waiting until up to date."""
        deadline = time.monotonic() + patience(seconds)
        while True:
            self.poll(seconds=seconds)
            if self.up_to_date:
                return self
            assert time.monotonic() < deadline, "not up to date in time"

    def live_until(self, check, seconds=20):
        """Long polls until check(self) is true."""
        seconds = patience(seconds)
        deadline = time.monotonic() + seconds
        self.http.timeout = seconds
        while not check(self):
            assert time.monotonic() < deadline, f"{seconds} s over; {len(self.rows)} rows"
            self.poll(live=self.up_to_date)
        return self

    def start(self):
        """Follows the shape in a thread until stop(), which raises what went wrong there."""
        self._error = None
        self._leave.clear()
        self.http.is_leaving = False
        self._thread = threading.Thread(target=self._follow_shape, daemon=True)
        self._thread.start()
        return self

    def _follow_shape(self):
        try:
            while not self._leave.is_set():
                self.poll(live=self.up_to_date)
        except BaseException as error:
            if not self._leave.is_set() or isinstance(error, AssertionError):
                self._error = error

    def check(self):
        """Raises what went wrong in the thread."""
        if self._thread is not None and self._error is not None:
            raise self._error

    def stop(self):
        """Ends the thread after the request that is under way."""
        if self._thread is None:
            return
        self._leave.set()
        self.http.is_leaving = True
        connection = self.http.connection
        if connection is not None and connection.sock is not None:
            try:
                connection.sock.shutdown(2)
            except OSError:
                pass
        self._thread.join(30)
        assert not self._thread.is_alive(), "the client's thread does not end"
        self.check()
        self._thread = None

    # Comparison

    def table(self, key=None):
        """As Database.table(): {key tuple: row}. Without key columns the whole row is the key."""
        if key is None:
            key = sorted((column for column, what in (self.schema or {}).items()
                          if "pk_index" in what), key=lambda c: self.schema[c]["pk_index"])
        rows = {}
        for row in list(self.rows.values()):  # in one go: a thread may be following the shape
            names = key or list(self.schema)
            rows[tuple(row[column] for column in names)] = row
        return rows


def difference(have, want, limit=5):
    """What of `have` (a client's rows) is not as in `want` (Postgres'), as text; '' if equal."""
    missing = [key for key in want if key not in have]
    extra = [key for key in have if key not in want]
    other = [key for key in want if key in have and have[key] != want[key]]
    if not missing and not extra and not other:
        return ""
    lines = [f"{len(have)} rows, {len(want)} in Postgres: {len(missing)} missing,"
             f" {len(extra)} too many, {len(other)} different"]
    lines += [f"missing {key}" for key in missing[:limit]]
    lines += [f"too many {key}" for key in extra[:limit]]
    lines += [f"{key}: {have[key]} instead of {want[key]}" for key in other[:limit]]
    return "\n".join(lines)


def assert_equal(client, database, table, seconds=20, where=None, columns=None):
    """Follows the shape until it equals the table, which nobody changes meanwhile."""
    want = database.table(table, where, columns)
    seconds = patience(seconds)
    deadline = time.monotonic() + seconds
    client.http.timeout = seconds
    while True:
        client.check()
        if client._thread is None:
            client.sync(seconds)
        if client.up_to_date or client._thread is not None:
            problem = difference(client.table(), want)
            if not problem:
                return
        assert time.monotonic() < deadline, problem
        time.sleep(0.05)


def visible(xid, marks):
    """Whether a transaction (64-bit id) is in the snapshot that snapshot-end describes."""
    xmin, xmax = int(marks["xmin"]), int(marks["xmax"])
    if xid < xmin:
        return True
    return xid < xmax and xid not in {int(x) for x in marks["xip_list"]}
