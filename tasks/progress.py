"""Progress on standard error: a live line in a terminal, plain lines elsewhere."""

import shutil
import sys
import threading
import time
from typing import TextIO

from contracts.progress import Event

_MARKS = {"running": "…", "done": "✓", "skipped": "-", "failed": "✗"}
_TICK_SECONDS = 0.25
_REMINDER_SECONDS = 10.0
_ERASE = "\r\x1b[K"


class Progress:
    """Prints how each step ended: when, who, what, how long; and what still runs.

    In a terminal the running steps share one live line at the bottom. Elsewhere a step that
    goes on is told again every ten seconds, so that a log never falls silent for longer.

    Parameters
    ----------
    stream : TextIO, optional
        Where to print; standard error by default.
    least_seconds : float
        Steps that took less are not printed, unless they failed or have something to say.
    """

    def __init__(self, *, stream: TextIO | None = None, least_seconds: float = 0.0) -> None:
        self._stream = stream or sys.stderr
        self._live = self._stream.isatty()
        self._least_seconds = least_seconds
        self._begin = time.monotonic()
        self._lock = threading.Lock()
        self._running: dict[tuple[str, str], Event] = {}
        self._since: dict[tuple[str, str], float] = {}
        self._told: dict[tuple[str, str], float] = {}
        self._ticker: threading.Thread | None = None

    def __call__(self, event: Event) -> None:
        """Take in one event."""
        key = (event.subject, event.step)
        now = time.monotonic()
        with self._lock:
            if event.state in ("started", "running"):
                self._running[key] = event
                self._since.setdefault(key, now)
                self._told.setdefault(key, now)
                self._start_ticker()
                return
            self._running.pop(key, None)
            self._since.pop(key, None)
            self._told.pop(key, None)
            quick = event.state == "done" and event.seconds < self._least_seconds
            if not quick or event.detail:
                self._print(event, now)
            self._show_running()

    def _start_ticker(self) -> None:
        if self._ticker is None or not self._ticker.is_alive():
            self._ticker = threading.Thread(target=self._tick, name="progress", daemon=True)
            self._ticker.start()

    def _tick(self) -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            with self._lock:
                if not self._running:
                    self._ticker = None
                    return
                self._show_running()
                if not self._live:
                    self._remind()

    def _remind(self) -> None:
        now = time.monotonic()
        for key, event in self._running.items():
            if now - self._told[key] >= _REMINDER_SECONDS:
                self._told[key] = now
                self._print(event, now)

    def _show_running(self) -> None:
        """Draw the live line, cut to the width of the terminal; erase it if nothing runs."""
        if not self._live:
            return
        now = time.monotonic()
        parts = [
            " ".join(filter(None, (subject, step, self._share(event), event.detail)))
            + f" {now - self._since[subject, step]:.0f} s"
            for (subject, step), event in self._running.items()
        ]
        line = f"{now - self._begin:7.1f}  … " + " · ".join(parts)
        width = shutil.get_terminal_size().columns - 1
        self._stream.write(_ERASE + (line[:width] if parts else ""))
        self._stream.flush()

    def _print(self, event: Event, now: float) -> None:
        seconds = event.seconds
        if event.state in ("started", "running"):
            seconds = now - self._since[event.subject, event.step]
        mark = _MARKS.get(event.state, "…")
        took = " " * 8 if event.state == "skipped" else f"{seconds:6.1f} s"
        share = f" {self._share(event):>4}" if event.fraction is not None else ""
        detail = f"  {event.detail}" if event.detail else ""
        at = now - self._begin
        line = f"{at:7.1f}  {mark} {event.subject:<10} {event.step:<24} {took}{share}{detail}"
        erase = _ERASE if self._live else ""
        self._stream.write(f"{erase}{line.rstrip()}\n")
        self._stream.flush()

    @staticmethod
    def _share(event: Event) -> str:
        return "" if event.fraction is None else f"{event.fraction:.0%}"


def say(text: str) -> None:
    """Print a line on standard error, beside the progress, at once."""
    print(text, file=sys.stderr, flush=True)
