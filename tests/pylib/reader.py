"""Somebody who reads an existing shape all the time, and remembers how it went."""
import http.client
import threading
import time

from pylib.client import Http

READ_MS = 500  # a read that takes longer counts as failed


class Reader(threading.Thread):
    """Asks for what is there, without waiting for more, about fifty times a second."""

    def __init__(self, port, client):
        super().__init__(daemon=True)
        self.port = port
        self.query = {**client.params, "offset": "-1", "handle": client.handle}
        self.leave = threading.Event()
        self.answers = []  # (when it was asked, how long it took, None or what was wrong)

    def run(self):
        reader = Http(self.port, timeout=10)
        while not self.leave.is_set():
            began = time.monotonic()
            wrong = None
            try:
                answer = reader.get("/v1/shape", self.query)
                if answer.status != 200:
                    wrong = f"{answer.status} {answer.body[:80]!r}"
            except (OSError, http.client.HTTPException) as error:
                wrong = type(error).__name__
                reader.close()
            took = time.monotonic() - began
            if wrong is None and took * 1000 > READ_MS:
                wrong = "slow"
            self.answers.append((began, took, wrong))
            time.sleep(0.02)

    def stop(self):
        self.leave.set()
        self.join(20)

    def longest_pause(self, since=0.0):
        """Seconds between two good answers, at most, of those asked after `since`."""
        good = [began + took for began, took, wrong in self.answers
                if wrong in (None, "slow") and began >= since]
        return max((after - before for before, after in zip(good, good[1:])), default=0.0)
