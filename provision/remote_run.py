"""The driver of a run on the head: started detached, followed by offset, ended by record.

Nothing here depends on the connection that started the driver: it goes on when the operator is
cut off or killed, and whoever comes next reads its results from where they left off.
"""

import queue
import re
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from contracts.endpoint import Endpoint
from contracts.errors import DeadlineError, UsageError
from provision import engine_settings
from provision.connection_errors import ConnectionLost, UnreachableError
from provision.links import Links
from provision.parallel import on_each
from provision.place import Place
from provision.remote_program import Program, call

DRIVE = Program("drive", needs=("records",))
TIMELINE = Program("monitor", needs=("records",))
CALL_SECONDS = 30.0
STOP_GRACE = 5.0
FETCH_SECONDS = 120.0
FOLLOW_SECONDS = 300.0
SILENCE_SECONDS = 1.0
RECONNECT_SECONDS = 60.0
_FOLDER = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}\Z")


def launch(links: Links, endpoint: Endpoint, folder: str, spec: bytes) -> bool:
    """Start the driver of a run on the head, detached; False if it was already at work.

    Parameters
    ----------
    endpoint : Endpoint
        As `bringup.start` or `bringup.prepare` returned it.
    folder : str
        Names the run on the head; the same name finds it again.
    spec : bytes
        The run's specification, a JSON document.
    """
    link = links[endpoint.nodes[0]]
    place = Place(endpoint.home, endpoint.environment, endpoint.code)
    link.put(spec, f"{endpoint.home}/runs/{_checked(folder)}/spec.json", 0o600)
    request = {
        "ask": "launch",
        "folder": folder,
        "python": place.python,
        "environment": driver_environment(endpoint),
    }
    answer = call(link, DRIVE, request, timeout=CALL_SECONDS)
    return bool(answer["started"])


def driver_environment(endpoint: Endpoint) -> dict[str, str]:
    """Return the environment variables that a driver has: those of its engine's processes."""
    place = Place(endpoint.home, endpoint.environment, endpoint.code)
    own = engine_settings.environment(endpoint.engine, endpoint.credentials)
    return {**own, **place.variables()}


def follow(links: Links, head: str, folder: str, *, offset: int = 0) -> Iterator[bytes]:
    """Yield what a driver writes, from `offset` on, and stop after the driver ended.

    Yields empty bytes while the driver is silent, about once a second. A broken connection is
    opened again and the reading goes on where it was; where there is no such run it ends
    at once. Closing the iterator does nothing to the driver.

    Raises
    ------
    ConnectionLost, UnreachableError, DeadlineError
        If the head does not come back within a minute.
    """
    _checked(folder)
    lost_at: float | None = None
    while True:
        segment = _Segment(links, head, folder, offset)
        try:
            for part in segment.parts():
                offset += len(part)
                lost_at = None if part else lost_at
                yield part
            if segment.ended:
                return
            lost_at = None
        except (ConnectionLost, UnreachableError, DeadlineError):
            lost_at = lost_at or time.monotonic()
            if time.monotonic() - lost_at > RECONNECT_SECONDS:
                raise
            links.drop(head)
            time.sleep(SILENCE_SECONDS)
            yield b""
        finally:
            segment.leave()


def stop(links: Links, head: str, folder: str) -> bool:
    """End a driver and what it has under way; False if there was nothing to end."""
    request = {"ask": "stop", "folder": _checked(folder), "grace": STOP_GRACE}
    answer = call(links[head], DRIVE, request, timeout=CALL_SECONDS)
    return bool(answer["ended"])


def timeline(
    links: Links, nodes: Sequence[str], since_seconds: float
) -> dict[str, dict[str, list[float]]]:
    """Return what each node's monitor sampled in the last `since_seconds`.

    Each node has the lists `seconds` (0 is `since_seconds` ago), `cpu` (the share of the
    node's CPUs in use, 0 to 1), `memory` (bytes in use), `sent` and `received` (bytes by the
    network since the first sample). Nodes that do not answer are left out: a timeline must
    not cost a result.
    """

    def fetch(name: str) -> dict[str, list[float]]:
        request = {"seconds": since_seconds}
        samples = call(links[name], TIMELINE, request, timeout=CALL_SECONDS)
        return _series(samples, since_seconds)

    outcomes = on_each("reading the timeline", nodes, fetch, seconds=CALL_SECONDS + 15.0)
    return dict(outcomes.done)


def fetch(links: Links, head: str, folder: str, path: str, limit: int) -> bytes | None:
    """Return up to `limit` bytes of a file in a run's folder on the head; None without one.

    Raises
    ------
    TandemError
        If the head cannot be reached, or does not send it within its time.
    """

    def get(name: str) -> bytes | None:
        return links[name].get(f".tandem/runs/{_checked(folder)}/{path}", limit=limit)

    return on_each(f"fetching {path}", [head], get, seconds=FETCH_SECONDS).values()[head]


def _series(samples: Any, since_seconds: float) -> dict[str, list[float]]:
    rows = [
        [float(value) for value in row]
        for row in samples
        if isinstance(row, list) and len(row) == len(_COLUMNS)
    ]
    columns = dict(zip(_COLUMNS, zip(*rows, strict=True), strict=True)) if rows else {}
    found = {name: list(columns.get(name, ())) for name in _COLUMNS}
    found["seconds"] = [round(since_seconds - age, 3) for age in found["seconds"]]
    for name in ("sent", "received"):
        found[name] = [value - found[name][0] for value in found[name]]
    return found


_COLUMNS = ("seconds", "cpu", "memory", "sent", "received")


def _checked(folder: str) -> str:
    if not _FOLDER.match(folder) or ".." in folder:
        raise UsageError(f"{folder!r:.80} cannot name a run.")
    return folder


class _Segment:
    """A few minutes of following: a call in a thread, its data in a queue."""

    def __init__(self, links: Links, head: str, folder: str, offset: int) -> None:
        self._links, self._head = links, head
        self._request = {
            "ask": "follow",
            "folder": folder,
            "offset": offset,
            "seconds": FOLLOW_SECONDS,
        }
        self._data: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._error: Exception | None = None
        self._left = threading.Event()
        self.ended = False
        threading.Thread(target=self._call, daemon=True).start()

    def parts(self) -> Iterator[bytes]:
        """Yield data as it comes and empty bytes in between, until the call ends."""
        while True:
            try:
                part = self._data.get(timeout=SILENCE_SECONDS)
            except queue.Empty:
                yield b""
                continue
            if part is None:
                break
            yield part
        if self._error is not None:
            raise self._error

    def leave(self) -> None:
        """End the call, if it is still under way."""
        self._left.set()

    def _call(self) -> None:
        def heard(event: Mapping[str, Any]) -> None:
            self._data.put(str(event.get("data", "")).encode("latin-1", "replace"))

        try:
            answer = call(
                self._links[self._head],
                DRIVE,
                self._request,
                timeout=FOLLOW_SECONDS + CALL_SECONDS,
                on_event=heard,
                cancelled=self._left.is_set,
            )
            self.ended = bool(answer["ended"])
        except Exception as error:
            self._error = error
        self._data.put(None)
