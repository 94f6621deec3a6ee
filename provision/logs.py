"""What engines and runs wrote on the nodes, made safe to print."""

import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from contracts.errors import TandemError
from provision.links import Links
from provision.parallel import Outcomes, on_each
from provision.remote_program import Program, call
from provision.words import plain_text

LOGS = Program("logs")
CALL_SECONDS = 30.0
FOLLOW_SECONDS = 24 * 3600.0
Print = Callable[[str, str, str], None]


def last(links: Links, names: Sequence[str], lines: int) -> Outcomes[dict[str, list[str]]]:
    """Return the last lines of each log file of each node."""

    def read(name: str) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}

        def heard(event: Mapping[str, Any]) -> None:
            file, rows = _safe(event)
            found.setdefault(file, []).extend(rows)

        request = {"lines": lines, "seconds": 0}
        call(links[name], LOGS, request, timeout=CALL_SECONDS, on_event=heard)
        return found

    return on_each("reading the logs", names, read, seconds=CALL_SECONDS + 15.0)


def follow(links: Links, names: Sequence[str], lines: int, tell: Print) -> None:
    """Print the last lines and then what follows, until interrupted or for a day.

    Ends when no node can be read any more.
    """
    printed: queue.SimpleQueue[tuple[str, str, str] | None] = queue.SimpleQueue()
    left = threading.Event()

    def read(name: str) -> None:
        def heard(event: Mapping[str, Any]) -> None:
            file, rows = _safe(event)
            for row in rows:
                printed.put((name, file, row))

        request = {"lines": lines, "seconds": FOLLOW_SECONDS}
        try:
            call(
                links[name],
                LOGS,
                request,
                timeout=FOLLOW_SECONDS + CALL_SECONDS,
                on_event=heard,
                cancelled=left.is_set,
            )
        except (TandemError, InterruptedError) as error:
            printed.put((name, "connection", str(error).splitlines()[0]))
        printed.put(None)

    for name in names:
        threading.Thread(target=read, args=(name,), daemon=True).start()
    reading = len(names)
    try:
        while reading:
            found = printed.get()
            if found is None:
                reading -= 1
            else:
                tell(*found)
    finally:
        left.set()


def _safe(event: Mapping[str, Any]) -> tuple[str, list[str]]:
    rows = event.get("lines")
    texts = rows if isinstance(rows, list) else []
    return plain_text(str(event.get("file", ""))), [plain_text(str(row)) for row in texts]
