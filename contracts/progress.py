"""What a long piece of work tells whoever is watching, as it goes."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Event:
    """One thing that happened: `subject` is a node or a part, `step` what it does.

    `seconds` is how long the step took, on `done` and `failed`. `fraction` (0 to 1) says
    how far a running step is.
    """

    subject: str
    step: str
    state: Literal["started", "running", "done", "skipped", "failed"]
    seconds: float = 0.0
    detail: str = ""
    fraction: float | None = None


Tell = Callable[[Event], None]


def tell_nobody(event: Event) -> None:
    """Ignore the event: for callers that watch nothing."""


@contextmanager
def step(tell: Tell, subject: str, name: str) -> Iterator[None]:
    """Tell that a step started, and on leaving the block that it is done or failed."""
    tell(Event(subject, name, "started"))
    begin = time.monotonic()
    try:
        yield
    except BaseException as error:
        words = str(error).splitlines() or [type(error).__name__]
        tell(Event(subject, name, "failed", time.monotonic() - begin, words[0]))
        raise
    tell(Event(subject, name, "done", time.monotonic() - begin))
