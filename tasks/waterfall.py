"""The steps of a bring-up as bars over time, node by node."""

import threading
import time
from dataclasses import dataclass, field

from contracts.progress import Event, Tell

WIDTH = 40
_BAR = "█"


@dataclass
class Waterfall:
    """Passes events on and remembers when each step began and ended."""

    listener: Tell
    _begin: float = field(default_factory=time.monotonic)
    _spans: dict[str, list[tuple[str, float, float]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, event: Event) -> None:
        """Note a step that ended, and pass the event on."""
        if event.state in ("done", "failed"):
            end = time.monotonic() - self._begin
            span = (event.step, max(0.0, end - event.seconds), end)
            with self._lock:
                self._spans.setdefault(event.subject, []).append(span)
        self.listener(event)

    def text(self) -> str:
        """Return a line for each step: whose it was, when it ran and how long."""
        spans = [span for found in self._spans.values() for span in found]
        longest = max((end for _, _, end in spans), default=0.0)
        if not longest:
            return ""
        lines = []
        for subject, found in sorted(self._spans.items(), key=lambda item: item[1][0][1]):
            shown = subject
            for step, begin, end in found:
                left = round(begin / longest * WIDTH)
                bar = _BAR * max(1, round((end - begin) / longest * WIDTH))
                drawn = (" " * left + bar)[: WIDTH + 1].ljust(WIDTH + 1)
                lines.append(f"{shown:<12} {step:<14} {drawn} {end - begin:6.2f} s")
                shown = ""
        return "\n".join(lines)
