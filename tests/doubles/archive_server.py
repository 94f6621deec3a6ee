"""A real HTTP server on loopback that serves one file, well or badly."""

import contextlib
import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class ArchiveServer(ThreadingHTTPServer):
    """Serves `content` at /archive; `cuts` answers break off in their middle.

    `pause` seconds lie between two of its pieces. Where `marked`, it has an ETag and sends the
    rest of a file that is still the same. `asked` are the ranges that were asked for.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = b""
        self.cuts = 0
        self.pause = 0.0
        self.marked = True
        self.asked: list[str] = []

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"http://127.0.0.1:{self.server_address[1]}/archive"

    @property
    def sha256(self) -> str:
        """The checksum of the file."""
        return hashlib.sha256(self.content).hexdigest()


@contextlib.contextmanager
def archive_server() -> Iterator[ArchiveServer]:
    """Serve for the length of the block."""
    with ArchiveServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ArchiveServer

    def do_GET(self) -> None:
        asked = self.headers.get("Range", "")
        self.server.asked.append(asked)
        if self.path != "/archive":
            self.send_error(404)
            return
        mark = f'"{self.server.sha256[:16]}"'
        first = 0
        if asked and self.server.marked and self.headers.get("If-Range") == mark:
            first = int(asked.removeprefix("bytes=").rstrip("-"))
        body = self.server.content[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        if self.server.marked:
            self.send_header("ETag", mark)
        self.end_headers()
        if self.server.cuts:
            self.server.cuts -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        step = max(1, len(body) // 50) if self.server.pause else len(body) or 1
        with contextlib.suppress(OSError):
            for place in range(0, len(body), step):
                self.wfile.write(body[place : place + step])
                time.sleep(self.server.pause)

    def log_message(self, *values: object) -> None:
        pass
