"""Progress on standard error: live lines in a terminal, plain lines elsewhere."""

import sys
import threading
import time
from typing import TextIO

from contracts.progress import Event

_MARKS = {"started": "…", "running": "…", "done": "✓", "skipped": "-", "failed": "✗"}


class Progress:
    """Prints each event as a line: when, who, what, how long.

    Steps that are still running are told again every few seconds where nobody can see a
    live line, so that a log never falls silent.
    """

    def __init__(self, *, stream: TextIO | None = None, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self._told: dict[tuple[str, str], float] = {}

    def __call__(self, event: Event) -> None:
        """Print one event."""
        if self._quiet:
            return
        now = time.monotonic()
        with self._lock:
            key = (event.subject, event.step)
            if event.state == "running" and now - self._told.get(key, 0.0) < 2.0:
                return
            self._told[key] = now
            print(self._line(event, now - self._begin), file=self._stream, flush=True)

    def _line(self, event: Event, at: float) -> str:
        took = f"{event.seconds:6.1f} s" if event.state in ("done", "failed") else " " * 8
        share = f" {event.fraction:4.0%}" if event.fraction is not None else ""
        detail = f"  {event.detail}" if event.detail else ""
        mark = _MARKS[event.state]
        return f"{at:7.1f}  {mark} {event.subject:<10} {event.step:<22}{took}{share}{detail}"
