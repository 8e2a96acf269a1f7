"""The reference client, following its shape by server-sent events (http-api §7)."""
import http.client
import json
import time
import urllib.parse

from pylib.client import Refused, Response, ShapeClient


class EventClient(ShapeClient):
    """A ShapeClient whose live requests are streams; each up-to-date is a place to go on from."""

    def query(self, live=False):
        query = super().query(live)
        if live:
            query["live_sse"] = "true"
        return query

    def poll(self, live=False, seconds=60):
        if not live:
            return super().poll(live, seconds)
        response = self._stream(time.monotonic() + seconds)
        if response is not None and response.status == 409:
            self._refetch(response)
        return response

    def _open(self):
        connection = http.client.HTTPConnection(self.http.host, self.http.port,
                                                timeout=self.http.timeout)
        self.http.close()
        self.http.connection = connection  # stop() ends it there
        query = "&".join(f"{name}={urllib.parse.quote(str(value), safe='')}"
                         for name, value in self.query(live=True).items())
        connection.request("GET", "/v1/shape?" + query)
        return connection.getresponse()

    def _stream(self, deadline):
        """One stream to its end. None: it ended, or broke and may be asked for again."""
        try:
            answer = self._open()
            headers = {name.lower(): value for name, value in answer.getheaders()}
            if answer.status != 200:
                return self._other(Response(answer.status, headers, answer.read()))
            assert headers["content-type"] == "text/event-stream", headers
            assert headers["electric-handle"] == self.handle, (self.handle, headers)
            self.cursor = headers["electric-cursor"]
            for line in answer:
                if line.startswith(b"data: "):
                    self._take(json.loads(line[6:]))
            self._go_back()
        except (OSError, http.client.HTTPException) as error:
            self._go_back()
            if not self.retry or time.monotonic() > deadline or self._leave.is_set():
                raise
            self.failures.append(repr(error))
            self.retried += 1
            time.sleep(0.1)
        return None

    def _other(self, response):
        if response.status == 409:
            return response
        if not self.retry or (response.status < 500 and response.status != 429):
            raise Refused(response)
        self.failures.append(repr(response))
        self.retried += 1
        time.sleep(0.1)
        return None

    def _take(self, item):
        """Items are applied at their up-to-date: a stream that breaks before it is asked again."""
        if item["headers"].get("control") != "up-to-date":
            self.waiting.append(item)
            return
        for each in self.waiting:
            self.apply(each)
        self.waiting = []
        self.apply(item)
        assert self.open_transaction is None, f"up-to-date inside {self.open_transaction}"
        if self.position > (0, -1):
            self.offset = "{}_{}".format(*self.position)

    def _go_back(self):
        """To the last up-to-date: what came after it comes again."""
        self.http.close()
        self.waiting = []

    def _begin(self):
        super()._begin()
        self.waiting = []
