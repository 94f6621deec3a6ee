"""How a program says how far it is: from anywhere in its process to whoever started it.

The process of a program is asked and answers by lines; what is told goes between the two. It is
told now and then and not at each step, so that a program may call `tell` as often as it likes.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

EVERY_SECONDS = 0.5
WORDS_LIMIT = 60


class Teller:
    """Tells one hearer at a time, and nobody between `begin` and `end` of two."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hear: Callable[[Mapping[str, Any]], None] | None = None
        self._owner = 0
        self._last = 0.0

    def begin(self, hear: Callable[[Mapping[str, Any]], None]) -> None:
        """Have `hear` told from now on, by this process and not by its children."""
        with self._lock:
            self._hear, self._owner, self._last = hear, os.getpid(), -EVERY_SECONDS

    def end(self) -> None:
        """Have nobody told from now on: nothing may come after the answer."""
        with self._lock:
            self._hear = None

    def tell(self, done: int, total: int, words: str) -> None:
        """Say that so many of so many steps are done, and what a step is called."""
        now = time.monotonic()
        with self._lock:
            if self._hear is None or os.getpid() != self._owner:
                return
            if now - self._last >= EVERY_SECONDS:
                self._last = now
                told = {"done": int(done), "total": int(total)}
                self._hear({**told, "words": str(words)[:WORDS_LIMIT]})


teller = Teller()
