"""A TCP proxy in front of Postgres whose cable a test may pull.

One thread copies bytes for all connections. cut() ends them all at once, half_close() ends only
what Postgres says, delay() holds everything back for a while, refuse() turns new ones away.
"""
import selectors
import socket
import threading
import time

CHUNK = 1 << 16
HELD_MAX = 1 << 20  # of one direction; then its sender is not read


class _Pipe:
    """Bytes from one socket to the other."""

    def __init__(self, source, target):
        self.source = source
        self.target = target
        self.held = b""
        self.has_ended = False  # the source has
        self.is_shut = False    # the target was told

    def pump(self):
        """Moves what can be moved. False: the connection is over."""
        try:
            if not self.has_ended and len(self.held) < HELD_MAX:
                part = self.source.recv(CHUNK)
                self.has_ended = not part
                self.held += part
        except BlockingIOError:
            pass
        except OSError:
            return False
        try:
            if self.held:
                self.held = self.held[self.target.send(self.held):]
        except BlockingIOError:
            pass
        except OSError:
            return False
        if self.has_ended and not self.held and not self.is_shut:
            self.is_shut = True
            try:
                self.target.shutdown(socket.SHUT_WR)
            except OSError:
                return False
        return True


class _Link:
    def __init__(self, client, server):
        self.client = client
        self.server = server
        self.up = _Pipe(client, server)
        self.down = _Pipe(server, client)

    def pump(self):
        return self.up.pump() and self.down.pump() and not (self.up.is_shut and self.down.is_shut)

    def close(self):
        self.client.close()
        self.server.close()


class Proxy:
    """Listens on a port of its own for 127.0.0.1:`target_port`."""

    def __init__(self, target_port):
        self.target_port = target_port
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]
        self.links = []
        self.is_refusing = False
        self.silent_until = 0.0
        self._is_ending = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self):
        self._is_ending = True
        self._thread.join(10)
        self.cut()
        self.listener.close()

    def cut(self):
        """Every connection ends now."""
        with self._lock:
            for link in self.links:
                link.close()
            self.links = []

    def half_close(self):
        """Each connection's server end falls silent and says so; what the engine says goes on."""
        with self._lock:
            for link in self.links:
                try:
                    link.client.shutdown(socket.SHUT_WR)
                except OSError:
                    pass

    def delay(self, seconds):
        """Nothing passes for a while, in either direction."""
        self.silent_until = time.monotonic() + seconds

    def point_to(self, target_port):
        """New connections go there."""
        self.target_port = target_port

    def refuse(self, is_refusing):
        """From now on new connections are turned away, or let in again."""
        self.is_refusing = is_refusing

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except BlockingIOError:
                return
            try:
                if self.is_refusing:
                    raise ConnectionRefusedError
                server = socket.create_connection(("127.0.0.1", self.target_port), 2)
            except OSError:
                client.close()
                continue
            for each in (client, server):
                each.setblocking(False)
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.links.append(_Link(client, server))

    def _wait(self, wanted):
        """Until one of the sockets may be read, or written where bytes are held; 50 ms at most."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.listener, selectors.EVENT_READ)
            for link in wanted:
                for one, comes, goes in ((link.client, link.up, link.down),
                                         (link.server, link.down, link.up)):
                    events = (0 if comes.has_ended or len(comes.held) >= HELD_MAX
                              else selectors.EVENT_READ)
                    events |= selectors.EVENT_WRITE if goes.held else 0
                    if events and one.fileno() >= 0:
                        selector.register(one, events)
            selector.select(0.05)

    def _run(self):
        while not self._is_ending:
            is_silent = time.monotonic() < self.silent_until
            try:
                self._wait([] if is_silent else list(self.links))
            except (OSError, ValueError, KeyError):
                pass  # cut() closed one meanwhile
            with self._lock:
                self._accept()
                if is_silent:
                    continue
                for link in list(self.links):
                    if not link.pump():
                        link.close()
                        self.links.remove(link)
