"""A server that knows nothing: 200 and [] to whatever it is asked. No test of ours may pass with it."""
import http.server
import threading

from pylib.client import Http, ShapeClient


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.send_response(200)
        self.send_header("content-type", "application/json; charset=utf-8")
        self.send_header("content-length", "2")
        self.end_headers()
        if self.command != "HEAD":
            try:
                self.wfile.write(b"[]")
            except OSError:
                self.close_connection = True  # it did not wait

    do_GET = do_HEAD = do_POST = do_DELETE = do_OPTIONS = do_PUT = do_PATCH = answer

    def log_message(self, *_args):
        pass


class Nothing:
    """What tests use of an Engine, without one."""

    def __init__(self):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.settings = {}
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def start(self, **_options):
        return self

    def http(self):
        return Http(self.port)

    def client(self, table, **options):
        return ShapeClient(self.port, table, **options)

    def health(self):
        return None

    def log(self):
        return ""

    def kill(self, *_args):
        return 0

    def wait_complete(self, *_clients):
        pass

    def wait_log(self, *_args, **_options):
        pass

    def wait_health(self, *_args, **_options):
        pass

    def stop(self):
        pass

    def destroy(self):
        self.server.shutdown()
        self.server.server_close()
