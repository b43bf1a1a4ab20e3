"""A proxy before an object store that fails as networks and stores do."""

import contextlib
import http.client
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


class FaultyProxy(ThreadingHTTPServer):
    """Passes requests on to `upstream`. What goes wrong may be changed while it runs."""

    def __init__(self, upstream: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.errors = 0
        """How many requests to come are answered by status 500."""
        self.refusal = b""
        """A page that answers every request, unless it is empty."""
        self.refusal_status = 403
        self.refusal_headers: dict[str, str] = {}
        self.truncations = 0
        """How many bodies to come end before they should."""
        self.pause_s = 0.0
        """How long each byte of a body waits. Above 0, a body comes byte by byte."""
        self.damage: Callable[[bytes], bytes] = bytes
        """What becomes of the bytes of every object that is read."""
        self.said: dict[str, str] = {}
        """Headers that are added to what is said of an object."""
        self.tells_length = True
        """Whether an answer says how long it is. Otherwise it ends with the connection."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultyProxy

    def pass_on(self) -> None:
        content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.refusal:
            length = {"Content-Length": str(len(self.server.refusal))}
            self._answer(self.server.refusal_status, self.server.refusal_headers | length, self.server.refusal)
            return
        if self.server.errors > 0:
            self.server.errors -= 1
            self._answer(500, {"Content-Length": "0"}, b"")
            return
        with contextlib.closing(http.client.HTTPConnection(self.server.upstream)) as connection:
            connection.request(self.command, self.path, content, dict(self.headers.items()))
            response = connection.getresponse()
            body, headers = response.read(), dict(response.headers.items()) | self._added()
        reading = self.command == "GET" and "list-type" not in self.path
        self._answer(response.status, headers, self.server.damage(body) if reading else body)

    def _added(self) -> dict[str, str]:
        return self.server.said if self.command == "HEAD" else {}

    do_GET = do_HEAD = do_POST = do_PUT = pass_on

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        if not self.server.tells_length:
            headers, self.close_connection = {**headers, "Connection": "close"}, True
            headers.pop("Content-Length")
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.server.truncations > 0 and len(body) > 1:
            self.server.truncations -= 1
            body, self.close_connection = body[: len(body) // 2], True
        if not self.server.pause_s:
            self.wfile.write(body)
            return
        with contextlib.suppress(ConnectionError):
            for byte in body:
                self.wfile.write(bytes([byte]))
                time.sleep(self.server.pause_s)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def faulty_proxy(upstream: str) -> Iterator[FaultyProxy]:
    """Run a proxy before `upstream`."""
    with FaultyProxy(upstream) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield server
        finally:
            server.shutdown()
