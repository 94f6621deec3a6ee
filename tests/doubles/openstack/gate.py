"""A door before the test bed's services, where calls fail, hang or lose their answer on order.

Every service has a port of its own here, and what a service says of the others' addresses is
told with these ports, so that whoever logs in here stays here.
"""

import http.client
import json
import re
import threading
from contextlib import suppress
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import yaml

from tests.doubles.openstack.places import HOST, Bed

SERVICES = ("identity", "image", "compute", "network", "object-store")
PASS_SECONDS = 120.0
_ENDED = "The request you have made requires authentication."
_OF_ONE_HOP = ("connection", "transfer-encoding", "content-length", "date", "server")


@dataclass
class Fault:
    """What happens to calls of a service whose method and path fit, `left` times or for ever.

    The first `after` ones pass. `refuse` answers with a status and words, `hang` answers
    nothing for so many seconds, and `lose` lets the service do its work and drops the answer.
    """

    kind: Literal["refuse", "hang", "lose"]
    service: str
    method: str
    path: str
    status: int = 500
    words: str = ""
    seconds: float = 0.0
    left: int = -1
    after: int = 0

    def fits(self, service: str, method: str, path: str) -> bool:
        """Say whether this is about such a call."""
        wanted = (self.service in ("", service), self.method in ("", method))
        return all(wanted) and re.search(self.path, path) is not None


@dataclass(frozen=True)
class Call:
    """One call that came here, and what it was answered; 0 stands for no answer."""

    service: str
    method: str
    path: str
    status: int


class Gate:
    """The door, open while its block runs."""

    def __init__(self, bed: Bed) -> None:
        self._bed = bed
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._calls: list[Call] = []
        self._tokens: set[str] = set()
        self._ended: set[str] = set()
        self._free = threading.Event()
        self._servers = {name: _Server(self, name) for name in SERVICES}
        self._moved = [
            (f"{HOST}:{bed.port(name)}", f"{HOST}:{one.server_port}")
            for name, one in self._servers.items()
        ]

    def __enter__(self) -> "Gate":
        for one in self._servers.values():
            threading.Thread(target=one.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self.clear()
        for one in self._servers.values():
            one.shutdown()
            one.server_close()

    def clouds(self, path: Path, silence: float, **auth: str | None) -> Path:
        """Write a clouds.yaml that logs in here, and gives services so many seconds to answer.

        `auth` changes how `member` logs in; None leaves a value out.
        """
        known: Any = self._bed.clouds()
        member = known["clouds"]["member"]
        login = {**member["auth"], "auth_url": f"{self._url('identity')}/v3", **auth}
        member["auth"] = {key: value for key, value in login.items() if value is not None}
        member["api_timeout"] = silence
        path.write_text(yaml.safe_dump({"clouds": {"member": member}}))
        return path

    def refuse(
        self, service: str, method: str, path: str, status: int, words: str, **more: Any
    ) -> None:
        """Answer such calls by a status, in the form in which that service tells errors."""
        self._add(Fault("refuse", service, method, path, status, words, **more))

    def hang(self, service: str, method: str, path: str, seconds: float, **more: Any) -> None:
        """Leave such calls without an answer for so long, and without one then."""
        self._add(Fault("hang", service, method, path, seconds=seconds, **more))

    def lose(self, service: str, method: str, path: str, **more: Any) -> None:
        """Let such calls do their work, and drop what the service answers."""
        self._add(Fault("lose", service, method, path, **more))

    def clear(self) -> None:
        """Let everything pass again, and whatever hangs go."""
        with self._lock:
            self._faults.clear()
            free, self._free = self._free, threading.Event()
        free.set()

    def calls(self, service: str = "", method: str = "", path: str = "") -> list[Call]:
        """Return the calls so far that fit."""
        asked = Fault("refuse", service, method, path)
        with self._lock:
            return [one for one in self._calls if asked.fits(one.service, one.method, one.path)]

    def revoke(self, *more: str) -> int:
        """Have keystone end every token that was used here, and `more`; return how many.

        Services remember for minutes that a token was good, so the gate refuses it for them.
        """
        with self._lock:
            tokens, self._tokens = {*self._tokens, *more}, set()
            self._ended |= tokens
        for token in tokens:
            head = {"X-Auth-Token": token, "X-Subject-Token": token}
            self._pass_on("identity", "DELETE", "/v3/auth/tokens", head, b"")
        return len(tokens)

    def answer(self, caller: "_Handler", service: str, body: bytes) -> None:
        """Answer one call."""
        method, path = caller.command, caller.path
        token = caller.headers.get("X-Auth-Token", "")
        fault, free = self._fault(service, method, path, token)
        if fault is not None and fault.kind == "hang":
            free.wait(fault.seconds)
        if fault is None or fault.kind == "lose":
            status, head, text = self._pass_on(
                service, method, path, dict(caller.headers), body
            )
        elif fault.kind == "refuse":
            status, head, text = fault.status, *_error(service, fault.status, fault.words)
        dropped = fault is not None and fault.kind != "refuse"
        with self._lock:
            self._calls.append(Call(service, method, path, 0 if dropped else status))
            self._tokens |= {token} - {""} - self._ended
        if dropped:
            caller.close_connection = True
            return
        caller.send_response(status)
        for name, value in head:
            caller.send_header(name, value)
        caller.send_header("Content-Length", str(len(text)))
        caller.end_headers()
        if method != "HEAD":
            caller.wfile.write(text)

    def _add(self, fault: Fault) -> None:
        with self._lock:
            self._faults.append(fault)

    def _fault(
        self, service: str, method: str, path: str, token: str
    ) -> tuple[Fault | None, threading.Event]:
        with self._lock:
            for one in self._faults:
                if one.left == 0 or not one.fits(service, method, path):
                    continue
                if one.after > 0:
                    one.after -= 1
                    continue
                one.left -= 1
                return replace(one), self._free
            if token in self._ended:
                return Fault("refuse", service, method, path, 401, _ENDED), self._free
            return None, self._free

    def _pass_on(
        self, service: str, method: str, path: str, head: dict[str, str], body: bytes
    ) -> tuple[int, list[tuple[str, str]], bytes]:
        link = http.client.HTTPConnection(HOST, self._bed.port(service), PASS_SECONDS)
        try:
            # Whole, as it is about to be changed.
            link.request(method, path, body or None, {**head, "Accept-Encoding": "identity"})
            answer = link.getresponse()
            text, told = answer.read(), answer.getheaders()
        finally:
            link.close()
        for theirs, ours in self._moved:
            text = text.replace(theirs.encode(), ours.encode())
            told = [(name, value.replace(theirs, ours)) for name, value in told]
        kept = [one for one in told if one[0].lower() not in _OF_ONE_HOP]
        return answer.status, kept, text

    def _url(self, service: str) -> str:
        return f"http://{HOST}:{self._servers[service].server_port}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, gate: Gate, service: str) -> None:
        self.gate, self.service = gate, service
        super().__init__((HOST, 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Callers that gave up are no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        with suppress(ConnectionError):
            self.server.gate.answer(self, self.server.service, body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

    def log_message(self, format: str, *given: object) -> None:
        """Calls are kept by the gate."""


def _error(service: str, status: int, words: str) -> tuple[list[tuple[str, str]], bytes]:
    """Return headers and text of an error as that service words it, or a proxy before it."""
    inner = {"code": status, "message": words}
    documents: dict[str, Any] = {
        "identity": {"error": {**inner, "title": "Failed"}},
        "compute": {"computeFault": inner},
        "network": {"NeutronError": {"type": "Failed", "message": words, "detail": ""}},
    }
    # What limits how often one may call says how long to wait.
    head = [("Retry-After", "1")] if status in (429, 503) else []
    if service in documents:
        text = json.dumps(documents[service])
        return [("Content-Type", "application/json"), *head], text.encode()
    page = f"<html><body><h1>{status} {words}</h1></body></html>"
    return [("Content-Type", "text/html"), *head], page.encode()
