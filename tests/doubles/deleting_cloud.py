"""The two answers of an OpenStack cloud that a machine needs to delete its cluster: a token for
an application credential, and the deletion of servers that its access rules name.
"""

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

NOBODY = "00000000-0000-0000-0000-000000000000"


class DeletingCloud:
    """`servers` are there; `failures` are what the next deletions are answered with."""

    def __init__(self, servers: tuple[str, ...], failures: tuple[int, ...] = ()) -> None:
        self.servers = list(servers)
        self.allowed = {*servers, NOBODY}
        self.failures = list(failures)
        self.deleted: list[str] = []
        self.secret = "opens-nothing"
        self.url = ""

    def ending(self) -> dict[str, Any]:
        """Return what lets the head of these machines delete them, the first one last."""
        return {
            "auth_url": f"{self.url}/identity",
            "compute_url": f"{self.url}/compute/v2.1",
            "id": "c1",
            "secret": self.secret,
            "servers": [*self.servers[1:], *self.servers[:1]],
            "nobody": NOBODY,
        }


@contextlib.contextmanager
def deleting_cloud(*servers: str, failures: tuple[int, ...] = ()) -> Iterator[DeletingCloud]:
    """Serve such a cloud on loopback for the block."""
    cloud = DeletingCloud(servers, failures)

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"])
            identity = json.loads(self.rfile.read(size))["auth"]["identity"]
            known = {"id": "c1", "secret": "opens-nothing"}
            well = (
                self.path == "/identity/v3/auth/tokens"
                and identity["methods"] == ["application_credential"]
                and identity["application_credential"] == known
            )
            self._answer(201 if well else 401, {"X-Subject-Token": "t1"} if well else {})

        def do_DELETE(self) -> None:
            path, _, server = self.path.rpartition("/")
            if self.headers["X-Auth-Token"] != "t1" or path != "/compute/v2.1/servers":
                self._answer(401, {})
            elif cloud.failures:
                self._answer(cloud.failures.pop(0), {})
            elif server not in cloud.allowed:
                self._answer(403, {})
            elif server in cloud.servers:
                cloud.servers.remove(server)
                cloud.deleted.append(server)
                self._answer(204, {})
            else:
                self._answer(404, {})

        def _answer(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": "0"}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        cloud.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield cloud
        finally:
            server.shutdown()
            thread.join(10)
