"""A real moto server on 127.0.0.1, in a process of its own, and a slow line in front of it."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).parents[2]
START_SECONDS = 60.0
VARIABLES = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "eu-north-1",
    "AWS_DEFAULT_REGION": "eu-north-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@contextlib.contextmanager
def moto_server() -> Iterator[str]:
    """Run the server for the block; gives its address."""
    port = _free_port()
    server = "tests.doubles.aws.snapshots"
    process = subprocess.Popen(
        [sys.executable, "-m", server, "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ},
        cwd=ROOT,
    )
    try:
        _await_port(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()  # it holds nothing that would have to be put away
        process.wait(timeout=60)


@contextlib.contextmanager
def slow_line(address: str, seconds: float) -> Iterator["SlowLine"]:
    """Run a proxy to `address` that holds each request back for so many seconds."""
    target = urlsplit(address)
    server = SlowLine(target.hostname or "", target.port or 80, seconds)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class SlowLine(ThreadingHTTPServer):
    """Passes HTTP requests on, late; `calls` counts them."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, host: str, port: int, seconds: float) -> None:
        self.target = (host, port)
        self.seconds = seconds
        self.calls = 0
        self.refuse_first = 0
        self.lock = threading.Lock()
        super().__init__(("127.0.0.1", 0), _Passer)

    @property
    def address(self) -> str:
        """Where clients connect to."""
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Passer(BaseHTTPRequestHandler):
    server: SlowLine
    protocol_version = "HTTP/1.1"

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _pass(self) -> None:
        with self.server.lock:
            self.server.calls += 1
            refused = self.server.refuse_first > 0
            self.server.refuse_first -= refused
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.server.seconds)
        if refused:
            self._answer(503, [("Content-Type", "text/xml")], _THROTTLED)
            return
        line = http.client.HTTPConnection(*self.server.target, timeout=60)
        try:
            line.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                line.putheader(name, value)
            line.endheaders(body)
            answer = line.getresponse()
            self._answer(answer.status, answer.getheaders(), answer.read())
        finally:
            line.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in ("transfer-encoding", "content-length", "connection"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = _pass

    def handle_one_request(self) -> None:
        """Answer one request; a client or a server that went away ends the connection."""
        try:
            super().handle_one_request()
        except (OSError, http.client.HTTPException):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Stay silent."""


_THROTTLED = (
    b"<Response><Errors><Error><Code>RequestLimitExceeded</Code>"
    b"<Message>Request limit exceeded.</Message></Error></Errors></Response>"
)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await_port(port: int, process: "subprocess.Popen[bytes]") -> None:
    give_up = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None:
            raise RuntimeError(f"moto's server ended with {process.returncode}")
        time.sleep(0.1)
    raise TimeoutError(f"moto's server did not answer within {START_SECONDS:.0f} s")
